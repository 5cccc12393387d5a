#include "kernels/convert.h"
#include "base/half.h"

/* A value travels in one of five carriers: i32, i64 and u64 hold every integer type, f32 also f16 and bf16, and f64
 * itself. What follows is each carrier to each type. */

/* ---- integers to integers and bool ------------------------------------------------------------------ */

#define INT_TO(C, c, D, d)                                                                                             \
    static inline D to_##d##_from_##c(C v)                                                                             \
    {                                                                                                                  \
        return (D)v;                                                                                                   \
    }
#define INT_TO_ALL(C, c)                                                                                               \
    INT_TO(C, c, int8_t, i8)                                                                                           \
    INT_TO(C, c, int16_t, i16)                                                                                         \
    INT_TO(C, c, int32_t, i32)                                                                                         \
    INT_TO(C, c, int64_t, i64)                                                                                         \
    INT_TO(C, c, uint8_t, u8)                                                                                          \
    INT_TO(C, c, uint16_t, u16)                                                                                        \
    INT_TO(C, c, uint32_t, u32)                                                                                        \
    INT_TO(C, c, uint64_t, u64)                                                                                        \
    INT_TO(C, c, float, f32)                                                                                           \
    INT_TO(C, c, double, f64)                                                                                          \
    static inline uint8_t to_bool_from_##c(C v)                                                                        \
    {                                                                                                                  \
        return v != 0;                                                                                                 \
    }                                                                                                                  \
    /* f32 holds every integer below 2^24, and above f16 has infinity only. */                                         \
    static inline uint16_t to_f16_from_##c(C v)                                                                        \
    {                                                                                                                  \
        return sn_f32_to_f16((float)v);                                                                                \
    }

INT_TO_ALL(int32_t, i32)
INT_TO_ALL(int64_t, i64)
INT_TO_ALL(uint64_t, u64)

/* ---- floating types to integers: cut, saturate ------------------------------------------------------ */

/* The limits are powers of two (or 0), so they are exact in either type. */
#define FLOAT_TO_INT(C, c, D, d, low, low_value, high, high_value)                                                     \
    static inline D to_##d##_from_##c(C v)                                                                             \
    {                                                                                                                  \
        return v != v ? (D)0 : v <= (C)(low) ? (D)(low_value) : v >= (C)(high) ? (D)(high_value) : (D)v;               \
    }
#define FLOAT_TO_INTS(C, c)                                                                                            \
    FLOAT_TO_INT(C, c, int8_t, i8, -0x1p7, INT8_MIN, 0x1p7, INT8_MAX)                                                  \
    FLOAT_TO_INT(C, c, int16_t, i16, -0x1p15, INT16_MIN, 0x1p15, INT16_MAX)                                            \
    FLOAT_TO_INT(C, c, int32_t, i32, -0x1p31, INT32_MIN, 0x1p31, INT32_MAX)                                            \
    FLOAT_TO_INT(C, c, int64_t, i64, -0x1p63, INT64_MIN, 0x1p63, INT64_MAX)                                            \
    FLOAT_TO_INT(C, c, uint8_t, u8, 0, 0, 0x1p8, UINT8_MAX)                                                            \
    FLOAT_TO_INT(C, c, uint16_t, u16, 0, 0, 0x1p16, UINT16_MAX)                                                        \
    FLOAT_TO_INT(C, c, uint32_t, u32, 0, 0, 0x1p32, UINT32_MAX)                                                        \
    FLOAT_TO_INT(C, c, uint64_t, u64, 0, 0, 0x1p64, UINT64_MAX)                                                        \
    static inline uint8_t to_bool_from_##c(C v)                                                                        \
    {                                                                                                                  \
        return v != 0;                                                                                                 \
    }

FLOAT_TO_INTS(float, f32)
FLOAT_TO_INTS(double, f64)

/* ---- between floating types ------------------------------------------------------------------------- */

/* d as a float rounded to odd: an inexact result is the neighbour with an odd last bit, so that a second rounding, to a
 * narrower type, is right as if it were the only one (Boldo & Melquiond, "When double rounding is odd", 2005). */
static inline float f32_odd_from_f64(double d)
{
    float f = (float)d;
    if (d != d || (double)f == d)
        return f;
    uint32_t u = sn_f32_bits(f);
    if ((f < 0 ? -(double)f : (double)f) > (d < 0 ? -d : d))
        u--; /* towards zero */
    return sn_f32_from_bits(u | 1);
}

static inline float to_f32_from_f32(float v)
{
    return v;
}
static inline double to_f64_from_f32(float v)
{
    return (double)v;
}
static inline uint16_t to_f16_from_f32(float v)
{
    return sn_f32_to_f16(v);
}
static inline uint16_t to_bf16_from_f32(float v)
{
    return sn_f32_to_bf16(v);
}
static inline float to_f32_from_f64(double v)
{
    return (float)v;
}
static inline double to_f64_from_f64(double v)
{
    return v;
}
static inline uint16_t to_f16_from_f64(double v)
{
    return sn_f32_to_f16(f32_odd_from_f64(v));
}
static inline uint16_t to_bf16_from_f64(double v)
{
    return sn_f32_to_bf16(f32_odd_from_f64(v));
}

