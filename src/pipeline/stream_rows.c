/* Steps on what flows through a stream: affine on each value, window over the last rows, collect of all passes. */
#include "base/checked.h"
#include "graph/tensor.h"
#include "pipeline/step_common.h"
#include <string.h>

/* ---- affine ---------------------------------------------------------------------------------------------------------
 */

typedef struct stream_affine {
    sn_pipe_slot *from, *to;
    float scale, shift;
} stream_affine;

static const sn_pipe_field affine_fields[] = {
    {"from", SN_FIELD_IN, offsetof(stream_affine, from), .kinds = SN_PIPE_TENSOR, .help = "an f32 tensor"},
    {"to", SN_FIELD_OUT, offsetof(stream_affine, to), .kinds = SN_PIPE_TENSOR, .help = "scale * value + shift"},
    {"scale", SN_FIELD_FLOAT, offsetof(stream_affine, scale), .min = -3e38, .max = 3e38, .fallback = "1",
     .help = "factor of every value; 32768 makes samples in [-1, 1] those of 16-bit sound"},
    {"shift", SN_FIELD_FLOAT, offsetof(stream_affine, shift), .min = -3e38, .max = 3e38, .fallback = "0",
     .help = "what is added then"},
};

static setsuna_status affine_run(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err)
{
    (void)pass;
    stream_affine *s = step->self;
    const setsuna_tensor *t = &s->from->tensor.t;
    SN_TRY(sn_pipe_step_need_f32(step, s->from, err));
    setsuna_status status = sn_pipe_slot_tensor_reserve(s->to, SETSUNA_F32, &t->shape);
    if (status != SETSUNA_OK)
        return sn_pipe_step_fail(step, status, err, "no memory for %zu bytes", t->size_bytes);
    const float *in = t->data;
    float *out = s->to->tensor.t.data;
    for (size_t i = 0; i < t->size_bytes / sizeof *in; i++)
        out[i] = in[i] * s->scale + s->shift;
    return SETSUNA_OK;
}

const sn_pipe_step_type sn_pipe_affine = {
    .name = "affine",
    .help = "multiplies every value by a factor and adds a number",
    .stage = SN_STAGE_PREPARE,
    SN_PIPE_FIELDS(affine_fields),
    .self_bytes = sizeof(stream_affine),
    .run = affine_run,
};

/* ---- window ---------------------------------------------------------------------------------------------------------
 */

/* The last `rows` rows lie in one piece, so that the slot is a view of them. They move through memory twice as long:
 *
 *     buffer   | old rows | rows of the window | free |        new rows go into `free`; when it is used up, the window
 *              0        used - rows          used    2 rows    moves to the front, once every `rows` rows
 */
typedef struct stream_window {
    sn_pipe_slot *from, *to;
    int32_t rows;
    const sn_yaml *fill_node; /* NULL: wait until the window is full */
    double fill;
    float *buffer;     /* 2 rows x width */
    int64_t width;     /* of the current run; 0: not known yet */
    int64_t buf_width; /* that buffer was made for */
    int64_t used;      /* rows */
} stream_window;

enum { WINDOW_ROWS_MAX = 1 << 20 };

static const sn_pipe_field window_fields[] = {
    {"from", SN_FIELD_IN, offsetof(stream_window, from), .kinds = SN_PIPE_TENSOR,
     .help = "an f32 tensor; its last dimension is a row, the others count as one"},
    {"to", SN_FIELD_OUT, offsetof(stream_window, to), .kinds = SN_PIPE_TENSOR,
     .help = "the last rows, f32 [1, rows, width], the newest at the end"},
    {"rows", SN_FIELD_INT, offsetof(stream_window, rows), .min = 1, .max = WINDOW_ROWS_MAX,
     .help = "rows of the window"},
    {"fill", SN_FIELD_NODE, offsetof(stream_window, fill_node), .fallback = "",
     .help = "value of the rows before the first; without it, nothing is handed on until the window is full"},
};

