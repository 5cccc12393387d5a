#include "passes/pass.h"
#include "unit/unit.h"
#include <string.h>

extern const sn_pass sn_pass_fuse_transpose;

typedef struct fixture {
    sn_arena *arena, *scratch;
    sn_graph *g;
} fixture;

static void open_graph(fixture *f, setsuna_shape input)
{
    f->arena = sn_arena_create(sn_allocator_default());
    f->scratch = sn_arena_create(sn_allocator_default());
    f->g = sn_graph_create(f->arena, "test");
    uint32_t x = sn_graph_add_value(f->g, "x", SETSUNA_F32);
    f->g->value[x].has_shape = true;
    f->g->value[x].shape = input;
    assert_int_equal(sn_graph_set_inputs(f->g, &x, 1), SETSUNA_OK);
}

static void close_graph(fixture *f)
{
    sn_arena_destroy(f->scratch);
    sn_arena_destroy(f->arena);
}

/* Adds a node x -> y with a perm (NULL: none), and y's shape. Returns y. */
static uint32_t add(fixture *f, const char *op, uint32_t x, const int64_t *perm)
{
    uint32_t y = sn_graph_add_value(f->g, "", SETSUNA_F32);
    const setsuna_shape *from = &f->g->value[x].shape;
    setsuna_shape to = *from;
    for (int i = 0; i < to.rank && strcmp(op, "Transpose") == 0; i++)
        to.dim[i] = from->dim[perm ? perm[i] : to.rank - 1 - i];
    f->g->value[y].has_shape = true;
    f->g->value[y].shape = to;
    sn_node *n = sn_graph_add_node(f->g, "", op, 13, op, &x, 1, &y, 1);
    assert_non_null(n);
    if (perm)
        assert_true(sn_node_add_ints(f->g, n, "perm", perm, (size_t)to.rank));
    return y;
}

static bool run_pass(fixture *f)
{
    sn_pass_ctx ctx = {.cpu = SN_CPU_REF, .arena = f->scratch};
    bool changed = false;
    assert_int_equal(sn_pass_fuse_transpose.run(f->g, &ctx, &changed), SETSUNA_OK);
    assert_int_equal(sn_graph_sort(f->g, NULL), SETSUNA_OK);
    assert_int_equal(sn_graph_verify(f->g, NULL), SETSUNA_OK);
    return changed;
}

static void assert_perm(const sn_node *n, int rank, const int64_t *want)
{
    const int64_t *perm;
    assert_string_equal(n->op, "Transpose");
    assert_int_equal(sn_node_ints(n, "perm", &perm), rank);
    assert_memory_equal(perm, want, (size_t)rank * sizeof *want);
}

static void test_two_become_one(void **state)
{
    (void)state;
    fixture f;
    open_graph(&f, sn_shape(3, 2, 3, 4));
    uint32_t a = add(&f, "Transpose", 0, (int64_t[]){1, 0, 2}); /* 3 2 4 */
    uint32_t b = add(&f, "Transpose", a, (int64_t[]){2, 0, 1}); /* 4 3 2 = axes 2 1 0 of x */
    assert_int_equal(sn_graph_set_outputs(f.g, &b, 1), SETSUNA_OK);
    assert_true(run_pass(&f));
    assert_int_equal(f.g->n_node, 1);
    assert_int_equal(f.g->node[0].in[0], 0);
    assert_perm(&f.g->node[0], 3, (int64_t[]){2, 1, 0});
    assert_false(run_pass(&f));
    close_graph(&f);
}

static void test_first_stays_for_its_other_reader(void **state)
{
    (void)state;
    fixture f;
    open_graph(&f, sn_shape(3, 2, 3, 4));
    uint32_t a = add(&f, "Transpose", 0, (int64_t[]){1, 0, 2});
    uint32_t b = add(&f, "Transpose", a, (int64_t[]){2, 0, 1});
    uint32_t out[2] = {add(&f, "Relu", a, NULL), b};
    assert_int_equal(sn_graph_set_outputs(f.g, out, 2), SETSUNA_OK);
    assert_true(run_pass(&f));
    assert_int_equal(f.g->n_node, 3);
    assert_perm(&f.g->node[0], 3, (int64_t[]){1, 0, 2});
    assert_false(run_pass(&f));
    close_graph(&f);
}

/* NCHW -> NHWC -> NCHW around nothing, in a chain of four, disappears. */
static void test_inverses_vanish(void **state)
{
    (void)state;
    fixture f;
    open_graph(&f, sn_shape(4, 1, 8, 5, 6));
    uint32_t v = add(&f, "Relu", 0, NULL);
    for (int k = 0; k < 2; k++) {
        v = add(&f, "Transpose", v, (int64_t[]){0, 2, 3, 1});
        v = add(&f, "Transpose", v, (int64_t[]){0, 3, 1, 2});
    }
    v = add(&f, "Relu", v, NULL);
    assert_int_equal(sn_graph_set_outputs(f.g, &v, 1), SETSUNA_OK);
    assert_true(run_pass(&f));
    assert_int_equal(f.g->n_node, 2);
    assert_string_equal(f.g->node[0].op, "Relu");
    assert_string_equal(f.g->node[1].op, "Relu");
    assert_int_equal(f.g->node[1].in[0], f.g->node[0].out[0]);
    close_graph(&f);
}

