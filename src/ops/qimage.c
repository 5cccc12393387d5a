/* Between images as models have them, [N, C, H, W], and channels-last images of unsigned bytes, [N, H, W, C].
 *
 *     setsuna.QuantizeImage     f32 [N, C, H, W] to u8 [N, H, W, C]: saturate(round(X / scale) + zero)
 *     setsuna.DequantizeImage   u8 [N, H, W, C] to f32 [N, C, H, W]: (X - zero) scale
 *     setsuna.ToChannelsLast    u8 or i8 [N, C, H, W] to u8 [N, H, W, C]; signed bytes gain 128
 *     setsuna.FromChannelsLast  u8 [N, H, W, C] to [N, C, H, W] of type `to`; signed bytes lose 128
 */
#include "base/checked.h"
#include "kernels/qlinear.h"
#include "kernels/qpoint.h"
#include "kernels/transpose.h"
#include "ops/op.h"
#include "ops/parts.h"
#include <math.h>
#include <string.h>

/* Bytes that are turned at once: they stay in the first-level cache. */
enum { QIMAGE_CHUNK_BYTES = 16 << 10, QIMAGE_CHUNK_LEAST = 64 };

enum { QIMAGE_TILE = 16 }; /* channels from which on images are turned by transposing tiles */

typedef struct qimage_param {
    sn_qpoint_table table;
    sn_transpose_fn *transpose;
    sn_qlinear_fn *quantize;
    int64_t n, c, px;
    int64_t chunk; /* pixels that are turned at once */
    float scale;
    uint8_t zero, flip; /* flip: 0 or 128, the bit that changes signedness */
    size_t part_bytes;
} qimage_param;

typedef struct qimage_call {
    const qimage_param *p;
    const void *x;
    void *y;
    char *scratch;
} qimage_call;

/* Chunks of pixels of all images. */
static void qimage_chunk(const qimage_param *p, int64_t i, int64_t *image, int64_t *from, int64_t *n)
{
    int64_t chunks = (p->px + p->chunk - 1) / p->chunk;
    *image = i / chunks;
    *from = i % chunks * p->chunk;
    *n = p->px - *from < p->chunk ? p->px - *from : p->chunk;
}

static void qimage_range(const qimage_param *p, uint32_t part, uint32_t n_parts, int64_t *begin, int64_t *end)
{
    sn_pool_range(p->n * ((p->px + p->chunk - 1) / p->chunk), 1, part, n_parts, begin, end);
}

/* n pixels of planes `pitch` apart, channels last. */
static void qimage_turn(const qimage_param *p, uint8_t *y, const uint8_t *planes, int64_t pitch, int64_t n)
{
    if (p->c < QIMAGE_TILE)
        p->table.gather(y, planes, pitch, p->c, n);
    else
        p->transpose(y, p->c, planes, pitch, p->c, n);
}

static void quantize_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const qimage_call *q = arg;
    const qimage_param *p = q->p;
    uint8_t *planes = (uint8_t *)q->scratch + part * p->part_bytes;
    int64_t i, end, image, from, n;
    for (qimage_range(p, part, n_parts, &i, &end); i < end; i++) {
        qimage_chunk(p, i, &image, &from, &n);
        for (int64_t c = 0; c < p->c; c++)
            p->quantize(planes + c * p->chunk, (const float *)q->x + (image * p->c + c) * p->px + from, &p->scale,
                        &p->zero, 0, n);
        qimage_turn(p, (uint8_t *)q->y + (image * p->px + from) * p->c, planes, p->chunk, n);
    }
}

static void to_last_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const qimage_call *q = arg;
    const qimage_param *p = q->p;
    int64_t i, end, image, from, n;
    for (qimage_range(p, part, n_parts, &i, &end); i < end; i++) {
        qimage_chunk(p, i, &image, &from, &n);
        uint8_t *y = (uint8_t *)q->y + (image * p->px + from) * p->c;
        qimage_turn(p, y, (const uint8_t *)q->x + image * p->c * p->px + from, p->px, n);
        for (int64_t k = 0; p->flip && k < n * p->c; k++)
            y[k] ^= p->flip;
    }
}

static void from_last_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const qimage_call *q = arg;
    const qimage_param *p = q->p;
    int64_t i, end, image, from, n;
    for (qimage_range(p, part, n_parts, &i, &end); i < end; i++) {
        qimage_chunk(p, i, &image, &from, &n);
        const uint8_t *x = (const uint8_t *)q->x + (image * p->px + from) * p->c;
        uint8_t *y = (uint8_t *)q->y + image * p->c * p->px + from;
        p->transpose(y, p->px, x, p->c, n, p->c);
        for (int64_t c = 0; p->flip && c < p->c; c++)
            for (int64_t k = 0; k < n; k++)
                y[c * p->px + k] ^= p->flip;
    }
}

static void dequantize_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const qimage_call *q = arg;
    const qimage_param *p = q->p;
    int64_t i, end, image, from, n;
    for (qimage_range(p, part, n_parts, &i, &end); i < end; i++) {
        qimage_chunk(p, i, &image, &from, &n);
        const uint8_t *x = (const uint8_t *)q->x + (image * p->px + from) * p->c;
        float *y = (float *)q->y + image * p->c * p->px + from;
        for (int64_t c = 0; c < p->c; c++)
            for (int64_t k = 0; k < n; k++)
                y[c * p->px + k] = (float)(x[k * p->c + c] - p->zero) * p->scale;
    }
}

static setsuna_status qimage_go(const sn_step *s, sn_run *r, sn_pool_fn *part)
{
    qimage_call q = {s->param, sn_in(s, r, 0), sn_out(s, r, 0), r->scratch};
    if (q.p->n && q.p->c && q.p->px)
        sn_run_parallel(s, r, part, &q);
    return SETSUNA_OK;
}