static setsuna_status window_create(sn_pipe_step *step, sn_pipe_build *build, setsuna_error *err)
{
    (void)build;
    stream_window *s = step->self;
    return s->fill_node ? sn_yaml_float(s->fill_node, -3e38, 3e38, &s->fill, err) : SETSUNA_OK;
}

static void window_reset(sn_pipe_step *step)
{
    stream_window *s = step->self;
    s->used = s->width = 0;
}

/* The first rows of a run say how wide they are. */
static setsuna_status window_begin(const sn_pipe_step *step, int64_t width, setsuna_error *err)
{
    stream_window *s = step->self;
    const setsuna_shape shape = {3, {2, s->rows, width}};
    size_t bytes;
    if (width != s->buf_width) {
        float *fresh = sn_tensor_bytes(SETSUNA_F32, &shape, &bytes) ? sn_alloc(step->allocator, bytes) : NULL;
        if (!fresh)
            return sn_pipe_step_fail(step, SETSUNA_ENOMEM, err, "no memory for %d rows of %lld values", s->rows,
                                     (long long)width);
        sn_free(step->allocator, s->buffer);
        s->buffer = fresh;
        s->buf_width = width;
    }
    s->width = width;
    s->used = s->fill_node ? s->rows : 0;
    for (int64_t i = 0; i < s->used * width; i++)
        s->buffer[i] = (float)s->fill;
    return SETSUNA_OK;
}

/* n rows, n <= rows. */
static void window_push(stream_window *s, const float *row, int64_t n)
{
    const size_t row_bytes = (size_t)s->width * sizeof *row;
    if (s->used + n > 2 * (int64_t)s->rows) {
        int64_t keep = s->rows - n; /* the window's rows that stay in it */
        memmove(s->buffer, s->buffer + (s->used - keep) * s->width, (size_t)keep * row_bytes);
        s->used = keep;
    }
    memcpy(s->buffer + s->used * s->width, row, (size_t)n * row_bytes);
    s->used += n;
}

static setsuna_status window_run(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err)
{
    stream_window *s = step->self;
    const setsuna_tensor *t = &s->from->tensor.t;
    SN_TRY(sn_pipe_step_need_f32(step, s->from, err));
    int64_t width = t->shape.rank ? t->shape.dim[t->shape.rank - 1] : 1;
    if (width < 1 || (s->width && width != s->width))
        return sn_pipe_step_fail(step, SETSUNA_ESHAPE, err, "'%s' has rows of %lld values; every row must have %s",
                                 s->from->name, (long long)width, width < 1 ? "one at least" : "as many as the first");
    if (!s->width)
        SN_TRY(window_begin(step, width, err));
    int64_t n = (int64_t)(t->size_bytes / sizeof(float)) / width;
    const float *row = t->data;
    if (n > s->rows) {
        row += (n - s->rows) * width;
        n = s->rows;
    }
    if (n > 0)
        window_push(s, row, n);
    if (s->used < s->rows) {
        pass->stop = true;
        return SETSUNA_OK;
    }
    setsuna_tensor view = {SETSUNA_F32,
                           {3, {1, s->rows, width}},
                           s->buffer + (s->used - s->rows) * width,
                           (size_t)s->rows * (size_t)width * sizeof(float)};
    sn_pipe_slot_tensor_borrow(s->to, &view);
    return SETSUNA_OK;
}

static void window_destroy(sn_pipe_step *step)
{
    sn_free(step->allocator, ((stream_window *)step->self)->buffer);
}

const sn_pipe_step_type sn_pipe_window = {
    .name = "window",
    .help = "keeps the last rows of a stream",
    .stage = SN_STAGE_PREPARE,
    SN_PIPE_FIELDS(window_fields),
    .self_bytes = sizeof(stream_window),
    .create = window_create,
    .reset = window_reset,
    .run = window_run,
    .destroy = window_destroy,
};

