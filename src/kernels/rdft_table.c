#include "kernels/rdft.h"

#define RDFT_LEVEL(suffix, lanes)                                                                                      \
    (sn_rdft_table)                                                                                                    \
    {                                                                                                                  \
        sn_rdft_frame_##suffix, sn_rdft_power_##suffix, sn_rdft_magnitude_##suffix, lanes, #suffix                     \
    }

void sn_rdft_table_init(sn_rdft_table *t, sn_cpu_level level, int64_t n)
{
    *t = RDFT_LEVEL(ref, 1);
#if defined(__x86_64__)
    if (level >= SN_CPU_AVX2 && n >= 8 * 8)
        *t = RDFT_LEVEL(avx2, 8);
    if (level >= SN_CPU_AVX512 && n >= 16 * 16)
        *t = RDFT_LEVEL(avx512, 16);
#elif defined(__aarch64__)
    if (level >= SN_CPU_NEON && n >= 8 * 8)
        *t = RDFT_LEVEL(neon, 8);
#else
    (void)level;
    (void)n;
#endif
}
