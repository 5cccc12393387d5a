/* The times of steps, what a step costs, and the bound that a roofline sets for it. */
#include "exec/step_bound.h"
#include "exec/step_times.h"
#include "unit/exec/graph_rig.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define assert_near(got, want, slack) assert_true(fabs((got) - (want)) <= (double)(slack))

/* y = x A, z = y B with 8 x 16, 16 x 4, 4 x 2 floats. */
static void rig_products(graph_rig *r)
{
    static const float weights[64] = {1};
    rig_open(r, 13);
    uint32_t x = rig_input(r, "x", SETSUNA_F32);
    uint32_t a = rig_const(r, SETSUNA_F32, &(setsuna_shape){2, {16, 4}}, weights);
    uint32_t b = rig_const(r, SETSUNA_F32, &(setsuna_shape){2, {4, 2}}, weights);
    uint32_t z = rig_two(r, "MatMul", rig_two(r, "MatMul", x, a), b);
    rig_outputs(r, &z, 1);
    rig_start(r);
}

static void test_steps_are_timed(void **state)
{
    (void)state;
    graph_rig r;
    rig_products(&r);
    static const float data[128] = {1};
    setsuna_tensor x = rig_tensor(SETSUNA_F32, data, 2, 8, 16), z;
    sn_step_times t;
    sn_step_times_begin(&t, r.exec, &r.allocator);
    RIG_OK(&r, rig_run(&r, &x, &z));
    assert_int_equal(t.n_segment, 1);
    assert_int_equal(t.n_step, 2);
    assert_int_equal(sn_step_times_reserve(&t, 3), SETSUNA_OK);
    for (int i = 0; i < 3; i++) {
        sn_step_times_next(&t);
        RIG_OK(&r, rig_run(&r, &x, &z));
    }
    assert_false(t.is_partial);
    assert_int_equal(t.n, 3);
    for (size_t i = 0; i < 6; i++) /* something, and not the wrong way round */
        assert_in_range(t.sample[i], 1, 1000000000);
    sn_step_times_next(&t);
    RIG_OK(&r, rig_run(&r, &x, &z)); /* beyond what there is room for */
    assert_true(t.is_partial);
    sn_step_times_end(&t);
    long made = r.made;
    RIG_OK(&r, rig_run(&r, &x, &z));
    assert_int_equal(made, r.made);
    sn_step_times_fini(&t);
    rig_close(&r);
}

/* A graph that is planned in two pieces, and anew for other data. */
static void test_segments_are_found(void **state)
{
    (void)state;
    graph_rig r;
    rig_open(&r, 13);
    uint32_t x = rig_input(&r, "x", SETSUNA_F32);
    uint32_t y = rig_one(&r, "Neg", rig_one(&r, "NonZero", x));
    rig_outputs(&r, &y, 1);
    rig_start(&r);
    static const float two[4] = {1, 0, 2, 0}, none[4] = {0};
    setsuna_tensor in = rig_tensor(SETSUNA_F32, two, 1, 4), out;
    sn_step_times t;
    sn_step_times_begin(&t, r.exec, &r.allocator);
    RIG_OK(&r, rig_run(&r, &in, &out));
    assert_int_equal(t.n_segment, 2);
    assert_int_equal(t.n_step, 2);
    assert_int_equal(t.segment[1].first, 1);
    assert_int_equal(sn_step_times_reserve(&t, 2), SETSUNA_OK);
    sn_step_times_next(&t);
    RIG_OK(&r, rig_run(&r, &in, &out));
    assert_in_range(t.sample[t.cap], 1, 1000000000);
    assert_false(t.is_partial);
    in = rig_tensor(SETSUNA_F32, none, 1, 4);
    sn_step_times_next(&t);
    RIG_OK(&r, rig_run(&r, &in, &out));
    assert_true(t.is_partial);
    sn_step_times_fini(&t);
    rig_close(&r);
}

/* y = c ? A noise : noise, with a c that is known at run time only: the product is told beside the If, whose own time
 * it is not in; in runs that take the other branch it has 0. */
