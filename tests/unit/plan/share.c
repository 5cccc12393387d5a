/* Views: what only copies finds its result in place, and nothing else changes. */
#include "unit/exec/graph_rig.h"
#include <stdlib.h>
#include <string.h>

enum { PART = 32, PARTS_MAX = 8 }; /* elements: two cache lines */

/* Part k of an input is k * PART, k * PART + 1, ... */
static uint32_t part_input(graph_rig *r)
{
    return rig_input(r, NULL, SETSUNA_I32);
}

static uint32_t part_concat(graph_rig *r, const uint32_t *v, uint32_t n)
{
    uint32_t y;
    sn_node *node = rig_node_many(r, "Concat", v, n, &y, 1);
    assert_true(sn_node_add_int(r->g, node, "axis", 0));
    return y;
}

static void part_split(graph_rig *r, uint32_t x, const int64_t *parts, uint32_t n, uint32_t *out)
{
    int64_t size[PARTS_MAX];
    for (uint32_t k = 0; k < n; k++)
        size[k] = parts[k] * PART;
    rig_node_many(r, "Split", (uint32_t[]){x, rig_ints(r, size, n)}, 2, out, n);
}

static uint32_t part_slice(graph_rig *r, uint32_t x, int64_t from, int64_t to)
{
    return rig_node(r, "Slice", (uint32_t[]){x, rig_ints(r, &from, 1), rig_ints(r, &to, 1)}, 3);
}

/* Plans and runs the graph on one input of n parts; the plan's steps are those of `ops`. */
static const sn_plan *part_run(graph_rig *r, int64_t n, const uint32_t *y, uint32_t n_y, const char *const *ops,
                               setsuna_tensor *out)
{
    static int32_t x[PARTS_MAX * PART];
    for (int32_t i = 0; i < PARTS_MAX * PART; i++)
        x[i] = i;
    rig_outputs(r, y, n_y);
    rig_start(r);
    setsuna_tensor in = rig_tensor(SETSUNA_I32, x, 1, (int)(n * PART));
    RIG_OK(r, rig_run(r, &in, out));
    const sn_plan *p = sn_exec_last_plan(r->exec);
    size_t n_op = 0;
    for (; ops[n_op]; n_op++) {
        assert_true(n_op < p->n_step);
        assert_string_equal(p->step[n_op].op, ops[n_op]);
    }
    assert_int_equal(p->n_step, n_op);
    assert_true(p->arena_bytes >= p->live_bytes);
    return p;
}

/* Element i of parts from..to of the tensor is sign * (first * PART + i). */
static void part_check(const setsuna_tensor *t, int from, int to, int sign, int first)
{
    assert_true(t->size_bytes >= (size_t)to * PART * sizeof(int32_t));
    for (int i = 0; i < (to - from) * PART; i++)
        assert_int_equal(((const int32_t *)t->data)[from * PART + i], sign * (first * PART + i));
}

/* What two steps make is written side by side, and the sum over both sees it. */
static void test_concat_of_what_steps_make(void **state)
{
    (void)state;
    graph_rig r;
    rig_open(&r, 13);
    uint32_t x = part_input(&r), v[] = {rig_one(&r, "Neg", x), rig_one(&r, "Abs", x)}, y = part_concat(&r, v, 2);
    setsuna_tensor out;
    const sn_plan *p = part_run(&r, 2, &y, 1, (const char *const[]){"Neg", "Abs", NULL}, &out);
    part_check(&out, 0, 2, -1, 0);
    part_check(&out, 2, 4, 1, 0);
    assert_int_equal(p->arena_bytes, 4 * PART * sizeof(int32_t));
    rig_close(&r);
}

/* x ─▶ Neg ─▶ Split ─┬─────────────┐
 *                    └─┬───────────┤
 *                      └─▶ Neg ─┬──┤          the usual block of a detector: nothing is copied
 *                               └─▶ Neg ─▶ Concat */
