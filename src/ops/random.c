/* Random operators: RandomNormal, RandomUniform and their Like forms, Bernoulli, Multinomial, Dropout.
 *
 * None of them has state between runs: with attribute seed, every run draws the same numbers. */
#include "kernels/convert.h"
#include "ops/ew_step.h"
#include "ops/rng.h"
#include <math.h>
#include <string.h>

enum { RANDOM_STRIP = 256 };

/* Attribute dtype, or fallback. Floating only unless any is set. */
static setsuna_status random_dtype(sn_op_ctx *c, setsuna_dtype fallback, bool any, setsuna_dtype *out)
{
    int64_t d = sn_node_int(c->node, "dtype", fallback);
    bool is_float = d == SETSUNA_F32 || d == SETSUNA_F64 || d == SETSUNA_F16 || d == SETSUNA_BF16;
    if (d < 0 || d > SETSUNA_BF16 || !(is_float || any) || !sn_convert_ref(SETSUNA_F64, (setsuna_dtype)d))
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "output type %lld is not supported", (long long)d);
    *out = (setsuna_dtype)d;
    return SETSUNA_OK;
}

/* ---- RandomNormal, RandomUniform -------------------------------------------------------------------- */

typedef struct random_param {
    bool normal;
    double at, scale; /* mean and deviation, or low and width */
    int64_t numel;
    size_t size_bytes;
    sn_convert_fn *store;
    sn_rng_seed seed;
} random_param;

static setsuna_status random_infer(sn_op_ctx *c)
{
    const int64_t *dim;
    setsuna_dtype dtype;
    size_t n = sn_node_ints(c->node, "shape", &dim);
    setsuna_shape shape = {.rank = (int32_t)n};
    if (n > SETSUNA_RANK_MAX)
        return sn_op_fail(c, SETSUNA_ELIMIT, "rank %zu is above %d", n, SETSUNA_RANK_MAX);
    for (size_t i = 0; i < n; i++) {
        if (dim[i] < 0)
            return sn_op_fail(c, SETSUNA_ESHAPE, "dim %zu is %lld", i, (long long)dim[i]);
        shape.dim[i] = dim[i];
    }
    SN_TRY(random_dtype(c, SETSUNA_F32, false, &dtype));
    sn_op_out(c, 0, dtype, &shape);
    return SETSUNA_OK;
}

static setsuna_status random_like_infer(sn_op_ctx *c)
{
    setsuna_dtype dtype;
    SN_TRY(random_dtype(c, c->in[0].dtype, false, &dtype));
    sn_op_out(c, 0, dtype, &c->in[0].shape);
    return SETSUNA_OK;
}

/* Box and Muller's pair. The first uniform is turned to (0, 1], where the logarithm is finite. */
static void random_normal_pair(sn_rng *rng, double *out)
{
    double radius = sqrt(-2.0 * log(1.0 - sn_rng_uniform(rng))), angle = 2.0 * M_PI * sn_rng_uniform(rng);
    out[0] = radius * cos(angle);
    out[1] = radius * sin(angle);
}

static setsuna_status random_step_run(const sn_step *s, sn_run *r)
{
    const random_param *p = s->param;
    char *y = sn_out(s, r, 0);
    sn_rng rng;
    sn_rng_start(&rng, &p->seed, r->slot);
    for (int64_t i = 0; y && i < p->numel; i += RANDOM_STRIP) {
        double strip[RANDOM_STRIP];
        int64_t n = p->numel - i < RANDOM_STRIP ? p->numel - i : RANDOM_STRIP;
        for (int64_t k = 0; k < n; k += 2) {
            if (p->normal) {
                random_normal_pair(&rng, strip + k);
            } else {
                strip[k] = sn_rng_uniform(&rng);
                strip[k + 1] = sn_rng_uniform(&rng);
            }
        }
        for (int64_t k = 0; k < n; k++)
            strip[k] = p->at + p->scale * strip[k];
        p->store(y + (size_t)i * p->size_bytes, strip, n);
    }
    return SETSUNA_OK;
}

static setsuna_status random_bind(sn_op_ctx *c, sn_step *s)
{
    random_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(sn_ew_account(c, s, 8, &p->numel));
    p->normal = strncmp(c->op->name, "RandomNormal", 12) == 0;
    p->at = (double)sn_node_float(c->node, p->normal ? "mean" : "low", 0);
    p->scale =
        p->normal ? (double)sn_node_float(c->node, "scale", 1) : (double)sn_node_float(c->node, "high", 1) - p->at;
    p->size_bytes = setsuna_dtype_size(c->out[0].dtype);
    p->store = sn_convert_ref(SETSUNA_F64, c->out[0].dtype);
    p->seed = sn_rng_seed_of(c->node);
    s->run = random_step_run;
    s->param = p;
    s->kernel = "random";
    s->n_parts = 1;
    return SETSUNA_OK;
}

