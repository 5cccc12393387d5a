/* Convolution kernels in bf16 against sums of the rounded operands in double (conv_case.h). Images are blocked as
 * floats and narrowed then: canaries are NaN in both. */
#include "base/precision.h"
#include "kernels/bf16.h"
#include "kernels/conv_bf16.h"
#include "conv_case.h"

static const uint16_t conv_canary16 = 0x7fd5; /* a NaN that no arithmetic makes */

/* The sum's slack and that of a rounded residual and a rounded output: 2^-8 of their size each, and less than 2^-126
 * where they are subnormal. An activation's slope is at most 1.5 (hard-swish, where it is steepest). */
static double *conv_bf16_slack(const conv_case *c, const conv_data *d, bool residual, bool output)
{
    const sn_conv_spec *s = &c->s;
    int64_t n = s->n * s->oc * s->y_h * s->y_w;
    double *slack = conv_alloc((size_t)n, sizeof *slack), slope = s->residual_last ? 1 : 1.5 * fabs((double)s->scale);
    for (int64_t i = 0; i < n; i++) {
        slack[i] = d->slack[i];
        if (slack[i] < 0)
            continue;
        if (residual)
            slack[i] += slope * (fabs((double)d->residual[i]) * 0x1p-8 + 0x1p-126);
        if (output && sn_conv_act_is_costly(s->act)) /* approximate ones, kernels/conv_bf16.h */
            slack[i] += (fabs(d->want[i]) + fabs((double)s->shift) + (c->residual ? fabs((double)d->residual[i]) : 0)) *
                        0x1p-12;
        if (output)
            slack[i] += (fabs(d->want[i]) + slack[i]) * 0x1p-8 + 0x1p-126;
    }
    return slack;
}

typedef struct conv_bf16_run {
    const conv_case *c;
    const conv_data *d;
    sn_conv_bf16_kernel kernel;
    sn_conv conv;
    int64_t block;
    parity_floats x, r, r16, w, bias; /* in x and r16, two bf16 to a float */
} conv_bf16_run;

static uint16_t *conv_halves(const parity_floats *f)
{
    return (uint16_t *)(void *)f->data;
}

/* n blocked floats as bf16. */
static void conv_narrow(const float *from, size_t n, parity_floats *to)
{
    for (size_t i = 0; i < n; i++)
        conv_halves(to)[i] = sn_bf16_from_f32(from[i]);
}

static void conv_bf16_put_image(parity *t, conv_bf16_run *q)
{
    const sn_conv_spec *s = &q->c->s;
    int64_t px = s->ih * s->iw, in_blocks = (s->ic + q->block - 1) / q->block;
    if (s->plain_in) {
        q->x = parity_floats_make(s->n * q->conv.x_image, parity_coin(t));
        for (int64_t i = 0; i < s->n; i++)
            q->kernel.pixels(q->d->x + i * s->ic * px, px, s->ic, px,
                             (uint32_t *)(void *)q->x.data + i * q->conv.x_image);
        return;
    }
    parity_floats wide = parity_floats_make(s->n * px * in_blocks * q->block, false);
    conv_put_blocked(q->block, q->d->x, wide.data, s->n, s->ic, px);
    q->x = parity_floats_make((int64_t)wide.n / 2, parity_coin(t));
    conv_narrow(wide.data, wide.n, &q->x);
    parity_floats_done(&wide);
}

static void conv_bf16_put(parity *t, conv_bf16_run *q, int64_t n_y)
{
    const sn_conv_spec *s = &q->c->s;
    int64_t taps = s->kh * s->kw;
    conv_bf16_put_image(t, q);
    q->r = parity_floats_make(q->c->residual ? n_y : 0, false);
    q->r16 = parity_floats_make((int64_t)q->r.n / 2, false);
    q->w = parity_floats_make((int64_t)sn_conv_weights_size(&q->conv), false);
    q->bias = parity_floats_make((int64_t)sn_conv_bias_size(&q->conv), false);
    if (q->c->residual)
        conv_put_blocked(q->block, q->d->residual, q->r.data, s->n, s->oc, s->y_h * s->y_w);
    conv_narrow(q->r.data, q->r.n, &q->r16);
    memset(q->w.data, 0, q->w.n * sizeof *q->w.data);
    memset(q->bias.data, 0, q->bias.n * sizeof *q->bias.data);
    sn_conv_weights from = {q->d->w, q->d->factor, s->ic / s->group * taps, taps, 1};
    sn_conv_bf16_pack_weights(&q->conv, s->ic / s->group, &from, (uint32_t *)(void *)q->w.data);
    sn_conv_pack_bias(&q->conv, q->d->bias, q->bias.data);
}

