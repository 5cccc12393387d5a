/* Plain sums in double, and the shapes that the kernels are tried with. */
#include "conv_case.h"
#include "kernels/bf16.h"
#include "wino_bound.h"

void *conv_alloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    if (!p)
        parity_die("out of memory");
    return p;
}

static float *conv_values(parity *t, int64_t n)
{
    float *p = conv_alloc((size_t)n, sizeof *p);
    for (int64_t i = 0; i < n; i++)
        p[i] = parity_noise(t);
    return p;
}

static double conv_act(const sn_conv_spec *s, double v)
{
    double alpha = (double)s->alpha, beta = (double)s->beta;
    switch (s->act) {
    case SN_CONV_HARDSWISH: return v * fmin(fmax(alpha * v + beta, 0), 1);
    case SN_CONV_HARDSIGMOID: return fmin(fmax(alpha * v + beta, 0), 1);
    case SN_CONV_LEAKY: return fmax(v < 0 ? alpha * v : v, beta);
    case SN_CONV_SIGMOID: return 1 / (1 + exp(-v));
    case SN_CONV_SWISH: return v / (1 + exp(-alpha * v));
    case SN_CONV_TANH: return tanh(v);
    default: return fmin(fmax(v, alpha), beta);
    }
}

/* What the kernels multiply: in bf16 rounded operands, with the factor in the weights. */
static double conv_weight(const conv_case *c, float w, float factor)
{
    return c->bf16 ? (double)sn_bf16_to_f32(sn_bf16_from_f32(w * factor)) : (double)w * (double)factor;
}

static double conv_pixel(const conv_case *c, float x)
{
    return (double)(c->bf16 ? sn_bf16_to_f32(sn_bf16_from_f32(x)) : x);
}

/* Every activation here has a slope of at most 1.1 (alpha is at most 1 in size), and errors of its own within 8 u. */
static void conv_reference_px(const conv_case *c, conv_data *d, int64_t image, int64_t o, int64_t oy, int64_t ox)
{
    const sn_conv_spec *s = &c->s;
    int64_t gi = s->ic / s->group, first = o / (s->oc / s->group) * gi;
    double sum = c->bias ? (double)d->bias[o] : 0, size = fabs(sum);
    for (int64_t i = 0; i < gi; i++)
        for (int64_t ky = 0; ky < s->kh; ky++)
            for (int64_t kx = 0; kx < s->kw; kx++) {
                int64_t y = oy * s->stride_h - s->pad_top + ky * s->dilation_h;
                int64_t x = ox * s->stride_w - s->pad_left + kx * s->dilation_w;
                if (y < 0 || y >= s->ih || x < 0 || x >= s->iw)
                    continue;
                float factor = c->factor ? d->factor[o] : 1;
                double w = conv_weight(c, d->w[((o * gi + i) * s->kh + ky) * s->kw + kx], factor);
                double p = w * conv_pixel(c, d->x[((image * s->ic + first + i) * s->ih + y) * s->iw + x]);
                sum += p;
                size += fabs(p);
            }
    int64_t at = ((image * s->oc + o) * s->y_h + oy * s->step_h) * s->y_w + ox * s->step_w;
    double r = c->residual ? (double)d->residual[at] : 0, u = 0x1p-24;
    size += fabs(r);
    double v = conv_act(s, s->residual_last ? sum : sum + r);
    d->want[at] = v * (double)s->scale + (double)s->shift + (s->residual_last ? r : 0);
    double k = (double)(gi * s->kh * s->kw) + 4; /* + bias, residual, and the rounding of w * factor */
    d->slack[at] = 1.1 * (k + 2) * u * size * fabs((double)s->scale) +
                   10 * u * (fabs(v * (double)s->scale) + fabs((double)s->shift) + fabs(r) + fabs(d->want[at])) + 4 * u;
    if (c->bf16)
        d->slack[at] += (k + 2) * 0x1p-126;
}

