/* Every Reduce operator against sums in double, over random shapes, axes and types; ArgMax, CumSum and TopK. */
#include "op_rig.h"
#include "unit/unit.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t reduce_seed = 11;

static int64_t random_between(int64_t lo, int64_t hi)
{
    return lo + (int64_t)(op_rig_random(&reduce_seed) % (uint64_t)(hi - lo + 1));
}

static const char *const reduce_name[] = {"ReduceL1",  "ReduceL2",       "ReduceLogSum", "ReduceLogSumExp",
                                          "ReduceMax", "ReduceMean",     "ReduceMin",    "ReduceProd",
                                          "ReduceSum", "ReduceSumSquare"};
enum { L1, L2, LOG_SUM, LOG_SUM_EXP, MAX, MEAN, MIN, PROD, SUM, SUM_SQUARE, KINDS };

typedef struct folded {
    double sum, sumabs, sumsq, exps, prod, max, min;
    int64_t n;
} folded;

static double folded_value(int kind, const folded *f)
{
    switch (kind) {
    case L1: return f->sumabs;
    case L2: return sqrt(f->sumsq);
    case LOG_SUM: return log(f->sum);
    case LOG_SUM_EXP: return log(f->exps);
    case MAX: return f->max;
    case MEAN: return f->sum / (double)f->n;
    case MIN: return f->min;
    case PROD: return f->prod;
    case SUM: return f->sum;
    default: return f->sumsq;
    }
}

/* Error bound for f32: the sum's (n + 2) u of the absolute terms, carried through what follows it. */
static double folded_slack(int kind, const folded *f)
{
    double u = 0x1p-24, k = (double)f->n + 2;
    switch (kind) {
    case L1: return k * u * f->sumabs;
    case L2: return k * u * sqrt(f->sumsq);
    case LOG_SUM: return k * u * f->sumabs / fabs(f->sum) + 2 * u * fabs(log(f->sum)) + u;
    case LOG_SUM_EXP: return 4 * u * fabs(log(f->exps)) + u;
    case MEAN: return (k + 1) * u * f->sumabs / (double)f->n;
    case PROD: return u * fabs(f->prod) + 0x1p-149;
    case SUM: return k * u * f->sumabs;
    case SUM_SQUARE: return k * u * f->sumsq;
    default: return 0;
    }
}

static void fold_plainly(const op_rig *r, const bool *fold, folded *out)
{
    const setsuna_shape *x = &r->in[0].shape;
    int64_t i[SETSUNA_RANK_MAX] = {0}, total;
    assert_true(sn_shape_numel(x, &total));
    for (int64_t k = 0; k < total; k++) {
        int64_t at = 0;
        for (int32_t d = 0; d < x->rank; d++)
            at = fold[d] ? at : at * x->dim[d] + i[d];
        double v = op_rig_get(&r->in[0], k);
        folded *f = &out[at];
        f->sum += v;
        f->sumabs += fabs(v);
        f->sumsq += v * v;
        f->exps += exp(v);
        f->prod = f->n ? f->prod * v : v;
        f->max = f->n && f->max > v ? f->max : v;
        f->min = f->n && f->min < v ? f->min : v;
        f->n++;
        for (int32_t d = x->rank - 1; d >= 0 && ++i[d] == x->dim[d]; d--)
            i[d] = 0;
    }
}

static void set_element(setsuna_dtype dtype, void *x, int64_t i, double v)
{
    switch (dtype) {
    case SETSUNA_F32: ((float *)x)[i] = (float)v; break;
    case SETSUNA_F64: ((double *)x)[i] = v; break;
    case SETSUNA_I32: ((int32_t *)x)[i] = (int32_t)v; break;
    case SETSUNA_U8: ((uint8_t *)x)[i] = (uint8_t)v; break;
    default: ((int64_t *)x)[i] = (int64_t)v; break;
    }
}

