#include "kernels/qgemm.h"

/* Formats and tiles of the levels, each in force up to the next. */
static const struct {
    sn_cpu_level level;
    sn_qgemm_limits limits;
} qgemm_levels[] = {
    {SN_CPU_REF, {4, 16, 4, 1}},
#if defined(__x86_64__)
    {SN_CPU_AVX2, {6, 16, 2, 2}},
    {SN_CPU_AVX512, {14, 32, 2, 2}},
    {SN_CPU_AVX512VNNI, {14, 32, 4, 1}},
#elif defined(__aarch64__)
    {SN_CPU_NEON, {8, 8, 4, 1}},
#endif
};

void sn_qgemm_table_init(sn_qgemm_table *t, sn_cpu_level level)
{
    *t = (sn_qgemm_table){0};
    for (size_t i = 0; i < sizeof qgemm_levels / sizeof qgemm_levels[0]; i++)
        if (qgemm_levels[i].level <= level)
            t->limits = qgemm_levels[i].limits;
#define KERNEL(family, entry, min_level, symbol, numerics)                                                             \
    if (SN_CPU_##min_level <= level) {                                                                                 \
        t->entry = symbol;                                                                                             \
        t->entry##_name = #symbol;                                                                                     \
    }
#define KERNEL_STAGE(family, entry, min_level, symbol, numerics)                                                       \
    if (SN_CPU_##min_level <= level)                                                                                   \
        t->entry = symbol;
#include "kernels/qgemm.inc"
#undef KERNEL
#undef KERNEL_STAGE
}
