/* If, Loop and Scan: which branch, how often, what is carried, and what zero turns give. */
#include "unit/exec/graph_rig.h"
#include <string.h>

/* A subgraph that is one operator over its only input. */
static sn_graph *one_node(graph_rig *r, const char *op, uint32_t captured)
{
    sn_graph *outer = r->g, *sub = r->g = rig_graph(r, op);
    uint32_t x = SN_NONE, y;
    for (uint32_t i = 0; i < captured; i++)
        x = rig_input(r, NULL, SETSUNA_F32);
    y = rig_one(r, op, x);
    rig_outputs(r, &y, 1);
    r->g = outer;
    return sub;
}

/* y = cond ? -x : |x| */
static uint32_t if_node(graph_rig *r, uint32_t cond, uint32_t x)
{
    uint32_t y;
    sn_graph *then = one_node(r, "Neg", 1), *other = one_node(r, "Abs", 1);
    sn_node *n = rig_node_many(r, "If", (uint32_t[]){cond, x}, 2, &y, 1);
    n->n_formal = 1;
    rig_attr_graph(r, n, "then_branch", then);
    rig_attr_graph(r, n, "else_branch", other);
    return y;
}

static void test_if_with_a_constant_condition_is_inlined(void **state)
{
    (void)state;
    for (uint8_t cond = 0; cond < 2; cond++) {
        graph_rig r;
        rig_open(&r, 13);
        uint32_t x = rig_input(&r, "x", SETSUNA_F32);
        uint32_t y = if_node(&r, rig_const(&r, SETSUNA_BOOL, &(setsuna_shape){0}, &cond), x);
        rig_outputs(&r, &y, 1);
        rig_start(&r);
        setsuna_tensor in = rig_tensor(SETSUNA_F32, (float[]){1, -2}, 1, 2), out;
        RIG_OK(&r, rig_run(&r, &in, &out));
        rig_assert_f32(&out, cond ? (float[]){-1, 2} : (float[]){1, 2}, 2);
        const sn_plan *p = sn_exec_last_plan(r.exec);
        assert_int_equal(p->n_step, 1);
        assert_string_equal(p->step[0].op, cond ? "Neg" : "Abs");
        rig_close(&r);
    }
}

static void test_if_takes_the_branch_of_this_run(void **state)
{
    (void)state;
    graph_rig r;
    rig_open(&r, 13);
    uint32_t c = rig_input(&r, "c", SETSUNA_BOOL), x = rig_input(&r, "x", SETSUNA_F32), y = if_node(&r, c, x);
    y = rig_two(&r, "Add", y, x);
    rig_outputs(&r, &y, 1);
    rig_start(&r);
    for (int i = 0; i < 6; i++) {
        uint8_t cond = (uint8_t)(i & 1);
        setsuna_tensor in[] = {rig_tensor(SETSUNA_BOOL, &cond, 0), rig_tensor(SETSUNA_F32, (float[]){1, -2}, 1, 2)},
                       out;
        RIG_OK(&r, rig_run(&r, in, &out));
        rig_assert_f32(&out, cond ? (float[]){0, 0} : (float[]){2, 0}, 2);
    }
    rig_close(&r);
}

/* Loop over states a, b with the given body; outputs: a, b, and the stacked a of every turn. */
typedef void loop_body(graph_rig *r, uint32_t a, uint32_t b, uint32_t next[2]);

