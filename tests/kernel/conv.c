/* Convolution kernels against plain sums in double, in the manner of checkasm.
 *
 *   kernel_conv [--seed N] [--level NAME] [--bench [TEXT]]
 *
 * Each case is run at every level this machine has, in one part and in several. Tensors lie at the end of heap blocks
 * of their exact size, one element off alignment, between canaries, with NaN in the lanes past the last channel.
 * --bench prints GFLOP/s of the shapes whose name contains TEXT instead.
 */
#include "base/clock.h"
#include "kernels/conv.h"
#include "levels.h"
#include "wino_bound.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t test_seed = 1;

static uint64_t test_random(void)
{
    test_seed = test_seed * 6364136223846793005u + 1442695040888963407u;
    return test_seed >> 33;
}

static int64_t test_between(int64_t lo, int64_t hi)
{
    return lo + (int64_t)(test_random() % (uint64_t)(hi - lo + 1));
}

static float test_value(void)
{
    return (float)test_random() / (float)(1u << 30) - 1;
}

static _Noreturn void test_die(const char *what)
{
    fprintf(stderr, "kernel_conv: %s\n", what);
    exit(2);
}

/* n floats between canaries, one element off alignment, the last one at the end of the heap block when tail is 0. */
typedef struct test_buffer {
    float *base, *data;
    size_t n, tail;
} test_buffer;

enum { TEST_CANARIES = 17 };
static const uint32_t test_canary = 0x7fc0beefu; /* a NaN: a sum that used it shows */

static test_buffer test_buffer_make(size_t n, size_t tail)
{
    test_buffer b = {.n = n, .tail = tail};
    b.base = malloc((TEST_CANARIES + n + tail) * sizeof *b.base);
    if (!b.base)
        test_die("out of memory");
    b.data = b.base + TEST_CANARIES;
    for (size_t i = 0; i < TEST_CANARIES + n + tail; i++)
        memcpy(b.base + i, &test_canary, 4);
    return b;
}

static bool test_buffer_intact(const test_buffer *b)
{
    bool ok = true;
    for (size_t i = 0; i < TEST_CANARIES; i++)
        ok &= memcmp(b->base + i, &test_canary, 4) == 0;
    for (size_t i = 0; i < b->tail; i++)
        ok &= memcmp(b->data + b->n + i, &test_canary, 4) == 0;
    return ok;
}

/* ---- the operation, plainly ---------------------------------------------------------------------------- */

typedef struct test_case {
    sn_conv_spec s;
    bool factor, bias, residual;
} test_case;

typedef struct test_data {
    float *x, *w, *factor, *bias, *residual; /* plain; NULL when absent */
    double *want, *slack;                    /* plain; the sum's rounding may differ by slack */
    double *wino;                            /* what a Winograd product may differ by beyond; NULL: not possible */
} test_data;

static void *test_alloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    if (!p)
        test_die("out of memory");
    return p;
}

static float *test_values(int64_t n)
{
    float *p = test_alloc((size_t)n, sizeof *p);
    for (int64_t i = 0; i < n; i++)
        p[i] = test_value();
    return p;
}

static double test_act(const sn_conv_spec *s, double v)
{
    double alpha = (double)s->alpha, beta = (double)s->beta;
    switch (s->act) {
    case SN_CONV_HARDSWISH: return v * fmin(fmax(alpha * v + beta, 0), 1);
    case SN_CONV_HARDSIGMOID: return fmin(fmax(alpha * v + beta, 0), 1);
    case SN_CONV_LEAKY: return v < 0 ? alpha * v : v;
    case SN_CONV_SIGMOID: return 1 / (1 + exp(-v));
    case SN_CONV_SWISH: return v / (1 + exp(-alpha * v));
    case SN_CONV_TANH: return tanh(v);
    default: return fmin(fmax(v, alpha), beta);
    }
}

