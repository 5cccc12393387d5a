/* Steps on tensors: slice, reshape, transpose, concat, cast. */
#include "base/half.h"
#include "graph/tensor.h"
#include "pipeline/step_common.h"
#include <math.h>
#include <string.h>

/* Elements before, along and after an axis: the tensor as (outer, dim, inner). */
typedef struct tensor_split {
    int64_t outer, dim, inner;
} tensor_split;

static tensor_split tensor_split_at(const setsuna_shape *s, int32_t axis)
{
    tensor_split t = {1, s->dim[axis], 1};
    for (int32_t i = 0; i < axis; i++)
        t.outer *= s->dim[i];
    for (int32_t i = axis + 1; i < s->rank; i++)
        t.inner *= s->dim[i];
    return t;
}

static setsuna_status tensor_find_axis(const sn_pipe_step *step, const sn_pipe_slot *from, int32_t axis, int32_t *out,
                                       setsuna_error *err)
{
    if (sn_axis_normalize(axis, from->tensor.t.shape.rank, out))
        return SETSUNA_OK;
    return sn_pipe_step_fail(step, SETSUNA_ESHAPE, err, "'%s' has %d dimensions, so there is no axis %d", from->name,
                             from->tensor.t.shape.rank, axis);
}

/* Own memory for the result, with the place in the message if there is none. */
static setsuna_status tensor_reserve(const sn_pipe_step *step, sn_pipe_slot *to, setsuna_dtype dtype,
                                     const setsuna_shape *shape, setsuna_error *err)
{
    setsuna_status status = sn_pipe_slot_tensor_reserve(to, dtype, shape);
    char text[SN_SHAPE_TEXT_MAX];
    if (status == SETSUNA_OK)
        return SETSUNA_OK;
    return sn_pipe_step_fail(step, status, err, "cannot make a %s tensor of shape %s: %s", setsuna_dtype_name(dtype),
                             sn_shape_text(shape, text, sizeof text), setsuna_status_text(status));
}

/* ---- slice --------------------------------------------------------------------------------------------------------
 */

typedef struct step_slice {
    sn_pipe_slot *from, *to;
    int32_t axis, begin, end;
} step_slice;

static const sn_pipe_field slice_fields[] = {
    {"from", SN_FIELD_IN, offsetof(step_slice, from), .kinds = SN_PIPE_TENSOR, .help = "the tensor"},
    {"to", SN_FIELD_OUT, offsetof(step_slice, to), .kinds = SN_PIPE_TENSOR, .help = "a part of it"},
    {"axis", SN_FIELD_INT, offsetof(step_slice, axis), .min = -SETSUNA_RANK_MAX, .max = SETSUNA_RANK_MAX - 1,
     .help = "dimension to cut; negative counts from the last"},
    {"begin", SN_FIELD_INT, offsetof(step_slice, begin), .min = INT32_MIN, .max = INT32_MAX, .fallback = "0",
     .help = "first index; negative counts from the end"},
    {"end", SN_FIELD_INT, offsetof(step_slice, end), .min = INT32_MIN, .max = INT32_MAX, .fallback = "2147483647",
     .help = "one past the last index; negative counts from the end"},
};

static int64_t slice_bound(int64_t v, int64_t dim)
{
    v = v < 0 ? v + dim : v;
    return v < 0 ? 0 : v > dim ? dim : v;
}

static setsuna_status slice_run(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err)
{
    (void)pass;
    step_slice *s = step->self;
    const setsuna_tensor *t = &s->from->tensor.t;
    int32_t axis;
    SN_TRY(tensor_find_axis(step, s->from, s->axis, &axis, err));
    tensor_split p = tensor_split_at(&t->shape, axis);
    int64_t begin = slice_bound(s->begin, p.dim), end = slice_bound(s->end, p.dim);
    setsuna_shape shape = t->shape;
    shape.dim[axis] = end > begin ? end - begin : 0;
    SN_TRY(tensor_reserve(step, s->to, t->dtype, &shape, err));
    size_t elem = setsuna_dtype_size(t->dtype), row = (size_t)(shape.dim[axis] * p.inner) * elem;
    for (int64_t i = 0; i < p.outer && row; i++)
        memcpy((char *)s->to->tensor.t.data + (size_t)i * row,
               (const char *)t->data + (size_t)((i * p.dim + begin) * p.inner) * elem, row);
    return SETSUNA_OK;
}

