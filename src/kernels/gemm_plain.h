/* Matrix products of the types that have no packed kernels, in plain C.
 *
 *     c (M,N) = [c +] a (M,K) * b (K,N)
 *
 * Integers wrap around. f64 sums in ascending order of k.
 */
#ifndef SN_KERNELS_GEMM_PLAIN_H
#define SN_KERNELS_GEMM_PLAIN_H

#include <setsuna/tensor.h>
#include <stdbool.h>

typedef struct sn_gemm_plain {
    int64_t m, n, k;
    const void *a, *b;
    int64_t a_row, a_col, b_row, b_col; /* distances between rows and columns */
    void *c;
    int64_t ldc;
    bool accumulate;
} sn_gemm_plain;

void sn_gemm_plain_f64(const sn_gemm_plain *g);
void sn_gemm_plain_u32(const sn_gemm_plain *g); /* also i32 */
void sn_gemm_plain_u64(const sn_gemm_plain *g); /* also i64 */

/* c (M,N) i32 = (a - a_zero) * (b - b_zero), a and b 8-bit: a_zero one a row (a_zero_step 1) or one for all (0),
 * b_zero one a column or one for all. */
typedef struct sn_gemm_plain_8 {
    int64_t m, n, k;
    const uint8_t *a, *b; /* dense rows */
    bool a_signed, b_signed;
    const uint8_t *a_zero, *b_zero; /* NULL: zero */
    int64_t a_zero_step, b_zero_step;
    int32_t *c; /* dense rows */
} sn_gemm_plain_8;

void sn_gemm_plain_i32_8(const sn_gemm_plain_8 *g);

#endif
