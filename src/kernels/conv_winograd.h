/* Winograd's minimal filtering: 36 products for 16 outputs of a 3x3 kernel, F(4x4, 3x3), or 16 for 4, F(2x2, 3x3),
 * instead of 144 or 36. The smaller tiles have less than half the weights, and fit small images better.
 *
 *     Y = A' [ sum over channels of (G g G') o (B' d B) ] A         d: 6x6 inputs, g: 3x3 weights, Y: 4x4 outputs
 *                                                                   or 4x4 inputs, 2x2 outputs
 *
 * G g G' is made when weights are packed. For each of the 36 or 16 positions the sum is a matrix product over channels.
 *
 * Kernels of three taps in a row or a column take F(4, 3): 6 products for 4 outputs, instead of 12.
 *
 *     Y = A' [ sum over channels of (G g) o (B' d) ]                 d: 6 inputs, g: 3 weights, Y: 4 outputs
 *
 * Numerics: |err| <= (C + 24) u |A'| [ sum |G| |g| |G'| o |B'| |d| |B| ] |A| for C input channels, the roundings of
 * all transforms and of the bias included: for 4x4 outputs about ten times the error of a direct sum.
 * docs/design/0009-winograd.md derives it.
 * F(4, 3) has each transform once: |err| <= (C + 16) u |A'| [ sum |G| |g| o |B'| |d| ], two to three times the error of
 * a direct sum.
 *
 * Source: Lavin and Gray 2016, sec. 4; interpolation points 0, 1, -1, 2, -2, infinity, and 0, 1, -1, infinity.
 */
#ifndef SN_KERNELS_CONV_WINOGRAD_H
#define SN_KERNELS_CONV_WINOGRAD_H

/* A side of the outputs of a tile is SN_WINO_OUT_MAX or 2, of its inputs 2 more; of the larger ones: */
enum { SN_WINO_OUT_MAX = 4, SN_WINO_IN_MAX = 6, SN_WINO_PRODUCTS_MAX = SN_WINO_IN_MAX * SN_WINO_IN_MAX };

#endif
