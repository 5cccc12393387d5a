/* Products of 8-bit integers with exact sums: matrix products and dense convolutions over channels-last images.
 *
 *     y[r, p, n] = requant(sum over taps t and k of  a[r * row_step + p * px_step + tap[t] + k] * b[n, t, k])
 *
 * a holds unsigned bytes, b signed ones; other types are brought to these when they are packed (requant.h says how zero
 * points enter). A matrix product is one row r of as many pixels p as a has rows, and one tap. A convolution of a
 * channels-last image [H, W, C] has a tap for each row of the kernel, and kw * C values of k, which lie side by side.
 *
 * The formats follow from the level. A level multiplies groups of `group` values of k at once, each value `bytes` wide:
 *
 *     a   rows of k values, k rounded up to a group; what fills the last group may be anything (b has zeros there)
 *     b   [ceil(N / nr)][taps][k / group][nr][group]
 *
 *     group 4, bytes 1    u8 times s8, four products a lane (VNNI, NEON)
 *     group 2, bytes 2    both widened to 16 bits, two products a lane: no level ever saturates between
 *
 * Where bytes is 1 and k a multiple of the group, a is read in place; otherwise it is staged (table->stage).
 *
 * Numerics: class exact; sums wrap modulo 2^32.
 */
#ifndef SN_KERNELS_QGEMM_H
#define SN_KERNELS_QGEMM_H

#include "base/cpu.h"
#include "kernels/requant.h"
#include <stddef.h>

enum { SN_QGEMM_NR_MAX = 32, SN_QGEMM_MR_MAX = 14 };

typedef struct sn_qgemm_limits {
    int32_t mr, nr; /* of a tile: rows and columns */
    int32_t group, bytes;
} sn_qgemm_limits;

/* m rows by n columns at once. */
typedef struct sn_qgemm_tile {
    const void *a;
    int64_t lda_bytes;
    const int64_t *tap; /* in bytes */
    int64_t n_tap, k;   /* k in groups */
    const void *b;      /* the panel */
    int32_t m, n;       /* 1 to mr, 1 to nr */
    const sn_requant *rq;
    int64_t row, col; /* of the first element, for the arrays of rq */
    void *y;
    const void *residual; /* like y */
    int64_t ldy;          /* in elements */
    const char *ahead;    /* what will be read next, ahead_step bytes for each group of k, to be fetched into L2 by the
                             way; or NULL. Without effect on the result. */
    int64_t ahead_step;
} sn_qgemm_tile;

/* `tile` ends F32 before its activation; `after`, of a tile that was just written, does that and what follows. */
typedef void sn_qgemm_tile_fn(const sn_qgemm_tile *t);

/* n values into the level's format. No overlap. */
typedef void sn_qgemm_stage_fn(void *dst, const uint8_t *src, int64_t n);

typedef struct sn_qgemm_table {
    sn_qgemm_limits limits;
    sn_qgemm_tile_fn *tile, *after;
    sn_qgemm_stage_fn *stage;
    const char *tile_name, *after_name;
} sn_qgemm_table;

void sn_qgemm_table_init(sn_qgemm_table *t, sn_cpu_level level);

/* A whole product. */
typedef struct sn_qgemm {
    int64_t rows, pixels; /* of y: rows * pixels lines of n columns */
    int64_t n, n_tap, k;  /* k in values */
    const void *a;        /* in the level's format */
    int64_t row_step_bytes, px_step_bytes;
    const int64_t *tap; /* in bytes */
    const void *b;      /* packed */
    sn_requant rq;      /* row: see sn_qgemm_part */
    void *y;
    const void *residual; /* like y */
    int64_t ldy;          /* in elements */
} sn_qgemm;

/* Bytes of b packed. */
size_t sn_qgemm_packed_bytes(const sn_qgemm_limits *l, int64_t n, int64_t n_tap, int64_t k);

/* Values of b as a model has them: value (n, t, k) with k = x * c + i lies at n * at_n + t * at_tap + x * at_x + i *
 * at_i, for 0 <= x < xs, 0 <= i < c. What is stored is the value less `base`, which must fit in a signed byte. */
typedef struct sn_qgemm_source {
    const uint8_t *w;
    bool is_signed;
    int32_t base; /* 0, or 128 for unsigned ones */
    int64_t xs, c;
    int64_t at_n, at_tap, at_x, at_i;
} sn_qgemm_source;

/* dst: sn_qgemm_packed_bytes, zeroed. col_sum (n): sums of what is stored in each column, or NULL. */
void sn_qgemm_pack(const sn_qgemm_limits *l, int64_t n, int64_t n_tap, const sn_qgemm_source *from, void *dst,
                   int32_t *col_sum);

/* What one part needs in scratch. */
size_t sn_qgemm_scratch_bytes(const sn_qgemm_table *t, const sn_qgemm *g);

/* Part `part` of n_parts. Parts write disjoint outputs. rq.row is ignored: where rq.b_zero is set, sums over rows are
 * made here, in scratch. */
void sn_qgemm_part(const sn_qgemm_table *t, const sn_qgemm *g, uint32_t part, uint32_t n_parts, void *scratch);

/* requant of a row of sums: n columns from `col` on; of F32 without act and residual. */
void sn_requant_row_ref(const sn_requant *rq, const int32_t *sum, int64_t row, int64_t col, int64_t n,
                        const uint8_t *residual, void *y);

#define KERNEL(family, entry, level, symbol, numerics) void symbol(const sn_qgemm_tile *t);
#define KERNEL_STAGE(family, entry, level, symbol, numerics) void symbol(void *dst, const uint8_t *src, int64_t n);
#include "kernels/qgemm.inc"
#undef KERNEL
#undef KERNEL_STAGE

#endif