/* Every activation here has a slope of at most 1.1 (alpha is at most 1 in size), and errors of its own within 8 u. */
static void test_reference_px(const test_case *c, test_data *d, int64_t image, int64_t o, int64_t oy, int64_t ox)
{
    const sn_conv_spec *s = &c->s;
    int64_t gi = s->ic / s->group, first = o / (s->oc / s->group) * gi;
    double sum = c->bias ? (double)d->bias[o] : 0, size = fabs(sum), factor = c->factor ? (double)d->factor[o] : 1;
    for (int64_t i = 0; i < gi; i++)
        for (int64_t ky = 0; ky < s->kh; ky++)
            for (int64_t kx = 0; kx < s->kw; kx++) {
                int64_t y = oy * s->stride_h - s->pad_top + ky * s->dilation_h;
                int64_t x = ox * s->stride_w - s->pad_left + kx * s->dilation_w;
                if (y < 0 || y >= s->ih || x < 0 || x >= s->iw)
                    continue;
                double w = (double)d->w[((o * gi + i) * s->kh + ky) * s->kw + kx] * factor;
                double p = w * (double)d->x[((image * s->ic + first + i) * s->ih + y) * s->iw + x];
                sum += p;
                size += fabs(p);
            }
    int64_t at = ((image * s->oc + o) * s->y_h + oy * s->step_h) * s->y_w + ox * s->step_w;
    double r = c->residual ? (double)d->residual[at] : 0, u = 0x1p-24;
    size += fabs(r);
    double v = test_act(s, s->residual_last ? sum : sum + r);
    d->want[at] = v * (double)s->scale + (double)s->shift + (s->residual_last ? r : 0);
    double k = (double)(gi * s->kh * s->kw) + 4; /* + bias, residual, and the rounding of w * factor */
    d->slack[at] = 1.1 * (k + 2) * u * size * fabs((double)s->scale) +
                   10 * u * (fabs(v * (double)s->scale) + fabs((double)s->shift) + fabs(r) + fabs(d->want[at])) + 4 * u;
}

/* The bound of kernels/conv_winograd.h for the 16 pixels of a tile. */
static void test_wino_tile(const test_case *c, test_data *d, int64_t image, int64_t o, int64_t oy, int64_t ox)
{
    const sn_conv_spec *s = &c->s;
    double sum[SN_WINO_PRODUCTS] = {0};
    for (int64_t i = 0; i < s->ic; i++) {
        double px[SN_WINO_PRODUCTS], g[9];
        for (int k = 0; k < SN_WINO_PRODUCTS; k++) {
            int64_t y = oy - s->pad_top + k / SN_WINO_IN, x = ox - s->pad_left + k % SN_WINO_IN;
            bool inside = y >= 0 && y < s->ih && x >= 0 && x < s->iw;
            px[k] = inside ? (double)d->x[((image * s->ic + i) * s->ih + y) * s->iw + x] : 0;
        }
        for (int k = 0; k < 9; k++)
            g[k] = (double)d->w[(o * s->ic + i) * 9 + k] * (c->factor ? (double)d->factor[o] : 1);
        wino_bound_add(px, g, sum);
    }
    for (int r = 0; r < SN_WINO_OUT && oy + r < s->oh; r++)
        for (int q = 0; q < SN_WINO_OUT && ox + q < s->ow; q++)
            d->wino[((image * s->oc + o) * s->oh + oy + r) * s->ow + ox + q] =
                1.1 * fabs((double)s->scale) * wino_bound_at(sum, s->ic, r, q); /* 1.1: the steepest activation */
}

static void test_wino_make(const test_case *c, test_data *d)
{
    const sn_conv_spec *s = &c->s;
    if (s->kh != 3 || s->kw != 3 || s->stride_h != 1 || s->stride_w != 1 || s->group != 1 || s->step_h != 1 ||
        s->step_w != 1)
        return;
    d->wino = test_alloc((size_t)(s->n * s->oc * s->oh * s->ow), sizeof *d->wino);
    for (int64_t i = 0; i < s->n * s->oc; i++)
        for (int64_t y = 0; y < s->oh; y += SN_WINO_OUT)
            for (int64_t x = 0; x < s->ow; x += SN_WINO_OUT)
                test_wino_tile(c, d, i / s->oc, i % s->oc, y, x);
}

static test_data test_data_make(const test_case *c)
{
    const sn_conv_spec *s = &c->s;
    int64_t n_y = s->n * s->oc * s->y_h * s->y_w;
    test_data d = {.x = test_values(s->n * s->ic * s->ih * s->iw),
                   .w = test_values(s->oc * (s->ic / s->group) * s->kh * s->kw)};
    if (c->factor)
        d.factor = test_values(s->oc);
    if (c->bias)
        d.bias = test_values(s->oc);
    if (c->residual)
        d.residual = test_values(n_y);
    d.want = test_alloc((size_t)n_y, sizeof *d.want);
    d.slack = test_alloc((size_t)n_y, sizeof *d.slack);
    for (int64_t i = 0; i < n_y; i++)
        d.slack[i] = -1; /* not written: pixels between the steps */
    for (int64_t n = 0; n < s->n; n++)
        for (int64_t o = 0; o < s->oc; o++)
            for (int64_t y = 0; y < s->oh; y++)
                for (int64_t x = 0; x < s->ow; x++)
                    test_reference_px(c, &d, n, o, y, x);
    test_wino_make(c, &d);
    return d;
}

