/* Writes well-formed seeds: seed_onnx DIR makes seed_NAME.onnx in DIR/onnx and NAME.pb in DIR/onnx_tensor. The hostile
 * ones come from hostile_onnx --write. */
#include "base/file.h"
#include "onnx_write.h"
#include <setsuna/tensor.h>
#include <stdio.h>

static const float seed_floats[] = {1, 2, 3, 4, 5, 6};
static const int64_t seed_dims[] = {2, 3};

/* Takes message. */
static int seed_write(const char *dir, const char *name, pb_write message)
{
    char path[4096];
    setsuna_error err = {0};
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int failed = sn_file_write(path, message.data, message.size, &err) != SETSUNA_OK;
    if (failed)
        fprintf(stderr, "%s: %s\n", path, err.text);
    free(message.data);
    return failed;
}

/* Every kind of attribute on one node. */
static pb_write seed_attributes(void)
{
    pb_write n = onnx_node("Op", "n", "x", "y"), a = {0};
    pb_message(&n, 5, onnx_attr_int("i", -7));
    pb_message(&n, 5, onnx_attr_tensor("t", onnx_tensor_f32("", seed_floats, 6)));
    pb_text(&a, 1, "f");
    pb_int(&a, 20, 1);
    pb_f32(&a, 2, 1.5f);
    pb_message(&n, 5, a);
    a = (pb_write){0};
    pb_text(&a, 1, "s");
    pb_int(&a, 20, 3);
    pb_text(&a, 4, "text");
    pb_message(&n, 5, a);
    a = (pb_write){0};
    pb_text(&a, 1, "ints");
    pb_int(&a, 20, 7);
    pb_packed(&a, 8, seed_dims, 2);
    pb_message(&n, 5, a);
    a = (pb_write){0};
    pb_text(&a, 1, "floats");
    pb_int(&a, 20, 6);
    pb_bytes(&a, 7, seed_floats, sizeof seed_floats);
    pb_message(&n, 5, a);
    a = (pb_write){0};
    pb_text(&a, 1, "strings");
    pb_int(&a, 20, 8);
    pb_text(&a, 9, "one");
    pb_text(&a, 9, "two");
    pb_message(&n, 5, a);
    pb_write g = onnx_graph("main", "x", "y");
    pb_message(&g, 1, n);
    return onnx_model(g);
}

/* A loop whose body has a branch that reads values of both graphs around it. */
static pb_write seed_subgraphs(void)
{
    pb_write then = onnx_graph("then", "", "t"), other = onnx_graph("else", "", "e"),
             body = onnx_graph("body", "i,go,acc", "go2,next"), branch = onnx_node("If", "if", "go", "next"), n, g;
    pb_message(&then, 1, onnx_node("Add", "add", "acc,x", "t"));
    pb_message(&other, 1, onnx_node("Mul", "mul", "acc,w", "e"));
    pb_message(&branch, 5, onnx_attr_graph("then_branch", then));
    pb_message(&branch, 5, onnx_attr_graph("else_branch", other));
    pb_message(&body, 1, onnx_node("Identity", "", "go", "go2"));
    pb_message(&body, 1, branch);
    n = onnx_node("Loop", "loop", "m,,x", "y");
    pb_message(&n, 5, onnx_attr_graph("body", body));
    g = onnx_graph("main", "x", "y");
    pb_message(&g, 5, onnx_tensor_scalar("m", ONNX_I64, 3));
    pb_message(&g, 5, onnx_tensor_f32("w", seed_floats, 1));
    pb_message(&g, 1, n);
    return onnx_model(g);
}

/* A function that calls a function, with attributes by reference and by default. */
static pb_write seed_functions(void)
{
    pb_write inner = onnx_function("inner", "a", "o"), outer = onnx_function("outer", "a,b", "o,a"), n, g, m;
    n = onnx_node("Softmax", "s", "a", "o");
    pb_message(&n, 5, onnx_attr_ref("axis", 2, "axis"));
    pb_message(&inner, 7, n);
    pb_message(&inner, 11, onnx_attr_int("axis", -1));
    n = onnx_call("inner", "in", "a", "t");
    pb_message(&n, 5, onnx_attr_ref("axis", 2, "k"));
    pb_message(&outer, 7, n);
    pb_message(&outer, 7, onnx_node("Add", "add", "t,b", "o"));
    n = onnx_call("outer", "out", "x,x", "y,z");
    pb_message(&n, 5, onnx_attr_int("k", 0));
    g = onnx_graph("main", "x", "y,z");
    pb_message(&g, 1, n);
    m = onnx_model(g);
    pb_message(&m, 25, inner);
    pb_message(&m, 25, outer);
    return m;
}

