/* setsuna.Attention against sums in double precision. */
#include "op_rig.h"
#include "unit/unit.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define U 0x1p-24

typedef struct shape {
    int64_t batch, heads, rows, keys, depth, width;
} shape;

/* An operand: where element (b, h, row, col) lies in data. */
typedef struct operand {
    float *data;
    int64_t size, view[5];
} operand;

static int64_t operand_at(const operand *o, int64_t b, int64_t h, int64_t row, int64_t col)
{
    return o->view[0] + b * o->view[1] + h * o->view[2] + row * o->view[3] + col * o->view[4];
}

static float noise(uint64_t *state)
{
    return (float)(int64_t)(op_rig_random(state) % 20001 - 10000u) * 1e-4f;
}

/* The third of a projection: [batch, row, which of parts, head, col], which is how exporters lay q, k and v. Columns
 * first where `turned`. */
static operand operand_make(uint64_t *state, const shape *s, int64_t rows, int64_t cols, int64_t parts, int64_t which,
                            bool turned)
{
    int64_t line = parts * s->heads * cols;
    operand o = {.size = s->batch * rows * line};
    const int64_t view[5] = {which * s->heads * cols, rows * line, cols, line, 1};
    memcpy(o.view, view, sizeof view);
    if (turned) { /* [batch, head, col, row] */
        o.size = s->batch * s->heads * cols * rows;
        const int64_t other[5] = {0, s->heads * cols * rows, cols * rows, 1, rows};
        memcpy(o.view, other, sizeof other);
    }
    o.data = malloc((size_t)o.size * sizeof(float));
    assert_non_null(o.data);
    for (int64_t i = 0; i < o.size; i++)
        o.data[i] = noise(state);
    return o;
}

typedef struct attention {
    shape s;
    operand q, k, v;
    float *mask;
    setsuna_shape mask_shape; /* rank 4 */
    float scale;
    bool merged;
    sn_precision precision;
} attention;

static double mask_at(const attention *a, int64_t b, int64_t h, int64_t m, int64_t n)
{
    if (!a->mask)
        return 0;
    const int64_t *d = a->mask_shape.dim;
    int64_t i = d[0] == 1 ? 0 : b;
    i = i * d[1] + (d[1] == 1 ? 0 : h);
    i = i * d[2] + (d[2] == 1 ? 0 : m);
    return (double)a->mask[i * d[3] + n];
}

/* One row against double. Scores are off by (depth + 3) u of their magnitudes (products, scale into the keys), and by u
 * of what they are once the mask is added, which is done last and so rounds once (2 u: as much again for the bound's
 * own sake); what that does to a quotient of exponentials is at most twice it, relatively; each exponential has two
 * ulps, the sum and the product `keys` roundings each, and some for the division and what multiplies it. In bf16 each
 * of four operands is rounded by up to 2^-8 of it. */
static void check_row(const attention *a, const float *y, int64_t b, int64_t h, int64_t m)
{
    const shape *s = &a->s;
    double *p = malloc((size_t)s->keys * sizeof *p), max = -(double)INFINITY, sum = 0, off = 0;
    const double narrow = a->precision == SN_PRECISION_BF16 ? 2.01 * 0x1p-8 : 0; /* of a product */
    assert_non_null(p);
    for (int64_t n = 0; n < s->keys; n++) {
        double x = 0, size = 0, mask = mask_at(a, b, h, m, n);
        for (int64_t d = 0; d < s->depth; d++) {
            double term = (double)a->q.data[operand_at(&a->q, b, h, m, d)] *
                          (double)a->k.data[operand_at(&a->k, b, h, n, d)] * (double)a->scale;
            x += term;
            size += fabs(term);
        }
        p[n] = x + mask;
        if (isfinite(mask))
            off = fmax(off, ((double)(s->depth + 3) * U + narrow) * size + 2 * U * (size + fabs(mask)));
        max = p[n] > max || isnan(p[n]) ? p[n] : max;
    }
    for (int64_t n = 0; n < s->keys; n++)
        sum += p[n] = exp(p[n] - max);
    for (int64_t e = 0; e < s->width; e++) {
        double want = 0, size = 0;
        for (int64_t n = 0; n < s->keys; n++) {
            double term = p[n] / sum * (double)a->v.data[operand_at(&a->v, b, h, n, e)];
            want += term;
            size += fabs(term);
        }
        int64_t at = a->merged ? ((b * s->rows + m) * s->heads + h) * s->width + e
                               : ((b * s->heads + h) * s->rows + m) * s->width + e;
        double slack = size * (expm1(2 * off) + (double)(2 * s->keys + 12) * U + narrow);
        if (!(fabs((double)y[at] - want) <= slack) && !(isnan(y[at]) && isnan(want)))
            fail_msg("%dx%dx%d head %d row %d column %d: %.9g, not %.9g +- %.3g", (int)s->rows, (int)s->keys,
                     (int)s->depth, (int)h, (int)m, (int)e, (double)y[at], want, slack);
    }
    free(p);
}