/* The bound of kernels/conv_winograd.h for the pixels of a tile. */
static void conv_wino_tile(const conv_case *c, conv_data *d, int out, int64_t plane, int64_t oy, int64_t ox)
{
    const sn_conv_spec *s = &c->s;
    const int64_t image = plane / s->oc, o = plane % s->oc;
    const int in = out + 2;
    double sum[SN_WINO_PRODUCTS_MAX] = {0};
    for (int64_t i = 0; i < s->ic; i++) {
        double px[SN_WINO_PRODUCTS_MAX], g[9];
        for (int k = 0; k < in * in; k++) {
            int64_t y = oy - s->pad_top + k / in, x = ox - s->pad_left + k % in;
            bool inside = y >= 0 && y < s->ih && x >= 0 && x < s->iw;
            px[k] = inside ? (double)d->x[((image * s->ic + i) * s->ih + y) * s->iw + x] : 0;
        }
        for (int k = 0; k < 9; k++)
            g[k] = (double)d->w[(o * s->ic + i) * 9 + k] * (c->factor ? (double)d->factor[o] : 1);
        wino_bound_add(out, px, g, sum);
    }
    for (int r = 0; r < out && oy + r < s->oh; r++)
        for (int q = 0; q < out && ox + q < s->ow; q++)
            d->wino[out == 4][(plane * s->oh + oy + r) * s->ow + ox + q] =
                1.1 * fabs((double)s->scale) * wino_bound_at(out, sum, s->ic, r, q); /* 1.1: the steepest activation */
}

/* That for 4 pixels in a row, or in a column where the kernel has three rows. */
static void conv_wino_line(const conv_case *c, conv_data *d, int64_t plane, int64_t oy, int64_t ox)
{
    const sn_conv_spec *s = &c->s;
    const int64_t image = plane / s->oc, o = plane % s->oc;
    const int64_t down = s->kh == 3, right = s->kw == 3;
    double sum[SN_WINO_IN_MAX] = {0};
    for (int64_t i = 0; i < s->ic; i++) {
        double px[SN_WINO_IN_MAX], g[3];
        for (int k = 0; k < SN_WINO_IN_MAX; k++) {
            int64_t y = oy - s->pad_top + k * down, x = ox - s->pad_left + k * right;
            bool inside = y >= 0 && y < s->ih && x >= 0 && x < s->iw;
            px[k] = inside ? (double)d->x[((image * s->ic + i) * s->ih + y) * s->iw + x] : 0;
        }
        for (int k = 0; k < 3; k++)
            g[k] = (double)d->w[(o * s->ic + i) * 3 + k] * (c->factor ? (double)d->factor[o] : 1);
        wino_bound_add_line(px, g, sum);
    }
    for (int r = 0; r < SN_WINO_OUT_MAX && oy + r * down < s->oh && ox + r * right < s->ow; r++)
        d->wino[1][(plane * s->oh + oy + r * down) * s->ow + ox + r * right] =
            1.1 * fabs((double)s->scale) * wino_bound_at_line(sum, s->ic, r);
}

static void conv_wino_make(const conv_case *c, conv_data *d)
{
    const sn_conv_spec *s = &c->s;
    bool square = s->kh == 3 && s->kw == 3, line = (s->kh == 3 && s->kw == 1) || (s->kh == 1 && s->kw == 3);
    if ((!square && !line) || s->stride_h != 1 || s->stride_w != 1 || s->group != 1 || s->step_h != 1 || s->step_w != 1)
        return;
    for (int out = square ? 2 : 4; out <= 4; out += 2) {
        d->wino[out == 4] = conv_alloc((size_t)(s->n * s->oc * s->oh * s->ow), sizeof *d->wino[0]);
        for (int64_t i = 0; i < s->n * s->oc; i++)
            for (int64_t y = 0; y < s->oh; y += s->kh == 3 ? out : 1)
                for (int64_t x = 0; x < s->ow; x += s->kw == 3 ? out : 1)
                    if (square)
                        conv_wino_tile(c, d, out, i, y, x);
                    else
                        conv_wino_line(c, d, i, y, x);
    }
}

