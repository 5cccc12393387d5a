/* setsuna.QConv and setsuna.QGemm: products of 8-bit integers with everything around them (kernels/qgemm.h).
 *
 *     Y = clamp(round(sum over the window of (X - x_zero) (W - Z), plus B, times x_scale S / y_scale) + y_zero, lo, hi)
 *     Y = T[Y]                                                                             where there is a T
 *     Y = clamp(round((Y - y_zero) a + (R - r_zero) b) + sum_zero, sum_lo, sum_hi)         where there is an R
 *         with a = y_scale / sum_scale, b = r_scale / sum_scale; y_scale and y_zero are those of T's result
 *
 *     X  u8, QConv: channels last [N, H, W, C]; QGemm: [..., K]
 *     W  i8 or u8 constant, QConv: [M, C/group, kH, kW]; QGemm: [K, M], or [M, K] with transB
 *     S  f32 constant [1] or [M];  B  i32 constant [M];  Z  like W, constant [1] or [M];  T  u8 constant [256]
 *     R  u8 like Y
 *     Y  u8, or with attribute float f32: the sum times x_scale S, neither rounded nor clamped; or with attribute sum
 * i32
 *
 * S is needed but for sums, the others are not. Tensors of signed bytes are made unsigned ones before
 * (passes/quantised.h). What is quantised at run time has more inputs, for outputs of floats and sums:
 *
 *     X0  u8 or i8, one element: the zero point instead of x_zero; of signed bytes as they were
 *     XS  f32, one element: the scale instead of x_scale;  F  f32 constant [M]: added to floats
 */
#include "base/checked.h"
#include "base/hash.h"
#include "kernels/qdepthwise.h"
#include "kernels/qgemm.h"
#include "ops/conv_attr.h"
#include "ops/parts.h"
#include <math.h>
#include <string.h>

enum { QP_X, QP_W, QP_S, QP_B, QP_Z, QP_T, QP_R, QP_X0, QP_XS, QP_F };

/* Extents, strides and pads are below 2^31; bounds that keep every product of them within an index. */
static const int64_t qproduct_elements_max = (int64_t)1 << 40;

typedef struct qproduct_shape {
    int64_t n, ic, ih, iw, oc, oh, ow, kh, kw, sh, sw, dh, dw, top, left, group;
} qproduct_shape;

typedef struct qproduct_param {
    sn_qgemm_table table;
    sn_qdepthwise_table dw_table;
    qproduct_shape s;
    bool depthwise, staged, dynamic; /* dynamic: bias and scale are made by each run */
    sn_qgemm g; /* pointers to tensors are set by each run; of one image and group where it is staged */
    sn_qdepthwise d;
    int64_t images;          /* runs of g */
    uint8_t x_zero, x0_flip; /* x0_flip: of the zero point that is an input, the bit that changes signedness */
    const char *packed;
    size_t group_bytes; /* of packed */
    size_t at_bias, at_scale, at_b_zero, at_sum;
    size_t columns_bytes;                      /* an array over a group's columns */
    int64_t stage_h, stage_w;                  /* of the staged image */
    size_t run_bytes, stage_bytes, part_bytes; /* scratch */
    int64_t *tap;
} qproduct_param;

/* ---- plan time ----------------------------------------------------------------------------------- */

static setsuna_status qproduct_vector(sn_op_ctx *c, uint32_t i, const char *types, int64_t n, bool one)
{
    int64_t count;
    if (!sn_op_has(c, i))
        return SETSUNA_OK;
    SN_TRY(sn_op_want(c, i, types));
    if (!c->in[i].cst)
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "input %u must be a constant", i);
    if (!sn_shape_numel(&c->in[i].shape, &count) || (count != n && !(one && count == 1)))
        return sn_op_fail(c, SETSUNA_ESHAPE, "input %u must have %lld elements", i, (long long)n);
    return SETSUNA_OK;
}

/* A quantisation's numbers: the scale is finite and positive, the zero point and limits are bytes. */
static setsuna_status qproduct_attr(sn_op_ctx *c, const char *scale, const char *const bytes[3])
{
    float s = sn_node_float(c->node, scale, 1);
    if (!(s > 0) || !(s < INFINITY))
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute '%s' is not a positive number", scale);
    for (int i = 0; i < 3; i++)
        if (bytes[i] && (sn_node_int(c->node, bytes[i], 0) < 0 || sn_node_int(c->node, bytes[i], 0) > 255))
            return sn_op_fail(c, SETSUNA_EMODEL, "attribute '%s' is not a byte", bytes[i]);
    return SETSUNA_OK;
}

