/* oneDNN's side (libdnnl 2.6). */
#include "base/clock.h"
#include "layer.h"
#include <dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARGS_MAX = 4, DIMS_MAX = 5 };

typedef struct onednn_primitive {
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t arg[ARGS_MAX];
    int n_arg;
    char kernel[64];
} onednn_primitive;

struct layer_onednn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    onednn_primitive best;
};

static dnnl_memory_desc_t onednn_any(int n, const dnnl_dims_t dims, dnnl_data_type_t type)
{
    dnnl_memory_desc_t md;
    dnnl_memory_desc_init_by_tag(&md, n, dims, type, dnnl_format_tag_any);
    return md;
}

/* Small normal numbers. */
static void onednn_fill(dnnl_memory_t memory, const dnnl_memory_desc_t *md)
{
    void *data;
    size_t bytes = dnnl_memory_desc_get_size(md);
    dnnl_memory_get_data_handle(memory, &data);
    if (md->data_type == dnnl_f32 || md->data_type == dnnl_s32)
        for (size_t i = 0; i < bytes / 4; i++)
            ((uint32_t *)data)[i] = md->data_type == dnnl_f32 ? 0x3c23d70au + (uint32_t)(i % 97) : (uint32_t)i % 97;
    else if (md->data_type == dnnl_bf16)
        for (size_t i = 0; i < bytes / 2; i++)
            ((uint16_t *)data)[i] = (uint16_t)(0x3c20u + i % 13);
    else
        for (size_t i = 0; i < bytes; i++)
            ((uint8_t *)data)[i] = (uint8_t)(i % 13);
}

static bool onednn_arg(dnnl_engine_t engine, dnnl_primitive_desc_t pd, dnnl_query_t query, int name,
                       onednn_primitive *p)
{
    const dnnl_memory_desc_t *md =
        dnnl_primitive_desc_query_md(pd, query, query == dnnl_query_weights_md && name == DNNL_ARG_BIAS);
    dnnl_memory_t memory;
    if (!md || dnnl_memory_create(&memory, md, engine, DNNL_MEMORY_ALLOCATE) != dnnl_success)
        return false;
    onednn_fill(memory, md);
    p->arg[p->n_arg++] = (dnnl_exec_arg_t){name, memory};
    return true;
}

static dnnl_primitive_attr_t onednn_attr(const layer *l, layer_type type)
{
    dnnl_primitive_attr_t attr;
    dnnl_post_ops_t after;
    dnnl_primitive_attr_create(&attr);
    if (type == LAYER_INT8) {
        float *scale = malloc((size_t)l->oc * sizeof *scale);
        for (int i = 0; scale && i < l->oc; i++)
            scale[i] = 0.001f * (float)(1 + i % 7);
        dnnl_primitive_attr_set_output_scales(attr, l->oc, 1 << 1, scale);
        free(scale);
    }
    dnnl_post_ops_create(&after);
    if (l->k)
        dnnl_post_ops_append_eltwise(after, 1, dnnl_eltwise_relu, 0, 0);
    dnnl_primitive_attr_set_post_ops(attr, after);
    dnnl_post_ops_destroy(after);
    return attr;
}

static bool onednn_finish(dnnl_engine_t engine, dnnl_primitive_desc_t pd, onednn_primitive *p)
{
    const char *text;
    dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &text);
    snprintf(p->kernel, sizeof p->kernel, "%s", text);
    bool ok = onednn_arg(engine, pd, dnnl_query_src_md, DNNL_ARG_SRC, p) &&
              onednn_arg(engine, pd, dnnl_query_weights_md, DNNL_ARG_WEIGHTS, p) &&
              onednn_arg(engine, pd, dnnl_query_weights_md, DNNL_ARG_BIAS, p) &&
              onednn_arg(engine, pd, dnnl_query_dst_md, DNNL_ARG_DST, p) &&
              dnnl_primitive_create(&p->primitive, pd) == dnnl_success;
    dnnl_primitive_desc_destroy(pd);
    return ok;
}

static void onednn_primitive_close(onednn_primitive *p)
{
    for (int i = 0; i < p->n_arg; i++)
        dnnl_memory_destroy(p->arg[i].memory);
    if (p->primitive)
        dnnl_primitive_destroy(p->primitive);
    *p = (onednn_primitive){0};
}

typedef struct onednn_types {
    dnnl_data_type_t in, weight, bias, out;
} onednn_types;

static onednn_types onednn_types_of(layer_type type)
{
    static const onednn_types types[] = {[LAYER_F32] = {dnnl_f32, dnnl_f32, dnnl_f32, dnnl_f32},
                                         [LAYER_BF16] = {dnnl_bf16, dnnl_bf16, dnnl_f32, dnnl_bf16},
                                         [LAYER_INT8] = {dnnl_u8, dnnl_s8, dnnl_s32, dnnl_u8}};
    return types[type];
}

