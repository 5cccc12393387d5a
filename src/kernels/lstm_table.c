#include "kernels/lstm.h"

#define LSTM_LEVEL(suffix)                                                                                             \
    (sn_lstm_table)                                                                                                    \
    {                                                                                                                  \
        sn_lstm_f32_cell_##suffix, sn_lstm_f32_act_##suffix, sn_lstm_f32_blend_##suffix, #suffix                       \
    }

void sn_lstm_table_init(sn_lstm_table *t, sn_cpu_level level)
{
    *t = LSTM_LEVEL(ref);
#if defined(__x86_64__)
    if (level >= SN_CPU_AVX2)
        *t = LSTM_LEVEL(avx2);
    if (level >= SN_CPU_AVX512)
        *t = LSTM_LEVEL(avx512);
#elif defined(__aarch64__)
    if (level >= SN_CPU_NEON)
        *t = LSTM_LEVEL(neon);
#else
    (void)level;
#endif
}