static void test_steps_of_subgraphs(void **state)
{
    (void)state;
    enum { N = 192 };
    graph_rig r;
    rig_open(&r, 13);
    float *data = calloc((size_t)N * N, sizeof *data);
    assert_non_null(data);
    uint32_t c = rig_input(&r, "c", SETSUNA_BOOL), y;
    sn_graph *main_graph = r.g, *branch[2];
    for (int i = 0; i < 2; i++) {
        r.g = branch[i] = rig_graph(&r, i ? "then" : "else");
        uint32_t w = rig_const(&r, SETSUNA_F32, &(setsuna_shape){2, {N, N}}, data);
        uint32_t z = rig_one(&r, "RandomNormalLike", w);
        z = i ? rig_two(&r, "MatMul", w, z) : z;
        rig_outputs(&r, &z, 1);
    }
    r.g = main_graph;
    sn_node *n = rig_node_many(&r, "If", &c, 1, &y, 1);
    rig_attr_graph(&r, n, "then_branch", branch[1]);
    rig_attr_graph(&r, n, "else_branch", branch[0]);
    rig_outputs(&r, &y, 1);
    rig_start(&r);
    bool yes = true, no = false;
    setsuna_tensor in = rig_tensor(SETSUNA_BOOL, &yes, 0), out;
    sn_step_times t;
    sn_step_times_begin(&t, r.exec, &r.allocator);
    RIG_OK(&r, rig_run(&r, &in, &out));
    in.data = &no;
    RIG_OK(&r, rig_run(&r, &in, &out));
    assert_int_equal(sn_step_times_reserve(&t, 2), SETSUNA_OK);
    uint64_t control[2] = {0}, product[2] = {0};
    for (size_t k = 0; k < 2; k++) {
        in.data = k ? &no : &yes;
        sn_step_times_next(&t);
        RIG_OK(&r, rig_run(&r, &in, &out));
        for (size_t s = 0; s < t.n_segment; s++)
            for (size_t i = 0; i < t.segment[s].plan->n_step; i++) {
                uint64_t ns = t.sample[(t.segment[s].first + i) * t.cap + k];
                const char *op = t.segment[s].plan->step[i].op;
                control[k] += strcmp(op, "If") == 0 ? ns : 0;
                product[k] += strstr(op, "MatMul") || strstr(op, "Gemm") ? ns : 0;
            }
    }
    assert_false(t.is_partial);
    assert_true(control[0] > 0 && control[1] > 0 && product[0] > 0);
    assert_int_equal(product[1], 0);
    assert_true(control[0] < product[0]); /* 14 million operations beside a copy of 144 KiB */
    sn_step_times_fini(&t);
    rig_close(&r);
    free(data);
}

static void test_cost_of_steps(void **state)
{
    (void)state;
    graph_rig r;
    rig_products(&r);
    static const float data[128] = {1};
    setsuna_tensor x = rig_tensor(SETSUNA_F32, data, 2, 8, 16), z;
    RIG_OK(&r, rig_run(&r, &x, &z));
    const sn_plan *p = sn_exec_last_plan(r.exec);
    sn_step_cost a = sn_step_cost_of(p, &p->step[0]), b = sn_step_cost_of(p, &p->step[1]);
    assert_near(a.flops, 2 * 8 * 16 * 4, 0);
    assert_near(a.work, a.flops, 0);
    assert_near(a.weights, 4 * 16 * 4, 0);
    assert_near(a.operands, 4 * (8 * 16 + 8 * 4), 0);
    assert_near(b.weights, 4 * 4 * 2, 0);
    assert_near(b.operands, 4 * (8 * 4 + 8 * 2), 0);
    assert_near(sn_plan_touched_bytes(p), (double)p->arena_bytes + a.weights + b.weights, 0);
    rig_close(&r);
}

/* A plan whose step says nothing of its traffic: all operands once. */
static void test_traffic_is_that_of_operands(void **state)
{
    (void)state;
    graph_rig r;
    rig_open(&r, 13);
    uint32_t x = rig_input(&r, "x", SETSUNA_F32), y;
    sn_node *n = rig_node_many(&r, "ReduceMax", &x, 1, &y, 1);
    (void)n;
    rig_outputs(&r, &y, 1);
    rig_start(&r);
    setsuna_tensor in = rig_tensor(SETSUNA_F32, (float[24]){1}, 2, 4, 6), out;
    RIG_OK(&r, rig_run(&r, &in, &out));
    const sn_plan *p = sn_exec_last_plan(r.exec);
    assert_int_equal(p->n_step, 1);
    assert_near(p->step[0].bytes, 4 * 24 + 4, 0);
    rig_close(&r);
}

/* A 3 x 3 convolution of 64 channels, 58 x 58 to 56 x 56 pixels: 14 x 14 tiles of 36 products where it is a Winograd
 * convolution, its definition's arithmetic otherwise. */
