/* Operators that make tensors out of little or nothing: ConstantOfShape, Constant, Range, EyeLike, OneHot. */
#include "kernels/convert.h"
#include "ops/ew_step.h"
#include <math.h>
#include <string.h>

enum { GENERATE_ELEM_MAX = 16, GENERATE_STRIP = 256 };

/* n copies of the element of size_bytes at elem. */
static void generate_fill(void *y, const void *elem, size_t size_bytes, size_t n)
{
    char *out = y;
    size_t total = n * size_bytes, done = size_bytes;
    if (!n)
        return;
    memcpy(out, elem, size_bytes);
    while (done < total) { /* doubling: memcpy at full speed after a few rounds, within the nearest cache */
        size_t chunk = done < 4096 ? done : 4096 / size_bytes * size_bytes;
        if (chunk > total - done)
            chunk = total - done;
        memcpy(out + done, out, chunk);
        done += chunk;
    }
}

/* ---- ConstantOfShape -------------------------------------------------------------------------------- */

typedef struct fill_param {
    int64_t numel;
    size_t size_bytes;
    unsigned char elem[GENERATE_ELEM_MAX];
} fill_param;

static setsuna_status fill_step_run(const sn_step *s, sn_run *r)
{
    const fill_param *p = s->param;
    if (sn_out(s, r, 0))
        generate_fill(sn_out(s, r, 0), p->elem, p->size_bytes, (size_t)p->numel);
    return SETSUNA_OK;
}

/* A list of dims from the model. */
static setsuna_status generate_shape(sn_op_ctx *c, const int64_t *dim, size_t n, setsuna_shape *out)
{
    if (n > SETSUNA_RANK_MAX)
        return sn_op_fail(c, SETSUNA_ELIMIT, "rank %zu is above %d", n, SETSUNA_RANK_MAX);
    setsuna_shape shape = {.rank = (int32_t)n};
    for (size_t i = 0; i < n; i++) {
        if (dim[i] < 0)
            return sn_op_fail(c, SETSUNA_ESHAPE, "dim %zu is %lld", i, (long long)dim[i]);
        shape.dim[i] = dim[i];
    }
    *out = shape;
    return SETSUNA_OK;
}

static setsuna_status constant_of_shape_infer(sn_op_ctx *c)
{
    const sn_attr *value = sn_node_attr(c->node, "value");
    setsuna_dtype dtype = value ? value->t->t.dtype : SETSUNA_F32;
    int64_t dim[SETSUNA_RANK_MAX], n_value = 1;
    size_t n, size = setsuna_dtype_size(dtype);
    setsuna_shape shape;
    if (value && (!sn_shape_numel(&value->t->t.shape, &n_value) || n_value != 1))
        return sn_op_fail(c, SETSUNA_EMODEL, "the value is not one element");
    if (size == 0 || size > GENERATE_ELEM_MAX)
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "values of %s are not supported", setsuna_dtype_name(dtype));
    SN_TRY(sn_op_want(c, 0, "i64"));
    setsuna_status status = sn_op_const_ints(c, 0, dim, SETSUNA_RANK_MAX, &n);
    if (status != SETSUNA_OK)
        return status;
    SN_TRY(generate_shape(c, dim, n, &shape));
    sn_op_out(c, 0, dtype, &shape);
    return SETSUNA_OK;
}

static setsuna_status fill_bind(sn_op_ctx *c, sn_step *s, const void *elem)
{
    fill_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    p->size_bytes = setsuna_dtype_size(c->out[0].dtype);
    if (elem)
        memcpy(p->elem, elem, p->size_bytes);
    SN_TRY(sn_ew_account(c, s, 0, &p->numel));
    s->run = fill_step_run;
    s->param = p;
    s->kernel = "fill";
    s->n_parts = 1;
    return SETSUNA_OK;
}

