#include "passes/rewrite.h"
#include "unit/passes/pass_graph.h"
#include "unit/unit.h"

extern const sn_pass sn_pass_simplify;

enum { ROWS = 5, COLUMNS = 7 };

typedef struct slice {
    int64_t start, end, axis, step;
} slice;

/* Abs, a Slice and Neg; returns the nodes that are left. */
static size_t run_slice(const slice *s, bool has_step)
{
    pass_graph t;
    float before[ROWS * COLUMNS], after[ROWS * COLUMNS];
    pass_graph_open(&t, 13);
    uint32_t x = pass_graph_one(&t, "Abs", pass_graph_input(&t, sn_shape(2, ROWS, COLUMNS)));
    const uint32_t in[] = {x, sn_rewrite_const_i64(t.g, &s->start, 1), sn_rewrite_const_i64(t.g, &s->end, 1),
                           sn_rewrite_const_i64(t.g, &s->axis, 1), sn_rewrite_const_i64(t.g, &s->step, 1)};
    uint32_t y = pass_graph_node(&t, "", "Slice", in, has_step ? 5 : 4);
    pass_graph_output(&t, pass_graph_one(&t, "Neg", y));
    size_t n = pass_graph_run(&t, before, ROWS * COLUMNS);
    pass_graph_pass(&t, &sn_pass_simplify);
    assert_int_equal(pass_graph_run(&t, after, ROWS * COLUMNS), n);
    pass_graph_assert_near(before, after, n, 0);
    size_t left = t.g->n_node;
    pass_graph_close(&t);
    return left;
}

static void test_slice(void **state)
{
    (void)state;
    assert_int_equal(run_slice(&(slice){0, INT64_MAX, 1, 1}, false), 2);
    assert_int_equal(run_slice(&(slice){0, COLUMNS, -1, 1}, true), 2);
    assert_int_equal(run_slice(&(slice){-100, ROWS, 0, 1}, true), 2);
    assert_int_equal(run_slice(&(slice){1, INT64_MAX, 1, 1}, true), 3);
    assert_int_equal(run_slice(&(slice){0, COLUMNS - 1, 1, 1}, false), 3);
    assert_int_equal(run_slice(&(slice){-1, INT64_MIN, 1, -1}, true), 3); /* backwards, of the same shape */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_slice)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