/* With a residual and a result of these types. Returns an error text or NULL. */
static const char *conv_bf16_run_form(conv_bf16_run *q, int64_t n_y, bool narrow_r, bool narrow_y, uint32_t n_parts,
                                      char *buf, size_t cap)
{
    const void *residual = !q->c->residual ? NULL : narrow_r ? (void *)q->r16.data : q->r.data;
    parity_floats y = parity_floats_make(narrow_y ? n_y / 2 : n_y, true), got = parity_floats_make(n_y, false);
    for (int64_t i = 0; narrow_y && i < n_y; i++)
        conv_halves(&y)[i] = conv_canary16;
    const uint32_t *w = (const uint32_t *)(const void *)q->w.data;
    sn_conv_bf16_io io = {conv_halves(&q->x), w, q->bias.data, residual, y.data, narrow_r, narrow_y};
    for (uint32_t p = 0; p < n_parts; p++)
        q->kernel.fn(&q->conv, &io, p, n_parts);
    for (int64_t i = 0; i < n_y; i++)
        if (!narrow_y)
            got.data[i] = y.data[i];
        else if (conv_halves(&y)[i] != conv_canary16)
            got.data[i] = sn_bf16_to_f32(conv_halves(&y)[i]);
    conv_data d = *q->d;
    d.slack = conv_bf16_slack(q->c, q->d, narrow_r, narrow_y);
    const char *bad = conv_compare(q->c, &d, 0, q->block, got.data, buf, cap);
    free(d.slack);
    parity_floats_done(&got);
    return parity_floats_done(&y) ? bad : "wrote outside of the result";
}

static void conv_bf16_run_level(parity *t, const conv_case *c, const conv_data *d, sn_cpu_level level, uint32_t n_parts)
{
    sn_conv_table table;
    sn_conv_table_init(&table, level);
    const sn_conv_spec *s = &c->s;
    conv_bf16_run q = {.c = c, .d = d, .kernel = sn_conv_bf16_find(level), .block = table.limits.block};
    if (!parity_wants(t, q.kernel.name))
        return;
    sn_conv_bf16_plan(s, &table.limits, &q.conv);
    int64_t n_y = s->n * s->y_h * s->y_w * ((s->oc + q.block - 1) / q.block) * q.block;
    conv_bf16_put(t, &q, n_y);
    const char *bad = NULL;
    char text[256], buf[256];
    for (int form = 0; form < (c->residual ? 4 : 2) && !bad; form++)
        bad = conv_bf16_run_form(&q, n_y, form & 2, form & 1, n_parts, buf, sizeof buf);
    parity_floats *all[] = {&q.x, &q.r, &q.r16, &q.w, &q.bias};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (!parity_floats_done(all[i]))
            bad = "a canary was overwritten";
    if (bad) {
        conv_case_text(c, text, sizeof text);
        parity_fail(t, q.kernel.name, "%u parts, %s: %s", n_parts, text, bad);
    }
}

static void conv_bf16_run_case(parity *t, const conv_case *c)
{
    conv_data d = conv_data_make(t, c);
    for (sn_cpu_level level = t->lowest; level <= t->highest; level++) {
        sn_conv_table table;
        sn_conv_table_init(&table, level);
        if (!sn_precision_supported(SN_PRECISION_BF16, level) || !sn_conv_bf16_can(&c->s, table.limits.block))
            continue;
        conv_bf16_run_level(t, c, &d, level, 1);
        conv_bf16_run_level(t, c, &d, level, 3);
    }
    conv_data_free(&d);
}

int main(int argc, char **argv)
{
    parity t = parity_begin("kernel_conv_bf16", 400, argc, argv);
    for (int64_t i = -CONV_FIXED; i < t.repeat; i++) {
        conv_case c = i < 0 ? conv_case_fixed((int)(i + CONV_FIXED)) : conv_case_random(&t);
        c.bf16 = true;
        if (!sn_conv_is_depthwise(&c.s))
            conv_bf16_run_case(&t, &c);
    }
    return parity_end(&t);
}
