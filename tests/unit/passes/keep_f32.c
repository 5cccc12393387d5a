#include "passes/rewrite.h"
#include "unit/passes/pass_graph.h"
#include "unit/unit.h"
#include <math.h>
#include <string.h>

extern const sn_pass sn_pass_keep_f32;

enum { ELEMENTS = 24 };

static pass_graph *t;

static void open_graph(void)
{
    static pass_graph g;
    t = &g;
    pass_graph_open(t, 13);
}

static uint32_t input(void)
{
    return pass_graph_input(t, sn_shape(2, 4, 6));
}

static uint32_t one(const char *op, uint32_t v)
{
    return pass_graph_one(t, op, v);
}

/* A node with attribute `to`. */
static uint32_t convert(const char *domain, const char *op, uint32_t v, setsuna_dtype to)
{
    uint32_t y = sn_graph_add_value(t->g, "", SETSUNA_DTYPE_NONE);
    sn_node *n = sn_graph_add_node(t->g, domain, op, domain[0] ? 1 : 13, op, &v, 1, &y, 1);
    assert_non_null(n);
    assert_true(sn_node_add_int(t->g, n, "to", to));
    pass_graph_infer_last(t);
    return y;
}

static uint32_t narrow(uint32_t v, setsuna_dtype to)
{
    return convert("setsuna", "Narrow", v, to);
}

static uint32_t cast(uint32_t v, setsuna_dtype to)
{
    return convert("", "Cast", v, to);
}

static uint32_t widen(uint32_t v)
{
    return cast(v, SETSUNA_F32);
}

static uint32_t reshape(uint32_t v)
{
    return pass_graph_two(t, "Reshape", v, sn_rewrite_const_i64(t->g, (const int64_t[]){3, 8}, 2));
}

static size_t count(const char *op)
{
    size_t n = 0;
    for (size_t i = 0; i < t->g->n_node; i++)
        n += strcmp(t->g->node[i].op, op) == 0;
    return n;
}

/* Runs graph, pass, graph, pass; elements of output 0 differ by one rounding to a half type at most. */
static bool run_pass(void)
{
    float before[ELEMENTS], after[ELEMENTS];
    size_t n = pass_graph_run(t, before, ELEMENTS);
    bool changed = pass_graph_pass(t, &sn_pass_keep_f32);
    assert_int_equal(pass_graph_run(t, after, ELEMENTS), n);
    pass_graph_assert_near(before, after, n, 0x1p-8f);
    assert_false(pass_graph_pass(t, &sn_pass_keep_f32));
    return changed;
}

static void check_missed(void)
{
    size_t nodes = t->g->n_node;
    assert_false(run_pass());
    assert_int_equal(t->g->n_node, nodes);
    pass_graph_close(t);
}

static void test_pair(void **state)
{
    (void)state;
    static const setsuna_dtype types[] = {SETSUNA_F16, SETSUNA_BF16};
    for (size_t i = 0; i < 2; i++) {
        float want[ELEMENTS], got[ELEMENTS];
        open_graph(); /* what it must be from then on, bit for bit */
        pass_graph_output(t, one("Exp", one("Tanh", input())));
        size_t n = pass_graph_run(t, want, ELEMENTS);
        pass_graph_close(t);

        open_graph();
        pass_graph_output(t, one("Exp", widen(narrow(one("Tanh", input()), types[i]))));
        pass_graph_run(t, got, ELEMENTS);
        assert_memory_not_equal(want, got, n * sizeof *got);
        assert_true(run_pass());
        assert_int_equal(t->g->n_node, 2);
        pass_graph_run(t, got, ELEMENTS);
        assert_memory_equal(want, got, n * sizeof *got);
        pass_graph_close(t);
    }
}

/* Two readers, and readers of readers: a residual stream. */
static void test_chain(void **state)
{
    (void)state;
    open_graph();
    uint32_t a = narrow(one("Tanh", input()), SETSUNA_F16);
    uint32_t b = narrow(pass_graph_two(t, "Add", widen(a), one("Neg", widen(a))), SETSUNA_F16);
    pass_graph_output(t, pass_graph_two(t, "Add", widen(b), widen(a)));
    assert_true(run_pass());
    assert_int_equal(t->g->n_node, 4);
    assert_int_equal(count("Cast") + count("Narrow"), 0);
    pass_graph_close(t);
}