/* ---- collect --------------------------------------------------------------------------------------------------------
 */

typedef struct stream_collect {
    sn_pipe_slot *from, *to;
    uint8_t *data;
    size_t size_bytes, capacity_bytes;
    setsuna_tensor all; /* of this run so far; dtype none: nothing yet */
} stream_collect;

#define COLLECT_BYTES_MAX ((size_t)1 << 30)

static const sn_pipe_field collect_fields[] = {
    {"from", SN_FIELD_IN, offsetof(stream_collect, from), .kinds = SN_PIPE_TENSOR | SN_PIPE_NUMBER,
     .help = "what every pass brings"},
    {"to", SN_FIELD_OUT, offsetof(stream_collect, to), .kinds = SN_PIPE_TENSOR,
     .help = "all of it so far, one after the other along the first dimension"},
};

static void collect_reset(sn_pipe_step *step)
{
    stream_collect *s = step->self;
    s->size_bytes = 0;
    s->all = (setsuna_tensor){0};
    sn_pipe_slot_tensor_borrow(s->to, &s->all);
}

static bool collect_fits(const setsuna_tensor *all, const setsuna_tensor *t)
{
    if (all->dtype == SETSUNA_DTYPE_NONE)
        return true;
    bool same = all->dtype == t->dtype && all->shape.rank == t->shape.rank;
    for (int32_t i = 1; same && i < t->shape.rank; i++)
        same = all->shape.dim[i] == t->shape.dim[i];
    return same;
}

static setsuna_status collect_run(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err)
{
    (void)pass;
    stream_collect *s = step->self;
    setsuna_tensor t = {SETSUNA_F64, {1, {1}}, &s->from->number, sizeof(double)};
    if (s->from->kind == SN_PIPE_TENSOR)
        t = s->from->tensor.t;
    if (t.shape.rank == 0)
        t.shape = (setsuna_shape){1, {1}};
    if (t.dtype == SETSUNA_STRING || !collect_fits(&s->all, &t))
        return sn_pipe_step_fail(step, SETSUNA_ESHAPE, err,
                                 "'%s' must have numbers of the same type and shape in every pass (the first dimension "
                                 "may differ)",
                                 s->from->name);
    size_t need;
    int64_t rows = s->all.dtype == SETSUNA_DTYPE_NONE ? 0 : s->all.shape.dim[0];
    if (!sn_add_size(s->size_bytes, t.size_bytes, &need) || need > COLLECT_BYTES_MAX ||
        !sn_add_i64(rows, t.shape.dim[0], &t.shape.dim[0]))
        return sn_pipe_step_fail(step, SETSUNA_ELIMIT, err, "more than %zu bytes of '%s'; cut the input into parts",
                                 COLLECT_BYTES_MAX, s->from->name);
    if (!sn_grow(step->allocator, &s->data, &s->capacity_bytes, need, 1))
        return sn_pipe_step_fail(step, SETSUNA_ENOMEM, err, "no memory for %zu bytes", need);
    if (t.size_bytes)
        memcpy(s->data + s->size_bytes, t.data, t.size_bytes);
    s->size_bytes = need;
    t.data = s->data;
    t.size_bytes = need;
    s->all = t;
    sn_pipe_slot_tensor_borrow(s->to, &s->all);
    return SETSUNA_OK;
}

static void collect_destroy(sn_pipe_step *step)
{
    sn_free(step->allocator, ((stream_collect *)step->self)->data);
}

const sn_pipe_step_type sn_pipe_collect = {
    .name = "collect",
    .help = "keeps what every pass brings",
    .stage = SN_STAGE_POSTPROCESS,
    SN_PIPE_FIELDS(collect_fields),
    .self_bytes = sizeof(stream_collect),
    .reset = collect_reset,
    .run = collect_run,
    .destroy = collect_destroy,
};