static setsuna_status qproduct_attrs(sn_op_ctx *c)
{
    SN_TRY(qproduct_attr(c, "x_scale", (const char *const[]){"x_zero", NULL, NULL}));
    SN_TRY(qproduct_attr(c, "y_scale", (const char *const[]){"y_zero", "lo", "hi"}));
    SN_TRY(qproduct_attr(c, "r_scale", (const char *const[]){"r_zero", NULL, NULL}));
    SN_TRY(qproduct_attr(c, "sum_scale", (const char *const[]){"sum_zero", "sum_lo", "sum_hi"}));
    return SETSUNA_OK;
}

static sn_requant_kind qproduct_kind(const sn_op_ctx *c)
{
    if (sn_node_int(c->node, "sum", 0))
        return SN_REQUANT_I32;
    return sn_node_int(c->node, "float", 0) ? SN_REQUANT_F32 : SN_REQUANT_U8;
}

/* What is known at run time only. */
static setsuna_status qproduct_dynamic(sn_op_ctx *c, int64_t oc)
{
    sn_requant_kind kind = qproduct_kind(c);
    int64_t count;
    SN_TRY(sn_op_want(c, QP_X0, "u8 i8"));
    SN_TRY(sn_op_want(c, QP_XS, "f32"));
    SN_TRY(qproduct_vector(c, QP_F, "f32", oc, false));
    for (uint32_t i = QP_X0; i <= QP_XS; i++)
        if (sn_op_has(c, i) && (!sn_shape_numel(&c->in[i].shape, &count) || count != 1))
            return sn_op_fail(c, SETSUNA_ESHAPE, "input %u must have one element", i);
    if ((sn_op_has(c, QP_X0) && kind == SN_REQUANT_U8) ||
        ((sn_op_has(c, QP_XS) || sn_op_has(c, QP_F)) && kind != SN_REQUANT_F32))
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "the output's type does not go with the inputs");
    return SETSUNA_OK;
}

static setsuna_status qproduct_operands(sn_op_ctx *c, int64_t oc, const setsuna_shape *y)
{
    SN_TRY(sn_op_want(c, QP_X, "u8"));
    SN_TRY(sn_op_want(c, QP_W, "u8 i8"));
    if (!c->in[QP_W].cst || (!sn_op_has(c, QP_S) && qproduct_kind(c) != SN_REQUANT_I32))
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "weights and their scales must be constants");
    SN_TRY(qproduct_dynamic(c, oc));
    SN_TRY(qproduct_vector(c, QP_S, "f32", oc, true));
    SN_TRY(qproduct_vector(c, QP_B, "i32", oc, false));
    SN_TRY(qproduct_vector(c, QP_Z, "u8 i8", oc, true));
    SN_TRY(qproduct_vector(c, QP_T, "u8", SN_REQUANT_TABLE, false));
    if (sn_op_has(c, QP_Z) && c->in[QP_Z].dtype != c->in[QP_W].dtype)
        return sn_op_fail(c, SETSUNA_ESHAPE, "weights and their zero points differ in type");
    if (sn_op_has(c, QP_R) && (c->in[QP_R].dtype != SETSUNA_U8 || !sn_shape_equal(&c->in[QP_R].shape, y)))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the residual is not like the output");
    return qproduct_attrs(c);
}

static setsuna_status qproduct_fits(sn_op_ctx *c, const int64_t *dims, size_t n)
{
    int64_t product = 1;
    for (size_t i = 0; i < n; i++)
        if (!sn_mul_i64(product, dims[i] > 1 ? dims[i] : 1, &product) || product > qproduct_elements_max)
            return sn_op_fail(c, SETSUNA_ELIMIT, "a tensor is too large");
    return SETSUNA_OK;
}