static void test_data_free(test_data *d)
{
    free(d->x), free(d->w), free(d->factor), free(d->bias), free(d->residual), free(d->want), free(d->slack),
        free(d->wino);
}

/* ---- running a case ---------------------------------------------------------------------------------------- */

static void test_blocked_put(const sn_conv_spec *s, int64_t b, const float *plain, float *blocked, int64_t n, int64_t c,
                             int64_t px)
{
    (void)s;
    int64_t blocks = (c + b - 1) / b;
    for (int64_t i = 0; i < n * c * px; i++) {
        int64_t p = i % px, ch = i / px % c, image = i / px / c;
        blocked[((image * blocks + ch / b) * px + p) * b + ch % b] = plain[i];
    }
}

static void test_case_text(const test_case *c, char *buf, size_t cap)
{
    const sn_conv_spec *s = &c->s;
    snprintf(buf, cap,
             "n%" PRId64 " %" PRId64 "->%" PRId64 " g%" PRId64 " in %" PRId64 "x%" PRId64 "%s out %" PRId64 "x%" PRId64
             " step %" PRId64 "x%" PRId64 " k%" PRId64 "x%" PRId64 " s%" PRId64 "x%" PRId64 " d%" PRId64 "x%" PRId64
             " p%" PRId64 "x%" PRId64 " act %d%s%s%s%s",
             s->n, s->ic, s->oc, s->group, s->ih, s->iw, s->plain_in ? " plain" : "", s->oh, s->ow, s->step_h,
             s->step_w, s->kh, s->kw, s->stride_h, s->stride_w, s->dilation_h, s->dilation_w, s->pad_top, s->pad_left,
             s->act, c->factor ? " factor" : "", c->bias ? " bias" : "", c->residual ? " residual" : "",
             s->residual_last ? " last" : "");
}

/* Returns an error text or NULL. */
static const char *test_compare(const test_case *c, const test_data *d, bool wino, int64_t b, const float *y, char *buf,
                                size_t cap)
{
    const sn_conv_spec *s = &c->s;
    int64_t blocks = (s->oc + b - 1) / b, px = s->y_h * s->y_w;
    for (int64_t i = 0; i < s->n * s->oc * px; i++) {
        int64_t p = i % px, ch = i / px % s->oc, image = i / px / s->oc;
        const float *got = y + ((image * blocks + ch / b) * px + p) * b + ch % b;
        double slack = d->slack[i] + (wino ? d->wino[i] : 0);
        bool ok = d->slack[i] < 0 ? memcmp(got, &test_canary, 4) == 0
                                  : fabs((double)*got - d->want[i]) <= slack; /* false for NaN */
        if (!ok) {
            snprintf(buf, cap, "image %" PRId64 " channel %" PRId64 " pixel %" PRId64 ": %.9g, expected %.9g +- %.2g",
                     image, ch, p, (double)*got, d->want[i], slack);
            return buf;
        }
    }
    return NULL;
}

