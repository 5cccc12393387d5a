#include "ops/conv_attr.h"
#include "base/checked.h"
#include <string.h>

/* Copies an optional list attribute into the last n_dim entries of dst. */
static setsuna_status conv_attr_list(sn_op_ctx *c, const char *name, int32_t n_dim, int64_t least, int64_t *dst)
{
    const int64_t *v;
    size_t n = sn_node_ints(c->node, name, &v);
    if (!sn_node_attr(c->node, name))
        return SETSUNA_OK;
    if (n != (size_t)n_dim)
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute '%s' has %zu entries for %d spatial dims", name, n, (int)n_dim);
    for (int32_t i = 0; i < n_dim; i++) {
        if (v[i] < least || v[i] > INT32_MAX)
            return sn_op_fail(c, SETSUNA_EMODEL, "attribute '%s' has the entry %lld", name, (long long)v[i]);
        dst[SN_SPATIAL_MAX - n_dim + i] = v[i];
    }
    return SETSUNA_OK;
}

static setsuna_status conv_attr_pads(sn_op_ctx *c, sn_conv_attr *a)
{
    const int64_t *v;
    size_t n = sn_node_ints(c->node, "pads", &v);
    if (!sn_node_attr(c->node, "pads"))
        return SETSUNA_OK;
    if (n != 2 * (size_t)a->n_dim)
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'pads' has %zu entries for %d spatial dims", n, (int)a->n_dim);
    for (int32_t i = 0; i < a->n_dim; i++) {
        int64_t lo = v[i], hi = v[a->n_dim + i];
        if (lo < 0 || hi < 0 || lo > INT32_MAX || hi > INT32_MAX)
            return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'pads' has the entries %lld and %lld", (long long)lo,
                              (long long)hi);
        a->pad_lo[SN_SPATIAL_MAX - a->n_dim + i] = lo;
        a->pad_hi[SN_SPATIAL_MAX - a->n_dim + i] = hi;
    }
    return SETSUNA_OK;
}

static setsuna_status conv_attr_auto_pad(sn_op_ctx *c, sn_auto_pad *out)
{
    static const char *const names[] = {[SN_PAD_EXPLICIT] = "NOTSET",
                                        [SN_PAD_SAME_UPPER] = "SAME_UPPER",
                                        [SN_PAD_SAME_LOWER] = "SAME_LOWER",
                                        [SN_PAD_VALID] = "VALID"};
    const char *text = sn_node_string(c->node, "auto_pad", "NOTSET");
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (sn_auto_pad)i;
            return SETSUNA_OK;
        }
    return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'auto_pad' is '%.32s'", text);
}

setsuna_status sn_conv_attr_read(sn_op_ctx *c, const setsuna_shape *x, const setsuna_shape *w, sn_conv_attr *out)
{
    sn_conv_attr a = {.n_dim = x->rank - 2, .group = sn_node_int(c->node, "group", 1)};
    if (a.n_dim < 1)
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input has rank %d; at least 3 is needed", (int)x->rank);
    if (a.n_dim > SN_SPATIAL_MAX)
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "%d spatial dims; at most 3 are supported", (int)a.n_dim);
    if (w && w->rank != x->rank)
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input has rank %d and the weights %d", (int)x->rank, (int)w->rank);
    if (!w && !sn_node_attr(c->node, "kernel_shape"))
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'kernel_shape' is missing");
    if (a.group < 1)
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'group' is %lld", (long long)a.group);
    for (int32_t i = 0; i < SN_SPATIAL_MAX; i++) {
        int32_t d = i - (SN_SPATIAL_MAX - a.n_dim); /* the model's own number of this dim */
        a.in[i] = d >= 0 ? x->dim[2 + d] : 1;
        a.kernel[i] = d >= 0 && w ? w->dim[2 + d] : 1;
        a.stride[i] = a.dilation[i] = 1;
        if (a.kernel[i] < 1 || a.kernel[i] > INT32_MAX)
            return sn_op_fail(c, SETSUNA_ESHAPE, "the window has the extent %lld", (long long)a.kernel[i]);
    }
    int64_t from_w[SN_SPATIAL_MAX];
    memcpy(from_w, a.kernel, sizeof from_w);
    SN_TRY(conv_attr_auto_pad(c, &a.auto_pad));
    SN_TRY(conv_attr_list(c, "kernel_shape", a.n_dim, 1, a.kernel));
    if (w && memcmp(from_w, a.kernel, sizeof from_w) != 0)
        return sn_op_fail(c, SETSUNA_ESHAPE, "attribute 'kernel_shape' does not match the weights");
    SN_TRY(conv_attr_list(c, "strides", a.n_dim, 1, a.stride));
    SN_TRY(conv_attr_list(c, "dilations", a.n_dim, 1, a.dilation));
    if (a.auto_pad == SN_PAD_EXPLICIT)
        SN_TRY(conv_attr_pads(c, &a));
    *out = a;
    return SETSUNA_OK;
}

