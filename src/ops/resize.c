/* Resize and Upsample over plain tensors, and setsuna.Resize over blocked channels [N][C/b][H][W][b].
 *
 * Nearest moves elements of any type. Linear and cubic resample axis by axis, the outermost first; the last two axes in
 * one pass, row by row. f32 runs in the kernels, other types in double precision.
 */
#include "ops/resize_axis.h"
#include "base/checked.h"
#include "ops/parts.h"
#include <math.h>
#include <string.h>

typedef struct resize_param {
    sn_resize_table table;
    sn_resize_attr attr;
    setsuna_dtype dtype;
    size_t element_bytes;
    sn_resize_taps axis[SETSUNA_RANK_MAX];
    bool crop; /* some output lies outside */
    int64_t out_numel;
    size_t buffer_bytes[2]; /* intermediate tensors, first in scratch */
    size_t row_bytes;       /* a thread's row */
} resize_param;

/* ---- attributes ---------------------------------------------------------------------------------- */

typedef struct resize_name {
    const char *text;
    int value;
} resize_name;

static setsuna_status resize_choice(sn_op_ctx *c, const char *attr, const resize_name *names, size_t n, int *out)
{
    const char *text = sn_node_string(c->node, attr, names[0].text);
    *out = names[0].value;
    for (size_t i = 0; i < n; i++)
        if (strcmp(text, names[i].text) == 0) {
            *out = names[i].value;
            return SETSUNA_OK;
        }
    return sn_op_fail(c, SETSUNA_EMODEL, "attribute '%s' is '%.40s'", attr, text);
}

static setsuna_status resize_modes(sn_op_ctx *c, sn_resize_attr *a)
{
    /* "bilinear" and "trilinear" appear in files of old exporters. */
    static const resize_name modes[] = {{"nearest", SN_RESIZE_NEAREST},
                                        {"linear", SN_RESIZE_LINEAR},
                                        {"cubic", SN_RESIZE_CUBIC},
                                        {"bilinear", SN_RESIZE_LINEAR},
                                        {"trilinear", SN_RESIZE_LINEAR}};
    static const resize_name coords[] = {{"half_pixel", SN_COORD_HALF_PIXEL},
                                         {"half_pixel_symmetric", SN_COORD_HALF_PIXEL_SYMMETRIC},
                                         {"pytorch_half_pixel", SN_COORD_PYTORCH_HALF_PIXEL},
                                         {"align_corners", SN_COORD_ALIGN_CORNERS},
                                         {"asymmetric", SN_COORD_ASYMMETRIC},
                                         {"tf_half_pixel_for_nn", SN_COORD_TF_HALF_PIXEL},
                                         {"tf_crop_and_resize", SN_COORD_TF_CROP}};
    static const resize_name rounds[] = {{"round_prefer_floor", SN_ROUND_PREFER_FLOOR},
                                         {"round_prefer_ceil", SN_ROUND_PREFER_CEIL},
                                         {"floor", SN_ROUND_FLOOR},
                                         {"ceil", SN_ROUND_CEIL}};
    int mode, coord = SN_COORD_ASYMMETRIC, round = SN_ROUND_SIMPLE;
    bool old = strcmp(c->node->op, "Upsample") == 0 || (c->op->since < 11 && !c->node->domain[0]);
    SN_TRY(resize_choice(c, "mode", modes, sizeof modes / sizeof modes[0], &mode));
    if (!old) {
        SN_TRY(resize_choice(c, "coordinate_transformation_mode", coords, sizeof coords / sizeof coords[0], &coord));
        SN_TRY(resize_choice(c, "nearest_mode", rounds, sizeof rounds / sizeof rounds[0], &round));
    }
    a->mode = (sn_resize_mode)mode;
    a->coord = (sn_resize_coord)coord;
    a->round = (sn_resize_round)round;
    a->cubic_a = sn_node_float(c->node, "cubic_coeff_a", -0.75f);
    a->extrapolation = sn_node_float(c->node, "extrapolation_value", 0);
    a->exclude_outside = sn_node_int(c->node, "exclude_outside", 0) != 0;
    a->antialias = sn_node_int(c->node, "antialias", 0) != 0;
    return SETSUNA_OK;
}