static void loop_of(graph_rig *r, loop_body *body)
{
    uint32_t trips = rig_input(r, "trips", SETSUNA_I64), go = rig_input(r, "go", SETSUNA_BOOL),
             a = rig_input(r, "a", SETSUNA_F32), b = rig_input(r, "b", SETSUNA_F32), out[3], result[4];
    sn_graph *outer = r->g, *sub = r->g = rig_graph(r, "body");
    rig_input(r, "turn", SETSUNA_I64);
    uint32_t on = rig_input(r, "on", SETSUNA_BOOL), x = rig_input(r, "x", SETSUNA_F32),
             y = rig_input(r, "y", SETSUNA_F32);
    result[0] = on;
    body(r, x, y, result + 1);
    result[3] = rig_one(r, "Identity", result[1]);
    r->g->value[result[3]].dtype = SETSUNA_F32;
    rig_outputs(r, result, 4);
    r->g = outer;
    sn_node *n = rig_node_many(r, "Loop", (uint32_t[]){trips, go, a, b}, 4, out, 3);
    rig_attr_graph(r, n, "body", sub);
    rig_outputs(r, out, 3);
    rig_start(r);
}

static void loop_run(graph_rig *r, int64_t trips, uint8_t go, setsuna_tensor out[3])
{
    setsuna_tensor in[] = {rig_tensor(SETSUNA_I64, &trips, 0), rig_tensor(SETSUNA_BOOL, &go, 0),
                           rig_tensor(SETSUNA_F32, (float[]){1, 10}, 1, 2),
                           rig_tensor(SETSUNA_F32, (float[]){2, 20}, 1, 2)};
    RIG_OK(r, rig_run(r, in, out));
}

static void body_fibonacci(graph_rig *r, uint32_t a, uint32_t b, uint32_t next[2])
{
    next[0] = rig_two(r, "Add", a, b);
    next[1] = a; /* an output that is an input: what it carries must be read before it is overwritten */
}

static void body_swap(graph_rig *r, uint32_t a, uint32_t b, uint32_t next[2])
{
    (void)r;
    next[0] = b;
    next[1] = a;
}

static void body_keep(graph_rig *r, uint32_t a, uint32_t b, uint32_t next[2])
{
    (void)r;
    next[0] = a;
    next[1] = b;
}

static void test_loop_carries_values_in_any_order(void **state)
{
    (void)state;
    graph_rig r;
    setsuna_tensor out[3];
    rig_open(&r, 13);
    loop_of(&r, body_fibonacci);
    loop_run(&r, 4, 1, out); /* (1,2) (3,1) (4,3) (7,4) (11,7) */
    rig_assert_f32(&out[0], (float[]){11, 110}, 2);
    rig_assert_f32(&out[1], (float[]){7, 70}, 2);
    rig_assert_shape(&out[2], 2, 4, 2);
    rig_assert_f32(&out[2], (float[]){3, 30, 4, 40, 7, 70, 11, 110}, 8);
    rig_close(&r);
    rig_open(&r, 13);
    loop_of(&r, body_swap);
    loop_run(&r, 3, 1, out);
    rig_assert_f32(&out[0], (float[]){2, 20}, 2);
    rig_assert_f32(&out[1], (float[]){1, 10}, 2);
    rig_close(&r);
    rig_open(&r, 13);
    loop_of(&r, body_keep);
    loop_run(&r, 3, 1, out);
    rig_assert_f32(&out[0], (float[]){1, 10}, 2);
    rig_assert_f32(&out[1], (float[]){2, 20}, 2);
    rig_close(&r);
}

static void test_loop_without_a_turn(void **state)
{
    (void)state;
    graph_rig r;
    setsuna_tensor out[3];
    rig_open(&r, 13);
    loop_of(&r, body_fibonacci);
    const struct {
        int64_t trips;
        uint8_t go;
        int turns;
    } list[] = {{0, 1, 0}, {2, 1, 2}, {-5, 1, 0}, {3, 0, 0}, {1, 1, 1}, {0, 0, 0}};
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        loop_run(&r, list[i].trips, list[i].go, out);
        assert_int_equal(out[2].shape.dim[0], list[i].turns);
        if (list[i].turns)
            continue;
        rig_assert_f32(&out[0], (float[]){1, 10}, 2);
        rig_assert_f32(&out[1], (float[]){2, 20}, 2);
        assert_int_equal(out[2].size_bytes, 0);
    }
    rig_close(&r);
}