static void check_reduce(int kind, setsuna_dtype dtype, setsuna_shape x, uint32_t mask, sn_cpu_level level,
                         uint32_t threads)
{
    op_rig r;
    int64_t total, axes[SETSUNA_RANK_MAX];
    bool fold[SETSUNA_RANK_MAX], keep = random_between(0, 1);
    int n_axes = 0;
    assert_true(sn_shape_numel(&x, &total));
    void *data = malloc((size_t)total * 8);
    assert_non_null(data);
    for (int64_t k = 0; k < total; k++) {
        double v = dtype == SETSUNA_U8 ? (double)random_between(0, 3) : (double)random_between(-1000, 1000) / 250;
        if (kind == LOG_SUM)
            v = fabs(v) + 1; /* of a positive number */
        set_element(dtype, data, k, v);
    }
    op_rig_open(&r, reduce_name[kind], 18);
    r.cpu = level;
    r.n_threads = threads;
    op_rig_in(&r, dtype, x, data);
    free(data);
    for (int32_t d = 0; d < x.rank; d++) {
        fold[d] = mask == 0 || (mask >> d & 1u);
        if (mask >> d & 1u)
            axes[n_axes++] = random_between(0, 1) ? d : d - x.rank;
    }
    if (mask)
        op_rig_const_i64(&r, n_axes, axes);
    op_rig_int(&r, "keepdims", keep);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    folded *want = calloc((size_t)total + 1, sizeof *want);
    assert_non_null(want);
    fold_plainly(&r, fold, want);
    int64_t n_out;
    assert_true(sn_shape_numel(&r.out[0].shape, &n_out));
    for (int64_t k = 0; k < n_out; k++) {
        double got = op_rig_get(&r.out[0], k), expect = folded_value(kind, &want[k]);
        double slack = folded_slack(kind, &want[k]);
        if (dtype == SETSUNA_F64)
            slack *= 0x1p-29 * 4; /* u of f64, and log and sqrt of their own */
        else if (dtype != SETSUNA_F32) {
            expect = trunc(expect + copysign(1e-9, expect)); /* integers round towards zero */
            slack = 0;
        }
        if (dtype == SETSUNA_F32 && fabs(expect) >= 0x1p128)
            expect = copysign((double)INFINITY, expect);
        bool both_nan = isnan(got) && isnan(expect); /* a product that overflows before it meets a zero */
        if (!(fabs(got - expect) <= slack) && got != expect && !both_nan)
            fail_msg("%s %s level %d element %lld: %.9g, not %.9g +- %.3g", reduce_name[kind],
                     setsuna_dtype_name(dtype), (int)level, (long long)k, got, expect, slack);
    }
    free(want);
    op_rig_close(&r);
}

static void test_reduce_random(void **state)
{
    (void)state;
    static const int64_t extent[] = {1, 2, 3, 5, 8, 16, 17, 33};
    for (int k = 0; k < 250; k++) {
        setsuna_shape x = {.rank = (int32_t)random_between(0, 5)};
        for (int32_t d = 0; d < x.rank; d++)
            x.dim[d] = extent[random_between(0, x.rank > 3 ? 4 : 7)];
        uint32_t mask = (uint32_t)random_between(0, (1 << x.rank) - 1);
        for (int kind = 0; kind < KINDS; kind++)
            for (int level = 0; level <= (int)sn_cpu_detect(); level++)
                check_reduce(kind, SETSUNA_F32, x, mask, (sn_cpu_level)level, 1);
    }
}

static void test_reduce_types(void **state)
{
    (void)state;
    static const setsuna_dtype types[] = {SETSUNA_F64, SETSUNA_I32, SETSUNA_I64, SETSUNA_U8};
    for (int k = 0; k < 20; k++)
        for (int kind = 0; kind < KINDS; kind++)
            for (size_t t = 0; t < 4; t++) {
                if (types[t] != SETSUNA_F64 && (kind == PROD || kind == LOG_SUM_EXP))
                    continue;
                setsuna_shape x = sn_shape(3, (int)random_between(1, 4), (int)random_between(1, 5), 3);
                check_reduce(kind, types[t], x, (uint32_t)random_between(1, 7), SN_CPU_REF, 1);
            }
}

/* Long sums, the shapes of models, and threads. */
static void test_reduce_large(void **state)
{
    (void)state;
    const sn_cpu_level best = sn_cpu_detect();
    for (uint32_t threads = 1; threads <= 3; threads += 2) {
        check_reduce(MEAN, SETSUNA_F32, sn_shape(3, 1, 128, 768), 4, best, threads);       /* layer norm */
        check_reduce(MEAN, SETSUNA_F32, sn_shape(5, 1, 6, 28, 28, 16), 12, best, threads); /* blocked, global pool */
        check_reduce(MEAN, SETSUNA_F32, sn_shape(4, 2, 65, 30, 31), 13, best, threads);    /* batch norm */
        check_reduce(SUM, SETSUNA_F32, sn_shape(1, 300007), 1, best, threads);
        check_reduce(SUM, SETSUNA_F32, sn_shape(2, 20011, 3), 1, best, threads);
        check_reduce(MAX, SETSUNA_F32, sn_shape(3, 2, 1000, 37), 2, best, threads);
    }
}