const sn_pipe_step_type sn_pipe_slice = {
    .name = "slice",
    .help = "cuts a range of indices out of one dimension of a tensor",
    .stage = SN_STAGE_PREPARE,
    SN_PIPE_FIELDS(slice_fields),
    .self_bytes = sizeof(step_slice),
    .run = slice_run,
};

/* ---- reshape -------------------------------------------------------------------------------------------------------
 */

typedef struct step_reshape {
    sn_pipe_slot *from, *to;
    const sn_yaml *shape_node;
    setsuna_shape shape; /* one dim may be -1 */
} step_reshape;

static const sn_pipe_field reshape_fields[] = {
    {"from", SN_FIELD_IN, offsetof(step_reshape, from), .kinds = SN_PIPE_TENSOR, .help = "the tensor"},
    {"to", SN_FIELD_OUT, offsetof(step_reshape, to), .kinds = SN_PIPE_TENSOR, .help = "the same data, another shape"},
    {"shape", SN_FIELD_NODE, offsetof(step_reshape, shape_node),
     .help = "list of sizes; one may be -1, which takes what is left"},
};

/* A list of 1 to SETSUNA_RANK_MAX whole numbers in [min, max]. */
static setsuna_status tensor_read_dims(const sn_yaml *node, int64_t min, int64_t max, setsuna_shape *out,
                                       setsuna_error *err)
{
    if (node->kind != SN_YAML_LIST || node->n < 1 || node->n > SETSUNA_RANK_MAX)
        return sn_yaml_fail(err, SETSUNA_EINPUT, node, "write a list of 1 to %d whole numbers", SETSUNA_RANK_MAX);
    setsuna_shape s = {0};
    for (const sn_yaml *c = node->first; c; c = c->next)
        SN_TRY(sn_yaml_int(c, min, max, &s.dim[s.rank++], err));
    *out = s;
    return SETSUNA_OK;
}

static setsuna_status reshape_create(sn_pipe_step *step, sn_pipe_build *build, setsuna_error *err)
{
    (void)build;
    step_reshape *s = step->self;
    SN_TRY(tensor_read_dims(s->shape_node, -1, INT32_MAX, &s->shape, err));
    int free_dims = 0;
    for (int32_t i = 0; i < s->shape.rank; i++)
        free_dims += s->shape.dim[i] < 0;
    if (free_dims > 1)
        return sn_yaml_fail(err, SETSUNA_EINPUT, s->shape_node, "only one size may be -1");
    return SETSUNA_OK;
}

static setsuna_status reshape_run(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err)
{
    (void)pass;
    step_reshape *s = step->self;
    setsuna_tensor t = s->from->tensor.t;
    int64_t have, known;
    int32_t free_dim = -1;
    setsuna_shape shape = s->shape;
    for (int32_t i = 0; i < shape.rank; i++)
        if (shape.dim[i] < 0) {
            free_dim = i;
            shape.dim[i] = 1;
        }
    bool fits = sn_shape_numel(&t.shape, &have) && sn_shape_numel(&shape, &known);
    if (fits && free_dim >= 0) {
        fits = known > 0 && have % known == 0;
        shape.dim[free_dim] = fits ? have / known : 0;
    } else {
        fits = fits && have == known;
    }
    char from[SN_SHAPE_TEXT_MAX], to[SN_SHAPE_TEXT_MAX];
    if (!fits)
        return sn_pipe_step_fail(step, SETSUNA_ESHAPE, err, "'%s' of shape %s cannot become %s", s->from->name,
                                 sn_shape_text(&t.shape, from, sizeof from), sn_shape_text(&s->shape, to, sizeof to));
    t.shape = shape;
    sn_pipe_slot_tensor_borrow(s->to, &t);
    return SETSUNA_OK;
}