/* One dim's output and padding. All operands are below 2^31 but `in`, so only sums with it need checking. */
static bool conv_attr_extent(sn_conv_attr *a, int32_t i, bool ceil_mode)
{
    int64_t in = a->in[i], stride = a->stride[i], window = (a->kernel[i] - 1) * a->dilation[i] + 1;
    if (in > INT64_MAX / 4)
        return false;
    if (a->auto_pad == SN_PAD_SAME_UPPER || a->auto_pad == SN_PAD_SAME_LOWER) {
        int64_t out = (in + stride - 1) / stride;
        int64_t pad = in == 0 ? 0 : (out - 1) * stride + window - in;
        pad = pad > 0 ? pad : 0;
        a->pad_lo[i] = a->auto_pad == SN_PAD_SAME_UPPER ? pad / 2 : pad - pad / 2;
        a->pad_hi[i] = pad - a->pad_lo[i];
        a->out[i] = out;
        return a->pad_lo[i] <= INT32_MAX && a->pad_hi[i] <= INT32_MAX;
    }
    int64_t room = in + a->pad_lo[i] + a->pad_hi[i] - window;
    if (room < 0)
        return false;
    int64_t out = room / stride + 1 + (ceil_mode && room % stride != 0);
    if (ceil_mode && (out - 1) * stride >= in + a->pad_lo[i])
        out--;
    a->out[i] = out;
    return true;
}

setsuna_status sn_conv_attr_output(sn_op_ctx *c, bool ceil_mode, sn_conv_attr *a)
{
    for (int32_t i = 0; i < SN_SPATIAL_MAX; i++)
        if (!conv_attr_extent(a, i, ceil_mode))
            return sn_op_fail(c, SETSUNA_ESHAPE,
                              "a window of %lld (dilation %lld) does not fit an input of %lld padded by %lld and %lld",
                              (long long)a->kernel[i], (long long)a->dilation[i], (long long)a->in[i],
                              (long long)a->pad_lo[i], (long long)a->pad_hi[i]);
    return SETSUNA_OK;
}

setsuna_shape sn_conv_attr_shape(const sn_conv_attr *a, int64_t n, int64_t channels)
{
    setsuna_shape s = {.rank = a->n_dim + 2, .dim = {n, channels}};
    for (int32_t d = 0; d < a->n_dim; d++)
        s.dim[2 + d] = a->out[SN_SPATIAL_MAX - a->n_dim + d];
    return s;
}

setsuna_status sn_conv_infer(sn_op_ctx *c, uint32_t xi, uint32_t wi, uint32_t bi, setsuna_dtype dtype,
                             sn_conv_attr *out)
{
    const setsuna_shape *x = &c->in[xi].shape, *w = &c->in[wi].shape;
    sn_conv_attr a;
    SN_TRY(sn_conv_attr_read(c, x, w, &a));
    int64_t channels = x->dim[1], maps = w->dim[0], per_group;
    if (!sn_mul_i64(w->dim[1], a.group, &per_group) || per_group != channels || maps % a.group != 0)
        return sn_op_fail(c, SETSUNA_ESHAPE, "%lld input channels, weights of %lld by %lld channels and %lld groups",
                          (long long)channels, (long long)maps, (long long)w->dim[1], (long long)a.group);
    if (bi != SN_NONE && sn_op_has(c, bi) && (c->in[bi].shape.rank != 1 || c->in[bi].shape.dim[0] != maps))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the bias must have the shape [%lld]", (long long)maps);
    SN_TRY(sn_conv_attr_output(c, false, &a));
    setsuna_shape y = sn_conv_attr_shape(&a, x->dim[0], maps);
    sn_op_out(c, 0, dtype, &y);
    *out = a;
    return SETSUNA_OK;
}