static void rig_of(op_rig *r, const attention *a, sn_cpu_level level, uint32_t threads)
{
    const shape *s = &a->s;
    const int64_t dims[6] = {s->batch, s->heads, s->rows, s->keys, s->depth, s->width};
    const operand *const in[3] = {&a->q, &a->k, &a->v};
    static const char *const names[3] = {"q", "k", "v"};
    op_rig_open(r, "setsuna.Attention", 1);
    r->cpu = level;
    r->precision = a->precision;
    r->n_threads = threads;
    op_rig_ints(r, "dims", 6, dims);
    for (int i = 0; i < 3; i++) {
        op_rig_in(r, SETSUNA_F32, sn_shape(1, (int)in[i]->size), in[i]->data);
        op_rig_ints(r, names[i], 5, in[i]->view);
    }
    if (a->mask)
        op_rig_in(r, SETSUNA_F32, a->mask_shape, a->mask);
    op_rig_float(r, "scale", a->scale);
    op_rig_int(r, "merged", a->merged);
}

static void check(const attention *a, sn_cpu_level level, uint32_t threads)
{
    const shape *s = &a->s;
    op_rig r;
    rig_of(&r, a, level, threads);
    setsuna_status status = op_rig_run(&r);
    if (status != SETSUNA_OK)
        fail_msg("%s", r.err.text);
    assert_int_equal(r.out[0].shape.rank, 4);
    assert_int_equal(r.out[0].shape.dim[1], a->merged ? s->rows : s->heads);
    for (int64_t i = 0; i < s->batch * s->heads * s->rows; i++)
        check_row(a, r.out[0].data, i / (s->heads * s->rows), i / s->rows % s->heads, i % s->rows);
    op_rig_close(&r);
}

static void attention_free(attention *a)
{
    free(a->q.data);
    free(a->k.data);
    free(a->v.data);
    free(a->mask);
}

static attention attention_make(uint64_t *state, shape s, int i)
{
    attention a = {.s = s, .scale = i % 3 ? 1 / sqrtf((float)s.depth) : 3, .merged = i % 2};
    int64_t parts = i % 4 ? 1 : 3;
    a.q = operand_make(state, &s, s.rows, s.depth, parts, 0, false);
    a.k = operand_make(state, &s, s.keys, s.depth, parts, parts / 2, i % 5 == 1);
    a.v = operand_make(state, &s, s.keys, s.width, parts, parts - 1, i % 7 == 2);
    a.mask_shape =
        sn_shape(4, i & 4 ? (int)s.batch : 1, i & 8 ? (int)s.heads : 1, i & 16 ? (int)s.rows : 1, (int)s.keys);
    if (i % 3) {
        int64_t n;
        assert_true(sn_shape_numel(&a.mask_shape, &n));
        a.mask = malloc((size_t)n * sizeof(float));
        assert_non_null(a.mask);
        for (int64_t j = 0; j < n; j++)
            a.mask[j] = i % 3 == 2 && j % 5 == 4 ? -INFINITY : noise(state);
    }
    return a;
}

/* Around tiles (14 x 32, 6 x 16, 4 x 8) and blocks of rows; one row, one key, one column. */
static void test_against_double(void **state)
{
    (void)state;
    static const shape shapes[] = {{1, 1, 1, 1, 1, 1},     {1, 2, 5, 5, 4, 4},     {2, 3, 15, 33, 8, 17},
                                   {1, 12, 28, 31, 32, 8}, {1, 3, 61, 97, 16, 64}, {3, 1, 4, 130, 5, 3},
                                   {1, 5, 1, 64, 64, 33},  {1, 1, 70, 600, 3, 40}};
    uint64_t seed = 1;
    for (int i = 0; i < 96; i++) {
        attention a = attention_make(&seed, shapes[i % 8], i);
        for (int k = 0; k < 2; k++) {
            a.precision = k ? SN_PRECISION_BF16 : SN_PRECISION_F32;
            for (sn_cpu_level level = SN_CPU_REF; level <= sn_cpu_detect(); level++)
                if (sn_precision_supported(a.precision, level))
                    check(&a, level, (uint32_t)(1 + i % 3));
        }
        attention_free(&a);
    }
}

