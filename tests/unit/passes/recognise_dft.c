#include "passes/rewrite.h"
#include "unit/passes/pass_graph.h"
#include "unit/unit.h"
#include <math.h>
#include <string.h>

extern const sn_pass sn_pass_recognise_dft, sn_pass_fuse_dft;

enum { POINTS = 64, BINS = POINTS / 2 + 1, HOP = 24, LENGTH = 200, ELEMENTS = 10000 };

/* With samples below 4 and a window below 1 the sum of magnitudes is at most 4 n. A convolution is off by (n + 2) u of
 * it, a transform by 6 log2(n) u (kernels/rdft.h), weights by 3 u. */
#define OFF (4 * POINTS * (POINTS + 2 + 6 * 6 + 3) * 0x1p-24f)
/* Squares are off by 2 |X| OFF, and some roundings: relative where |X| is above 1. */
#define OFF_POWER (2.1f * OFF)

/* How an exporter writes a transform. What a test changes of it makes a variant or a near miss. */
typedef struct spelling {
    int points, bins, hop, images;
    int sign;
    bool pair, sines_first; /* two convolutions, and their order */
    bool no_sines;
    int spoil;        /* this weight is off by four roundings; 0: none */
    float spoil_with; /* or it is this, where that is not 0 */
    bool bias, pads, dilated, other_hop, other_window;
} spelling;

static const spelling usual = {.points = POINTS, .bins = BINS, .hop = HOP, .images = 2, .sign = -1};

typedef struct fixture {
    pass_graph t;
    uint32_t x, re, im; /* re: of one convolution its output, and no im then */
} fixture;

static double window(int j, int n)
{
    return 0.5 - 0.5 * cos(2 * 3.14159265358979323846 * j / n);
}

/* Rows of cosines or sines, as a double-precision exporter rounds them. */
static void fill(const spelling *s, float *w, bool sines)
{
    for (int k = 0; k < s->bins; k++)
        for (int j = 0; j < s->points; j++) {
            double a = 2 * 3.14159265358979323846 * k * j / s->points;
            double v = window(j, s->points) * (s->other_window && sines ? 0.5 : 1);
            w[k * s->points + j] = (float)(sines ? s->sign * v * sin(a) : v * cos(a));
        }
}

static uint32_t add_conv(fixture *f, const spelling *s, const float *w, int rows, int hop)
{
    static const float bias[4 * POINTS] = {1};
    pass_graph *t = &f->t;
    uint32_t in[3] = {f->x, pass_graph_const(t, sn_shape(3, rows, 1, s->points), w)};
    if (s->bias)
        in[2] = pass_graph_const(t, sn_shape(1, rows), bias);
    uint32_t y = pass_graph_node(t, "", "Conv", in, s->bias ? 3 : 2);
    sn_node *n = pass_graph_last(t);
    assert_true(sn_node_add_ints(t->g, n, "strides", &(int64_t){hop}, 1));
    assert_true(sn_node_add_ints(t->g, n, "pads", (int64_t[]){0, s->pads}, 2));
    assert_true(sn_node_add_ints(t->g, n, "dilations", &(int64_t){s->dilated ? 2 : 1}, 1));
    pass_graph_infer_last(t);
    return y;
}

static void open_spelling(fixture *f, const spelling *s)
{
    static float w[4 * POINTS * 4 * POINTS];
    float *sines = w + s->bins * s->points;
    pass_graph_open(&f->t, 13);
    f->x = pass_graph_input(&f->t, sn_shape(3, s->images, 1, LENGTH));
    fill(s, w, false);
    fill(s, sines, true);
    if (s->spoil)
        w[s->spoil] = s->spoil_with != 0 ? s->spoil_with : w[s->spoil] * (1 + 8 * 0x1p-24f);
    if (!s->pair) {
        f->re = add_conv(f, s, w, 2 * s->bins, s->hop);
        pass_graph_output(&f->t, f->re);
        return;
    }
    if (s->sines_first && !s->no_sines)
        f->im = add_conv(f, s, sines, s->bins, s->hop);
    f->re = add_conv(f, s, w, s->bins, s->hop);
    if (!s->sines_first && !s->no_sines)
        f->im = add_conv(f, s, sines, s->bins, s->other_hop ? s->hop + 1 : s->hop);
}

static size_t count(const fixture *f, const char *domain, const char *op)
{
    size_t n = 0;
    for (size_t i = 0; i < f->t.g->n_node; i++)
        n += sn_node_is(&f->t.g->node[i], domain, op);
    return n;
}

/* Runs graph, pass, graph: the same shape and values. */
static bool run_pass(fixture *f, const sn_pass *pass, float bound)
{
    static float before[ELEMENTS], after[ELEMENTS];
    size_t n = pass_graph_run(&f->t, before, ELEMENTS);
    setsuna_shape shape = f->t.g->value[f->t.g->output[0]].shape;
    bool changed = pass_graph_pass(&f->t, pass);
    assert_int_equal(pass_graph_run(&f->t, after, ELEMENTS), n);
    assert_true(sn_shape_equal(&shape, &f->t.g->value[f->t.g->output[0]].shape));
    pass_graph_assert_near(before, after, n, bound);
    return changed;
}

