#include "passes/rewrite.h"
#include "unit/passes/pass_graph.h"
#include "unit/unit.h"
#include <math.h>
#include <string.h>

extern const sn_pass sn_pass_fuse_attention;

enum { HEADS = 2, ROWS = 5, DEPTH = 4, WIDTH = HEADS * DEPTH, ELEMENTS = 256 };

/* Inputs are below 4, so scores below 16 DEPTH SCALE, each off by DEPTH + 5 roundings in each of two graphs; a softmax
 * is off by twice that, relatively, and sums of ROWS values below 4 by some more. */
#define SCALE 0.25f
#define BOUND (4 * 2 * 2 * (DEPTH + 5) * (16 * DEPTH * SCALE + 4) * 0x1p-24f + 4 * 2 * (2 * ROWS + 12) * 0x1p-24f)

static pass_graph graph, *const t = &graph;

static uint32_t list(int n, const int64_t *v)
{
    return sn_rewrite_const_i64(t->g, v, (size_t)n);
}

static uint32_t reshape(uint32_t v, int n, const int64_t *dim)
{
    return pass_graph_two(t, "Reshape", v, list(n, dim));
}

static uint32_t transpose(uint32_t v, int n, const int64_t *perm)
{
    uint32_t y = pass_graph_one(t, "Transpose", v);
    assert_true(sn_node_add_ints(t->g, pass_graph_last(t), "perm", perm, (size_t)n));
    pass_graph_infer_last(t);
    return y;
}

static uint32_t softmax(uint32_t v, int64_t axis)
{
    uint32_t y = pass_graph_one(t, "Softmax", v);
    assert_true(sn_node_add_int(t->g, pass_graph_last(t), "axis", axis));
    return y;
}

/* x [1, ROWS, WIDTH] as [1, HEADS, ROWS, DEPTH], or with the last two exchanged. */
static uint32_t heads(uint32_t x, bool turned)
{
    uint32_t y = reshape(x, 4, (const int64_t[]){1, ROWS, HEADS, DEPTH});
    return transpose(y, 4, turned ? (const int64_t[]){0, 2, 3, 1} : (const int64_t[]){0, 2, 1, 3});
}

typedef struct form {
    bool div, swap, no_scale, no_mask, no_merge;
    int mask; /* 0: one a key; 1: one a row and key */
} form;

/* What encoders of the BERT family are exported as. */
static void build(form f)
{
    pass_graph_open(t, 13);
    uint32_t x[3];
    for (int i = 0; i < 3; i++)
        x[i] = pass_graph_input(t, sn_shape(3, 1, ROWS, WIDTH));
    uint32_t mask = pass_graph_input(t, f.mask ? sn_shape(2, ROWS, ROWS) : sn_shape(4, 1, 1, 1, ROWS));
    uint32_t y = pass_graph_two(t, "MatMul", heads(x[0], false), heads(x[1], true));
    if (!f.no_scale) {
        uint32_t c = pass_graph_number(t, f.div ? 1 / SCALE : SCALE);
        y = f.swap ? pass_graph_two(t, "Mul", c, y) : pass_graph_two(t, f.div ? "Div" : "Mul", y, c);
    }
    if (!f.no_mask)
        y = f.swap ? pass_graph_two(t, "Add", mask, y) : pass_graph_two(t, "Add", y, mask);
    y = pass_graph_two(t, "MatMul", softmax(y, -1), heads(x[2], false));
    if (!f.no_merge)
        y = reshape(transpose(y, 4, (const int64_t[]){0, 2, 1, 3}), 3, (const int64_t[]){1, ROWS, WIDTH});
    pass_graph_output(t, y);
}

/* Runs graph, pass, graph. Returns the Attention that there is now, or NULL. */
static const sn_node *run_pass(void)
{
    float before[ELEMENTS], after[ELEMENTS];
    size_t n = pass_graph_run(t, before, ELEMENTS);
    setsuna_shape shape = t->g->value[t->g->output[0]].shape;
    bool changed = pass_graph_pass(t, &sn_pass_fuse_attention);
    assert_int_equal(pass_graph_run(t, after, ELEMENTS), n);
    assert_true(sn_shape_equal(&shape, &t->g->value[t->g->output[0]].shape));
    pass_graph_assert_near(before, after, n, BOUND);
    const sn_node *found = NULL;
    for (size_t i = 0; i < t->g->n_node; i++)
        if (sn_node_is(&t->g->node[i], "setsuna", "Attention"))
            found = &t->g->node[i];
    assert_int_equal(changed, found != NULL);
    return found;
}

static void assert_view(const sn_node *n, const char *name, const int64_t *want)
{
    const int64_t *v;
    assert_int_equal(sn_node_ints(n, name, &v), 5);
    assert_memory_equal(v, want, 5 * sizeof *want);
}

static void test_encoder(void **state)
{
    (void)state;
    static const form forms[] = {{.div = false},    {.div = true}, {.swap = true},    {.no_scale = true},
                                 {.no_mask = true}, {.mask = 1},   {.no_merge = true}};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        build(forms[i]);
        const sn_node *n = run_pass();
        assert_non_null(n);
        assert_int_equal(t->g->n_node, forms[i].no_merge ? 1 : 2); /* and the Reshape behind */
        assert_int_equal(n->n_in, forms[i].no_mask ? 3 : 4);
        assert_int_equal(sn_node_int(n, "merged", -1), !forms[i].no_merge);
        assert_true(fabsf(sn_node_float(n, "scale", 0) - (forms[i].no_scale ? 1 : SCALE)) == 0);
        for (uint32_t k = 0; k < 3; k++)
            assert_int_equal(n->in[k], t->g->input[k]);
        assert_view(n, "q", (const int64_t[]){0, 1, DEPTH, WIDTH, 1});
        assert_view(n, "k", (const int64_t[]){0, 1, DEPTH, WIDTH, 1});
        assert_false(pass_graph_pass(t, &sn_pass_fuse_attention));
        pass_graph_close(t);
    }
}

