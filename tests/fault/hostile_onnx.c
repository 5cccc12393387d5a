/* Hostile models, each named after what it tries: integer overflow in shapes, cycles, counts and lengths that are not
 * there, deep nesting, functions that never end, paths out of the folder, memory bombs, attributes that divide by zero.
 * Each must be refused with the right status, quickly and within the memory limit.
 *
 *   hostile_onnx               the test
 *   hostile_onnx --write DIR   writes every model as DIR/NAME.onnx: the corpus of fuzz_onnx
 */
#include "base/clock.h"
#include "base/file.h"
#include "onnx_drive.h"
#include "onnx_write.h"
#include <stdio.h>
#include <sys/resource.h>

enum { HOSTILE_SECONDS = 5, HOSTILE_ADDRESS_SPACE_MIB = 1024 };

/* Where the model must be refused: reading it, or at the latest running it. NOWHERE is for models that are odd but
 * fine, kept as seeds. */
typedef enum hostile_step { HOSTILE_IMPORT, HOSTILE_RUN, HOSTILE_NOWHERE } hostile_step;

typedef struct hostile {
    const char *name;
    pb_write (*make)(void);
    hostile_step step;
    setsuna_status status; /* of HOSTILE_IMPORT */
} hostile;

static const float two_floats[] = {1, 2};

/* ---- shapes ---------------------------------------------------------------------------------------- */

static pb_write graph_of(pb_write tensor)
{
    pb_write g = onnx_graph("main", "", "w");
    pb_message(&g, 5, tensor);
    return onnx_model(g);
}

static pb_write dims_of(int64_t a, int64_t b, int64_t c)
{
    const int64_t dims[] = {a, b, c};
    pb_write t = onnx_tensor("w", ONNX_F32, dims, 3);
    pb_bytes(&t, 9, two_floats, sizeof two_floats);
    return graph_of(t);
}

static pb_write dims_wrap_to_zero(void)
{
    return dims_of(1LL << 32, 1LL << 32, 1);
}
static pb_write dims_wrap_to_small(void)
{
    return dims_of((1LL << 62) + 1, 4, 1);
}
static pb_write dims_wrap_negative(void)
{
    return dims_of(1LL << 31, 1LL << 32, 1);
}
static pb_write dims_bytes_wrap(void)
{
    return dims_of((1LL << 62) + 2, 1, 1);
}
static pb_write dims_max_and_zero(void)
{
    return dims_of(INT64_MAX, INT64_MAX, 0);
}
static pb_write dims_negative(void)
{
    return dims_of(-1, -2, 1);
}
static pb_write dims_petabytes(void)
{
    return dims_of(1LL << 50, 1, 1);
}

