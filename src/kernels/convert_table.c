#include "kernels/convert.h"

void sn_convert_table_init(sn_convert_table *t, sn_cpu_level level)
{
    *t = (sn_convert_table){0};
#define KERNEL(family, entry, min_level, symbol, numerics)                                                             \
    if (SN_CPU_##min_level <= level)                                                                                   \
        t->entry = (sn_convert_kernel){symbol, #symbol};
#include "kernels/convert.inc"
#undef KERNEL
}

sn_convert_kernel sn_convert_find(sn_cpu_level level, setsuna_dtype from, setsuna_dtype to)
{
    sn_convert_table t;
    sn_convert_table_init(&t, level);
    if (from == SETSUNA_F16 && to == SETSUNA_F32)
        return t.f16_f32;
    if (from == SETSUNA_F32 && to == SETSUNA_F16)
        return t.f32_f16;
    if (from == SETSUNA_BF16 && to == SETSUNA_F32)
        return t.bf16_f32;
    if (from == SETSUNA_F32 && to == SETSUNA_BF16)
        return t.f32_bf16;
    return (sn_convert_kernel){sn_convert_ref(from, to), "sn_convert_ref"};
}
