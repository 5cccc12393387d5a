/* What the tests of convolution kernels share: cases, and what each of them is to give. */
#ifndef SN_TESTS_CONV_CASE_H
#define SN_TESTS_CONV_CASE_H

#include "kernels/conv.h"
#include "parity.h"

typedef struct conv_case {
    sn_conv_spec s;
    bool factor, bias, residual;
    bool bf16; /* products of operands rounded to bf16 (kernels/conv_bf16.h) */
} conv_case;

enum { CONV_FIXED = 10 };

/* Shapes that random ones seldom hit: several chunks and bands, long flat rows, wide pads. i is below CONV_FIXED. */
conv_case conv_case_fixed(int i);
conv_case conv_case_random(parity *t);
void conv_case_text(const conv_case *c, char *buf, size_t cap);

/* Output extent for an input extent; 0 when the kernel does not fit. pad: of both sides. */
int64_t conv_extent(int64_t in, int64_t pad, int64_t k, int64_t dilation, int64_t stride);

typedef struct conv_data {
    float *x, *w, *factor, *bias, *residual; /* plain; NULL when absent */
    double *want, *slack;                    /* plain; the sum's rounding may differ by slack; -1: not written */
    double *wino[2];                         /* what a Winograd product with tiles of 2x2 or 4x4 outputs may differ
                                                by beyond; NULL: not possible */
} conv_data;

conv_data conv_data_make(parity *t, const conv_case *c);
void conv_data_free(conv_data *d);
void *conv_alloc(size_t n, size_t size); /* zeroed, never NULL */

/* A plain image [n, c, px] into blocks of b channels; lanes past the last channel are left alone. */
void conv_put_blocked(int64_t b, const float *plain, float *blocked, int64_t n, int64_t c, int64_t px);

/* A blocked result against what is wanted; what is not written must be canaries still (parity.h). wino_out: the
 * side of the tiles of a Winograd product, or 0. Returns NULL, or in buf where it is wrong. */
const char *conv_compare(const conv_case *c, const conv_data *d, int64_t wino_out, int64_t b, const float *y, char *buf,
                         size_t cap);

#endif