/* The axes that scales, sizes and roi speak about: `axes`, the two of a blocked image, or all. */
static setsuna_status resize_axes(sn_op_ctx *c, int32_t rank, int32_t *axis, int32_t *n_out)
{
    const int64_t *list;
    size_t n = sn_node_ints(c->node, "axes", &list);
    bool seen[SETSUNA_RANK_MAX] = {false};
    *n_out = rank;
    for (int32_t i = 0; i < rank; i++)
        axis[i] = i;
    if (strcmp(c->node->domain, "setsuna") == 0) {
        axis[0] = 2;
        axis[1] = 3;
        *n_out = 2;
    }
    if (!sn_node_attr(c->node, "axes"))
        return SETSUNA_OK;
    if (n > (size_t)rank)
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'axes' has %zu entries for a rank of %d", n, (int)rank);
    *n_out = (int32_t)n;
    for (size_t i = 0; i < n; i++) {
        if (!sn_axis_normalize(list[i], rank, &axis[i]) || seen[axis[i]])
            return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'axes' is out of range or repeats itself");
        seen[axis[i]] = true;
    }
    return SETSUNA_OK;
}

/* n floats of input i, or NEED_VALUE. */
static setsuna_status resize_floats(sn_op_ctx *c, uint32_t i, int32_t n, double *out)
{
    int64_t count;
    if (!sn_shape_numel(&c->in[i].shape, &count) || c->in[i].shape.rank != 1 || count != n)
        return sn_op_fail(c, SETSUNA_ESHAPE, "input %u must have %d entries", i, (int)n);
    if (!c->in[i].cst)
        return sn_op_need(c, i);
    for (int32_t k = 0; k < n; k++)
        out[k] = sn_tensor_get_f64(&c->in[i].cst->t, k);
    return SETSUNA_OK;
}

static bool resize_has_values(const sn_op_ctx *c, uint32_t i)
{
    int64_t n;
    return sn_op_has(c, i) && sn_shape_numel(&c->in[i].shape, &n) && n > 0;
}

static setsuna_status resize_set_scale(sn_op_ctx *c, sn_resize_attr *a, int32_t d, double scale)
{
    float s = (float)scale, out = s * (float)a->in[d];
    if (!(s > 0) || !(out <= (float)INT32_MAX))
        return sn_op_fail(c, SETSUNA_EMODEL, "the scale of axis %d is %g", (int)d, scale);
    a->scale[d] = s;
    a->length[d] = out;
    a->out[d] = (int64_t)floorf(out);
    return SETSUNA_OK;
}

static setsuna_status resize_set_size(sn_op_ctx *c, sn_resize_attr *a, int32_t d, int64_t size)
{
    if (size < 0 || size > INT32_MAX)
        return sn_op_fail(c, SETSUNA_EMODEL, "the size of axis %d is %lld", (int)d, (long long)size);
    a->out[d] = size;
    a->length[d] = (float)size;
    a->scale[d] = a->in[d] && size ? (float)size / (float)a->in[d] : 1;
    return SETSUNA_OK;
}

/* keep_aspect_ratio_policy: one scale for all axes, the least or the greatest that `sizes` asks for. */
static setsuna_status resize_keep_aspect(sn_op_ctx *c, sn_resize_attr *a, const int32_t *axis, int32_t n)
{
    static const resize_name policies[] = {{"stretch", 0}, {"not_larger", 1}, {"not_smaller", 2}};
    int policy;
    SN_TRY(resize_choice(c, "keep_aspect_ratio_policy", policies, 3, &policy));
    if (!policy || !n)
        return SETSUNA_OK;
    float scale = a->scale[axis[0]];
    for (int32_t i = 1; i < n; i++)
        scale = policy == 1 ? fminf(scale, a->scale[axis[i]]) : fmaxf(scale, a->scale[axis[i]]);
    for (int32_t i = 0; i < n; i++) {
        a->length[axis[i]] = scale * (float)a->in[axis[i]];
        float size = floorf(a->length[axis[i]] + 0.5f); /* halves go up */
        if (!(size <= (float)INT32_MAX))
            return sn_op_fail(c, SETSUNA_ESHAPE, "the output is too large");
        a->scale[axis[i]] = scale;
        a->out[axis[i]] = (int64_t)size;
    }
    return SETSUNA_OK;
}