/* ---- Bernoulli -------------------------------------------------------------------------------------- */

typedef struct bernoulli_param {
    int64_t numel;
    size_t in_bytes, out_bytes;
    sn_convert_fn *load, *store;
    sn_rng_seed seed;
} bernoulli_param;

static setsuna_status bernoulli_infer(sn_op_ctx *c)
{
    setsuna_dtype dtype;
    if (!sn_op_has(c, 0))
        return sn_op_fail(c, SETSUNA_EMODEL, "the input is missing");
    SN_TRY(sn_op_want(c, 0, "float"));
    SN_TRY(random_dtype(c, c->in[0].dtype, true, &dtype));
    sn_op_out(c, 0, dtype, &c->in[0].shape);
    return SETSUNA_OK;
}

static setsuna_status bernoulli_step_run(const sn_step *s, sn_run *r)
{
    const bernoulli_param *p = s->param;
    const char *x = sn_in(s, r, 0);
    char *y = sn_out(s, r, 0);
    sn_rng rng;
    sn_rng_start(&rng, &p->seed, r->slot);
    for (int64_t i = 0; y && i < p->numel; i += RANDOM_STRIP) {
        double strip[RANDOM_STRIP];
        int64_t n = p->numel - i < RANDOM_STRIP ? p->numel - i : RANDOM_STRIP;
        p->load(strip, x + (size_t)i * p->in_bytes, n);
        for (int64_t k = 0; k < n; k++)
            strip[k] = sn_rng_uniform(&rng) < strip[k];
        p->store(y + (size_t)i * p->out_bytes, strip, n);
    }
    return SETSUNA_OK;
}

static setsuna_status bernoulli_bind(sn_op_ctx *c, sn_step *s)
{
    bernoulli_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(sn_ew_account(c, s, 8, &p->numel));
    p->in_bytes = setsuna_dtype_size(c->in[0].dtype);
    p->out_bytes = setsuna_dtype_size(c->out[0].dtype);
    p->load = sn_convert_ref(c->in[0].dtype, SETSUNA_F64);
    p->store = sn_convert_ref(SETSUNA_F64, c->out[0].dtype);
    p->seed = sn_rng_seed_of(c->node);
    s->run = bernoulli_step_run;
    s->param = p;
    s->kernel = "random";
    s->n_parts = 1;
    return SETSUNA_OK;
}

/* ---- Multinomial ------------------------------------------------------------------------------------ */

typedef struct multinomial_param {
    int64_t n_batch, n_class, n_sample;
    size_t in_bytes;
    bool to_i64;
    sn_convert_fn *load;
    sn_rng_seed seed;
} multinomial_param;

static setsuna_status multinomial_infer(sn_op_ctx *c)
{
    const setsuna_shape *x = &c->in[0].shape;
    int64_t dtype = sn_node_int(c->node, "dtype", SETSUNA_I32), n = sn_node_int(c->node, "sample_size", 1);
    SN_TRY(sn_op_want(c, 0, "float"));
    if (dtype != SETSUNA_I32 && dtype != SETSUNA_I64)
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "output type %lld is not supported", (long long)dtype);
    if (x->rank != 2 || x->dim[1] < 1)
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input is not (batch, classes)");
    if (n < 0)
        return sn_op_fail(c, SETSUNA_EMODEL, "sample_size is %lld", (long long)n);
    sn_op_out(c, 0, (setsuna_dtype)dtype, &(setsuna_shape){.rank = 2, .dim = {x->dim[0], n}});
    return SETSUNA_OK;
}

/* cumulative[k]: the sum of exp(x[0..k] - max). Returns the whole sum. */
static double multinomial_sums(double *cumulative, int64_t n)
{
    double top = cumulative[0], sum = 0;
    for (int64_t k = 1; k < n; k++)
        top = cumulative[k] > top ? cumulative[k] : top;
    for (int64_t k = 0; k < n; k++)
        cumulative[k] = sum += exp(cumulative[k] - top);
    return sum;
}

