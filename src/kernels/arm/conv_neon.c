/* Convolution kernels for NEON: 32 registers of 4 floats, taken in pairs. */
#include "kernels/arm/transpose4_neon.h"
#include "kernels/arm/vmath_neon.h"
#include "kernels/conv_impl.h"
#include "kernels/conv_winograd.h"
#include <string.h>

typedef SN_V_TYPE V;
enum { VW = SN_V_LANES };

static inline void v_transpose(V m[8])
{
    float32x4_t q[2][2][4]; /* by half of the rows, half of the lanes */
    for (int i = 0; i < 8; i++) {
        q[i / 4][0][i % 4] = m[i].lo;
        q[i / 4][1][i % 4] = m[i].hi;
    }
    for (int i = 0; i < 4; i++)
        sn_transpose4_neon(q[i / 2][i % 2]);
    for (int i = 0; i < 8; i++)
        m[i] = (V){q[0][i / 4][i % 4], q[1][i / 4][i % 4]};
}

/* For each byte of a vector, the byte of another that goes there; 255 where none does. */
typedef struct VL {
    uint8x16_t lo, hi;
} VL;

static inline VL v_way(int32_t lane, int32_t at, int32_t n)
{
    uint8_t from[sizeof(V)];
    for (int32_t i = 0; i < (int32_t)sizeof(V); i++)
        from[i] = i / 4 >= at && i / 4 < at + n ? (uint8_t)(i + (lane - at) * 4) : 255;
    return (VL){vld1q_u8(from), vld1q_u8(from + 16)};
}
static inline V v_move(V to, V from, VL way)
{
    uint8x16x2_t table = {{vreinterpretq_u8_f32(from.lo), vreinterpretq_u8_f32(from.hi)}};
    return (V){vreinterpretq_f32_u8(vqtbx2q_u8(vreinterpretq_u8_f32(to.lo), table, way.lo)),
               vreinterpretq_f32_u8(vqtbx2q_u8(vreinterpretq_u8_f32(to.hi), table, way.hi))};
}

#define CONV(name) sn_conv_##name##_neon
#define CONV_HOLD(v) (void)(v)
/* clang-format off */
#define CONV_TILES(T)                                                                                                  \
    T(1, 1) T(2, 1) T(3, 1) T(4, 1) T(5, 1) T(6, 1) T(7, 1) T(8, 1) T(9, 1) T(10, 1)                                   \
    T(1, 2) T(2, 2) T(3, 2) T(4, 2) T(5, 2) T(6, 2)                                                                    \
    T(1, 3) T(2, 3) T(3, 3) T(4, 3)
#define CONV_LINES(L)                                                                                                  \
    L(1) L(2) L(3) L(4) L(5) L(6) L(7) L(8) L(9) L(10) L(11) L(12)
/* clang-format on */

#include "kernels/simd/conv_simd.inc"
#include "kernels/simd/conv_depthwise.inc"
#include "kernels/simd/conv_winograd.inc"
