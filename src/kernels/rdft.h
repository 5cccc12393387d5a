/* The discrete Fourier transform of short real frames, f32, and what is made of it.
 *
 *     X[k] = sum over j of w[j] x[j] exp(-2 pi i j k / n)        k = 0 ... n/2
 *
 * n is a power of two, w a window. Vectors of L lanes see the frame as a matrix of R = n / L rows, x[L r + c]: columns
 * are transformed first, each lane one of them, then the lanes of what this gave, which a transposition brings into
 * rows. The columns are real, so two rows make a row of complex numbers (R/2 of them), whose transform is taken apart
 * into that of R real rows afterwards.
 *
 * Numerics: class sum; the error stays far below (n + 2) u S, S = sum |w[j] x[j]|. In modulus it is at most
 *
 *     6 log2(n) u S
 *
 * of X[k]. Each level of a transform adds two numbers (u) and multiplies by a root of unity that is rounded itself
 * (sqrt 5 u + u), with radix 4 once in two levels; no intermediate exceeds the sum of the magnitudes it is made of. The
 * columns take log2(R/2) levels, and taking them apart doubles their error; that, the window, and the roots between
 * columns and lanes are 12 u more; the lanes take log2(L) levels. Roots come from double precision.
 * A NaN or an infinity in a frame makes all of its X NaN or infinite.
 *
 * Sources: Cooley, Tukey 1965; Stockham's order, and the split of a real transform, as in Van Loan, Computational
 * Frameworks for the FFT, 1992.
 */
#ifndef SN_KERNELS_RDFT_H
#define SN_KERNELS_RDFT_H

#include "base/cpu.h"
#include <stddef.h>
#include <stdint.h>

enum { SN_RDFT_MIN = 64, SN_RDFT_MAX = 1 << 14 }; /* points */

/* A planned transform. Everything it points to lies in its table. */
typedef struct sn_rdft {
    int32_t n, lanes;
    int32_t half;        /* R/2: rows of complex numbers, at least lanes / 2 */
    const float *window; /* [n]; of levels with vectors w / 2 */
    const double *root;  /* lanes 1: [n] cos(2 pi j / n) */
    /* Complex roots of unity, a pair re, im each, in the order of use: */
    const float *column; /* of the transform of half points, stage by stage */
    const float *apart;  /* [1 ... half/2 - 1] -i exp(-2 pi i k / R) */
    const float *turn;   /* [1 ... half - 1][2][lanes] exp(-2 pi i k c / n), the real parts first */
    const float *lane;   /* of the transform of `lanes` points */
    const float *middle; /* [lanes][lanes]: row c has the real parts of exp(-pi i c (2 k + 1) / lanes) for k < lanes/2,
                            then the imaginary ones */
} sn_rdft;

/* One frame x [n]: re and im take n/2 + 1 each. scratch: sn_rdft_scratch_size floats, which sn_rdft_prepare has seen
 * before the first frame, and nobody else has written since. Nothing may overlap. */
typedef void sn_rdft_frame_fn(const sn_rdft *p, const float *x, float *re, float *im, float *scratch);

/* re^2 + im^2, or its square root, of n numbers, in rows of `row` whose starts are `stride` apart in y; the last row
 * may be shorter. Numerics: three roundings, the root one more. */
typedef struct sn_rdft_rows {
    int64_t n, row, stride;
} sn_rdft_rows;
typedef void sn_rdft_power_fn(const float *re, const float *im, const sn_rdft_rows *r, float *y);

typedef struct sn_rdft_table {
    sn_rdft_frame_fn *frame;
    sn_rdft_power_fn *power, *magnitude;
    int32_t lanes; /* 1: the reference */
    const char *level;
} sn_rdft_table;

/* The kernels of the widest vectors up to the level that suit frames of n points: n >= lanes^2. */
void sn_rdft_table_init(sn_rdft_table *t, sn_cpu_level level, int64_t n);

/* Bytes of the table of a plan, and floats of scratch. n: a power of two in [SN_RDFT_MIN, SN_RDFT_MAX]. */
size_t sn_rdft_table_bytes(int32_t n, int32_t lanes);
int64_t sn_rdft_scratch_size(int32_t n, int32_t lanes);

/* window [n] may be misaligned. table: SN_ALIGN-aligned, borrowed by the plan. */
void sn_rdft_plan(sn_rdft *p, int32_t n, int32_t lanes, const void *window, void *table);
void sn_rdft_prepare(const sn_rdft *p, float *scratch);

#define sn_rdft_magnitude_fn sn_rdft_power_fn
#define KERNEL(family, entry, level, symbol, numerics) sn_rdft_##entry##_fn symbol;
#include "kernels/rdft.inc"
#undef KERNEL

#endif