typedef enum apart { APART_SPLIT, APART_INDEX, APART_LIST } apart;

/* One projection makes all three, which a Split, or one index each, a scalar or a list of one, tells apart: how vision
 * transformers are exported. */
static void build_split(bool also_read, apart how)
{
    pass_graph_open(t, 13);
    uint32_t x = pass_graph_input(t, sn_shape(3, 1, ROWS, 3 * WIDTH));
    uint32_t y = reshape(x, 5, (const int64_t[]){1, ROWS, 3, HEADS, DEPTH}), part[3];
    y = transpose(y, 5, (const int64_t[]){2, 0, 3, 1, 4});
    if (how == APART_SPLIT) {
        part[0] = pass_graph_one(t, "Split", y);
        for (int i = 1; i < 3; i++)
            part[i] = pass_graph_another_output(t, sn_shape(5, 1, 1, HEADS, ROWS, DEPTH));
        pass_graph_infer_last(t);
    }
    for (int64_t i = 0; i < 3 && how != APART_SPLIT; i++) {
        uint32_t at = list(1, (const int64_t[]){i == 2 ? -1 : i});
        if (how == APART_INDEX)
            at = sn_rewrite_const_reshape(t->g, at, &(setsuna_shape){0});
        part[i] = pass_graph_two(t, "Gather", y, at);
    }
    for (int i = 0; i < 3 && how != APART_INDEX; i++)
        part[i] = pass_graph_two(t, "Squeeze", part[i], list(1, (const int64_t[]){0}));
    uint32_t k = transpose(part[1], 4, (const int64_t[]){0, 1, 3, 2});
    y = pass_graph_two(t, "Mul", pass_graph_two(t, "MatMul", part[0], k), pass_graph_number(t, SCALE));
    y = transpose(pass_graph_two(t, "MatMul", softmax(y, 3), part[2]), 4, (const int64_t[]){0, 2, 1, 3});
    pass_graph_output(t, y);
    if (also_read)
        pass_graph_output(t, k);
}

static void test_split_projection(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        const bool also_read = i % 2;
        const apart how = (apart)(i / 2);
        build_split(also_read, how);
        const sn_node *n = run_pass();
        assert_non_null(n);
        for (int64_t k = 0; k < 3; k++) {
            static const char *const names[3] = {"q", "k", "v"};
            assert_int_equal(n->in[k], t->g->input[0]);
            assert_view(n, names[k], (const int64_t[]){k * WIDTH, 1, DEPTH, 3 * WIDTH, 1});
        }
        assert_int_equal(t->g->n_node, !also_read ? 1 : how == APART_INDEX ? 5 : 6); /* what else is read stays */
        pass_graph_close(t);
    }
}

/* Where a Reshape is more than a matter of strides, the operand is read behind it. */
static void test_reshape_that_moves(void **state)
{
    (void)state;
    pass_graph_open(t, 13);
    uint32_t x = pass_graph_input(t, sn_shape(3, 1, WIDTH, ROWS)), k = pass_graph_input(t, sn_shape(3, 1, ROWS, WIDTH));
    uint32_t q = transpose(x, 3, (const int64_t[]){0, 2, 1}), flat = reshape(q, 2, (const int64_t[]){1, ROWS * WIDTH});
    q = reshape(flat, 4, (const int64_t[]){1, HEADS, ROWS, DEPTH});
    uint32_t y = softmax(pass_graph_two(t, "MatMul", q, heads(k, true)), -1);
    pass_graph_output(t, pass_graph_two(t, "MatMul", y, heads(k, false)));
    const sn_node *n = run_pass();
    assert_non_null(n);
    assert_view(n, "q", (const int64_t[]){0, 1, ROWS * DEPTH, DEPTH, 1});
    assert_int_not_equal(n->in[0], t->g->input[0]);
    pass_graph_close(t);
}

static uint32_t scores(void)
{
    pass_graph_open(t, 13);
    uint32_t x = pass_graph_input(t, sn_shape(3, 1, ROWS, WIDTH));
    return pass_graph_two(t, "MatMul", heads(x, false), heads(x, true));
}

static void check_missed(uint32_t p)
{
    pass_graph_output(t, pass_graph_two(t, "MatMul", p, heads(t->g->input[0], false)));
    assert_null(run_pass());
    pass_graph_close(t);
}

static void test_what_is_none(void **state)
{
    (void)state;
    uint32_t s = scores(), p = softmax(s, 2);
    check_missed(p); /* along another axis */
    s = scores();
    check_missed(pass_graph_one(t, "Relu", s)); /* no softmax */
    s = scores();
    p = softmax(s, -1);
    pass_graph_output(t, p); /* which someone else wants, too */
    check_missed(p);
    s = scores();
    p = softmax(pass_graph_two(t, "Mul", s, s), -1); /* no constant */
    check_missed(p);
    s = scores();
    uint32_t column = pass_graph_input(t, sn_shape(4, 1, 1, ROWS, 1)); /* no mask of keys */
    check_missed(softmax(pass_graph_two(t, "Add", s, column), -1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encoder),
        cmocka_unit_test(test_split_projection),
        cmocka_unit_test(test_reshape_that_moves),
        cmocka_unit_test(test_what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