/* 2^24 ones: a single f32 accumulator would stop at 2^24, several at a multiple; chunks do not. */
static void test_sum_does_not_saturate(void **state)
{
    (void)state;
    int64_t n = (1 << 25) + 3;
    float *x = malloc((size_t)n * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++)
        x[i] = 1;
    op_rig r;
    op_rig_open(&r, "ReduceSum", 13);
    op_rig_in(&r, SETSUNA_F32, sn_shape(1, (int)n), x);
    free(x);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_true(*(float *)r.out[0].data == (float)n);
    op_rig_close(&r);
}

static double reduce_one(const char *op, int opset, setsuna_dtype dtype, setsuna_shape shape, const void *data)
{
    op_rig r;
    op_rig_open(&r, op, opset);
    op_rig_in(&r, dtype, shape, data);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    double v = op_rig_get(&r.out[0], 0);
    op_rig_close(&r);
    return v;
}

static void test_reduce_special(void **state)
{
    (void)state;
    float nan[] = {1, NAN, 3}, inf[] = {-INFINITY, INFINITY, 1}, low[] = {-INFINITY, -INFINITY}, big[] = {1000, 1000};
    setsuna_shape three = sn_shape(1, 3), two = sn_shape(1, 2), none = sn_shape(1, 0);
    assert_true(isnan(reduce_one("ReduceMax", 13, SETSUNA_F32, three, nan)));
    assert_true(isnan(reduce_one("ReduceMin", 13, SETSUNA_F32, three, nan)));
    assert_true(isnan(reduce_one("ReduceSum", 13, SETSUNA_F32, three, inf)));
    assert_true(reduce_one("ReduceLogSumExp", 13, SETSUNA_F32, three, inf) == (double)INFINITY);
    assert_true(reduce_one("ReduceLogSumExp", 13, SETSUNA_F32, two, low) == -(double)INFINITY);
    assert_true(fabs(reduce_one("ReduceLogSumExp", 13, SETSUNA_F32, two, big) - (1000 + log(2))) < 1000 * 0x1p-24);
    /* The empty set: the neutral element. */
    assert_true(reduce_one("ReduceSum", 13, SETSUNA_F32, none, NULL) == 0);
    assert_true(reduce_one("ReduceProd", 13, SETSUNA_F32, none, NULL) == 1);
    assert_true(reduce_one("ReduceMax", 13, SETSUNA_F32, none, NULL) == -(double)INFINITY);
    assert_true(reduce_one("ReduceMin", 13, SETSUNA_F32, none, NULL) == (double)INFINITY);
    assert_true(reduce_one("ReduceMax", 13, SETSUNA_I32, none, NULL) == INT32_MIN);
    assert_true(reduce_one("ReduceMin", 13, SETSUNA_U8, none, NULL) == 255);
    assert_true(reduce_one("ReduceMax", 13, SETSUNA_I64, none, NULL) == (double)INT64_MIN);
    assert_true(reduce_one("ReduceMin", 20, SETSUNA_BOOL, none, NULL) == 1);
    assert_true(reduce_one("ReduceMax", 20, SETSUNA_BOOL, three, (uint8_t[]){0, 1, 0}) == 1);
    assert_true(reduce_one("ReduceLogSumExp", 13, SETSUNA_F32, none, NULL) == -(double)INFINITY);
    assert_true(isnan(reduce_one("ReduceMean", 13, SETSUNA_F32, none, NULL)));
    assert_true(reduce_one("ReduceMean", 13, SETSUNA_I32, none, NULL) == 0);
    /* Integers wrap, and do not trap. */
    assert_true(reduce_one("ReduceSum", 13, SETSUNA_I32, two, (int32_t[]){INT32_MAX, 1}) == INT32_MIN);
    assert_true(reduce_one("ReduceL1", 13, SETSUNA_I32, sn_shape(1, 1), (int32_t[]){INT32_MIN}) == INT32_MIN);
}