static pb_write rank_nine(void)
{
    const int64_t dims[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    return graph_of(onnx_tensor("w", ONNX_F32, dims, 9));
}

static pb_write rank_of_20000(void)
{
    pb_write t = {0}, dims = {0};
    for (int i = 0; i < 20000; i++)
        pb_put_varint(&dims, 1);
    pb_message(&t, 1, dims);
    pb_int(&t, 2, ONNX_F32);
    pb_text(&t, 8, "w");
    return graph_of(t);
}

/* ---- lengths and counts that are not there --------------------------------------------------------- */

static pb_write length_past_the_end(void)
{
    pb_write m = {0};
    pb_int(&m, 1, 8);
    pb_tag(&m, 7, 2);
    pb_put_varint(&m, 1000000000);
    pb_put(&m, "\x0a\x00", 2);
    return m;
}

static pb_write length_near_2_64(void)
{
    pb_write m = {0};
    pb_int(&m, 1, 8);
    pb_tag(&m, 7, 2);
    pb_put_varint(&m, UINT64_MAX);
    return m;
}

static pb_write packed_list_past_the_end(void)
{
    pb_write t = {0};
    pb_tag(&t, 4, 2);
    pb_put_varint(&t, (uint64_t)1 << 40);
    return graph_of(t);
}

static pb_write groups_nested(void)
{
    pb_write m = onnx_model(onnx_graph("main", "x", "x"));
    for (int i = 0; i < 10000; i++)
        pb_tag(&m, 100, 3);
    return m;
}

/* Nodes of three bytes each. */
static pb_write nodes_without_end(void)
{
    pb_write g = onnx_graph("main", "x", "x"), n = {0};
    pb_text(&n, 4, "A");
    for (int i = 0; i < 5000; i++)
        pb_bytes(&g, 1, n.data, n.size);
    free(n.data);
    return onnx_model(g);
}

/* ---- cycles and names ------------------------------------------------------------------------------ */

static pb_write cycle_of_two(void)
{
    pb_write g = onnx_graph("main", "x", "y");
    pb_message(&g, 1, onnx_node("Add", "a", "x,v", "y"));
    pb_message(&g, 1, onnx_node("Neg", "b", "y", "v"));
    return onnx_model(g);
}

static pb_write cycle_of_one(void)
{
    pb_write g = onnx_graph("main", "x", "y");
    pb_message(&g, 1, onnx_node("Neg", "a", "y", "y"));
    return onnx_model(g);
}

static pb_write if_node(const char *cond, const char *out, pb_write then)
{
    pb_write n = onnx_node("If", "if", cond, out);
    pb_write copy = {0};
    pb_put(&copy, then.data, then.size);
    pb_message(&n, 5, onnx_attr_graph("then_branch", then));
    pb_message(&n, 5, onnx_attr_graph("else_branch", copy));
    return n;
}

static pb_write cycle_through_a_capture(void)
{
    pb_write then = onnx_graph("then", "", "t"), g = onnx_graph("main", "c", "y");
    pb_message(&then, 1, onnx_node("Neg", "", "y", "t"));
    pb_message(&g, 1, if_node("c", "y", then));
    return onnx_model(g);
}

static pb_write value_made_twice(void)
{
    pb_write g = onnx_graph("main", "x", "y");
    pb_message(&g, 1, onnx_node("Neg", "a", "x", "y"));
    pb_message(&g, 1, onnx_node("Abs", "b", "x", "y"));
    return onnx_model(g);
}

static pb_write value_from_nowhere(void)
{
    pb_write g = onnx_graph("main", "x", "y");
    pb_message(&g, 1, onnx_node("Neg", "a", "nowhere", "y"));
    return onnx_model(g);
}

static pb_write name_with_nul(void)
{
    pb_write g = onnx_graph("main", "x", "y"), n = {0};
    pb_bytes(&n, 1, "x", 1);
    pb_bytes(&n, 2, "y\0z", 3);
    pb_text(&n, 4, "Neg");
    pb_message(&g, 1, n);
    return onnx_model(g);
}

static pb_write name_of_4096_bytes(void)
{
    char name[4097];
    memset(name, 'a', 4096);
    name[4096] = '\0';
    pb_write g = onnx_graph("main", "x", "x");
    pb_message(&g, 1, onnx_node("Neg", name, "x", "y"));
    return onnx_model(g);
}

/* ---- depth ----------------------------------------------------------------------------------------- */

static pb_write subgraphs_nested(int depth)
{
    pb_write g = onnx_graph("leaf", "", "v");
    pb_message(&g, 1, onnx_node("Neg", "", "x", "v"));
    for (int k = 0; k < depth; k++) {
        pb_write outer = k == depth - 1 ? onnx_graph("main", "x,c", "v") : onnx_graph("g", "", "v");
        pb_write n = onnx_node("If", "if", "c", "v");
        pb_message(&n, 5, onnx_attr_graph("then_branch", g));
        pb_message(&outer, 1, n);
        g = outer;
    }
    return onnx_model(g);
}

static pb_write subgraphs_33_deep(void)
{
    return subgraphs_nested(33);
}
static pb_write subgraphs_500_deep(void)
{
    return subgraphs_nested(500);
}

static pb_write types_nested(void)
{
    pb_write type = {0}, v = {0}, g = onnx_graph("main", "", "");
    for (int k = 0; k < 1000; k++) {
        pb_write sequence = {0}, outer = {0};
        pb_message(&sequence, 1, type);
        pb_message(&outer, 4, sequence);
        type = outer;
    }
    pb_text(&v, 1, "x");
    pb_message(&v, 2, type);
    pb_message(&g, 11, v);
    return onnx_model(g);
}

static pb_write functions(int n, int fan, bool cycle)
{
    pb_write g = onnx_graph("main", "x", "y");
    pb_message(&g, 1, onnx_call("f0", "", "x", "y"));
    pb_write m = onnx_model(g);
    for (int k = 0; k < n; k++) {
        char name[16], next[16], out[16];
        snprintf(name, sizeof name, "f%d", k);
        snprintf(next, sizeof next, "f%d", cycle && k == n - 1 ? 0 : k + 1);
        pb_write f = onnx_function(name, "x", "y0");
        for (int i = 0; i < fan; i++) {
            snprintf(out, sizeof out, "y%d", i);
            pb_message(&f, 7, k == n - 1 && !cycle ? onnx_node("Neg", "", "x", out) : onnx_call(next, "", "x", out));
        }
        pb_message(&m, 25, f);
    }
    return m;
}

static pb_write function_calls_itself(void)
{
    return functions(1, 1, true);
}
static pb_write function_cycle_of_five(void)
{
    return functions(5, 1, true);
}
static pb_write functions_101_deep(void)
{
    return functions(101, 1, false);
}
static pb_write functions_doubling(void)
{
    return functions(40, 2, false);
}

/* Not too many nodes, but more memory than there is to be. */
static pb_write functions_half_a_million(void)
{
    return functions(18, 2, false);
}

/* Each function calls the next one in both branches of an If. */
static pb_write functions_doubling_in_branches(void)
{
    static const char *const branch[] = {"then_branch", "else_branch"};
    pb_write g = onnx_graph("main", "x", "y");
    pb_message(&g, 1, onnx_call("f0", "", "x", "y"));
    pb_write m = onnx_model(g);
    for (int k = 0; k < 30; k++) {
        char name[16], next[16];
        snprintf(name, sizeof name, "f%d", k);
        snprintf(next, sizeof next, "f%d", k + 1);
        pb_write f = onnx_function(name, "x", "y"), n = onnx_node("If", "", "x", "y");
        for (int i = 0; i < 2; i++) {
            pb_write sub = onnx_graph(branch[i], "", "t");
            pb_message(&sub, 1, k == 29 ? onnx_node("Neg", "", "x", "t") : onnx_call(next, "", "x", "t"));
            pb_message(&n, 5, onnx_attr_graph(branch[i], sub));
        }
        pb_message(&f, 7, n);
        pb_message(&m, 25, f);
    }
    return m;
}

/* ---- external data --------------------------------------------------------------------------------- */

static pb_write external_at(const char *location, const char *offset)
{
    const int64_t dim = 4;
    pb_write t = onnx_tensor("w", ONNX_U8, &dim, 1);
    pb_int(&t, 14, 1);
    const char *entry[][2] = {{"location", location}, {"offset", offset}};
    for (int i = 0; i < 2; i++) {
        pb_write e = {0};
        pb_text(&e, 1, entry[i][0]);
        pb_text(&e, 2, entry[i][1]);
        pb_message(&t, 13, e);
    }
    return graph_of(t);
}

static pb_write external_parent(void)
{
    return external_at("../../etc/passwd", "0");
}
static pb_write external_absolute(void)
{
    return external_at("/etc/passwd", "0");
}
static pb_write external_inside_out(void)
{
    return external_at("a/../../b", "0");
}
static pb_write external_offset_wraps(void)
{
    return external_at("w.bin", "18446744073709551615");
}
static pb_write external_offset_overflows(void)
{
    return external_at("w.bin", "99999999999999999999");
}

/* ---- memory bombs and attributes that bite ---------------------------------------------------------- */

static pb_write int_list(const char *name, const int64_t *v, size_t n)
{
    int64_t dim = (int64_t)n;
    pb_write t = onnx_tensor(name, ONNX_I64, &dim, 1);
    pb_packed(&t, 7, v, n);
    return t;
}

/* op(x (2,2), list) -> y */
static pb_write op_with_list(const char *op, const char *in, const int64_t *v, size_t n)
{
    const int64_t dims[] = {2, 2};
    pb_write g = {0};
    pb_message(&g, 11, onnx_value("x", ONNX_F32, dims, 2));
    pb_message(&g, 12, onnx_value_f32("y"));
    pb_message(&g, 5, int_list("list", v, n));
    pb_message(&g, 1, onnx_node(op, op, in, "y"));
    return onnx_model(g);
}

static const int64_t bomb[] = {1LL << 20, 1LL << 20}, wrap[] = {1LL << 32, 1LL << 32};

static pb_write bomb_constant_of_shape(void)
{
    return op_with_list("ConstantOfShape", "list", bomb, 2);
}
static pb_write bomb_constant_of_shape_wraps(void)
{
    return op_with_list("ConstantOfShape", "list", wrap, 2);
}
static pb_write bomb_expand(void)
{
    const int64_t shape[] = {1LL << 30, 2, 2};
    return op_with_list("Expand", "x,list", shape, 3);
}
static pb_write bomb_tile(void)
{
    return op_with_list("Tile", "x,list", bomb, 2);
}
static pb_write bomb_reshape_wraps(void)
{
    return op_with_list("Reshape", "x,list", wrap, 2);
}
static pb_write bomb_pad(void)
{
    const int64_t pads[] = {0, INT64_MAX, INT64_MAX, 0};
    return op_with_list("Pad", "x,list", pads, 4);
}

static pb_write bomb_range(void)
{
    pb_write g = onnx_graph("main", "", "y");
    pb_message(&g, 5, onnx_tensor_scalar("begin", ONNX_I64, INT64_MIN));
    pb_message(&g, 5, onnx_tensor_scalar("end", ONNX_I64, INT64_MAX));
    pb_message(&g, 5, onnx_tensor_scalar("step", ONNX_I64, 1));
    pb_message(&g, 1, onnx_node("Range", "range", "begin,end,step", "y"));
    return onnx_model(g);
}

/* Each node doubles: 2^40 elements from 40 nodes. */
static pb_write bomb_concat_doubling(void)
{
    const int64_t dims[] = {2};
    pb_write g = {0};
    char in[32], out[16];
    pb_message(&g, 11, onnx_value("v0", ONNX_F32, dims, 1));
    pb_message(&g, 12, onnx_value_f32("v40"));
    for (int i = 0; i < 40; i++) {
        snprintf(in, sizeof in, "v%d,v%d", i, i);
        snprintf(out, sizeof out, "v%d", i + 1);
        pb_write n = onnx_node("Concat", "", in, out);
        pb_message(&n, 5, onnx_attr_int("axis", 0));
        pb_message(&g, 1, n);
    }
    return onnx_model(g);
}

/* A convolution or pool over x (1,2,4,4) with one attribute set. */
static pb_write window_with(const char *op, const char *attr, const int64_t *v, size_t n)
{
    const int64_t x[] = {1, 2, 4, 4}, w[] = {2, 2, 3, 3}, kernel[] = {3, 3};
    pb_write g = {0}, node = onnx_node(op, op, strcmp(op, "Conv") == 0 ? "x,w" : "x", "y"), a = {0};
    pb_message(&g, 11, onnx_value("x", ONNX_F32, x, 4));
    pb_message(&g, 11, onnx_value("w", ONNX_F32, w, 4));
    pb_message(&g, 12, onnx_value_f32("y"));
    pb_text(&a, 1, attr);
    pb_int(&a, 20, n == 1 ? 2 : 7);
    if (n == 1)
        pb_int(&a, 3, v[0]);
    else
        pb_packed(&a, 8, v, n);
    pb_message(&node, 5, a);
    if (strcmp(attr, "kernel_shape") != 0) {
        a = (pb_write){0};
        pb_text(&a, 1, "kernel_shape");
        pb_int(&a, 20, 7);
        pb_packed(&a, 8, kernel, 2);
        pb_message(&node, 5, a);
    }
    pb_message(&g, 1, node);
    return onnx_model(g);
}

static const int64_t zeros[] = {0, 0}, minus[] = {-1, -1}, huge[] = {INT64_MAX, INT64_MAX};

static pb_write conv_stride_zero(void)
{
    return window_with("Conv", "strides", zeros, 2);
}
static pb_write conv_stride_negative(void)
{
    return window_with("Conv", "strides", minus, 2);
}
static pb_write conv_dilation_zero(void)
{
    return window_with("Conv", "dilations", zeros, 2);
}
static pb_write conv_dilation_huge(void)
{
    return window_with("Conv", "dilations", huge, 2);
}
static pb_write conv_group_zero(void)
{
    return window_with("Conv", "group", zeros, 1);
}
static pb_write conv_group_negative(void)
{
    return window_with("Conv", "group", minus, 1);
}
static pb_write conv_pads_short(void)
{
    return window_with("Conv", "pads", zeros, 2);
}
static pb_write pool_kernel_zero(void)
{
    return window_with("MaxPool", "kernel_shape", zeros, 2);
}
static pb_write pool_stride_zero(void)
{
    return window_with("AveragePool", "strides", zeros, 2);
}

static pb_write axis_out_of_range(void)
{
    const int64_t dims[] = {2, 2};
    pb_write g = {0}, n = onnx_node("Softmax", "s", "x", "y");
    pb_message(&n, 5, onnx_attr_int("axis", INT64_MIN));
    pb_message(&g, 11, onnx_value("x", ONNX_F32, dims, 2));
    pb_message(&g, 12, onnx_value_f32("y"));
    pb_message(&g, 1, n);
    return onnx_model(g);
}

static pb_write gather_index_out_of_range(void)
{
    const int64_t index[] = {-3, INT64_MAX};
    return op_with_list("Gather", "x,list", index, 2);
}

/* ---- subgraphs that do not fit their node ----------------------------------------------------------- */

/* The body adds its last two inputs, however many the node gives it. */
static pb_write body_of_other_arity(const char *op, const char *in, const char *body_in)
{
    pb_write body = onnx_graph("body", body_in, "go,a,b"), n = onnx_node(op, op, in, "y"), g = {0};
    const int64_t dims[] = {2, 2};
    pb_message(&body, 1, onnx_node("Identity", "", "c", "go"));
    pb_message(&body, 1, onnx_node("Add", "", "s,t", "a"));
    pb_message(&body, 1, onnx_node("Identity", "", "t", "b"));
    pb_message(&n, 5, onnx_attr_graph(strcmp(op, "If") == 0 ? "then_branch" : "body", body));
    if (strcmp(op, "Scan") == 0)
        pb_message(&n, 5, onnx_attr_int("num_scan_inputs", 1));
    if (strcmp(op, "If") == 0)
        pb_message(&n, 5, onnx_attr_graph("else_branch", onnx_graph("else", "c,s,t", "c,s,t")));
    pb_message(&g, 11, onnx_value("x", ONNX_F32, dims, 2));
    pb_message(&g, 12, onnx_value_f32("y"));
    pb_message(&g, 5, onnx_tensor_scalar("trips", ONNX_I64, 3));
    pb_message(&g, 5, onnx_tensor_scalar("yes", ONNX_BOOL, 1));
    pb_message(&g, 1, n);
    return onnx_model(g);
}

static pb_write scan_body_of_other_arity(void)
{
    return body_of_other_arity("Scan", "x", "c,s,t");
}
static pb_write loop_body_of_other_arity(void)
{
    return body_of_other_arity("Loop", "trips,yes,x", "i,c,s,t");
}
static pb_write if_branch_with_inputs(void)
{
    return body_of_other_arity("If", "yes", "c,s,t");
}

/* Scan-8: the carried value takes its size from the data, and grows from one item of the batch to the next. */
static pb_write scan_of_uneven_batch(void)
{
    const int64_t state[] = {2, 1}, scanned[] = {2, 1, 1};
    pb_write body = {0}, cast = onnx_node("Cast", "", "item", "shape"), n = onnx_node("Scan", "scan", ",s,x", "y"),
             g = {0}, m = {0};
    pb_text(&body, 2, "body");
    pb_message(&body, 11, onnx_value("one", ONNX_F32, NULL, -1));
    pb_message(&body, 11, onnx_value("item", ONNX_F32, NULL, -1));
    pb_message(&body, 12, onnx_value("grown", ONNX_F32, NULL, -1));
    pb_message(&cast, 5, onnx_attr_int("to", ONNX_I64));
    pb_message(&body, 1, cast);
    pb_message(&body, 1, onnx_node("Expand", "", "one,shape", "grown"));
    pb_message(&n, 5, onnx_attr_graph("body", body));
    pb_message(&n, 5, onnx_attr_int("num_scan_inputs", 1));
    pb_message(&g, 11, onnx_value("s", ONNX_F32, state, 2));
    pb_message(&g, 11, onnx_value("x", ONNX_F32, scanned, 3));
    pb_message(&g, 12, onnx_value_f32("y"));
    pb_message(&g, 1, n);
    pb_int(&m, 1, 8);
    pb_message(&m, 7, g);
    pb_message(&m, 8, onnx_opset("", 8));
    return m;
}

/* ---- the test -------------------------------------------------------------------------------------- */

static const hostile hostiles[] = {
    {"axis_out_of_range", axis_out_of_range, HOSTILE_RUN, 0},
    {"bomb_concat_doubling", bomb_concat_doubling, HOSTILE_RUN, 0},
    {"bomb_constant_of_shape", bomb_constant_of_shape, HOSTILE_RUN, 0},
    {"bomb_constant_of_shape_wraps", bomb_constant_of_shape_wraps, HOSTILE_RUN, 0},
    {"bomb_expand", bomb_expand, HOSTILE_RUN, 0},
    {"bomb_pad", bomb_pad, HOSTILE_RUN, 0},
    {"bomb_range", bomb_range, HOSTILE_RUN, 0},
    {"bomb_reshape_wraps", bomb_reshape_wraps, HOSTILE_RUN, 0},
    {"bomb_tile", bomb_tile, HOSTILE_RUN, 0},
    {"conv_dilation_huge", conv_dilation_huge, HOSTILE_RUN, 0},
    {"conv_dilation_zero", conv_dilation_zero, HOSTILE_RUN, 0},
    {"conv_group_negative", conv_group_negative, HOSTILE_RUN, 0},
    {"conv_group_zero", conv_group_zero, HOSTILE_RUN, 0},
    {"conv_pads_short", conv_pads_short, HOSTILE_RUN, 0},
    {"conv_stride_negative", conv_stride_negative, HOSTILE_RUN, 0},
    {"conv_stride_zero", conv_stride_zero, HOSTILE_RUN, 0},
    {"cycle_of_one", cycle_of_one, HOSTILE_IMPORT, SETSUNA_EMODEL},
    {"cycle_of_two", cycle_of_two, HOSTILE_IMPORT, SETSUNA_EMODEL},
    {"cycle_through_a_capture", cycle_through_a_capture, HOSTILE_IMPORT, SETSUNA_EMODEL},
    {"dims_bytes_wrap", dims_bytes_wrap, HOSTILE_IMPORT, SETSUNA_EMODEL},
    {"dims_max_and_zero", dims_max_and_zero, HOSTILE_IMPORT, SETSUNA_EMODEL},
    {"dims_negative", dims_negative, HOSTILE_IMPORT, SETSUNA_EMODEL},
    {"dims_petabytes", dims_petabytes, HOSTILE_IMPORT, SETSUNA_EMODEL},
    {"dims_wrap_negative", dims_wrap_negative, HOSTILE_IMPORT, SETSUNA_EMODEL},
    {"dims_wrap_to_small", dims_wrap_to_small, HOSTILE_IMPORT, SETSUNA_EMODEL},
    {"dims_wrap_to_zero", dims_wrap_to_zero, HOSTILE_IMPORT, SETSUNA_EMODEL},
    {"external_absolute", external_absolute, HOSTILE_IMPORT, SETSUNA_EUNSUPPORTED},
    {"external_inside_out", external_inside_out, HOSTILE_IMPORT, SETSUNA_EUNSUPPORTED},
    {"external_offset_overflows", external_offset_overflows, HOSTILE_IMPORT, SETSUNA_EMODEL},
    {"external_offset_wraps", external_offset_wraps, HOSTILE_IMPORT, SETSUNA_EUNSUPPORTED},
    {"external_parent", external_parent, HOSTILE_IMPORT, SETSUNA_EUNSUPPORTED},
    {"function_calls_itself", function_calls_itself, HOSTILE_IMPORT, SETSUNA_EMODEL},
    {"function_cycle_of_five", function_cycle_of_five, HOSTILE_IMPORT, SETSUNA_EMODEL},
    {"functions_101_deep", functions_101_deep, HOSTILE_IMPORT, SETSUNA_ELIMIT},
    {"functions_doubling", functions_doubling, HOSTILE_IMPORT, SETSUNA_ELIMIT},
    {"functions_doubling_in_branches", functions_doubling_in_branches, HOSTILE_IMPORT, SETSUNA_ELIMIT},
    {"functions_half_a_million", functions_half_a_million, HOSTILE_IMPORT, SETSUNA_ELIMIT},
    {"gather_index_out_of_range", gather_index_out_of_range, HOSTILE_RUN, 0},
    {"groups_nested", groups_nested, HOSTILE_IMPORT, SETSUNA_EMODEL},
    {"if_branch_with_inputs", if_branch_with_inputs, HOSTILE_RUN, 0},
    {"length_near_2_64", length_near_2_64, HOSTILE_IMPORT, SETSUNA_EMODEL},
    {"length_past_the_end", length_past_the_end, HOSTILE_IMPORT, SETSUNA_EMODEL},
    {"loop_body_of_other_arity", loop_body_of_other_arity, HOSTILE_RUN, 0},
    {"name_of_4096_bytes", name_of_4096_bytes, HOSTILE_IMPORT, SETSUNA_ELIMIT},
    {"name_with_nul", name_with_nul, HOSTILE_IMPORT, SETSUNA_EMODEL},
    {"nodes_without_end", nodes_without_end, HOSTILE_NOWHERE, 0},
    {"packed_list_past_the_end", packed_list_past_the_end, HOSTILE_IMPORT, SETSUNA_EMODEL},
    {"pool_kernel_zero", pool_kernel_zero, HOSTILE_RUN, 0},
    {"pool_stride_zero", pool_stride_zero, HOSTILE_RUN, 0},
    {"rank_nine", rank_nine, HOSTILE_IMPORT, SETSUNA_ELIMIT},
    {"rank_of_20000", rank_of_20000, HOSTILE_IMPORT, SETSUNA_ELIMIT},
    {"scan_body_of_other_arity", scan_body_of_other_arity, HOSTILE_RUN, 0},
    {"scan_of_uneven_batch", scan_of_uneven_batch, HOSTILE_RUN, 0},
    {"subgraphs_33_deep", subgraphs_33_deep, HOSTILE_IMPORT, SETSUNA_ELIMIT},
    {"subgraphs_500_deep", subgraphs_500_deep, HOSTILE_IMPORT, SETSUNA_ELIMIT},
    {"types_nested", types_nested, HOSTILE_IMPORT, SETSUNA_EUNSUPPORTED},
    {"value_from_nowhere", value_from_nowhere, HOSTILE_IMPORT, SETSUNA_EMODEL},
    {"value_made_twice", value_made_twice, HOSTILE_IMPORT, SETSUNA_EMODEL},
};

enum { HOSTILES = sizeof hostiles / sizeof hostiles[0] };

/* Import, then one run. *step_out: where it was refused. */
static setsuna_status hostile_try(const pb_write *w, hostile_step *step_out, setsuna_error *err)
{
    sn_onnx_model *imported = NULL;
    sn_onnx_options options = {.limit_bytes = (size_t)64 << 20};
    *step_out = HOSTILE_IMPORT;
    SN_TRY(sn_onnx_parse(w->data, w->size, &options, &imported, err));
    sn_onnx_destroy(imported);
    *step_out = HOSTILE_RUN;
    sn_model *model;
    sn_session *session = NULL;
    sn_model_options engine = {.cpu_level = -1, .n_threads = 1, .memory_limit_bytes = (size_t)64 << 20};
    SN_TRY(sn_model_parse(w->data, w->size, &engine, &model, err));
    setsuna_tensor in[DRIVE_INPUTS_MAX], out[DRIVE_INPUTS_MAX];
    uint32_t n = 0;
    setsuna_status status = sn_session_create(model, &session, err);
    if (status == SETSUNA_OK)
        status = drive_make_inputs(model, in, &n) && sn_model_outputs(model) <= DRIVE_INPUTS_MAX
                     ? sn_session_run(session, in, out, err)
                     : SETSUNA_EINVAL;
    if (session)
        sn_session_destroy(session);
    sn_model_close(model);
    for (uint32_t i = 0; i < n; i++)
        free(in[i].data);
    if (status == SETSUNA_OK)
        *step_out = HOSTILE_NOWHERE;
    return status;
}

static bool hostile_check(const hostile *h)
{
    static const char *const step_name[] = {"at import", "at run", "never"};
    pb_write w = pb_exact(h->make());
    setsuna_error err = {0};
    hostile_step step;
    uint64_t begin = sn_now_ns();
    setsuna_status status = hostile_try(&w, &step, &err);
    uint64_t ns = sn_now_ns() - begin;
    free(w.data);
    bool ok = ns < (uint64_t)HOSTILE_SECONDS * 1000000000u;
    if (h->step == HOSTILE_IMPORT)
        ok = ok && step == h->step && status == h->status;
    else if (h->step == HOSTILE_RUN)
        ok = ok && step == h->step;
    else
        ok = ok && step != HOSTILE_IMPORT; /* an operator may be unknown */
    printf("%s %-30s %-12s %s, %.1f ms: %s %s\n", ok ? "ok    " : "FAILED", h->name, setsuna_status_name(status),
           step_name[step], (double)ns / 1e6, err.where, err.text);
    return ok;
}

static bool hostile_write(const hostile *h, const char *dir)
{
    char path[4096];
    setsuna_error err = {0};
    pb_write w = h->make();
    snprintf(path, sizeof path, "%s/%s.onnx", dir, h->name);
    bool ok = sn_file_write(path, w.data, w.size, &err) == SETSUNA_OK;
    if (!ok)
        fprintf(stderr, "%s\n", err.text);
    free(w.data);
    return ok;
}

int main(int argc, char **argv)
{
    size_t failed = 0;
    bool write = argc == 3 && strcmp(argv[1], "--write") == 0;
    if (argc != 1 && !write) {
        fprintf(stderr, "usage: hostile_onnx [--write DIR]\n");
        return 2;
    }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)
    /* Not under sanitizers, which reserve terabytes (clang does not say so to the preprocessor in this form). */
    struct rlimit space = {(rlim_t)HOSTILE_ADDRESS_SPACE_MIB << 20, (rlim_t)HOSTILE_ADDRESS_SPACE_MIB << 20};
    setrlimit(RLIMIT_AS, &space);
#endif
    for (size_t i = 0; i < HOSTILES; i++)
        failed += write ? !hostile_write(&hostiles[i], argv[2]) : !hostile_check(&hostiles[i]);
    printf("%d models, %zu failed\n", (int)HOSTILES, failed);
    return failed != 0;
}
