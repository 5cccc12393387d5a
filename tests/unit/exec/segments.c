/* Shapes that depend on data: a run goes through a chain of plans, and every run has its own shapes. */
#include "unit/exec/graph_rig.h"
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The elements of 1-D x at the places where it is not 0: NonZero, Squeeze, Gather. */
static uint32_t compact(graph_rig *r, uint32_t x)
{
    uint32_t at = rig_two(r, "Squeeze", rig_one(r, "NonZero", x), rig_ints(r, (int64_t[]){0}, 1));
    return rig_two(r, "Gather", x, at);
}

static void test_every_run_has_its_own_shape(void **state)
{
    (void)state;
    graph_rig r;
    rig_open(&r, 13);
    uint32_t x = rig_input(&r, "x", SETSUNA_F32), y[2];
    y[0] = rig_two(&r, "Add", compact(&r, x), rig_const(&r, SETSUNA_F32, &(setsuna_shape){0}, &(float){1}));
    y[1] = rig_one(&r, "Shape", y[0]);
    rig_outputs(&r, y, 2);
    rig_start(&r);
    static const float in[][4] = {{1, 0, 2, 0}, {0, 0, 0, 0}, {1, 2, 3, 4}, {0, 0, 0, 5}, {1, 0, 2, 0}};
    for (size_t i = 0; i < 5; i++) {
        setsuna_tensor t = rig_tensor(SETSUNA_F32, in[i], 1, 4), out[2];
        float want[4];
        int64_t n = 0;
        for (int k = 0; k < 4; k++)
            if (in[i][k] != 0)
                want[n++] = in[i][k] + 1;
        RIG_OK(&r, rig_run(&r, &t, out));
        rig_assert_shape(&out[0], 1, (int)n);
        rig_assert_f32(&out[0], want, (size_t)n);
        rig_assert_i64(&out[1], &n, 1);
    }
    assert_non_null(sn_exec_last_plan(r.exec)->rest);
    rig_close(&r);
}

/* A shape that is computed from data, and a value that is needed on both sides of the boundary. */
static void test_a_shape_from_a_value(void **state)
{
    (void)state;
    graph_rig r;
    rig_open(&r, 13);
    uint32_t x = rig_input(&r, "x", SETSUNA_F32), s = rig_input(&r, "s", SETSUNA_I64);
    uint32_t a = rig_one(&r, "Neg", x), y = rig_two(&r, "Reshape", a, rig_one(&r, "Abs", s));
    y = rig_one(&r, "Exp", y);
    rig_outputs(&r, (uint32_t[]){y, a}, 2);
    rig_start(&r);
    static const int64_t shapes[][2] = {{2, 3}, {3, -2}, {6, 1}, {2, 3}};
    for (size_t i = 0; i < 4; i++) {
        setsuna_tensor in[] = {rig_tensor(SETSUNA_F32, (float[6]){0}, 1, 6), rig_tensor(SETSUNA_I64, shapes[i], 1, 2)};
        setsuna_tensor out[2];
        RIG_OK(&r, rig_run(&r, in, out));
        rig_assert_shape(&out[0], 2, (int)llabs(shapes[i][0]), (int)llabs(shapes[i][1]));
        rig_assert_shape(&out[1], 1, 6);
        rig_assert_f32(&out[0], (float[]){1, 1, 1, 1, 1, 1}, 6);
    }
    /* 6 elements do not make 5: refused, and the next run is right again. */
    setsuna_tensor in[] = {rig_tensor(SETSUNA_F32, (float[6]){0}, 1, 6),
                           rig_tensor(SETSUNA_I64, (int64_t[]){5, 1}, 1, 2)};
    setsuna_tensor out[2];
    assert_int_equal(rig_run(&r, in, out), SETSUNA_ESHAPE);
    assert_true(r.err.text[0]);
    in[1] = rig_tensor(SETSUNA_I64, shapes[0], 1, 2);
    RIG_OK(&r, rig_run(&r, in, out));
    rig_assert_shape(&out[0], 2, 2, 3);
    rig_close(&r);
}

static void test_constants_are_folded(void **state)
{
    (void)state;
    graph_rig r;
    rig_open(&r, 13);
    uint32_t c = rig_const(&r, SETSUNA_F32, &(setsuna_shape){1, {4}}, (float[]){0, 3, 0, 4});
    uint32_t x = rig_input(&r, "x", SETSUNA_F32), k = compact(&r, c); /* data-dependent, but the data is known */
    uint32_t shape = rig_one(&r, "Shape", x), y = rig_two(&r, "Mul", x, rig_one(&r, "Neg", k));
    rig_outputs(&r, (uint32_t[]){y, shape}, 2);
    rig_start(&r);
    setsuna_tensor in = rig_tensor(SETSUNA_F32, (float[]){1, 2}, 1, 2), out[2];
    RIG_OK(&r, rig_run(&r, &in, out));
    rig_assert_f32(&out[0], (float[]){-3, -8}, 2);
    rig_assert_i64(&out[1], (int64_t[]){2}, 1);
    const sn_plan *p = sn_exec_last_plan(r.exec);
    assert_null(p->rest);
    assert_int_equal(p->n_step, 1); /* nothing but the product is left to do */
    rig_close(&r);
}

