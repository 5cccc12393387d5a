/* Without VNNI: 16-bit products in pairs (vpmaddwd), which never saturate. */
#include "kernels/qgemm.h"
#include "kernels/x86/requant_avx512.h"
#include <string.h>

#define QGEMM_DOT(acc, a, b) _mm512_add_epi32(acc, _mm512_madd_epi16(a, b))
#define QGEMM_NAME sn_qgemm_14x32_avx512
#include "kernels/x86/qgemm_simd.inc"

#include "kernels/x86/vmath_avx512.h"
#define QGEMM_AFTER sn_qgemm_after_avx512
#include "kernels/simd/qgemm_after.inc"
