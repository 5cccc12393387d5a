/* RoiAlign and MaxRoiPool: regions of images [N, C, H, W] brought to one size. */
#include "base/checked.h"
#include "ops/op.h"
#include "ops/parts.h"
#include "ops/real.h"
#include <math.h>
#include <string.h>

/* Samples along one side of a bin; beyond this a region is taken for garbage. */
enum { ROI_SAMPLES_MAX = 1 << 16 };

typedef struct roi_param {
    setsuna_dtype dtype;
    int64_t images, channels, height, width, rois, out_h, out_w, samples;
    double scale, offset; /* offset: half a pixel (RoiAlign since 16) */
    bool max, whole;      /* whole: regions are at least one pixel (RoiAlign without the half-pixel offset) */
} roi_param;

typedef struct roi_call {
    const roi_param *p;
    const void *x, *rois;
    const int64_t *image; /* RoiAlign */
    void *y;
} roi_call;

/* ---- shapes -------------------------------------------------------------------------------------- */

static setsuna_status roi_plan(sn_op_ctx *c, roi_param *p)
{
    const setsuna_shape *x = &c->in[0].shape, *r = &c->in[1].shape;
    bool align = strcmp(c->node->op, "RoiAlign") == 0;
    const char *mode = sn_node_string(c->node, "mode", "avg");
    const char *coord = sn_node_string(c->node, "coordinate_transformation_mode",
                                       c->op->since >= 16 ? "half_pixel" : "output_half_pixel");
    const int64_t *pooled;
    size_t n_pooled = sn_node_ints(c->node, "pooled_shape", &pooled);
    int64_t total;
    SN_TRY(sn_op_want(c, 0, "float"));
    SN_TRY(sn_op_want(c, 2, "i64"));
    if (x->rank != 4 || r->rank != 2 || r->dim[1] != (align ? 4 : 5) || c->in[1].dtype != c->in[0].dtype)
        return sn_op_fail(c, SETSUNA_ESHAPE, "X must be [N, C, H, W] and rois [R, %d] of its type", align ? 4 : 5);
    if (align && (c->in[2].shape.rank != 1 || c->in[2].shape.dim[0] != r->dim[0]))
        return sn_op_fail(c, SETSUNA_ESHAPE, "batch_indices must have one entry a region");
    *p = (roi_param){.dtype = c->in[0].dtype,
                     .images = x->dim[0],
                     .channels = x->dim[1],
                     .height = x->dim[2],
                     .width = x->dim[3],
                     .rois = r->dim[0],
                     .out_h = align           ? sn_node_int(c->node, "output_height", 1)
                              : n_pooled == 2 ? pooled[0]
                                              : 0,
                     .out_w = align           ? sn_node_int(c->node, "output_width", 1)
                              : n_pooled == 2 ? pooled[1]
                                              : 0,
                     .samples = sn_node_int(c->node, "sampling_ratio", 0),
                     .scale = (double)sn_node_float(c->node, "spatial_scale", 1),
                     .max = !align || strcmp(mode, "max") == 0};
    if (p->out_h < 1 || p->out_w < 1 || p->samples < 0 || p->samples > ROI_SAMPLES_MAX)
        return sn_op_fail(c, SETSUNA_EMODEL, "an output of %lld by %lld with %lld samples", (long long)p->out_h,
                          (long long)p->out_w, (long long)p->samples);
    if (align && !p->max && strcmp(mode, "avg") != 0)
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'mode' is '%.32s'", mode);
    if (strcmp(coord, "half_pixel") != 0 && strcmp(coord, "output_half_pixel") != 0)
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'coordinate_transformation_mode' is '%.32s'", coord);
    p->whole = coord[0] == 'o';
    p->offset = p->whole ? 0 : 0.5;
    const setsuna_shape y = {4, {p->rois, p->channels, p->out_h, p->out_w}};
    if (!sn_shape_numel(&y, &total) || !sn_shape_numel(x, &total))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output is too large");
    sn_op_out(c, 0, p->dtype, &y);
    return SETSUNA_OK;
}

static setsuna_status roi_infer(sn_op_ctx *c)
{
    roi_param p;
    return roi_plan(c, &p);
}

/* ---- RoiAlign ------------------------------------------------------------------------------------ */

