#include "kernels/qlinear.h"

void sn_qlinear_table_init(sn_qlinear_table *t, sn_cpu_level level)
{
    *t = (sn_qlinear_table){0};
#define KERNEL(family, entry, min_level, symbol, numerics)                                                             \
    if (SN_CPU_##min_level <= level) {                                                                                 \
        t->entry.fn = symbol;                                                                                          \
        t->entry.name = #symbol;                                                                                       \
    }
#include "kernels/qlinear.inc"
#undef KERNEL
}

sn_qlinear_kernel sn_qlinear_find(sn_cpu_level level, setsuna_dtype from, setsuna_dtype to)
{
    sn_qlinear_table t;
    sn_qlinear_table_init(&t, level);
    if (from == SETSUNA_F32 && to == SETSUNA_U8)
        return t.f32_u8;
    if (from == SETSUNA_F32 && to == SETSUNA_I8)
        return t.f32_i8;
    if (from == SETSUNA_U8 && to == SETSUNA_F32)
        return t.u8_f32;
    if (from == SETSUNA_I8 && to == SETSUNA_F32)
        return t.i8_f32;
    return (sn_qlinear_kernel){sn_qlinear_ref(from, to), "sn_qlinear_ref"};
}