/* Everything about the node's shapes. */
static setsuna_status qconv_read(sn_op_ctx *c, qproduct_shape *s, setsuna_shape *y)
{
    const setsuna_shape *last = &c->in[QP_X].shape, *w = &c->in[QP_W].shape;
    sn_conv_attr a;
    if (last->rank != 4 || w->rank != 4)
        return sn_op_fail(c, SETSUNA_ESHAPE, "an image [N, H, W, C] and weights of rank 4 are needed");
    setsuna_shape x = {.rank = 4, .dim = {last->dim[0], last->dim[3], last->dim[1], last->dim[2]}};
    SN_TRY(sn_conv_attr_read(c, &x, w, &a));
    SN_TRY(sn_conv_attr_output(c, false, &a));
    int64_t channels;
    if (!sn_mul_i64(w->dim[1], a.group, &channels) || channels != x.dim[1] || channels < 1 || w->dim[0] < 1 ||
        w->dim[0] % a.group != 0)
        return sn_op_fail(c, SETSUNA_ESHAPE, "%lld channels do not go with the weights and %lld groups",
                          (long long)x.dim[1], (long long)a.group);
    *s = (qproduct_shape){x.dim[0],      x.dim[1],    a.in[1],     a.in[2],         w->dim[0],   a.out[1],
                          a.out[2],      a.kernel[1], a.kernel[2], a.stride[1],     a.stride[2], a.dilation[1],
                          a.dilation[2], a.pad_lo[1], a.pad_lo[2], .group = a.group};
    SN_TRY(qproduct_fits(c, (const int64_t[]){s->n, s->oh, s->ow, s->oc}, 4));
    SN_TRY(qproduct_fits(c,
                         (const int64_t[]){s->ih + a.pad_lo[1] + a.pad_hi[1] + s->kh * s->dh,
                                           s->iw + a.pad_lo[2] + a.pad_hi[2] + s->kw * s->dw, s->ic, 8},
                         4));
    SN_TRY(qproduct_fits(c, (const int64_t[]){s->oc + 64, s->ic + 64, s->kh, s->kw, 8}, 5));
    *y = (setsuna_shape){.rank = 4, .dim = {s->n, s->oh, s->ow, s->oc}};
    return qproduct_operands(c, s->oc, y);
}

/* A matrix product is a convolution of an image of one row. */
static setsuna_status qgemm_read(sn_op_ctx *c, qproduct_shape *s, setsuna_shape *y)
{
    const setsuna_shape *x = &c->in[QP_X].shape, *w = &c->in[QP_W].shape;
    bool trans = sn_node_int(c->node, "transB", 0) != 0;
    int64_t numel;
    if (x->rank < 1 || w->rank != 2 || w->dim[trans] != x->dim[x->rank - 1] || w->dim[0] < 1 || w->dim[1] < 1 ||
        !sn_shape_numel(x, &numel))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the matrices do not fit each other");
    *y = *x;
    y->dim[y->rank - 1] = w->dim[!trans];
    *s = (qproduct_shape){.n = 1,
                          .ic = w->dim[trans],
                          .ih = 1,
                          .iw = numel / w->dim[trans],
                          .oc = w->dim[!trans],
                          .oh = 1,
                          .ow = numel / w->dim[trans],
                          .kh = 1,
                          .kw = 1,
                          .sh = 1,
                          .sw = 1,
                          .dh = 1,
                          .dw = 1,
                          .group = 1};
    SN_TRY(qproduct_fits(c, (const int64_t[]){s->ow, s->oc, 8}, 3));
    SN_TRY(qproduct_fits(c, (const int64_t[]){s->oc + 64, s->ic + 64, 8}, 3));
    return qproduct_operands(c, s->oc, y);
}

static setsuna_status qproduct_read(sn_op_ctx *c, qproduct_shape *s, setsuna_shape *y)
{
    return strcmp(c->node->op, "QConv") == 0 ? qconv_read(c, s, y) : qgemm_read(c, s, y);
}

static setsuna_status qproduct_infer(sn_op_ctx *c)
{
    qproduct_shape s;
    setsuna_shape y;
    SN_TRY(qproduct_read(c, &s, &y));
    static const setsuna_dtype types[] = {
        [SN_REQUANT_U8] = SETSUNA_U8, [SN_REQUANT_F32] = SETSUNA_F32, [SN_REQUANT_I32] = SETSUNA_I32};
    sn_op_out(c, 0, types[qproduct_kind(c)], &y);
    return SETSUNA_OK;
}

/* ---- packing ------------------------------------------------------------------------------------- */

typedef struct qproduct_pack {
    const qproduct_param *p;
    const sn_const *w, *s, *b, *z;
    float x_scale, y_scale; /* y_scale 0: float outputs */
    bool trans;
} qproduct_pack;

/* The bytes of the constants while they are packed (misaligned, see sn_pack_fn); z and b may be NULL. */
typedef struct qproduct_source {
    const uint8_t *w, *s, *b, *z;
} qproduct_source;

static int32_t qproduct_zero(const qproduct_pack *k, const qproduct_source *from, int64_t i)
{
    uint8_t byte = from->z ? from->z[k->z->t.size_bytes == 1 ? 0 : i] : 0;
    return k->w->t.dtype == SETSUNA_I8 ? (int32_t)(int8_t)byte : (int32_t)byte;
}

