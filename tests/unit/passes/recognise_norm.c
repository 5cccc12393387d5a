#include "passes/rewrite.h"
#include "unit/passes/pass_graph.h"
#include "unit/unit.h"
#include <string.h>

extern const sn_pass sn_pass_recognise_norm;

enum { ROWS = 4, COLUMNS = 12, ELEMENTS = 2 * ROWS * COLUMNS, UNKNOWN = 100 };
#define EPSILON 1e-3f

/* The two spellings differ in how a mean and a variance of at most n = 96 numbers, |x| <= 4, are summed: each is within
 * (n + 2) u of the sum of magnitudes, so a difference to the mean within 8 (n + 3) u. It is divided by a deviation of
 * at least 1 (noise that is uniform in [-4, 4) has 2.3), which is itself off by (n + 4) u times results up to 4 and by
 * what the differences are off. */
#define BOUND (2 * (8 * 99 + 4 * 100 + 4 * 8 * 99) * 0x1p-24f)

/* A normalisation as exporters spell it. What a test changes of it makes a variant or a near miss. */
typedef struct spelling {
    int32_t opset; /* 18 and later: axes are an input */
    int64_t axis[2];
    size_t n_axis;
    int64_t var_axis;      /* of the second mean, where it is another; UNKNOWN: the same */
    bool drop_dims;        /* the means do not keep their axes */
    bool mul;              /* the square is Mul(d, d), not Pow(d, 2) */
    double power;          /* 0: 2 */
    bool two_subs;         /* d is computed twice */
    bool epsilon_first;    /* Add(epsilon, var) */
    bool epsilon_is_input; /* not a constant */
    setsuna_shape epsilon; /* rank 0 unless set */
    bool swap_sub;         /* mean - x */
    bool swap_div;         /* sqrt / d */
    bool another_square;   /* the square of x, not of the difference */
    bool another_mean;     /* the mean of another tensor is taken away */
} spelling;

static const spelling usual = {.opset = 13, .axis = {-1}, .n_axis = 1, .var_axis = UNKNOWN};

typedef struct fixture {
    pass_graph t;
    uint32_t x, d, div; /* the input, the difference, and the quotient */
} fixture;

static uint32_t mean(pass_graph *t, const spelling *s, uint32_t x, bool var)
{
    int64_t axis[2] = {var && s->var_axis != UNKNOWN ? s->var_axis : s->axis[0], s->axis[1]};
    if (s->opset >= 18)
        return pass_graph_node(t, "", "ReduceMean", (uint32_t[]){x, sn_rewrite_const_i64(t->g, axis, s->n_axis)}, 2);
    uint32_t y = pass_graph_one(t, "ReduceMean", x);
    sn_node *n = pass_graph_last(t);
    assert_true(sn_node_add_ints(t->g, n, "axes", axis, s->n_axis));
    if (s->drop_dims)
        assert_true(sn_node_add_int(t->g, n, "keepdims", 0));
    pass_graph_infer_last(t);
    return y;
}

static uint32_t centred(pass_graph *t, const spelling *s, uint32_t x)
{
    uint32_t of = s->another_mean ? pass_graph_input(t, t->g->value[x].shape) : x, m = mean(t, s, of, false);
    return s->swap_sub ? pass_graph_two(t, "Sub", m, x) : pass_graph_two(t, "Sub", x, m);
}

static uint32_t epsilon(pass_graph *t, const spelling *s)
{
    float v[COLUMNS];
    for (int i = 0; i < COLUMNS; i++)
        v[i] = EPSILON;
    return s->epsilon_is_input ? pass_graph_input(t, s->epsilon) : pass_graph_const(t, s->epsilon, v);
}

static void open_spelling(fixture *f, const spelling *s, setsuna_shape shape)
{
    pass_graph *t = &f->t;
    pass_graph_open(t, s->opset);
    f->x = pass_graph_input(t, shape);
    f->d = centred(t, s, f->x);
    uint32_t e = s->two_subs ? centred(t, s, f->x) : f->d, of = s->another_square ? f->x : e;
    uint32_t square = s->mul ? pass_graph_two(t, "Mul", of, of)
                             : pass_graph_two(t, "Pow", of, pass_graph_number(t, s->power > 0 ? (float)s->power : 2));
    uint32_t var = mean(t, s, square, true), eps = epsilon(t, s);
    uint32_t sum = s->epsilon_first ? pass_graph_two(t, "Add", eps, var) : pass_graph_two(t, "Add", var, eps);
    uint32_t root = pass_graph_one(t, "Sqrt", sum);
    f->div = s->swap_div ? pass_graph_two(t, "Div", root, f->d) : pass_graph_two(t, "Div", f->d, root);
}