static setsuna_status constant_of_shape_bind(sn_op_ctx *c, sn_step *s)
{
    const sn_attr *value = sn_node_attr(c->node, "value");
    return fill_bind(c, s, value ? value->t->t.data : NULL);
}

/* ---- Constant: the importer turns it into a value; inside function bodies it may remain ------------- */

typedef struct constant_param {
    const void *data;
    size_t size_bytes;
} constant_param;

static setsuna_status constant_step_run(const sn_step *s, sn_run *r)
{
    const constant_param *p = s->param;
    if (p->size_bytes && sn_out(s, r, 0))
        memcpy(sn_out(s, r, 0), p->data, p->size_bytes);
    return SETSUNA_OK;
}

/* What the attribute stands for; *data_out is borrowed from it. */
static setsuna_status constant_value(sn_op_ctx *c, setsuna_dtype *dtype_out, setsuna_shape *shape_out,
                                     const void **data_out)
{
    const sn_node *n = c->node;
    if (n->n_attr != 1)
        return sn_op_fail(c, SETSUNA_EMODEL, "it has %u values, one is needed", n->n_attr);
    const sn_attr *a = &n->attr[0];
    const bool is_list = a->kind == SN_ATTR_INTS || a->kind == SN_ATTR_FLOATS;
    const void *data = NULL;
    setsuna_tensor t = {.shape = {.rank = is_list, .dim = {(int64_t)a->n}}};
    switch (a->kind) {
    case SN_ATTR_TENSOR:
        t = a->t->t;
        if (setsuna_dtype_size(t.dtype) == 0)
            return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "values of %s are not supported", setsuna_dtype_name(t.dtype));
        data = t.data;
        break;
    case SN_ATTR_INT:
    case SN_ATTR_INTS:
        t.dtype = SETSUNA_I64;
        data = is_list ? a->ints : &a->i;
        break;
    default:
        t.dtype = SETSUNA_F32;
        data = is_list ? a->floats : &a->f;
        break;
    }
    *dtype_out = t.dtype;
    *shape_out = t.shape;
    *data_out = data;
    return SETSUNA_OK;
}

static setsuna_status constant_infer(sn_op_ctx *c)
{
    setsuna_dtype dtype;
    setsuna_shape shape;
    const void *data;
    SN_TRY(constant_value(c, &dtype, &shape, &data));
    sn_op_out(c, 0, dtype, &shape);
    return SETSUNA_OK;
}

static setsuna_status constant_bind(sn_op_ctx *c, sn_step *s)
{
    setsuna_dtype dtype;
    setsuna_shape shape;
    constant_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(constant_value(c, &dtype, &shape, &p->data));
    if (!sn_tensor_bytes(dtype, &shape, &p->size_bytes))
        return sn_op_fail(c, SETSUNA_ELIMIT, "the value is too large");
    s->run = constant_step_run;
    s->param = p;
    s->kernel = "copy";
    s->n_parts = 1;
    s->bytes = 2.0 * (double)p->size_bytes;
    return SETSUNA_OK;
}

/* ---- Range ------------------------------------------------------------------------------------------ */

typedef struct range_param {
    setsuna_dtype dtype;
    int64_t numel;
    double start, delta; /* f32, f64 */
    int64_t i_start, i_delta;
} range_param;