/* Carried shapes may change from turn to turn: x := Concat(x, x). */
static void body_double(graph_rig *r, uint32_t a, uint32_t b, uint32_t next[2])
{
    sn_node *n = rig_node_many(r, "Concat", (uint32_t[]){b, b}, 2, &next[1], 1);
    assert_true(sn_node_add_int(r->g, n, "axis", 0));
    next[0] = a;
}

static void test_loop_grows_a_carried_value(void **state)
{
    (void)state;
    graph_rig r;
    setsuna_tensor out[3];
    rig_open(&r, 13);
    loop_of(&r, body_double);
    for (int turns = 6; turns >= 0; turns--) {
        loop_run(&r, turns, 1, out);
        rig_assert_shape(&out[1], 1, 2 << turns);
        for (size_t i = 0; i < (size_t)2 << turns; i++)
            assert_true(((float *)out[1].data)[i] == (i % 2 ? 20.0f : 2.0f));
    }
    int64_t trips = 40; /* 2^41 elements */
    uint8_t go = 1;
    setsuna_tensor in[] = {rig_tensor(SETSUNA_I64, &trips, 0), rig_tensor(SETSUNA_BOOL, &go, 0),
                           rig_tensor(SETSUNA_F32, (float[]){1, 10}, 1, 2),
                           rig_tensor(SETSUNA_F32, (float[]){2, 20}, 1, 2)};
    assert_int_equal(rig_run(&r, in, out), SETSUNA_ELIMIT);
    assert_true(r.err.text[0]);
    loop_run(&r, 1, 1, out); /* usable afterwards */
    rig_assert_f32(&out[1], (float[]){2, 20, 2, 20}, 4);
    rig_close(&r);
}

/* Scan over rows of x: running sum s, and the sum of every row so far stacked. opset 8 has a batch axis in front. */
static void scan_of(graph_rig *r, int32_t opset)
{
    rig_open(r, opset);
    uint32_t s = rig_input(r, "s", SETSUNA_F32), x = rig_input(r, "x", SETSUNA_F32), out[2], sum[2];
    sn_graph *outer = r->g, *sub = r->g = rig_graph(r, "body");
    uint32_t a = rig_input(r, "a", SETSUNA_F32), row = rig_input(r, "row", SETSUNA_F32);
    sum[0] = rig_two(r, "Add", a, row);
    sum[1] = rig_one(r, "Identity", sum[0]);
    r->g->value[sum[1]].dtype = SETSUNA_F32;
    rig_outputs(r, sum, 2);
    r->g = outer;
    sn_node *n = opset < 9 ? rig_node_many(r, "Scan", (uint32_t[]){SN_NONE, s, x}, 3, out, 2)
                           : rig_node_many(r, "Scan", (uint32_t[]){s, x}, 2, out, 2);
    assert_true(sn_node_add_int(r->g, n, "num_scan_inputs", 1));
    rig_attr_graph(r, n, "body", sub);
    out[1] = rig_one(r, "Neg", out[1]); /* somebody reads what the scan says it made */
    rig_outputs(r, out, 2);
    rig_start(r);
}

static void test_scan_of_any_length(void **state)
{
    (void)state;
    graph_rig r;
    scan_of(&r, 13);
    const float x[] = {1, 2, 3, 4, 5, 6};
    static const int rows[] = {3, 0, 1, 0};
    for (size_t i = 0; i < 4; i++) {
        setsuna_tensor in[] = {rig_tensor(SETSUNA_F32, (float[]){10, 20}, 1, 2),
                               rig_tensor(SETSUNA_F32, x, 2, rows[i], 2)};
        setsuna_tensor out[2];
        RIG_OK(&r, rig_run(&r, in, out));
        rig_assert_f32(&out[0],
                       rows[i] == 3   ? (float[]){19, 32}
                       : rows[i] == 1 ? (float[]){11, 22}
                                      : (float[]){10, 20},
                       2);
        assert_int_equal(out[1].shape.dim[0], rows[i]);
        if (rows[i])
            assert_true(((float *)out[1].data)[0] == -11.0f);
    }
    rig_close(&r);
}

