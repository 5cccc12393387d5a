#include "import_check.h"

static const float w2[] = {1, 2};

/* A node with one subgraph attribute. Takes body. */
static pb_write node_with(const char *op, const char *name, const char *in, const char *out, const char *attr,
                          pb_write body)
{
    pb_write n = onnx_node(op, name, in, out);
    pb_message(&n, 5, onnx_attr_graph(attr, body));
    return n;
}

static void test_attributes(void **state)
{
    (void)state;
    pb_write n = onnx_node("Op", "n", "x", "y"), a = {0};
    pb_message(&n, 5, onnx_attr_int("i", -7));
    pb_text(&a, 1, "f");
    pb_f32(&a, 2, 1.5f); /* no type: IR version 1 */
    pb_message(&n, 5, a);
    a = (pb_write){0};
    pb_text(&a, 1, "s");
    pb_int(&a, 20, 3);
    pb_bytes(&a, 4, "a\0b", 3);
    pb_message(&n, 5, a);
    pb_message(&n, 5, onnx_attr_tensor("t", onnx_tensor_f32("", w2, 2)));
    const int64_t ints[] = {1, -2, 3};
    a = (pb_write){0};
    pb_text(&a, 1, "ints");
    pb_int(&a, 20, 7);
    pb_packed(&a, 8, ints, 2);
    pb_int(&a, 8, 3);
    pb_message(&n, 5, a);
    a = (pb_write){0};
    pb_text(&a, 1, "floats");
    pb_int(&a, 20, 6);
    pb_f32(&a, 7, 0.5f);
    pb_bytes(&a, 7, w2, sizeof w2);
    pb_message(&n, 5, a);
    a = (pb_write){0};
    pb_text(&a, 1, "strings");
    pb_int(&a, 20, 8);
    pb_text(&a, 9, "one");
    pb_text(&a, 9, "");
    pb_message(&n, 5, a);
    a = (pb_write){0};
    pb_text(&a, 1, "other");
    pb_int(&a, 20, 11);
    pb_message(&n, 5, a);
    a = (pb_write){0};
    pb_text(&a, 1, "zero"); /* a default value is not written by proto3 */
    pb_int(&a, 20, 2);
    pb_message(&n, 5, a);
    a = (pb_write){0};
    pb_text(&a, 1, "empty");
    pb_int(&a, 20, 7);
    pb_message(&n, 5, a);
    pb_write g = onnx_graph("main", "x", "y");
    pb_message(&g, 1, n);
    imported i = import_ok(onnx_model(g));
    const sn_node *node = node_of(i.g, "n");
    assert_int_equal(node->n_attr, 10);
    assert_int_equal(sn_node_int(node, "i", 0), -7);
    assert_true(sn_node_float(node, "f", 0) == 1.5f);
    const sn_attr *s = sn_node_attr(node, "s");
    assert_true(s->kind == SN_ATTR_STRING && s->s.len == 3);
    assert_memory_equal(s->s.data, "a\0b", 4);
    const sn_attr *t = sn_node_attr(node, "t");
    assert_true(t->kind == SN_ATTR_TENSOR && t->t->t.size_bytes == 8);
    const int64_t *iv;
    const float *fv;
    assert_int_equal(sn_node_ints(node, "ints", &iv), 3);
    assert_memory_equal(iv, ints, sizeof ints);
    assert_int_equal(sn_node_floats(node, "floats", &fv), 3);
    assert_true(fv[0] == 0.5f && fv[2] == 2.0f);
    const sn_attr *strings = sn_node_attr(node, "strings");
    assert_true(strings->kind == SN_ATTR_STRINGS && strings->n == 2);
    assert_string_equal(strings->strings[0].data, "one");
    assert_int_equal(sn_node_attr(node, "other")->kind, SN_ATTR_OTHER);
    assert_int_equal(sn_node_int(node, "zero", 9), 0);
    assert_true(sn_node_attr(node, "empty")->kind == SN_ATTR_INTS && sn_node_attr(node, "empty")->n == 0);
    import_drop(&i);
}

