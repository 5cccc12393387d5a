#include "import_check.h"
#include <stdio.h>

static const int64_t dims[] = {-1, 3, 0};

/* x -> Relu -> y */
static pb_write relu_graph(void)
{
    pb_write g = onnx_graph("main", "x", "y");
    pb_message(&g, 1, onnx_node("Relu", "r", "x", "y"));
    return g;
}

static void test_head(void **state)
{
    (void)state;
    pb_write m = onnx_model(relu_graph()), p = {0};
    pb_text(&m, 2, "maker");
    pb_text(&m, 3, "1.2");
    pb_text(&m, 4, "org.example");
    pb_int(&m, 5, 7);
    pb_text(&m, 6, "doc");
    pb_message(&m, 8, onnx_opset("ai.onnx.ml", 3));
    pb_text(&p, 1, "labels");
    pb_text(&p, 2, "cat,dog");
    pb_message(&m, 14, p);
    pb_text(&m, 999, "from the future");
    imported i = import_ok(m);
    assert_int_equal(i.model->ir_version, 8);
    assert_int_equal(i.model->model_version, 7);
    assert_string_equal(i.model->producer_name, "maker");
    assert_string_equal(i.model->producer_version, "1.2");
    assert_string_equal(i.model->domain, "org.example");
    assert_int_equal(i.model->n_opset, 2);
    assert_string_equal(i.model->opset[1].domain, "ai.onnx.ml");
    assert_int_equal(i.model->opset[1].version, 3);
    assert_string_equal(sn_onnx_metadata(i.model, "labels"), "cat,dog");
    assert_null(sn_onnx_metadata(i.model, "nothing"));
    assert_int_equal(i.g->n_node, 1);
    assert_string_equal(i.g->node[0].op, "Relu");
    assert_string_equal(i.g->node[0].domain, "");
    assert_int_equal(i.g->node[0].opset, 13);
    assert_int_equal(i.g->n_input, 1);
    assert_int_equal(i.g->n_output, 1);
    assert_string_equal(i.g->name, "main");
    import_drop(&i);
}

static void test_what_is_no_model(void **state)
{
    (void)state;
    import_fails((pb_write){0}, SETSUNA_EMODEL, "", "not an ONNX model");
    pb_write text = {0};
    pb_put(&text, "{\"not\": \"protobuf\"}", 19);
    import_fails(text, SETSUNA_EMODEL, "", "");
    pb_write m = {0};
    pb_int(&m, 1, 8);
    import_fails(m, SETSUNA_EMODEL, "", "no graph");
    m = (pb_write){0};
    pb_message(&m, 7, relu_graph());
    import_fails(m, SETSUNA_EMODEL, "", "no IR version");
    m = onnx_model(relu_graph());
    pb_message(&m, 7, relu_graph());
    import_fails(m, SETSUNA_EMODEL, "", "two graphs");
    m = onnx_model(relu_graph());
    pb_int(&m, 7, 1);
    import_fails(m, SETSUNA_EMODEL, "", "wrong type");
}

static void test_opsets(void **state)
{
    (void)state;
    for (int version = 1; version <= 22; version++) {
        pb_write m = {0};
        pb_int(&m, 1, 9);
        pb_message(&m, 8, onnx_opset(version % 2 ? "ai.onnx" : "", version));
        pb_message(&m, 7, relu_graph());
        if (version == 22) {
            import_fails(m, SETSUNA_EUNSUPPORTED, "", "newest supported is 21");
            continue;
        }
        imported i = import_ok(m);
        assert_int_equal(i.g->node[0].opset, version);
        import_drop(&i);
    }
    pb_write m = onnx_model(relu_graph());
    pb_message(&m, 8, onnx_opset("x", 0));
    import_fails(m, SETSUNA_EMODEL, "", "opset_import");
    m = onnx_model(relu_graph());
    pb_message(&m, 8, onnx_opset("x", 1LL << 31));
    import_fails(m, SETSUNA_EMODEL, "", "opset_import");
    m = (pb_write){0}; /* before IR version 3 there were no imports */
    pb_int(&m, 1, 2);
    pb_message(&m, 7, relu_graph());
    imported i = import_ok(m);
    assert_int_equal(i.g->node[0].opset, 1);
    import_drop(&i);
    pb_write g = onnx_graph("main", "x", "y"), n = onnx_node("Custom", "c", "x", "y");
    pb_text(&n, 7, "org.unknown");
    pb_message(&g, 1, n);
    import_fails(onnx_model(g), SETSUNA_EMODEL, "node 'c' (Custom)", "no version of its domain 'org.unknown'");
    m = onnx_model(relu_graph());
    for (int k = 0; k < 64; k++)
        pb_message(&m, 8, onnx_opset("d", 1));
    import_fails(m, SETSUNA_ELIMIT, "", "opset imports");
}