static void test_scan8_with_an_empty_batch(void **state)
{
    (void)state;
    graph_rig r;
    scan_of(&r, 8);
    const float x[] = {1, 2, 3, 4, 5, 6};
    for (int batch = 0; batch < 2; batch++) {
        setsuna_tensor in[] = {rig_tensor(SETSUNA_F32, (float[]){10, 20}, 2, batch, 2),
                               rig_tensor(SETSUNA_F32, x, 3, batch, 3, 2)};
        setsuna_tensor out[2];
        setsuna_status status = rig_run(&r, in, out);
        if (batch == 0) {
            assert_int_equal(status, SETSUNA_ESHAPE);
            assert_non_null(strstr(r.err.text, "batch"));
            continue;
        }
        RIG_OK(&r, status);
        rig_assert_f32(&out[0], (float[]){19, 32}, 2);
        rig_assert_f32(&out[1], (float[]){-11, -22, -14, -26, -19, -32}, 6);
    }
    rig_close(&r);
}

/* ---- prepared -------------------------------------------------------------------------------------- */

/* After prepare the first run must find everything: it allocates nothing and plans nothing. */
static void prepared_run(graph_rig *r, const setsuna_tensor *given, const setsuna_tensor *in, setsuna_tensor *out)
{
    RIG_OK(r, sn_exec_prepare(r->exec, given, &r->err));
    long made = r->made;
    RIG_OK(r, rig_run(r, in, out));
    assert_int_equal(r->made, made);
}

/* y = (c ? -x : |x|) + x; with the condition's value unknown both branches are ready, and what follows them too. */
static void test_prepare_plans_both_branches_and_what_follows(void **state)
{
    (void)state;
    graph_rig r;
    rig_open(&r, 13);
    uint32_t c = rig_input(&r, "c", SETSUNA_BOOL), x = rig_input(&r, "x", SETSUNA_F32), y = if_node(&r, c, x);
    y = rig_two(&r, "Add", y, x);
    rig_outputs(&r, &y, 1);
    rig_start(&r);
    setsuna_tensor given[] = {rig_tensor(SETSUNA_BOOL, NULL, 0), rig_tensor(SETSUNA_F32, NULL, 1, 2)}, out;
    for (uint8_t cond = 0; cond < 2; cond++) {
        setsuna_tensor in[] = {rig_tensor(SETSUNA_BOOL, &cond, 0), rig_tensor(SETSUNA_F32, (float[]){1, -2}, 1, 2)};
        prepared_run(&r, given, in, &out);
        rig_assert_f32(&out, cond ? (float[]){0, 0} : (float[]){2, 0}, 2);
    }
    rig_close(&r);
}

/* The condition follows from a value that is given: only its branch is planned, the other one when it is wanted. */
static void test_prepare_plans_the_branch_that_the_data_takes(void **state)
{
    (void)state;
    graph_rig r;
    rig_open(&r, 13);
    uint32_t rate = rig_input(&r, "rate", SETSUNA_I64), x = rig_input(&r, "x", SETSUNA_F32);
    uint32_t y = if_node(&r, rig_two(&r, "Equal", rate, rig_int(&r, 16000)), x);
    rig_outputs(&r, &y, 1);
    rig_start(&r);
    int64_t rates[] = {16000, 8000};
    setsuna_tensor in[] = {rig_tensor(SETSUNA_I64, &rates[0], 0), rig_tensor(SETSUNA_F32, (float[]){1, -2}, 1, 2)}, out;
    const setsuna_tensor given[] = {in[0], rig_tensor(SETSUNA_F32, NULL, 1, 2)};
    prepared_run(&r, given, in, &out);
    rig_assert_f32(&out, (float[]){-1, 2}, 2);
    long made = r.made;
    in[0] = rig_tensor(SETSUNA_I64, &rates[1], 0);
    RIG_OK(&r, rig_run(&r, in, &out));
    rig_assert_f32(&out, (float[]){1, 2}, 2);
    assert_true(r.made > made);
    rig_close(&r);
}