/* Rows whose distance is a multiple of 2 KiB are copied before they are multiplied. */
static void test_rows_that_share_cache_sets(void **state)
{
    (void)state;
    uint64_t seed = 2;
    attention a = attention_make(&seed, (shape){1, 16, 33, 40, 32, 32}, 0);
    a.q.view[3] = 512;
    for (sn_cpu_level level = SN_CPU_REF; level <= sn_cpu_detect(); level++)
        check(&a, level, 2);
    attention_free(&a);
}

/* A NaN in a row of q stays in its row; a row without an admitted key is NaN, as softmax defines it; huge scores
 * overflow to the limit of the formulas, and denormal ones are as good as none. */
static void test_pathological(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (sn_cpu_level level = SN_CPU_REF; level <= sn_cpu_detect(); level++) {
        attention a = attention_make(&seed, (shape){1, 2, 20, 40, 8, 16}, 20); /* rows and heads of the mask differ */
        assert_non_null(a.mask);
        assert_int_equal(a.mask_shape.dim[2], a.s.rows);
        a.q.data[operand_at(&a.q, 0, 1, 7, 3)] = NAN;
        for (int64_t n = 0; n < a.s.keys; n++) {
            a.mask[3 * a.s.keys + n] = -INFINITY;
            a.mask[4 * a.s.keys + n] = -10000; /* a row that a finite mask hides as a whole is what it was before */
        }
        for (int64_t d = 0; d < a.s.depth; d++) {
            a.q.data[operand_at(&a.q, 0, 0, 5, d)] = 0x1p-140f;
            a.q.data[operand_at(&a.q, 0, 0, 6, d)] = d ? 0 : 1e20f; /* the greatest score takes everything */
        }
        check(&a, level, 2);
        attention_free(&a);
    }
}

static int infer(const attention *a, const char *name, int n, const int64_t *v)
{
    op_rig r;
    rig_of(&r, a, SN_CPU_REF, 1);
    if (name)
        op_rig_ints(&r, name, n, v);
    int status = op_rig_infer(&r);
    op_rig_close(&r);
    return status;
}

static void test_refuses(void **state)
{
    (void)state;
    uint64_t seed = 4;
    attention a = attention_make(&seed, (shape){1, 2, 5, 6, 4, 3}, 3);
    const int64_t big = INT64_MAX / 2;
    assert_int_equal(infer(&a, NULL, 0, NULL), SETSUNA_OK);
    const struct {
        const char *name;
        int n, status;
        int64_t v[6];
    } bad[] = {{"dims", 5, SETSUNA_EMODEL, {1, 2, 5, 6, 4}},        {"dims", 6, SETSUNA_EMODEL, {1, 2, 0, 6, 4, 3}},
               {"dims", 6, SETSUNA_ESHAPE, {1, 2, 6, 6, 4, 3}},     {"dims", 6, SETSUNA_EMODEL, {1, 2, 5, big, 4, 3}},
               {"dims", 6, SETSUNA_EMODEL, {big, big, 5, 6, 4, 3}}, {"q", 5, SETSUNA_ESHAPE, {1, 40, 4, 8, 1}},
               {"q", 5, SETSUNA_EMODEL, {-1, 40, 4, 8, 1}},         {"q", 4, SETSUNA_EMODEL, {0, 40, 4, 8}},
               {"q", 5, SETSUNA_EUNSUPPORTED, {0, 20, 4, 4, 2}},    {"k", 5, SETSUNA_EMODEL, {0, 48, 4, 0, 1}},
               {"k", 5, SETSUNA_EMODEL, {0, 48, 4, -8, 1}},         {"v", 5, SETSUNA_EMODEL, {big, big, big, big, big}},
               {"v", 5, SETSUNA_ESHAPE, {0, 36, 3, 1000000, 1}}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (infer(&a, bad[i].name, bad[i].n, bad[i].v) != bad[i].status)
            fail_msg("case %zu: %d", i, infer(&a, bad[i].name, bad[i].n, bad[i].v));
    attention_free(&a);
    a = attention_make(&seed, (shape){1, 2, 5, 6, 4, 3}, 1);
    a.mask_shape = sn_shape(4, 1, 1, 6, 1);
    assert_int_equal(infer(&a, NULL, 0, NULL), SETSUNA_ESHAPE);
    attention_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_double),
        cmocka_unit_test(test_rows_that_share_cache_sets),
        cmocka_unit_test(test_pathological),
        cmocka_unit_test(test_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
