#include "ops/resize_axis.h"
#include <math.h>

/* Taps of one axis beyond this are refused: 2 GiB of tables. */
enum { RESIZE_TABLE_MAX = 1 << 28 };

/* Place in the input of output x. Single precision as in the runtimes that models are made with: where a place lies
 * exactly between two pixels, its rounding decides which is the nearest. */
static float resize_place(const sn_resize_attr *a, int32_t d, int64_t x)
{
    float scale = a->scale[d], in = (float)a->in[d], out = a->length[d], o = (float)x;
    float start = a->roi_start[d], end = a->roi_end[d];
    switch (a->coord) {
    case SN_COORD_HALF_PIXEL: return (o + 0.5f) / scale - 0.5f;
    case SN_COORD_HALF_PIXEL_SYMMETRIC: {
        float adjustment = (float)a->out[d] / (scale * in), center = in / 2;
        return center * (1 - adjustment) + (o + 0.5f) / scale - 0.5f;
    }
    case SN_COORD_PYTORCH_HALF_PIXEL: return out > 1 ? (o + 0.5f) / scale - 0.5f : 0;
    case SN_COORD_ALIGN_CORNERS: return out > 1 ? o * (in - 1) / (out - 1) : 0;
    case SN_COORD_ASYMMETRIC: return o / scale;
    case SN_COORD_TF_HALF_PIXEL: return (o + 0.5f) / scale;
    case SN_COORD_TF_CROP:
        return out > 1 ? start * (in - 1) + o * (end - start) * (in - 1) / (out - 1) : 0.5f * (start + end) * (in - 1);
    }
    return o;
}

static int32_t resize_clamp(double v, int64_t n)
{
    return v > 0 ? v < (double)(n - 1) ? (int32_t)v : (int32_t)(n - 1) : 0; /* NaN: 0 */
}

static int32_t resize_nearest(const sn_resize_attr *a, int32_t d, float x)
{
    float r = x;
    switch (a->round) {
    case SN_ROUND_PREFER_FLOOR: r = ceilf(x - 0.5f); break;
    case SN_ROUND_PREFER_CEIL: r = floorf(x + 0.5f); break;
    case SN_ROUND_FLOOR: r = floorf(x); break;
    case SN_ROUND_CEIL: r = ceilf(x); break;
    case SN_ROUND_SIMPLE: r = a->scale[d] < 1 ? ceilf(x) : floorf(x); break;
    }
    return resize_clamp((double)r, a->in[d]);
}

/* Weight of the tap at distance x (in units of the filter). Cubic: Keys 1981, eq. 4 with a. */
static double resize_filter(const sn_resize_attr *a, double x)
{
    double t = fabs(x), k = (double)a->cubic_a;
    if (a->mode == SN_RESIZE_LINEAR)
        return t < 1 ? 1 - t : 0;
    if (t <= 1)
        return ((k + 2) * t - (k + 3)) * t * t + 1;
    return t < 2 ? ((t - 5) * t + 8) * t * k - 4 * k : 0;
}

/* Shrinking with antialias stretches the filter over 1 / scale as many inputs. */
static double resize_stretch(const sn_resize_attr *a, int32_t d)
{
    return a->antialias && a->scale[d] < 1 ? (double)a->scale[d] : 1;
}

static int64_t resize_tap_count(const sn_resize_attr *a, int32_t d)
{
    double reach = a->mode == SN_RESIZE_LINEAR ? 1 : 2;
    if (a->mode == SN_RESIZE_NEAREST)
        return 1;
    double n = 2 * ceil(reach / resize_stretch(a, d));
    return n < RESIZE_TABLE_MAX ? (int64_t)n : RESIZE_TABLE_MAX;
}

static void resize_fill(const sn_resize_attr *a, int32_t d, int64_t o, int64_t taps, int32_t *index, float *weight)
{
    double x = (double)resize_place(a, d, o), first = floor(x) - (double)(taps / 2) + 1, sum = 0;
    double stretch = resize_stretch(a, d);
    int64_t n = a->out[d];
    for (int64_t k = 0; k < taps; k++) {
        double at = first + (double)k, w = resize_filter(a, (at - x) * stretch);
        if (a->exclude_outside && !(at >= 0 && at < (double)a->in[d]))
            w = 0;
        index[k * n + o] = resize_clamp(at, a->in[d]);
        weight[k * n + o] = (float)w;
        sum += w;
    }
    for (int64_t k = 0; k < taps && sum != 0; k++)
        weight[k * n + o] = (float)((double)weight[k * n + o] / sum);
}

setsuna_status sn_resize_axis_build(sn_op_ctx *c, const sn_resize_attr *a, int32_t d, sn_resize_taps *out)
{
    int64_t n = a->out[d], taps = resize_tap_count(a, d);
    bool crop = a->coord == SN_COORD_TF_CROP, any = false;
    *out = (sn_resize_taps){.identity = a->in[d] == n && a->scale[d] == 1.0f &&
                                        (!crop || (a->roi_start[d] == 0.0f && a->roi_end[d] == 1.0f))};
    if (out->identity)
        return SETSUNA_OK;
    if (taps > RESIZE_TABLE_MAX / n)
        return sn_op_fail(c, SETSUNA_ELIMIT, "axis %d resamples %lld inputs for each of %lld outputs", (int)d,
                          (long long)taps, (long long)n);
    int32_t *index = sn_arena_array(c->arena, (size_t)(taps * n), sizeof *index);
    float *weight = sn_arena_array(c->arena, (size_t)(taps * n), sizeof *weight);
    bool *outside = sn_arena_array(c->arena, crop ? (size_t)n : 1, sizeof *outside);
    if (!index || !weight || !outside)
        return SETSUNA_ENOMEM;
    for (int64_t o = 0; o < n; o++) {
        float x = resize_place(a, d, o);
        if (crop)
            any |= outside[o] = !(x >= 0 && x <= (float)(a->in[d] - 1));
        if (a->mode == SN_RESIZE_NEAREST) {
            index[o] = resize_nearest(a, d, x);
            weight[o] = 1;
        } else {
            resize_fill(a, d, o, taps, index, weight);
        }
    }
    out->axis = (sn_resize_axis){n, (int32_t)taps, index, weight};
    out->outside = any ? outside : NULL;
    return SETSUNA_OK;
}
