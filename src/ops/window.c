/* Spectral tables: HannWindow, HammingWindow, BlackmanWindow, MelWeightMatrix. */
#include "kernels/convert.h"
#include "ops/ew_step.h"
#include <math.h>
#include <string.h>

enum { WINDOW_STRIP = 256 };

typedef struct window_param {
    double a0, a1, a2, period; /* a0 - a1 cos(2 pi i / period) + a2 cos(4 pi i / period) */
    int64_t numel;
    size_t size_bytes;
    sn_convert_fn *store;
} window_param;

/* The type that attribute output_datatype asks for (default f32). */
static setsuna_status window_dtype(sn_op_ctx *c, setsuna_dtype *out)
{
    int64_t d = sn_node_int(c->node, "output_datatype", SETSUNA_F32);
    if (d < 0 || d > SETSUNA_BF16 || d == SETSUNA_BOOL || !sn_convert_ref(SETSUNA_F64, (setsuna_dtype)d))
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "output type %lld is not supported", (long long)d);
    *out = (setsuna_dtype)d;
    return SETSUNA_OK;
}

/* A scalar i32 or i64 input that must be known, and not negative. */
static setsuna_status window_size(sn_op_ctx *c, uint32_t i, int64_t *out)
{
    size_t n;
    int64_t v;
    setsuna_status status = sn_op_const_ints(c, i, &v, 1, &n);
    if (status != SETSUNA_OK)
        return status;
    if (n != 1 || v < 0)
        return sn_op_fail(c, SETSUNA_ESHAPE, "input %u is not one size", i);
    *out = v;
    return SETSUNA_OK;
}

static setsuna_status window_infer(sn_op_ctx *c)
{
    setsuna_dtype dtype;
    int64_t size;
    SN_TRY(window_dtype(c, &dtype));
    setsuna_status status = window_size(c, 0, &size);
    if (status != SETSUNA_OK)
        return status;
    sn_op_out(c, 0, dtype, &(setsuna_shape){.rank = 1, .dim = {size}});
    return SETSUNA_OK;
}

static setsuna_status window_step_run(const sn_step *s, sn_run *r)
{
    const window_param *p = s->param;
    char *y = sn_out(s, r, 0);
    double strip[WINDOW_STRIP];
    for (int64_t i = 0; y && i < p->numel; i += WINDOW_STRIP) {
        int64_t n = p->numel - i < WINDOW_STRIP ? p->numel - i : WINDOW_STRIP;
        for (int64_t k = 0; k < n; k++) {
            double t = 2.0 * M_PI * (double)(i + k) / p->period;
            strip[k] = p->a0 - p->a1 * cos(t) + p->a2 * cos(2.0 * t);
        }
        if (!(p->period > 0)) /* a symmetric window of one point is its peak */
            strip[0] = 1;
        p->store(y + (size_t)i * p->size_bytes, strip, n);
    }
    return SETSUNA_OK;
}

static setsuna_status window_bind(sn_op_ctx *c, sn_step *s)
{
    static const struct {
        const char *name;
        double a0, a1, a2;
    } shape[] = {{"BlackmanWindow", 0.42, 0.5, 0.08},
                 {"HammingWindow", 25.0 / 46.0, 21.0 / 46.0, 0},
                 {"HannWindow", 0.5, 0.5, 0}};
    window_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(sn_ew_account(c, s, 16, &p->numel));
    for (size_t i = 0; i < sizeof shape / sizeof shape[0]; i++)
        if (strcmp(shape[i].name, c->op->name) == 0) {
            p->a0 = shape[i].a0;
            p->a1 = shape[i].a1;
            p->a2 = shape[i].a2;
        }
    p->period = (double)(sn_node_int(c->node, "periodic", 1) ? p->numel : p->numel - 1);
    p->size_bytes = setsuna_dtype_size(c->out[0].dtype);
    p->store = sn_convert_ref(SETSUNA_F64, c->out[0].dtype);
    s->run = window_step_run;
    s->param = p;
    s->kernel = "window";
    s->n_parts = 1;
    return SETSUNA_OK;
}

/* ---- MelWeightMatrix -------------------------------------------------------------------------------- */

typedef struct mel_param {
    int64_t n_mel, n_bin, dft_length;
    size_t size_bytes;
    sn_convert_fn *load_int, *load_edge, *store;
} mel_param;