/* All zero points are the one value that brings the weights to signed bytes: 0, or 128 of unsigned ones. */
static bool qproduct_is_centred(const sn_const *w, const sn_const *z)
{
    int32_t base = w->t.dtype == SETSUNA_U8 ? 128 : 0;
    if (z && z->file)
        return false; /* more zero points than it is worth to look at */
    for (size_t i = 0; z && i < z->t.size_bytes; i++)
        if (sn_tensor_get_i64(&z->t, (int64_t)i) != base)
            return false;
    return z || base == 0;
}

static float qproduct_scale(const qproduct_pack *k, const qproduct_source *from, int64_t o)
{
    float w = 1;
    if (!k->s)
        return w;
    memcpy(&w, from->s + (k->s->t.size_bytes == sizeof w ? 0 : (size_t)o * sizeof w), sizeof w);
    float s = k->x_scale * w;
    return k->y_scale > 0 ? s / k->y_scale : s;
}

/* Group by group: weights, then bias, scale and zero points of its columns. The sums are of what was packed, so with
 * base taken off: sum (x - x0)(w' - z') = sum x w' - x0 sum w' - z' sum x + K x0 z'. */
static void qproduct_fill(void *dst, const void *const *source, const void *arg)
{
    const qproduct_pack *k = arg;
    const qproduct_source all_of = {source[0], source[1], source[2], source[3]};
    const qproduct_param *p = k->p;
    const qproduct_shape *s = &p->s;
    bool is_signed = k->w->t.dtype == SETSUNA_I8;
    int32_t base = is_signed ? 0 : 128;
    int64_t opg = s->oc / s->group, ipg = s->ic / s->group, window = s->kh * s->kw;
    if (p->depthwise)
        opg = s->oc;
    for (int64_t g = 0; g < (p->depthwise ? 1 : s->group); g++) {
        char *at = (char *)dst + (size_t)g * p->group_bytes;
        int32_t *bias = (int32_t *)(at + p->at_bias), *b_zero = (int32_t *)(at + p->at_b_zero);
        float *scale = (float *)(at + p->at_scale);
        int32_t *col_sum = (int32_t *)(at + p->at_sum);
        const uint8_t *w = all_of.w + g * opg * ipg * window;
        if (p->depthwise) {
            for (int64_t o = 0; o < opg; o++)
                b_zero[o] = qproduct_zero(k, &all_of, o);
            sn_qdepthwise_pack(&p->dw_table, &p->d, w, is_signed, b_zero, at, bias);
        } else {
            bool merged = p->g.n_tap == s->kh; /* kernel columns are part of k */
            sn_qgemm_source from = {.w = w, .is_signed = is_signed, .base = base, .xs = merged ? s->kw : 1, .c = ipg};
            from.at_n = k->trans ? ipg * window : 1;
            from.at_i = k->trans ? window : opg;
            from.at_tap = merged ? s->kw : 1;
            from.at_x = 1;
            sn_qgemm_pack(&p->table.limits, opg, p->g.n_tap, &from, at, bias);
        }
        for (int64_t o = 0; o < opg; o++) {
            int64_t all = g * opg + o;
            uint32_t sum = (uint32_t)bias[o], zero = 0;
            if (!p->depthwise)
                zero = p->g.rq.b_zero ? (uint32_t)(qproduct_zero(k, &all_of, all) - base) : 0;
            if (p->dynamic)
                col_sum[o] = bias[o];
            sum = 0u - sum * p->x_zero + zero * p->x_zero * (uint32_t)(ipg * window);
            int32_t b = 0;
            if (all_of.b)
                memcpy(&b, all_of.b + (size_t)all * sizeof b, sizeof b);
            bias[o] = (int32_t)(sum + (uint32_t)b);
            scale[o] = qproduct_scale(k, &all_of, all);
            if (!p->depthwise && p->g.rq.b_zero)
                b_zero[o] = (int32_t)zero;
        }
    }
}

static size_t qproduct_align(size_t n)
{
    return (n + SN_ALIGN - 1) & ~(size_t)(SN_ALIGN - 1);
}

