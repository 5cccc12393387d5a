#include "kernels/transpose.h"

void sn_transpose_table_init(sn_transpose_table *t, sn_cpu_level cpu)
{
    *t = (sn_transpose_table){0};
#define KERNEL(family, entry, level, symbol, numerics)                                                                 \
    if (cpu >= SN_CPU_##level)                                                                                         \
        t->entry = symbol;
#include "kernels/transpose.inc"
#undef KERNEL
}