/* Metadata, types with symbols, constants, nodes out of order, an input that is an initializer. */
static pb_write seed_head(void)
{
    pb_write g = {0}, n, m, p = {0};
    pb_text(&g, 2, "main");
    pb_message(&g, 11, onnx_value("x", ONNX_F32, seed_dims, 2));
    pb_message(&g, 11, onnx_value("w", ONNX_F32, seed_dims, 1));
    pb_message(&g, 12, onnx_value("y", ONNX_F32, seed_dims, 2));
    pb_message(&g, 13, onnx_value("t", ONNX_F32, seed_dims, 2));
    pb_message(&g, 5, onnx_tensor_f32("w", seed_floats, 1));
    pb_message(&g, 1, onnx_node("Mul", "", "t,k", "y"));
    pb_message(&g, 1, onnx_node("Add", "", "x,w", "t"));
    n = onnx_node("Constant", "", "", "k");
    pb_message(&n, 5, onnx_attr_tensor("value", onnx_tensor_f32("", seed_floats, 1)));
    pb_message(&g, 1, n);
    m = onnx_model(g);
    pb_text(&m, 2, "producer");
    pb_message(&m, 8, onnx_opset("ai.onnx.ml", 3));
    pb_text(&p, 1, "key");
    pb_text(&p, 2, "value");
    pb_message(&m, 14, p);
    return m;
}

static int seed_tensors(const char *dir)
{
    int failed = 0;
    for (int type = 1; type <= 16; type++) {
        static const uint8_t raw[6 * 16] = {1};
        char name[32];
        size_t size = 6 * setsuna_dtype_size((setsuna_dtype)type);
        pb_write t = onnx_tensor("t", type, seed_dims, 2);
        if (type == ONNX_STRING)
            for (int i = 0; i < 6; i++)
                pb_text(&t, 6, "string");
        else
            pb_bytes(&t, 9, raw, size);
        snprintf(name, sizeof name, "raw_%s.pb", setsuna_dtype_name((setsuna_dtype)type));
        failed |= seed_write(dir, name, t);
    }
    static const int64_t six[] = {0, 1, 1, 0, 1, 0};
    static const struct {
        const char *name;
        int type;
        uint32_t field;
    } list[] = {{"int32_data.pb", 5, 5}, {"bool_data.pb", 9, 5}, {"int64_data.pb", 7, 7}, {"uint64_data.pb", 13, 11}};
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        pb_write t = onnx_tensor("t", list[i].type, seed_dims, 2);
        pb_packed(&t, list[i].field, six, 6);
        failed |= seed_write(dir, list[i].name, t);
    }
    pb_write t = onnx_tensor("t", ONNX_F32, seed_dims, 2);
    for (int i = 0; i < 6; i++)
        pb_f32(&t, 4, seed_floats[i]);
    failed |= seed_write(dir, "float_data.pb", t);
    t = onnx_tensor("t", 11, seed_dims, 2);
    for (int i = 0; i < 6; i++)
        pb_f64(&t, 10, (double)i);
    return failed | seed_write(dir, "double_data.pb", t);
}

int main(int argc, char **argv)
{
    char models[2048], tensors[2048];
    if (argc != 2) {
        fprintf(stderr, "usage: seed_onnx DIR\n");
        return 2;
    }
    snprintf(models, sizeof models, "%s/onnx", argv[1]);
    snprintf(tensors, sizeof tensors, "%s/onnx_tensor", argv[1]);
    return seed_write(models, "seed_attributes.onnx", seed_attributes()) |
           seed_write(models, "seed_subgraphs.onnx", seed_subgraphs()) |
           seed_write(models, "seed_functions.onnx", seed_functions()) |
           seed_write(models, "seed_head.onnx", seed_head()) | seed_tensors(tensors);
}
