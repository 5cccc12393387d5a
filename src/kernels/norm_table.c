#include "kernels/norm.h"

#define NORM_LEVEL(suffix)                                                                                             \
    (sn_norm_table)                                                                                                    \
    {                                                                                                                  \
        sn_norm_f32_layer_##suffix, sn_norm_f32_moments_##suffix, sn_norm_f32_affine_##suffix, #suffix                 \
    }

void sn_norm_table_init(sn_norm_table *t, sn_cpu_level level)
{
    *t = NORM_LEVEL(ref);
#if defined(__x86_64__)
    if (level >= SN_CPU_AVX2)
        *t = NORM_LEVEL(avx2);
    if (level >= SN_CPU_AVX512)
        *t = NORM_LEVEL(avx512);
#elif defined(__aarch64__)
    if (level >= SN_CPU_NEON)
        *t = NORM_LEVEL(neon);
#else
    (void)level;
#endif
}