static setsuna_status qproduct_pack_all(sn_op_ctx *c, qproduct_param *p)
{
    const qproduct_shape *s = &p->s;
    qproduct_pack k = {.p = p, .w = c->in[QP_W].cst, .s = sn_op_has(c, QP_S) ? c->in[QP_S].cst : NULL};
    k.b = sn_op_has(c, QP_B) ? c->in[QP_B].cst : NULL;
    k.z = sn_op_has(c, QP_Z) ? c->in[QP_Z].cst : NULL;
    k.x_scale = sn_node_float(c->node, "x_scale", 1);
    k.y_scale = qproduct_kind(c) != SN_REQUANT_U8 ? 0 : sn_node_float(c->node, "y_scale", 1);
    k.trans = strcmp(c->node->op, "QConv") == 0 || sn_node_int(c->node, "transB", 0) != 0;
    int64_t opg = p->depthwise ? s->oc : s->oc / s->group, groups = p->depthwise ? 1 : s->group;
    size_t columns = p->columns_bytes;
    p->at_bias = qproduct_align(p->depthwise ? sn_qdepthwise_packed_bytes(&p->dw_table, &p->d)
                                             : sn_qgemm_packed_bytes(&p->table.limits, opg, p->g.n_tap, p->g.k));
    p->at_scale = p->at_bias + columns;
    p->at_b_zero = p->at_scale + columns;
    p->at_sum = p->at_b_zero + columns;
    p->group_bytes = p->at_sum + (p->dynamic ? columns : 0);
    uint64_t key = sn_hash_u64(sn_hash_str(0, "qproduct"), k.w->uid);
    key = sn_hash_u64(sn_hash_u64(key, k.s ? k.s->uid : 0), k.b ? k.b->uid : 0);
    key = sn_hash_u64(key, k.z ? k.z->uid : 0);
    const int64_t layout[] = {
        p->depthwise,       p->dw_table.format,    p->d.wide, s->ic,     s->oc,     s->kh, s->kw, s->group, p->g.n_tap,
        p->table.limits.nr, p->table.limits.group, k.trans,   p->x_zero, p->dynamic};
    key = sn_hash_bytes(key, layout, sizeof layout);
    key = sn_hash_bytes(key, &k.x_scale, sizeof k.x_scale);
    key = sn_hash_bytes(key, &k.y_scale, sizeof k.y_scale);
    size_t size;
    if (!sn_mul_size(p->group_bytes, (size_t)groups, &size))
        return sn_op_fail(c, SETSUNA_ELIMIT, "the weights are too large");
    const void *packed;
    SN_TRY(sn_op_pack(c, key, size, qproduct_fill, &k, (const sn_const *const[]){k.w, k.s, k.b, k.z}, 4, &packed));
    p->packed = packed;
    return SETSUNA_OK;
}

/* ---- run time ------------------------------------------------------------------------------------ */

typedef struct qproduct_call {
    const qproduct_param *p;
    sn_qgemm g;
    sn_qdepthwise d;
    const uint8_t *x; /* the image (and group) that is staged */
    uint8_t x_zero;
    char *columns, *stage, *scratch;
} qproduct_call;

/* Rows of the image with its padding, of one group's channels. */
static void qproduct_stage_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const qproduct_call *q = arg;
    const qproduct_param *p = q->p;
    const qproduct_shape *s = &p->s;
    int64_t ipg = s->ic / s->group, bytes = p->table.limits.bytes, from, to;
    int64_t left = s->left < p->stage_w ? s->left : p->stage_w;
    int64_t px = s->iw < p->stage_w - left ? s->iw : p->stage_w - left;
    uint8_t zeros[256];
    memset(zeros, q->x_zero, sizeof zeros);
    sn_pool_range(p->stage_h, 1, part, n_parts, &from, &to);
    for (int64_t y = from; y < to; y++) {
        char *row = q->stage + y * p->stage_w * ipg * bytes;
        int64_t in = y - s->top, pad[2][2] = {{0, left}, {left + px, p->stage_w}};
        bool inside = in >= 0 && in < s->ih;
        if (!inside)
            pad[0][1] = p->stage_w, pad[1][0] = p->stage_w;
        for (int k = 0; k < 2; k++)
            for (int64_t i = pad[k][0] * ipg; i < pad[k][1] * ipg; i += (int64_t)sizeof zeros) {
                int64_t n = pad[k][1] * ipg - i;
                p->table.stage(row + i * bytes, zeros, n < (int64_t)sizeof zeros ? n : (int64_t)sizeof zeros);
            }
        if (inside && s->group == 1)
            p->table.stage(row + left * ipg * bytes, q->x + in * s->iw * s->ic, px * ipg);
        for (int64_t i = 0; inside && s->group > 1 && i < px; i++)
            p->table.stage(row + (left + i) * ipg * bytes, q->x + (in * s->iw + i) * s->ic, ipg);
    }
}

static void qproduct_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const qproduct_call *q = arg;
    sn_qgemm_part(&q->p->table, &q->g, part, n_parts, q->scratch + part * q->p->part_bytes);
}