const sn_pipe_step_type sn_pipe_reshape = {
    .name = "reshape",
    .help = "gives a tensor another shape of as many elements",
    .stage = SN_STAGE_PREPARE,
    SN_PIPE_FIELDS(reshape_fields),
    .self_bytes = sizeof(step_reshape),
    .create = reshape_create,
    .run = reshape_run,
};

/* ---- transpose ------------------------------------------------------------------------------------------------------
 */

typedef struct step_transpose {
    sn_pipe_slot *from, *to;
    const sn_yaml *order_node;
    setsuna_shape order; /* dim[i]: the dimension of `from` that becomes dimension i */
} step_transpose;

static const sn_pipe_field transpose_fields[] = {
    {"from", SN_FIELD_IN, offsetof(step_transpose, from), .kinds = SN_PIPE_TENSOR, .help = "the tensor"},
    {"to", SN_FIELD_OUT, offsetof(step_transpose, to), .kinds = SN_PIPE_TENSOR, .help = "its dimensions reordered"},
    {"order", SN_FIELD_NODE, offsetof(step_transpose, order_node),
     .help = "list of the dimensions in their new order: [0, 3, 1, 2] makes channels-last channels-first"},
};

static setsuna_status transpose_create(sn_pipe_step *step, sn_pipe_build *build, setsuna_error *err)
{
    (void)build;
    step_transpose *s = step->self;
    SN_TRY(tensor_read_dims(s->order_node, 0, SETSUNA_RANK_MAX - 1, &s->order, err));
    unsigned seen = 0;
    for (int32_t i = 0; i < s->order.rank; i++)
        seen |= 1u << s->order.dim[i];
    if (seen != (1u << s->order.rank) - 1)
        return sn_yaml_fail(err, SETSUNA_EINPUT, s->order_node, "must have each of 0 to %d once", s->order.rank - 1);
    return SETSUNA_OK;
}

static setsuna_status transpose_run(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err)
{
    (void)pass;
    step_transpose *s = step->self;
    const setsuna_tensor *t = &s->from->tensor.t;
    if (t->shape.rank != s->order.rank)
        return sn_pipe_step_fail(step, SETSUNA_ESHAPE, err, "'%s' has %d dimensions, not %d", s->from->name,
                                 t->shape.rank, s->order.rank);
    setsuna_shape shape = t->shape;
    int64_t stride[SETSUNA_RANK_MAX], source_stride[SETSUNA_RANK_MAX], step_elems = 1, index[SETSUNA_RANK_MAX] = {0};
    for (int32_t i = t->shape.rank - 1; i >= 0; i--) {
        source_stride[i] = step_elems;
        step_elems *= t->shape.dim[i];
    }
    for (int32_t i = 0; i < shape.rank; i++) {
        shape.dim[i] = t->shape.dim[s->order.dim[i]];
        stride[i] = source_stride[s->order.dim[i]];
    }
    SN_TRY(tensor_reserve(step, s->to, t->dtype, &shape, err));
    size_t elem = setsuna_dtype_size(t->dtype);
    int64_t n = elem ? (int64_t)(t->size_bytes / elem) : 0, at = 0;
    char *out = s->to->tensor.t.data;
    for (int64_t k = 0; k < n; k++, out += elem) {
        memcpy(out, (const char *)t->data + (size_t)at * elem, elem);
        for (int32_t i = shape.rank - 1; i >= 0; i--) {
            at += stride[i];
            if (++index[i] < shape.dim[i])
                break;
            at -= stride[i] * shape.dim[i];
            index[i] = 0;
        }
    }
    return SETSUNA_OK;
}

const sn_pipe_step_type sn_pipe_transpose = {
    .name = "transpose",
    .help = "reorders the dimensions of a tensor",
    .stage = SN_STAGE_PREPARE,
    SN_PIPE_FIELDS(transpose_fields),
    .self_bytes = sizeof(step_transpose),
    .create = transpose_create,
    .run = transpose_run,
};