static void test_attributes_that_are_refused(void **state)
{
    (void)state;
    for (int k = 0; k < 5; k++) {
        pb_write n = onnx_node("Op", "n", "x", "y"), a = {0};
        switch (k) {
        case 0: pb_int(&a, 3, 1); break; /* no name */
        case 1: pb_message(&n, 5, onnx_attr_int("a", 1)), pb_text(&a, 1, "a"), pb_int(&a, 3, 1); break;
        case 2: pb_text(&a, 1, "a"), pb_int(&a, 20, 2), pb_f32(&a, 3, 1); break; /* not a varint */
        case 3: pb_text(&a, 1, "a"), pb_int(&a, 20, 5); break;                   /* no graph */
        default: pb_text(&a, 1, "a"), pb_int(&a, 20, 7), pb_bytes(&a, 8, "\x80", 1); break;
        }
        pb_message(&n, 5, a);
        pb_write g = onnx_graph("main", "x", "y");
        pb_message(&g, 1, n);
        import_fails(onnx_model(g), SETSUNA_EMODEL, "node 'n' (Op)", "attribute");
    }
    pb_write n = onnx_node("Op", "n", "x", "y"), g = onnx_graph("main", "x", "y");
    pb_message(&n, 5, onnx_attr_ref("a", 2, "b"));
    pb_message(&g, 1, n);
    import_fails(onnx_model(g), SETSUNA_EMODEL, "node 'n' (Op)", "refers to a function's");
}

static void test_constant_nodes(void **state)
{
    (void)state;
    pb_write g = onnx_graph("main", "", "y"), n, a;
    n = onnx_node("Constant", "", "", "tensor");
    pb_message(&n, 5, onnx_attr_tensor("value", onnx_tensor_f32("", w2, 2)));
    pb_message(&g, 1, n);
    n = onnx_node("Constant", "", "", "int");
    pb_message(&n, 5, onnx_attr_int("value_int", 5));
    pb_message(&g, 1, n);
    const int64_t ints[] = {4, 5, 6};
    a = (pb_write){0};
    pb_text(&a, 1, "value_ints");
    pb_int(&a, 20, 7);
    pb_packed(&a, 8, ints, 3);
    n = onnx_node("Constant", "", "", "ints");
    pb_message(&n, 5, a);
    pb_message(&g, 1, n);
    a = (pb_write){0};
    pb_text(&a, 1, "value_float");
    pb_int(&a, 20, 1);
    pb_f32(&a, 2, 2.5f);
    n = onnx_node("Constant", "", "", "float");
    pb_message(&n, 5, a);
    pb_message(&g, 1, n);
    a = (pb_write){0};
    pb_text(&a, 1, "value_floats");
    pb_int(&a, 20, 6);
    pb_bytes(&a, 7, w2, sizeof w2);
    n = onnx_node("Constant", "", "", "floats");
    pb_message(&n, 5, a);
    pb_message(&g, 1, n);
    a = (pb_write){0};
    pb_text(&a, 1, "value_string");
    pb_int(&a, 20, 3);
    pb_text(&a, 4, "s");
    n = onnx_node("Constant", "text", "", "string");
    pb_message(&n, 5, a);
    pb_message(&g, 1, n);
    pb_message(&g, 1, onnx_node("Op", "op", "tensor,int,ints,float,floats,string", "y"));
    imported i = import_ok(onnx_model(g));
    assert_int_equal(i.g->n_node, 2); /* the string stays a node */
    const sn_node *op = node_of(i.g, "op");
    const sn_const *c[5];
    for (uint32_t k = 0; k < 5; k++)
        assert_non_null(c[k] = sn_graph_const(i.g, op->in[k]));
    assert_int_equal(c[0]->t.shape.dim[0], 2);
    assert_true(c[1]->t.shape.rank == 0 && sn_tensor_get_i64(&c[1]->t, 0) == 5);
    assert_true(c[2]->t.shape.rank == 1 && sn_tensor_get_i64(&c[2]->t, 2) == 6);
    assert_true(c[3]->t.shape.rank == 0 && sn_tensor_get_f64(&c[3]->t, 0) == 2.5);
    assert_true(c[4]->t.dtype == SETSUNA_F32 && sn_tensor_get_f64(&c[4]->t, 1) == 2);
    assert_true(c[1]->uid != c[3]->uid && c[1]->uid != 0);
    import_drop(&i);
    g = onnx_graph("main", "", "y");
    pb_message(&g, 1, onnx_node("Constant", "k", "", "y"));
    import_fails(onnx_model(g), SETSUNA_EMODEL, "node 'k'", "one attribute");
}

