#include "import_check.h"
#include <stdio.h>

/* A model around graph g with functions; takes them. */
static pb_write model_with(pb_write g, const pb_write *f, int n)
{
    pb_write m = onnx_model(g);
    for (int i = 0; i < n; i++)
        pb_message(&m, 25, f[i]);
    return m;
}

static void test_a_call_becomes_the_body(void **state)
{
    (void)state;
    pb_write f = onnx_function("f1", "a,b", "o"), n = onnx_node("Mul", "mul", "a,a", "t"), g;
    pb_message(&f, 7, n);
    pb_message(&f, 7, onnx_node("Add", "", "t,b", "o"));
    g = onnx_graph("main", "x,z", "y");
    pb_message(&g, 1, onnx_call("f1", "one", "x,z", "p"));
    pb_message(&g, 1, onnx_call("f1", "two", "p,", "y")); /* b is left out */
    imported i = import_ok(model_with(g, &f, 1));
    assert_int_equal(i.g->n_node, 4);
    const sn_node *mul = node_of(i.g, "one/mul"), *add = &i.g->node[1], *last = &i.g->node[3];
    assert_true(mul == &i.g->node[0] && mul->opset == 13);
    assert_string_equal(name_in(i.g, mul, 0), "x");
    assert_string_equal(name_out(i.g, mul, 0), "one/t");
    assert_string_equal(name_in(i.g, add, 1), "z");
    assert_string_equal(name_out(i.g, add, 0), "p");
    assert_string_equal(name_in(i.g, last, 1), "");
    assert_string_equal(name_out(i.g, last, 0), "y");
    import_drop(&i);
}

/* References take the caller's attribute, else the default, else nothing; through two levels. */
static void test_attribute_references(void **state)
{
    (void)state;
    pb_write in = onnx_function("inner", "a", "o"), out = onnx_function("outer", "a", "o"),
             n = onnx_node("Op", "op", "a", "o");
    pb_message(&n, 5, onnx_attr_ref("axis", 2, "k"));
    pb_message(&n, 5, onnx_attr_ref("keep", 2, "d"));
    pb_message(&n, 5, onnx_attr_ref("gone", 2, "nothing"));
    pb_message(&n, 5, onnx_attr_int("own", 3));
    pb_message(&in, 7, n);
    pb_text(&in, 6, "k");
    pb_message(&in, 11, onnx_attr_int("d", 11));
    n = onnx_call("inner", "in", "a", "o");
    pb_message(&n, 5, onnx_attr_ref("k", 2, "outer_k"));
    pb_message(&out, 7, n);
    pb_write g = onnx_graph("main", "x", "y");
    n = onnx_call("outer", "out", "x", "y");
    pb_message(&n, 5, onnx_attr_int("outer_k", -1));
    pb_message(&g, 1, n);
    const pb_write f[] = {out, in};
    imported i = import_ok(model_with(g, f, 2));
    assert_int_equal(i.g->n_node, 1);
    const sn_node *op = node_of(i.g, "out/in/op");
    assert_int_equal(op->n_attr, 3);
    assert_int_equal(sn_node_int(op, "axis", 0), -1);
    assert_int_equal(sn_node_int(op, "keep", 0), 11);
    assert_int_equal(sn_node_int(op, "own", 0), 3);
    import_drop(&i);
}

/* A Constant whose value is the call's, and a subgraph in a body that reads the body's values and attributes. */
static void test_constants_and_subgraphs_in_bodies(void **state)
{
    (void)state;
    pb_write f = onnx_function("f1", "a,c", "o"), n = onnx_node("Constant", "", "", "k"), g;
    pb_message(&n, 5, onnx_attr_ref("value_int", 2, "v"));
    pb_message(&f, 7, n);
    pb_message(&f, 7, onnx_node("Neg", "neg", "a", "m"));
    pb_write then = onnx_graph("then", "", "t"), op = onnx_node("Op", "op", "m,k,a", "t");
    pb_message(&op, 5, onnx_attr_ref("axis", 2, "v"));
    pb_message(&then, 1, op);
    n = onnx_node("If", "if", "c", "o");
    pb_message(&n, 5, onnx_attr_graph("then_branch", then));
    pb_message(&f, 7, n);
    g = onnx_graph("main", "x,c", "y");
    n = onnx_call("f1", "call", "x,c", "y");
    pb_message(&n, 5, onnx_attr_int("v", 42));
    pb_message(&g, 1, n);
    imported i = import_ok(model_with(g, &f, 1));
    const sn_node *node = node_of(i.g, "call/if");
    assert_int_equal(node->n_in, 3);
    assert_string_equal(name_in(i.g, node, 1), "call/m");
    assert_string_equal(name_in(i.g, node, 2), "x");
    const sn_graph *s = node->attr[0].g;
    const sn_node *leaf = node_of(s, "call/op");
    assert_int_equal(sn_node_int(leaf, "axis", 0), 42);
    assert_int_equal(sn_tensor_get_i64(&sn_graph_const(s, leaf->in[1])->t, 0), 42);
    import_drop(&i);
}

