#include "kernels/pooling.h"

#define POOL_LEVEL(suffix)                                                                                             \
    (sn_pool_table)                                                                                                    \
    {                                                                                                                  \
        sn_pool_f32_max_plane_##suffix, sn_pool_f32_avg_plane_##suffix, sn_pool_f32_max_block_##suffix,                \
            sn_pool_f32_avg_block_##suffix, sn_pool_f32_max_global_##suffix, sn_pool_f32_avg_global_##suffix,          \
            sn_pool_f32_max_global_block_##suffix, sn_pool_f32_avg_global_block_##suffix, #suffix                      \
    }

void sn_pool_table_init(sn_pool_table *t, sn_cpu_level level)
{
    *t = POOL_LEVEL(ref);
#if defined(__x86_64__)
    if (level >= SN_CPU_AVX2)
        *t = POOL_LEVEL(avx2);
    if (level >= SN_CPU_AVX512)
        *t = POOL_LEVEL(avx512);
#elif defined(__aarch64__)
    if (level >= SN_CPU_NEON)
        *t = POOL_LEVEL(neon);
#else
    (void)level;
#endif
}