/* Where scales and sizes come from: attributes (Upsample-7, setsuna.Resize) or inputs. */
static setsuna_status resize_extents(sn_op_ctx *c, sn_resize_attr *a, const int32_t *axis, int32_t n)
{
    bool old = strcmp(c->node->op, "Upsample") == 0 || (c->op->since < 11 && !c->node->domain[0]);
    uint32_t i_scales = old ? 1 : 2;
    const float *scales;
    const int64_t *sizes;
    double v[SETSUNA_RANK_MAX] = {0};
    int64_t size[SETSUNA_RANK_MAX] = {0};
    size_t n_scales = sn_node_floats(c->node, "scales", &scales), n_sizes = sn_node_ints(c->node, "sizes", &sizes);
    if (n_scales || n_sizes) {
        if ((n_scales && n_scales != (size_t)n) || (n_sizes && n_sizes != (size_t)n))
            return sn_op_fail(c, SETSUNA_EMODEL, "scales or sizes do not have %d entries", (int)n);
        for (int32_t i = 0; i < n; i++) {
            if (n_sizes)
                SN_TRY(resize_set_size(c, a, axis[i], sizes[i]));
            else
                SN_TRY(resize_set_scale(c, a, axis[i], (double)scales[i]));
        }
        return SETSUNA_OK;
    }
    if (!old && resize_has_values(c, 3)) {
        size_t count;
        SN_TRY(sn_op_const_ints(c, 3, size, SETSUNA_RANK_MAX, &count));
        if (count != (size_t)n)
            return sn_op_fail(c, SETSUNA_ESHAPE, "sizes must have %d entries", (int)n);
        for (int32_t i = 0; i < n; i++)
            SN_TRY(resize_set_size(c, a, axis[i], size[i]));
        return resize_keep_aspect(c, a, axis, n);
    }
    if (!resize_has_values(c, i_scales))
        return sn_op_fail(c, SETSUNA_EMODEL, "there are neither scales nor sizes");
    SN_TRY(resize_floats(c, i_scales, n, v));
    for (int32_t i = 0; i < n; i++)
        SN_TRY(resize_set_scale(c, a, axis[i], v[i]));
    return SETSUNA_OK;
}

/* setsuna.Resize: an image in blocks, [N][ceil(channels/b)][H][W][b]. */
static setsuna_status resize_check_blocked(sn_op_ctx *c)
{
    const setsuna_shape *x = &c->in[0].shape;
    int64_t channels = sn_node_int(c->node, "channels", -1), b = x->rank == 5 ? x->dim[4] : 0;
    if (strcmp(c->node->domain, "setsuna") != 0)
        return SETSUNA_OK;
    if (b < 1 || channels < 0 || channels > INT64_MAX - b || (channels + b - 1) / b != x->dim[1])
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input is not an image of %lld channels in blocks",
                          (long long)channels);
    return sn_op_want(c, 0, "f32");
}

static setsuna_status resize_plan(sn_op_ctx *c, sn_resize_attr *a)
{
    const setsuna_shape *x = &c->in[0].shape;
    int32_t axis[SETSUNA_RANK_MAX] = {0}, n = 0;
    double roi[2 * SETSUNA_RANK_MAX] = {0};
    *a = (sn_resize_attr){.rank = x->rank};
    SN_TRY(resize_modes(c, a));
    SN_TRY(sn_op_want(c, 0, "any"));
    SN_TRY(resize_check_blocked(c));
    SN_TRY(resize_axes(c, x->rank, axis, &n));
    for (int32_t d = 0; d < x->rank; d++) {
        if (x->dim[d] > INT32_MAX)
            return sn_op_fail(c, SETSUNA_ESHAPE, "dim %d is too large", (int)d);
        a->in[d] = a->out[d] = x->dim[d];
        a->length[d] = (float)x->dim[d];
        a->scale[d] = a->roi_end[d] = 1;
    }
    SN_TRY(resize_extents(c, a, axis, n));
    if (a->coord == SN_COORD_TF_CROP) {
        if (!sn_op_has(c, 1))
            return sn_op_fail(c, SETSUNA_EMODEL, "tf_crop_and_resize needs a roi");
        SN_TRY(resize_floats(c, 1, 2 * n, roi));
        for (int32_t i = 0; i < n; i++) {
            a->roi_start[axis[i]] = (float)roi[i];
            a->roi_end[axis[i]] = (float)roi[n + i];
        }
    }
    setsuna_shape y = {.rank = x->rank};
    int64_t numel;
    memcpy(y.dim, a->out, sizeof y.dim);
    if (!sn_shape_numel(&y, &numel))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output is too large");
    for (int32_t d = 0; d < x->rank; d++)
        if (a->in[d] == 0 && a->out[d] != 0)
            return sn_op_fail(c, SETSUNA_ESHAPE, "axis %d has no input to make %lld outputs of", (int)d,
                              (long long)a->out[d]);
    sn_op_out(c, 0, c->in[0].dtype, &y);
    return SETSUNA_OK;
}