static void test_types_of_inputs_and_outputs(void **state)
{
    (void)state;
    pb_write g = {0}, v = {0}, t = {0}, tensor = {0}, shape = {0}, dim = {0};
    pb_text(&dim, 2, "batch");
    pb_message(&shape, 1, dim);
    dim = (pb_write){0};
    pb_int(&dim, 1, -1);
    pb_message(&shape, 1, dim);
    pb_int(&tensor, 1, ONNX_I64);
    pb_message(&tensor, 2, shape);
    pb_message(&t, 1, tensor);
    pb_text(&v, 1, "a");
    pb_message(&v, 2, t);
    pb_message(&g, 11, v);
    pb_message(&g, 11, onnx_value("b", ONNX_F32, dims, 3));
    pb_message(&g, 11, onnx_value("c", 0, NULL, -1));
    pb_message(&g, 12, onnx_value("d", ONNX_BOOL, NULL, 0));
    pb_message(&g, 13, onnx_value("e", ONNX_U8, dims + 1, 1));
    pb_message(&g, 13, onnx_value("nobody", ONNX_U8, dims + 1, 1));
    pb_message(&g, 1, onnx_node("A", "", "a,b,c", "e"));
    pb_message(&g, 1, onnx_node("B", "", "e", "d"));
    imported i = import_ok(onnx_model(g));
    const sn_value *a = &i.g->value[value_of(i.g, "a")], *b = &i.g->value[value_of(i.g, "b")],
                   *c = &i.g->value[value_of(i.g, "c")], *d = &i.g->value[value_of(i.g, "d")],
                   *e = &i.g->value[value_of(i.g, "e")];
    assert_int_equal(a->dtype, SETSUNA_I64);
    assert_int_equal(a->shape.rank, 2);
    assert_int_equal(a->shape.dim[0], -1);
    assert_int_equal(a->shape.dim[1], -1);
    assert_string_equal(a->sym[0], "batch");
    assert_null(a->sym[1]);
    assert_true(b->has_shape && b->shape.rank == 3 && !b->sym);
    assert_int_equal(b->shape.dim[0], -1);
    assert_int_equal(b->shape.dim[1], 3);
    assert_int_equal(b->shape.dim[2], 0);
    assert_true(!c->has_shape && c->dtype == SETSUNA_DTYPE_NONE);
    assert_true(d->has_shape && d->shape.rank == 0 && d->dtype == SETSUNA_BOOL);
    assert_true(e->has_shape && e->shape.dim[0] == 3 && e->dtype == SETSUNA_U8);
    assert_string_equal(i.g->node[0].name, "A_0");
    assert_string_equal(i.g->node[1].name, "B_1");
    import_drop(&i);
}

/* An input whose TypeProto has only this field. */
static pb_write graph_with_type(uint32_t field, pb_write inner)
{
    pb_write g = onnx_graph("main", "", "y"), v = {0}, t = {0};
    pb_message(&t, field, inner);
    pb_text(&v, 1, "x");
    pb_message(&v, 2, t);
    pb_message(&g, 11, v);
    pb_message(&g, 1, onnx_node("Relu", "r", "x", "y"));
    return onnx_model(g);
}