static void test_reduce_axes(void **state)
{
    (void)state;
    op_rig r;
    static const float x[6] = {1, 2, 3, 4, 5, 6};
    op_rig_open(&r, "ReduceSumSquare", 18); /* asked to do nothing */
    op_rig_in(&r, SETSUNA_F32, sn_shape(2, 2, 3), x);
    op_rig_int(&r, "noop_with_empty_axes", 1);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_memory_equal(r.out[0].data, x, sizeof x);
    op_rig_close(&r);
    op_rig_open(&r, "ReduceMean", 13); /* the axes are an attribute until 18 */
    op_rig_in(&r, SETSUNA_F32, sn_shape(2, 2, 3), x);
    op_rig_ints(&r, "axes", 1, (int64_t[]){-1});
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_true(((float *)r.out[0].data)[0] == 2 && ((float *)r.out[0].data)[1] == 5);
    op_rig_close(&r);
    static const int64_t bad[][2] = {{0, 0}, {0, -2}, {2, 0}, {INT64_MIN, 0}};
    for (size_t k = 0; k < 4; k++) {
        op_rig_open(&r, "ReduceSum", 13);
        op_rig_in(&r, SETSUNA_F32, sn_shape(2, 2, 3), x);
        op_rig_const_i64(&r, 2, bad[k]);
        assert_int_equal(op_rig_infer(&r), SETSUNA_ESHAPE);
        op_rig_close(&r);
    }
    op_rig_open(&r, "ReduceSum", 13); /* huge dims around no elements */
    op_rig_in(&r, SETSUNA_I64, (setsuna_shape){3, {INT64_MAX, 0, 1}}, NULL);
    op_rig_int(&r, "keepdims", 0);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_int_equal(*(int64_t *)r.out[0].data, 0);
    op_rig_close(&r);
}

/* ---- ArgMax, CumSum, TopK ------------------------------------------------------------------------------- */

static void check_arg(bool smallest, bool last, setsuna_dtype dtype, setsuna_shape x, int32_t axis)
{
    op_rig r;
    int64_t total, inner = 1, n = x.dim[axis];
    assert_true(sn_shape_numel(&x, &total));
    void *data = malloc((size_t)total * 8);
    assert_non_null(data);
    for (int64_t k = 0; k < total; k++)
        set_element(dtype, data, k, (double)random_between(0, 9)); /* many ties */
    op_rig_open(&r, smallest ? "ArgMin" : "ArgMax", 13);
    op_rig_in(&r, dtype, x, data);
    free(data);
    op_rig_int(&r, "axis", axis);
    op_rig_int(&r, "select_last_index", last);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    for (int32_t d = axis + 1; d < x.rank; d++)
        inner *= x.dim[d];
    for (int64_t k = 0; k < total / n; k++) {
        int64_t base = k / inner * n * inner + k % inner, best = 0;
        for (int64_t i = 1; i < n; i++) {
            double v = op_rig_get(&r.in[0], base + i * inner), b = op_rig_get(&r.in[0], base + best * inner);
            if ((smallest ? v < b : v > b) || (last && !(v < b) && !(v > b)))
                best = i;
        }
        assert_int_equal(((int64_t *)r.out[0].data)[k], best);
    }
    op_rig_close(&r);
}

static void test_arg(void **state)
{
    (void)state;
    for (int k = 0; k < 60; k++) {
        setsuna_shape x =
            sn_shape(3, (int)random_between(1, 4), (int)random_between(1, 70), (int)random_between(1, 130));
        setsuna_dtype dtype = (const setsuna_dtype[]){SETSUNA_F32, SETSUNA_F64, SETSUNA_I32, SETSUNA_U8}[k % 4];
        check_arg(k & 4, k & 8, dtype, x, (int32_t)random_between(0, 2));
    }
    op_rig r;
    for (int last = 0; last < 2; last++) { /* a NaN is the best */
        op_rig_open(&r, "ArgMax", 13);
        op_rig_in(&r, SETSUNA_F32, sn_shape(1, 5), (float[]){1, NAN, 9, NAN, INFINITY});
        op_rig_int(&r, "select_last_index", last);
        assert_int_equal(op_rig_run(&r), SETSUNA_OK);
        assert_int_equal(*(int64_t *)r.out[0].data, last ? 3 : 1);
        op_rig_close(&r);
    }
    op_rig_open(&r, "ArgMax", 13);
    op_rig_in(&r, SETSUNA_F32, sn_shape(2, 0, 3), NULL);
    assert_int_equal(op_rig_infer(&r), SETSUNA_ESHAPE);
    op_rig_close(&r);
}

