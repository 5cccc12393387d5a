/* How far an output is from the same output in f32: what a lower precision costs. */
#ifndef SN_REPORT_OUTPUT_ERROR_H
#define SN_REPORT_OUTPUT_ERROR_H

#include <setsuna/tensor.h>
#include <stdbool.h>

typedef struct sn_output_error {
    double max_abs;      /* the largest |got - want| */
    double max_rel;      /* that, over the largest |want| */
    double rms_rel;      /* root of the mean square of got - want, over that of want */
    uint64_t not_finite; /* elements of which one is finite and the other is not, or which are other infinities or NaN;
                            they are in none of the figures above */
} sn_output_error;

/* Of two real tensors of one type and shape. Where want is zero throughout, the relative errors are 0 or 1: none, or
 * some. false: no such tensors; *out is untouched. */
bool sn_output_error_of(const setsuna_tensor *got, const setsuna_tensor *want, sn_output_error *out);

#endif