static const char *test_run_level(const test_case *c, const test_data *d, sn_cpu_level level, uint32_t n_parts,
                                  char *buf, size_t cap)
{
    const sn_conv_spec *s = &c->s;
    sn_conv_table t;
    sn_conv_table_init(&t, level);
    sn_conv cv;
    if (t.limits.winograd && test_random() % 2)
        t.limits.winograd = SN_CONV_WINO_ALWAYS;
    sn_conv_plan(s, &t.limits, &cv);
    int64_t b = t.limits.block, in_blocks = (s->ic + b - 1) / b, out_blocks = (s->oc + b - 1) / b;
    size_t n_x = (size_t)(s->n * s->ih * s->iw * (s->plain_in ? s->ic : in_blocks * b));
    size_t n_y = (size_t)(s->n * s->y_h * s->y_w * out_blocks * b);
    size_t off = test_random() % 2; /* the other buffers: at the very end of the heap block, or not */
    test_buffer x = test_buffer_make(n_x, off), y = test_buffer_make(n_y, TEST_CANARIES);
    test_buffer r = test_buffer_make(c->residual ? n_y : 0, off);
    test_buffer w = test_buffer_make(sn_conv_weights_size(&cv), 0), bias = test_buffer_make(sn_conv_bias_size(&cv), 0);
    if (s->plain_in)
        memcpy(x.data, d->x, n_x * sizeof *x.data);
    else
        test_blocked_put(s, b, d->x, x.data, s->n, s->ic, s->ih * s->iw);
    if (c->residual)
        test_blocked_put(s, b, d->residual, r.data, s->n, s->oc, s->y_h * s->y_w);
    memset(w.data, 0, w.n * sizeof *w.data);
    memset(bias.data, 0, bias.n * sizeof *bias.data);
    int64_t taps = s->kh * s->kw;
    sn_conv_weights from = {d->w, d->factor, s->ic / s->group * taps, taps, 1};
    (cv.winograd ? t.pack_winograd : sn_conv_pack_weights)(&cv, &from, w.data);
    sn_conv_pack_bias(&cv, d->bias, bias.data);
    test_buffer scratch = test_buffer_make(sn_conv_scratch_bytes(&cv, n_parts) / sizeof(float), 0);
    sn_conv_io io = {x.data, w.data, bias.data, c->residual ? r.data : NULL, y.data, scratch.data};
    for (uint32_t p = 0; p < n_parts; p++)
        sn_conv_kernel(&t, &cv)(&cv, &io, p, n_parts);
    const char *bad = test_compare(c, d, cv.winograd, b, y.data, buf, cap);
    if (!bad && !c->residual && s->step_h == 1 && s->step_w == 1) { /* the same with the end by itself */
        sn_conv_spec end = cv.s;
        sn_conv_spec_open(&cv.s);
        for (uint32_t p = 0; p < n_parts; p++)
            sn_conv_kernel(&t, &cv)(&cv, &io, p, n_parts);
        t.finish(&end, y.data, (int64_t)n_y);
        bad = test_compare(c, d, cv.winograd, b, y.data, buf, cap);
    }
    if (!test_buffer_intact(&x) || !test_buffer_intact(&y) || !test_buffer_intact(&r) || !test_buffer_intact(&w) ||
        !test_buffer_intact(&scratch))
        bad = "a canary was overwritten";
    free(x.base), free(y.base), free(r.base), free(w.base), free(bias.base), free(scratch.base);
    return bad;
}

static int test_failures;

static void test_case_run(const test_case *c, sn_cpu_level lowest, sn_cpu_level highest)
{
    static const uint32_t parts[] = {1, 2, 3, 7};
    uint64_t seed = test_seed;
    test_data d = test_data_make(c);
    for (sn_cpu_level level = lowest; level <= highest; level++)
        for (int i = 0; i < 2; i++) {
            char text[256], buf[256];
            uint32_t n_parts = parts[i ? 1 + test_random() % 3 : 0];
            const char *bad = test_run_level(c, &d, level, n_parts, buf, sizeof buf);
            if (!bad)
                continue;
            test_case_text(c, text, sizeof text);
            fprintf(stderr, "FAIL %s, %u parts, seed %" PRIu64 ", %s: %s\n", sn_cpu_level_name(level), n_parts, seed,
                    text, bad);
            test_failures++;
        }
    test_data_free(&d);
}

/* Output extent for an input extent; 0 when the kernel does not fit. */
static int64_t test_extent(int64_t in, int64_t pad, int64_t k, int64_t dilation, int64_t stride)
{
    int64_t room = in + pad - (k - 1) * dilation;
    return room < 1 ? 0 : (room - 1) / stride + 1;
}