/* ---- concat
 * ---------------------------------------------------------------------------------------------------------- */

enum { CONCAT_MAX = 16 };

typedef struct step_concat {
    sn_pipe_slot *to, *from[CONCAT_MAX];
    const sn_yaml *from_node;
    int32_t axis;
    uint32_t n;
} step_concat;

static const sn_pipe_field concat_fields[] = {
    {"from", SN_FIELD_NODE, offsetof(step_concat, from_node), .help = "list of the tensors to join"},
    {"to", SN_FIELD_OUT, offsetof(step_concat, to), .kinds = SN_PIPE_TENSOR, .help = "the joined tensor"},
    {"axis", SN_FIELD_INT, offsetof(step_concat, axis), .min = -SETSUNA_RANK_MAX, .max = SETSUNA_RANK_MAX - 1,
     .help = "dimension along which they are joined; negative counts from the last"},
};

static setsuna_status concat_create(sn_pipe_step *step, sn_pipe_build *build, setsuna_error *err)
{
    step_concat *s = step->self;
    if (s->from_node->kind != SN_YAML_LIST || s->from_node->n < 1 || s->from_node->n > CONCAT_MAX)
        return sn_yaml_fail(err, SETSUNA_EINPUT, s->from_node, "write a list of 1 to %d tensors", CONCAT_MAX);
    for (const sn_yaml *c = s->from_node->first; c; c = c->next) {
        SN_TRY(sn_pipe_build_slot_in(build, c, SN_PIPE_TENSOR, &s->from[s->n], err));
        if (s->from[s->n++] == s->to)
            return sn_yaml_fail(err, SETSUNA_EINPUT, c, "is what this step makes; choose another name for `to`");
    }
    return SETSUNA_OK;
}

/* The shape of the result: equal types and, but for the axis, equal sizes. */
static setsuna_status concat_shape(const sn_pipe_step *step, int32_t *axis_out, setsuna_shape *out, setsuna_error *err)
{
    const step_concat *s = step->self;
    const setsuna_tensor *first = &s->from[0]->tensor.t;
    setsuna_shape shape = first->shape;
    int32_t axis;
    SN_TRY(tensor_find_axis(step, s->from[0], s->axis, &axis, err));
    for (uint32_t i = 1; i < s->n; i++) {
        const setsuna_tensor *t = &s->from[i]->tensor.t;
        bool fits = t->dtype == first->dtype && t->shape.rank == shape.rank;
        for (int32_t d = 0; fits && d < shape.rank; d++)
            fits = d == axis || t->shape.dim[d] == shape.dim[d];
        if (!fits || __builtin_add_overflow(shape.dim[axis], t->shape.dim[axis], &shape.dim[axis]))
            return sn_pipe_step_fail(step, SETSUNA_ESHAPE, err,
                                     "'%s' cannot be joined to '%s' along axis %d: type or shape", s->from[i]->name,
                                     s->from[0]->name, s->axis);
    }
    *axis_out = axis;
    *out = shape;
    return SETSUNA_OK;
}

static setsuna_status concat_run(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err)
{
    (void)pass;
    step_concat *s = step->self;
    int32_t axis = 0;
    setsuna_shape shape;
    setsuna_dtype dtype = s->from[0]->tensor.t.dtype;
    SN_TRY(concat_shape(step, &axis, &shape, err));
    SN_TRY(tensor_reserve(step, s->to, dtype, &shape, err));
    tensor_split all = tensor_split_at(&shape, axis);
    size_t elem = setsuna_dtype_size(dtype), stride = (size_t)(all.dim * all.inner) * elem, offset = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        const setsuna_tensor *t = &s->from[i]->tensor.t;
        size_t row = (size_t)(t->shape.dim[axis] * all.inner) * elem;
        for (int64_t o = 0; o < all.outer && row; o++)
            memcpy((char *)s->to->tensor.t.data + (size_t)o * stride + offset, (const char *)t->data + (size_t)o * row,
                   row);
        offset += row;
    }
    return SETSUNA_OK;
}

