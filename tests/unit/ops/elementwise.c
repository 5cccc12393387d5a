/* Broadcasting, element types and edge values of the elementwise operators, against one scalar at a time. */
#include "op_rig.h"
#include "unit/unit.h"
#include <math.h>
#include <string.h>

static uint64_t noise = 7;
static const double test_nan = (double)NAN;

/* Offset in a tensor of shape x of the element that index i of the output (shape y) reads. */
static int64_t source_of(const setsuna_shape *y, const setsuna_shape *x, int64_t i)
{
    int64_t at = 0, step = 1;
    for (int d = y->rank - 1; d >= 0; d--) {
        int64_t k = i % y->dim[d];
        int xd = d - (y->rank - x->rank);
        i /= y->dim[d];
        if (xd < 0)
            continue;
        if (x->dim[xd] != 1)
            at += k * step;
        step *= x->dim[xd];
    }
    return at;
}

static int64_t numel(const setsuna_shape *s)
{
    int64_t n = 0;
    assert_true(sn_shape_numel(s, &n));
    return n;
}

/* A random shape of up to five dims and one that broadcasts with it. */
static void random_shapes(setsuna_shape *a, setsuna_shape *b)
{
    static const int64_t dims[] = {1, 1, 2, 3, 5, 16, 17, 40};
    *a = (setsuna_shape){.rank = (int32_t)(op_rig_random(&noise) % 6)};
    for (int i = 0; i < a->rank; i++)
        a->dim[i] = dims[op_rig_random(&noise) % 8];
    *b = *a;
    for (int i = 0; i < b->rank; i++) {
        uint64_t r = op_rig_random(&noise) % 4;
        if (r == 0)
            b->dim[i] = 1;
        if (r == 1)
            a->dim[i] = a->dim[i] == 40 ? 40 : 1;
    }
    while (b->rank && op_rig_random(&noise) % 3 == 0) { /* fewer dims: the outer ones go */
        memmove(b->dim, b->dim + 1, (size_t)(--b->rank) * sizeof b->dim[0]);
    }
}

static void fill_f32(float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(int64_t)(op_rig_random(&noise) % 2001 - 1000u) * 0.01f;
}

static void test_broadcast_f32(void **state)
{
    (void)state;
    static float a[1 << 17], b[1 << 17];
    for (int round = 0; round < 300; round++) {
        setsuna_shape sa, sb;
        op_rig r;
        random_shapes(&sa, &sb);
        if (numel(&sa) > 1 << 15 || numel(&sb) > 1 << 15)
            continue;
        fill_f32(a, numel(&sa));
        fill_f32(b, numel(&sb));
        op_rig_open(&r, "Sub", 13);
        r.n_threads = 1 + (uint32_t)(round % 3);
        op_rig_in(&r, SETSUNA_F32, sa, a);
        op_rig_in(&r, SETSUNA_F32, sb, b);
        assert_int_equal(op_rig_run(&r), SETSUNA_OK);
        const setsuna_shape *y = &r.out[0].shape;
        for (int64_t i = 0; i < numel(y); i++)
            assert_true(((float *)r.out[0].data)[i] == a[source_of(y, &sa, i)] - b[source_of(y, &sb, i)]);
        op_rig_close(&r);
    }
}

static void test_where_and_variadic(void **state)
{
    (void)state;
    static uint8_t c[1 << 15];
    static int32_t a[1 << 15], b[1 << 15];
    for (int round = 0; round < 200; round++) {
        setsuna_shape sa, sb, sc;
        random_shapes(&sa, &sb);
        sc = round % 2 ? sa : sb;
        if (numel(&sa) > 1 << 15 || numel(&sb) > 1 << 15)
            continue;
        for (int64_t i = 0; i < 1 << 15; i++) {
            c[i] = op_rig_random(&noise) % 2;
            a[i] = (int32_t)op_rig_random(&noise);
            b[i] = (int32_t)op_rig_random(&noise);
        }
        op_rig r;
        op_rig_open(&r, "Where", 9);
        op_rig_in(&r, SETSUNA_BOOL, sc, c);
        op_rig_in(&r, SETSUNA_I32, sa, a);
        op_rig_in(&r, SETSUNA_I32, sb, b);
        assert_int_equal(op_rig_run(&r), SETSUNA_OK);
        const setsuna_shape *y = &r.out[0].shape;
        for (int64_t i = 0; i < numel(y); i++)
            assert_int_equal(((int32_t *)r.out[0].data)[i],
                             c[source_of(y, &sc, i)] ? a[source_of(y, &sa, i)] : b[source_of(y, &sb, i)]);
        op_rig_close(&r);

        op_rig_open(&r, "Max", 13);
        r.n_threads = 3;
        op_rig_in(&r, SETSUNA_I32, sa, a);
        op_rig_in(&r, SETSUNA_I32, sb, b);
        op_rig_in(&r, SETSUNA_I32, sc, b);
        assert_int_equal(op_rig_run(&r), SETSUNA_OK);
        y = &r.out[0].shape;
        for (int64_t i = 0; i < numel(y); i++) {
            int32_t m = a[source_of(y, &sa, i)], v = b[source_of(y, &sb, i)], w = b[source_of(y, &sc, i)];
            m = v > m ? v : m;
            assert_int_equal(((int32_t *)r.out[0].data)[i], w > m ? w : m);
        }
        op_rig_close(&r);
    }
}