/* The first k whose cumulative sum is above target; the last one if none is (NaN). */
static int64_t multinomial_pick(const double *cumulative, int64_t n, double target)
{
    int64_t low = 0, high = n - 1;
    while (low < high) {
        int64_t mid = low + (high - low) / 2;
        if (cumulative[mid] > target)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

static setsuna_status multinomial_step_run(const sn_step *s, sn_run *r)
{
    const multinomial_param *p = s->param;
    const char *x = sn_in(s, r, 0);
    void *y = sn_out(s, r, 0);
    double *cumulative = r->scratch;
    sn_rng rng;
    sn_rng_start(&rng, &p->seed, r->slot);
    for (int64_t b = 0; y && b < p->n_batch && p->n_sample; b++) {
        p->load(cumulative, x + (size_t)(b * p->n_class) * p->in_bytes, p->n_class);
        double sum = multinomial_sums(cumulative, p->n_class);
        for (int64_t i = 0; i < p->n_sample; i++) {
            int64_t k = multinomial_pick(cumulative, p->n_class, sn_rng_uniform(&rng) * sum);
            if (p->to_i64)
                ((int64_t *)y)[b * p->n_sample + i] = k;
            else
                ((int32_t *)y)[b * p->n_sample + i] = (int32_t)k;
        }
    }
    return SETSUNA_OK;
}

static setsuna_status multinomial_bind(sn_op_ctx *c, sn_step *s)
{
    int64_t numel;
    multinomial_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(sn_ew_account(c, s, 16, &numel));
    p->n_batch = c->in[0].shape.dim[0];
    p->n_class = c->in[0].shape.dim[1];
    p->n_sample = c->out[0].shape.dim[1];
    p->in_bytes = setsuna_dtype_size(c->in[0].dtype);
    p->to_i64 = c->out[0].dtype == SETSUNA_I64;
    p->load = sn_convert_ref(c->in[0].dtype, SETSUNA_F64);
    p->seed = sn_rng_seed_of(c->node);
    if (p->n_class > INT32_MAX)
        return sn_op_fail(c, SETSUNA_ELIMIT, "%lld classes are too many", (long long)p->n_class);
    s->scratch_bytes = (size_t)p->n_class * sizeof(double);
    s->run = multinomial_step_run;
    s->param = p;
    s->kernel = "random";
    s->n_parts = 1;
    return SETSUNA_OK;
}

/* ---- Dropout ---------------------------------------------------------------------------------------- */

typedef struct dropout_param {
    int64_t numel;
    size_t size_bytes;                        /* of an element */
    sn_convert_fn *load, *store, *load_ratio; /* load_ratio: NULL when the ratio is absent */
    sn_convert_fn *store_mask;
    size_t mask_bytes;
    sn_rng_seed seed;
} dropout_param;

/* Version 7 does not say what type the mask is but that of the input; since 10 it is bool. */
static setsuna_status dropout_infer(sn_op_ctx *c)
{
    int64_t n;
    SN_TRY(sn_op_want(c, 0, "float"));
    SN_TRY(sn_op_want(c, 1, "float"));
    SN_TRY(sn_op_want(c, 2, "bool"));
    for (uint32_t i = 1; i < 3; i++)
        if (sn_op_has(c, i) && (!sn_shape_numel(&c->in[i].shape, &n) || n != 1))
            return sn_op_fail(c, SETSUNA_ESHAPE, "input %u is not a scalar", i);
    sn_op_out(c, 0, c->in[0].dtype, &c->in[0].shape);
    sn_op_out(c, 1, c->op->since < 10 ? c->in[0].dtype : SETSUNA_BOOL, &c->in[0].shape);
    return SETSUNA_OK;
}

/* y[i] = mask[i] x[i] / (1 - ratio), where a mask element is 1 with probability 1 - ratio. */
static void dropout_train(const dropout_param *p, const char *x, char *y, char *mask, double ratio, sn_rng *rng)
{
    double strip[RANDOM_STRIP], keep[RANDOM_STRIP], scale = 1.0 / (1.0 - ratio);
    for (int64_t i = 0; i < p->numel; i += RANDOM_STRIP) {
        int64_t n = p->numel - i < RANDOM_STRIP ? p->numel - i : RANDOM_STRIP;
        p->load(strip, x + (size_t)i * p->size_bytes, n);
        for (int64_t k = 0; k < n; k++) {
            keep[k] = sn_rng_uniform(rng) >= ratio;
            strip[k] = keep[k] != 0 ? strip[k] * scale : 0;
        }
        if (y)
            p->store(y + (size_t)i * p->size_bytes, strip, n);
        if (mask)
            p->store_mask(mask + (size_t)i * p->mask_bytes, keep, n);
    }
}

static void dropout_pass(const dropout_param *p, const char *x, char *y, char *mask)
{
    static const double one = 1;
    if (y && y != x)
        memmove(y, x, (size_t)p->numel * p->size_bytes);
    if (mask && p->mask_bytes == 1)
        memset(mask, 1, (size_t)p->numel);
    else if (mask)
        for (int64_t i = 0; i < p->numel; i++)
            p->store_mask(mask + (size_t)i * p->mask_bytes, &one, 1);
}

static setsuna_status dropout_step_run(const sn_step *s, sn_run *r)
{
    const dropout_param *p = s->param;
    const unsigned char *training = sn_in(s, r, 2);
    double ratio = 0;
    if (!p->numel)
        return SETSUNA_OK;
    if (training && *training) {
        ratio = 0.5;
        if (p->load_ratio)
            p->load_ratio(&ratio, sn_in(s, r, 1), 1);
        if (!(ratio >= 0 && ratio < 1))
            return sn_run_fail(s, r, SETSUNA_EINPUT, "the ratio %g is not in [0, 1)", ratio);
    }
    if (ratio > 0) {
        sn_rng rng;
        sn_rng_start(&rng, &p->seed, r->slot);
        dropout_train(p, sn_in(s, r, 0), sn_out(s, r, 0), sn_out(s, r, 1), ratio, &rng);
    } else {
        dropout_pass(p, sn_in(s, r, 0), sn_out(s, r, 0), sn_out(s, r, 1));
    }
    return SETSUNA_OK;
}

static setsuna_status dropout_bind(sn_op_ctx *c, sn_step *s)
{
    dropout_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(sn_ew_account(c, s, 1, &p->numel));
    p->size_bytes = setsuna_dtype_size(c->in[0].dtype);
    p->load = sn_convert_ref(c->in[0].dtype, SETSUNA_F64);
    p->store = sn_convert_ref(SETSUNA_F64, c->in[0].dtype);
    if (sn_op_has(c, 1))
        p->load_ratio = sn_convert_ref(c->in[1].dtype, SETSUNA_F64);
    setsuna_dtype mask = c->op->since < 10 ? c->in[0].dtype : SETSUNA_BOOL;
    p->store_mask = sn_convert_ref(SETSUNA_F64, mask);
    p->mask_bytes = setsuna_dtype_size(mask);
    p->seed = sn_rng_seed_of(c->node);
    s->run = dropout_step_run;
    s->param = p;
    s->kernel = "dropout";
    s->n_parts = 1;
    return SETSUNA_OK;
}

/* clang-format off */
const sn_op sn_ops_random[] = {
    {"", "Bernoulli", 15, 0, 1, 1, 1, 1, SN_OP_RANDOM, "dtype:i seed:f", bernoulli_infer, bernoulli_bind},
    {"", "Dropout", 7, 9, 1, 1, 1, 2, SN_OP_INPLACE, "ratio:f", dropout_infer, dropout_bind},
    {"", "Dropout", 10, 11, 1, 1, 1, 2, SN_OP_INPLACE, "ratio:f", dropout_infer, dropout_bind},
    {"", "Dropout", 12, 0, 1, 3, 1, 2, SN_OP_INPLACE | SN_OP_RANDOM, "seed:i", dropout_infer, dropout_bind},
    {"", "Multinomial", 7, 0, 1, 1, 1, 1, SN_OP_RANDOM, "dtype:i sample_size:i seed:f", multinomial_infer, multinomial_bind},
    {"", "RandomNormal", 1, 0, 0, 0, 1, 1, SN_OP_RANDOM, "dtype:i mean:f scale:f seed:f shape:I", random_infer, random_bind},
    {"", "RandomNormalLike", 1, 0, 1, 1, 1, 1, SN_OP_RANDOM, "dtype:i mean:f scale:f seed:f", random_like_infer, random_bind},
    {"", "RandomUniform", 1, 0, 0, 0, 1, 1, SN_OP_RANDOM, "dtype:i high:f low:f seed:f shape:I", random_infer, random_bind},
    {"", "RandomUniformLike", 1, 0, 1, 1, 1, 1, SN_OP_RANDOM, "dtype:i high:f low:f seed:f", random_like_infer, random_bind},
    {.name = NULL},
};
/* clang-format on */
