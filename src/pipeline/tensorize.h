/* From 8-bit pixels to the numbers a network was trained on. */
#ifndef SN_PIPELINE_TENSORIZE_H
#define SN_PIPELINE_TENSORIZE_H

#include "pipeline/image.h"

typedef enum sn_channel_order { SN_ORDER_RGB, SN_ORDER_BGR, SN_ORDER_GRAY } sn_channel_order;
typedef enum sn_image_layout { SN_LAYOUT_NCHW, SN_LAYOUT_NHWC } sn_image_layout;

typedef struct sn_tensorize_options {
    float scale;           /* value = (pixel * scale - mean[c]) / std[c], c counted in `order` */
    float mean[3], std[3]; /* std is not 0 */
    sn_channel_order order;
    sn_image_layout layout;
    int32_t valid_width; /* columns from here on get `pad` instead of a pixel; 0: the whole picture is valid */
    float pad;           /* after normalisation */
} sn_tensorize_options;

/* Channels of the result: 1 for GRAY, otherwise 3. */
int32_t sn_tensorize_channels(const sn_tensorize_options *options);

/* Writes channels * height * width floats, (C,H,W) or (H,W,C).
 *
 * image      1 channel (repeated for RGB and BGR) or 3 (for GRAY weighted .299 .587 .114, ITU-R BT.601).
 * Numerics   pixel * (scale / std) - mean / std with the constants rounded to f32: within 2 ulp of the larger term.
 * Cannot fail. Pre: image has pixels and 1 or 3 channels. */
void sn_tensorize(const sn_image *image, const sn_tensorize_options *options, float *out);

#endif