/* With shapes seen before, a run allocates nothing, however many segments it has. */
static void test_runs_allocate_nothing_once_seen(void **state)
{
    (void)state;
    graph_rig r;
    rig_open(&r, 13);
    uint32_t y = compact(&r, compact(&r, rig_input(&r, "x", SETSUNA_F32)));
    rig_outputs(&r, &y, 1);
    rig_start(&r);
    static const float in[2][4] = {{1, 0, 2, 0}, {1, 2, 0, 3}};
    long made = 0;
    for (int i = 0; i < 6; i++) {
        setsuna_tensor t = rig_tensor(SETSUNA_F32, in[i % 2], 1, 4), out;
        RIG_OK(&r, rig_run(&r, &t, &out));
        if (i == 1)
            made = r.made;
    }
    assert_int_equal(r.made, made);
    rig_close(&r);
}

/* More shapes than are kept, in the first segment and behind a boundary; all memory comes back. */
static void test_more_shapes_than_are_kept(void **state)
{
    (void)state;
    enum { SHAPES = 150 };
    graph_rig r;
    static float x[SHAPES];
    rig_open(&r, 13);
    uint32_t y = rig_one(&r, "Neg", compact(&r, rig_input(&r, "x", SETSUNA_F32)));
    rig_outputs(&r, &y, 1);
    rig_start(&r);
    long live[2] = {0};
    for (int turn = 0; turn < 2; turn++)
        for (int n = 1; n <= SHAPES; n++) {
            setsuna_tensor in, out;
            for (int i = 0; i < SHAPES; i++)
                x[i] = (float)(i < n);
            in = turn ? rig_tensor(SETSUNA_F32, x, 1, SHAPES) : rig_tensor(SETSUNA_F32, x, 1, n);
            RIG_OK(&r, rig_run(&r, &in, &out));
            rig_assert_shape(&out, 1, n);
            assert_true(((float *)out.data)[n - 1] == -1.0f);
            if (n == 100)
                live[0] = r.live;
            if (n == SHAPES)
                live[1] = r.live;
        }
    assert_true(live[1] <= live[0] + 8); /* what comes in pushes as much out */
    rig_close(&r);
}

/* Behind a shape that follows from a value given to prepare, the rest is ready too. */
static void test_prepare_goes_on_behind_a_value_that_is_given(void **state)
{
    (void)state;
    graph_rig r;
    rig_open(&r, 13);
    uint32_t x = rig_input(&r, "x", SETSUNA_F32), s = rig_input(&r, "s", SETSUNA_I64);
    uint32_t y = rig_one(&r, "Exp", rig_two(&r, "Reshape", x, rig_one(&r, "Abs", s)));
    rig_outputs(&r, &y, 1);
    rig_start(&r);
    setsuna_tensor in[] = {rig_tensor(SETSUNA_F32, (float[6]){0}, 1, 6),
                           rig_tensor(SETSUNA_I64, (int64_t[]){-2, 3}, 1, 2)};
    const setsuna_tensor given[] = {rig_tensor(SETSUNA_F32, NULL, 1, 6), in[1]};
    setsuna_tensor out;
    RIG_OK(&r, sn_exec_prepare(r.exec, given, &r.err));
    long made = r.made;
    RIG_OK(&r, rig_run(&r, in, &out));
    assert_int_equal(r.made, made);
    rig_assert_shape(&out, 2, 2, 3);
    rig_close(&r);
}

static void chain_open(graph_rig *r, int segments, size_t limit_bytes)
{
    rig_open(r, 13);
    r->env.memory_limit_bytes = limit_bytes;
    uint32_t y = rig_input(r, "x", SETSUNA_F32);
    for (int i = 0; i < segments; i++)
        y = compact(r, y);
    rig_outputs(r, &y, 1);
    rig_start(r);
}

/* Planning, running and closing a thousand segments must not use the stack in proportion. */
static void test_a_long_chain_of_segments(void **state)
{
    (void)state;
    graph_rig r;
    chain_open(&r, 1000, (size_t)2 << 30);
    for (int i = 0; i < 2; i++) {
        setsuna_tensor in = rig_tensor(SETSUNA_F32, (float[]){1, 0, 2, 3}, 1, 4), out;
        RIG_OK(&r, rig_run(&r, &in, &out));
        rig_assert_f32(&out, (float[]){1, 2, 3}, 3);
    }
    rig_close(&r);
}

/* Plans grow with the square of the number of segments; the limit holds for them too. */
static void test_a_chain_beyond_the_memory_limit(void **state)
{
    (void)state;
    graph_rig r;
    chain_open(&r, 3000, 16 << 20);
    for (int i = 0; i < 2; i++) {
        setsuna_tensor in = rig_tensor(SETSUNA_F32, (float[]){1, 0, 2, 3}, 1, 4), out;
        assert_int_equal(rig_run(&r, &in, &out), SETSUNA_ELIMIT);
        assert_non_null(strstr(r.err.text, "segments"));
    }
    rig_close(&r);
}

int main(int argc, char **argv)
{
    /* The stack's limit is read when a program starts, so this one starts itself again. */
    const struct rlimit small = {256 << 10, 256 << 10};
    if (argc == 1 && setrlimit(RLIMIT_STACK, &small) == 0) {
        char again[] = "small-stack", *args[] = {argv[0], again, NULL};
        execv("/proc/self/exe", args);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_run_has_its_own_shape),
        cmocka_unit_test(test_a_shape_from_a_value),
        cmocka_unit_test(test_constants_are_folded),
        cmocka_unit_test(test_runs_allocate_nothing_once_seen),
        cmocka_unit_test(test_more_shapes_than_are_kept),
        cmocka_unit_test(test_a_long_chain_of_segments),
        cmocka_unit_test(test_a_chain_beyond_the_memory_limit),
        cmocka_unit_test(test_prepare_goes_on_behind_a_value_that_is_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
