#include "kernels/qlinear.h"
#include <math.h>
#include <stddef.h>

/* The limits less the zero point are integers of at most 17 bits, exact in f32; so is their sum again. */
static inline float quantize_one(float x, float scale, float low, float high, float zero)
{
    float q = rintf(x / scale), least = low - zero, most = high - zero;
    q = q > least ? q : least; /* NaN goes to the least */
    return (q < most ? q : most) + zero;
}

#define QUANTIZE(X, Y, low, high, name)                                                                                \
    void name(void *y_, const void *x_, const float *scale, const void *zero_, int64_t step, int64_t n)                \
    {                                                                                                                  \
        Y *y = y_;                                                                                                     \
        const X *x = x_;                                                                                               \
        const Y *zero = zero_;                                                                                         \
        for (int64_t i = 0; i < n; i++)                                                                                \
            y[i] = (Y)quantize_one((float)x[i], scale[i * step], low, high, zero ? (float)zero[i * step] : 0.0f);      \
    }

/* The difference is exact in i64, then rounded once to f32 and once by the product. */
#define DEQUANTIZE(X, name)                                                                                            \
    void name(void *y_, const void *x_, const float *scale, const void *zero_, int64_t step, int64_t n)                \
    {                                                                                                                  \
        float *y = y_;                                                                                                 \
        const X *x = x_, *zero = zero_;                                                                                \
        for (int64_t i = 0; i < n; i++)                                                                                \
            y[i] = (float)((int64_t)x[i] - (zero ? (int64_t)zero[i * step] : 0)) * scale[i * step];                    \
    }

QUANTIZE(float, uint8_t, 0, UINT8_MAX, sn_qlinear_f32_u8_ref)
QUANTIZE(float, int8_t, INT8_MIN, INT8_MAX, sn_qlinear_f32_i8_ref)
DEQUANTIZE(uint8_t, sn_qlinear_u8_f32_ref)
DEQUANTIZE(int8_t, sn_qlinear_i8_f32_ref)
static QUANTIZE(float, uint16_t, 0, UINT16_MAX, quantize_f32_u16) static QUANTIZE(float, int16_t, INT16_MIN, INT16_MAX, quantize_f32_i16) static QUANTIZE(
    int32_t, uint8_t, 0, UINT8_MAX,
    quantize_i32_u8) static QUANTIZE(int32_t, int8_t, INT8_MIN, INT8_MAX,
                                     quantize_i32_i8) static QUANTIZE(int32_t, uint16_t, 0, UINT16_MAX,
                                                                      quantize_i32_u16) static QUANTIZE(int32_t,
                                                                                                        int16_t,
                                                                                                        INT16_MIN,
                                                                                                        INT16_MAX,
                                                                                                        quantize_i32_i16) static DEQUANTIZE(uint16_t,
                                                                                                                                            quantize_u16_f32) static DEQUANTIZE(int16_t,
                                                                                                                                                                                quantize_i16_f32) static DEQUANTIZE(int32_t,
                                                                                                                                                                                                                    quantize_i32_f32)

    sn_qlinear_fn *sn_qlinear_ref(setsuna_dtype from, setsuna_dtype to)
{
    static const struct {
        setsuna_dtype from, to;
        sn_qlinear_fn *fn;
    } pair[] = {
        {SETSUNA_F32, SETSUNA_U8, sn_qlinear_f32_u8_ref}, {SETSUNA_F32, SETSUNA_I8, sn_qlinear_f32_i8_ref},
        {SETSUNA_F32, SETSUNA_U16, quantize_f32_u16},     {SETSUNA_F32, SETSUNA_I16, quantize_f32_i16},
        {SETSUNA_I32, SETSUNA_U8, quantize_i32_u8},       {SETSUNA_I32, SETSUNA_I8, quantize_i32_i8},
        {SETSUNA_I32, SETSUNA_U16, quantize_i32_u16},     {SETSUNA_I32, SETSUNA_I16, quantize_i32_i16},
        {SETSUNA_U8, SETSUNA_F32, sn_qlinear_u8_f32_ref}, {SETSUNA_I8, SETSUNA_F32, sn_qlinear_i8_f32_ref},
        {SETSUNA_U16, SETSUNA_F32, quantize_u16_f32},     {SETSUNA_I16, SETSUNA_F32, quantize_i16_f32},
        {SETSUNA_I32, SETSUNA_F32, quantize_i32_f32},
    };
    for (size_t i = 0; i < sizeof pair / sizeof pair[0]; i++)
        if (pair[i].from == from && pair[i].to == to)
            return pair[i].fn;
    return NULL;
}

/* Sixteen running extremes, so that the compiler keeps them in vectors. */
void sn_qlinear_f32_range_ref(const float *x, int64_t n, float *min_out, float *max_out)
{
    enum { LANES = 16 };
    float low[LANES] = {0}, high[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            low[k] = x[i + k] < low[k] ? x[i + k] : low[k];
            high[k] = x[i + k] > high[k] ? x[i + k] : high[k];
        }
    for (; i < n; i++) {
        low[0] = x[i] < low[0] ? x[i] : low[0];
        high[0] = x[i] > high[0] ? x[i] : high[0];
    }
    for (int k = 1; k < LANES; k++) {
        low[0] = low[k] < low[0] ? low[k] : low[0];
        high[0] = high[k] > high[0] ? high[k] : high[0];
    }
    *min_out = low[0];
    *max_out = high[0];
}