/* The four pixels around a place and their weights; n 0: the place is outside. */
typedef struct roi_taps {
    int n;
    int64_t at[4];
    double weight[4];
} roi_taps;

static roi_taps roi_locate(const roi_param *p, double y, double x)
{
    roi_taps t = {.n = 0};
    if (!(y >= -1 && y <= (double)p->height && x >= -1 && x <= (double)p->width) || !p->height || !p->width)
        return t;
    y = y > 0 ? y : 0;
    x = x > 0 ? x : 0;
    int64_t y0 = (int64_t)y, x0 = (int64_t)x, y1 = y0 + 1, x1 = x0 + 1;
    if (y0 >= p->height - 1) {
        y0 = y1 = p->height - 1;
        y = (double)y0;
    }
    if (x0 >= p->width - 1) {
        x0 = x1 = p->width - 1;
        x = (double)x0;
    }
    double fy = y - (double)y0, fx = x - (double)x0;
    return (roi_taps){4,
                      {y0 * p->width + x0, y0 * p->width + x1, y1 * p->width + x0, y1 * p->width + x1},
                      {(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx}};
}

typedef struct roi_region {
    double y, x, bin_h, bin_w;
    int64_t n_h, n_w; /* samples a bin */
} roi_region;

static int64_t roi_samples(const roi_param *p, double extent, int64_t bins)
{
    double n = p->samples ? (double)p->samples : ceil(extent / (double)bins);
    return n > 0 ? n < ROI_SAMPLES_MAX ? (int64_t)n : ROI_SAMPLES_MAX : 0; /* NaN: 0 */
}

static roi_region roi_region_of(const roi_call *q, int64_t i)
{
    const roi_param *p = q->p;
    double v[4];
    for (int k = 0; k < 4; k++)
        v[k] = sn_real_get(q->rois, p->dtype, 4 * i + k) * p->scale - p->offset;
    double w = v[2] - v[0], h = v[3] - v[1];
    if (p->whole) {
        w = w > 1 ? w : 1;
        h = h > 1 ? h : 1;
    }
    return (roi_region){v[1],
                        v[0],
                        h / (double)p->out_h,
                        w / (double)p->out_w,
                        roi_samples(p, h, p->out_h),
                        roi_samples(p, w, p->out_w)};
}

/* One output: the mean of the samples, or the greatest weighted pixel of any of them. */
static double roi_bin(const roi_call *q, const roi_region *g, int64_t plane, int64_t oh, int64_t ow)
{
    const roi_param *p = q->p;
    double sum = 0, max = 0;
    bool any = false;
    for (int64_t i = 0; i < g->n_h; i++)
        for (int64_t j = 0; j < g->n_w; j++) {
            double y = g->y + ((double)oh + ((double)i + 0.5) / (double)g->n_h) * g->bin_h;
            double x = g->x + ((double)ow + ((double)j + 0.5) / (double)g->n_w) * g->bin_w;
            roi_taps t = roi_locate(p, y, x);
            double best = 0;
            for (int k = 0; k < t.n; k++) {
                double v = t.weight[k] * sn_real_get(q->x, p->dtype, plane + t.at[k]);
                sum += v;
                best = k && best > v ? best : v;
            }
            max = any && max > best ? max : best;
            any = true;
        }
    double n = (double)g->n_h * (double)g->n_w;
    return p->max ? max : sum / (n > 1 ? n : 1);
}

static void roi_align_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const roi_call *q = arg;
    const roi_param *p = q->p;
    int64_t i, end;
    sn_pool_range(p->rois * p->channels, 1, part, n_parts, &i, &end);
    for (; i < end; i++) {
        int64_t roi = i / p->channels, plane = (q->image[roi] * p->channels + i % p->channels) * p->height * p->width;
        roi_region g = roi_region_of(q, roi);
        for (int64_t o = 0; o < p->out_h * p->out_w; o++)
            sn_real_set(q->y, p->dtype, i * p->out_h * p->out_w + o, roi_bin(q, &g, plane, o / p->out_w, o % p->out_w));
    }
}