static bool onednn_conv(dnnl_engine_t engine, const layer *l, layer_type type, dnnl_alg_kind_t kind,
                        onednn_primitive *p)
{
    const onednn_types t = onednn_types_of(type);
    int64_t pad = l->k / 2, oh = (l->h + 2 * pad - l->k) / l->stride + 1, ow = (l->w + 2 * pad - l->k) / l->stride + 1;
    bool grouped = l->group > 1;
    dnnl_dims_t in = {1, l->ic, l->h, l->w}, out = {1, l->oc, oh, ow}, bias = {l->oc};
    dnnl_dims_t one = {l->oc, l->ic, l->k, l->k};
    dnnl_dims_t many = {l->group, l->oc / l->group, l->ic / l->group, l->k, l->k};
    dnnl_dims_t stride = {l->stride, l->stride}, pads = {pad, pad};
    dnnl_memory_desc_t x = onednn_any(4, in, t.in), b = onednn_any(1, bias, t.bias), y = onednn_any(4, out, t.out),
                       w = onednn_any(4 + grouped, grouped ? many : one, t.weight);
    dnnl_convolution_desc_t d;
    dnnl_primitive_desc_t pd;
    /* A first layer's picture is no layout of the library's choice. */
    if (l->ic <= 4)
        dnnl_memory_desc_init_by_tag(&x, 4, in, t.in, type == LAYER_INT8 ? dnnl_nhwc : dnnl_nchw);
    if (dnnl_convolution_forward_desc_init(&d, dnnl_forward_inference, kind, &x, &w, &b, &y, stride, pads, pads) !=
        dnnl_success)
        return false;
    dnnl_primitive_attr_t attr = onednn_attr(l, type);
    dnnl_status_t status = dnnl_primitive_desc_create(&pd, &d, attr, engine, NULL);
    dnnl_primitive_attr_destroy(attr);
    return status == dnnl_success && onednn_finish(engine, pd, p);
}

/* A product as `matmul`, or as an `inner product`, whose weights are transposed. */
static bool onednn_product(dnnl_engine_t engine, const layer *l, layer_type type, bool inner, onednn_primitive *p)
{
    const onednn_types t = onednn_types_of(type);
    dnnl_dims_t in = {l->h, l->ic}, out = {l->h, l->oc}, bias = {inner ? l->oc : 1, l->oc};
    dnnl_dims_t weight = {inner ? l->oc : l->ic, inner ? l->ic : l->oc};
    dnnl_memory_desc_t x, y, w = onednn_any(2, weight, t.weight), b = onednn_any(inner ? 1 : 2, bias, t.bias);
    dnnl_memory_desc_init_by_tag(&x, 2, in, t.in, dnnl_ab);
    dnnl_memory_desc_init_by_tag(&y, 2, out, t.out, dnnl_ab);
    if (!inner)
        dnnl_memory_desc_init_by_tag(&b, 2, bias, t.bias, dnnl_ab);
    dnnl_inner_product_desc_t id;
    dnnl_matmul_desc_t md;
    dnnl_primitive_desc_t pd;
    dnnl_status_t status = inner ? dnnl_inner_product_forward_desc_init(&id, dnnl_forward_inference, &x, &w, &b, &y)
                                 : dnnl_matmul_desc_init(&md, &x, &w, &b, &y);
    if (status != dnnl_success)
        return false;
    dnnl_primitive_attr_t attr = onednn_attr(l, type);
    const void *d = inner ? (const void *)&id : (const void *)&md;
    status = dnnl_primitive_desc_create(&pd, d, attr, engine, NULL);
    dnnl_primitive_attr_destroy(attr);
    return status == dnnl_success && onednn_finish(engine, pd, p);
}

static uint64_t onednn_run_once(layer_onednn *o, const onednn_primitive *p)
{
    uint64_t begin = sn_now_ns();
    dnnl_primitive_execute(p->primitive, o->stream, p->n_arg, p->arg);
    dnnl_stream_wait(o->stream);
    return sn_now_ns() - begin;
}

layer_onednn *layer_onednn_open(const layer *l, layer_type type)
{
    layer_onednn *o = calloc(1, sizeof *o);
    uint64_t fastest = UINT64_MAX;
    if (!o || dnnl_engine_create(&o->engine, dnnl_cpu, 0) != dnnl_success ||
        dnnl_stream_create(&o->stream, o->engine, dnnl_stream_default_flags) != dnnl_success) {
        fprintf(stderr, "onednn: no engine\n");
        exit(1);
    }
    for (int way = 0; way < 2; way++) {
        onednn_primitive p = {0};
        dnnl_alg_kind_t kind = way ? dnnl_convolution_auto : dnnl_convolution_direct;
        bool ok = l->k ? onednn_conv(o->engine, l, type, kind, &p) : onednn_product(o->engine, l, type, way, &p);
        uint64_t least = UINT64_MAX;
        for (int i = 0; ok && i < 10; i++) {
            uint64_t ns = onednn_run_once(o, &p);
            least = ns < least ? ns : least;
        }
        if (ok && least < fastest) {
            onednn_primitive_close(&o->best);
            o->best = p;
            fastest = least;
        } else {
            onednn_primitive_close(&p);
        }
    }
    if (fastest != UINT64_MAX)
        return o;
    layer_onednn_close(o);
    return NULL;
}

void layer_onednn_close(layer_onednn *o)
{
    if (!o)
        return;
    onednn_primitive_close(&o->best);
    dnnl_stream_destroy(o->stream);
    dnnl_engine_destroy(o->engine);
    free(o);
}

void layer_onednn_run(layer_onednn *o, size_t runs, uint64_t *ns)
{
    for (size_t i = 0; i < runs; i++)
        ns[i] = onednn_run_once(o, &o->best);
}

const char *layer_onednn_kernel(const layer_onednn *o)
{
    return o->best.kernel;
}