static void test_operands(void **state)
{
    (void)state;
    pb_write g = onnx_graph("main", "x", "y");
    pb_message(&g, 1, onnx_node("Op", "n", "x,,x,", ",y"));
    imported i = import_ok(onnx_model(g));
    const sn_node *n = node_of(i.g, "n");
    assert_int_equal(n->n_in, 4);
    assert_int_equal(n->n_formal, 4);
    assert_true(n->in[1] == SN_NONE && n->in[3] == SN_NONE && n->in[0] == n->in[2]);
    assert_true(n->n_out == 2 && n->out[0] == SN_NONE);
    import_drop(&i);
    g = onnx_graph("main", "x", "y");
    pb_message(&g, 1, onnx_node("Op", "n", "x,gone", "y"));
    import_fails(onnx_model(g), SETSUNA_EMODEL, "node 'n' (Op)", "'gone' is read but made by nobody");
    g = onnx_graph("main", "x", "gone");
    pb_message(&g, 1, onnx_node("Op", "n", "x", "y"));
    import_fails(onnx_model(g), SETSUNA_EMODEL, "graph 'main'", "'gone' is read but made by nobody");
    g = onnx_graph("main", "x", "y");
    pb_message(&g, 1, onnx_node("Op", "n", "x", "y,y"));
    import_fails(onnx_model(g), SETSUNA_EMODEL, "main", "'y' is made twice");
    g = onnx_graph("main", "x", "y");
    pb_message(&g, 1, onnx_node("", "n", "x", "y"));
    import_fails(onnx_model(g), SETSUNA_EMODEL, "node 'n'", "no op_type");
}

static void test_nodes_out_of_order_and_cycles(void **state)
{
    (void)state;
    pb_write g = onnx_graph("main", "x", "y");
    pb_message(&g, 1, onnx_node("B", "b", "t", "y"));
    pb_message(&g, 1, onnx_node("A", "a", "x", "t"));
    imported i = import_ok(onnx_model(g));
    assert_string_equal(i.g->node[0].name, "a");
    assert_string_equal(i.g->node[1].name, "b");
    import_drop(&i);
    g = onnx_graph("main", "x", "y");
    pb_message(&g, 1, onnx_node("A", "a", "x,v", "u"));
    pb_message(&g, 1, onnx_node("B", "b", "u", "v"));
    pb_message(&g, 1, onnx_node("C", "c", "v", "y"));
    import_fails(onnx_model(g), SETSUNA_EMODEL, "main", "cycle");
    g = onnx_graph("main", "x", "y");
    pb_message(&g, 1, onnx_node("A", "a", "y", "y"));
    import_fails(onnx_model(g), SETSUNA_EMODEL, "main", "cycle");
    pb_write body = onnx_graph("body", "", "z"); /* a subgraph that reads what its own node makes */
    pb_message(&body, 1, onnx_node("B", "b", "y", "z"));
    g = onnx_graph("main", "x", "y");
    pb_message(&g, 1, node_with("If", "if", "x", "y", "then_branch", body));
    import_fails(onnx_model(g), SETSUNA_EMODEL, "main", "cycle");
}

/* then reads p and the constant w; else reads q and p: both get p, q in the order of first use. */
static void test_captures(void **state)
{
    (void)state;
    pb_write then = onnx_graph("then", "", "t"), other = onnx_graph("else", "", "e");
    pb_message(&then, 1, onnx_node("Add", "", "p,w", "t"));
    pb_message(&other, 1, onnx_node("Sub", "", "q,p", "e"));
    pb_write n = onnx_node("If", "if", "c", "y");
    pb_message(&n, 5, onnx_attr_graph("then_branch", then));
    pb_message(&n, 5, onnx_attr_graph("else_branch", other));
    pb_write g = onnx_graph("main", "c,p", "y");
    pb_message(&g, 5, onnx_tensor_f32("w", w2, 2));
    pb_message(&g, 1, onnx_node("Neg", "", "p", "q"));
    pb_message(&g, 1, n);
    imported i = import_ok(onnx_model(g));
    const sn_node *node = node_of(i.g, "if");
    assert_int_equal(node->n_formal, 1);
    assert_int_equal(node->n_in, 3);
    assert_string_equal(name_in(i.g, node, 0), "c");
    assert_string_equal(name_in(i.g, node, 1), "p");
    assert_string_equal(name_in(i.g, node, 2), "q");
    for (uint32_t k = 0; k < 2; k++) {
        const sn_graph *s = node->attr[k].g;
        assert_int_equal(s->n_input, 2);
        assert_string_equal(s->value[s->input[0]].name, "p");
        assert_string_equal(s->value[s->input[1]].name, "q");
        assert_int_equal(s->value[s->input[0]].dtype, SETSUNA_F32);
        assert_int_equal(s->n_output, 1);
    }
    const sn_graph *t = node->attr[0].g;
    assert_true(sn_graph_const(t, value_of(t, "w")) == sn_graph_const(i.g, value_of(i.g, "w")));
    import_drop(&i);
}

/* The innermost graph reads a value of the outermost: every node on the way hands it down. A name made inside hides
 * the outer one. */