/* A branch that does not fit the shapes is no failure of prepare: it may never be taken. */
static void test_prepare_forgives_a_branch_that_cannot_be_planned(void **state)
{
    (void)state;
    graph_rig r;
    rig_open(&r, 13);
    uint32_t c = rig_input(&r, "c", SETSUNA_BOOL), x = rig_input(&r, "x", SETSUNA_F32), y;
    sn_graph *outer = r.g, *then = one_node(&r, "Neg", 1), *other = r.g = rig_graph(&r, "reshape");
    uint32_t z = rig_two(&r, "Reshape", rig_input(&r, NULL, SETSUNA_F32), rig_ints(&r, (int64_t[]){7}, 1));
    rig_outputs(&r, &z, 1);
    r.g = outer;
    sn_node *n = rig_node_many(&r, "If", (uint32_t[]){c, x}, 2, &y, 1);
    n->n_formal = 1;
    rig_attr_graph(&r, n, "then_branch", then);
    rig_attr_graph(&r, n, "else_branch", other);
    rig_outputs(&r, &y, 1);
    rig_start(&r);
    uint8_t cond = 1;
    setsuna_tensor given[] = {rig_tensor(SETSUNA_BOOL, NULL, 0), rig_tensor(SETSUNA_F32, NULL, 1, 2)}, out;
    setsuna_tensor in[] = {rig_tensor(SETSUNA_BOOL, &cond, 0), rig_tensor(SETSUNA_F32, (float[]){1, -2}, 1, 2)};
    RIG_OK(&r, sn_exec_prepare(r.exec, given, &r.err));
    RIG_OK(&r, rig_run(&r, in, &out));
    rig_assert_f32(&out, (float[]){-1, 2}, 2);
    cond = 0;
    assert_int_equal(rig_run(&r, in, &out), SETSUNA_ESHAPE);
    assert_true(r.err.text[0]);
    rig_close(&r);
}

/* What a loop carries is ready; what it stacks has a size that only the run knows. */
static void test_prepare_plans_the_body_of_a_loop(void **state)
{
    (void)state;
    graph_rig r;
    setsuna_tensor out[3];
    rig_open(&r, 13);
    loop_of(&r, body_fibonacci);
    const setsuna_tensor given[] = {rig_tensor(SETSUNA_I64, NULL, 0), rig_tensor(SETSUNA_BOOL, NULL, 0),
                                    rig_tensor(SETSUNA_F32, NULL, 1, 2), rig_tensor(SETSUNA_F32, NULL, 1, 2)};
    RIG_OK(&r, sn_exec_prepare(r.exec, given, &r.err));
    long made = r.made;
    loop_run(&r, 4, 1, out);
    assert_true(r.made - made <= 6); /* the stack as it grows, and its copy */
    rig_assert_f32(&out[0], (float[]){11, 110}, 2);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_if_with_a_constant_condition_is_inlined),
        cmocka_unit_test(test_if_takes_the_branch_of_this_run),
        cmocka_unit_test(test_loop_carries_values_in_any_order),
        cmocka_unit_test(test_loop_without_a_turn),
        cmocka_unit_test(test_loop_grows_a_carried_value),
        cmocka_unit_test(test_scan_of_any_length),
        cmocka_unit_test(test_scan8_with_an_empty_batch),
        cmocka_unit_test(test_prepare_plans_both_branches_and_what_follows),
        cmocka_unit_test(test_prepare_plans_the_branch_that_the_data_takes),
        cmocka_unit_test(test_prepare_forgives_a_branch_that_cannot_be_planned),
        cmocka_unit_test(test_prepare_plans_the_body_of_a_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
