#include "kernels/elementwise.h"
#include <stddef.h>

void sn_elementwise_table_init(sn_elementwise_table *t, sn_cpu_level level)
{
    *t = (sn_elementwise_table){0};
#define KERNEL(family, entry, min_level, symbol, numerics)                                                             \
    if (SN_CPU_##min_level <= level)                                                                                   \
        t->entry = (sn_ew_kernel){symbol, #symbol};
#include "kernels/elementwise.inc"
#undef KERNEL
}

sn_ew_kernel sn_elementwise_entry(const sn_elementwise_table *t, sn_ew_op op)
{
    switch (op) {
#define ENTRY(NAME, name, n_in)                                                                                        \
    case SN_EW_##NAME: return t->f32_##name;
        SN_EW_LIST(ENTRY)
#undef ENTRY
    case SN_EW_OPS: break;
    }
    return (sn_ew_kernel){0};
}

int sn_ew_operands(sn_ew_op op)
{
    switch (op) {
#define OPERANDS(NAME, name, n_in)                                                                                     \
    case SN_EW_##NAME: return n_in;
        SN_EW_LIST(OPERANDS)
#undef OPERANDS
    case SN_EW_OPS: break;
    }
    return 0;
}

sn_ew_kernel sn_elementwise_find(sn_cpu_level level, sn_ew_op op, setsuna_dtype dtype)
{
    static const char *const name[] = {
#define NAME(NAME, name, n_in) "sn_ew_" #name "_ref",
        SN_EW_LIST(NAME)
#undef NAME
    };
    if (dtype == SETSUNA_F32) {
        sn_elementwise_table t;
        sn_elementwise_table_init(&t, level);
        return sn_elementwise_entry(&t, op);
    }
    if ((unsigned)op >= SN_EW_OPS)
        return (sn_ew_kernel){0};
    return (sn_ew_kernel){sn_elementwise_ref(op, dtype), name[op]};
}