/* Elements of [start, limit) by delta: max(ceil((limit - start) / delta), 0). */
static setsuna_status range_count(sn_op_ctx *c, range_param *p)
{
    const setsuna_tensor *t[3];
    for (uint32_t i = 0; i < 3; i++) {
        int64_t n;
        if (!sn_op_has(c, i) || c->in[i].dtype != c->in[0].dtype || !sn_shape_numel(&c->in[i].shape, &n) || n != 1)
            return sn_op_fail(c, SETSUNA_ESHAPE, "input %u is not a scalar of %s", i,
                              setsuna_dtype_name(c->in[0].dtype));
        if (!c->in[i].cst)
            return sn_op_need(c, i);
        t[i] = &c->in[i].cst->t;
    }
    p->dtype = c->in[0].dtype;
    p->start = sn_tensor_get_f64(t[0], 0);
    p->delta = sn_tensor_get_f64(t[2], 0);
    p->i_start = sn_tensor_get_i64(t[0], 0);
    p->i_delta = sn_tensor_get_i64(t[2], 0);
    if (p->dtype == SETSUNA_F32 || p->dtype == SETSUNA_F64) {
        double n = ceil((sn_tensor_get_f64(t[1], 0) - p->start) / p->delta);
        if (!(n < 0x1p53)) /* delta 0, NaN and infinities too */
            return sn_op_fail(c, SETSUNA_ESHAPE, "the range has no end");
        p->numel = n > 0 ? (int64_t)n : 0;
        return SETSUNA_OK;
    }
    int64_t limit = sn_tensor_get_i64(t[1], 0);
    if (p->i_delta == 0)
        return sn_op_fail(c, SETSUNA_ESHAPE, "the range has no end");
    uint64_t span = p->i_delta > 0 ? (uint64_t)limit - (uint64_t)p->i_start : (uint64_t)p->i_start - (uint64_t)limit;
    uint64_t step = p->i_delta > 0 ? (uint64_t)p->i_delta : 0 - (uint64_t)p->i_delta;
    bool empty = p->i_delta > 0 ? limit <= p->i_start : limit >= p->i_start;
    uint64_t n = empty ? 0 : (span - 1) / step + 1;
    if (n > INT64_MAX)
        return sn_op_fail(c, SETSUNA_ELIMIT, "the range is too long");
    p->numel = (int64_t)n;
    return SETSUNA_OK;
}

static setsuna_status range_infer(sn_op_ctx *c)
{
    range_param p = {0};
    SN_TRY(sn_op_want(c, 0, "f32 f64 i16 i32 i64"));
    setsuna_status status = range_count(c, &p);
    if (status != SETSUNA_OK)
        return status;
    sn_op_out(c, 0, p.dtype, &(setsuna_shape){.rank = 1, .dim = {p.numel}});
    return SETSUNA_OK;
}

static setsuna_status range_step_run(const sn_step *s, sn_run *r)
{
    const range_param *p = s->param;
    void *y = sn_out(s, r, 0);
    if (!y)
        return SETSUNA_OK;
    uint64_t v = (uint64_t)p->i_start, d = (uint64_t)p->i_delta;
    switch (p->dtype) {
    case SETSUNA_F32:
        for (int64_t i = 0; i < p->numel; i++)
            ((float *)y)[i] = (float)(p->start + (double)i * p->delta);
        break;
    case SETSUNA_F64:
        for (int64_t i = 0; i < p->numel; i++)
            ((double *)y)[i] = p->start + (double)i * p->delta;
        break;
    case SETSUNA_I16:
        for (int64_t i = 0; i < p->numel; i++, v += d)
            ((int16_t *)y)[i] = (int16_t)v;
        break;
    case SETSUNA_I32:
        for (int64_t i = 0; i < p->numel; i++, v += d)
            ((int32_t *)y)[i] = (int32_t)v;
        break;
    default:
        for (int64_t i = 0; i < p->numel; i++, v += d)
            ((int64_t *)y)[i] = (int64_t)v;
        break;
    }
    return SETSUNA_OK;
}

static setsuna_status range_bind(sn_op_ctx *c, sn_step *s)
{
    int64_t numel;
    range_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(range_count(c, p));
    SN_TRY(sn_ew_account(c, s, 1, &numel));
    s->run = range_step_run;
    s->param = p;
    s->kernel = "range";
    s->n_parts = 1;
    return SETSUNA_OK;
}

/* ---- EyeLike ---------------------------------------------------------------------------------------- */