static setsuna_status qimage_run_quantize(const sn_step *s, sn_run *r)
{
    return qimage_go(s, r, quantize_part);
}

static setsuna_status qimage_run_dequantize(const sn_step *s, sn_run *r)
{
    return qimage_go(s, r, dequantize_part);
}

static setsuna_status qimage_run_to_last(const sn_step *s, sn_run *r)
{
    return qimage_go(s, r, to_last_part);
}

static setsuna_status qimage_run_from_last(const sn_step *s, sn_run *r)
{
    return qimage_go(s, r, from_last_part);
}

/* ---- plan time ----------------------------------------------------------------------------------- */

typedef struct qimage_kind {
    const char *op, *in;
    bool to_last;
    sn_step_fn *run;
} qimage_kind;

static const qimage_kind *qimage_kind_of(const sn_node *n)
{
    static const qimage_kind kinds[] = {{"DequantizeImage", "u8", false, qimage_run_dequantize},
                                        {"FromChannelsLast", "u8", false, qimage_run_from_last},
                                        {"QuantizeImage", "f32", true, qimage_run_quantize},
                                        {"ToChannelsLast", "u8 i8", true, qimage_run_to_last}};
    size_t i = 0;
    while (strcmp(kinds[i].op, n->op) != 0)
        i++;
    return &kinds[i];
}

static setsuna_status qimage_infer(sn_op_ctx *c)
{
    const qimage_kind *kind = qimage_kind_of(c->node);
    const setsuna_shape *x = &c->in[0].shape;
    int64_t to = sn_node_int(c->node, "to", SETSUNA_U8), zero = sn_node_int(c->node, "zero", 0);
    float scale = sn_node_float(c->node, "scale", 1);
    SN_TRY(sn_op_want(c, 0, kind->in));
    if (x->rank != 4)
        return sn_op_fail(c, SETSUNA_ESHAPE, "an image of rank 4 is needed");
    if ((to != SETSUNA_U8 && to != SETSUNA_I8) || zero < 0 || zero > 255 || !(scale > 0) || !(scale < INFINITY))
        return sn_op_fail(c, SETSUNA_EMODEL, "not a quantisation");
    setsuna_shape y = *x;
    y.dim[1] = x->dim[kind->to_last ? 2 : 3];
    y.dim[2] = x->dim[kind->to_last ? 3 : 1];
    y.dim[3] = x->dim[kind->to_last ? 1 : 2];
    setsuna_dtype type = kind->op[0] == 'D' ? SETSUNA_F32 : kind->op[0] == 'F' ? (setsuna_dtype)to : SETSUNA_U8;
    sn_op_out(c, 0, type, &y);
    return SETSUNA_OK;
}

static setsuna_status qimage_bind(sn_op_ctx *c, sn_step *s)
{
    const qimage_kind *kind = qimage_kind_of(c->node);
    const setsuna_shape *x = &c->in[0].shape;
    int64_t numel;
    qimage_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    if (!sn_shape_numel(x, &numel) || (kind->to_last && x->dim[1] > INT32_MAX))
        return sn_op_fail(c, SETSUNA_ELIMIT, "the image is too large");
    sn_transpose_table transpose;
    sn_qpoint_table_init(&p->table, c->cpu);
    sn_transpose_table_init(&transpose, c->cpu);
    p->transpose = transpose.x1;
    sn_qlinear_kernel quantize = sn_qlinear_find(c->cpu, SETSUNA_F32, SETSUNA_U8);
    p->quantize = quantize.fn;
    p->n = x->dim[0];
    p->c = x->dim[kind->to_last ? 1 : 3];
    p->px = numel ? kind->to_last ? x->dim[2] * x->dim[3] : x->dim[1] * x->dim[2] : 0;
    p->chunk = QIMAGE_CHUNK_BYTES / (p->c > 0 ? p->c : 1) & -(int64_t)QIMAGE_CHUNK_LEAST;
    p->chunk = p->chunk < QIMAGE_CHUNK_LEAST ? QIMAGE_CHUNK_LEAST : p->chunk;
    p->scale = sn_node_float(c->node, "scale", 1);
    p->zero = (uint8_t)sn_node_int(c->node, "zero", 0);
    p->flip = c->in[0].dtype == SETSUNA_I8 || c->out[0].dtype == SETSUNA_I8 ? 0x80 : 0;
    s->param = p;
    s->run = kind->run;
    s->kernel = kind->to_last ? p->table.gather_name : "sn_qimage_plain";
    s->bytes = (double)numel * (double)(setsuna_dtype_size(c->in[0].dtype) + setsuna_dtype_size(c->out[0].dtype));
    s->n_parts = sn_parts_for(c, 0, s->bytes);
    if (kind->run == qimage_run_quantize) {
        p->part_bytes = (size_t)p->c * (size_t)p->chunk;
        if (!sn_mul_size(p->part_bytes, s->n_parts, &s->scratch_bytes))
            return sn_op_fail(c, SETSUNA_ELIMIT, "it needs too much memory");
    }
    return SETSUNA_OK;
}

const sn_op sn_ops_qimage[] = {
    {"setsuna", "DequantizeImage", 1, 0, 1, 1, 1, 1, 0, "scale:f zero:i", qimage_infer, qimage_bind},
    {"setsuna", "FromChannelsLast", 1, 0, 1, 1, 1, 1, 0, "to:i", qimage_infer, qimage_bind},
    {"setsuna", "QuantizeImage", 1, 0, 1, 1, 1, 1, 0, "scale:f zero:i", qimage_infer, qimage_bind},
    {"setsuna", "ToChannelsLast", 1, 0, 1, 1, 1, 1, 0, "", qimage_infer, qimage_bind},
    {.name = NULL},
};