static setsuna_status resize_infer(sn_op_ctx *c)
{
    sn_resize_attr a;
    return resize_plan(c, &a);
}

/* ---- nearest ------------------------------------------------------------------------------------- */

typedef struct resize_call {
    const resize_param *p;
    const void *x;
    void *y;
    char *scratch; /* this pass's rows */
    /* One pass of linear or cubic: planes of [h][w][lanes]. */
    const sn_resize_axis *h, *w;
    int64_t planes, in_h, in_w, lanes;
} resize_call;

/* Output rows [from, to) of the last resampled axis: each is a run of picked chunks. Trailing axes that stay as they
 * are make the chunk. */
static void resize_nearest_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const resize_call *q = arg;
    const resize_param *p = q->p;
    const sn_resize_attr *a = &p->attr;
    int32_t last = a->rank - 1;
    size_t chunk = p->element_bytes;
    while (last > 0 && p->axis[last].identity)
        chunk *= (size_t)a->out[last--];
    int64_t n = last >= 0 ? a->out[last] : 1, rows = p->out_numel * (int64_t)p->element_bytes / (int64_t)chunk / n;
    const int32_t *index = last >= 0 && !p->axis[last].identity ? p->axis[last].axis.index : NULL;
    int64_t row, end;
    sn_pool_range(rows, 1, part, n_parts, &row, &end);
    for (; row < end; row++) {
        int64_t rest = row, from = 0, stride = last >= 0 ? a->in[last] : 1;
        for (int32_t d = last - 1; d >= 0; d--) {
            int64_t o = rest % a->out[d];
            rest /= a->out[d];
            from += (p->axis[d].identity ? o : p->axis[d].axis.index[o]) * stride;
            stride *= a->in[d];
        }
        const char *x = (const char *)q->x + (size_t)from * chunk;
        char *y = (char *)q->y + (size_t)(row * n) * chunk;
        if (!index)
            memcpy(y, x, (size_t)n * chunk);
        else if (chunk == 4)
            p->table.pick((const uint32_t *)(const void *)x, index, n, (uint32_t *)(void *)y);
        else if (chunk == 64) /* a block of 16 floats */
            for (int64_t i = 0; i < n; i++)
                memcpy(y + i * 64, x + (int64_t)index[i] * 64, 64);
        else
            for (int64_t i = 0; i < n; i++)
                memcpy(y + (size_t)i * chunk, x + (size_t)index[i] * chunk, chunk);
    }
}

/* ---- linear and cubic, f32 ----------------------------------------------------------------------- */

static void resize_plane_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const resize_call *q = arg;
    int64_t in = q->in_h * q->in_w * q->lanes, out = q->h->n * (q->w ? q->w->n : q->in_w) * q->lanes, i, end;
    float *row = (float *)(q->scratch + part * q->p->row_bytes);
    sn_pool_range(q->planes * q->h->n, 1, part, n_parts, &i, &end);
    while (i < end) { /* output rows of all planes; a run of them in one plane at a time */
        int64_t plane = i / q->h->n, from = i % q->h->n, left = end - plane * q->h->n;
        int64_t to = left < q->h->n ? left : q->h->n;
        q->p->table.plane(q->h, q->w, q->in_w, q->lanes, (const float *)q->x + plane * in, (float *)q->y + plane * out,
                          from, to, row);
        i = plane * q->h->n + to;
    }
}

/* ---- linear and cubic, other types --------------------------------------------------------------- */