typedef struct eye_param {
    size_t size_bytes;
    int64_t rows, cols;
    int64_t first_row, first_col, n; /* the diagonal */
    unsigned char one[GENERATE_ELEM_MAX];
} eye_param;

static setsuna_status eye_infer(sn_op_ctx *c)
{
    int64_t dtype = sn_node_int(c->node, "dtype", c->in[0].dtype);
    if (c->in[0].shape.rank != 2)
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input is not a matrix");
    if (dtype < 0 || dtype > SETSUNA_BF16 || !sn_convert_ref(SETSUNA_F32, (setsuna_dtype)dtype))
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "type %lld is not supported", (long long)dtype);
    sn_op_out(c, 0, (setsuna_dtype)dtype, &c->in[0].shape);
    return SETSUNA_OK;
}

static setsuna_status eye_step_run(const sn_step *s, sn_run *r)
{
    const eye_param *p = s->param;
    char *y = sn_out(s, r, 0);
    if (!y)
        return SETSUNA_OK;
    memset(y, 0, (size_t)(p->rows * p->cols) * p->size_bytes);
    for (int64_t i = 0; i < p->n; i++)
        memcpy(y + (size_t)((p->first_row + i) * p->cols + p->first_col + i) * p->size_bytes, p->one, p->size_bytes);
    return SETSUNA_OK;
}

static setsuna_status eye_bind(sn_op_ctx *c, sn_step *s)
{
    int64_t numel, k = sn_node_int(c->node, "k", 0);
    eye_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    p->rows = c->out[0].shape.dim[0];
    p->cols = c->out[0].shape.dim[1];
    p->size_bytes = setsuna_dtype_size(c->out[0].dtype);
    if (k < p->cols && k > -p->rows) {
        p->first_row = k < 0 ? -k : 0;
        p->first_col = k > 0 ? k : 0;
        int64_t down = p->rows - p->first_row, right = p->cols - p->first_col;
        p->n = down < right ? down : right;
    }
    const float one = 1;
    _Alignas(GENERATE_ELEM_MAX) unsigned char elem[GENERATE_ELEM_MAX];
    sn_convert_ref(SETSUNA_F32, c->out[0].dtype)(elem, &one, 1);
    memcpy(p->one, elem, p->size_bytes);
    SN_TRY(sn_ew_account(c, s, 0, &numel));
    s->run = eye_step_run;
    s->param = p;
    s->kernel = "eye";
    s->n_parts = 1;
    return SETSUNA_OK;
}

/* ---- OneHot ----------------------------------------------------------------------------------------- */

typedef struct one_hot_param {
    sn_convert_fn *to_i64;
    size_t index_bytes, size_bytes;
    int64_t outer, depth, inner; /* output (outer, depth, inner), indices (outer, inner) */
    bool is_u64;
} one_hot_param;

static setsuna_status one_hot_infer(sn_op_ctx *c)
{
    int64_t n, depth;
    int32_t axis, rank = c->in[0].shape.rank;
    SN_TRY(sn_op_want(c, 0, "num"));
    SN_TRY(sn_op_want(c, 1, "num"));
    SN_TRY(sn_op_want(c, 2, "any c64 c128"));
    for (uint32_t i = 0; i < 3; i++)
        if (!sn_op_has(c, i))
            return sn_op_fail(c, SETSUNA_EMODEL, "input %u is missing", i);
    if (!sn_shape_numel(&c->in[1].shape, &n) || n != 1)
        return sn_op_fail(c, SETSUNA_ESHAPE, "depth is not a scalar");
    if (!sn_shape_numel(&c->in[2].shape, &n) || n != 2)
        return sn_op_fail(c, SETSUNA_ESHAPE, "values are not two");
    if (rank >= SETSUNA_RANK_MAX || !sn_axis_normalize(sn_node_int(c->node, "axis", -1), rank + 1, &axis))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the axis or the rank is out of range");
    if (!c->in[1].cst)
        return sn_op_need(c, 1);
    depth = sn_tensor_get_i64(&c->in[1].cst->t, 0);
    if (depth < 0)
        return sn_op_fail(c, SETSUNA_ESHAPE, "depth is %lld", (long long)depth);
    setsuna_shape shape = {.rank = rank + 1};
    for (int32_t i = 0; i <= rank; i++)
        shape.dim[i] = i < axis ? c->in[0].shape.dim[i] : i == axis ? depth : c->in[0].shape.dim[i - 1];
    sn_op_out(c, 0, c->in[2].dtype, &shape);
    return SETSUNA_OK;
}

