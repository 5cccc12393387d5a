/* Functions that exist once an element type: see each_type.inc. */
#ifndef SN_OPS_TYPED_H
#define SN_OPS_TYPED_H

#include <setsuna/tensor.h>

enum { SN_TYPED_TABLE_SIZE = SETSUNA_BF16 + 1 };

/* Initialiser of an array [SN_TYPED_TABLE_SIZE] of pointers, by dtype; NULL where a type has none. */
#define SN_EACH_TYPE_TABLE(name)                                                                                       \
    {                                                                                                                  \
        [SETSUNA_F32] = name##_f32, [SETSUNA_F64] = name##_f64, [SETSUNA_I8] = name##_i8, [SETSUNA_U8] = name##_u8,    \
        [SETSUNA_I16] = name##_i16, [SETSUNA_U16] = name##_u16, [SETSUNA_I32] = name##_i32,                            \
        [SETSUNA_U32] = name##_u32, [SETSUNA_I64] = name##_i64, [SETSUNA_U64] = name##_u64,                            \
    }

#endif
