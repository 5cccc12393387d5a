/* Pad and CenterCropPad: a window over a tensor that is continued beyond its edges.
 *
 * Along each axis output index j shows input index j - begin; where that is outside the input, the mode decides:
 *
 *     constant  a value         edge     the nearest element
 *     reflect   c b [a b c] b a            wrap   b c [a b c] a b
 *
 * A negative begin or end crops.
 */
#include "base/checked.h"
#include "base/half.h"
#include "ops/move.h"
#include "ops/parts.h"
#include <string.h>

typedef enum pad_mode { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP } pad_mode;

/* One axis of the window; begin and end may be negative. */
typedef struct pad_axis {
    int64_t n_in, n_out, begin;
} pad_axis;

typedef struct pad_param {
    pad_mode mode;
    int32_t rank; /* >= 1; unpadded axes are merged into their neighbours or into the unit */
    pad_axis axis[SETSUNA_RANK_MAX];
    int64_t stride[SETSUNA_RANK_MAX]; /* of the input, in units */
    size_t unit_bytes, elem_bytes;    /* what the last axis counts; an element */
    int64_t rows;                     /* of the output: product of n_out but the last */
    uint8_t value[16];                /* constant mode, when input 2 is absent */
    bool value_is_input;
} pad_param;

/* ---- shape rules ----------------------------------------------------------------------------------- */

static setsuna_status pad_mode_of(sn_op_ctx *c, pad_mode *mode)
{
    static const char *const name[] = {"constant", "reflect", "edge", "wrap"};
    const char *want = sn_node_string(c->node, "mode", "constant");
    for (int k = 0; k <= (c->op->since >= 19 ? PAD_WRAP : PAD_EDGE); k++)
        if (strcmp(want, name[k]) == 0) {
            *mode = (pad_mode)k;
            return SETSUNA_OK;
        }
    return sn_op_fail(c, SETSUNA_EMODEL, "mode '%.32s' is unknown at this opset", want);
}

/* Begin and end of each axis of the input, zero where none is given. */
static setsuna_status pad_lists(sn_op_ctx *c, int64_t begin[SETSUNA_RANK_MAX], int64_t end[SETSUNA_RANK_MAX])
{
    int32_t rank = c->in[0].shape.rank, axis[SETSUNA_RANK_MAX];
    int64_t pads[2 * SETSUNA_RANK_MAX], axes[SETSUNA_RANK_MAX];
    const int64_t *list = NULL;
    size_t n, n_axes = (size_t)rank;
    for (int32_t i = 0; i < rank; i++) {
        axes[i] = i;
        begin[i] = end[i] = 0;
    }
    if (c->op->since >= 11) {
        SN_TRY(sn_op_const_ints(c, 1, pads, 2 * SETSUNA_RANK_MAX, &n));
        if (sn_op_has(c, 3))
            SN_TRY(sn_op_const_ints(c, 3, axes, SETSUNA_RANK_MAX, &n_axes));
    } else {
        n = sn_node_ints(c->node, "pads", &list);
        for (size_t i = 0; i < n && i < 2 * SETSUNA_RANK_MAX; i++)
            pads[i] = list[i];
    }
    if (n != 2 * n_axes)
        return sn_op_fail(c, SETSUNA_ESHAPE, "%zu pads are given for %zu axes", n, n_axes);
    SN_TRY(sn_move_axes(c, axes, n_axes, rank, axis));
    for (size_t i = 0; i < n_axes; i++) {
        begin[axis[i]] = pads[i];
        end[axis[i]] = pads[n_axes + i];
    }
    return SETSUNA_OK;
}