static test_case test_case_random(void)
{
    static const int64_t channels[] = {1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 40, 48, 49, 64, 80, 97};
    enum { N_CHANNELS = sizeof channels / sizeof channels[0] };
    test_case c = {.factor = test_random() % 2, .bias = test_random() % 2, .residual = test_random() % 3 == 0};
    sn_conv_spec *s = &c.s;
    s->n = test_between(1, 2);
    s->ic = channels[test_random() % N_CHANNELS];
    s->oc = channels[test_random() % N_CHANNELS];
    s->group = 1;
    switch (test_random() % 5) {
    case 0: s->oc = s->group = s->ic; break; /* depthwise */
    case 1:                                  /* groups of some size */
        s->group = test_between(2, 5);
        s->ic = s->group * test_between(1, 24);
        s->oc = s->group * test_between(1, 24);
        break;
    default: break;
    }
    s->plain_in = s->ic <= 9 && s->group != s->ic && test_random() % 2;
    bool pointwise = test_random() % 3 == 0, wino = test_random() % 4 == 0;
    s->kh = wino ? 3 : pointwise ? 1 : test_between(1, 5);
    s->kw = wino ? 3 : pointwise ? 1 : test_between(1, 7);
    s->stride_h = wino ? 1 : test_between(1, 3), s->stride_w = wino ? 1 : test_between(1, 3);
    do {
        s->dilation_h = wino || test_random() % 3 ? 1 : test_between(1, 4),
        s->dilation_w = wino || test_random() % 3 ? 1 : test_between(1, 9);
        s->ih = test_between(1, 20), s->iw = test_random() % 4 ? test_between(1, 37) : 1;
        s->pad_top = test_random() % 2 ? 0 : test_between(0, 6),
        s->pad_left = test_random() % 2 ? 0 : test_between(0, 9);
        s->oh = test_extent(s->ih, s->pad_top + test_between(0, 3), s->kh, s->dilation_h, s->stride_h);
        s->ow = test_extent(s->iw, s->pad_left + test_between(0, 3), s->kw, s->dilation_w, s->stride_w);
    } while (!s->oh || !s->ow);
    s->step_h = s->step_w = 1, s->y_h = s->oh, s->y_w = s->ow;
    if (test_random() % 6 == 0) { /* a tap of a transposed convolution */
        s->step_h = test_between(1, 3), s->step_w = test_between(1, 3);
        s->y_h = s->oh * s->step_h, s->y_w = s->ow * s->step_w;
    }
    s->act = (sn_conv_act)(test_random() % SN_CONV_ACTS);
    s->alpha = s->act == SN_CONV_CLAMP   ? (test_random() % 2 ? -INFINITY : 0)
               : s->act == SN_CONV_LEAKY ? 0.1f
               : s->act == SN_CONV_SWISH ? 1.5f
                                         : 1.0f / 6;
    s->beta = s->act == SN_CONV_CLAMP ? (test_random() % 2 ? INFINITY : 1) : 0.5f;
    s->scale = test_random() % 3 ? 1 : test_value(), s->shift = test_random() % 3 ? 0 : test_value();
    s->residual_last = c.residual && test_random() % 2;
    return c;
}

/* Shapes that random ones seldom hit: several chunks and bands, long flat rows, wide pads. */
static const test_case test_fixed[] = {
    {.s = {.n = 1,
           .ic = 512,
           .ih = 7,
           .iw = 7,
           .oc = 256,
           .oh = 7,
           .ow = 7,
           .kh = 3,
           .kw = 3,
           .pad_top = 1,
           .pad_left = 1}},
    {.s = {.n = 1, .ic = 520, .ih = 5, .iw = 5, .oc = 520, .oh = 5, .ow = 5, .kh = 1, .kw = 1}, .bias = true},
    {.s = {.n = 2,
           .ic = 3,
           .ih = 31,
           .iw = 67,
           .oc = 40,
           .oh = 16,
           .ow = 34,
           .kh = 7,
           .kw = 7,
           .stride_h = 2,
           .stride_w = 2,
           .pad_top = 3,
           .pad_left = 3,
           .plain_in = true}},
    {.s = {.n = 1,
           .ic = 64,
           .ih = 1,
           .iw = 257,
           .oc = 64,
           .oh = 1,
           .ow = 257,
           .kh = 1,
           .kw = 9,
           .dilation_w = 16,
           .pad_left = 64}},
    {.s = {.n = 1,
           .ic = 40,
           .ih = 3,
           .iw = 3,
           .oc = 40,
           .oh = 9,
           .ow = 9,
           .kh = 3,
           .kw = 3,
           .pad_top = 4,
           .pad_left = 4},
     .bias = true},
    {.s = {.n = 1, /* an image that the second level does not hold, with an activation that follows the sums */
           .ic = 2,
           .ih = 515,
           .iw = 513,
           .oc = 16,
           .oh = 258,
           .ow = 257,
           .kh = 3,
           .kw = 3,
           .stride_h = 2,
           .stride_w = 2,
           .pad_top = 1,
           .pad_left = 1,
           .plain_in = true,
           .act = SN_CONV_SWISH},
     .bias = true,
     .residual = true},
    {.s = {.n = 1, /* sides whose taps are copied, and sides whose taps are too many */
           .ic = 24,
           .ih = 4,
           .iw = 3,
           .oc = 48,
           .oh = 4,
           .ow = 3,
           .kh = 3,
           .kw = 3,
           .pad_top = 1,
           .pad_left = 1,
           .act = SN_CONV_TANH},
     .residual = true},
    {.s = {.n = 1,
           .ic = 9,
           .ih = 40,
           .iw = 45,
           .oc = 33,
           .oh = 40,
           .ow = 45,
           .kh = 5,
           .kw = 7,
           .pad_top = 2,
           .pad_left = 3,
           .plain_in = true}},
    {.s = {.n = 0, .ic = 8, .ih = 3, .iw = 3, .oc = 8, .oh = 3, .ow = 3, .kh = 1, .kw = 1}},
    {.s = {.n = 1, .ic = 8, .ih = 3, .iw = 3, .oc = 8, .oh = 0, .ow = 3, .kh = 1, .kw = 1}},
};