static void test_nested_captures(void **state)
{
    (void)state;
    pb_write inner = onnx_graph("inner", "", "r"), outer = onnx_graph("outer", "i,acc", "s");
    pb_message(&inner, 1, onnx_node("Mul", "mul", "x,acc", "r"));
    pb_message(&inner, 1, onnx_node("Neg", "own", "r", "hidden"));
    pb_message(&outer, 1, node_with("If", "in_if", "hidden", "s", "then_branch", inner));
    pb_write g = onnx_graph("main", "x,n,hidden", "y");
    pb_message(&g, 1, node_with("Loop", "loop", "n", "y", "body", outer));
    imported i = import_ok(onnx_model(g));
    const sn_node *loop = node_of(i.g, "loop");
    assert_int_equal(loop->n_formal, 1);
    assert_int_equal(loop->n_in, 3);
    assert_string_equal(name_in(i.g, loop, 1), "hidden");
    assert_string_equal(name_in(i.g, loop, 2), "x");
    const sn_graph *body = loop->attr[0].g;
    assert_int_equal(body->n_input, 4); /* i, acc, hidden, x */
    assert_string_equal(body->value[body->input[3]].name, "x");
    const sn_node *in_if = node_of(body, "in_if");
    assert_int_equal(in_if->n_formal, 1);
    assert_int_equal(in_if->n_in, 3);
    assert_string_equal(name_in(body, in_if, 1), "x");
    assert_string_equal(name_in(body, in_if, 2), "acc");
    const sn_graph *leaf = in_if->attr[0].g;
    assert_int_equal(leaf->n_input, 2);
    const sn_node *own = node_of(leaf, "own");
    assert_string_equal(name_out(leaf, own, 0), "hidden");
    import_drop(&i);
}

/* A branch may be nothing but an outer value, and a captured value may come back as the output. */
static void test_subgraph_outputs_that_are_outer_values(void **state)
{
    (void)state;
    pb_write then = onnx_graph("then", "", "x"), other = onnx_graph("else", "", "w");
    pb_write n = onnx_node("If", "if", "c", "y");
    pb_message(&n, 5, onnx_attr_graph("then_branch", then));
    pb_message(&n, 5, onnx_attr_graph("else_branch", other));
    pb_write g = onnx_graph("main", "c,x", "y");
    pb_message(&g, 5, onnx_tensor_f32("w", w2, 2));
    pb_message(&g, 1, n);
    imported i = import_ok(onnx_model(g));
    const sn_node *node = node_of(i.g, "if");
    assert_int_equal(node->n_in, 2);
    assert_true(node->attr[0].g->output[0] == node->attr[0].g->input[0]);
    assert_non_null(sn_graph_const(node->attr[1].g, node->attr[1].g->output[0]));
    import_drop(&i);
}

static pb_write nested_model(int depth)
{
    pb_write g = onnx_graph("leaf", "", "v");
    pb_message(&g, 1, onnx_node("Neg", "", "x", "v"));
    for (int k = 0; k < depth; k++) {
        pb_write outer = k == depth - 1 ? onnx_graph("main", "x,c", "v") : onnx_graph("g", "", "v");
        pb_message(&outer, 1, node_with("If", "if", "c", "v", "then_branch", g));
        g = outer;
    }
    return onnx_model(g);
}

static void test_depth_of_subgraphs(void **state)
{
    (void)state;
    imported i = import_ok(nested_model(SN_SUBGRAPH_DEPTH_MAX));
    const sn_graph *g = i.g; /* each If takes c, and captures x; c too for the Ifs in it */
    for (int k = 0; k < SN_SUBGRAPH_DEPTH_MAX; k++) {
        assert_int_equal(g->node[0].n_in, k == SN_SUBGRAPH_DEPTH_MAX - 1 ? 2 : 3);
        g = g->node[0].attr[0].g;
    }
    import_drop(&i);
    import_fails(nested_model(SN_SUBGRAPH_DEPTH_MAX + 1), SETSUNA_ELIMIT, "subgraph of node", "more than 32 deep");
    import_fails(nested_model(2000), SETSUNA_ELIMIT, "subgraph of node", "more than 32 deep");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_attributes_that_are_refused),
        cmocka_unit_test(test_constant_nodes),
        cmocka_unit_test(test_operands),
        cmocka_unit_test(test_nodes_out_of_order_and_cycles),
        cmocka_unit_test(test_captures),
        cmocka_unit_test(test_nested_captures),
        cmocka_unit_test(test_subgraph_outputs_that_are_outer_values),
        cmocka_unit_test(test_depth_of_subgraphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