static void qproduct_depthwise_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const qproduct_call *q = arg;
    const qproduct_shape *s = &q->p->s;
    int64_t from, to;
    sn_pool_range(s->n * s->oh, 1, part, n_parts, &from, &to);
    while (from < to) {
        sn_qdepthwise d = q->d;
        int64_t image = from / s->oh, row = from % s->oh, end = s->oh - row < to - from ? s->oh : row + to - from;
        d.x += image * s->ih * s->iw * s->ic;
        d.y += image * s->oh * s->ow * s->oc;
        d.residual = d.residual ? d.residual + image * s->oh * s->ow * s->oc : NULL;
        q->p->dw_table.rows(&d, row, end, q->scratch + part * q->p->part_bytes);
        from += end - row;
    }
}

/* Pointers into the columns of a group. */
static void qproduct_columns(const qproduct_call *q, int64_t group, sn_requant *rq)
{
    const qproduct_param *p = q->p;
    const char *at = p->packed + (size_t)group * p->group_bytes;
    const char *made = q->columns + (size_t)group * 3 * p->columns_bytes;
    rq->bias = (const int32_t *)(p->dynamic ? made : at + p->at_bias);
    rq->scale = (const float *)(p->dynamic ? made + p->columns_bytes : at + p->at_scale);
    if (rq->shift)
        rq->shift = (const float *)(made + 2 * p->columns_bytes);
    if (rq->b_zero)
        rq->b_zero = (const int32_t *)(at + p->at_b_zero);
}

/* sum (x - x0)(w' - z') = sum x w' - x0 sum w' - z' sum x + K x0 z', with the x0 and the scale of this run. */
static void qproduct_make_columns(const qproduct_call *q, const float *x_scale, const float *shift)
{
    const qproduct_param *p = q->p;
    int64_t opg = p->s.oc / p->s.group;
    uint32_t k = (uint32_t)(p->s.ic / p->s.group * p->s.kh * p->s.kw), x_zero = q->x_zero;
    for (int64_t g = 0; g < p->s.group; g++) {
        const char *at = p->packed + (size_t)g * p->group_bytes;
        const int32_t *bias = (const int32_t *)(at + p->at_bias), *sum = (const int32_t *)(at + p->at_sum);
        const int32_t *b_zero = (const int32_t *)(at + p->at_b_zero);
        const float *scale = (const float *)(at + p->at_scale);
        char *to = q->columns + (size_t)g * 3 * p->columns_bytes;
        int32_t *made = (int32_t *)to;
        float *factor = (float *)(to + p->columns_bytes), *summand = (float *)(to + 2 * p->columns_bytes);
        for (int64_t o = 0; o < opg; o++) {
            uint32_t zero = p->g.rq.b_zero ? (uint32_t)b_zero[o] * k : 0;
            made[o] = (int32_t)((uint32_t)bias[o] + x_zero * (zero - (uint32_t)sum[o]));
            factor[o] = x_scale ? *x_scale * scale[o] : scale[o];
        }
        if (shift)
            memcpy(summand, shift + g * opg, (size_t)opg * sizeof *summand);
    }
}

static setsuna_status qproduct_run(const sn_step *s, sn_run *r)
{
    const qproduct_param *p = s->param;
    const qproduct_shape *h = &p->s;
    const uint8_t *x = sn_in(s, r, QP_X), *residual = sn_in(s, r, QP_R);
    char *y = sn_out(s, r, 0);
    qproduct_call q = {.p = p, .g = p->g, .d = p->d, .x_zero = p->x_zero, .columns = r->scratch};
    q.stage = q.columns + p->run_bytes;
    q.scratch = q.stage + p->stage_bytes;
    q.g.rq.table = q.d.rq.table = sn_in(s, r, QP_T);
    int64_t opg = h->oc / h->group, image = h->oh * h->ow * h->oc, size = p->g.rq.kind == SN_REQUANT_U8 ? 1 : 4;
    const uint8_t *x0 = sn_in(s, r, QP_X0);
    if (!y)
        return SETSUNA_OK;
    if (x0)
        q.x_zero = *x0 ^ p->x0_flip;
    if (p->dynamic && p->images)
        qproduct_make_columns(&q, sn_in(s, r, QP_XS), sn_in(s, r, QP_F));
    if (p->depthwise) {
        qproduct_columns(&q, 0, &q.d.rq);
        q.d.w = p->packed;
        q.d.x = x;
        q.d.y = (uint8_t *)y;
        q.d.residual = residual;
        sn_run_parallel(s, r, qproduct_depthwise_part, &q);
        return SETSUNA_OK;
    }
    for (int64_t i = 0; i < p->images; i++)
        for (int64_t g = 0; g < h->group; g++) {
            q.x = x + i * h->ih * h->iw * h->ic + g * (h->ic / h->group);
            if (p->staged)
                sn_run_parallel(s, r, qproduct_stage_part, &q);
            q.g.a = p->staged ? (const void *)q.stage : q.x;
            q.g.b = p->packed + (size_t)g * p->group_bytes;
            q.g.y = y + (i * image + g * opg) * size;
            q.g.residual = residual ? residual + i * image + g * opg : NULL;
            qproduct_columns(&q, g, &q.g.rq);
            sn_run_parallel(s, r, qproduct_part, &q);
        }
    return SETSUNA_OK;
}