static setsuna_status pad_infer(sn_op_ctx *c)
{
    int64_t begin[SETSUNA_RANK_MAX], end[SETSUNA_RANK_MAX];
    setsuna_shape y = c->in[0].shape;
    pad_mode mode;
    SN_TRY(sn_move_want(c, 0));
    SN_TRY(pad_mode_of(c, &mode));
    SN_TRY(pad_lists(c, begin, end));
    for (int32_t i = 0; i < y.rank; i++) {
        int64_t n = y.dim[i];
        if (begin[i] < -n || end[i] < -n || !sn_add_i64(y.dim[i], begin[i], &y.dim[i]) ||
            !sn_add_i64(y.dim[i], end[i], &y.dim[i]) || y.dim[i] < 0)
            return sn_op_fail(c, SETSUNA_ESHAPE, "axis %d of extent %lld cannot be padded by %lld and %lld", i,
                              (long long)n, (long long)begin[i], (long long)end[i]);
        if (n == 0 && y.dim[i] > 0 && mode != PAD_CONSTANT)
            return sn_op_fail(c, SETSUNA_ESHAPE, "axis %d is empty: it can only be padded with a constant", i);
    }
    if (sn_op_has(c, 2)) {
        int64_t n;
        if (c->in[2].dtype != c->in[0].dtype || !sn_shape_numel(&c->in[2].shape, &n) || n != 1)
            return sn_op_fail(c, SETSUNA_ESHAPE, "the constant must be one element of the input's type");
    }
    sn_op_out(c, 0, c->in[0].dtype, &y);
    return SETSUNA_OK;
}

/* ---- run ------------------------------------------------------------------------------------------- */

/* The input index that output index j of an axis shows, or -1: the constant. */
static int64_t pad_source(pad_mode mode, const pad_axis *a, int64_t j)
{
    int64_t i = j - a->begin, n = a->n_in;
    if (i >= 0 && i < n)
        return i;
    switch (mode) {
    case PAD_CONSTANT: return -1;
    case PAD_EDGE: return i < 0 ? 0 : n - 1;
    case PAD_WRAP: i %= n; return i < 0 ? i + n : i;
    case PAD_REFLECT: break;
    }
    int64_t period = 2 * (n - 1);
    if (period == 0)
        return 0;
    i %= period;
    i += i < 0 ? period : 0;
    return i < n ? i : period - i;
}

static inline void pad_fill_size(uint8_t *dst, const uint8_t *value, size_t bytes, size_t size)
{
    for (size_t at = 0; at < bytes; at += size)
        memcpy(dst + at, value, size);
}

static void pad_fill(uint8_t *dst, const uint8_t *value, size_t bytes, size_t size)
{
    static const uint8_t zero[16];
    if (memcmp(value, zero, size) == 0) {
        memset(dst, 0, bytes);
        return;
    }
    switch (size) {
    case 1: memset(dst, value[0], bytes); break;
    case 2: pad_fill_size(dst, value, bytes, 2); break;
    case 4: pad_fill_size(dst, value, bytes, 4); break;
    case 8: pad_fill_size(dst, value, bytes, 8); break;
    default: pad_fill_size(dst, value, bytes, 16); break;
    }
}

typedef struct pad_job {
    const pad_param *p;
    uint8_t *y;
    const uint8_t *x;
    const uint8_t *value;
} pad_job;

/* One run of the last axis; x is the row of the input. */
static void pad_row(const pad_job *j, uint8_t *y, const uint8_t *x)
{
    const pad_param *p = j->p;
    const pad_axis *a = &p->axis[p->rank - 1];
    size_t u = p->unit_bytes;
    int64_t from = a->begin > 0 ? a->begin : 0, to = a->begin + a->n_in; /* [from, to) of y lies inside x */
    from = from > a->n_out ? a->n_out : from;
    to = to > a->n_out ? a->n_out : to < from ? from : to;
    if (to > from)
        memcpy(y + (size_t)from * u, x + (size_t)(from - a->begin) * u, (size_t)(to - from) * u);
    if (p->mode == PAD_CONSTANT) {
        pad_fill(y, j->value, (size_t)from * u, p->elem_bytes);
        pad_fill(y + (size_t)to * u, j->value, (size_t)(a->n_out - to) * u, p->elem_bytes);
        return;
    }
    for (int64_t k = 0; k < from; k++)
        memcpy(y + (size_t)k * u, x + (size_t)pad_source(p->mode, a, k) * u, u);
    for (int64_t k = to; k < a->n_out; k++)
        memcpy(y + (size_t)k * u, x + (size_t)pad_source(p->mode, a, k) * u, u);
}

