#include "kernels/gemm_plain.h"
#include <string.h>

#define GEMM_T double
#define GEMM_NAME sn_gemm_plain_f64
#include "kernels/ref/gemm_plain.inc"

#define GEMM_T uint32_t
#define GEMM_NAME sn_gemm_plain_u32
#include "kernels/ref/gemm_plain.inc"

#define GEMM_T uint64_t
#define GEMM_NAME sn_gemm_plain_u64
#include "kernels/ref/gemm_plain.inc"

static inline int32_t gemm_8(const uint8_t *x, int64_t i, bool is_signed)
{
    return is_signed ? (int32_t)(int8_t)x[i] : (int32_t)x[i];
}

void sn_gemm_plain_i32_8(const sn_gemm_plain_8 *g)
{
    for (int64_t i = 0; i < g->m; i++) {
        int32_t *c = g->c + i * g->n;
        int32_t az = g->a_zero ? gemm_8(g->a_zero, i * g->a_zero_step, g->a_signed) : 0;
        memset(c, 0, (size_t)g->n * sizeof *c);
        for (int64_t k = 0; k < g->k; k++) {
            int32_t a = gemm_8(g->a, i * g->k + k, g->a_signed) - az;
            const uint8_t *b = g->b + k * g->n;
            /* At most 255 * 255 a term: a sum over 2^15 of them wraps around as the specification's i32 does. */
            for (int64_t j = 0; j < g->n; j++) {
                int32_t bz = g->b_zero ? gemm_8(g->b_zero, j * g->b_zero_step, g->b_signed) : 0;
                c[j] = (int32_t)((uint32_t)c[j] + (uint32_t)(a * (gemm_8(b, j, g->b_signed) - bz)));
            }
        }
    }
}
