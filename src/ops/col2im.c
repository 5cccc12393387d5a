/* Col2Im: columns of blocks added back into an image of any rank; the inverse of unfolding. */
#include "base/checked.h"
#include "ops/move.h"
#include "ops/parts.h"
#include "ops/typed.h"
#include <string.h>

enum { COL2IM_RANK_MAX = SETSUNA_RANK_MAX - 2 }; /* batch and channel come first */

typedef struct col2im_param col2im_param;
typedef void col2im_fn(const col2im_param *p, void *y, const void *x);

struct col2im_param {
    int32_t rank;                                                                       /* spatial */
    int64_t image[SETSUNA_RANK_MAX], kernel[SETSUNA_RANK_MAX], count[SETSUNA_RANK_MAX]; /* count: blocks */
    int64_t stride[SETSUNA_RANK_MAX], dilation[SETSUNA_RANK_MAX], pad[SETSUNA_RANK_MAX];
    int64_t kernel_size, blocks, image_size; /* products */
    int64_t channels;                        /* times batch */
    size_t size;
    col2im_fn *fn;
};

#define EACH_TYPE "ops/col2im_typed.inc"
#include "ops/each_type.inc"

/* An optional list attribute of n entries in [low, 2^31), or all `fallback`. */
static setsuna_status col2im_ints(sn_op_ctx *c, const char *name, size_t n, int64_t low, int64_t fallback, int64_t *out)
{
    const int64_t *list = NULL;
    size_t given = sn_node_ints(c->node, name, &list);
    if (given && given != n)
        return sn_op_fail(c, SETSUNA_ESHAPE, "%s has %zu entries, %zu are needed", name, given, n);
    for (size_t i = 0; i < n; i++) {
        out[i] = given ? list[i] : fallback;
        if (out[i] < low || out[i] > INT32_MAX)
            return sn_op_fail(c, SETSUNA_EMODEL, "%s has the entry %lld", name, (long long)out[i]);
    }
    return SETSUNA_OK;
}

static setsuna_status col2im_resolve(sn_op_ctx *c, col2im_param *p)
{
    size_t n, n_kernel;
    int64_t pads[2 * COL2IM_RANK_MAX];
    SN_TRY(sn_op_const_ints(c, 1, p->image, COL2IM_RANK_MAX, &n));
    SN_TRY(sn_op_const_ints(c, 2, p->kernel, COL2IM_RANK_MAX, &n_kernel));
    if (n != n_kernel || n == 0)
        return sn_op_fail(c, SETSUNA_ESHAPE, "image and block have %zu and %zu axes", n, n_kernel);
    SN_TRY(col2im_ints(c, "strides", n, 1, 1, p->stride));
    SN_TRY(col2im_ints(c, "dilations", n, 1, 1, p->dilation));
    SN_TRY(col2im_ints(c, "pads", 2 * n, 0, 0, pads));
    p->rank = (int32_t)n;
    p->kernel_size = p->blocks = p->image_size = 1;
    for (size_t d = 0; d < n; d++) {
        p->pad[d] = pads[d];
        if (p->image[d] < 1 || p->kernel[d] < 1 || p->image[d] > INT32_MAX || p->kernel[d] > INT32_MAX)
            return sn_op_fail(c, SETSUNA_ESHAPE, "axis %zu has the extent %lld and blocks of %lld", d,
                              (long long)p->image[d], (long long)p->kernel[d]);
        int64_t room = p->image[d] + pads[d] + pads[n + d] - p->dilation[d] * (p->kernel[d] - 1) - 1;
        p->count[d] = room < 0 ? 0 : room / p->stride[d] + 1;
        if (!sn_mul_i64(p->kernel_size, p->kernel[d], &p->kernel_size) ||
            !sn_mul_i64(p->blocks, p->count[d], &p->blocks) || !sn_mul_i64(p->image_size, p->image[d], &p->image_size))
            return sn_op_fail(c, SETSUNA_ESHAPE, "the image or the block is too large");
    }
    const setsuna_shape *x = &c->in[0].shape;
    if (x->rank != 3 || x->dim[1] % p->kernel_size || x->dim[2] != p->blocks)
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input must be [N, C * %lld, %lld]", (long long)p->kernel_size,
                          (long long)p->blocks);
    return SETSUNA_OK;
}

static setsuna_status col2im_infer(sn_op_ctx *c)
{
    col2im_param p = {.rank = 0};
    SN_TRY(sn_op_want(c, 0, "num"));
    SN_TRY(col2im_resolve(c, &p));
    setsuna_shape y = {.rank = p.rank + 2, .dim = {c->in[0].shape.dim[0], c->in[0].shape.dim[1] / p.kernel_size}};
    for (int32_t d = 0; d < p.rank; d++)
        y.dim[d + 2] = p.image[d];
    sn_op_out(c, 0, c->in[0].dtype, &y);
    return SETSUNA_OK;
}

typedef struct col2im_job {
    const col2im_param *p;
    uint8_t *y;
    const uint8_t *x;
} col2im_job;

static void col2im_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const col2im_job *j = arg;
    const col2im_param *p = j->p;
    int64_t begin, end;
    sn_pool_range(p->channels, 1, part, n_parts, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        uint8_t *y = j->y + (size_t)(i * p->image_size) * p->size;
        memset(y, 0, (size_t)p->image_size * p->size);
        if (p->blocks)
            p->fn(p, y, j->x + (size_t)(i * p->kernel_size * p->blocks) * p->size);
    }
}

static setsuna_status col2im_run(const sn_step *s, sn_run *r)
{
    col2im_job j = {s->param, sn_out(s, r, 0), sn_in(s, r, 0)};
    sn_run_parallel(s, r, col2im_part, &j);
    return SETSUNA_OK;
}

static setsuna_status col2im_bind(sn_op_ctx *c, sn_step *s)
{
    static col2im_fn *const table[SN_TYPED_TABLE_SIZE] = SN_EACH_TYPE_TABLE(col2im_channel);
    col2im_param *p = sn_op_param(c, sizeof *p);
    int64_t total;
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(col2im_resolve(c, p));
    if (!sn_shape_numel(&c->out[0].shape, &total))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output has too many elements");
    p->channels = total / p->image_size;
    p->size = setsuna_dtype_size(c->in[0].dtype);
    p->fn = table[c->in[0].dtype];
    s->run = col2im_run;
    s->param = p;
    s->kernel = "col2im";
    s->flops = (double)p->channels * (double)p->kernel_size * (double)p->blocks;
    s->bytes = (s->flops + (double)total) * (double)p->size;
    s->n_parts = sn_parts_for(c, s->flops, s->bytes);
    return SETSUNA_OK;
}

const sn_op sn_ops_col2im[] = {
    {"", "Col2Im", 18, 0, 3, 3, 1, 1, SN_OP_F16_AS_F32, "dilations:I pads:I strides:I", col2im_infer, col2im_bind},
    {.name = NULL},
};