static void test_cumsum(void **state)
{
    (void)state;
    static const int32_t x[] = {1, 2, 3, 4, 5, 6};
    static const int32_t want[4][2][6] = {
        {{1, 2, 3, 5, 7, 9}, {1, 3, 6, 4, 9, 15}},  /* plain; along axis 0, along axis 1 */
        {{0, 0, 0, 1, 2, 3}, {0, 1, 3, 0, 4, 9}},   /* exclusive */
        {{5, 7, 9, 4, 5, 6}, {6, 5, 3, 15, 11, 6}}, /* reverse */
        {{4, 5, 6, 0, 0, 0}, {5, 3, 0, 11, 6, 0}},  /* both */
    };
    for (int how = 0; how < 4; how++)
        for (int axis = 0; axis < 2; axis++) {
            op_rig r;
            op_rig_open(&r, "CumSum", 14);
            op_rig_in(&r, SETSUNA_I32, sn_shape(2, 2, 3), x);
            op_rig_const(&r, SETSUNA_I32, sn_shape(0), (int32_t[]){axis - (how & 1 ? 2 : 0)});
            op_rig_int(&r, "exclusive", how & 1);
            op_rig_int(&r, "reverse", how >> 1);
            assert_int_equal(op_rig_run(&r), SETSUNA_OK);
            assert_memory_equal(r.out[0].data, want[how][axis], sizeof x);
            op_rig_close(&r);
        }
}

/* Every k of every row: sorted, ties by index, the rest not better. */
static void check_topk(setsuna_shape x, int32_t axis, int64_t k, bool largest, uint32_t threads)
{
    op_rig r;
    int64_t total, inner = 1, n = x.dim[axis];
    assert_true(sn_shape_numel(&x, &total));
    float *data = malloc((size_t)total * sizeof *data + 1);
    assert_non_null(data);
    for (int64_t i = 0; i < total; i++)
        data[i] = random_between(0, 30) ? (float)random_between(-20, 20) : NAN;
    op_rig_open(&r, "TopK", 11);
    r.n_out = 2;
    r.n_threads = threads;
    op_rig_in(&r, SETSUNA_F32, x, data);
    free(data);
    op_rig_const_i64(&r, 1, &k);
    op_rig_int(&r, "axis", axis);
    op_rig_int(&r, "largest", largest);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    for (int32_t d = axis + 1; d < x.rank; d++)
        inner *= x.dim[d];
    const float *from = r.in[0].data, *value = r.out[0].data;
    const int64_t *index = r.out[1].data;
    for (int64_t row = 0; row < total / n; row++) {
        int64_t base = row / inner * n * inner + row % inner, at = row / inner * k * inner + row % inner;
        for (int64_t i = 0; i < k; i++) {
            int64_t got = index[at + i * inner], better = 0;
            assert_memory_equal(&value[at + i * inner], &from[base + got * inner], sizeof(float));
            for (int64_t j = 0; j < n; j++) { /* exactly i elements go before it */
                float a = from[base + j * inner], b = from[base + got * inner];
                bool same = a == b || (isnan(a) && isnan(b));
                bool above = isnan(a) ? !isnan(b) : a > b, below = isnan(b) ? !isnan(a) : a < b;
                better += same ? j < got : largest ? above : below;
            }
            assert_int_equal(better, i);
        }
    }
    op_rig_close(&r);
}

static void test_topk(void **state)
{
    (void)state;
    for (int k = 0; k < 60; k++) {
        setsuna_shape x = sn_shape(3, (int)random_between(1, 3), (int)random_between(1, 40), (int)random_between(1, 9));
        int32_t axis = (int32_t)random_between(0, 2);
        check_topk(x, axis, random_between(0, x.dim[axis]), k & 1, 1);
    }
    check_topk(sn_shape(2, 60, 1000), 1, 7, true, 3);
    static const int64_t bad[] = {-1, 4, INT64_MAX};
    for (size_t i = 0; i < 3; i++) {
        op_rig r;
        op_rig_open(&r, "TopK", 11);
        op_rig_in(&r, SETSUNA_F32, sn_shape(1, 3), NULL);
        op_rig_const_i64(&r, 1, &bad[i]);
        assert_int_equal(op_rig_infer(&r), SETSUNA_ESHAPE);
        op_rig_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reduce_random),
        cmocka_unit_test(test_reduce_types),
        cmocka_unit_test(test_reduce_large),
        cmocka_unit_test(test_sum_does_not_saturate),
        cmocka_unit_test(test_reduce_special),
        cmocka_unit_test(test_reduce_axes),
        cmocka_unit_test(test_arg),
        cmocka_unit_test(test_cumsum),
        cmocka_unit_test(test_topk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