/* ---- binding ------------------------------------------------------------------------------------- */

static void qproduct_requant(sn_op_ctx *c, sn_requant *rq)
{
    const sn_node *n = c->node;
    float sum_scale = sn_node_float(n, "sum_scale", 1);
    *rq = (sn_requant){.kind = qproduct_kind(c),
                       .zero = (int32_t)sn_node_int(n, "y_zero", 0),
                       .lo = (int32_t)sn_node_int(n, "lo", 0),
                       .hi = (int32_t)sn_node_int(n, "hi", 255),
                       .has_residual = sn_op_has(c, QP_R)};
    float own = sn_node_float(n, "t_scale", sn_node_float(n, "y_scale", 1)) / sum_scale;
    float other = sn_node_float(n, "r_scale", 1) / sum_scale;
    double zero = (double)sn_node_int(n, "t_zero", rq->zero), r_zero = (double)sn_node_int(n, "r_zero", 0);
    rq->sum = (sn_quantized_sum){.a = own,
                                 .b = other,
                                 .shift = (float)(-zero * (double)own - r_zero * (double)other),
                                 .zero = (int32_t)sn_node_int(n, "sum_zero", 0),
                                 .lo = (int32_t)sn_node_int(n, "sum_lo", 0),
                                 .hi = (int32_t)sn_node_int(n, "sum_hi", 255)};
}

static void qproduct_bind_depthwise(qproduct_param *p, const sn_requant *rq, bool centred)
{
    const qproduct_shape *s = &p->s;
    p->d = (sn_qdepthwise){.ih = s->ih,
                           .iw = s->iw,
                           .oh = s->oh,
                           .ow = s->ow,
                           .c = s->ic,
                           .kh = s->kh,
                           .kw = s->kw,
                           .stride_h = s->sh,
                           .stride_w = s->sw,
                           .dilation_h = s->dh,
                           .dilation_w = s->dw,
                           .pad_top = s->top,
                           .pad_left = s->left,
                           .x_zero = p->x_zero,
                           .wide = !centred || p->dw_table.format != SN_QDEPTHWISE_QUADS,
                           .rq = *rq};
    p->part_bytes = qproduct_align(sn_qdepthwise_scratch_bytes(&p->dw_table, &p->d));
}

/* How the image is walked: in place, or staged with its padding. */
static setsuna_status qproduct_bind_dense(sn_op_ctx *c, qproduct_param *p, const sn_requant *rq)
{
    const qproduct_shape *s = &p->s;
    const sn_qgemm_limits *l = &p->table.limits;
    int64_t ipg = s->ic / s->group, bytes = l->bytes;
    bool merged = s->dw == 1 || s->kw == 1, pointwise = s->kh == 1 && s->kw == 1;
    p->g = (sn_qgemm){.rows = s->oh,
                      .pixels = s->ow,
                      .n = s->oc / s->group,
                      .n_tap = merged ? s->kh : s->kh * s->kw,
                      .k = merged ? s->kw * ipg : ipg,
                      .rq = *rq,
                      .ldy = s->oc};
    p->stage_h = (s->oh - 1) * s->sh + (s->kh - 1) * s->dh + 1;
    p->stage_w = (s->ow - 1) * s->sw + (s->kw - 1) * s->dw + 1;
    bool inside = s->top == 0 && s->left == 0 && p->stage_h <= s->ih && p->stage_w <= s->iw;
    p->staged = !inside || bytes != 1 || s->group > 1 || p->g.k % l->group != 0;
    p->images = s->n;
    int64_t row = p->staged ? p->stage_w : s->iw;
    p->g.px_step_bytes = s->sw * ipg * bytes;
    p->g.row_step_bytes = s->sh * row * ipg * bytes;
    if (pointwise && !p->staged && s->sh == 1 && s->sw == 1 && s->oh == s->ih && s->ow == s->iw) {
        p->g.pixels = s->n * s->oh * s->ow;
        p->g.rows = 1;
        p->images = 1;
    }
    p->tap = sn_arena_array(c->arena, (size_t)p->g.n_tap, sizeof *p->tap);
    if (!p->tap)
        return SETSUNA_ENOMEM;
    for (int64_t t = 0; t < p->g.n_tap; t++) {
        int64_t ky = merged ? t : t / s->kw, kx = merged ? 0 : t % s->kw;
        p->tap[t] = (ky * s->dh * row + kx * s->dw) * ipg * bytes;
    }
    p->g.tap = p->tap;
    if (p->staged) /* the last group of k may be read a little past the image */
        p->stage_bytes = qproduct_align((size_t)((p->stage_h * p->stage_w * ipg + l->group) * bytes));
    p->part_bytes = sn_qgemm_scratch_bytes(&p->table, &p->g);
    return SETSUNA_OK;
}

