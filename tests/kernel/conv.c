/* Convolution kernels against plain sums in double (conv_case.h), in the manner of checkasm. Each case is run at every
 * level this machine has, in one part and in several, with NaN in the lanes past the last channel. */
#include "conv_case.h"

/* One run in n_parts. Returns an error text or NULL. */
static const char *conv_run_level(parity *t, const conv_case *c, const conv_data *d, sn_cpu_level level,
                                  uint32_t n_parts, char *buf, size_t cap)
{
    const sn_conv_spec *s = &c->s;
    sn_conv_table table;
    sn_conv_table_init(&table, level);
    sn_conv cv;
    if (table.limits.winograd && parity_coin(t))
        table.limits.winograd = parity_coin(t) ? SN_CONV_WINO_ALWAYS4 : SN_CONV_WINO_ALWAYS2;
    sn_conv_plan(s, &table.limits, &cv);
    if (!parity_wants(t, sn_conv_kernel_name(&table, &cv)))
        return NULL;
    int64_t b = table.limits.block, in_blocks = (s->ic + b - 1) / b, out_blocks = (s->oc + b - 1) / b;
    int64_t n_x = s->n * s->ih * s->iw * (s->plain_in ? s->ic : in_blocks * b);
    int64_t n_y = s->n * s->y_h * s->y_w * out_blocks * b, taps = s->kh * s->kw;
    bool guard = parity_coin(t);
    parity_floats x = parity_floats_make(n_x, guard), y = parity_floats_make(n_y, true);
    parity_floats r = parity_floats_make(c->residual ? n_y : 0, guard);
    parity_floats w = parity_floats_make((int64_t)sn_conv_weights_size(&cv), false);
    parity_floats bias = parity_floats_make((int64_t)sn_conv_bias_size(&cv), false);
    parity_floats scratch = parity_floats_make((int64_t)(sn_conv_scratch_bytes(&cv, n_parts) / sizeof(float)), false);
    if (s->plain_in)
        memcpy(x.data, d->x, x.n * sizeof *x.data);
    else
        conv_put_blocked(b, d->x, x.data, s->n, s->ic, s->ih * s->iw);
    if (c->residual)
        conv_put_blocked(b, d->residual, r.data, s->n, s->oc, s->y_h * s->y_w);
    memset(w.data, 0, w.n * sizeof *w.data);
    memset(bias.data, 0, bias.n * sizeof *bias.data);
    sn_conv_weights from = {d->w, d->factor, s->ic / s->group * taps, taps, 1};
    (cv.winograd ? table.pack_winograd : sn_conv_pack_weights)(&cv, &from, w.data);
    sn_conv_pack_bias(&cv, d->bias, bias.data);
    sn_conv_io io = {x.data, w.data, bias.data, c->residual ? r.data : NULL, y.data, scratch.data};
    for (uint32_t p = 0; p < n_parts; p++)
        sn_conv_kernel(&table, &cv)(&cv, &io, p, n_parts);
    const char *bad = conv_compare(c, d, cv.wino_h > cv.wino_w ? cv.wino_h : cv.wino_w, b, y.data, buf, cap);
    if (!bad && !c->residual && s->step_h == 1 && s->step_w == 1) { /* the same with the end by itself */
        sn_conv_spec end = cv.s;
        sn_conv_spec_open(&cv.s);
        for (uint32_t p = 0; p < n_parts; p++)
            sn_conv_kernel(&table, &cv)(&cv, &io, p, n_parts);
        table.finish(&end, y.data, n_y);
        bad = conv_compare(c, d, cv.wino_h > cv.wino_w ? cv.wino_h : cv.wino_w, b, y.data, buf, cap);
    }
    parity_floats *all[] = {&x, &y, &r, &w, &bias, &scratch};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (!parity_floats_done(all[i]))
            bad = "a canary was overwritten";
    return bad;
}

static void conv_run_case(parity *t, const conv_case *c)
{
    static const uint32_t parts[] = {1, 2, 3, 7};
    conv_data d = conv_data_make(t, c);
    for (sn_cpu_level level = t->lowest; level <= t->highest; level++)
        for (int i = 0; i < 2; i++) {
            char text[256], buf[256];
            uint32_t n_parts = parts[i ? parity_between(t, 1, 3) : 0];
            const char *bad = conv_run_level(t, c, &d, level, n_parts, buf, sizeof buf);
            if (!bad)
                continue;
            conv_case_text(c, text, sizeof text);
            parity_fail(t, sn_cpu_level_name(level), "%u parts, %s: %s", n_parts, text, bad);
        }
    conv_data_free(&d);
}

int main(int argc, char **argv)
{
    parity t = parity_begin("kernel_conv", 400, argc, argv);
    parity_cap_f32(&t);
    for (int i = 0; i < CONV_FIXED; i++) {
        conv_case c = conv_case_fixed(i);
        conv_run_case(&t, &c);
    }
    for (int64_t i = 0; i < t.repeat; i++) {
        conv_case c = conv_case_random(&t);
        conv_run_case(&t, &c);
    }
    return parity_end(&t);
}