static void test_inputs_that_are_refused(void **state)
{
    (void)state;
    import_fails(graph_with_type(4, (pb_write){0}), SETSUNA_EUNSUPPORTED, "main", "input 'x' is a sequence");
    import_fails(graph_with_type(5, (pb_write){0}), SETSUNA_EUNSUPPORTED, "main", "input 'x' is a map");
    import_fails(graph_with_type(8, (pb_write){0}), SETSUNA_EUNSUPPORTED, "main", "input 'x' is a sparse tensor");
    import_fails(graph_with_type(9, (pb_write){0}), SETSUNA_EUNSUPPORTED, "main", "input 'x' is an optional");
    static const int64_t nine[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    pb_write g = relu_graph();
    pb_message(&g, 11, onnx_value("z", ONNX_F32, nine, 9));
    import_fails(onnx_model(g), SETSUNA_ELIMIT, "", "more than 8 dimensions");
    g = relu_graph();
    pb_message(&g, 11, onnx_value("z", 17, NULL, -1));
    import_fails(onnx_model(g), SETSUNA_EUNSUPPORTED, "", "unsupported element type 17");
    pb_write tensor = {0}, shape = {0}, dim = {0};
    pb_int(&dim, 1, -2);
    pb_message(&shape, 1, dim);
    pb_int(&tensor, 1, 1);
    pb_message(&tensor, 2, shape);
    import_fails(graph_with_type(1, tensor), SETSUNA_EMODEL, "", "negative");
    g = relu_graph();
    pb_message(&g, 11, onnx_value_f32("x"));
    import_fails(onnx_model(g), SETSUNA_EMODEL, "", "'x' is made twice");
    pb_write nested = {0}; /* types nest without a limit; they are not followed */
    for (int k = 0; k < 2000; k++) {
        pb_write outer = {0}, sequence = {0};
        pb_message(&sequence, 1, nested);
        pb_message(&outer, 4, sequence);
        nested = outer;
    }
    import_fails(graph_with_type(4, nested), SETSUNA_EUNSUPPORTED, "", "is a sequence");
}

static void test_initializers_are_constants(void **state)
{
    (void)state;
    const float w[] = {1, 2};
    pb_write g = onnx_graph("main", "x,w", "y"); /* w is listed as an input too: IR version 3 */
    pb_message(&g, 5, onnx_tensor_f32("w", w, 2));
    pb_message(&g, 1, onnx_node("Add", "add", "x,w", "y"));
    imported i = import_ok(onnx_model(g));
    assert_int_equal(i.g->n_input, 1);
    assert_string_equal(i.g->value[i.g->input[0]].name, "x");
    const sn_const *c = sn_graph_const(i.g, value_of(i.g, "w"));
    assert_non_null(c);
    assert_memory_equal(c->t.data, w, sizeof w);
    assert_in_range((uintptr_t)c->t.data, (uintptr_t)i.bytes.data, (uintptr_t)i.bytes.data + i.bytes.size);
    assert_null(c->file); /* given as bytes: all there */
    import_drop(&i);
    g = onnx_graph("main", "x", "y");
    pb_message(&g, 5, onnx_tensor_f32("y", w, 2));
    pb_message(&g, 1, onnx_node("Relu", "r", "x", "y"));
    import_fails(onnx_model(g), SETSUNA_EMODEL, "main", "'y' is made twice");
    g = relu_graph();
    pb_message(&g, 5, onnx_tensor_f32("", w, 2));
    import_fails(onnx_model(g), SETSUNA_EMODEL, "main", "no name");
    g = relu_graph();
    pb_write sparse = {0};
    pb_message(&sparse, 1, onnx_tensor_f32("sw", w, 2));
    pb_message(&g, 15, sparse);
    import_fails(onnx_model(g), SETSUNA_EUNSUPPORTED, "main", "1 sparse initializers, the first is 'sw'");
}

/* Equal contents have equal uids when small; large ones are told apart by place. */
static void test_uids(void **state)
{
    (void)state;
    const float a[] = {1, 2}, b[] = {1, 3};
    const int64_t flat = 1 << 15, shape2[] = {2, 1};
    float *large = calloc((size_t)flat, sizeof *large);
    assert_non_null(large);
    pb_write g = onnx_graph("main", "", "y");
    pb_message(&g, 5, onnx_tensor_f32("a", a, 2));
    pb_message(&g, 5, onnx_tensor_f32("same", a, 2));
    pb_message(&g, 5, onnx_tensor_f32("b", b, 2));
    pb_write t = onnx_tensor("shaped", ONNX_F32, shape2, 2);
    pb_bytes(&t, 9, a, sizeof a);
    pb_message(&g, 5, t);
    pb_message(&g, 5, onnx_tensor_f32("large1", large, (size_t)flat));
    pb_message(&g, 5, onnx_tensor_f32("large2", large, (size_t)flat));
    pb_message(&g, 1, onnx_node("Sum", "s", "a,same,b,shaped,large1,large2", "y"));
    free(large);
    imported i = import_ok(onnx_model(g));
    uint64_t uid[6];
    for (uint32_t k = 0; k < 6; k++)
        uid[k] = sn_graph_const(i.g, i.g->node[0].in[k])->uid;
    assert_true(uid[0] == uid[1]);
    for (int k = 1; k < 6; k++)
        for (int j = k + 1; j < 6; j++)
            assert_true(uid[k] != uid[j]);
    imported again = {.bytes = {malloc(i.bytes.size), i.bytes.size, 0}};
    memcpy(again.bytes.data, i.bytes.data, i.bytes.size);
    assert_int_equal(sn_onnx_parse(again.bytes.data, again.bytes.size, NULL, &again.model, NULL), SETSUNA_OK);
    for (uint32_t k = 0; k < 6; k++) /* the same at any address */
        assert_true(uid[k] == sn_graph_const(again.model->graph, again.model->graph->node[0].in[k])->uid);
    import_drop(&again);
    import_drop(&i);
}

static void test_limits(void **state)
{
    (void)state;
    char name[1100];
    memset(name, 'n', sizeof name);
    name[1025] = '\0';
    pb_write g = onnx_graph("main", "x", "y");
    pb_message(&g, 1, onnx_node("Relu", name, "x", "y"));
    import_fails(onnx_model(g), SETSUNA_ELIMIT, "", "name of a node");
    name[1024] = '\0';
    g = onnx_graph("main", "x", "y");
    pb_message(&g, 1, onnx_node("Relu", name, "x", "y"));
    imported i = import_ok(onnx_model(g));
    import_drop(&i);
    g = onnx_graph("main", "x", "y");
    pb_write n = onnx_node("Relu", "", "x", "y");
    pb_bytes(&n, 3, "a\0b", 3);
    pb_message(&g, 1, n);
    import_fails(onnx_model(g), SETSUNA_EMODEL, "", "NUL");
    g = onnx_graph("main", "x", "y");
    n = onnx_node("Relu", "r", "x", "y");
    for (int k = 0; k < 129; k++) {
        char attr[8];
        snprintf(attr, sizeof attr, "a%d", k);
        pb_message(&n, 5, onnx_attr_int(attr, k));
    }
    pb_message(&g, 1, n);
    import_fails(onnx_model(g), SETSUNA_ELIMIT, "node 'r'", "more than 128 attributes");
    g = onnx_graph("main", "x", "y");
    for (int k = 0; k < 2000; k++) {
        char out[16];
        snprintf(out, sizeof out, k ? "v%d" : "y", k);
        pb_message(&g, 1, onnx_node("Relu", "", "x", out));
    }
    import_fails_with(onnx_model(g), &(sn_onnx_options){.limit_bytes = 100000}, SETSUNA_ELIMIT, "", "limit of 100000");
}

/* A counting allocator that fails the n-th call. */
typedef struct failing {
    size_t count, fail_at;
    size_t live;
} failing;

static void *failing_alloc(void *ctx, size_t size)
{
    failing *f = ctx;
    if (f->count++ == f->fail_at)
        return NULL;
    void *p = sn_alloc(sn_allocator_default(), size);
    f->live += p != NULL;
    return p;
}

static void failing_free(void *ctx, void *p)
{
    ((failing *)ctx)->live--;
    sn_free(sn_allocator_default(), p);
}

static pb_write rich_model(void)
{
    const float w[] = {1, 2};
    pb_write then = onnx_graph("then", "", "t"), other = onnx_graph("else", "", "e");
    pb_message(&then, 1, onnx_node("Add", "", "x,w", "t"));
    pb_message(&other, 1, onnx_call("twice", "", "x", "e"));
    pb_write cond = onnx_node("If", "if", "c", "y");
    pb_message(&cond, 5, onnx_attr_graph("then_branch", then));
    pb_message(&cond, 5, onnx_attr_graph("else_branch", other));
    pb_write g = onnx_graph("main", "x,c", "y");
    pb_message(&g, 5, onnx_tensor_f32("w", w, 2));
    pb_message(&g, 1, cond);
    pb_write m = onnx_model(g), f = onnx_function("twice", "a", "b"), n = onnx_node("Scale", "", "a", "b");
    pb_message(&n, 5, onnx_attr_int("by", 2));
    pb_message(&f, 7, n);
    pb_message(&m, 25, f);
    return m;
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    pb_write bytes = pb_exact(rich_model());
    for (size_t n = 0;; n++) {
        failing f = {.fail_at = n};
        sn_allocator a = {&f, failing_alloc, failing_free};
        sn_onnx_model *m = NULL;
        setsuna_error err = {0};
        setsuna_status status = sn_onnx_parse(bytes.data, bytes.size, &(sn_onnx_options){.allocator = &a}, &m, &err);
        sn_onnx_destroy(m);
        assert_int_equal(f.live, 0);
        if (status == SETSUNA_OK)
            break;
        assert_int_equal(status, SETSUNA_ENOMEM);
        assert_true(n < 1000);
    }
    free(bytes.data);
}

/* Every truncation and every flipped bit of a model that has everything: an answer, never a crash. */
static void test_every_truncation_and_bit(void **state)
{
    (void)state;
    pb_write whole = pb_exact(rich_model());
    for (size_t cut = 0; cut < whole.size; cut++) {
        pb_write part = {0};
        pb_put(&part, whole.data, cut);
        imported i = import_model(part, NULL);
        import_drop(&i);
    }
    for (size_t bit = 0; bit < whole.size * 8; bit++) {
        whole.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        sn_onnx_model *m = NULL;
        sn_onnx_parse(whole.data, whole.size, &(sn_onnx_options){.limit_bytes = 1 << 20}, &m, NULL);
        sn_onnx_destroy(m);
        whole.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    free(whole.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_what_is_no_model),
        cmocka_unit_test(test_opsets),
        cmocka_unit_test(test_types_of_inputs_and_outputs),
        cmocka_unit_test(test_inputs_that_are_refused),
        cmocka_unit_test(test_initializers_are_constants),
        cmocka_unit_test(test_uids),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_every_allocation_may_fail),
        cmocka_unit_test(test_every_truncation_and_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
