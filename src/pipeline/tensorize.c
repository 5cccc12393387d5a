#include "pipeline/tensorize.h"
#include <stddef.h>

int32_t sn_tensorize_channels(const sn_tensorize_options *options)
{
    return options->order == SN_ORDER_GRAY ? 1 : 3;
}

/* n samples, `step` apart, to floats `out_step` apart. Both steps are constants at every call, so that each is a loop
 * of its own. */
static inline void tensorize_run(const uint8_t *restrict in, size_t step, float a, float b, size_t n,
                                 float *restrict out, size_t out_step)
{
    for (size_t i = 0; i < n; i++)
        out[i * out_step] = (float)in[i * step] * a + b;
}

static void tensorize_row_gray(const uint8_t *restrict in, float a, float b, size_t n, float *restrict out)
{
    for (size_t i = 0; i < n; i++, in += 3)
        out[i] = (0.299f * (float)in[0] + 0.587f * (float)in[1] + 0.114f * (float)in[2]) * a + b;
}

static void tensorize_fill(float *out, size_t n, size_t step, float value)
{
    for (size_t i = 0; i < n; i++)
        out[i * step] = value;
}

void sn_tensorize(const sn_image *image, const sn_tensorize_options *o, float *out)
{
    size_t channels = (size_t)sn_tensorize_channels(o), width = (size_t)image->width, height = (size_t)image->height;
    size_t valid = o->valid_width > 0 && o->valid_width < image->width ? (size_t)o->valid_width : width;
    bool interleaved = o->layout == SN_LAYOUT_NHWC && channels == 3;
    for (size_t c = 0; c < channels; c++) {
        float a = o->scale / o->std[c], b = -o->mean[c] / o->std[c];
        size_t from = o->order == SN_ORDER_BGR ? 2 - c : c;
        for (size_t y = 0; y < height; y++) {
            const uint8_t *in = sn_image_row(image, (int32_t)y);
            float *to = interleaved ? out + y * width * 3 + c : out + (c * height + y) * width;
            if (o->order == SN_ORDER_GRAY && image->channels == 3)
                tensorize_row_gray(in, a, b, valid, to);
            else if (image->channels == 3 && interleaved)
                tensorize_run(in + from, 3, a, b, valid, to, 3);
            else if (image->channels == 3)
                tensorize_run(in + from, 3, a, b, valid, to, 1);
            else if (interleaved)
                tensorize_run(in, 1, a, b, valid, to, 3);
            else
                tensorize_run(in, 1, a, b, valid, to, 1);
            tensorize_fill(to + valid * (interleaved ? 3 : 1), width - valid, interleaved ? 3 : 1, o->pad);
        }
    }
}
