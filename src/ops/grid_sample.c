/* GridSample and AffineGrid: images read at places that another tensor gives. */
#include "base/checked.h"
#include "ops/op.h"
#include "ops/parts.h"
#include "ops/real.h"
#include <math.h>
#include <string.h>

enum { GRID_DIMS_MAX = 3 };

typedef enum grid_mode { GRID_NEAREST, GRID_LINEAR, GRID_CUBIC } grid_mode;
typedef enum grid_padding { GRID_ZEROS, GRID_BORDER, GRID_REFLECTION } grid_padding;

typedef struct grid_param {
    setsuna_dtype dtype, grid_dtype;
    grid_mode mode;
    grid_padding padding;
    bool align;
    int32_t dims;
    int64_t images, channels, in[GRID_DIMS_MAX], pixels, points; /* pixels of an input image, points of an output's */
} grid_param;

static setsuna_status grid_options(sn_op_ctx *c, grid_param *p)
{
    const char *mode = sn_node_string(c->node, "mode", "linear");
    const char *padding = sn_node_string(c->node, "padding_mode", "zeros");
    p->align = sn_node_int(c->node, "align_corners", 0) != 0;
    if (strcmp(mode, "nearest") == 0)
        p->mode = GRID_NEAREST;
    else if (strcmp(mode, "linear") == 0 || strcmp(mode, "bilinear") == 0)
        p->mode = GRID_LINEAR;
    else if (strcmp(mode, "cubic") == 0 || strcmp(mode, "bicubic") == 0)
        p->mode = GRID_CUBIC;
    else
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'mode' is '%.32s'", mode);
    if (strcmp(padding, "zeros") == 0)
        p->padding = GRID_ZEROS;
    else if (strcmp(padding, "border") == 0)
        p->padding = GRID_BORDER;
    else if (strcmp(padding, "reflection") == 0)
        p->padding = GRID_REFLECTION;
    else
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'padding_mode' is '%.32s'", padding);
    return SETSUNA_OK;
}

static setsuna_status grid_plan(sn_op_ctx *c, grid_param *p)
{
    const setsuna_shape *x = &c->in[0].shape, *g = &c->in[1].shape;
    *p = (grid_param){.dtype = c->in[0].dtype, .grid_dtype = c->in[1].dtype, .dims = x->rank - 2};
    SN_TRY(sn_op_want(c, 0, "float"));
    SN_TRY(sn_op_want(c, 1, "float"));
    SN_TRY(grid_options(c, p));
    if (p->dims < 1 || g->rank != x->rank || g->dim[0] != x->dim[0] || g->dim[g->rank - 1] != p->dims)
        return sn_op_fail(c, SETSUNA_ESHAPE, "X must be [N, C, spatial...] and grid [N, spatial..., their number]");
    if (p->dims > GRID_DIMS_MAX)
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "%d spatial dims; at most 3 are supported", (int)p->dims);
    setsuna_shape y = {x->rank, {x->dim[0], x->dim[1]}};
    int64_t total, inputs;
    for (int32_t d = 0; d < p->dims; d++) {
        y.dim[2 + d] = g->dim[1 + d];
        p->in[d] = x->dim[2 + d];
    }
    if (!sn_shape_numel(&y, &total) || !sn_shape_numel(x, &inputs))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output is too large");
    p->images = total ? x->dim[0] : 0;
    p->channels = x->dim[1];
    p->points = total ? total / x->dim[0] / x->dim[1] : 0;
    p->pixels = inputs && total ? inputs / x->dim[0] / x->dim[1] : 0;
    sn_op_out(c, 0, p->dtype, &y);
    return SETSUNA_OK;
}

static setsuna_status grid_infer(sn_op_ctx *c)
{
    grid_param p;
    return grid_plan(c, &p);
}

/* ---- run time ------------------------------------------------------------------------------------ */

/* x mirrored at lo and hi until it lies between them. */
static double grid_reflect(double x, double lo, double hi)
{
    double range = hi - lo, over = x < lo ? lo - x : x - hi;
    if (over <= 0)
        return x;
    if (!(range > 0))
        return lo;
    double turns = floor(over / range), rest = over - turns * range;
    bool even = fmod(turns, 2) == 0;
    return (x < lo) == even ? lo + rest : hi - rest;
}

