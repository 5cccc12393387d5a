#include "kernels/roofline.h"

#define ROOFLINE_LEVEL(suffix)                                                                                         \
    (sn_roofline_table)                                                                                                \
    {                                                                                                                  \
        sn_roofline_f32_multiply_add_##suffix, sn_roofline_f32_read_##suffix, #suffix                                  \
    }

void sn_roofline_table_init(sn_roofline_table *t, sn_cpu_level level)
{
    *t = ROOFLINE_LEVEL(ref);
#if defined(__x86_64__)
    if (level >= SN_CPU_AVX2)
        *t = ROOFLINE_LEVEL(avx2);
    if (level >= SN_CPU_AVX512)
        *t = ROOFLINE_LEVEL(avx512);
#elif defined(__aarch64__)
    if (level >= SN_CPU_NEON)
        *t = ROOFLINE_LEVEL(neon);
#else
    (void)level;
#endif
}
