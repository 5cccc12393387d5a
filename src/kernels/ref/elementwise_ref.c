#include "kernels/elementwise.h"
#include <math.h>
#include <stddef.h>

/* The specification of the family. */
#define T float
#define M(name) name##f
#define EW_LINK
#define EW_NAME(op) sn_ew_##op##_f32_ref
#include "kernels/ref/elementwise_float.inc"
#undef T
#undef M
#undef EW_LINK
#undef EW_NAME

/* ---- selection: moves bytes, so typed by size ------------------------------------------------------- */

typedef struct ew_16 {
    uint64_t half[2];
} ew_16;

#define EW_WHERE(T, name)                                                                                              \
    static void name(const sn_ew_args *p)                                                                              \
    {                                                                                                                  \
        T *y = p->y;                                                                                                   \
        const int64_t n = p->cols, sc = p->col[0], sa = p->col[1], sb = p->col[2];                                     \
        for (int64_t r = 0; r < p->rows; r++, y += n) {                                                                \
            const uint8_t *c = (const uint8_t *)p->in[0] + r * p->row[0];                                              \
            const T *a = (const T *)p->in[1] + r * p->row[1], *b = (const T *)p->in[2] + r * p->row[2];                \
            if (sc && sa && sb) {                                                                                      \
                for (int64_t i = 0; i < n; i++)                                                                        \
                    y[i] = c[i] ? a[i] : b[i];                                                                         \
            } else if (sc && sa && n) {                                                                                \
                const T b0 = *b;                                                                                       \
                for (int64_t i = 0; i < n; i++)                                                                        \
                    y[i] = c[i] ? a[i] : b0;                                                                           \
            } else if (sc && sb && n) {                                                                                \
                const T a0 = *a;                                                                                       \
                for (int64_t i = 0; i < n; i++)                                                                        \
                    y[i] = c[i] ? a0 : b[i];                                                                           \
            } else {                                                                                                   \
                for (int64_t i = 0; i < n; i++)                                                                        \
                    y[i] = c[i * sc] ? a[i * sa] : b[i * sb];                                                          \
            }                                                                                                          \
        }                                                                                                              \
    }

EW_WHERE(uint8_t, ew_where_1)
EW_WHERE(uint16_t, ew_where_2)
EW_WHERE(uint32_t, ew_where_4)
EW_WHERE(uint64_t, ew_where_8)
EW_WHERE(ew_16, ew_where_16)

sn_ew_fn *sn_elementwise_where(size_t size_bytes)
{
    switch (size_bytes) {
    case 1: return ew_where_1;
    case 2: return ew_where_2;
    case 4: return ew_where_4;
    case 8: return ew_where_8;
    case 16: return ew_where_16;
    default: return NULL;
    }
}