/* What else reads the narrow value, or gives it to the caller, still gets it. */
static void test_other_readers(void **state)
{
    (void)state;
    open_graph();
    uint32_t x = one("Tanh", input()), h = narrow(x, SETSUNA_F16);
    pass_graph_output(t, one("Exp", widen(h)));
    pass_graph_output(t, h);
    assert_true(run_pass());
    assert_int_equal(count("Narrow"), 1);
    assert_int_equal(count("Cast"), 0);
    assert_int_equal(t->g->output[1], h);
    pass_graph_close(t);

    open_graph(); /* a widening to another type is a reader like any other */
    h = narrow(one("Tanh", input()), SETSUNA_F16);
    pass_graph_output(t, one("Exp", widen(h)));
    pass_graph_output(t, cast(h, SETSUNA_I32));
    assert_true(run_pass());
    assert_int_equal(count("Narrow"), 1);
    assert_int_equal(count("Cast"), 1);
    pass_graph_close(t);
}

static void test_output_stays(void **state)
{
    (void)state;
    open_graph();
    pass_graph_output(t, widen(narrow(one("Tanh", input()), SETSUNA_F16)));
    check_missed();
}

/* A rounding that the model itself asks for. */
static void test_own_casts_stay(void **state)
{
    (void)state;
    open_graph();
    pass_graph_output(t, one("Exp", widen(cast(one("Tanh", input()), SETSUNA_F16))));
    check_missed();
    open_graph();
    pass_graph_output(t, one("Exp", widen(cast(one("Tanh", input()), SETSUNA_BF16))));
    check_missed();
    open_graph(); /* nor one to a type that is narrower still */
    pass_graph_output(t, one("Exp", widen(cast(one("Tanh", input()), SETSUNA_I32))));
    check_missed();
}

/* The same value widened twice: once is enough, and exact. */
static void test_one_widening(void **state)
{
    (void)state;
    open_graph();
    uint32_t h = cast(input(), SETSUNA_F16);
    pass_graph_output(t, pass_graph_two(t, "Mul", one("Exp", widen(h)), one("Neg", widen(h))));
    assert_true(run_pass());
    assert_int_equal(count("Cast"), 2);
    pass_graph_close(t);
}

/* Nodes that only move elements move f32 instead. */
static void test_moves(void **state)
{
    (void)state;
    open_graph();
    uint32_t h = narrow(one("Tanh", input()), SETSUNA_F16);
    uint32_t a = one("Transpose", reshape(h)), b = one("Exp", widen(a)), c = one("Neg", widen(a));
    pass_graph_output(t, pass_graph_two(t, "Add", b, c));
    assert_true(run_pass());
    assert_int_equal(t->g->n_node, 6);
    assert_int_equal(count("Cast") + count("Narrow"), 0);
    for (size_t i = 0; i < t->g->n_node; i++)
        assert_int_equal(t->g->value[t->g->node[i].out[0]].dtype, SETSUNA_F32);
    pass_graph_close(t);
}

/* A moved value that is read narrow stays narrow: moving it twice would cost more than a Cast. */
static void test_moves_that_stay(void **state)
{
    (void)state;
    open_graph();
    uint32_t h = narrow(one("Tanh", input()), SETSUNA_F16), moved = reshape(h);
    pass_graph_output(t, one("Exp", widen(moved)));
    pass_graph_output(t, moved);
    check_missed();

    open_graph(); /* likewise further down */
    moved = reshape(narrow(one("Tanh", input()), SETSUNA_F16));
    uint32_t again = one("Transpose", moved);
    pass_graph_output(t, one("Exp", widen(moved)));
    pass_graph_output(t, again);
    check_missed();

    open_graph(); /* nothing to move in its place */
    h = cast(input(), SETSUNA_F16);
    pass_graph_output(t, one("Exp", widen(reshape(h))));
    check_missed();
}

/* The narrow value itself may stay for others while its move goes. */
static void test_moves_beside_other_readers(void **state)
{
    (void)state;
    open_graph();
    uint32_t h = narrow(one("Tanh", input()), SETSUNA_F16);
    pass_graph_output(t, one("Exp", widen(reshape(h))));
    pass_graph_output(t, h);
    assert_true(run_pass());
    assert_int_equal(count("Cast"), 0);
    assert_int_equal(count("Narrow"), 1);
    pass_graph_close(t);
}