/* One operator on 1-D inputs of one type; the result as doubles. */
static void run_op(const char *op, int opset, setsuna_dtype dtype, int n, const void *a, const void *b, double *y)
{
    op_rig r;
    op_rig_open(&r, op, opset);
    op_rig_in(&r, dtype, sn_shape(1, n), a);
    if (b)
        op_rig_in(&r, dtype, sn_shape(1, n), b);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    for (int i = 0; i < n; i++)
        y[i] = op_rig_get(&r.out[0], i);
    op_rig_close(&r);
}

static void assert_values(const double *y, const double *want, int n)
{
    for (int i = 0; i < n; i++)
        if (!(y[i] == want[i] || (isnan(y[i]) && isnan(want[i]))))
            fail_msg("element %d: %g, not %g", i, y[i], want[i]);
}

/* Division by zero and the quotient that overflows must not trap. */
static void test_integer_edges(void **state)
{
    (void)state;
    double y[6];
    const int32_t a[] = {7, -7, 7, INT32_MIN, 5, INT32_MAX}, b[] = {2, 2, -2, -1, 0, -1};
    run_op("Div", 14, SETSUNA_I32, 6, a, b, y);
    assert_values(y, (double[]){3, -3, -3, INT32_MIN, 0, -INT32_MAX}, 6);
    run_op("Mod", 13, SETSUNA_I32, 6, a, b, y);
    assert_values(y, (double[]){1, 1, -1, 0, 0, 0}, 6);
    run_op("Add", 14, SETSUNA_I32, 6, a, b, y);
    assert_values(y, (double[]){9, -5, 5, INT32_MAX, 5, INT32_MAX - 1.0}, 6);
    run_op("Abs", 13, SETSUNA_I32, 6, a, NULL, y);
    assert_values(y, (double[]){7, 7, 7, INT32_MIN, 5, INT32_MAX}, 6);
    const uint8_t u[] = {200, 3, 0}, v[] = {100, 9, 0};
    run_op("Sub", 14, SETSUNA_U8, 3, u, v, y);
    assert_values(y, (double[]){100, 250, 0}, 3);
    run_op("Div", 14, SETSUNA_U8, 3, u, v, y);
    assert_values(y, (double[]){2, 0, 0}, 3);
    const uint32_t s[] = {1, 1, 0x80000000u}, by[] = {31, 32, 33};
    op_rig r;
    op_rig_open(&r, "BitShift", 11);
    op_rig_string(&r, "direction", "LEFT");
    op_rig_in(&r, SETSUNA_U32, sn_shape(1, 3), s);
    op_rig_in(&r, SETSUNA_U32, sn_shape(1, 3), by);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_true(op_rig_get(&r.out[0], 0) == 0x1p31 && op_rig_get(&r.out[0], 1) == 0 && op_rig_get(&r.out[0], 2) == 0);
    op_rig_close(&r);
}

