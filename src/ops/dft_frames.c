/* setsuna.Dft: short real frames of a signal, transformed (kernels/rdft.h).
 *
 *     X [N, 1, L], window [n] const  ->  of T = (L - n) / hop + 1 frames the bins k in [0, bins)
 *
 *     form complex    Y [N, 2 bins, T]  real parts, then imaginary parts: sum over j of w[j] x[j] exp(sign 2 pi i j k /
 * n) form power      Y [N, bins, T]    squares of their moduli form magnitude  Y [N, bins, T]    moduli
 *
 * With frames = 1 the last two have the frames first, [N, T, bins], and with block = b they make a blocked image
 * [N, ceil(bins/b), T, b], whose lanes past the last bin are not written. n is a power of two in [SN_RDFT_MIN,
 * SN_RDFT_MAX], bins at most n/2 + 1. Such a node stands for convolutions: see passes/recognise_dft.c.
 */
#include "base/checked.h"
#include "kernels/rdft.h"
#include "kernels/transpose.h"
#include "ops/op.h"
#include "ops/parts.h"
#include <string.h>

typedef enum dft_frames_form { DFT_COMPLEX, DFT_POWER, DFT_MAGNITUDE } dft_frames_form;

enum { DFT_FRAMES_BATCH = 8 }; /* frames that are taken together */

typedef struct dft_frames_param {
    sn_rdft plan;
    sn_rdft_table table;
    sn_transpose_fn *transpose;
    dft_frames_form form;
    bool backward; /* sign is 1 */
    bool by_frame; /* frames = 1 */
    int64_t block; /* 0: not blocked */
    int64_t images, length, frames, hop, bins;
    int64_t spectrum; /* floats of one frame's re or im in scratch */
    int64_t part_floats, rdft_floats;
} dft_frames_param;

static setsuna_status dft_frames_form_of(sn_op_ctx *c, dft_frames_param *p)
{
    const char *form = sn_node_string(c->node, "form", "complex");
    int64_t sign = sn_node_int(c->node, "sign", -1);
    p->form = strcmp(form, "power") == 0 ? DFT_POWER : strcmp(form, "magnitude") == 0 ? DFT_MAGNITUDE : DFT_COMPLEX;
    p->backward = sign == 1;
    p->by_frame = sn_node_int(c->node, "frames", 0) != 0;
    p->block = sn_node_int(c->node, "block", 0);
    if ((p->form == DFT_COMPLEX && (strcmp(form, "complex") != 0 || p->by_frame || p->block)) ||
        (sign != 1 && sign != -1) || p->block < 0 || p->block > INT32_MAX || (p->by_frame && p->block))
        return sn_op_fail(c, SETSUNA_EMODEL, "form '%.32s', sign %lld, block %lld", form, (long long)sign,
                          (long long)p->block);
    return SETSUNA_OK;
}

static setsuna_status dft_frames_plan(sn_op_ctx *c, dft_frames_param *p, setsuna_shape *y)
{
    const setsuna_shape *x = &c->in[0].shape, *w = &c->in[1].shape;
    SN_TRY(sn_op_want(c, 0, "f32"));
    SN_TRY(sn_op_want(c, 1, "f32"));
    SN_TRY(dft_frames_form_of(c, p));
    if (!c->in[1].cst)
        return sn_op_need(c, 1);
    int64_t n = w->rank == 1 ? w->dim[0] : 0, numel;
    p->hop = sn_node_int(c->node, "hop", 0);
    p->bins = sn_node_int(c->node, "bins", n / 2 + 1);
    if (n < SN_RDFT_MIN || n > SN_RDFT_MAX || (n & (n - 1)) || p->hop < 1 || p->bins < 1 || p->bins > n / 2 + 1 ||
        x->rank != 3 || x->dim[1] != 1 || x->dim[2] < n)
        return sn_op_fail(c, SETSUNA_ESHAPE, "%lld bins of frames of %lld points, %lld apart", (long long)p->bins,
                          (long long)n, (long long)p->hop);
    p->images = x->dim[0];
    p->length = x->dim[2];
    p->frames = (p->length - n) / p->hop + 1;
    *y = (setsuna_shape){3, {p->images, p->form == DFT_COMPLEX ? 2 * p->bins : p->bins, p->frames}};
    if (p->by_frame)
        *y = (setsuna_shape){3, {p->images, p->frames, p->bins}};
    if (p->block)
        *y = (setsuna_shape){4, {p->images, (p->bins + p->block - 1) / p->block, p->frames, p->block}};
    if (!sn_shape_numel(y, &numel) || !sn_shape_numel(x, &numel))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output is too large");
    return SETSUNA_OK;
}

static setsuna_status dft_frames_infer(sn_op_ctx *c)
{
    dft_frames_param p = {0};
    setsuna_shape y;
    SN_TRY(dft_frames_plan(c, &p, &y));
    sn_op_out(c, 0, SETSUNA_F32, &y);
    return SETSUNA_OK;
}

/* ---- run time ------------------------------------------------------------------------------------ */

typedef struct dft_frames_call {
    const dft_frames_param *p;
    const float *x;
    float *y, *scratch;
} dft_frames_call;

/* Frames [t, t + n) of an image, n <= DFT_FRAMES_BATCH, to a spectrum each, re before im. */
static void dft_frames_transform(const dft_frames_call *q, int64_t image, int64_t t, int64_t n, float *spectrum,
                                 float *scratch)
{
    const dft_frames_param *p = q->p;
    for (int64_t j = 0; j < n; j++) {
        float *re = spectrum + 2 * j * p->spectrum, *im = re + p->spectrum;
        p->table.frame(&p->plan, q->x + image * p->length + (t + j) * p->hop, re, im, scratch);
        for (int64_t k = 0; p->form == DFT_COMPLEX && p->backward && k < p->bins; k++)
            im[k] = -im[k];
    }
}