/* Up to four pixels along one dim with their weights; index -1: a zero. */
typedef struct grid_taps {
    int n;
    int64_t index[4];
    double weight[4];
} grid_taps;

static int64_t grid_pixel(const grid_param *p, double i, int64_t n, double lo, double hi)
{
    if (i >= 0 && i <= (double)(n - 1))
        return (int64_t)i;
    if (p->padding == GRID_ZEROS || !isfinite(i))
        return -1;
    if (p->padding == GRID_REFLECTION)
        i = grid_reflect(i, lo, hi);
    return i > 0 ? i < (double)(n - 1) ? (int64_t)i : n - 1 : 0;
}

/* Keys 1981 with a = -0.75. */
static double grid_cubic(double t)
{
    const double a = -0.75;
    t = fabs(t);
    return t <= 1 ? ((a + 2) * t - (a + 3)) * t * t + 1 : t < 2 ? ((t - 5) * t + 8) * t * a - 4 * a : 0;
}

static grid_taps grid_locate(const grid_param *p, double v, int64_t n)
{
    double last = (double)(n - 1), lo = p->align ? 0 : -0.5, hi = p->align ? last : last + 0.5;
    double x = p->align ? (v + 1) / 2 * last : ((v + 1) * (double)n - 1) / 2;
    grid_taps t = {.n = p->mode == GRID_NEAREST ? 1 : p->mode == GRID_LINEAR ? 2 : 4};
    if (p->mode == GRID_NEAREST)
        x = nearbyint(x);
    if (x < lo || x > hi) {
        if (p->padding == GRID_BORDER)
            x = x < 0 ? 0 : x > last ? last : x;
        else if (p->padding == GRID_REFLECTION)
            x = grid_reflect(x, lo, hi);
    }
    double first = p->mode == GRID_NEAREST ? x : floor(x) - (t.n == 4);
    for (int k = 0; k < t.n; k++) {
        double at = first + k, d = at - x;
        t.index[k] = grid_pixel(p, at, n, lo, hi);
        t.weight[k] = t.n == 1 ? 1 : t.n == 2 ? 1 - fabs(d) : grid_cubic(d);
    }
    return t;
}

typedef struct grid_call {
    const grid_param *p;
    const void *x, *grid;
    void *y;
} grid_call;

static double grid_sum(const grid_call *q, const grid_taps *t, int64_t base)
{
    const grid_param *p = q->p;
    double sum = 0;
    int terms = 1;
    for (int32_t d = 0; d < p->dims; d++)
        terms *= t[d].n;
    for (int i = 0; i < terms; i++) {
        int64_t at = 0;
        double w = 1;
        int pick = i;
        for (int32_t d = 0; d < p->dims; d++) {
            int k = pick % t[d].n;
            pick /= t[d].n;
            at = at < 0 || t[d].index[k] < 0 ? -1 : at * p->in[d] + t[d].index[k];
            w *= t[d].weight[k];
        }
        if (at >= 0)
            sum += w * sn_real_get(q->x, p->dtype, base + at);
    }
    return sum;
}

static void grid_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const grid_call *q = arg;
    const grid_param *p = q->p;
    int64_t i, end;
    sn_pool_range(p->images * p->points, 1, part, n_parts, &i, &end);
    for (; i < end; i++) {
        int64_t image = i / p->points, point = i % p->points;
        grid_taps t[GRID_DIMS_MAX];
        for (int32_t d = 0; d < p->dims; d++) /* the grid names the last dim first: x, y, z */
            t[d] = grid_locate(p, sn_real_get(q->grid, p->grid_dtype, i * p->dims + p->dims - 1 - d), p->in[d]);
        for (int64_t c = 0; c < p->channels; c++) {
            int64_t plane = image * p->channels + c;
            double v = p->pixels ? grid_sum(q, t, plane * p->pixels) : 0;
            sn_real_set(q->y, p->dtype, plane * p->points + point, v);
        }
    }
}

static setsuna_status grid_run(const sn_step *s, sn_run *r)
{
    grid_call q = {s->param, sn_in(s, r, 0), sn_in(s, r, 1), sn_out(s, r, 0)};
    if (q.p->images)
        sn_run_parallel(s, r, grid_part, &q);
    return SETSUNA_OK;
}