conv_data conv_data_make(parity *t, const conv_case *c)
{
    const sn_conv_spec *s = &c->s;
    int64_t n_y = s->n * s->oc * s->y_h * s->y_w;
    conv_data d = {.x = conv_values(t, s->n * s->ic * s->ih * s->iw),
                   .w = conv_values(t, s->oc * (s->ic / s->group) * s->kh * s->kw)};
    if (c->factor)
        d.factor = conv_values(t, s->oc);
    if (c->bias)
        d.bias = conv_values(t, s->oc);
    if (c->residual)
        d.residual = conv_values(t, n_y);
    d.want = conv_alloc((size_t)n_y, sizeof *d.want);
    d.slack = conv_alloc((size_t)n_y, sizeof *d.slack);
    for (int64_t i = 0; i < n_y; i++)
        d.slack[i] = -1; /* not written: pixels between the steps */
    for (int64_t n = 0; n < s->n; n++)
        for (int64_t o = 0; o < s->oc; o++)
            for (int64_t y = 0; y < s->oh; y++)
                for (int64_t x = 0; x < s->ow; x++)
                    conv_reference_px(c, &d, n, o, y, x);
    if (!c->bf16)
        conv_wino_make(c, &d);
    return d;
}

void conv_data_free(conv_data *d)
{
    free(d->x), free(d->w), free(d->factor), free(d->bias), free(d->residual), free(d->want), free(d->slack),
        free(d->wino[0]), free(d->wino[1]);
}

/* ---- tensors --------------------------------------------------------------------------------------------- */

void conv_put_blocked(int64_t b, const float *plain, float *blocked, int64_t n, int64_t c, int64_t px)
{
    int64_t blocks = (c + b - 1) / b;
    for (int64_t i = 0; i < n * c * px; i++) {
        int64_t p = i % px, ch = i / px % c, image = i / px / c;
        blocked[((image * blocks + ch / b) * px + p) * b + ch % b] = plain[i];
    }
}

void conv_case_text(const conv_case *c, char *buf, size_t cap)
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

const char *conv_compare(const conv_case *c, const conv_data *d, int64_t wino_out, int64_t b, const float *y, char *buf,
                         size_t cap)
{
    const sn_conv_spec *s = &c->s;
    const uint32_t canary = (uint32_t)parity_canary(3) << 24 | (uint32_t)parity_canary(2) << 16 |
                            (uint32_t)parity_canary(1) << 8 | parity_canary(0);
    int64_t blocks = (s->oc + b - 1) / b, px = s->y_h * s->y_w;
    for (int64_t i = 0; i < s->n * s->oc * px; i++) {
        int64_t p = i % px, ch = i / px % s->oc, image = i / px / s->oc;
        const float *got = y + ((image * blocks + ch / b) * px + p) * b + ch % b;
        double slack = d->slack[i] + (wino_out ? d->wino[wino_out == 4][i] : 0);
        bool ok = d->slack[i] < 0 ? sn_f32_bits(*got) == canary
                                  : fabs((double)*got - d->want[i]) <= slack; /* false for NaN */
        if (!ok) {
            snprintf(buf, cap, "image %" PRId64 " channel %" PRId64 " pixel %" PRId64 ": %.9g, expected %.9g +- %.2g",
                     image, ch, p, (double)*got, d->want[i], slack);
            return buf;
        }
    }
    return NULL;
}

/* ---- cases ----------------------------------------------------------------------------------------------- */

int64_t conv_extent(int64_t in, int64_t pad, int64_t k, int64_t dilation, int64_t stride)
{
    int64_t room = in + pad - (k - 1) * dilation;
    return room < 1 ? 0 : (room - 1) / stride + 1;
}

