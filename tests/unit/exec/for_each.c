/* ForEach: items of a batch one after the other, or on several threads, are what they are alone. */
#include "unit/exec/graph_rig.h"
#include <stdlib.h>
#include <string.h>

enum { EACH_CHANNELS = 8, EACH_SIDE = 128, EACH_ITEM = EACH_CHANNELS * EACH_SIDE * EACH_SIDE, EACH_BATCH = 5 };

static float noise(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) * 0x1p-23f - 1;
}

static uint32_t conv(graph_rig *r, uint32_t x, uint32_t seed)
{
    float w[EACH_CHANNELS * EACH_CHANNELS * 9];
    for (size_t i = 0; i < sizeof w / sizeof *w; i++)
        w[i] = noise(&seed) / 8;
    const setsuna_shape shape = {4, {EACH_CHANNELS, EACH_CHANNELS, 3, 3}};
    uint32_t y;
    sn_node *n = rig_node_many(r, "Conv", (uint32_t[]){x, rig_const(r, SETSUNA_F32, &shape, w)}, 2, &y, 1);
    assert_true(sn_node_add_ints(r->g, n, "pads", (int64_t[]){1, 1, 1, 1}, 4));
    return y;
}

/* Two outputs: one from inside, one from the end. */
static void network_open(graph_rig *r, uint32_t threads)
{
    rig_open(r, 13);
    r->env.n_threads = threads;
    uint32_t x = rig_input(r, "x", SETSUNA_F32), y = rig_one(r, "Relu", conv(r, x, 1));
    uint32_t z = rig_two(r, "Add", conv(r, conv(r, y, 2), 3), x);
    rig_outputs(r, (uint32_t[]){z, y}, 2);
    rig_start(r);
}

static setsuna_tensor items(const float *x, int64_t n)
{
    return rig_tensor(SETSUNA_F32, x, 4, n, (int64_t)EACH_CHANNELS, (int64_t)EACH_SIDE, (int64_t)EACH_SIDE);
}

static void test_items_are_what_they_are_alone(void **state)
{
    (void)state;
    float *x = malloc(sizeof(float) * EACH_BATCH * EACH_ITEM),
          *alone = malloc(sizeof(float) * 2 * EACH_BATCH * EACH_ITEM);
    assert_true(x && alone);
    uint32_t seed = 9;
    for (size_t i = 0; i < (size_t)EACH_BATCH * EACH_ITEM; i++)
        x[i] = noise(&seed);
    for (uint32_t threads = 1; threads <= 3; threads++) {
        graph_rig r;
        network_open(&r, threads);
        setsuna_tensor out[2];
        for (int b = 0; b < EACH_BATCH; b++) {
            setsuna_tensor in = items(x + (size_t)b * EACH_ITEM, 1);
            RIG_OK(&r, rig_run(&r, &in, out));
            for (int k = 0; k < 2; k++)
                memcpy(alone + ((size_t)k * EACH_BATCH + (size_t)b) * EACH_ITEM, out[k].data,
                       sizeof(float) * EACH_ITEM);
        }
        setsuna_tensor in = items(x, EACH_BATCH);
        RIG_OK(&r, sn_exec_prepare(r.exec, &in, &r.err));
        const sn_plan *p = sn_exec_last_plan(r.exec);
        assert_int_equal(p->n_step, 1);
        assert_string_equal(p->step[0].op, "ForEach");
        long made = r.made;
        for (int again = 0; again < 2; again++) {
            RIG_OK(&r, rig_run(&r, &in, out));
            for (int k = 0; k < 2; k++) {
                rig_assert_shape(&out[k], 4, EACH_BATCH, EACH_CHANNELS, EACH_SIDE, EACH_SIDE);
                assert_memory_equal(out[k].data, alone + (size_t)k * EACH_BATCH * EACH_ITEM, out[k].size_bytes);
            }
        }
        assert_int_equal(r.made, made); /* a run allocates nothing */
        rig_close(&r);
    }
    free(x);
    free(alone);
}

static void count_steps(void *arg, const sn_plan *plan, size_t step, uint64_t begin_ns, uint64_t end_ns,
                        uint64_t inner_ns)
{
    uint32_t *n = arg;
    assert_true(end_ns - begin_ns >= inner_ns);
    n[strcmp(plan->step[step].op, "ForEach") == 0]++;
}

/* Whoever looks sees the steps of every item, and the step around them. */
static void test_steps_of_items_are_told(void **state)
{
    (void)state;
    float *x = calloc((size_t)4 * EACH_ITEM, sizeof *x);
    assert_non_null(x);
    for (uint32_t threads = 1; threads <= 2; threads++) {
        graph_rig r;
        uint32_t n[2] = {0};
        network_open(&r, threads);
        setsuna_tensor in = items(x, 4), out[2];
        sn_exec_observe(r.exec, count_steps, n);
        RIG_OK(&r, rig_run(&r, &in, out));
        assert_int_equal(n[1], 1);
        assert_true(n[0] >= 4 * 3 && n[0] % 4 == 0);
        rig_close(&r);
    }
    free(x);
}

/* Fails the allocation number `left` and all after it. */
typedef struct scarce {
    sn_allocator real;
    _Atomic long left; /* threads allocate */
} scarce;

static void *scarce_alloc(void *ctx, size_t size)
{
    scarce *s = ctx;
    return s->left-- > 0 ? s->real.alloc(s->real.ctx, size) : NULL;
}

static void scarce_free(void *ctx, void *p)
{
    scarce *s = ctx;
    s->real.free(s->real.ctx, p);
}

static void test_without_memory_it_fails_whole(void **state)
{
    (void)state;
    float *x = calloc((size_t)4 * EACH_ITEM, sizeof *x);
    assert_non_null(x);
    setsuna_status status = SETSUNA_ENOMEM;
    for (long left = 0; status != SETSUNA_OK; left += 7) {
        graph_rig r;
        network_open(&r, 2);
        setsuna_tensor in = items(x, 4), out[2];
        scarce s = {r.allocator, left};
        const sn_allocator poor = {&s, scarce_alloc, scarce_free};
        r.env.allocator = &poor;
        status = rig_run(&r, &in, out);
        assert_true(status == SETSUNA_OK || status == SETSUNA_ENOMEM);
        rig_close(&r);
        assert_true(left < 100000);
    }
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items_are_what_they_are_alone),
        cmocka_unit_test(test_steps_of_items_are_told),
        cmocka_unit_test(test_without_memory_it_fails_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