static setsuna_status grid_bind(sn_op_ctx *c, sn_step *s)
{
    grid_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(grid_plan(c, p));
    s->run = grid_run;
    s->param = p;
    s->kernel = "grid_sample";
    s->flops = 8 * (double)p->images * (double)p->channels * (double)p->points;
    s->n_parts = sn_parts_for(c, 20 * s->flops, 0);
    return SETSUNA_OK;
}

/* ---- AffineGrid ---------------------------------------------------------------------------------- */

typedef struct affine_param {
    setsuna_dtype dtype;
    bool align;
    int32_t dims;
    int64_t images, out[GRID_DIMS_MAX], points;
} affine_param;

static setsuna_status affine_plan(sn_op_ctx *c, affine_param *p)
{
    const setsuna_shape *t = &c->in[0].shape;
    int64_t size[5], total;
    size_t n;
    SN_TRY(sn_op_want(c, 0, "float"));
    SN_TRY(sn_op_const_ints(c, 1, size, 5, &n));
    *p = (affine_param){.dtype = c->in[0].dtype,
                        .align = sn_node_int(c->node, "align_corners", 0) != 0,
                        .dims = (int32_t)n - 2,
                        .images = n ? size[0] : 0};
    if (n < 4 || t->rank != 3 || t->dim[0] != size[0] || t->dim[1] != p->dims || t->dim[2] != p->dims + 1)
        return sn_op_fail(c, SETSUNA_ESHAPE, "theta and size must be [N, 2, 3] with N C H W, or [N, 3, 4] with D too");
    setsuna_shape y = {p->dims + 2, {size[0]}};
    for (int32_t d = 0; d < p->dims; d++) {
        if (size[2 + d] < 0)
            return sn_op_fail(c, SETSUNA_EMODEL, "size has a negative entry");
        p->out[d] = y.dim[1 + d] = size[2 + d];
    }
    y.dim[p->dims + 1] = p->dims;
    if (!sn_shape_numel(&y, &total))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output is too large");
    p->points = total ? total / size[0] / p->dims : 0;
    sn_op_out(c, 0, p->dtype, &y);
    return SETSUNA_OK;
}

static setsuna_status affine_infer(sn_op_ctx *c)
{
    affine_param p;
    return affine_plan(c, &p);
}

/* Place i of n in [-1, 1]: corners or centres of pixels. */
static double affine_place(int64_t i, int64_t n, bool align)
{
    if (align)
        return n > 1 ? 2 * (double)i / (double)(n - 1) - 1 : 0;
    return (2 * (double)i + 1) / (double)n - 1;
}

static setsuna_status affine_run(const sn_step *s, sn_run *r)
{
    const affine_param *p = s->param;
    const void *theta = sn_in(s, r, 0);
    void *y = sn_out(s, r, 0);
    for (int64_t i = 0; i < p->images * p->points; i++) {
        int64_t rest = i % p->points, image = i / p->points;
        double v[GRID_DIMS_MAX + 1]; /* x, y, (z), 1 */
        for (int32_t d = p->dims - 1; d >= 0; d--) {
            v[p->dims - 1 - d] = affine_place(rest % p->out[d], p->out[d], p->align);
            rest /= p->out[d];
        }
        v[p->dims] = 1;
        for (int32_t row = 0; row < p->dims; row++) {
            double sum = 0;
            for (int32_t k = 0; k <= p->dims; k++)
                sum += v[k] * sn_real_get(theta, p->dtype, (image * p->dims + row) * (p->dims + 1) + k);
            sn_real_set(y, p->dtype, i * p->dims + row, sum);
        }
    }
    return SETSUNA_OK;
}

static setsuna_status affine_bind(sn_op_ctx *c, sn_step *s)
{
    affine_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(affine_plan(c, p));
    s->run = affine_run;
    s->param = p;
    s->kernel = "affine_grid";
    s->n_parts = 1;
    return SETSUNA_OK;
}

const sn_op sn_ops_grid_sample[] = {
    {"", "GridSample", 16, 0, 2, 2, 1, 1, SN_OP_F16_AS_F32, "align_corners:i mode:s padding_mode:s", grid_infer,
     grid_bind},
    {"", "AffineGrid", 20, 0, 2, 2, 1, 1, SN_OP_F16_AS_F32, "align_corners:i", affine_infer, affine_bind},
    {.name = NULL},
};
