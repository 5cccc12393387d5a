#include "unit/passes/pass_graph.h"
#include "unit/unit.h"
#include <string.h>

extern const sn_pass sn_pass_fuse_eltwise;

static const sn_node *find_eltwise(const pass_graph *t)
{
    for (size_t i = 0; i < t->g->n_node; i++)
        if (sn_node_is(&t->g->node[i], "setsuna", "Eltwise"))
            return &t->g->node[i];
    return NULL;
}

/* Runs the graph, the pass, the graph; the values must agree but for roundings (the program does the same operations).
 */
static bool run_pass(pass_graph *t)
{
    static float before[1 << 16], after[1 << 16];
    size_t n = pass_graph_run(t, before, 1 << 16);
    bool changed = pass_graph_pass(t, &sn_pass_fuse_eltwise);
    assert_int_equal(pass_graph_run(t, after, 1 << 16), n);
    assert_memory_equal(before, after, n * sizeof *before);
    return changed;
}

static void test_chain(void **state)
{
    (void)state;
    pass_graph t;
    pass_graph_open(&t, 17);
    uint32_t x = pass_graph_input(&t, sn_shape(3, 4, 30, 33)), a = pass_graph_input(&t, sn_shape(3, 4, 1, 1));
    float bias[33];
    for (int i = 0; i < 33; i++)
        bias[i] = 0.25f * (float)i;
    uint32_t y = pass_graph_two(&t, "Add", x, a);
    y = pass_graph_one(&t, "LeakyRelu", y);
    y = pass_graph_two(&t, "Mul", pass_graph_const(&t, sn_shape(1, 33), bias), y);
    y = pass_graph_node(&t, "", "Clip", (uint32_t[]){y, SN_NONE, pass_graph_number(&t, 5)}, 3);
    y = pass_graph_two(&t, "Pow", y, pass_graph_number(&t, 2));
    pass_graph_output(&t, y);
    assert_true(run_pass(&t));
    assert_int_equal(t.g->n_node, 1);
    const sn_node *n = find_eltwise(&t);
    assert_string_equal(sn_node_string(n, "program", ""), "add leaky_relu mul clip square");
    assert_int_equal(n->n_in, 3);
    const float *k;
    assert_int_equal(sn_node_floats(n, "k", &k), 10);
    assert_true(k[2] == 0.01f && k[7] == 5.0f);
    assert_false(run_pass(&t));
    pass_graph_close(&t);
}

/* x goes two ways and both ends meet: one group. */
static void test_diamond(void **state)
{
    (void)state;
    pass_graph t;
    pass_graph_open(&t, 17);
    uint32_t x = pass_graph_input(&t, sn_shape(4, 2, 3, 5, 16)), b = pass_graph_input(&t, sn_shape(4, 1, 3, 1, 16));
    uint32_t s = pass_graph_two(&t, "Add", x, b);
    uint32_t y = pass_graph_two(&t, "Mul", pass_graph_one(&t, "Tanh", s), s);
    y = pass_graph_two(&t, "Sub", y, pass_graph_one(&t, "Exp", s));
    pass_graph_output(&t, y);
    assert_true(run_pass(&t));
    assert_int_equal(t.g->n_node, 1);
    assert_int_equal(t.g->node[0].n_in, 2);
    pass_graph_close(&t);
}

/* What is read elsewhere stays; so does what has another shape, and a lone operator. */
static void test_borders(void **state)
{
    (void)state;
    pass_graph t;
    pass_graph_open(&t, 17);
    uint32_t x = pass_graph_input(&t, sn_shape(2, 6, 20)), v = pass_graph_input(&t, sn_shape(2, 1, 20));
    uint32_t small = pass_graph_one(&t, "Sigmoid", pass_graph_one(&t, "Neg", v)); /* its own group, of [1,20] */
    uint32_t shared = pass_graph_one(&t, "Relu", x);
    uint32_t y = pass_graph_one(&t, "Exp", pass_graph_two(&t, "Mul", shared, small));
    pass_graph_output(&t, y);
    pass_graph_output(&t, shared);
    assert_true(run_pass(&t));
    assert_int_equal(t.g->n_node, 3);
    size_t programs = 0;
    for (size_t i = 0; i < t.g->n_node; i++)
        programs += sn_node_is(&t.g->node[i], "setsuna", "Eltwise");
    assert_int_equal(programs, 2);
    pass_graph_close(&t);

    pass_graph_open(&t, 17);
    x = pass_graph_input(&t, sn_shape(2, 6, 20));
    pass_graph_output(&t, pass_graph_one(&t, "Relu", x));
    assert_false(run_pass(&t));
    pass_graph_close(&t);
}

/* More operands than a group may have: two groups, and the same sum. */
static void test_limits(void **state)
{
    (void)state;
    pass_graph t;
    pass_graph_open(&t, 17);
    uint32_t y = pass_graph_input(&t, sn_shape(1, 1500));
    for (int i = 0; i < 12; i++)
        y = pass_graph_two(&t, i % 2 ? "Mul" : "Add", y, pass_graph_input(&t, sn_shape(1, i % 3 ? 1500 : 1)));
    pass_graph_output(&t, y);
    assert_true(run_pass(&t));
    assert_int_equal(t.g->n_node, 2);
    for (size_t i = 0; i < 2; i++)
        assert_true(t.g->node[i].n_in <= 8);
    pass_graph_close(&t);

    pass_graph_open(&t, 17); /* forty in a row */
    y = pass_graph_input(&t, sn_shape(1, 100));
    for (int i = 0; i < 40; i++)
        y = pass_graph_one(&t, "Softsign", y);
    pass_graph_output(&t, y);
    assert_true(run_pass(&t));
    assert_int_equal(t.g->n_node, 2);
    pass_graph_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_diamond),
        cmocka_unit_test(test_borders),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
