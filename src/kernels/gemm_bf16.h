/* Matrix products with operands rounded to bf16 and sums in f32 (kernels/bf16.h).
 *
 * They are the products of kernels/gemm.h with another table: sn_gemm_bf16_table_init instead of sn_gemm_table_init.
 * a, b, c and biases are floats as ever; a is rounded when a block of it is copied, b when it is packed. In between,
 * two steps of k lie side by side in one element of 32 bits, a pair; the last one has a zero where K is odd. Tiles and
 * panels then are those of gemm.h with "element" read as "pair": tile.a and tile.b point to pairs, tile.k, lda and ldb
 * count pairs.
 *
 * Numerics: class bf16. With a' and b' the rounded operands, |err| <= (K+2) (u sum|a' b'| + 2^-126), besides the
 * rounding of the operands themselves (docs/numerics.md). alpha is multiplied to b before it is rounded.
 */
#ifndef SN_KERNELS_GEMM_BF16_H
#define SN_KERNELS_GEMM_BF16_H

#include "kernels/gemm.h"

/* Level's kernels. There are two levels of them: AVX512BF16, and the reference for all below. */
void sn_gemm_bf16_table_init(sn_gemm_table *t, sn_cpu_level level);

sn_gemm_tile_fn sn_gemm_bf16_4x8_ref;
sn_gemm_pair_fn sn_gemm_bf16_pair_ref;
sn_gemm_pack_fn sn_gemm_bf16_pack_ref;
#if defined(__x86_64__)
sn_gemm_tile_fn sn_gemm_bf16_14x32_avx512bf16;
sn_gemm_pair_fn sn_gemm_bf16_pair_avx512bf16;
sn_gemm_pack_fn sn_gemm_bf16_pack_avx512bf16;
#endif

#endif