static test_case test_case_fixed(size_t i)
{
    test_case c = test_fixed[i];
    sn_conv_spec *s = &c.s;
    int64_t *ones[] = {&s->stride_h, &s->stride_w, &s->dilation_h, &s->dilation_w, &s->group, &s->step_h, &s->step_w};
    for (size_t k = 0; k < sizeof ones / sizeof ones[0]; k++)
        if (*ones[k] == 0)
            *ones[k] = 1;
    s->y_h = s->oh, s->y_w = s->ow;
    s->alpha = s->act == SN_CONV_CLAMP ? -INFINITY : 1, s->beta = INFINITY, s->scale = 1;
    return c;
}

/* ---- reorders --------------------------------------------------------------------------------------------- */

static void test_reorder(sn_cpu_level level)
{
    sn_conv_table t;
    sn_conv_table_init(&t, level);
    sn_conv_reorder r = {.n = test_between(0, 3),
                         .c = test_between(1, 40),
                         .px = test_random() % 3 ? test_between(1, 600) : 1,
                         .block = t.limits.block};
    int64_t blocks = (r.c + r.block - 1) / r.block;
    size_t n_plain = (size_t)(r.n * r.c * r.px), n_blocked = (size_t)(r.n * blocks * r.px * r.block);
    test_buffer x = test_buffer_make(n_plain, 0), b = test_buffer_make(n_blocked, TEST_CANARIES),
                y = test_buffer_make(n_plain, TEST_CANARIES);
    for (size_t i = 0; i < n_plain; i++)
        x.data[i] = test_value();
    uint32_t n_parts = (uint32_t)test_between(1, 4);
    for (uint32_t p = 0; p < n_parts; p++)
        t.to_blocked(&r, x.data, b.data, p, n_parts);
    bool ok = true;
    for (int64_t i = 0; i < (int64_t)n_blocked; i++) {
        int64_t lane = i % r.block, p = i / r.block % r.px, c = i / r.block / r.px % blocks * r.block + lane,
                n = i / r.block / r.px / blocks;
        float want = c < r.c ? x.data[(n * r.c + c) * r.px + p] : 0;
        ok &= memcmp(&want, b.data + i, 4) == 0;
    }
    for (uint32_t p = 0; p < n_parts; p++)
        t.from_blocked(&r, b.data, y.data, p, n_parts);
    ok &= memcmp(x.data, y.data, n_plain * sizeof *x.data) == 0;
    ok &= test_buffer_intact(&b) && test_buffer_intact(&y);
    if (!ok) {
        fprintf(stderr, "FAIL reorder %s n %" PRId64 " c %" PRId64 " px %" PRId64 " parts %u\n",
                sn_cpu_level_name(level), r.n, r.c, r.px, n_parts);
        test_failures++;
    }
    free(x.base), free(b.base), free(y.base);
}

/* A block put together from pieces of others. */
static void test_join(sn_cpu_level level)
{
    sn_conv_table t;
    sn_conv_table_init(&t, level);
    int32_t b = t.limits.block, n = 0, at = 0;
    int64_t px = test_between(1, 40);
    sn_conv_piece piece[16];
    test_buffer x[16], y = test_buffer_make((size_t)(px * b), TEST_CANARIES);
    while (at < b && n < 16) {
        int32_t lanes = (int32_t)test_between(1, test_random() % 3 ? b : 3);
        lanes = lanes < b - at ? lanes : b - at;
        x[n] = test_buffer_make((size_t)(px * b), 0);
        for (int64_t i = 0; i < px * b; i++)
            x[n].data[i] = test_value();
        piece[n] = (sn_conv_piece){x[n].data, (int32_t)test_between(0, b - lanes), at, lanes};
        at += lanes;
        n++;
    }
    t.join(piece, n, b, px, y.data);
    bool ok = test_buffer_intact(&y);
    for (int32_t i = 0; i < n; i++)
        for (int64_t p = 0; p < px; p++)
            ok &= memcmp(y.data + p * b + piece[i].at, piece[i].x + p * b + piece[i].lane, (size_t)piece[i].n * 4) == 0;
    if (!ok) {
        fprintf(stderr, "FAIL join %s, %d pieces, %" PRId64 " pixels\n", sn_cpu_level_name(level), (int)n, px);
        test_failures++;
    }
    for (int32_t i = 0; i < n; i++)
        free(x[i].base);
    free(y.base);
}

