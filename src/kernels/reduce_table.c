#include "kernels/reduce.h"

void sn_reduce_table_init(sn_reduce_table *t, sn_cpu_level cpu)
{
    *t = (sn_reduce_table){0};
#define KERNEL(family, entry, level, symbol, numerics)                                                                 \
    if (cpu >= SN_CPU_##level)                                                                                         \
        t->entry = symbol;
#include "kernels/reduce.inc"
#undef KERNEL
}
