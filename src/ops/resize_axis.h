/* Resize and Upsample: from attributes and sizes to taps along each axis. Sources: ONNX Resize-10, 11, 13, 18, 19. */
#ifndef SN_OPS_RESIZE_AXIS_H
#define SN_OPS_RESIZE_AXIS_H

#include "kernels/resize.h"
#include "ops/op.h"

typedef enum sn_resize_mode { SN_RESIZE_NEAREST, SN_RESIZE_LINEAR, SN_RESIZE_CUBIC } sn_resize_mode;

typedef enum sn_resize_coord {
    SN_COORD_HALF_PIXEL,
    SN_COORD_HALF_PIXEL_SYMMETRIC,
    SN_COORD_PYTORCH_HALF_PIXEL,
    SN_COORD_ALIGN_CORNERS,
    SN_COORD_ASYMMETRIC,
    SN_COORD_TF_HALF_PIXEL,
    SN_COORD_TF_CROP
} sn_resize_coord;

/* SIMPLE is what Upsample and Resize-10 mean: down to the next pixel when enlarging, up when shrinking. */
typedef enum sn_resize_round {
    SN_ROUND_PREFER_FLOOR,
    SN_ROUND_PREFER_CEIL,
    SN_ROUND_FLOOR,
    SN_ROUND_CEIL,
    SN_ROUND_SIMPLE
} sn_resize_round;

typedef struct sn_resize_attr {
    sn_resize_mode mode;
    sn_resize_coord coord;
    sn_resize_round round;
    float cubic_a, extrapolation;
    bool exclude_outside, antialias;
    int32_t rank;
    int64_t in[SETSUNA_RANK_MAX], out[SETSUNA_RANK_MAX]; /* 0 to INT32_MAX */
    float scale[SETSUNA_RANK_MAX];                       /* out / in as the model states it, > 0 */
    float length[SETSUNA_RANK_MAX];                      /* out before rounding: scale * in, or the size */
    float roi_start[SETSUNA_RANK_MAX], roi_end[SETSUNA_RANK_MAX];
} sn_resize_attr;

/* One axis, ready to run. */
typedef struct sn_resize_taps {
    bool identity; /* outputs are the inputs */
    sn_resize_axis axis;
    const bool *outside; /* [n] outputs that lie outside of the input (tf_crop_and_resize), or NULL: none does */
} sn_resize_taps;

/* Taps of axis d, in c->arena. in[d] and out[d] are >= 1. Returns OK, ENOMEM or ELIMIT. */
setsuna_status sn_resize_axis_build(sn_op_ctx *c, const sn_resize_attr *a, int32_t d, sn_resize_taps *out);

#endif