/* Outputs that no node makes: an input, a constant, the same output twice. */
static void test_outputs_that_are_copies(void **state)
{
    (void)state;
    pb_write f = onnx_function("f1", "a", "a,k,o,o"), n = onnx_node("Constant", "", "", "k"), g;
    pb_message(&n, 5, onnx_attr_int("value_int", 1));
    pb_message(&f, 7, n);
    pb_message(&f, 7, onnx_node("Neg", "neg", "a", "o"));
    g = onnx_graph("main", "x", "p,q,r,s");
    pb_message(&g, 1, onnx_call("f1", "call", "x", "p,q,r,s"));
    imported i = import_ok(model_with(g, &f, 1));
    assert_int_equal(i.g->n_node, 3);
    assert_string_equal(i.g->node[0].op, "Neg");
    assert_string_equal(name_out(i.g, &i.g->node[0], 0), "r");
    assert_string_equal(i.g->node[1].op, "Identity");
    assert_string_equal(name_in(i.g, &i.g->node[1], 0), "x");
    assert_string_equal(name_out(i.g, &i.g->node[1], 0), "p");
    assert_string_equal(name_in(i.g, &i.g->node[2], 0), "r");
    assert_string_equal(name_out(i.g, &i.g->node[2], 0), "s");
    assert_non_null(sn_graph_const(i.g, value_of(i.g, "q")));
    import_drop(&i);
    f = onnx_function("f1", "a", "gone");
    pb_message(&f, 7, onnx_node("Neg", "", "a", "o"));
    g = onnx_graph("main", "x", "y");
    pb_message(&g, 1, onnx_call("f1", "call", "x", "y"));
    import_fails(model_with(g, &f, 1), SETSUNA_EMODEL, "", "output 'gone' of function 'f1' is made by nobody");
    f = onnx_function("f1", "a,b", "b");
    g = onnx_graph("main", "x", "y");
    pb_message(&g, 1, onnx_call("f1", "call", "x", "y"));
    import_fails(model_with(g, &f, 1), SETSUNA_EMODEL, "", "output 'b' of function 'f1' is made by nobody");
}

static void test_calls_that_are_refused(void **state)
{
    (void)state;
    pb_write f = onnx_function("f1", "a", "o"), g;
    pb_message(&f, 7, onnx_node("Neg", "", "a", "o"));
    g = onnx_graph("main", "x", "y");
    pb_message(&g, 1, onnx_call("f1", "call", "x,x", "y"));
    import_fails(model_with(g, &f, 1), SETSUNA_EMODEL, "node 'call' (f1)",
                 "has 1 inputs and 1 outputs, the call has 2");
    f = onnx_function("f1", "a,a", "o");
    g = onnx_graph("main", "x", "y");
    pb_message(&g, 1, onnx_call("f1", "call", "x,x", "y"));
    import_fails(model_with(g, &f, 1), SETSUNA_EMODEL, "node 'call'", "not a name of its own");
    f = onnx_function("f1", "a", "o"); /* a body sees no outer names */
    pb_message(&f, 7, onnx_node("Add", "add", "a,x", "o"));
    g = onnx_graph("main", "x", "y");
    pb_message(&g, 1, onnx_call("f1", "call", "x", "y"));
    import_fails(model_with(g, &f, 1), SETSUNA_EMODEL, "node 'add'", "'x' is read but made by nobody");
    const pb_write twice[] = {onnx_function("f1", "a", "a"), onnx_function("f1", "a", "a")};
    import_fails(model_with(onnx_graph("main", "x", "x"), twice, 2), SETSUNA_EMODEL, "", "defined twice");
    pb_write over = onnx_function("f1", "a", "a"); /* an overload is another function */
    pb_text(&over, 13, "v2");
    const pb_write overloads[] = {onnx_function("f1", "a", "a"), over};
    imported i = import_ok(model_with(onnx_graph("main", "x", "x"), overloads, 2));
    import_drop(&i);
}