/* The moduli of those go where they belong, or in the place of re. (After all transforms: what a transform has stored
 * in pieces is read as vectors here, which has to wait for the stores.) */
static void dft_frames_moduli(const dft_frames_call *q, int64_t image, int64_t t, int64_t n, float *spectrum)
{
    const dft_frames_param *p = q->p;
    sn_rdft_power_fn *power = p->form == DFT_POWER ? p->table.power : p->table.magnitude;
    sn_rdft_rows rows = {p->bins, p->bins, p->bins};
    int64_t step = 2 * p->spectrum;
    float *y = spectrum;
    if (p->by_frame) {
        step = p->bins;
        y = q->y + (image * p->frames + t) * p->bins;
    } else if (p->block) {
        rows = (sn_rdft_rows){p->bins, p->block, p->frames * p->block};
        step = p->block;
        y = q->y + image * ((p->bins + p->block - 1) / p->block) * rows.stride + t * p->block;
    }
    for (int64_t j = 0; j < n; j++)
        power(spectrum + 2 * j * p->spectrum, spectrum + (2 * j + 1) * p->spectrum, &rows, y + j * step);
}

static void dft_frames_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const dft_frames_call *q = arg;
    const dft_frames_param *p = q->p;
    float *scratch = q->scratch + (int64_t)part * p->part_floats, *spectrum = scratch + p->rdft_floats;
    int64_t i, end, ld = 2 * p->spectrum, bins = p->bins, frames = p->frames;
    sn_rdft_prepare(&p->plan, scratch);
    sn_pool_range(p->images * frames, 1, part, n_parts, &i, &end);
    for (int64_t n; i < end; i += n) {
        int64_t image = i / frames, t = i % frames, left = frames - t < end - i ? frames - t : end - i;
        n = left < DFT_FRAMES_BATCH ? left : DFT_FRAMES_BATCH;
        dft_frames_transform(q, image, t, n, spectrum, scratch);
        if (p->form != DFT_COMPLEX)
            dft_frames_moduli(q, image, t, n, spectrum);
        if (p->by_frame || p->block)
            continue;
        float *y = q->y + image * (p->form == DFT_COMPLEX ? 2 : 1) * bins * frames + t;
        p->transpose(y, frames, spectrum, ld, n, bins);
        if (p->form == DFT_COMPLEX)
            p->transpose(y + bins * frames, frames, spectrum + p->spectrum, ld, n, bins);
    }
}

static setsuna_status dft_frames_run(const sn_step *s, sn_run *r)
{
    dft_frames_call q = {s->param, sn_in(s, r, 0), sn_out(s, r, 0), r->scratch};
    sn_run_parallel(s, r, dft_frames_part, &q);
    return SETSUNA_OK;
}

/* ---- plan time ----------------------------------------------------------------------------------- */

static setsuna_status dft_frames_bind_plan(sn_op_ctx *c, dft_frames_param *p)
{
    int32_t n = (int32_t)c->in[1].shape.dim[0];
    sn_transpose_table transpose;
    sn_transpose_table_init(&transpose, c->cpu);
    sn_rdft_table_init(&p->table, c->cpu, n);
    p->transpose = transpose.x4;
    void *table = sn_arena_alloc_wide(c->arena, sn_rdft_table_bytes(n, p->table.lanes));
    if (!table)
        return SETSUNA_ENOMEM;
    sn_rdft_plan(&p->plan, n, p->table.lanes, c->in[1].cst->t.data, table);
    c->packed |= UINT64_C(1) << 1;
    int64_t line = SN_ALIGN / (int64_t)sizeof(float);
    p->spectrum = (n / 2 + 1 + line - 1) / line * line;
    p->rdft_floats = (sn_rdft_scratch_size(n, p->table.lanes) + line - 1) / line * line;
    p->part_floats = p->rdft_floats + 2 * p->spectrum * DFT_FRAMES_BATCH;
    return SETSUNA_OK;
}

static setsuna_status dft_frames_bind(sn_op_ctx *c, sn_step *s)
{
    dft_frames_param *p = sn_op_param(c, sizeof *p);
    setsuna_shape y;
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(dft_frames_plan(c, p, &y));
    SN_TRY(dft_frames_bind_plan(c, p));
    double frames = (double)p->images * (double)p->frames, levels = 0;
    for (int32_t n = p->plan.n; n > 1; n /= 2)
        levels++;
    s->run = dft_frames_run;
    s->param = p;
    s->kernel = sn_arena_printf(c->arena, "sn_rdft_frame_%s", p->table.level);
    if (!s->kernel)
        return SETSUNA_ENOMEM;
    s->flops = frames * 2.5 * (double)p->plan.n * levels; /* the count that transforms are compared by */
    s->n_parts = sn_parts_for(c, 4 * s->flops, 0);        /* shuffles and loads take as long again, and more */
    s->scratch_bytes = (size_t)p->part_floats * sizeof(float) * s->n_parts;
    return SETSUNA_OK;
}

const sn_op sn_ops_dft_frames[] = {
    {"setsuna", "Dft", 1, 0, 2, 2, 1, 1, 0, "hop:i bins:i form:s sign:i frames:i block:i", dft_frames_infer,
     dft_frames_bind},
    {.name = NULL},
};
