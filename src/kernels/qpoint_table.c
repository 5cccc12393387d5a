#include "kernels/qpoint.h"

void sn_qpoint_table_init(sn_qpoint_table *t, sn_cpu_level level)
{
    *t = (sn_qpoint_table){0};
#define KERNEL(family, entry, min_level, symbol, numerics)                                                             \
    if (SN_CPU_##min_level <= level) {                                                                                 \
        t->entry = symbol;                                                                                             \
        t->entry##_name = #symbol;                                                                                     \
    }
#include "kernels/qpoint.inc"
#undef KERNEL
}
