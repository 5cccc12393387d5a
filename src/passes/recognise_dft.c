/* recognise-dft: convolutions whose weights are those of a Fourier transform of windowed frames become one
 * (ops/dft_frames.c). Exporters write transforms so because convolutions are what runtimes have.
 *
 *     x [N, 1, L], W [2 bins, 1, n] const ─▶ Conv ─▶ y    ⇒   x, w ─▶ setsuna.Dft(form complex) ─▶ y
 *
 *     x, R [bins, 1, n] const ─▶ Conv ─▶ re               ⇒   x, w ─▶ setsuna.Dft(form complex) ─▶ Slice ─▶ re
 *     x, I [bins, 1, n] const ─▶ Conv ─▶ im                                                  └──▶ Slice ─▶ im
 *
 * without padding, dilation or bias, and with n a power of two. Row k of R, and of the first half of W, is
 * w[j] cos(2 pi j k / n), of I and the second half s w[j] sin(2 pi j k / n) with one sign s. The window w is row 0 of
 * the former. Every weight is checked: it may differ by three roundings (of the window, the cosine and their product),
 * 3 u |w[j]|. So a result changes by no more than 3 u sum |w x| on that account; what differs by more stays a
 * convolution.
 */
#include "passes/pass.h"
#include "passes/rewrite.h"
#include <math.h>
#include <string.h>

/* n that setsuna.Dft takes; and how many convolutions of a graph are looked at: every pair of them may have to be
 * compared, weight by weight. */
enum { DFT_POINTS_MIN = 64, DFT_POINTS_MAX = 1 << 14, DFT_CONVS_MAX = 16 };

/* A convolution that may be a transform. */
typedef struct dft_conv {
    uint32_t node, x;
    const sn_const *w;
    int64_t rows, n, hop;
} dft_conv;

typedef struct dft_weights {
    double *cosine;      /* [n] cos(2 pi j / n) */
    float *window, *row; /* [n] */
    int64_t bins;
    int64_t sign; /* 0: there are no sines yet */
} dft_weights;

/* ---- which convolutions ------------------------------------------------------------------------------ */

/* An attribute that is absent, or a list of this number. */
static bool dft_ints_are(const sn_node *n, const char *name, int64_t want)
{
    const int64_t *v = NULL;
    size_t count = sn_node_ints(n, name, &v);
    for (size_t i = 0; i < count; i++)
        if (v[i] != want)
            return false;
    return true;
}

static bool dft_conv_match(const sn_graph *g, size_t index, dft_conv *c)
{
    const sn_node *n = &g->node[index];
    const int64_t *stride = NULL;
    if (!sn_node_is(n, "", "Conv") || n->n_in < 2 || n->n_out != 1 || sn_node_in(n, 2) != SN_NONE ||
        !sn_rewrite_is_f32(g, n->in[0]))
        return false;
    const char *pad = sn_node_string(n, "auto_pad", "NOTSET");
    *c = (dft_conv){.node = (uint32_t)index, .x = n->in[0], .w = sn_graph_const(g, n->in[1]), .hop = 1};
    const setsuna_shape *x = &g->value[n->in[0]].shape;
    if (!c->w || c->w->t.dtype != SETSUNA_F32 || c->w->t.shape.rank != 3 || x->rank != 3 || x->dim[1] != 1 ||
        c->w->t.shape.dim[1] != 1 || (strcmp(pad, "NOTSET") != 0 && strcmp(pad, "VALID") != 0) ||
        !dft_ints_are(n, "pads", 0) || !dft_ints_are(n, "dilations", 1) || sn_node_int(n, "group", 1) != 1)
        return false;
    if (sn_node_ints(n, "strides", &stride) == 1)
        c->hop = stride[0];
    c->rows = c->w->t.shape.dim[0];
    c->n = c->w->t.shape.dim[2];
    /* With fewer bins a convolution has less to do. */
    return c->hop >= 1 && c->n >= DFT_POINTS_MIN && c->n <= DFT_POINTS_MAX && (c->n & (c->n - 1)) == 0 &&
           c->rows >= c->n / 8 && c->rows <= c->n + 2 && x->dim[2] >= c->n;
}

/* ---- what the weights are ------------------------------------------------------------------------------ */