static void test_default_perm_twice_is_identity(void **state)
{
    (void)state;
    fixture f;
    open_graph(&f, sn_shape(2, 3, 4));
    uint32_t v = add(&f, "Transpose", add(&f, "Transpose", add(&f, "Relu", 0, NULL), NULL), NULL);
    assert_int_equal(sn_graph_set_outputs(f.g, &v, 1), SETSUNA_OK);
    assert_true(run_pass(&f));
    assert_int_equal(f.g->n_node, 1);
    assert_int_equal(f.g->output[0], f.g->node[0].out[0]);
    close_graph(&f);
}

/* An output is a value of its own: between an input and an output something has to stay. */
static void test_input_to_output(void **state)
{
    (void)state;
    fixture f;
    open_graph(&f, sn_shape(2, 3, 4));
    uint32_t v = add(&f, "Transpose", 0, (int64_t[]){0, 1});
    assert_int_equal(sn_graph_set_outputs(f.g, &v, 1), SETSUNA_OK);
    assert_true(run_pass(&f));
    assert_int_equal(f.g->n_node, 1);
    assert_string_equal(f.g->node[0].op, "Identity");
    assert_int_equal(f.g->node[0].n_attr, 0);
    assert_int_equal(f.g->output[0], v);
    close_graph(&f);
}

static void test_unit_axes_become_reshape(void **state)
{
    (void)state;
    fixture f;
    open_graph(&f, sn_shape(4, 1, 96, 1, 40));
    uint32_t v = add(&f, "Relu", add(&f, "Transpose", 0, (int64_t[]){2, 1, 0, 3}), NULL); /* 1 96 1 40 again */
    uint32_t w = add(&f, "Relu", add(&f, "Transpose", v, (int64_t[]){1, 0, 3, 2}), NULL); /* 96 1 40 1 */
    assert_int_equal(sn_graph_set_outputs(f.g, &w, 1), SETSUNA_OK);
    assert_true(run_pass(&f));
    assert_int_equal(f.g->n_node, 4);
    const sn_node *n = &f.g->node[2];
    assert_string_equal(n->op, "Reshape");
    const sn_const *shape = sn_graph_const(f.g, n->in[1]);
    assert_non_null(shape);
    static const int64_t want[] = {96, 1, 40, 1};
    assert_int_equal(shape->t.size_bytes, sizeof want);
    assert_memory_equal(shape->t.data, want, sizeof want);
    assert_string_equal(f.g->node[0].op, "Reshape");
    close_graph(&f);
}

static void test_real_moves_stay(void **state)
{
    (void)state;
    fixture f;
    open_graph(&f, sn_shape(4, 1, 96, 2, 40));
    uint32_t v = add(&f, "Transpose", 0, (int64_t[]){0, 2, 1, 3});
    assert_int_equal(sn_graph_set_outputs(f.g, &v, 1), SETSUNA_OK);
    assert_false(run_pass(&f));
    assert_perm(&f.g->node[0], 4, (int64_t[]){0, 2, 1, 3});
    close_graph(&f);
    /* Without elements nothing moves either, but a dim of 0 in a Reshape would copy the input's. */
    open_graph(&f, sn_shape(3, 0, 1, 5));
    v = add(&f, "Transpose", 0, (int64_t[]){1, 0, 2});
    assert_int_equal(sn_graph_set_outputs(f.g, &v, 1), SETSUNA_OK);
    assert_false(run_pass(&f));
    close_graph(&f);
}

/* A file's perm may be nonsense; the operator's own check names it, the pass leaves it alone. */
static void test_bad_perm_is_left_alone(void **state)
{
    (void)state;
    static const int64_t bad[][3] = {{0, 0, 1}, {0, 1, 3}, {-1, 0, 1}, {INT64_MAX, 0, 1}};
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
        fixture f;
        open_graph(&f, sn_shape(3, 2, 3, 4));
        uint32_t v = add(&f, "Transpose", 0, NULL);
        assert_true(sn_node_add_ints(f.g, &f.g->node[0], "perm", bad[k], 3));
        assert_int_equal(sn_graph_set_outputs(f.g, &v, 1), SETSUNA_OK);
        assert_false(run_pass(&f));
        close_graph(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_become_one),  cmocka_unit_test(test_first_stays_for_its_other_reader),
        cmocka_unit_test(test_inverses_vanish), cmocka_unit_test(test_default_perm_twice_is_identity),
        cmocka_unit_test(test_input_to_output), cmocka_unit_test(test_unit_axes_become_reshape),
        cmocka_unit_test(test_real_moves_stay), cmocka_unit_test(test_bad_perm_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