static double resize_get(const void *x, setsuna_dtype t, int64_t i)
{
    switch (t) {
    case SETSUNA_F32: return (double)((const float *)x)[i];
    case SETSUNA_F64: return ((const double *)x)[i];
    case SETSUNA_I8: return ((const int8_t *)x)[i];
    case SETSUNA_U8:
    case SETSUNA_BOOL: return ((const uint8_t *)x)[i];
    case SETSUNA_I16: return ((const int16_t *)x)[i];
    case SETSUNA_U16: return ((const uint16_t *)x)[i];
    case SETSUNA_I32: return ((const int32_t *)x)[i];
    case SETSUNA_U32: return ((const uint32_t *)x)[i];
    case SETSUNA_I64: return (double)((const int64_t *)x)[i];
    default: return (double)((const uint64_t *)x)[i];
    }
}

static double resize_bound(double v, double lo, double hi)
{
    return v > lo ? v < hi ? v : hi : lo;
}

/* Integers are cut off towards zero and saturate. */
static void resize_put(void *y, setsuna_dtype t, int64_t i, double v)
{
    switch (t) {
    case SETSUNA_F32: ((float *)y)[i] = (float)v; break;
    case SETSUNA_F64: ((double *)y)[i] = v; break;
    case SETSUNA_I8: ((int8_t *)y)[i] = (int8_t)resize_bound(v, INT8_MIN, INT8_MAX); break;
    case SETSUNA_U8: ((uint8_t *)y)[i] = (uint8_t)resize_bound(v, 0, UINT8_MAX); break;
    case SETSUNA_BOOL: ((uint8_t *)y)[i] = v >= 1; break;
    case SETSUNA_I16: ((int16_t *)y)[i] = (int16_t)resize_bound(v, INT16_MIN, INT16_MAX); break;
    case SETSUNA_U16: ((uint16_t *)y)[i] = (uint16_t)resize_bound(v, 0, UINT16_MAX); break;
    case SETSUNA_I32: ((int32_t *)y)[i] = (int32_t)resize_bound(v, INT32_MIN, INT32_MAX); break;
    case SETSUNA_U32: ((uint32_t *)y)[i] = (uint32_t)resize_bound(v, 0, UINT32_MAX); break;
    /* The largest doubles below 2^63 and 2^64. */
    case SETSUNA_I64: ((int64_t *)y)[i] = (int64_t)resize_bound(v, -0x1p63, 0x1.fffffffffffffp62); break;
    default: ((uint64_t *)y)[i] = (uint64_t)resize_bound(v, 0, 0x1.fffffffffffffp63); break;
    }
}

static void resize_plain_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const resize_call *q = arg;
    const resize_param *p = q->p;
    const sn_resize_attr *a = &p->attr;
    int64_t o, end;
    sn_pool_range(p->out_numel, 1, part, n_parts, &o, &end);
    for (; o < end; o++) {
        int64_t rest = o, at[SETSUNA_RANK_MAX], terms = 1;
        double sum = 0;
        for (int32_t d = a->rank - 1; d >= 0; d--) {
            at[d] = rest % a->out[d];
            rest /= a->out[d];
            terms *= p->axis[d].identity ? 1 : p->axis[d].axis.taps;
        }
        for (int64_t t = 0; t < terms; t++) { /* every combination of taps */
            int64_t from = 0, stride = 1, pick = t;
            double w = 1;
            for (int32_t d = a->rank - 1; d >= 0; d--) {
                const sn_resize_axis *x = &p->axis[d].axis;
                int64_t i = at[d];
                if (!p->axis[d].identity) {
                    int64_t k = pick % x->taps * x->n + at[d];
                    pick /= x->taps;
                    i = x->index[k];
                    w *= (double)x->weight[k];
                }
                from += i * stride;
                stride *= a->in[d];
            }
            sum += w * resize_get(q->x, p->dtype, from);
        }
        resize_put(q->y, p->dtype, o, sum);
    }
}

/* ---- run ----------------------------------------------------------------------------------------- */

/* Outputs outside of the input get the extrapolation value. */
static void resize_extrapolate(const resize_param *p, void *y)
{
    const sn_resize_attr *a = &p->attr;
    for (int64_t o = 0; o < p->out_numel; o++) {
        int64_t rest = o;
        bool outside = false;
        for (int32_t d = a->rank - 1; d >= 0; d--) {
            outside |= p->axis[d].outside && p->axis[d].outside[rest % a->out[d]];
            rest /= a->out[d];
        }
        if (outside)
            resize_put(y, p->dtype, o, (double)a->extrapolation);
    }
}