static setsuna_status dft_read_row(const dft_conv *c, int64_t row, float *out, const sn_pass_ctx *ctx)
{
    size_t bytes = (size_t)c->n * sizeof *out;
    return sn_const_read_part(c->w, (size_t)row * bytes, bytes, out, ctx->err);
}

/* The row is the window times cosines of k turns, or times sign sines. */
static bool dft_row_is(const dft_weights *d, int64_t n, int64_t k, int64_t sign)
{
    for (int64_t j = 0; j < n; j++) { /* n is a power of two: & is a remainder */
        double root = sign ? (double)sign * d->cosine[(j * k + n - n / 4) & (n - 1)] : d->cosine[j * k & (n - 1)];
        double w = (double)d->window[j];
        if (!(fabs((double)d->row[j] - w * root) <= 3.01 * 0x1p-24 * fabs(w))) /* not with NaN */
            return false;
    }
    return true;
}

/* Rows [first, first + bins) are cosines, or sines where sign is given. */
static setsuna_status dft_block_is(const dft_weights *d, const dft_conv *c, int64_t first, int64_t sign,
                                   const sn_pass_ctx *ctx, bool *yes)
{
    *yes = true;
    for (int64_t k = 0; k < d->bins && *yes; k++) {
        SN_TRY(dft_read_row(c, first + k, d->row, ctx));
        *yes = dft_row_is(d, c->n, k, sign);
    }
    return SETSUNA_OK;
}

/* Rows [first, first + bins) are sines of either sign: *sign, or 0. */
static setsuna_status dft_find_sines(const dft_weights *d, const dft_conv *c, int64_t first, const sn_pass_ctx *ctx,
                                     int64_t *sign)
{
    bool yes = false;
    for (*sign = -1; !yes && *sign <= 1; *sign += 2)
        SN_TRY(dft_block_is(d, c, first, *sign, ctx, &yes));
    *sign = yes ? *sign - 2 : 0;
    return SETSUNA_OK;
}

/* c's weights begin with cosines: d->bins of them, followed by as many sines if d->sign is set then. */
static setsuna_status dft_read(dft_weights *d, const dft_conv *c, const sn_pass_ctx *ctx, bool *yes)
{
    for (int64_t j = 0; j < c->n; j++)
        d->cosine[j] = cos(2 * 3.14159265358979323846 * (double)j / (double)c->n);
    d->sign = 0;
    SN_TRY(dft_read_row(c, 0, d->window, ctx));
    *yes = false;
    for (int64_t j = 0; j < c->n; j++)
        *yes |= d->window[j] != 0;
    d->bins = (c->rows + 1) / 2;
    if (*yes)
        SN_TRY(dft_block_is(d, c, 0, 0, ctx, yes));
    if (!*yes)
        return SETSUNA_OK;
    if (c->rows % 2 == 0)
        SN_TRY(dft_find_sines(d, c, d->bins, ctx, &d->sign));
    if (d->sign)
        return SETSUNA_OK;
    d->bins = c->rows;
    *yes = d->bins <= c->n / 2 + 1;
    return *yes ? dft_block_is(d, c, 0, 0, ctx, yes) : SETSUNA_OK;
}

/* ---- rewriting ------------------------------------------------------------------------------------------- */

/* The node becomes a transform of its input. */
static setsuna_status dft_become(sn_graph *g, const dft_conv *c, const dft_weights *d)
{
    float *copy = sn_arena_array(g->arena, (size_t)c->n, sizeof *copy);
    if (!copy)
        return SETSUNA_ENOMEM;
    memcpy(copy, d->window, (size_t)c->n * sizeof *copy);
    uint32_t w = sn_rewrite_const(g, SETSUNA_F32, &(setsuna_shape){1, {c->n}}, copy);
    sn_node *n = &g->node[c->node];
    sn_node_become(n, "Dft");
    n->attr = NULL;
    n->n_attr = 0;
    n->n_in = n->n_formal = 1;
    return w != SN_NONE && sn_node_set_in(g, n, 1, w) && sn_node_add_int(g, n, "hop", c->hop) &&
                   sn_node_add_int(g, n, "bins", d->bins) && sn_node_add_int(g, n, "sign", d->sign) &&
                   sn_node_add_string(g, n, "form", "complex")
               ? SETSUNA_OK
               : SETSUNA_ENOMEM;
}