static void check(const spelling *s)
{
    fixture f;
    open_spelling(&f, s);
    if (s->pair)
        pass_graph_output(&f.t, pass_graph_two(&f.t, "Sub", f.re, f.im));
    assert_true(run_pass(&f, &sn_pass_recognise_dft, 2 * OFF));
    assert_int_equal(count(&f, "", "Conv"), 0);
    assert_int_equal(count(&f, "setsuna", "Dft"), 1);
    assert_false(pass_graph_pass(&f.t, &sn_pass_recognise_dft));
    pass_graph_close(&f.t);
}

static void check_missed(const spelling *s)
{
    fixture f;
    open_spelling(&f, s);
    if (s->pair) {
        pass_graph_output(&f.t, f.re);
        if (!s->no_sines)
            pass_graph_output(&f.t, f.im);
    }
    assert_false(pass_graph_pass(&f.t, &sn_pass_recognise_dft));
    assert_int_equal(count(&f, "setsuna", "Dft"), 0);
    pass_graph_close(&f.t);
}

static void test_spellings(void **state)
{
    (void)state;
    for (int bits = 0; bits < 16; bits++) {
        spelling s = usual;
        s.pair = bits & 1;
        s.sines_first = bits & 2;
        s.sign = bits & 4 ? 1 : -1;
        s.bins = bits & 8 ? BINS - 7 : BINS;
        check(&s);
    }
}

static void test_lengths(void **state)
{
    (void)state;
    spelling s = usual;
    s.points = 128;
    s.bins = 65;
    s.hop = 1; /* more frames than are taken together */
    s.images = 1;
    fixture f;
    open_spelling(&f, &s);
    assert_true(run_pass(&f, &sn_pass_recognise_dft, 4 * OFF)); /* twice as many points */
    assert_int_equal(count(&f, "setsuna", "Dft"), 1);
    pass_graph_close(&f.t);
}

static void test_near_misses(void **state)
{
    (void)state;
    spelling s = usual;
    s.spoil = POINTS * 5 + 20; /* cos is not small there */
    check_missed(&s);
    s.pair = true;
    check_missed(&s);
    s = usual;
    s.spoil = POINTS * (2 * BINS - 3) + 20; /* a sine near the end */
    check_missed(&s);
    s.spoil_with = NAN;
    check_missed(&s);
    s.spoil = 3; /* of the window itself */
    check_missed(&s);
    s = usual;
    s.points = 63;
    check_missed(&s);
    s = usual;
    s.bias = true;
    check_missed(&s);
    s = usual;
    s.pads = true;
    check_missed(&s);
    s = usual;
    s.dilated = true;
    check_missed(&s);
    s = usual;
    s.bins = 3;
    check_missed(&s);
    s = usual;
    s.pair = s.no_sines = true;
    check_missed(&s);
    s = usual;
    s.pair = s.other_hop = true;
    check_missed(&s);
    s = usual;
    s.pair = s.other_window = true;
    check_missed(&s);
}

/* ---- fuse-dft ---------------------------------------------------------------------------------------------- */

/* What becomes of both parts. */
typedef struct chain {
    bool pair, mul, sqrt, transpose, blocked;
    bool other_perm, cube, watched, twice, batch_last, late_square;
} chain;

static uint32_t slice(pass_graph *t, uint32_t x, int64_t first, int64_t end)
{
    return pass_graph_node(t, "", "Slice",
                           (uint32_t[]){x, sn_rewrite_const_i64(t->g, &first, 1), sn_rewrite_const_i64(t->g, &end, 1),
                                        sn_rewrite_const_i64(t->g, &(int64_t){1}, 1)},
                           4);
}

static uint32_t square(pass_graph *t, const chain *c, uint32_t x)
{
    return c->mul ? pass_graph_two(t, "Mul", x, x)
                  : pass_graph_two(t, "Pow", x, pass_graph_number(t, c->cube ? 3.0f : 2.0f));
}

/* [N, bins, T] -> [N, 1, T, bins]. */
static uint32_t turn(pass_graph *t, const chain *c, uint32_t x, bool second)
{
    const int64_t perm[] = {0, 1, 3, 2}, batch_last[] = {1, 3, 2, 0}, other[] = {0, 1, 2, 3};
    const int64_t *p = c->batch_last ? batch_last : c->other_perm && second ? other : perm;
    if (!c->transpose)
        return x;
    uint32_t y = pass_graph_two(t, "Unsqueeze", x, sn_rewrite_const_i64(t->g, &(int64_t){1}, 1));
    uint32_t z = pass_graph_one(t, "Transpose", y);
    assert_true(sn_node_add_ints(t->g, pass_graph_last(t), "perm", p, 4));
    pass_graph_infer_last(t);
    return z;
}