/* Runs graph, pass, graph: the same shape and values. */
static bool run_pass(fixture *f)
{
    float before[ELEMENTS], after[ELEMENTS];
    size_t n = pass_graph_run(&f->t, before, ELEMENTS);
    setsuna_shape shape = f->t.g->value[f->t.g->output[0]].shape;
    bool changed = pass_graph_pass(&f->t, &sn_pass_recognise_norm);
    assert_int_equal(pass_graph_run(&f->t, after, ELEMENTS), n);
    assert_true(sn_shape_equal(&shape, &f->t.g->value[f->t.g->output[0]].shape));
    pass_graph_assert_near(before, after, n, BOUND);
    return changed;
}

/* The only node, which must be a LayerNormalization of x with these attributes. */
static const sn_node *assert_norm(const fixture *f, int64_t axis, uint32_t n_in)
{
    const sn_node *n = &f->t.g->node[f->t.g->n_node - 1];
    assert_int_equal(f->t.g->n_node, 1);
    assert_true(sn_node_is(n, "", "LayerNormalization"));
    assert_int_equal(n->in[0], f->x);
    assert_int_equal(n->n_in, n_in);
    assert_int_equal(sn_node_int(n, "axis", UNKNOWN), axis);
    assert_true(sn_node_float(n, "epsilon", 0) == EPSILON);
    return n;
}

static void check(const spelling *s, setsuna_shape shape, int64_t axis)
{
    fixture f;
    open_spelling(&f, s, shape);
    pass_graph_output(&f.t, f.div);
    assert_true(run_pass(&f));
    assert_norm(&f, axis, 2); /* a scale of ones */
    assert_false(pass_graph_pass(&f.t, &sn_pass_recognise_norm));
    pass_graph_close(&f.t);
}

static void check_missed(const spelling *s, setsuna_shape shape)
{
    fixture f;
    open_spelling(&f, s, shape);
    pass_graph_output(&f.t, f.div);
    size_t nodes = f.t.g->n_node;
    assert_false(run_pass(&f));
    assert_int_equal(f.t.g->n_node, nodes);
    pass_graph_close(&f.t);
}

static void test_spellings(void **state)
{
    (void)state;
    setsuna_shape shape = sn_shape(3, 2, ROWS, COLUMNS);
    for (int bits = 0; bits < 16; bits++) {
        spelling s = usual;
        s.opset = bits & 1 ? 18 : 13;
        s.mul = bits & 2;
        s.two_subs = bits & 4;
        s.epsilon_first = bits & 8;
        check(&s, shape, 2);
    }
}

static void test_axes(void **state)
{
    (void)state;
    setsuna_shape shape = sn_shape(3, 2, ROWS, COLUMNS);
    for (int32_t opset = 13; opset <= 18; opset += 5) {
        spelling s = usual;
        s.opset = opset;
        s.axis[0] = 2;
        check(&s, shape, 2);
        s = (spelling){.opset = opset, .axis = {-2, -1}, .n_axis = 2, .var_axis = UNKNOWN};
        check(&s, shape, 1);
        s.axis[0] = 2, s.axis[1] = 1; /* in any order */
        check(&s, shape, 1);
        s.axis[0] = 0, s.n_axis = 1; /* all that a vector has */
        check(&s, sn_shape(1, COLUMNS), 0);
    }
}

static void test_wrong_axes(void **state)
{
    (void)state;
    for (int32_t opset = 13; opset <= 18; opset += 5) {
        spelling s = usual;
        s.opset = opset;
        s.axis[0] = 1; /* not the last one */
        check_missed(&s, sn_shape(3, 2, ROWS, COLUMNS));
        s = (spelling){.opset = opset, .axis = {0, 2}, .n_axis = 2, .var_axis = UNKNOWN}; /* with a gap */
        check_missed(&s, sn_shape(3, 2, ROWS, COLUMNS));
        s = usual;
        s.opset = opset;
        s.var_axis = 1; /* mean and variance over different ones */
        check_missed(&s, sn_shape(3, 2, ROWS, COLUMNS));
    }
    spelling s = usual;
    s.drop_dims = true; /* broadcasts along the wrong axis of a square */
    check_missed(&s, sn_shape(2, ROWS, ROWS));
}

static void test_other_operands(void **state)
{
    (void)state;
    setsuna_shape shape = sn_shape(3, 2, ROWS, COLUMNS);
    spelling s = usual;
    s.power = 3;
    check_missed(&s, shape);
    s = usual;
    s.swap_sub = true;
    check_missed(&s, shape);
    s = usual;
    s.swap_div = true;
    check_missed(&s, shape);
    s = usual;
    s.another_square = true;
    check_missed(&s, shape);
    s = usual;
    s.another_mean = true;
    check_missed(&s, shape);
}

