/* setsuna.Concat: images in blocks of channels, one after the other along the channels (kernels/conv.h).
 *
 *     X0 [N, ceil(C0/b), spatial..., b], X1 [N, ceil(C1/b), ...], ...  ->  Y [N, ceil((C0 + C1 + ...)/b), spatial...,
 * b]
 *
 * attribute channels: C0, C1, ... Where these are multiples of b, ONNX Concat along axis 1 does the same.
 */
#include "base/checked.h"
#include "kernels/conv.h"
#include "ops/op.h"
#include "ops/parts.h"

enum { CONCAT_RUN_PIXELS = 256 }; /* of a unit of work */

typedef struct concat_part {
    int64_t image; /* elements of an image of the input */
    int64_t begin; /* channel of Y that its first channel is */
    int64_t channels;
} concat_part;

typedef struct concat_blocked_param {
    sn_conv_table table;
    int64_t n, px, blocks, channels; /* images, pixels of a plane, blocks and channels of Y */
    uint32_t n_part;
    concat_part part[SN_OP_IN_MAX];
} concat_blocked_param;

static setsuna_status concat_blocked_plan(sn_op_ctx *c, concat_blocked_param *p, setsuna_shape *y)
{
    const int64_t *channels;
    size_t count = sn_node_ints(c->node, "channels", &channels);
    sn_conv_table_init(&p->table, c->cpu);
    int64_t b = p->table.limits.block, numel;
    *y = c->in[0].shape;
    if (count != c->n_in || y->rank < 3)
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'channels' has %zu entries for %u inputs", count, c->n_in);
    for (uint32_t i = 0; i < c->n_in; i++) {
        SN_TRY(sn_op_want(c, i, "f32"));
        setsuna_shape want = c->in[0].shape;
        const setsuna_shape *x = &c->in[i].shape;
        if (!c->in[i].present || channels[i] < 1 || channels[i] > INT32_MAX)
            return sn_op_fail(c, SETSUNA_ESHAPE, "input %u has %lld channels", i, (long long)channels[i]);
        want.dim[1] = (channels[i] + b - 1) / b;
        if (!sn_shape_equal(x, &want) || x->dim[x->rank - 1] != b || !sn_shape_numel(x, &numel))
            return sn_op_fail(c, SETSUNA_ESHAPE, "input %u is not an image of %lld channels in blocks of %lld", i,
                              (long long)channels[i], (long long)b);
        p->part[i] = (concat_part){x->dim[0] ? numel / x->dim[0] : 0, p->channels, channels[i]};
        p->channels += channels[i]; /* 64 of less than 2^31 */
    }
    p->n_part = c->n_in;
    p->n = y->dim[0];
    p->blocks = y->dim[1] = (p->channels + b - 1) / b;
    p->px = 1;
    if (!sn_shape_numel(y, &numel))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the image is too large");
    for (int32_t i = 2; i < y->rank - 1; i++)
        if (!sn_mul_i64(p->px, y->dim[i], &p->px))
            return sn_op_fail(c, SETSUNA_ESHAPE, "the image is too large");
    return SETSUNA_OK;
}

static setsuna_status concat_blocked_infer(sn_op_ctx *c)
{
    concat_blocked_param p = {.n = 0};
    setsuna_shape y;
    SN_TRY(concat_blocked_plan(c, &p, &y));
    sn_op_out(c, 0, SETSUNA_F32, &y);
    return SETSUNA_OK;
}

typedef struct concat_blocked_call {
    const concat_blocked_param *p;
    const sn_step *s;
    const sn_run *r;
} concat_blocked_call;

/* Where the lanes of a block of Y come from. Returns the number of pieces, at most b. */
static int32_t concat_blocked_pieces(const concat_blocked_call *q, int64_t image, int64_t block, int64_t px,
                                     sn_conv_piece *piece)
{
    const concat_blocked_param *p = q->p;
    int64_t b = p->table.limits.block, at = block * b, end = at + b < p->channels ? at + b : p->channels;
    int32_t n = 0;
    for (uint32_t i = 0; i < p->n_part && at < end; i++) {
        const concat_part *k = &p->part[i];
        const float *x = (const float *)sn_in(q->s, q->r, i) + image * k->image;
        while (at < end &&
               at < k->begin + k->channels) { /* to the end of this block of x, of x, or of the block of Y */
            int64_t c = at - k->begin, stop = (c / b + 1) * b;
            stop = (stop < k->channels ? stop : k->channels) + k->begin;
            stop = stop < end ? stop : end;
            piece[n++] = (sn_conv_piece){x + (c / b * p->px + px) * b, (int32_t)(c % b), (int32_t)(at - block * b),
                                         (int32_t)(stop - at)};
            at = stop;
        }
    }
    return n;
}

static void concat_blocked_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const concat_blocked_call *q = arg;
    const concat_blocked_param *p = q->p;
    int64_t runs = (p->px + CONCAT_RUN_PIXELS - 1) / CONCAT_RUN_PIXELS, from, to, b = p->table.limits.block;
    sn_pool_range(p->n * p->blocks * runs, 1, part, n_parts, &from, &to);
    for (int64_t i = from; i < to; i++) {
        sn_conv_piece piece[16];
        int64_t px = i % runs * CONCAT_RUN_PIXELS, block = i / runs % p->blocks, image = i / runs / p->blocks;
        int64_t n_px = p->px - px < CONCAT_RUN_PIXELS ? p->px - px : CONCAT_RUN_PIXELS;
        int32_t n = concat_blocked_pieces(q, image, block, px, piece);
        float *y = (float *)sn_out(q->s, q->r, 0) + ((image * p->blocks + block) * p->px + px) * b;
        p->table.join(piece, n, (int32_t)b, n_px, y);
    }
}

static setsuna_status concat_blocked_run(const sn_step *s, sn_run *r)
{
    const concat_blocked_param *p = s->param;
    concat_blocked_call q = {p, s, r};
    if (p->n && p->px)
        sn_run_parallel(s, r, concat_blocked_part, &q);
    return SETSUNA_OK;
}

static setsuna_status concat_blocked_bind(sn_op_ctx *c, sn_step *s)
{
    concat_blocked_param *p = sn_op_param(c, sizeof *p);
    setsuna_shape y;
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(concat_blocked_plan(c, p, &y));
    s->param = p;
    s->run = concat_blocked_run;
    s->kernel = p->table.names->join;
    s->bytes = 8.0 * (double)p->n * (double)p->channels * (double)p->px;
    s->n_parts = sn_parts_for(c, 0, s->bytes);
    return SETSUNA_OK;
}

const sn_op sn_ops_concat_blocked[] = {
    {"setsuna", "Concat", 1, 0, 1, 255, 1, 1, 0, "channels:I", concat_blocked_infer, concat_blocked_bind},
    {.name = NULL},
};