static void test_functions_that_call_themselves(void **state)
{
    (void)state;
    pb_write a = onnx_function("fa", "x", "y"), b = onnx_function("fb", "x", "y"), g;
    pb_message(&a, 7, onnx_call("fb", "b", "x", "y"));
    pb_message(&b, 7, onnx_call("fa", "a", "x", "y"));
    g = onnx_graph("main", "x", "y");
    pb_message(&g, 1, onnx_call("fa", "call", "x", "y"));
    const pb_write f[] = {a, b};
    import_fails(model_with(g, f, 2), SETSUNA_EMODEL, "node 'a' (fa)", "function 'fa' calls itself");
    a = onnx_function("fa", "c", "y"); /* through a subgraph */
    pb_write then = onnx_graph("then", "", "t"), n = onnx_node("If", "if", "c", "y");
    pb_message(&then, 1, onnx_call("fa", "again", "c", "t"));
    pb_message(&n, 5, onnx_attr_graph("then_branch", then));
    pb_message(&a, 7, n);
    g = onnx_graph("main", "x", "y");
    pb_message(&g, 1, onnx_call("fa", "call", "x", "y"));
    import_fails(model_with(g, &a, 1), SETSUNA_EMODEL, "node 'again' (fa)", "calls itself");
}

/* f0 calls f1 `fan` times, f1 calls f2, ... */
static pb_write chain_model(int depth, int fan, size_t padding)
{
    pb_write g = onnx_graph("main", "x", "y"), m;
    pb_message(&g, 1, onnx_call("f0", "", "x", "y"));
    m = onnx_model(g);
    for (int k = 0; k < depth; k++) {
        char name[16], next[16], out[16];
        snprintf(name, sizeof name, "f%d", k);
        snprintf(next, sizeof next, "f%d", k + 1);
        pb_write f = onnx_function(name, "x", "y0");
        for (int i = 0; i < fan; i++) {
            snprintf(out, sizeof out, "y%d", i);
            pb_message(&f, 7, k == depth - 1 ? onnx_node("Neg", "", "x", out) : onnx_call(next, "", "x", out));
        }
        pb_write doc = {0};
        doc.data = calloc(padding + 1, 1);
        doc.size = padding;
        pb_message(&f, 8, doc);
        pb_message(&m, 25, f);
    }
    return m;
}

static void test_depth_and_size_of_inlining(void **state)
{
    (void)state;
    imported i = import_ok(chain_model(SN_FUNCTION_DEPTH_MAX, 1, 0));
    assert_int_equal(i.g->n_node, 1);
    import_drop(&i);
    import_fails(chain_model(SN_FUNCTION_DEPTH_MAX + 1, 1, 0), SETSUNA_ELIMIT, "", "more than 100 deep");
    /* 2^40 calls in a few kilobytes, with and without nodes at the end */
    import_fails(chain_model(40, 2, 0), SETSUNA_ELIMIT, "", "more than 1000000 nodes");
    import_fails(chain_model(6, 8, 100000), SETSUNA_ELIMIT, "", "inlining");
    i = import_ok(chain_model(10, 2, 0)); /* far from the limits */
    assert_int_equal(i.g->n_node, 1024);
    import_drop(&i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_becomes_the_body),
        cmocka_unit_test(test_attribute_references),
        cmocka_unit_test(test_constants_and_subgraphs_in_bodies),
        cmocka_unit_test(test_outputs_that_are_copies),
        cmocka_unit_test(test_calls_that_are_refused),
        cmocka_unit_test(test_functions_that_call_themselves),
        cmocka_unit_test(test_depth_and_size_of_inlining),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