static void test_epsilon(void **state)
{
    (void)state;
    setsuna_shape shape = sn_shape(2, ROWS, COLUMNS);
    spelling s = usual;
    s.epsilon = sn_shape(2, 1, 1); /* one number under another shape */
    check(&s, shape, 1);
    s.epsilon = sn_shape(1, COLUMNS);
    check_missed(&s, shape);
    s.epsilon = sn_shape(3, 1, 1, 1); /* gives the result a dim that a normalisation has not */
    check_missed(&s, shape);
    s = usual;
    s.epsilon_is_input = true;
    check_missed(&s, shape);
}

/* The quotient, then scale and bias, on either side of Mul and Add. */
static void test_scale_and_bias(void **state)
{
    (void)state;
    static const setsuna_shape shapes[] = {{1, {COLUMNS}}, {1, {1}}, {2, {1, COLUMNS}}, {2, {ROWS, COLUMNS}}, {0, {0}}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int swap = 0; swap < 2; swap++) {
            fixture f;
            spelling s = {.opset = 13, .axis = {-2, -1}, .n_axis = 2, .var_axis = UNKNOWN};
            open_spelling(&f, &s, sn_shape(3, 2, ROWS, COLUMNS));
            uint32_t scale = pass_graph_input(&f.t, shapes[i]), bias = pass_graph_input(&f.t, shapes[i]);
            uint32_t y = swap ? pass_graph_two(&f.t, "Mul", scale, f.div) : pass_graph_two(&f.t, "Mul", f.div, scale);
            y = swap ? pass_graph_two(&f.t, "Add", bias, y) : pass_graph_two(&f.t, "Add", y, bias);
            pass_graph_output(&f.t, y);
            assert_true(run_pass(&f));
            const sn_node *n = assert_norm(&f, 1, 3);
            assert_int_equal(n->in[1], scale);
            assert_int_equal(n->in[2], bias);
            pass_graph_close(&f.t);
        }
}

/* What does not broadcast from the normalised axes stays outside. */
static void test_scale_of_other_axes(void **state)
{
    (void)state;
    static const setsuna_shape shapes[] = {{2, {ROWS, 1}}, {2, {ROWS, COLUMNS}}, {4, {1, 1, 1, COLUMNS}}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        fixture f;
        open_spelling(&f, &usual, sn_shape(3, 2, ROWS, COLUMNS));
        uint32_t scale = pass_graph_input(&f.t, shapes[i]);
        pass_graph_output(&f.t, pass_graph_two(&f.t, "Mul", f.div, scale));
        assert_true(run_pass(&f));
        assert_int_equal(f.t.g->n_node, 2);
        assert_true(sn_node_is(&f.t.g->node[0], "", "LayerNormalization"));
        assert_true(sn_node_is(&f.t.g->node[1], "", "Mul"));
        pass_graph_close(&f.t);
    }
}

/* A product that something else reads too, or that is the model's output, cannot vanish into the normalisation. */
static void test_other_readers_of_the_ends(void **state)
{
    (void)state;
    for (int at = 0; at < 2; at++) { /* the quotient, the scaled quotient */
        fixture f;
        open_spelling(&f, &usual, sn_shape(3, 2, ROWS, COLUMNS));
        uint32_t scale = pass_graph_input(&f.t, sn_shape(1, COLUMNS)),
                 bias = pass_graph_input(&f.t, sn_shape(1, COLUMNS));
        uint32_t mul = pass_graph_two(&f.t, "Mul", f.div, scale), add = pass_graph_two(&f.t, "Add", mul, bias);
        pass_graph_output(&f.t, add);
        pass_graph_output(&f.t, pass_graph_one(&f.t, "Neg", at ? mul : f.div));
        assert_true(run_pass(&f));
        size_t norms = 0, muls = 0, adds = 0;
        for (size_t i = 0; i < f.t.g->n_node; i++) {
            const sn_node *n = &f.t.g->node[i];
            norms += sn_node_is(n, "", "LayerNormalization");
            muls += sn_node_is(n, "", "Mul");
            adds += sn_node_is(n, "", "Add");
        }
        assert_int_equal(norms, 1);
        assert_int_equal(muls, !at);
        assert_int_equal(adds, 1);
        pass_graph_close(&f.t);
    }
}

/* The difference is also the model's output: it is still computed, for that. */
static void test_other_readers_in_between(void **state)
{
    (void)state;
    fixture f;
    open_spelling(&f, &usual, sn_shape(3, 2, ROWS, COLUMNS));
    pass_graph_output(&f.t, f.div);
    pass_graph_output(&f.t, f.d);
    assert_true(run_pass(&f));
    assert_int_equal(f.t.g->n_node, 3); /* ReduceMean, Sub, LayerNormalization */
    pass_graph_close(&f.t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_axes),
        cmocka_unit_test(test_wrong_axes),
        cmocka_unit_test(test_other_operands),
        cmocka_unit_test(test_epsilon),
        cmocka_unit_test(test_scale_and_bias),
        cmocka_unit_test(test_scale_of_other_axes),
        cmocka_unit_test(test_other_readers_of_the_ends),
        cmocka_unit_test(test_other_readers_in_between),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