static setsuna_status roi_align_run(const sn_step *s, sn_run *r)
{
    const roi_param *p = s->param;
    roi_call q = {p, sn_in(s, r, 0), sn_in(s, r, 1), sn_in(s, r, 2), sn_out(s, r, 0)};
    for (int64_t i = 0; i < p->rois; i++)
        if (q.image[i] < 0 || q.image[i] >= p->images)
            return sn_run_fail(s, r, SETSUNA_EINPUT, "batch_indices[%lld] is %lld of %lld images", (long long)i,
                               (long long)q.image[i], (long long)p->images);
    if (p->rois && p->channels)
        sn_run_parallel(s, r, roi_align_part, &q);
    return SETSUNA_OK;
}

/* ---- MaxRoiPool ---------------------------------------------------------------------------------- */

/* floor or ceil of v plus start, within [0, n]. */
static int64_t roi_edge(double v, double start, int64_t n)
{
    double e = v + start;
    return e > 0 ? e < (double)n ? (int64_t)e : n : 0;
}

static void roi_pool_plane(const roi_call *q, const double *v, int64_t plane, int64_t out)
{
    const roi_param *p = q->p;
    double h = fmax(v[3] - v[1] + 1, 1) / (double)p->out_h, w = fmax(v[2] - v[0] + 1, 1) / (double)p->out_w;
    for (int64_t oh = 0; oh < p->out_h; oh++)
        for (int64_t ow = 0; ow < p->out_w; ow++) {
            int64_t y0 = roi_edge(floor((double)oh * h), v[1], p->height);
            int64_t y1 = roi_edge(ceil((double)(oh + 1) * h), v[1], p->height);
            int64_t x0 = roi_edge(floor((double)ow * w), v[0], p->width);
            int64_t x1 = roi_edge(ceil((double)(ow + 1) * w), v[0], p->width);
            double max = y0 < y1 && x0 < x1 ? (double)-INFINITY : 0; /* an empty bin is 0 */
            for (int64_t y = y0; y < y1; y++)
                for (int64_t x = x0; x < x1; x++)
                    max = fmax(max, sn_real_get(q->x, p->dtype, plane + y * p->width + x));
            sn_real_set(q->y, p->dtype, out + oh * p->out_w + ow, max);
        }
}

static setsuna_status roi_pool_run(const sn_step *s, sn_run *r)
{
    const roi_param *p = s->param;
    roi_call q = {p, sn_in(s, r, 0), sn_in(s, r, 1), NULL, sn_out(s, r, 0)};
    for (int64_t i = 0; i < p->rois; i++) {
        double image = sn_real_get(q.rois, p->dtype, 5 * i), v[4];
        if (!(image >= 0 && image < (double)p->images))
            return sn_run_fail(s, r, SETSUNA_EINPUT, "region %lld is of image %g of %lld", (long long)i, image,
                               (long long)p->images);
        for (int k = 0; k < 4; k++)
            v[k] = round(sn_real_get(q.rois, p->dtype, 5 * i + 1 + k) * p->scale);
        for (int64_t c = 0; c < p->channels; c++)
            roi_pool_plane(&q, v, ((int64_t)image * p->channels + c) * p->height * p->width,
                           (i * p->channels + c) * p->out_h * p->out_w);
    }
    return SETSUNA_OK;
}

static setsuna_status roi_bind(sn_op_ctx *c, sn_step *s)
{
    roi_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(roi_plan(c, p));
    bool align = strcmp(c->node->op, "RoiAlign") == 0;
    s->run = align ? roi_align_run : roi_pool_run;
    s->param = p;
    s->kernel = align ? "roi_align" : "roi_pool";
    s->flops = 32 * (double)p->rois * (double)p->channels * (double)p->out_h * (double)p->out_w;
    s->n_parts = align ? sn_parts_for(c, 20 * s->flops, 0) : 1;
    return SETSUNA_OK;
}

const sn_op sn_ops_roi[] = {
    {"", "RoiAlign", 10, 15, 3, 3, 1, 1, SN_OP_F16_AS_F32,
     "mode:s output_height:i output_width:i sampling_ratio:i spatial_scale:f", roi_infer, roi_bind},
    {"", "RoiAlign", 16, 0, 3, 3, 1, 1, SN_OP_F16_AS_F32,
     "coordinate_transformation_mode:s mode:s output_height:i output_width:i sampling_ratio:i spatial_scale:f",
     roi_infer, roi_bind},
    {"", "MaxRoiPool", 1, 0, 2, 2, 1, 1, SN_OP_F16_AS_F32, "pooled_shape:I spatial_scale:f", roi_infer, roi_bind},
    {.name = NULL},
};