static setsuna_status mel_infer(sn_op_ctx *c)
{
    setsuna_dtype dtype;
    int64_t size[2], n;
    SN_TRY(window_dtype(c, &dtype));
    for (uint32_t i = 0; i < 2; i++) {
        setsuna_status status = window_size(c, i, &size[i]);
        if (status != SETSUNA_OK)
            return status;
    }
    SN_TRY(sn_op_want(c, 2, "i32 i64"));
    SN_TRY(sn_op_want(c, 3, "float"));
    SN_TRY(sn_op_want(c, 4, "float"));
    for (uint32_t i = 2; i < 5; i++)
        if (!sn_op_has(c, i) || !sn_shape_numel(&c->in[i].shape, &n) || n != 1)
            return sn_op_fail(c, SETSUNA_ESHAPE, "input %u is not a scalar", i);
    if (c->in[3].dtype != c->in[4].dtype)
        return sn_op_fail(c, SETSUNA_ESHAPE, "the edges differ in type");
    sn_op_out(c, 0, dtype, &(setsuna_shape){.rank = 2, .dim = {size[1] / 2 + 1, size[0]}});
    return SETSUNA_OK;
}

static int64_t mel_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The spectrum bin of point i of the mel scale, which has n_mel + 2 points; clamped to just outside the spectrum. */
static int64_t mel_bin(const mel_param *p, int64_t i, double low_mel, double step_mel, double sample_rate)
{
    double hertz = 700.0 * (pow(10.0, (low_mel + (double)i * step_mel) / 2595.0) - 1.0);
    double bin = floor(((double)p->dft_length + 1.0) * hertz / sample_rate);
    return !(bin > -1.0) ? -1 : bin > (double)p->n_bin ? p->n_bin : (int64_t)bin;
}

static void mel_set(const mel_param *p, char *y, int64_t bin, int64_t mel, double weight)
{
    p->store(y + (size_t)(bin * p->n_mel + mel) * p->size_bytes, &weight, 1);
}

static setsuna_status mel_step_run(const sn_step *s, sn_run *r)
{
    const mel_param *p = s->param;
    char *y = sn_out(s, r, 0);
    double rate, low, high;
    if (!y)
        return SETSUNA_OK;
    p->load_int(&rate, sn_in(s, r, 2), 1);
    p->load_edge(&low, sn_in(s, r, 3), 1);
    p->load_edge(&high, sn_in(s, r, 4), 1);
    if (!(rate > 0) || !(low > -700) || !(high > -700))
        return sn_run_fail(s, r, SETSUNA_EINPUT, "sample rate %g with edges %g and %g Hz is no mel scale", rate, low,
                           high);
    /* The step divides by the number of points, not of intervals, as the definition's example does. */
    double low_mel = 2595.0 * log10(1.0 + low / 700.0), high_mel = 2595.0 * log10(1.0 + high / 700.0);
    double step = (high_mel - low_mel) / ((double)p->n_mel + 2.0);
    memset(y, 0, (size_t)(p->n_bin * p->n_mel) * p->size_bytes);
    for (int64_t m = 0; m < p->n_mel; m++) {
        int64_t left = mel_bin(p, m, low_mel, step, rate), mid = mel_bin(p, m + 1, low_mel, step, rate),
                right = mel_bin(p, m + 2, low_mel, step, rate);
        if (left == mid && mid >= 0 && mid < p->n_bin)
            mel_set(p, y, mid, m, 1);
        for (int64_t j = left < 0 ? 0 : left; left < mid && j <= mel_min(mid, p->n_bin - 1); j++)
            mel_set(p, y, j, m, (double)(j - left) / (double)(mid - left));
        for (int64_t j = mid < 0 ? 0 : mid; j < mel_min(right, p->n_bin); j++)
            mel_set(p, y, j, m, (double)(right - j) / (double)(right - mid));
    }
    return SETSUNA_OK;
}

static setsuna_status mel_bind(sn_op_ctx *c, sn_step *s)
{
    int64_t numel;
    mel_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(sn_ew_account(c, s, 1, &numel));
    SN_TRY(window_size(c, 1, &p->dft_length));
    p->n_bin = c->out[0].shape.dim[0];
    p->n_mel = c->out[0].shape.dim[1];
    p->size_bytes = setsuna_dtype_size(c->out[0].dtype);
    p->load_int = sn_convert_ref(c->in[2].dtype, SETSUNA_F64);
    p->load_edge = sn_convert_ref(c->in[3].dtype, SETSUNA_F64);
    p->store = sn_convert_ref(SETSUNA_F64, c->out[0].dtype);
    s->run = mel_step_run;
    s->param = p;
    s->kernel = "mel";
    s->n_parts = 1;
    return SETSUNA_OK;
}

/* clang-format off */
const sn_op sn_ops_window[] = {
    {"", "BlackmanWindow", 17, 0, 1, 1, 1, 1, 0, "output_datatype:i periodic:i", window_infer, window_bind},
    {"", "HammingWindow", 17, 0, 1, 1, 1, 1, 0, "output_datatype:i periodic:i", window_infer, window_bind},
    {"", "HannWindow", 17, 0, 1, 1, 1, 1, 0, "output_datatype:i periodic:i", window_infer, window_bind},
    {"", "MelWeightMatrix", 17, 0, 5, 5, 1, 1, 0, "output_datatype:i", mel_infer, mel_bind},
    {.name = NULL},
};
/* clang-format on */
