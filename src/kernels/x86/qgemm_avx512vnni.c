#define REQUANT_VBMI
#include "kernels/qgemm.h"
#include "kernels/x86/requant_avx512.h"
#include <string.h>

#define QGEMM_DOT(acc, a, b) _mm512_dpbusd_epi32(acc, a, b)
#define QGEMM_NAME sn_qgemm_14x32_avx512vnni
#include "kernels/x86/qgemm_simd.inc"

void sn_qgemm_stage_u8_avx512vnni(void *dst, const uint8_t *src, int64_t n)
{
    uint8_t *y = dst;
    int64_t i = 0;
    for (; i + 64 <= n; i += 64)
        _mm512_storeu_si512(y + i, _mm512_loadu_si512(src + i));
    if (i < n) {
        __mmask64 rest = _bzhi_u64(~0ull, (unsigned)(n - i));
        _mm512_mask_storeu_epi8(y + i, rest, _mm512_maskz_loadu_epi8(rest, src + i));
    }
}