static void test_split_and_concat(void **state)
{
    (void)state;
    graph_rig r;
    rig_open(&r, 13);
    uint32_t v[4];
    part_split(&r, rig_one(&r, "Neg", part_input(&r)), (int64_t[]){1, 1}, 2, v);
    v[2] = rig_one(&r, "Neg", v[1]);
    v[3] = rig_one(&r, "Neg", v[2]);
    uint32_t y = part_concat(&r, v, 4);
    setsuna_tensor out;
    const sn_plan *p = part_run(&r, 2, &y, 1, (const char *const[]){"Neg", "Neg", "Neg", NULL}, &out);
    part_check(&out, 0, 2, -1, 0);
    part_check(&out, 2, 3, 1, 1);
    part_check(&out, 3, 4, -1, 1);
    assert_int_equal(p->arena_bytes, 4 * PART * sizeof(int32_t));
    rig_close(&r);
}

/* Each a concatenation of the last and something new: all in the largest. */
static void test_chain_of_concats(void **state)
{
    (void)state;
    graph_rig r;
    rig_open(&r, 13);
    uint32_t x = part_input(&r), y = rig_one(&r, "Neg", x);
    for (int i = 0; i < 3; i++)
        y = part_concat(&r, (uint32_t[]){y, rig_one(&r, "Abs", x)}, 2);
    setsuna_tensor out;
    const sn_plan *p = part_run(&r, 1, &y, 1, (const char *const[]){"Neg", "Abs", "Abs", "Abs", NULL}, &out);
    part_check(&out, 0, 1, -1, 0);
    for (int i = 1; i < 4; i++)
        part_check(&out, i, i + 1, 1, 0);
    assert_int_equal(p->arena_bytes, 4 * PART * sizeof(int32_t));
    rig_close(&r);
}

/* A value twice, an input and a constant: one copy each. What one Concat has, another copies. */
static void test_copies_that_remain(void **state)
{
    (void)state;
    graph_rig r;
    rig_open(&r, 13);
    int32_t number[PART];
    for (int i = 0; i < PART; i++)
        number[i] = 5 * PART + i;
    uint32_t x = part_input(&r), n = rig_one(&r, "Neg", x);
    uint32_t c = rig_const(&r, SETSUNA_I32, &(setsuna_shape){1, {PART}}, number);
    uint32_t y[] = {part_concat(&r, (uint32_t[]){n, n, x, c}, 4),
                    part_concat(&r, (uint32_t[]){rig_one(&r, "Abs", x), n}, 2)};
    setsuna_tensor out[2];
    const sn_plan *p = part_run(&r, 1, y, 2, (const char *const[]){"Neg", "Concat", "Abs", "Concat", NULL}, out);
    part_check(&out[0], 0, 1, -1, 0);
    part_check(&out[0], 1, 2, -1, 0);
    part_check(&out[0], 2, 3, 1, 0);
    part_check(&out[0], 3, 4, 1, 5);
    part_check(&out[1], 0, 1, 1, 0);
    part_check(&out[1], 1, 2, -1, 0);
    assert_true(p->step[1].bytes == 2.0 * 3 * PART * sizeof(int32_t));
    assert_true(p->step[3].bytes == 2.0 * PART * sizeof(int32_t));
    rig_close(&r);
}

/* Neg may write over its input, but not over one whose bytes are a part of what is read later; nor may Add write over
 * one that it also reads elsewhere. */