conv_case conv_case_random(parity *t)
{
    static const int64_t channels[] = {1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 40, 48, 49, 64, 80, 97};
    enum { N_CHANNELS = sizeof channels / sizeof channels[0] };
    conv_case c = {.factor = parity_random(t) % 2, .bias = parity_random(t) % 2, .residual = parity_random(t) % 3 == 0};
    sn_conv_spec *s = &c.s;
    s->n = parity_between(t, 1, 2);
    s->ic = channels[parity_random(t) % N_CHANNELS];
    s->oc = channels[parity_random(t) % N_CHANNELS];
    s->group = 1;
    switch (parity_random(t) % 5) {
    case 0: s->oc = s->group = s->ic; break; /* depthwise */
    case 1:                                  /* groups of some size */
        s->group = parity_between(t, 2, 5);
        s->ic = s->group * parity_between(t, 1, 24);
        s->oc = s->group * parity_between(t, 1, 24);
        break;
    default: break;
    }
    s->plain_in = s->ic <= 9 && s->group != s->ic && parity_random(t) % 2;
    bool pointwise = parity_random(t) % 3 == 0, wino = parity_random(t) % 4 == 0;
    int64_t line = wino ? parity_between(t, 0, 3) : 0; /* 1: 1x3, 2: 3x1 */
    s->kh = wino ? (line == 1 ? 1 : 3) : pointwise ? 1 : parity_between(t, 1, 5);
    s->kw = wino ? (line == 2 ? 1 : 3) : pointwise ? 1 : parity_between(t, 1, 7);
    s->stride_h = wino ? 1 : parity_between(t, 1, 3), s->stride_w = wino ? 1 : parity_between(t, 1, 3);
    bool point = pointwise && !wino && parity_coin(t); /* pixels one by one, often enough */
    if (point)
        s->stride_h = s->stride_w = 1;
    bool strip = s->group == s->ic && s->oc == s->ic && parity_random(t) % 4; /* what depthwise kernels are made for */
    if (strip)
        s->kw = parity_coin(t) ? 3 : 5, s->stride_w = parity_between(t, 1, 2);
    do {
        s->dilation_h = wino || parity_random(t) % 3 ? 1 : parity_between(t, 1, 4),
        s->dilation_w = wino || strip || parity_random(t) % 3 ? 1 : parity_between(t, 1, 9);
        s->ih = parity_between(t, 1, 20), s->iw = parity_random(t) % 4 ? parity_between(t, 1, 37) : 1;
        s->pad_top = parity_random(t) % 2 ? 0 : parity_between(t, 0, 6),
        s->pad_left = parity_random(t) % 2 ? 0 : parity_between(t, 0, 9);
        if (point)
            s->pad_top = s->pad_left = 0;
        s->oh = conv_extent(s->ih, s->pad_top + parity_between(t, 0, 3), s->kh, s->dilation_h, s->stride_h);
        s->ow = conv_extent(s->iw, s->pad_left + parity_between(t, 0, 3), s->kw, s->dilation_w, s->stride_w);
    } while (!s->oh || !s->ow);
    s->step_h = s->step_w = 1, s->y_h = s->oh, s->y_w = s->ow;
    if (parity_random(t) % 6 == 0) { /* a tap of a transposed convolution */
        s->step_h = parity_between(t, 1, 3), s->step_w = parity_between(t, 1, 3);
        s->y_h = s->oh * s->step_h, s->y_w = s->ow * s->step_w;
    }
    s->act = (sn_conv_act)(parity_random(t) % SN_CONV_ACTS);
    s->alpha = s->act == SN_CONV_CLAMP   ? (parity_random(t) % 2 ? -INFINITY : 0)
               : s->act == SN_CONV_LEAKY ? 0.1f
               : s->act == SN_CONV_SWISH ? (parity_random(t) % 2 ? 1 : 1.5f)
                                         : 1.0f / 6;
    s->beta = s->act == SN_CONV_CLAMP   ? (parity_random(t) % 2 ? INFINITY : 1)
              : s->act == SN_CONV_LEAKY ? (parity_random(t) % 2 ? -INFINITY : -0.2f)
                                        : 0.5f;
    s->scale = parity_random(t) % 3 ? 1 : parity_noise(t), s->shift = parity_random(t) % 3 ? 0 : parity_noise(t);
    s->residual_last = c.residual && parity_random(t) % 2;
    return c;
}

static const conv_case conv_fixed[CONV_FIXED] = {
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

conv_case conv_case_fixed(int i)
{
    conv_case c = conv_fixed[i];
    sn_conv_spec *s = &c.s;
    int64_t *ones[] = {&s->stride_h, &s->stride_w, &s->dilation_h, &s->dilation_w, &s->group, &s->step_h, &s->step_w};
    for (size_t k = 0; k < sizeof ones / sizeof ones[0]; k++)
        if (*ones[k] == 0)
            *ones[k] = 1;
    s->y_h = s->oh, s->y_w = s->ow;
    s->alpha = s->act == SN_CONV_CLAMP ? -INFINITY : 1, s->beta = INFINITY, s->scale = 1;
    return c;
}