/* NaN passes through everything that selects; f64 is computed as such. */
static void test_float_edges(void **state)
{
    (void)state;
    double y[4];
    const float a[] = {NAN, 1, -INFINITY, 2}, b[] = {1, NAN, 3, -2};
    run_op("Max", 13, SETSUNA_F32, 4, a, b, y);
    assert_values(y, (double[]){test_nan, test_nan, 3, 2}, 4);
    run_op("Min", 13, SETSUNA_F32, 4, a, b, y);
    assert_values(y, (double[]){test_nan, test_nan, -HUGE_VAL, -2}, 4);
    run_op("Relu", 14, SETSUNA_F32, 4, a, NULL, y);
    assert_values(y, (double[]){test_nan, 1, 0, 2}, 4);
    const double d[] = {1e-300, 2.5, 3.5, -0.1};
    run_op("Round", 11, SETSUNA_F64, 4, d, NULL, y);
    assert_values(y, (double[]){0, 2, 4, -0.0}, 4);
    run_op("Exp", 13, SETSUNA_F64, 4, d, NULL, y);
    assert_values(y, (double[]){exp(1e-300), exp(2.5), exp(3.5), exp(-0.1)}, 4);
}

static void run_clip(int opset, setsuna_dtype dtype, const void *x, const void *low, const void *high, bool constant,
                     double *y)
{
    op_rig r;
    op_rig_open(&r, "Clip", opset);
    op_rig_in(&r, dtype, sn_shape(1, 5), x);
    for (int i = 0; i < 2; i++) {
        const void *bound = i ? high : low;
        if (!bound)
            op_rig_absent(&r);
        else if (constant)
            op_rig_const(&r, dtype, (setsuna_shape){0}, bound);
        else
            op_rig_in(&r, dtype, (setsuna_shape){0}, bound);
    }
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    for (int i = 0; i < 5; i++)
        y[i] = op_rig_get(&r.out[0], i);
    op_rig_close(&r);
}

static void test_clip(void **state)
{
    (void)state;
    const float x[] = {-INFINITY, -2, NAN, 2, INFINITY}, low = -1, high = 1;
    const int8_t q[] = {-128, -5, 0, 5, 127}, q_low = -4, q_high = 3;
    double y[5];
    for (int constant = 0; constant < 2; constant++) {
        run_clip(13, SETSUNA_F32, x, &low, &high, constant, y);
        assert_values(y, (double[]){-1, -1, test_nan, 1, 1}, 5);
        run_clip(11, SETSUNA_F32, x, NULL, &high, constant, y);
        assert_values(y, (double[]){-HUGE_VAL, -2, test_nan, 1, 1}, 5);
        run_clip(12, SETSUNA_I8, q, &q_low, NULL, constant, y);
        assert_values(y, (double[]){-4, -4, 0, 5, 127}, 5);
        run_clip(12, SETSUNA_I8, q, &q_low, &q_high, constant, y);
        assert_values(y, (double[]){-4, -4, 0, 3, 3}, 5);
    }
    op_rig r;
    op_rig_open(&r, "Clip", 10);
    op_rig_in(&r, SETSUNA_F64, sn_shape(1, 5), (double[]){-3, -1, 0, 7, 9});
    op_rig_float(&r, "max", 6);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_true(op_rig_get(&r.out[0], 0) == -3 && op_rig_get(&r.out[0], 3) == 6);
    op_rig_close(&r);
}

static void run_pow(setsuna_dtype base, const void *x, setsuna_dtype exponent, const void *e, int n_e, double *y)
{
    op_rig r;
    op_rig_open(&r, "Pow", 15);
    op_rig_in(&r, base, sn_shape(1, 4), x);
    op_rig_in(&r, exponent, sn_shape(1, n_e), e);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    for (int i = 0; i < 4; i++)
        y[i] = op_rig_get(&r.out[0], i);
    op_rig_close(&r);
}

