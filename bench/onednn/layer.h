/* One layer of a network, alone: the same convolution or product in Setsuna and in oneDNN. */
#ifndef SN_BENCH_ONEDNN_LAYER_H
#define SN_BENCH_ONEDNN_LAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum layer_type { LAYER_F32, LAYER_BF16, LAYER_INT8, LAYER_TYPES } layer_type;

/* A convolution of [1, ic, h, w] with a bias and a ReLU, kernels of k x k and pads of k / 2; or, where k is 0, a
 * product of [h, ic] and a constant [ic, oc] with a bias. int8: u8 by i8 to u8, a scale for each output channel. */
typedef struct layer {
    const char *name;
    int32_t ic, oc, group, h, w, k, stride;
} layer;

/* Multiplications and additions of the plain sum. */
double layer_flops(const layer *l);

/* A layer, ready to run. NULL, with a reason on standard error, where it is not to be had. */
typedef struct layer_native layer_native;
layer_native *layer_native_open(const layer *l, layer_type type, uint32_t threads, size_t runs_max);
void layer_native_close(layer_native *n);
/* Appends the times of the layer's own step, without conversions of layout before and after it. */
void layer_native_run(layer_native *n, size_t runs, uint64_t *ns);
const char *layer_native_kernel(const layer_native *n);

typedef struct layer_onednn layer_onednn;
/* The fastest of the algorithms that oneDNN offers, in the layouts that it likes best. */
layer_onednn *layer_onednn_open(const layer *l, layer_type type);
void layer_onednn_close(layer_onednn *o);
void layer_onednn_run(layer_onednn *o, size_t runs, uint64_t *ns);
const char *layer_onednn_kernel(const layer_onednn *o);

#endif