static setsuna_status resize_run_nearest(const sn_step *s, sn_run *r)
{
    const resize_param *p = s->param;
    resize_call q = {.p = p, .x = sn_in(s, r, 0), .y = sn_out(s, r, 0)};
    if (!p->out_numel)
        return SETSUNA_OK;
    sn_run_parallel(s, r, resize_nearest_part, &q);
    if (p->crop)
        resize_extrapolate(p, q.y);
    return SETSUNA_OK;
}

static setsuna_status resize_run_plain(const sn_step *s, sn_run *r)
{
    const resize_param *p = s->param;
    resize_call q = {.p = p, .x = sn_in(s, r, 0), .y = sn_out(s, r, 0)};
    if (!p->out_numel)
        return SETSUNA_OK;
    sn_run_parallel(s, r, resize_plain_part, &q);
    if (p->crop)
        resize_extrapolate(p, q.y);
    return SETSUNA_OK;
}

/* The passes of one run: pass i resamples axis first[i] and, with it, second[i] unless that is negative. */
typedef struct resize_passes {
    int32_t first[SETSUNA_RANK_MAX], second[SETSUNA_RANK_MAX];
    int32_t n;
} resize_passes;

static resize_passes resize_list_passes(const resize_param *p)
{
    resize_passes list = {.n = 0};
    for (int32_t d = 0; d < p->attr.rank; d++) {
        if (p->axis[d].identity)
            continue;
        bool pair = d + 1 < p->attr.rank && !p->axis[d + 1].identity;
        list.first[list.n] = d;
        list.second[list.n++] = pair ? d + 1 : -1;
        d += pair;
    }
    return list;
}

/* Extents of pass i: axes before it have their new size, axes behind it their old one. */
static void resize_pass_extents(const resize_param *p, const resize_passes *list, int32_t i, resize_call *q)
{
    const sn_resize_attr *a = &p->attr;
    int32_t first = list->first[i], second = list->second[i];
    q->h = &p->axis[first].axis;
    q->w = second < 0 ? NULL : &p->axis[second].axis;
    q->in_h = a->in[first];
    q->in_w = second < 0 ? 1 : a->in[second];
    q->planes = q->lanes = 1;
    for (int32_t d = 0; d < first; d++)
        q->planes *= a->out[d];
    for (int32_t d = (second < 0 ? first : second) + 1; d < a->rank; d++)
        q->lanes *= a->in[d];
}

static setsuna_status resize_run_planes(const sn_step *s, sn_run *r)
{
    const resize_param *p = s->param;
    char *buffer[2] = {r->scratch, (char *)r->scratch + p->buffer_bytes[0]};
    resize_passes list = resize_list_passes(p);
    resize_call q = {.p = p, .x = sn_in(s, r, 0), .scratch = buffer[1] + p->buffer_bytes[1]};
    if (!p->out_numel)
        return SETSUNA_OK;
    for (int32_t i = 0; i < list.n; i++) {
        resize_pass_extents(p, &list, i, &q);
        q.y = i == list.n - 1 ? sn_out(s, r, 0) : (void *)buffer[i % 2];
        sn_run_parallel(s, r, resize_plane_part, &q);
        q.x = q.y;
    }
    if (p->crop)
        resize_extrapolate(p, sn_out(s, r, 0));
    return SETSUNA_OK;
}