static void test_pow(void **state)
{
    (void)state;
    double y[4];
    const int32_t i[] = {2, -3, 0, -1};
    run_pow(SETSUNA_I32, i, SETSUNA_I64, (int64_t[]){10, 3, 0, INT64_MAX}, 4, y);
    assert_values(y, (double[]){1024, -27, 1, -1}, 4);
    run_pow(SETSUNA_I32, i, SETSUNA_I8, (int8_t[]){-1}, 1, y);
    assert_values(y, (double[]){0, 0, INT32_MAX, -1}, 4);
    run_pow(SETSUNA_I32, i, SETSUNA_F32, (float[]){2.5f, 2, 1, 40}, 4, y);
    assert_values(y, (double[]){5, 9, 0, 1}, 4);
    run_pow(SETSUNA_I32, i, SETSUNA_U64, (uint64_t[]){33, 1, 5, UINT64_MAX}, 4, y);
    assert_values(y, (double[]){0, -3, 0, -1}, 4);
    const float f[] = {4, 0.25f, -2, 0};
    run_pow(SETSUNA_F32, f, SETSUNA_I32, (int32_t[]){-2, 2, 3, 0}, 4, y);
    assert_values(y, (double[]){0.0625, 0.0625, -8, 1}, 4);
    for (int k = 0; k < 5; k++) { /* constants that have kernels of their own */
        static const float exponent[] = {2, 3, 0.5f, -0.5f, -1};
        op_rig r;
        op_rig_open(&r, "Pow", 13);
        op_rig_in(&r, SETSUNA_F32, sn_shape(1, 2), (float[]){4, 9});
        op_rig_const(&r, SETSUNA_F32, (setsuna_shape){0}, &exponent[k]);
        assert_int_equal(op_rig_run(&r), SETSUNA_OK);
        for (int n = 0; n < 2; n++)
            assert_true(op_rig_get(&r.out[0], n) == (double)powf(n ? 9 : 4, exponent[k]));
        op_rig_close(&r);
    }
}

/* ---- Cast -------------------------------------------------------------------------------------------- */

static void run_cast(setsuna_dtype from, const void *x, int n, setsuna_dtype to, double *y)
{
    op_rig r;
    op_rig_open(&r, "Cast", 13);
    op_rig_int(&r, "to", to);
    op_rig_in(&r, from, sn_shape(1, n), x);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    for (int i = 0; i < n; i++)
        y[i] = op_rig_get(&r.out[0], i);
    op_rig_close(&r);
}

static void test_cast_saturates(void **state)
{
    (void)state;
    const float f[] = {1e30f, -1e30f, NAN, -1.9f, 254.9f, INFINITY};
    double y[6];
    run_cast(SETSUNA_F32, f, 6, SETSUNA_U8, y);
    assert_values(y, (double[]){255, 0, 0, 0, 254, 255}, 6);
    run_cast(SETSUNA_F32, f, 6, SETSUNA_I8, y);
    assert_values(y, (double[]){127, -128, 0, -1, 127, 127}, 6);
    run_cast(SETSUNA_F32, f, 6, SETSUNA_I32, y);
    assert_values(y, (double[]){INT32_MAX, INT32_MIN, 0, -1, 254, INT32_MAX}, 6);
    run_cast(SETSUNA_F32, f, 6, SETSUNA_I64, y);
    assert_values(y, (double[]){0x1p63, -0x1p63, 0, -1, 254, 0x1p63}, 6);
    run_cast(SETSUNA_F32, f, 6, SETSUNA_U64, y);
    assert_values(y, (double[]){0x1p64, 0, 0, 0, 254, 0x1p64}, 6);
    run_cast(SETSUNA_F32, f, 6, SETSUNA_BOOL, y);
    assert_values(y, (double[]){1, 1, 1, 1, 1, 1}, 6);
    const int32_t i[] = {-1, 256, 65537, 0, INT32_MIN, 3};
    run_cast(SETSUNA_I32, i, 6, SETSUNA_U8, y);
    assert_values(y, (double[]){255, 0, 1, 0, 0, 3}, 6);
    run_cast(SETSUNA_I32, i, 6, SETSUNA_BOOL, y);
    assert_values(y, (double[]){1, 1, 1, 0, 1, 1}, 6);
}

/* One rounding, whatever the way: values whose detour over f32 would round twice. */
static void test_cast_rounds_once(void **state)
{
    (void)state;
    double y[3];
    const double d[] = {1.0 + 0x1p-11 + 0x1p-40, 1.0 + 0x1p-11, 1.0 + 0x1p-11 - 0x1p-40};
    run_cast(SETSUNA_F64, d, 3, SETSUNA_F16, y);
    assert_values(y, (double[]){1.0 + 0x1p-10, 1.0, 1.0}, 3);
    const double e[] = {1.0 + 0x1p-8 + 0x1p-50, 1e300, -0x1p-200};
    run_cast(SETSUNA_F64, e, 3, SETSUNA_BF16, y);
    assert_values(y, (double[]){1.0 + 0x1p-7, HUGE_VAL, -0.0}, 3);
    const int64_t i[] = {(INT64_C(1) << 60) + (INT64_C(1) << 52) + 1, (INT64_C(1) << 60) + (INT64_C(1) << 52), -1};
    run_cast(SETSUNA_I64, i, 3, SETSUNA_BF16, y);
    assert_values(y, (double[]){0x1p60 + 0x1p53, 0x1p60, -1}, 3);
    const int64_t w[] = {(INT64_C(1) << 53) + 1, (INT64_C(1) << 24) + 1, INT64_MIN};
    run_cast(SETSUNA_I64, w, 3, SETSUNA_F32, y);
    assert_values(y, (double[]){0x1p53, 0x1p24, -0x1p63}, 3);
}