/* Integers beyond 2^53: the 11 lowest bits, which f64 may not hold, become one sticky bit above them. */
static inline uint16_t to_bf16_from_u64(uint64_t v)
{
    if (v >> 53)
        v = (v & ~(uint64_t)0x7ff) | (uint64_t)((v & 0x7ff) != 0) << 11;
    return to_bf16_from_f64((double)v);
}
static inline uint16_t to_bf16_from_i64(int64_t v)
{
    return v < 0 ? to_bf16_from_u64(0 - (uint64_t)v) | 0x8000u : to_bf16_from_u64((uint64_t)v);
}
static inline uint16_t to_bf16_from_i32(int32_t v)
{
    return to_bf16_from_f64((double)v);
}

/* ---- the loops -------------------------------------------------------------------------------------- */

#define T float
#define CARRIER f32
#define VIA(v) (v)
#define CONVERT_NAME(to) convert_f32_##to
#include "kernels/ref/convert_from.inc"
#undef T
#undef CARRIER
#undef VIA
#undef CONVERT_NAME

#define T double
#define CARRIER f64
#define VIA(v) (v)
#define CONVERT_NAME(to) convert_f64_##to
#include "kernels/ref/convert_from.inc"
#undef T
#undef CARRIER
#undef VIA
#undef CONVERT_NAME

#define T uint16_t
#define CARRIER f32
#define VIA(v) sn_f16_to_f32(v)
#define CONVERT_NAME(to) convert_f16_##to
#include "kernels/ref/convert_from.inc"
#undef T
#undef CARRIER
#undef VIA
#undef CONVERT_NAME

#define T uint16_t
#define CARRIER f32
#define VIA(v) sn_bf16_to_f32(v)
#define CONVERT_NAME(to) convert_bf16_##to
#include "kernels/ref/convert_from.inc"
#undef T
#undef CARRIER
#undef VIA
#undef CONVERT_NAME

#define T int8_t
#define CARRIER i32
#define VIA(v) (v)
#define CONVERT_NAME(to) convert_i8_##to
#include "kernels/ref/convert_from.inc"
#undef T
#undef CARRIER
#undef VIA
#undef CONVERT_NAME

#define T int16_t
#define CARRIER i32
#define VIA(v) (v)
#define CONVERT_NAME(to) convert_i16_##to
#include "kernels/ref/convert_from.inc"
#undef T
#undef CARRIER
#undef VIA
#undef CONVERT_NAME

#define T int32_t
#define CARRIER i32
#define VIA(v) (v)
#define CONVERT_NAME(to) convert_i32_##to
#include "kernels/ref/convert_from.inc"
#undef T
#undef CARRIER
#undef VIA
#undef CONVERT_NAME

#define T int64_t
#define CARRIER i64
#define VIA(v) (v)
#define CONVERT_NAME(to) convert_i64_##to
#include "kernels/ref/convert_from.inc"
#undef T
#undef CARRIER
#undef VIA
#undef CONVERT_NAME

#define T uint8_t
#define CARRIER i32
#define VIA(v) (v)
#define CONVERT_NAME(to) convert_u8_##to
#include "kernels/ref/convert_from.inc"
#undef T
#undef CARRIER
#undef VIA
#undef CONVERT_NAME

#define T uint16_t
#define CARRIER i32
#define VIA(v) (v)
#define CONVERT_NAME(to) convert_u16_##to
#include "kernels/ref/convert_from.inc"
#undef T
#undef CARRIER
#undef VIA
#undef CONVERT_NAME

#define T uint32_t
#define CARRIER i64
#define VIA(v) (v)
#define CONVERT_NAME(to) convert_u32_##to
#include "kernels/ref/convert_from.inc"
#undef T
#undef CARRIER
#undef VIA
#undef CONVERT_NAME

#define T uint64_t
#define CARRIER u64
#define VIA(v) (v)
#define CONVERT_NAME(to) convert_u64_##to
#include "kernels/ref/convert_from.inc"
#undef T
#undef CARRIER
#undef VIA
#undef CONVERT_NAME

#define T uint8_t
#define CARRIER i32
#define VIA(v) ((v) != 0)
#define CONVERT_NAME(to) convert_bool_##to
#include "kernels/ref/convert_from.inc"
#undef T
#undef CARRIER
#undef VIA
#undef CONVERT_NAME

sn_convert_fn *sn_convert_ref(setsuna_dtype from, setsuna_dtype to)
{
    if ((unsigned)to > SETSUNA_BF16)
        return NULL;
    switch (from) {
    case SETSUNA_F32: return convert_f32_table[to];
    case SETSUNA_F64: return convert_f64_table[to];
    case SETSUNA_F16: return convert_f16_table[to];
    case SETSUNA_BF16: return convert_bf16_table[to];
    case SETSUNA_I8: return convert_i8_table[to];
    case SETSUNA_I16: return convert_i16_table[to];
    case SETSUNA_I32: return convert_i32_table[to];
    case SETSUNA_I64: return convert_i64_table[to];
    case SETSUNA_U8: return convert_u8_table[to];
    case SETSUNA_U16: return convert_u16_table[to];
    case SETSUNA_U32: return convert_u32_table[to];
    case SETSUNA_U64: return convert_u64_table[to];
    case SETSUNA_BOOL: return convert_bool_table[to];
    default: return NULL;
    }
}

void sn_convert_f16_f32_ref(void *y, const void *x, int64_t n)
{
    convert_f16_f32(y, x, n);
}

void sn_convert_f32_f16_ref(void *y, const void *x, int64_t n)
{
    convert_f32_f16(y, x, n);
}

void sn_convert_bf16_f32_ref(void *y, const void *x, int64_t n)
{
    convert_bf16_f32(y, x, n);
}

void sn_convert_f32_bf16_ref(void *y, const void *x, int64_t n)
{
    convert_f32_bf16(y, x, n);
}