static uint32_t concat(uint32_t a, uint32_t b)
{
    uint32_t y = sn_graph_add_value(t->g, "", SETSUNA_DTYPE_NONE);
    sn_node *n = sn_graph_add_node(t->g, "", "Concat", 13, "concat", (uint32_t[]){a, b}, 2, &y, 1);
    assert_non_null(n);
    assert_true(sn_node_add_int(t->g, n, "axis", 0));
    pass_graph_infer_last(t);
    return y;
}

static uint32_t small_input(void)
{
    return pass_graph_input(t, sn_shape(2, 2, 6));
}

/* Concat of two narrow values, of one of them and a half-typed one of the model's own, and of two of those. */
static void test_concat(void **state)
{
    (void)state;
    for (int own = 0; own < 3; own++) {
        open_graph();
        uint32_t a = one("Tanh", small_input()), b = one("Neg", small_input());
        a = own > 1 ? cast(a, SETSUNA_F16) : narrow(a, SETSUNA_F16);
        b = own > 0 ? cast(b, SETSUNA_F16) : narrow(b, SETSUNA_F16);
        pass_graph_output(t, one("Exp", widen(reshape(concat(a, b)))));
        if (own == 2) {
            check_missed();
            continue;
        }
        assert_true(run_pass());
        assert_int_equal(count("Narrow"), 0);
        assert_int_equal(count("Cast"), own ? 2 : 0); /* the model's own, and b as f32 */
        for (size_t i = 0; i < t->g->n_node; i++)
            if (strcmp(t->g->node[i].op, "Concat") == 0)
                assert_int_equal(t->g->value[t->g->node[i].out[0]].dtype, SETSUNA_F32);
        pass_graph_close(t);
    }
}

/* The same value twice, and a value that also goes out narrow. */
static void test_concat_beside_other_readers(void **state)
{
    (void)state;
    open_graph();
    uint32_t a = narrow(one("Tanh", small_input()), SETSUNA_F16), moved = one("Transpose", one("Transpose", a));
    pass_graph_output(t, one("Exp", widen(concat(moved, narrow(one("Neg", small_input()), SETSUNA_F16)))));
    pass_graph_output(t, moved);
    assert_true(run_pass()); /* moved stays narrow; what Concat reads of it is widened */
    assert_int_equal(count("Narrow"), 1);
    assert_int_equal(count("Cast"), 1);
    assert_int_equal(t->g->output[1], moved);
    pass_graph_close(t);

    open_graph();
    a = narrow(one("Tanh", small_input()), SETSUNA_F16);
    pass_graph_output(t, one("Exp", widen(concat(a, a))));
    assert_true(run_pass());
    assert_int_equal(count("Narrow") + count("Cast"), 0);
    pass_graph_close(t);
}

static void test_pad_and_slice(void **state)
{
    (void)state;
    static const int64_t pads[] = {0, 1, 0, 1}, from[] = {1}, to[] = {3};
    for (int value = 0; value < 3; value++) { /* none, a constant, an input */
        open_graph();
        uint32_t h = narrow(one("Tanh", small_input()), SETSUNA_F16), in[3] = {h, SN_NONE, SN_NONE};
        in[1] = sn_rewrite_const_i64(t->g, pads, 4);
        if (value == 1) {
            static const uint16_t three = 0x4200;
            setsuna_tensor c = {.dtype = SETSUNA_F16, .size_bytes = 2};
            memcpy(&c.data, &(const void *){&three}, sizeof c.data);
            in[2] = sn_graph_add_const(t->g, "", &c, 1);
        } else if (value == 2) {
            in[2] = cast(pass_graph_input(t, sn_shape(0)), SETSUNA_F16);
        }
        uint32_t y = pass_graph_node(t, "", "Pad", in, value ? 3 : 2);
        if (value < 2)
            y = pass_graph_node(t, "", "Slice",
                                (uint32_t[]){y, sn_rewrite_const_i64(t->g, from, 1), sn_rewrite_const_i64(t->g, to, 1)},
                                3);
        pass_graph_output(t, one("Exp", widen(y)));
        if (value == 2) {
            check_missed();
            continue;
        }
        assert_true(run_pass());
        assert_int_equal(count("Narrow") + count("Cast"), 0);
        pass_graph_close(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pair),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_other_readers),
        cmocka_unit_test(test_output_stays),
        cmocka_unit_test(test_own_casts_stay),
        cmocka_unit_test(test_one_widening),
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_moves_that_stay),
        cmocka_unit_test(test_moves_beside_other_readers),
        cmocka_unit_test(test_concat),
        cmocka_unit_test(test_concat_beside_other_readers),
        cmocka_unit_test(test_pad_and_slice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