static setsuna_status resize_bind_planes(sn_op_ctx *c, sn_step *s, resize_param *p)
{
    resize_passes list = resize_list_passes(p);
    size_t total = 0;
    for (int32_t i = 0; i < list.n; i++) {
        resize_call q;
        size_t bytes, row;
        resize_pass_extents(p, &list, i, &q);
        const setsuna_shape out = {5, {q.planes, q.h->n, q.w ? q.w->n : 1, q.in_w, q.lanes}};
        if (!sn_tensor_bytes(SETSUNA_F32, &out, &bytes) || !sn_align_size(bytes, SN_ALIGN, &bytes))
            return sn_op_fail(c, SETSUNA_ESHAPE, "the output is too large");
        if (q.w && q.in_w)
            bytes = (bytes / (size_t)q.in_w + SN_ALIGN - 1) & ~(size_t)(SN_ALIGN - 1);
        row = q.w ? (size_t)(q.in_w * q.lanes) * sizeof(float) : 0;
        row = (row + SN_ALIGN - 1) & ~(size_t)(SN_ALIGN - 1);
        p->row_bytes = row > p->row_bytes ? row : p->row_bytes;
        if (i < list.n - 1 && bytes > p->buffer_bytes[i % 2])
            p->buffer_bytes[i % 2] = bytes;
    }
    if (!sn_mul_size(p->row_bytes, s->n_parts, &total) || !sn_add_size(total, p->buffer_bytes[0], &total) ||
        !sn_add_size(total, p->buffer_bytes[1], &s->scratch_bytes))
        return sn_op_fail(c, SETSUNA_ELIMIT, "the resampling needs too much memory");
    s->run = resize_run_planes;
    s->kernel = sn_arena_printf(c->arena, "sn_resize_f32_plane_%s", p->table.level);
    return s->kernel ? SETSUNA_OK : SETSUNA_ENOMEM;
}

static setsuna_status resize_bind(sn_op_ctx *c, sn_step *s)
{
    resize_param *p = sn_op_param(c, sizeof *p);
    bool any = false;
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(resize_plan(c, &p->attr));
    sn_resize_table_init(&p->table, c->cpu);
    p->dtype = c->in[0].dtype;
    p->element_bytes = setsuna_dtype_size(p->dtype);
    if (!sn_shape_numel(&c->out[0].shape, &p->out_numel))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output is too large");
    for (int32_t d = 0; d < p->attr.rank && p->out_numel; d++) {
        SN_TRY(sn_resize_axis_build(c, &p->attr, d, &p->axis[d]));
        any |= !p->axis[d].identity;
        p->crop |= p->axis[d].outside != NULL;
    }
    double outputs = (double)p->out_numel;
    s->param = p;
    s->flops = p->attr.mode == SN_RESIZE_NEAREST ? 0 : p->attr.mode == SN_RESIZE_LINEAR ? 6 * outputs : 16 * outputs;
    s->n_parts = sn_parts_for(c, s->flops * 4, 2 * (double)p->element_bytes * outputs);
    if (p->attr.mode == SN_RESIZE_NEAREST || !any) {
        s->run = resize_run_nearest;
        s->kernel = p->element_bytes == 4 ? sn_arena_printf(c->arena, "sn_resize_b32_pick_%s", p->table.level)
                                          : "resize_nearest";
        return s->kernel ? SETSUNA_OK : SETSUNA_ENOMEM;
    }
    if (p->dtype == SETSUNA_F32)
        return resize_bind_planes(c, s, p);
    s->run = resize_run_plain;
    s->kernel = "resize_plain";
    return SETSUNA_OK;
}

#define RESIZE_ATTRS                                                                                                   \
    "coordinate_transformation_mode:s cubic_coeff_a:f exclude_outside:i extrapolation_value:f mode:s nearest_mode:s"

const sn_op sn_ops_resize[] = {
    {"", "Upsample", 7, 8, 1, 1, 1, 1, SN_OP_F16_AS_F32, "mode:s scales:F", resize_infer, resize_bind},
    {"", "Upsample", 9, 0, 2, 2, 1, 1, SN_OP_F16_AS_F32, "mode:s", resize_infer, resize_bind},
    {"", "Resize", 10, 10, 2, 2, 1, 1, SN_OP_F16_AS_F32, "mode:s", resize_infer, resize_bind},
    {"", "Resize", 11, 17, 1, 4, 1, 1, SN_OP_F16_AS_F32, RESIZE_ATTRS, resize_infer, resize_bind},
    {"", "Resize", 18, 0, 1, 4, 1, 1, SN_OP_F16_AS_F32, RESIZE_ATTRS " antialias:i axes:I keep_aspect_ratio_policy:s",
     resize_infer, resize_bind},
    {"setsuna", "Resize", 1, 0, 1, 1, 1, 1, 0, RESIZE_ATTRS " antialias:i channels:i scales:F sizes:I", resize_infer,
     resize_bind},
    {.name = NULL},
};
