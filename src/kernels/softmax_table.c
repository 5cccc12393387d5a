#include "kernels/softmax.h"

#define SOFTMAX_LEVEL(suffix)                                                                                          \
    (sn_softmax_table)                                                                                                 \
    {                                                                                                                  \
        sn_softmax_f32_row_##suffix, sn_softmax_f32_log_row_##suffix, sn_softmax_f32_inner_##suffix,                   \
            sn_softmax_f32_log_inner_##suffix, sn_softmax_f32_exp_rows_##suffix, sn_softmax_f32_scale_rows_##suffix,   \
            #suffix                                                                                                    \
    }

void sn_softmax_table_init(sn_softmax_table *t, sn_cpu_level level)
{
    *t = SOFTMAX_LEVEL(ref);
#if defined(__x86_64__)
    if (level >= SN_CPU_AVX2)
        *t = SOFTMAX_LEVEL(avx2);
    if (level >= SN_CPU_AVX512)
        *t = SOFTMAX_LEVEL(avx512);
#elif defined(__aarch64__)
    if (level >= SN_CPU_NEON)
        *t = SOFTMAX_LEVEL(neon);
#else
    (void)level;
#endif
}