/* ---- bench -------------------------------------------------------------------------------------------------- */

typedef struct bench_shape {
    const char *name;
    int32_t ic, oc, group, h, w, k, stride; /* pads of k / 2 */
    bool plain;
} bench_shape;

static const bench_shape bench_shapes[] = {
    {"resnet stem 7x7", 3, 64, 1, 224, 224, 7, 2, true},
    {"mobilenet stem", 3, 32, 1, 224, 224, 3, 2, true},
    {"ppocr stem", 3, 16, 1, 640, 640, 3, 2, true},
    {"resnet 3x3 64 56", 64, 64, 1, 56, 56, 3, 1, false},
    {"resnet 3x3 128 28", 128, 128, 1, 28, 28, 3, 1, false},
    {"resnet 3x3 256 14", 256, 256, 1, 14, 14, 3, 1, false},
    {"resnet 3x3 512 7", 512, 512, 1, 7, 7, 3, 1, false},
    {"resnet 3x3 128 s2", 128, 128, 1, 56, 56, 3, 2, false},
    {"ppocr 3x3 96-32 160", 96, 32, 1, 160, 160, 3, 1, false},
    {"resnet 1x1 64-256 56", 64, 256, 1, 56, 56, 1, 1, false},
    {"resnet 1x1 256-64 56", 256, 64, 1, 56, 56, 1, 1, false},
    {"resnet 1x1 512-128 28", 512, 128, 1, 28, 28, 1, 1, false},
    {"resnet 1x1 1024-256 14", 1024, 256, 1, 14, 14, 1, 1, false},
    {"resnet 1x1 256-1024 14", 256, 1024, 1, 14, 14, 1, 1, false},
    {"resnet 1x1 2048-512 7", 2048, 512, 1, 7, 7, 1, 1, false},
    {"resnet 1x1 512-2048 7", 512, 2048, 1, 7, 7, 1, 1, false},
    {"resnet 1x1 s2 256-512", 256, 512, 1, 56, 56, 1, 2, false},
    {"mobilenet 1x1 16-96 112", 16, 96, 1, 112, 112, 1, 1, false},
    {"mobilenet 1x1 96-24 56", 96, 24, 1, 56, 56, 1, 1, false},
    {"mobilenet 1x1 24-144 56", 24, 144, 1, 56, 56, 1, 1, false},
    {"mobilenet 1x1 384-64 14", 384, 64, 1, 14, 14, 1, 1, false},
    {"mobilenet 1x1 160-960 7", 160, 960, 1, 7, 7, 1, 1, false},
    {"ppocr 1x1 12-96 160", 12, 96, 1, 160, 160, 1, 1, false},
    {"ppocr 1x1 48-16 160", 48, 16, 1, 160, 160, 1, 1, false},
    {"se 1x1 240-10 1", 240, 10, 1, 1, 1, 1, 1, false},
    {"dw 3x3 16 320", 16, 16, 16, 320, 320, 3, 1, false},
    {"dw 3x3 32 320 s2", 32, 32, 32, 320, 320, 3, 2, false},
    {"ppocr 1x1 16-32 320", 16, 32, 1, 320, 320, 1, 1, false},
    {"dw 3x3 32 112", 32, 32, 32, 112, 112, 3, 1, false},
    {"dw 3x3 96 112 s2", 96, 96, 96, 112, 112, 3, 2, false},
    {"dw 3x3 144 56", 144, 144, 144, 56, 56, 3, 1, false},
    {"dw 3x3 384 14", 384, 384, 384, 14, 14, 3, 1, false},
    {"dw 3x3 960 7", 960, 960, 960, 7, 7, 3, 1, false},
    {"dw 5x5 240 28", 240, 240, 240, 28, 28, 5, 1, false},
    {"dw 5x5 672 14", 672, 672, 672, 14, 14, 5, 1, false},
};