static uint32_t half(pass_graph *t, const chain *c, uint32_t x, bool second)
{
    return c->late_square ? square(t, c, turn(t, c, x, second)) : turn(t, c, square(t, c, x), second);
}

static void open_chain(fixture *f, const chain *c, const spelling *s)
{
    pass_graph *t = &f->t;
    open_spelling(f, s);
    t->g->n_output = 0;
    uint32_t re = s->pair ? f->re : slice(t, f->re, 0, s->bins);
    uint32_t im = s->pair ? f->im : slice(t, f->re, s->bins, 2 * (int64_t)s->bins);
    uint32_t a = half(t, c, re, false), b = c->twice ? a : half(t, c, im, true);
    uint32_t y = pass_graph_two(t, "Add", a, b);
    if (c->sqrt)
        y = pass_graph_one(t, "Sqrt", y);
    if (c->blocked) {
        int64_t block = sn_cpu_block(t->cpu);
        y = sn_graph_add_value(t->g, "", SETSUNA_F32);
        sn_node *n =
            sn_graph_add_node(t->g, "setsuna", "ToBlocked", 1, "", &t->g->node[t->g->n_node - 1].out[0], 1, &y, 1);
        assert_true(n && sn_node_add_int(t->g, n, "block", block));
        pass_graph_infer_last(t);
        uint32_t z = sn_graph_add_value(t->g, "", SETSUNA_F32);
        n = sn_graph_add_node(t->g, "setsuna", "FromBlocked", 1, "", &y, 1, &z, 1);
        assert_true(n && sn_node_add_int(t->g, n, "channels", s->bins));
        pass_graph_infer_last(t);
        y = z;
    }
    pass_graph_output(t, y);
    if (c->watched)
        pass_graph_output(t, im);
}

static void check_chain(const chain *c, bool fused)
{
    spelling s = usual;
    fixture f;
    s.pair = c->pair;
    open_chain(&f, c, &s);
    size_t slices = c->twice ? 1 : 2;
    assert_true(run_pass(&f, &sn_pass_recognise_dft, OFF_POWER));
    assert_int_equal(run_pass(&f, &sn_pass_fuse_dft, OFF_POWER), fused);
    assert_int_equal(count(&f, "setsuna", "Dft"), 1);
    assert_int_equal(count(&f, "", "Slice"), fused ? 0 : slices);
    if (fused) {
        assert_int_equal(count(&f, "", "Transpose") + count(&f, "", "Add") + count(&f, "", "Sqrt"), 0);
        assert_int_equal(count(&f, "setsuna", "ToBlocked"), 0);
        assert_int_equal(count(&f, "", "Reshape"), c->transpose);
    }
    pass_graph_close(&f.t);
}

static void test_power(void **state)
{
    (void)state;
    for (int bits = 0; bits < 32; bits++) {
        chain c = {
            .pair = bits & 1, .mul = bits & 2, .sqrt = bits & 4, .transpose = bits & 8, .late_square = bits & 16};
        check_chain(&c, true);
        if (!c.transpose) {
            c.blocked = true;
            check_chain(&c, true);
        }
    }
}

static void test_power_near_misses(void **state)
{
    (void)state;
    check_chain(&(chain){.watched = true}, false);
    check_chain(&(chain){.transpose = true, .batch_last = true}, false);
    check_chain(&(chain){.twice = true}, false);
    spelling s = usual;
    fixture f;
    open_chain(&f, &(chain){.cube = true}, &s);
    assert_true(pass_graph_pass(&f.t, &sn_pass_recognise_dft));
    assert_false(pass_graph_pass(&f.t, &sn_pass_fuse_dft));
    pass_graph_close(&f.t);
    s.hop = 3; /* as many frames as bins: bins and frames could be added */
    s.points = 128;
    s.bins = (LENGTH - 128) / 3 + 1;
    open_chain(&f, &(chain){.transpose = true, .other_perm = true, .late_square = true}, &s);
    assert_true(pass_graph_pass(&f.t, &sn_pass_recognise_dft));
    assert_false(pass_graph_pass(&f.t, &sn_pass_fuse_dft));
    pass_graph_close(&f.t);
}

/* One image, one frame: axes of extent 1 are anywhere. */
static void test_single(void **state)
{
    (void)state;
    spelling s = usual;
    fixture f;
    s.images = 1;
    s.hop = LENGTH;
    open_chain(&f, &(chain){.transpose = true, .batch_last = true}, &s);
    assert_true(run_pass(&f, &sn_pass_recognise_dft, OFF_POWER));
    assert_true(run_pass(&f, &sn_pass_fuse_dft, OFF_POWER));
    assert_int_equal(count(&f, "", "Slice"), 0);
    pass_graph_close(&f.t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spellings), cmocka_unit_test(test_lengths),           cmocka_unit_test(test_near_misses),
        cmocka_unit_test(test_power),     cmocka_unit_test(test_power_near_misses), cmocka_unit_test(test_single),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