const sn_pipe_step_type sn_pipe_concat = {
    .name = "concat",
    .help = "joins tensors along one dimension",
    .stage = SN_STAGE_PREPARE,
    SN_PIPE_FIELDS(concat_fields),
    .self_bytes = sizeof(step_concat),
    .create = concat_create,
    .run = concat_run,
};

/* ---- cast
 * -------------------------------------------------------------------------------------------------------------- */

typedef struct step_cast {
    sn_pipe_slot *from, *to;
    int32_t type;
} step_cast;

static const char *const cast_types[] = {"f32", "f64", "f16", "i64", "i32", "u8", NULL};
static const setsuna_dtype cast_dtypes[] = {SETSUNA_F32, SETSUNA_F64, SETSUNA_F16,
                                            SETSUNA_I64, SETSUNA_I32, SETSUNA_U8};

static const sn_pipe_field cast_fields[] = {
    {"from", SN_FIELD_IN, offsetof(step_cast, from), .kinds = SN_PIPE_TENSOR, .help = "the tensor"},
    {"to", SN_FIELD_OUT, offsetof(step_cast, to), .kinds = SN_PIPE_TENSOR, .help = "the same values, another type"},
    {"type", SN_FIELD_CHOICE, offsetof(step_cast, type), .choices = cast_types, .fallback = "f32",
     .help = "whole numbers are truncated towards zero and saturate; NaN becomes 0"},
};

/* Truncated and saturated to [min, max]; bounds are exact in double or rounded inwards by the caller. */
static int64_t cast_saturate(double v, double min, double max)
{
    return v != v ? 0 : v <= min ? (int64_t)min : v >= max ? (int64_t)max : (int64_t)v;
}

static void cast_store(void *out, int64_t i, setsuna_dtype dtype, double v)
{
    if (dtype == SETSUNA_F32)
        ((float *)out)[i] = (float)v;
    else if (dtype == SETSUNA_F64)
        ((double *)out)[i] = v;
    else if (dtype == SETSUNA_F16)
        ((uint16_t *)out)[i] = sn_f32_to_f16((float)v);
    else if (dtype == SETSUNA_I64)
        ((int64_t *)out)[i] = cast_saturate(v, -0x1p63, 0x1.fffffffffffffp62);
    else if (dtype == SETSUNA_I32)
        ((int32_t *)out)[i] = (int32_t)cast_saturate(v, -0x1p31, 0x1p31 - 1);
    else
        ((uint8_t *)out)[i] = (uint8_t)cast_saturate(v, 0.0, 255.0);
}

static setsuna_status cast_run(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err)
{
    (void)pass;
    step_cast *s = step->self;
    const setsuna_tensor *t = &s->from->tensor.t;
    setsuna_dtype dtype = cast_dtypes[s->type];
    if (t->dtype == SETSUNA_C64 || t->dtype == SETSUNA_C128 || t->dtype == SETSUNA_STRING ||
        setsuna_dtype_size(t->dtype) == 0)
        return sn_pipe_step_fail(step, SETSUNA_ESHAPE, err, "'%s' is %s, which cannot be cast", s->from->name,
                                 setsuna_dtype_name(t->dtype));
    SN_TRY(tensor_reserve(step, s->to, dtype, &t->shape, err));
    if (t->dtype == dtype) {
        if (t->size_bytes)
            memcpy(s->to->tensor.t.data, t->data, t->size_bytes);
        return SETSUNA_OK;
    }
    int64_t n = (int64_t)(t->size_bytes / setsuna_dtype_size(t->dtype));
    for (int64_t i = 0; i < n; i++)
        cast_store(s->to->tensor.t.data, i, dtype, sn_tensor_get_f64(t, i));
    return SETSUNA_OK;
}

const sn_pipe_step_type sn_pipe_cast = {
    .name = "cast",
    .help = "changes the element type of a tensor",
    .stage = SN_STAGE_PREPARE,
    SN_PIPE_FIELDS(cast_fields),
    .self_bytes = sizeof(step_cast),
    .run = cast_run,
};