static void bench_run(const bench_shape *b, sn_cpu_level level)
{
    int64_t pad = b->k / 2;
    sn_conv_spec s = {.n = 1,
                      .ic = b->ic,
                      .ih = b->h,
                      .iw = b->w,
                      .oc = b->oc,
                      .kh = b->k,
                      .kw = b->k,
                      .stride_h = b->stride,
                      .stride_w = b->stride,
                      .dilation_h = 1,
                      .dilation_w = 1,
                      .pad_top = pad,
                      .pad_left = pad,
                      .group = b->group,
                      .plain_in = b->plain,
                      .step_h = 1,
                      .step_w = 1,
                      .alpha = 0,
                      .beta = 6,
                      .scale = 1};
    s.oh = s.y_h = test_extent(s.ih, 2 * pad, s.kh, 1, s.stride_h);
    s.ow = s.y_w = test_extent(s.iw, 2 * pad, s.kw, 1, s.stride_w);
    sn_conv_table t;
    sn_conv_table_init(&t, level);
    sn_conv cv;
    sn_conv_plan(&s, &t.limits, &cv);
    size_t in = (size_t)cv.x_image, out = (size_t)cv.y_image, n_w = sn_conv_weights_size(&cv),
           n_b = sn_conv_bias_size(&cv);
    size_t total = (in + out + n_w + n_b + 64) * sizeof(float);
    float *mem = aligned_alloc(64, (total + 63) / 64 * 64);
    if (!mem)
        test_die("out of memory");
    for (size_t i = 0; i < in + out + n_w + n_b; i++)
        mem[i] = test_value();
    float *x = mem, *w = x + (in + 15) / 16 * 16, *bias = w + n_w, *y = bias + n_b;
    void *scratch = aligned_alloc(64, sn_conv_scratch_bytes(&cv, 1) + 64);
    if (!scratch)
        test_die("out of memory");
    sn_conv_io io = {x, w, bias, NULL, y, scratch};
    double best = 1e9;
    for (int i = 0; i < 25; i++) {
        uint64_t t0 = sn_now_ns();
        sn_conv_kernel(&t, &cv)(&cv, &io, 0, 1);
        double ns = (double)(sn_now_ns() - t0);
        best = ns < best ? ns : best;
    }
    printf("%-8s %-26s %9.1f us %7.1f GFLOP/s  tile %" PRId64 "x%" PRId64 " band %" PRId64 "/%" PRId64 " chunk %" PRId64
           "\n",
           sn_cpu_level_name(level), b->name, best / 1e3, cv.flops / best, cv.tile_base + (cv.tile_more > 0),
           cv.bundle_base + (cv.bundle_more > 0), cv.band_tiles, cv.n_tile, cv.chunk);
    free(mem);
    free(scratch);
}

int main(int argc, char **argv)
{
    sn_cpu_level lowest = SN_CPU_REF, highest = levels_highest_f32();
    const char *bench = NULL;
    int64_t repeat = 400;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            test_seed = strtoull(argv[++i], NULL, 0);
        else if (strcmp(argv[i], "--repeat") == 0 && i + 1 < argc)
            repeat = strtoll(argv[++i], NULL, 0);
        else if (strcmp(argv[i], "--level") == 0 && i + 1 < argc) {
            if (sn_cpu_level_parse(argv[++i], &lowest) != SETSUNA_OK || lowest > highest)
                test_die("no such level here");
            highest = lowest;
        } else if (strcmp(argv[i], "--bench") == 0)
            bench = i + 1 < argc ? argv[++i] : "";
        else
            test_die("usage: kernel_conv [--seed N] [--repeat N] [--level NAME] [--bench [TEXT]]");
    }
    if (bench) {
        for (size_t i = 0; i < sizeof bench_shapes / sizeof bench_shapes[0]; i++)
            if (strstr(bench_shapes[i].name, bench))
                bench_run(&bench_shapes[i], highest);
        return 0;
    }
    printf("seed %" PRIu64 "\n", test_seed);
    for (size_t i = 0; i < sizeof test_fixed / sizeof test_fixed[0]; i++) {
        test_case c = test_case_fixed(i);
        test_case_run(&c, lowest, highest);
    }
    for (int64_t i = 0; i < repeat; i++) {
        test_case c = test_case_random();
        test_case_run(&c, lowest, highest);
        for (sn_cpu_level level = lowest; level <= highest; level++)
            test_reorder(level), test_join(level);
    }
    printf(test_failures ? "%d failures\n" : "all right\n", test_failures);
    return test_failures != 0;
}
