/* One model for tests of sessions: inputs c (bool) and x [n, 128], a weight w [128, 256] that is large enough to be
 * given back once it is packed.
 *
 *     y = c ? x w : w + sum(x)        the first branch packs w, the second reads it where it lies
 *     z = the elements of the flat x that are not 0
 */
#ifndef SN_TESTS_SESSION_MODEL_H
#define SN_TESTS_SESSION_MODEL_H

#include "engine/engine.h"
#include "onnx_write.h"
#include "unit/unit.h"

enum { SESSION_K = 128, SESSION_N = 256, SESSION_ROWS_MAX = 64 };

static inline float session_weight(size_t i)
{
    return (float)((int)(i * 7 % 13) - 6) / 4; /* exact in every order of summation */
}

static inline float session_x(size_t i)
{
    return (float)((int)(i * 5 % 7) - 3);
}

static inline pb_write session_model(void)
{
    const int64_t x_dims[] = {-1, SESSION_K}, w_dims[] = {SESSION_K, SESSION_N}, flat = -1, zero = 0, one = 1;
    static float w[SESSION_K * SESSION_N];
    pb_write g = {0}, then = onnx_graph("then", "", "t"), other = onnx_graph("else", "", "e"), n, t;
    for (size_t i = 0; i < sizeof w / sizeof *w; i++)
        w[i] = session_weight(i);
    pb_text(&g, 2, "main");
    pb_message(&g, 11, onnx_value("c", ONNX_BOOL, NULL, 0));
    pb_message(&g, 11, onnx_value("x", ONNX_F32, x_dims, 2));
    pb_message(&g, 12, onnx_value_f32("y"));
    pb_message(&g, 12, onnx_value_f32("z"));
    t = onnx_tensor("w", ONNX_F32, w_dims, 2);
    pb_bytes(&t, 9, w, sizeof w);
    pb_message(&g, 5, t);
    t = onnx_tensor("flat", ONNX_I64, &one, 1);
    pb_bytes(&t, 9, &flat, sizeof flat);
    pb_message(&g, 5, t);
    t = onnx_tensor("zero", ONNX_I64, &one, 1);
    pb_bytes(&t, 9, &zero, sizeof zero);
    pb_message(&g, 5, t);
    pb_message(&then, 1, onnx_node("MatMul", "matmul", "x,w", "t"));
    n = onnx_node("ReduceSum", "sum", "x", "s");
    pb_message(&n, 5, onnx_attr_int("keepdims", 0));
    pb_message(&other, 1, n);
    pb_message(&other, 1, onnx_node("Add", "add", "w,s", "e"));
    n = onnx_node("If", "if", "c", "y");
    pb_message(&n, 5, onnx_attr_graph("then_branch", then));
    pb_message(&n, 5, onnx_attr_graph("else_branch", other));
    pb_message(&g, 1, n);
    pb_message(&g, 1, onnx_node("Reshape", "reshape", "x,flat", "x1"));
    pb_message(&g, 1, onnx_node("NonZero", "nonzero", "x1", "at2"));
    pb_message(&g, 1, onnx_node("Squeeze", "squeeze", "at2,zero", "at"));
    pb_message(&g, 1, onnx_node("Gather", "gather", "x1,at", "z"));
    return onnx_model(g);
}

/* Runs with `rows` rows whose elements are session_x(i + seed). */
static inline setsuna_status session_run(sn_session *s, uint8_t c, int64_t rows, size_t seed, float *x,
                                         setsuna_tensor out[2], setsuna_error *err)
{
    for (size_t i = 0; i < (size_t)rows * SESSION_K; i++)
        x[i] = session_x(i + seed);
    const setsuna_tensor in[] = {
        {SETSUNA_BOOL, {0, {0}}, &c, 1},
        {SETSUNA_F32, {2, {rows, SESSION_K}}, x, (size_t)rows * SESSION_K * sizeof *x},
    };
    return sn_session_run(s, in, out, err);
}

/* What the run must have given, exactly; false where it did not. */
static inline int session_is_right(uint8_t c, int64_t rows, const float *x, const setsuna_tensor out[2])
{
    const float *y = out[0].data, *z = out[1].data;
    size_t n = 0, count = (size_t)rows * SESSION_K;
    float sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += x[i];
    for (size_t i = 0; i < count; i++)
        if (x[i] != 0 && (n >= out[1].size_bytes / sizeof *z || z[n++] != x[i]))
            return 0;
    if (n * sizeof *z != out[1].size_bytes)
        return 0;
    if (out[0].shape.rank != 2 || out[0].shape.dim[0] != (c ? rows : SESSION_K) || out[0].shape.dim[1] != SESSION_N)
        return 0;
    for (size_t i = 0; i < (size_t)out[0].shape.dim[0]; i++)
        for (size_t j = 0; j < SESSION_N; j++) {
            float want = c ? 0 : session_weight(i * SESSION_N + j) + sum;
            for (size_t k = 0; c && k < SESSION_K; k++)
                want += x[i * SESSION_K + k] * session_weight(k * SESSION_N + j);
            if (y[i * SESSION_N + j] != want)
                return 0;
        }
    return 1;
}

#endif