static void test_in_place_beside_views(void **state)
{
    (void)state;
    graph_rig r;
    rig_open(&r, 13);
    uint32_t n = rig_one(&r, "Neg", part_input(&r)), half = part_slice(&r, n, 0, PART);
    uint32_t a = rig_one(&r, "Neg", half), both = part_concat(&r, (uint32_t[]){a, half}, 2);
    uint32_t wide = rig_two(&r, "Reshape", n, rig_ints(&r, (int64_t[]){2, PART}, 2));
    uint32_t y[] = {both, rig_two(&r, "Add", wide, half)};
    setsuna_tensor out[2];
    part_run(&r, 2, y, 2, (const char *const[]){"Neg", "Neg", "Concat", "Add", NULL}, out);
    part_check(&out[0], 0, 1, 1, 0);
    part_check(&out[0], 1, 2, -1, 0);
    for (int i = 0; i < 2 * PART; i++)
        assert_int_equal(((const int32_t *)out[1].data)[i], -i - i % PART);
    rig_close(&r);
}

/* Parts may be outputs, of what is one and of what is not. */
static void test_parts_that_are_outputs(void **state)
{
    (void)state;
    graph_rig r;
    rig_open(&r, 13);
    uint32_t y[5], n = rig_one(&r, "Neg", part_input(&r));
    part_split(&r, n, (int64_t[]){1, 2}, 2, y);
    y[2] = rig_one(&r, "Abs", y[1]);
    y[3] = part_concat(&r, (uint32_t[]){n, y[2]}, 2);
    y[4] = y[1];
    setsuna_tensor out[5];
    const sn_plan *p = part_run(&r, 3, y, 5, (const char *const[]){"Neg", "Abs", NULL}, out);
    part_check(&out[0], 0, 1, -1, 0);
    part_check(&out[1], 0, 2, -1, 1);
    part_check(&out[2], 0, 2, 1, 1);
    part_check(&out[3], 0, 3, -1, 0);
    part_check(&out[3], 3, 5, 1, 1);
    part_check(&out[4], 0, 2, -1, 1);
    assert_int_equal(p->arena_bytes, 5 * PART * sizeof(int32_t));
    rig_close(&r);
}

/* A slice at an odd place is copied: slots begin at multiples of a cache line. */
static void test_slice_between_cache_lines(void **state)
{
    (void)state;
    graph_rig r;
    rig_open(&r, 13);
    uint32_t n = rig_one(&r, "Neg", part_input(&r));
    uint32_t y[] = {rig_one(&r, "Abs", part_slice(&r, n, 16, 48)), rig_one(&r, "Abs", part_slice(&r, n, 15, 47))};
    setsuna_tensor out[2];
    part_run(&r, 2, y, 2, (const char *const[]){"Neg", "Abs", "Slice", "Abs", NULL}, out);
    for (int i = 0; i < PART; i++) {
        assert_int_equal(((const int32_t *)out[0].data)[i], i + 16);
        assert_int_equal(((const int32_t *)out[1].data)[i], i + 15);
    }
    rig_close(&r);
}

/* A small part of something large, kept for long while something large is made and read: a copy needs less memory. */
static void test_no_view_that_costs_memory(void **state)
{
    (void)state;
    graph_rig r;
    rig_open(&r, 13);
    uint32_t x = part_input(&r), n = rig_one(&r, "Neg", x), small = part_slice(&r, n, 0, PART);
    uint32_t big = part_slice(&r, rig_one(&r, "Abs", rig_two(&r, "Sub", x, x)), 2 * PART, 3 * PART);
    uint32_t y = rig_two(&r, "Sub", small, big);
    setsuna_tensor out;
    const sn_plan *p = part_run(&r, 8, &y, 1, (const char *const[]){"Neg", "Slice", "Sub", "Abs", "Sub", NULL}, &out);
    part_check(&out, 0, 1, -1, 0);
    assert_int_equal(p->arena_bytes, 9 * PART * sizeof(int32_t));
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_concat_of_what_steps_make), cmocka_unit_test(test_split_and_concat),
        cmocka_unit_test(test_chain_of_concats),          cmocka_unit_test(test_copies_that_remain),
        cmocka_unit_test(test_in_place_beside_views),     cmocka_unit_test(test_parts_that_are_outputs),
        cmocka_unit_test(test_slice_between_cache_lines), cmocka_unit_test(test_no_view_that_costs_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
