/* Our side: the layer as a small ONNX model, run by the native engine with an observer on its steps.
 *
 * In floats the layer stands between two 1x1 convolutions, so that it meets the layout and type that it would inside a
 * network; in int8 QuantizeLinear and DequantizeLinear are its neighbours. */
#include "engine/native.h"
#include "exec/step_bound.h"
#include "exec/step_times.h"
#include "layer.h"
#include "onnx_write.h"
#include <stdio.h>

enum { I8 = 3, I32 = 6, NEIGHBOUR = 16 }; /* element types of ONNX; channels on the other side of a neighbour */

struct layer_native {
    sn_model *model;
    sn_session *session;
    setsuna_tensor in;
    float *data;
    sn_step_times times;
    size_t step, done;
    const char *kernel;
};

double layer_flops(const layer *l)
{
    if (l->k == 0)
        return 2.0 * l->h * l->ic * l->oc;
    int32_t pad = l->k / 2, oh = (l->h + 2 * pad - l->k) / l->stride + 1, ow = (l->w + 2 * pad - l->k) / l->stride + 1;
    return 2.0 * oh * ow * l->oc * (l->ic / l->group) * l->k * l->k;
}

static float native_noise(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / (1 << 23) - 1;
}

/* An initializer of f32 noise, or of i8 noise. */
static pb_write native_constant(const char *name, int type, const int64_t *dims, size_t rank, float scale)
{
    pb_write t = onnx_tensor(name, type, dims, rank), data = {0};
    size_t n = 1;
    uint32_t state = 1;
    for (size_t i = 0; i < rank; i++)
        n *= (size_t)dims[i];
    for (size_t i = 0; i < n; i++) {
        float v = native_noise(&state) * scale;
        int8_t narrow = (int8_t)(v * 100 / scale);
        pb_put(&data, type == I8 ? (void *)&narrow : (void *)&v, type == I8 ? 1 : 4);
    }
    pb_message(&t, 9, data);
    return t;
}

static void native_scalar(pb_write *g, const char *name, int type, float f32)
{
    pb_write t = onnx_tensor(name, type, NULL, 0);
    uint8_t zero = 0;
    pb_bytes(&t, 9, type == ONNX_F32 ? (void *)&f32 : (void *)&zero, type == ONNX_F32 ? 4 : 1);
    pb_message(g, 5, t);
}

static pb_write native_attr_ints(const char *name, const int64_t *v, int n)
{
    pb_write a = {0};
    pb_text(&a, 1, name);
    pb_int(&a, 20, 7);
    for (int i = 0; i < n; i++)
        pb_int(&a, 8, v[i]);
    return a;
}

/* "NAME.w", "NAME.b" and, for int8, "NAME.s" and a DequantizeLinear: the weights as Conv or MatMul takes them. */
static void native_weights(pb_write *g, const char *name, const int64_t *dims, size_t rank, int64_t oc, layer_type type,
                           float scale)
{
    char w[64], b[64], s[64], in[200];
    snprintf(w, sizeof w, "%s.w", name);
    snprintf(b, sizeof b, "%s.b", name);
    pb_message(g, 5, native_constant(b, ONNX_F32, &oc, 1, 0.1f));
    if (type != LAYER_INT8) {
        pb_message(g, 5, native_constant(w, ONNX_F32, dims, rank, scale));
        return;
    }
    char q[64], z[64];
    snprintf(q, sizeof q, "%s.q", name);
    snprintf(s, sizeof s, "%s.s", name);
    snprintf(z, sizeof z, "%s.z", name);
    pb_message(g, 5, native_constant(q, I8, dims, rank, 1));
    pb_write scales = onnx_tensor(s, ONNX_F32, &oc, 1), zeros = onnx_tensor(z, I8, &oc, 1), data = {0}, none = {0};
    for (int64_t i = 0; i < oc; i++) {
        float v = scale / 100 * (float)(1 + i % 3);
        pb_put(&data, &v, 4);
        pb_put(&none, "", 1);
    }
    pb_message(&scales, 9, data);
    pb_message(&zeros, 9, none);
    pb_message(g, 5, scales);
    pb_message(g, 5, zeros);
    snprintf(in, sizeof in, "%s,%s,%s", q, s, z);
    pb_write n = onnx_node("DequantizeLinear", w, in, w);
    pb_message(&n, 5, onnx_attr_int("axis", rank == 2 ? 1 : 0));
    pb_message(g, 1, n);
}

static void native_conv(pb_write *g, const layer *l, const char *name, const char *in, const char *out, layer_type type)
{
    const int64_t dims[] = {l->oc, l->ic / l->group, l->k, l->k}, pad = l->k / 2;
    const int64_t pads[] = {pad, pad, pad, pad}, strides[] = {l->stride, l->stride};
    char operands[200], sum[64];
    native_weights(g, name, dims, 4, l->oc, type, 0.1f);
    snprintf(operands, sizeof operands, "%s,%s.w,%s.b", in, name, name);
    snprintf(sum, sizeof sum, "%s.sum", name);
    pb_write n = onnx_node("Conv", name, operands, sum);
    pb_message(&n, 5, native_attr_ints("pads", pads, 4));
    pb_message(&n, 5, native_attr_ints("strides", strides, 2));
    pb_message(&n, 5, onnx_attr_int("group", l->group));
    pb_message(g, 1, n);
    pb_message(g, 1, onnx_node("Relu", name, sum, out));
}