/* Every pair of types on values that all of them have. */
static void test_cast_all_pairs(void **state)
{
    (void)state;
    static const setsuna_dtype types[] = {SETSUNA_F32, SETSUNA_F64, SETSUNA_F16, SETSUNA_BF16, SETSUNA_I8,
                                          SETSUNA_I16, SETSUNA_I32, SETSUNA_I64, SETSUNA_U8,   SETSUNA_U16,
                                          SETSUNA_U32, SETSUNA_U64, SETSUNA_BOOL};
    enum { N = 37, TYPES = sizeof types / sizeof types[0] };
    float source[N];
    double y[N];
    for (int i = 0; i < N; i++)
        source[i] = (float)(i % 2);
    for (int a = 0; a < TYPES; a++)
        for (int b = 0; b < TYPES; b++) {
            op_rig r;
            op_rig_open(&r, "Cast", 13);
            op_rig_int(&r, "to", types[a]);
            op_rig_in(&r, SETSUNA_F32, sn_shape(1, N), source);
            assert_int_equal(op_rig_run(&r), SETSUNA_OK);
            run_cast(types[a], r.out[0].data, N, types[b], y);
            for (int i = 0; i < N; i++)
                assert_true(y[i] == (double)source[i]);
            op_rig_close(&r);
        }
}

/* ---- what is refused --------------------------------------------------------------------------------- */

static void refuse(const char *op, int opset, setsuna_dtype a, setsuna_shape sa, setsuna_dtype b, setsuna_shape sb)
{
    static const char zeros[1024];
    op_rig r;
    op_rig_open(&r, op, opset);
    op_rig_in(&r, a, sa, zeros);
    op_rig_in(&r, b, sb, zeros);
    assert_true(op_rig_infer(&r) < 0);
    assert_true(r.err.text[0] && r.err.where[0]);
    op_rig_close(&r);
}

static void test_refused(void **state)
{
    (void)state;
    setsuna_shape two = sn_shape(1, 2), three = sn_shape(1, 3);
    refuse("Add", 13, SETSUNA_F32, two, SETSUNA_F32, three);
    refuse("Add", 13, SETSUNA_F32, two, SETSUNA_I32, two);
    refuse("And", 7, SETSUNA_F32, two, SETSUNA_F32, two);
    refuse("Mod", 13, SETSUNA_F32, two, SETSUNA_F32, two); /* fmod must be set */
    refuse("PRelu", 9, SETSUNA_F32, sn_shape(1, 1), SETSUNA_F32, three);
    refuse("Pow", 11, SETSUNA_F32, two, SETSUNA_I32, two);
    refuse("BitShift", 11, SETSUNA_U8, two, SETSUNA_U8, two); /* no direction */
    refuse("Clip", 11, SETSUNA_F32, two, SETSUNA_F32, two);
    refuse("Clip", 11, SETSUNA_F32, two, SETSUNA_I32, sn_shape(0));
    refuse("Add", 6, SETSUNA_F32, two, SETSUNA_F32, two); /* before numpy broadcasting */
}

static void test_empty(void **state)
{
    (void)state;
    op_rig r;
    op_rig_open(&r, "Mul", 13);
    op_rig_in(&r, SETSUNA_F32, sn_shape(3, 2, 0, 5), NULL);
    op_rig_in(&r, SETSUNA_F32, sn_shape(1, 5), (float[5]){0});
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_int_equal(numel(&r.out[0].shape), 0);
    op_rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broadcast_f32),  cmocka_unit_test(test_where_and_variadic),
        cmocka_unit_test(test_integer_edges),  cmocka_unit_test(test_float_edges),
        cmocka_unit_test(test_clip),           cmocka_unit_test(test_pow),
        cmocka_unit_test(test_cast_saturates), cmocka_unit_test(test_cast_rounds_once),
        cmocka_unit_test(test_cast_all_pairs), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
