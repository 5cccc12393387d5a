/* Matrix product, f32, for batch-1 inference: few rows, weights packed once.
 *
 *     c (M,N) = act( [c +] a (M,K) * b (K,N) [+ bias] )
 *
 * One small kernel a level computes a tile of at most mr x nr outputs over a run of k; sn_gemm_f32_run walks the tiles
 * in an order that keeps the panel of b in L1/L2 and the block of a in L2. b lies in panels of nr columns:
 *
 *     panel p = columns [p nr, p nr + nr):   k rows of nr floats, zero-padded on the right;  panel p + 1 follows
 *
 * Sources: Goto & van de Geijn 2008 (loop order); ONNX Gemm-13, MatMul-13.
 */
#ifndef SN_KERNELS_GEMM_H
#define SN_KERNELS_GEMM_H

#include "base/cpu.h"
#include "kernels/activation.h"
#include <stdbool.h>
#include <stddef.h>

enum {
    SN_GEMM_MR_MAX = 14, /* of any level */
    SN_GEMM_NR_MAX = 32,
    SN_GEMM_ROWS_STREAM = 4 /* up to this many rows b is streamed once and a is tiny: no blocking over k */
};

/* One tile: c (m,n) = act( [c +] a (m,k) * b (k,nr) + bias ).
 * b rows hold nr readable floats (also beyond n); a and c have exactly m rows and k or n columns: nothing beyond is
 * read or written. No alignment is required. c overlaps nothing else. */
typedef struct sn_gemm_tile {
    int64_t k; /* >= 0 */
    const float *a, *b;
    float *c;
    int64_t lda, ldb, ldc; /* distance between rows; ldb >= nr */
    int32_t m, n;          /* 1 to mr, 1 to nr */
    bool accumulate;       /* adds to c; else writes it */
    bool stream;           /* m <= SN_GEMM_ROWS_STREAM: sums over k in interleaved parts to hide latency */
    const float *bias_col; /* n values, one a column; or NULL */
    const float *bias_row; /* m values, one a row; or NULL */
    const float *ahead;    /* what will be read next, ahead_step floats for each step of k, to be fetched into L2 by the
                              way; or NULL. Without effect on the result. */
    int64_t ahead_step;
    sn_act act;
} sn_gemm_tile;

/* Numerics: each element is the sum over k in ascending order (with stream: in up to 4 interleaved partial sums, the
 * split depends on m and nr only), each step a fused multiply-add at avx2 and above: |err| <= (K+2) u sum|a||b|. The
 * activation adds its own ulps. */
typedef void sn_gemm_tile_fn(const sn_gemm_tile *t);

/* k rows of up to nr columns of b: element (i, j) at b + i * stride_k + j * stride_n, at any byte alignment. */
typedef struct sn_gemm_panel {
    int64_t k;
    int32_t n, nr;
    const void *b;
    int64_t stride_k, stride_n;
    float alpha;
} sn_gemm_panel;

/* alpha times a panel, in the table's format. */
typedef void sn_gemm_pack_fn(const sn_gemm_panel *p, void *out);

/* Only in tables whose operands are bf16 (kernels/gemm_bf16.h): n floats in a row to ceil(n / 2) pairs. */
typedef void sn_gemm_pair_fn(const float *x, int64_t n, uint32_t *out);

typedef struct sn_gemm_table {
    int32_t mr, nr;
    sn_gemm_tile_fn *tile;
    const char *tile_name;
    sn_gemm_pack_fn *pack;
    sn_gemm_pair_fn *pair; /* NULL: f32 */
} sn_gemm_table;

/* Rows of a panel for k rows of b. */
static inline int64_t sn_gemm_steps(const sn_gemm_table *t, int64_t k)
{
    return t->pair ? k / 2 + k % 2 : k;
}

/* Level's kernels; levels above the highest there is give the highest. */
void sn_gemm_table_init(sn_gemm_table *t, sn_cpu_level level);

/* Elements of 4 bytes of b (k, n) in panels. The caller has checked that k * (n + nr) does not overflow. */
int64_t sn_gemm_f32_packed_size(const sn_gemm_table *t, int64_t k, int64_t n);

/* Packs alpha * b into panels. b(i, j) is at b + i * stride_k + j * stride_n, floats at any byte alignment. */
void sn_gemm_f32_pack_b(const sn_gemm_table *t, int64_t k, int64_t n, const void *b, int64_t stride_k, int64_t stride_n,
                        float alpha, float *out);

/* A product. Exactly one of b_packed and b is set. */
typedef struct sn_gemm {
    int64_t m, n, k;
    const float *a;
    int64_t a_row, a_col;  /* distance between rows and between columns of a; one of them is 1 */
    const float *b_packed; /* panels made with the same table, alpha applied */
    const float *b;        /* or plain: packed panel by panel into scratch where that pays */
    int64_t b_row, b_col;
    float alpha; /* for plain b */
    float *c;
    int64_t ldc;
    bool accumulate;
    const float *bias_col, *bias_row; /* n, m values; may be NULL */
    sn_act act;
} sn_gemm;

/* Bytes of scratch that one thread's sn_gemm_f32_run needs at most; 64-byte aligned. The result does not overflow for
 * operands that fit in memory. */
size_t sn_gemm_f32_scratch_bytes(const sn_gemm_table *t, const sn_gemm *g);

/* The part of the product with rows [m0, m1) and columns [n0, n1); n0 is a multiple of nr. Disjoint parts may run at
 * the same time, each with its own scratch, and give the same bits as one run of everything. */
void sn_gemm_f32_run(const sn_gemm_table *t, const sn_gemm *g, int64_t m0, int64_t m1, int64_t n0, int64_t n1,
                     void *scratch);

/* What `part` of `n_parts` computes: runs of panels, or of rows when there are few panels. */
void sn_gemm_f32_part(const sn_gemm_table *t, const sn_gemm *g, uint32_t part, uint32_t n_parts, void *scratch);

#define KERNEL(family, entry, level, symbol, numerics) sn_gemm_##entry##_fn symbol;
#include "kernels/gemm.inc"
#undef KERNEL

#endif