static void native_product(pb_write *g, const layer *l, const char *name, const char *in, const char *out,
                           layer_type type)
{
    const int64_t dims[] = {l->ic, l->oc};
    char operands[200], sum[64], added[200];
    native_weights(g, name, dims, 2, l->oc, type, 0.1f);
    snprintf(operands, sizeof operands, "%s,%s.w", in, name);
    snprintf(sum, sizeof sum, "%s.sum", name);
    snprintf(added, sizeof added, "%s,%s.b", sum, name);
    pb_message(g, 1, onnx_node("MatMul", name, operands, sum));
    pb_message(g, 1, onnx_node("Add", name, added, out));
}

/* in -> bytes -> NAME, as Conv and MatMul take it. */
static void native_quantise(pb_write *g, const char *in, const char *name)
{
    char bytes[64], operands[200];
    snprintf(bytes, sizeof bytes, "%s.u8", name);
    snprintf(operands, sizeof operands, "%s,scale,zero", in);
    pb_message(g, 1, onnx_node("QuantizeLinear", bytes, operands, bytes));
    snprintf(operands, sizeof operands, "%s,scale,zero", bytes);
    pb_message(g, 1, onnx_node("DequantizeLinear", name, operands, name));
}

/* The graph between "x" and "y"; the first dim that x needs in *channels. */
static pb_write native_graph(const layer *l, layer_type type, int64_t *channels)
{
    pb_write g = onnx_graph("layer", "x", "y");
    *channels = l->ic;
    if (type == LAYER_INT8) {
        native_scalar(&g, "scale", ONNX_F32, 0.02f);
        native_scalar(&g, "zero", ONNX_U8, 0);
        native_quantise(&g, "x", "a");
        if (l->k)
            native_conv(&g, l, "target", "a", "b", type);
        else
            native_product(&g, l, "target", "a", "b", type);
        native_quantise(&g, "b", "y");
        return g;
    }
    if (l->k == 0) {
        native_product(&g, l, "target", "x", "y", type);
        return g;
    }
    const bool first = l->ic <= 4; /* a first layer: nothing stands before it */
    const layer before = {.ic = NEIGHBOUR, .oc = l->ic, .group = 1, .k = 1, .stride = 1};
    const layer after = {.ic = l->oc, .oc = NEIGHBOUR, .group = 1, .k = 1, .stride = 1};
    if (!first) {
        *channels = NEIGHBOUR;
        native_conv(&g, &before, "before", "x", "a", type);
    }
    native_conv(&g, l, "target", first ? "x" : "a", "b", type);
    native_conv(&g, &after, "after", "b", "y", type);
    return g;
}

/* The step that the layer became: the only one of its name that computes, or the one that computes most. */
static bool native_find(layer_native *n)
{
    double most = 0;
    for (size_t k = 0; k < n->times.n_segment; k++) {
        const sn_plan *p = n->times.segment[k].plan;
        for (size_t i = 0; i < p->n_step; i++) {
            const sn_step_cost cost = sn_step_cost_of(p, &p->step[i]);
            if (p->step[i].name && strncmp(p->step[i].name, "target", 6) == 0 && cost.flops > most) {
                most = cost.flops;
                n->step = n->times.segment[k].first + i;
                n->kernel = p->step[i].kernel;
            }
        }
    }
    return most > 0;
}

layer_native *layer_native_open(const layer *l, layer_type type, uint32_t threads, size_t runs_max)
{
    int64_t channels;
    pb_write bytes = onnx_model(native_graph(l, type, &channels));
    layer_native *n = calloc(1, sizeof *n);
    setsuna_error err = {0};
    sn_model_options o = {.cpu_level = -1, .n_threads = threads};
    o.precision = type == LAYER_BF16 ? SN_PRECISION_BF16 : SN_PRECISION_F32;
    if (!n)
        abort();
    n->in.dtype = SETSUNA_F32;
    n->in.shape = l->k ? (setsuna_shape){4, {1, channels, l->h, l->w}} : (setsuna_shape){2, {l->h, channels}};
    size_t count = (size_t)channels * (size_t)l->h * (size_t)(l->k ? l->w : 1);
    uint32_t state = 7;
    n->in.data = n->data = malloc(count * sizeof *n->data);
    n->in.size_bytes = count * sizeof *n->data;
    for (size_t i = 0; n->data && i < count; i++)
        n->data[i] = native_noise(&state);
    setsuna_tensor out;
    setsuna_status status = sn_model_parse(bytes.data, bytes.size, &o, &n->model, &err);
    free(bytes.data);
    if (status == SETSUNA_OK)
        status = sn_session_create(n->model, &n->session, &err);
    if (status == SETSUNA_OK) {
        sn_step_times_begin(&n->times, sn_native_exec(n->session), sn_allocator_default());
        status = sn_session_run(n->session, &n->in, &out, &err);
    }
    if (status == SETSUNA_OK)
        status = sn_step_times_reserve(&n->times, (uint32_t)runs_max);
    if (status == SETSUNA_OK && native_find(n))
        return n;
    fprintf(stderr, "onednn: %s: %s\n", l->name, status == SETSUNA_OK ? "no step of its name" : err.text);
    layer_native_close(n);
    return NULL;
}

void layer_native_close(layer_native *n)
{
    if (!n)
        return;
    sn_step_times_end(&n->times);
    sn_step_times_fini(&n->times);
    sn_session_destroy(n->session);
    sn_model_close(n->model);
    free(n->data);
    free(n);
}

void layer_native_run(layer_native *n, size_t runs, uint64_t *ns)
{
    setsuna_tensor out;
    setsuna_error err;
    for (size_t i = 0; i < runs; i++, n->done++) {
        sn_step_times_next(&n->times);
        if (sn_session_run(n->session, &n->in, &out, &err) != SETSUNA_OK || n->times.is_partial)
            abort();
        ns[i] = n->times.sample[n->step * n->times.cap + n->done];
    }
}

const char *layer_native_kernel(const layer_native *n)
{
    return n->kernel;
}