static setsuna_status one_hot_step_run(const sn_step *s, sn_run *r)
{
    const one_hot_param *p = s->param;
    const char *index = sn_in(s, r, 0), *value = sn_in(s, r, 2);
    char *y = sn_out(s, r, 0);
    const int64_t n = p->outer * p->inner;
    if (!n || !p->depth || !y)
        return SETSUNA_OK;
    generate_fill(y, value, p->size_bytes, (size_t)(n * p->depth));
    for (int64_t i = 0; i < n; i += GENERATE_STRIP) {
        int64_t strip[GENERATE_STRIP], count = n - i < GENERATE_STRIP ? n - i : GENERATE_STRIP;
        p->to_i64(strip, index + (size_t)i * p->index_bytes, count);
        for (int64_t k = 0; k < count; k++) {
            int64_t hot = strip[k] < 0 && !p->is_u64 ? strip[k] + p->depth : strip[k];
            if (hot < 0 || hot >= p->depth) /* the definition: all off */
                continue;
            int64_t o = (i + k) / p->inner, j = (i + k) % p->inner;
            memcpy(y + (size_t)((o * p->depth + hot) * p->inner + j) * p->size_bytes, value + p->size_bytes,
                   p->size_bytes);
        }
    }
    return SETSUNA_OK;
}

static setsuna_status one_hot_bind(sn_op_ctx *c, sn_step *s)
{
    int64_t numel;
    int32_t axis;
    const setsuna_shape *y = &c->out[0].shape;
    one_hot_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(sn_ew_account(c, s, 1, &numel));
    p->to_i64 = sn_convert_ref(c->in[0].dtype, SETSUNA_I64);
    p->is_u64 = c->in[0].dtype == SETSUNA_U64;
    p->index_bytes = setsuna_dtype_size(c->in[0].dtype);
    p->size_bytes = setsuna_dtype_size(c->out[0].dtype);
    sn_axis_normalize(sn_node_int(c->node, "axis", -1), y->rank, &axis);
    p->depth = y->dim[axis];
    if (numel) { /* else a product of the other dims could overflow */
        p->outer = p->inner = 1;
        for (int32_t i = 0; i < axis; i++)
            p->outer *= y->dim[i];
        for (int32_t i = axis + 1; i < y->rank; i++)
            p->inner *= y->dim[i];
    }
    s->run = one_hot_step_run;
    s->param = p;
    s->kernel = "one_hot";
    s->n_parts = 1;
    return SETSUNA_OK;
}

/* clang-format off */
const sn_op sn_ops_generate[] = {
    {"", "Constant", 1, 0, 0, 0, 1, 1, 0, "value:t value_float:f value_floats:F value_int:i value_ints:I", constant_infer, constant_bind},
    {"", "ConstantOfShape", 9, 0, 1, 1, 1, 1, 0, "value:t", constant_of_shape_infer, constant_of_shape_bind},
    {"", "EyeLike", 9, 0, 1, 1, 1, 1, 0, "dtype:i k:i", eye_infer, eye_bind},
    {"", "OneHot", 9, 0, 3, 3, 1, 1, 0, "axis:i", one_hot_infer, one_hot_bind},
    {"", "Range", 11, 0, 3, 3, 1, 1, 0, "", range_infer, range_bind},
    {.name = NULL},
};
/* clang-format on */