static void pad_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const pad_job *job = arg;
    const pad_param *p = job->p;
    int32_t outer = p->rank - 1;
    size_t row_bytes = (size_t)p->axis[outer].n_out * p->unit_bytes;
    int64_t begin, end, i[SETSUNA_RANK_MAX] = {0};
    sn_pool_range(p->rows, 1, part, n_parts, &begin, &end);
    int64_t rest = begin;
    for (int32_t d = outer - 1; d >= 0; d--) {
        i[d] = rest % p->axis[d].n_out;
        rest /= p->axis[d].n_out;
    }
    for (int64_t row = begin; row < end; row++) {
        int64_t at = 0;
        for (int32_t d = 0; d < outer && at >= 0; d++) {
            int64_t from = pad_source(p->mode, &p->axis[d], i[d]);
            at = from < 0 ? -1 : at + from * p->stride[d];
        }
        uint8_t *y = job->y + (size_t)row * row_bytes;
        if (at < 0)
            pad_fill(y, job->value, row_bytes, p->elem_bytes);
        else
            pad_row(job, y, job->x + (size_t)at * p->unit_bytes);
        for (int32_t d = outer - 1; d >= 0 && ++i[d] == p->axis[d].n_out; d--)
            i[d] = 0;
    }
}

static setsuna_status pad_run(const sn_step *s, sn_run *r)
{
    const pad_param *p = s->param;
    pad_job job = {p, sn_out(s, r, 0), sn_in(s, r, 0), p->value_is_input ? sn_in(s, r, 2) : p->value};
    if (p->rows)
        sn_run_parallel(s, r, pad_part, &job);
    return SETSUNA_OK;
}

/* ---- bind ------------------------------------------------------------------------------------------ */

/* Sets the axes of p: unpadded axes at the end go into the unit, neighbouring unpadded ones merge. */
static void pad_set_axes(pad_param *p, const setsuna_shape *x, const setsuna_shape *y, const int64_t *begin)
{
    pad_axis list[SETSUNA_RANK_MAX];
    int32_t n = 0; /* innermost first */
    p->unit_bytes = p->elem_bytes;
    for (int32_t i = x->rank - 1; i >= 0; i--) {
        bool padded = begin[i] != 0 || x->dim[i] != y->dim[i];
        if (!padded && n == 0)
            p->unit_bytes *= (size_t)x->dim[i];
        else if (!padded && list[n - 1].begin == 0 && list[n - 1].n_in == list[n - 1].n_out)
            list[n - 1].n_in = list[n - 1].n_out = list[n - 1].n_in * x->dim[i];
        else
            list[n++] = (pad_axis){x->dim[i], y->dim[i], begin[i]};
    }
    if (n == 0)
        list[n++] = (pad_axis){1, 1, 0};
    p->rank = n;
    p->rows = 1;
    int64_t stride = 1;
    for (int32_t k = 0; k < n; k++) {
        p->axis[n - 1 - k] = list[k];
        p->stride[n - 1 - k] = stride;
        stride = (int64_t)((uint64_t)stride * (uint64_t)list[k].n_in);
        if (k)
            p->rows *= list[k].n_out;
    }
}

/* begin: per axis of the input; the output's extent decides the end. The value is zero until the caller sets it. */
static setsuna_status pad_bind_window(sn_op_ctx *c, sn_step *s, pad_mode mode, const int64_t *begin, pad_param **out)
{
    pad_param *p = sn_op_param(c, sizeof *p);
    const setsuna_shape *x = &c->in[0].shape, *y = &c->out[0].shape;
    int64_t total;
    if (!p)
        return SETSUNA_ENOMEM;
    if (!sn_shape_numel(y, &total))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output has too many elements");
    p->mode = mode;
    p->elem_bytes = setsuna_dtype_size(c->in[0].dtype);
    if (total)
        pad_set_axes(p, x, y, begin);
    s->run = pad_run;
    s->param = p;
    s->kernel = "pad";
    s->bytes = 2.0 * (double)total * (double)p->elem_bytes;
    s->n_parts = sn_parts_for(c, 0, s->bytes);
    *out = p;
    return SETSUNA_OK;
}