/* y is rows [first, first + count) of x. */
static setsuna_status dft_add_slice(sn_graph *g, uint32_t x, uint32_t y, int64_t first, int64_t count)
{
    uint32_t in[] = {x, sn_rewrite_const_i64(g, &first, 1), sn_rewrite_const_i64(g, &(int64_t){first + count}, 1),
                     sn_rewrite_const_i64(g, &(int64_t){1}, 1)};
    if (in[1] == SN_NONE || in[2] == SN_NONE || in[3] == SN_NONE)
        return SETSUNA_ENOMEM;
    return sn_graph_add_node(g, "", "Slice", 13, g->value[y].name, in, 4, &y, 1) ? SETSUNA_OK : SETSUNA_ENOMEM;
}

static setsuna_status dft_become_pair(sn_graph *g, const dft_conv *re, const dft_conv *im, const dft_weights *d)
{
    uint32_t both = sn_graph_add_value(g, g->value[g->node[re->node].out[0]].name, SETSUNA_F32);
    uint32_t re_out = g->node[re->node].out[0], im_out = g->node[im->node].out[0];
    if (both == SN_NONE)
        return SETSUNA_ENOMEM;
    SN_TRY(dft_become(g, re, d));
    g->node[re->node].out[0] = both;
    g->node[im->node].dead = true;
    SN_TRY(dft_add_slice(g, both, re_out, 0, d->bins));
    return dft_add_slice(g, both, im_out, d->bins, d->bins);
}

/* The convolution in list whose weights are the sines to c's cosines; NULL: there is none. */
static setsuna_status dft_find_partner(sn_graph *g, const dft_conv *c, dft_weights *d, const dft_conv *list,
                                       size_t n_list, const sn_pass_ctx *ctx, const dft_conv **out)
{
    *out = NULL;
    for (size_t i = 0; i < n_list && !*out; i++) {
        const dft_conv *o = &list[i];
        if (o->node == c->node || o->x != c->x || o->rows != c->rows || o->n != c->n || o->hop != c->hop ||
            !sn_node_is(&g->node[o->node], "", "Conv"))
            continue;
        SN_TRY(dft_find_sines(d, o, 0, ctx, &d->sign));
        *out = d->sign ? o : NULL;
    }
    return SETSUNA_OK;
}

static setsuna_status dft_rewrite(sn_graph *g, dft_weights *d, const dft_conv *c, const dft_conv *list, size_t n_list,
                                  const sn_pass_ctx *ctx, bool *changed)
{
    const dft_conv *partner = NULL;
    bool yes;
    SN_TRY(dft_read(d, c, ctx, &yes));
    if (yes && !d->sign)
        SN_TRY(dft_find_partner(g, c, d, list, n_list, ctx, &partner));
    if (!yes || !d->sign)
        return SETSUNA_OK;
    *changed = true;
    return partner ? dft_become_pair(g, c, partner, d) : dft_become(g, c, d);
}

static setsuna_status recognise_dft_run(sn_graph *g, const sn_pass_ctx *ctx, bool *changed)
{
    dft_conv list[DFT_CONVS_MAX];
    size_t n_list = 0, most = 0;
    for (size_t i = 0; i < g->n_node && n_list < DFT_CONVS_MAX; i++)
        if (dft_conv_match(g, i, &list[n_list])) {
            most = (size_t)list[n_list].n > most ? (size_t)list[n_list].n : most;
            n_list++;
        }
    if (!n_list)
        return SETSUNA_OK;
    dft_weights d = {sn_arena_array(ctx->arena, most, sizeof *d.cosine),
                     sn_arena_array(ctx->arena, most, sizeof *d.window),
                     sn_arena_array(ctx->arena, most, sizeof *d.row), 0, 0};
    if (!d.cosine || !d.window || !d.row)
        return SETSUNA_ENOMEM;
    for (size_t i = 0; i < n_list; i++)
        if (sn_node_is(&g->node[list[i].node], "", "Conv")) /* it may have been another's partner */
            SN_TRY(dft_rewrite(g, &d, &list[i], list, n_list, ctx, changed));
    return SETSUNA_OK;
}

const sn_pass sn_pass_recognise_dft = {"recognise-dft", recognise_dft_run};
