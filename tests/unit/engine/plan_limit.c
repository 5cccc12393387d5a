/* Plans that a model keeps: a bounded number of them and of their bytes, those used last. */
#include "base/alloc.h"
#include "engine/native.h"
#include "exec/exec.h"
#include "unit/engine/session_model.h"
#include <stdio.h>
#include <stdlib.h>

/* What is taken from the heap and not given back. */
typedef struct counted {
    size_t live, peak;
} counted;

static void *counted_alloc(void *ctx, size_t size_bytes)
{
    counted *c = ctx;
    char *p = sn_alloc(sn_allocator_default(), size_bytes + SN_ALIGN);
    if (!p)
        return NULL;
    memcpy(p, &size_bytes, sizeof size_bytes);
    c->live += size_bytes;
    c->peak = c->live > c->peak ? c->live : c->peak;
    return p + SN_ALIGN;
}

static void counted_free(void *ctx, void *ptr)
{
    counted *c = ctx;
    size_t size_bytes;
    memcpy(&size_bytes, (char *)ptr - SN_ALIGN, sizeof size_bytes);
    c->live -= size_bytes;
    sn_free(sn_allocator_default(), (char *)ptr - SN_ALIGN);
}

typedef struct rig {
    counted heap;
    sn_allocator allocator;
    sn_model *model;
    sn_session *session;
} rig;

static void rig_open(rig *r, uint32_t plan_limit)
{
    *r = (rig){.allocator = {&r->heap, counted_alloc, counted_free}};
    pb_write file = pb_exact(session_model());
    sn_model_options o = {.allocator = &r->allocator, .cpu_level = -1, .plan_limit = plan_limit};
    assert_int_equal(sn_model_parse(file.data, file.size, &o, &r->model, NULL), SETSUNA_OK);
    free(file.data);
    assert_int_equal(sn_session_create(r->model, &r->session, NULL), SETSUNA_OK);
}

static void rig_close(rig *r)
{
    sn_session_destroy(r->session);
    sn_model_close(r->model);
    assert_int_equal(r->heap.live, 0);
}

static void rig_run(rig *r, int64_t rows, size_t seed)
{
    static float x[SESSION_ROWS_MAX * SESSION_K];
    setsuna_error err = {0};
    setsuna_tensor out[2];
    if (session_run(r->session, 1, rows, seed, x, out, &err) != SETSUNA_OK)
        fail_msg("%s: %s", err.where, err.text);
    if (seed % 16 == 0) /* checking costs more than running */
        assert_true(session_is_right(1, rows, x, out));
}

static uint64_t rig_made(const rig *r)
{
    return atomic_load(&sn_native_env(r->model)->plan_epoch);
}

/* What the model's Ifs and data-dependent shapes need is planned for each of them anew. */
static void test_a_stream_of_shapes_takes_bounded_memory(void **state)
{
    (void)state;
    enum { RUNS = 10000, SETTLED = 500, LIMIT = 8 };
    rig r;
    rig_open(&r, LIMIT);
    uint64_t random = 20240501;
    size_t settled = 0;
    for (size_t i = 0; i < RUNS; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        rig_run(&r, 1 + (int64_t)(random >> 33) % (SESSION_ROWS_MAX - 1), (size_t)(random >> 50));
        if (i == SETTLED) {
            settled = r.heap.peak;
            r.heap.peak = 0;
        }
    }
    assert_true(rig_made(&r) > RUNS / 2); /* the stream did ask for new plans */
    if (r.heap.peak > settled + settled / 4)
        fail_msg("%zu bytes at most in the first %d runs, %zu later", settled, SETTLED, r.heap.peak);
    rig_close(&r);
}

static void test_what_is_used_stays(void **state)
{
    (void)state;
    enum { LIMIT = 4 };
    rig r;
    rig_open(&r, LIMIT);
    rig_run(&r, 1, 0);
    rig_run(&r, 2, 0);
    for (int64_t rows = 3; rows < 20; rows++) {
        rig_run(&r, rows, 0);
        uint64_t made = rig_made(&r);
        rig_run(&r, 1, 0);
        rig_run(&r, 2, 0);
        rig_run(&r, rows, 0);
        assert_int_equal(rig_made(&r), made);
    }
    uint64_t made = rig_made(&r);
    rig_run(&r, 3, 0);
    assert_true(rig_made(&r) > made); /* gone long ago */
    rig_close(&r);
}

/* Bytes count over all modules of a model; each of them keeps its newest plan whatever it takes. */
static void test_bytes_are_limited_too(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, 0);
    sn_plan_env *env = sn_native_env(r.model);
    rig_run(&r, 1, 0);
    size_t one = atomic_load(&env->plan_bytes);
    assert_true(one > 0);
    env->plan_limit_bytes = 3 * one;
    for (int64_t rows = 2; rows < 30; rows++)
        rig_run(&r, rows, 0);
    assert_in_range(atomic_load(&env->plan_bytes), one, 4 * one);
    env->plan_limit_bytes = 1;
    rig_run(&r, 30, 0);
    rig_run(&r, 31, 0);
    rig_run(&r, 31, 0);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_stream_of_shapes_takes_bounded_memory),
        cmocka_unit_test(test_what_is_used_stays),
        cmocka_unit_test(test_bytes_are_limited_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