static setsuna_status qproduct_bind(sn_op_ctx *c, sn_step *s)
{
    qproduct_param *p = sn_op_param(c, sizeof *p);
    setsuna_shape y;
    sn_requant rq;
    static const int32_t present = 0;
    static const float no_shift = 0;
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(qproduct_read(c, &p->s, &y));
    sn_qgemm_table_init(&p->table, c->cpu);
    sn_qdepthwise_table_init(&p->dw_table, c->cpu);
    const qproduct_shape *h = &p->s;
    bool empty = h->n * h->oh * h->ow == 0, centred;
    p->dynamic = sn_op_has(c, QP_X0) || sn_op_has(c, QP_XS) || sn_op_has(c, QP_F);
    p->x0_flip = sn_op_has(c, QP_X0) && c->in[QP_X0].dtype == SETSUNA_I8 ? 0x80 : 0;
    p->x_zero = sn_op_has(c, QP_X0) ? 0 : (uint8_t)sn_node_int(c->node, "x_zero", 0);
    qproduct_requant(c, &rq);
    centred = qproduct_is_centred(c->in[QP_W].cst, sn_op_has(c, QP_Z) ? c->in[QP_Z].cst : NULL);
    p->depthwise = h->group > 1 && h->group == h->ic && h->oc == h->ic && rq.kind == SN_REQUANT_U8;
    s->param = p;
    s->run = qproduct_run;
    if (empty) {
        p->depthwise = false; /* no images, nothing to do */
        return SETSUNA_OK;
    }
    p->columns_bytes = qproduct_align(((size_t)(p->depthwise ? h->oc : h->oc / h->group) + SN_REQUANT_PAD) * 4);
    if (p->dynamic && !sn_mul_size(3 * p->columns_bytes, (size_t)h->group, &p->run_bytes))
        return sn_op_fail(c, SETSUNA_ELIMIT, "it needs too much memory");
    if (p->depthwise) {
        qproduct_bind_depthwise(p, &rq, centred);
    } else {
        rq.b_zero = centred ? NULL : &present; /* replaced by each run */
        rq.shift = sn_op_has(c, QP_F) ? &no_shift : NULL;
        SN_TRY(qproduct_bind_dense(c, p, &rq));
    }
    SN_TRY(qproduct_pack_all(c, p));
    s->kernel = p->depthwise ? p->dw_table.rows_name : p->table.tile_name;
    s->flops = 2 * (double)h->n * (double)(h->oh * h->ow) * (double)h->oc * (double)(h->ic / h->group) *
               (double)(h->kh * h->kw);
    s->bytes = (double)h->n * (double)(h->ih * h->iw * h->ic + h->oh * h->ow * h->oc) + (double)p->group_bytes;
    s->n_parts = sn_parts_for(c, p->depthwise ? 2 * s->flops : s->flops / 4, s->bytes);
    if (!sn_mul_size(p->part_bytes, s->n_parts, &s->scratch_bytes) ||
        !sn_add_size(s->scratch_bytes, p->stage_bytes, &s->scratch_bytes) ||
        !sn_add_size(s->scratch_bytes, p->run_bytes, &s->scratch_bytes))
        return sn_op_fail(c, SETSUNA_ELIMIT, "it needs too much memory");
    return SETSUNA_OK;
}

#define QPRODUCT_ATTRS                                                                                                 \
    "x_scale:f x_zero:i y_scale:f y_zero:i lo:i hi:i t_scale:f t_zero:i r_scale:f r_zero:i sum_scale:f sum_zero:i "    \
    "sum_lo:i sum_hi:i float:i sum:i "

const sn_op sn_ops_qproduct[] = {
    {"setsuna", "QConv", 1, 0, 3, 10, 1, 1, 0,
     QPRODUCT_ATTRS "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I", qproduct_infer, qproduct_bind},
    {"setsuna", "QGemm", 1, 0, 3, 10, 1, 1, 0, QPRODUCT_ATTRS "transB:i", qproduct_infer, qproduct_bind},
    {.name = NULL},
};