static void test_work_of_a_convolution(void **state)
{
    (void)state;
    enum { CHANNELS = 64, IN = 58, OUT = 56, TILES = 14 * 14 };
    graph_rig r;
    rig_open(&r, 13);
    float *zeros = calloc((size_t)CHANNELS * IN * IN, sizeof *zeros);
    assert_non_null(zeros);
    uint32_t x = rig_input(&r, "x", SETSUNA_F32);
    uint32_t w = rig_const(&r, SETSUNA_F32, &(setsuna_shape){4, {CHANNELS, CHANNELS, 3, 3}}, zeros);
    uint32_t y = rig_two(&r, "Conv", x, w);
    rig_outputs(&r, &y, 1);
    rig_start(&r);
    setsuna_tensor in = rig_tensor(SETSUNA_F32, zeros, 4, 1, CHANNELS, IN, IN), out;
    RIG_OK(&r, rig_run(&r, &in, &out));
    const sn_plan *p = sn_exec_last_plan(r.exec);
    size_t convolutions = 0;
    for (size_t i = 0; i < p->n_step; i++) {
        sn_step_cost c = sn_step_cost_of(p, &p->step[i]);
        if (c.flops == 0)
            continue;
        bool winograd = strstr(p->step[i].kernel, "winograd");
        convolutions++;
        assert_near(c.flops, 2.0 * 9 * CHANNELS * CHANNELS * OUT * OUT, 0);
        assert_near(c.work, winograd ? 2.0 * 36 * CHANNELS * CHANNELS * TILES : c.flops, 0);
        assert_near(c.weights, 4.0 * (winograd ? 36 : 9) * CHANNELS * CHANNELS, 4 * CHANNELS);
    }
    assert_int_equal(convolutions, 1);
    rig_close(&r);
    free(zeros);
}

static void test_bandwidth_between_points(void **state)
{
    (void)state;
    const sn_roofline r = {.flops_per_ns = 100, .n_point = 3, .point = {{1024, 400}, {4096, 200}, {65536, 50}}};
    assert_near(sn_roofline_bandwidth(&r, 1), 400, 0);
    assert_near(sn_roofline_bandwidth(&r, 1024), 400, 0);
    assert_near(sn_roofline_bandwidth(&r, 2048), 300, 1e-9);
    assert_near(sn_roofline_bandwidth(&r, 4096), 200, 1e-9);
    assert_near(sn_roofline_bandwidth(&r, 16384), 125, 1e-9);
    assert_near(sn_roofline_bandwidth(&r, 1e12), 50, 0);

    const sn_step_cost cost = {.flops = 4000, .work = 1000, .weights = 5000, .operands = 800};
    sn_step_bound b = sn_roofline_bound(&r, &cost, 1e9);
    assert_near(b.compute_ns, 10, 1e-9);
    assert_near(b.memory_ns, 5000.0 / 50 + 800.0 / 400, 1e-9);
    b = sn_roofline_bound(&r, &(sn_step_cost){0}, 0);
    assert_near(b.compute_ns, 0, 0);
    assert_near(b.memory_ns, 0, 0);
}

/* The machine is measured: finite figures, points in order, for one thread and for two. */
static void test_the_machine_is_measured(void **state)
{
    (void)state;
    for (uint32_t n = 1; n <= 2; n++) {
        sn_pool *pool;
        sn_roofline r;
        assert_int_equal(sn_pool_create(sn_allocator_default(), n, &pool), SETSUNA_OK);
        assert_int_equal(sn_roofline_measure(sn_allocator_default(), sn_cpu_detect(), pool, &r), SETSUNA_OK);
        sn_pool_destroy(pool);
        assert_true(r.flops_per_ns > 0 && isfinite(r.flops_per_ns));
        assert_int_equal(r.n_point, SN_ROOFLINE_POINTS);
        for (uint32_t i = 0; i < r.n_point; i++) {
            assert_true(r.point[i].bytes_per_ns > 0 && isfinite(r.point[i].bytes_per_ns));
            assert_true(i == 0 || r.point[i].bytes > r.point[i - 1].bytes);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_are_timed),
        cmocka_unit_test(test_segments_are_found),
        cmocka_unit_test(test_steps_of_subgraphs),
        cmocka_unit_test(test_cost_of_steps),
        cmocka_unit_test(test_traffic_is_that_of_operands),
        cmocka_unit_test(test_work_of_a_convolution),
        cmocka_unit_test(test_bandwidth_between_points),
        cmocka_unit_test(test_the_machine_is_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