static setsuna_status pad_bind(sn_op_ctx *c, sn_step *s)
{
    int64_t begin[SETSUNA_RANK_MAX], end[SETSUNA_RANK_MAX];
    pad_mode mode;
    SN_TRY(pad_mode_of(c, &mode));
    SN_TRY(pad_lists(c, begin, end));
    pad_param *p;
    SN_TRY(pad_bind_window(c, s, mode, begin, &p));
    p->value_is_input = sn_op_has(c, 2);
    float value = sn_node_float(c->node, "value", 0.0f); /* opset 2-10 */
    double wide = (double)value;
    uint16_t half = c->in[0].dtype == SETSUNA_BF16 ? sn_f32_to_bf16(value) : sn_f32_to_f16(value);
    if (c->in[0].dtype == SETSUNA_F32)
        memcpy(p->value, &value, sizeof value);
    else if (c->in[0].dtype == SETSUNA_F64)
        memcpy(p->value, &wide, sizeof wide);
    else if (c->in[0].dtype == SETSUNA_F16 || c->in[0].dtype == SETSUNA_BF16)
        memcpy(p->value, &half, sizeof half);
    return SETSUNA_OK;
}

/* ---- CenterCropPad --------------------------------------------------------------------------------- */

static setsuna_status center_infer(sn_op_ctx *c)
{
    setsuna_shape y = c->in[0].shape;
    int64_t want[SETSUNA_RANK_MAX], all[SETSUNA_RANK_MAX] = {0, 1, 2, 3, 4, 5, 6, 7};
    const int64_t *axes = all;
    int32_t axis[SETSUNA_RANK_MAX];
    size_t n, n_axes = sn_node_ints(c->node, "axes", &axes);
    SN_TRY(sn_move_want(c, 0));
    SN_TRY(sn_op_const_ints(c, 1, want, SETSUNA_RANK_MAX, &n));
    if (!sn_node_attr(c->node, "axes"))
        n_axes = (size_t)y.rank;
    SN_TRY(sn_move_axes(c, axes, n_axes, y.rank, axis));
    if (n != n_axes)
        return sn_op_fail(c, SETSUNA_ESHAPE, "%zu extents are given for %zu axes", n, n_axes);
    for (size_t i = 0; i < n; i++) {
        if (want[i] < 0)
            return sn_op_fail(c, SETSUNA_ESHAPE, "the extent %lld is negative", (long long)want[i]);
        y.dim[axis[i]] = want[i];
    }
    sn_op_out(c, 0, c->in[0].dtype, &y);
    return SETSUNA_OK;
}

static setsuna_status center_bind(sn_op_ctx *c, sn_step *s)
{
    int64_t begin[SETSUNA_RANK_MAX];
    pad_param *p;
    const setsuna_shape *x = &c->in[0].shape, *y = &c->out[0].shape;
    for (int32_t i = 0; i < x->rank; i++) /* both halves round down: the odd element is at the end */
        begin[i] = y->dim[i] >= x->dim[i] ? (y->dim[i] - x->dim[i]) / 2 : -((x->dim[i] - y->dim[i]) / 2);
    return pad_bind_window(c, s, PAD_CONSTANT, begin, &p);
}

const sn_op sn_ops_pad[] = {
    {"", "CenterCropPad", 18, 0, 2, 2, 1, 1, 0, "axes:I", center_infer, center_bind},
    {"", "Pad", 2, 10, 1, 1, 1, 1, 0, "mode:s pads:I value:f", pad_infer, pad_bind},
    {"", "Pad", 11, 17, 2, 3, 1, 1, 0, "mode:s", pad_infer, pad_bind},
    {"", "Pad", 18, 18, 2, 4, 1, 1, 0, "mode:s", pad_infer, pad_bind},
    {"", "Pad", 19, 0, 2, 4, 1, 1, 0, "mode:s", pad_infer, pad_bind},
    {.name = NULL},
};
