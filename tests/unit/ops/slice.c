/* Slice against Python's rule, Concat and Split against each other. */
#include "op_rig.h"
#include "unit/unit.h"
#include <stdlib.h>
#include <string.h>

static uint64_t slice_seed = 3;

static int64_t random_between(int64_t lo, int64_t hi)
{
    return lo + (int64_t)(op_rig_random(&slice_seed) % (uint64_t)(hi - lo + 1));
}

__extension__ typedef __int128 wide; /* sums of int64 cannot overflow */

/* The indices of range(n)[start:end:step], by the definition. */
static int64_t python_slice(int64_t n, int64_t start, int64_t end, int64_t step, int64_t *out)
{
    wide a = start, e = end;
    int64_t count = 0;
    a += a < 0 ? n : 0;
    e += e < 0 ? n : 0;
    if (step > 0) {
        a = a < 0 ? 0 : a;
        e = e > n ? n : e;
    } else {
        a = a < 0 ? 0 : a > n - 1 ? n - 1 : a; /* ONNX clamps the start to [0, n-1] */
        e = e < -1 ? -1 : e;
    }
    for (wide i = a; n && (step > 0 ? i < e : i > e); i += step)
        out[count++] = (int64_t)i;
    return count;
}

static void check_slice(int64_t rows, int64_t cols, const int64_t *start, const int64_t *end, const int64_t *step)
{
    op_rig r;
    int64_t at[2][64], n[2] = {python_slice(rows, start[0], end[0], step[0], at[0]),
                               python_slice(cols, start[1], end[1], step[1], at[1])};
    uint16_t x[64 * 64];
    for (int i = 0; i < 64 * 64; i++)
        x[i] = (uint16_t)i;
    op_rig_open(&r, "Slice", 13);
    op_rig_in(&r, SETSUNA_U16, sn_shape(2, (int)rows, (int)cols), x);
    op_rig_const_i64(&r, 2, (int64_t[]){start[1], start[0]});
    op_rig_const_i64(&r, 2, (int64_t[]){end[1], end[0]});
    op_rig_const_i64(&r, 2, (int64_t[]){-1, 0});
    op_rig_const_i64(&r, 2, (int64_t[]){step[1], step[0]});
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_int_equal(r.out[0].shape.dim[0], n[0]);
    assert_int_equal(r.out[0].shape.dim[1], n[1]);
    for (int64_t i = 0; i < n[0]; i++)
        for (int64_t j = 0; j < n[1]; j++)
            assert_int_equal(((uint16_t *)r.out[0].data)[i * n[1] + j], at[0][i] * cols + at[1][j]);
    op_rig_close(&r);
}

static int64_t random_bound(void)
{
    static const int64_t extreme[] = {INT64_MIN, INT64_MAX, INT64_MIN + 1, INT32_MAX, INT32_MIN};
    int64_t k = random_between(0, 19);
    return k < 5 ? extreme[k] : random_between(-12, 12);
}

static void test_slice(void **state)
{
    (void)state;
    for (int k = 0; k < 4000; k++) {
        int64_t start[2], end[2], step[2];
        for (int d = 0; d < 2; d++) {
            start[d] = random_bound();
            end[d] = random_bound();
            step[d] = random_between(0, 3) ? random_between(0, 1) ? 1 : -1 : random_bound();
            step[d] += step[d] == 0;
        }
        check_slice(random_between(0, 9), random_between(0, 9), start, end, step);
    }
}

static int infer_slice(int64_t axis, int64_t step, int n_ends, setsuna_dtype dtype)
{
    op_rig r;
    op_rig_open(&r, "Slice", 13);
    op_rig_in(&r, dtype, sn_shape(2, 4, 5), NULL);
    op_rig_const_i64(&r, 1, (int64_t[]){0});
    op_rig_const_i64(&r, n_ends, (int64_t[]){2, 2});
    op_rig_const_i64(&r, 1, &axis);
    op_rig_const_i64(&r, 1, &step);
    int answer = op_rig_infer(&r);
    op_rig_close(&r);
    return answer;
}

static void test_slice_refuses(void **state)
{
    (void)state;
    assert_int_equal(infer_slice(0, 1, 1, SETSUNA_F32), SETSUNA_OK);
    assert_int_equal(infer_slice(0, 0, 1, SETSUNA_F32), SETSUNA_EMODEL);
    assert_int_equal(infer_slice(2, 1, 1, SETSUNA_F32), SETSUNA_ESHAPE);
    assert_int_equal(infer_slice(INT64_MIN, 1, 1, SETSUNA_F32), SETSUNA_ESHAPE);
    assert_int_equal(infer_slice(0, 1, 2, SETSUNA_F32), SETSUNA_ESHAPE);
    assert_int_equal(infer_slice(0, 1, 1, SETSUNA_STRING), SETSUNA_OK);
    assert_int_equal(infer_slice(0, 1, 1, SETSUNA_DTYPE_NONE), SETSUNA_EUNSUPPORTED);
    op_rig r;
    op_rig_open(&r, "Slice", 1); /* attributes of different lengths */
    op_rig_in(&r, SETSUNA_F32, sn_shape(2, 4, 5), NULL);
    op_rig_ints(&r, "starts", 2, (int64_t[]){0, 0});
    op_rig_ints(&r, "ends", 1, (int64_t[]){1});
    assert_int_equal(op_rig_infer(&r), SETSUNA_ESHAPE);
    op_rig_close(&r);
    op_rig_open(&r, "Slice", 9); /* defaults of the attribute form */
    op_rig_in(&r, SETSUNA_U8, sn_shape(2, 2, 3), (uint8_t[]){1, 2, 3, 4, 5, 6});
    op_rig_ints(&r, "starts", 2, (int64_t[]){1, -2});
    op_rig_ints(&r, "ends", 2, (int64_t[]){1000, -1});
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_int_equal(r.out[0].size_bytes, 1);
    assert_int_equal(*(uint8_t *)r.out[0].data, 5);
    op_rig_close(&r);
}

/* ---- Concat and Split ------------------------------------------------------------------------------------ */

/* Splits a tensor into random parts and puts them together again, along every axis and on several threads. */
static void check_split_concat(setsuna_shape x, int32_t axis, uint32_t threads)
{
    int64_t total, left = x.dim[axis], size[4];
    assert_true(sn_shape_numel(&x, &total));
    float *data = malloc((size_t)total * sizeof *data + 1);
    assert_non_null(data);
    for (int64_t i = 0; i < total; i++)
        data[i] = (float)i;
    for (int k = 0; k < 3; k++) {
        size[k] = random_between(0, left);
        left -= size[k];
    }
    size[3] = left;
    op_rig split, concat;
    op_rig_open(&split, "Split", 13);
    split.n_out = 4;
    split.n_threads = threads;
    op_rig_in(&split, SETSUNA_F32, x, data);
    op_rig_const_i64(&split, 4, size);
    op_rig_int(&split, "axis", axis - x.rank);
    assert_int_equal(op_rig_run(&split), SETSUNA_OK);
    op_rig_open(&concat, "Concat", 13);
    concat.n_threads = threads;
    for (int k = 0; k < 4; k++) {
        assert_int_equal(split.out[k].shape.dim[axis], size[k]);
        op_rig_in(&concat, SETSUNA_F32, split.out[k].shape, split.out[k].data);
    }
    op_rig_int(&concat, "axis", axis);
    assert_int_equal(op_rig_run(&concat), SETSUNA_OK);
    assert_true(sn_shape_equal(&concat.out[0].shape, &x));
    assert_memory_equal(concat.out[0].data, data, (size_t)total * sizeof *data);
    /* And the parts are the right ones: the first element of each tells where it was cut. */
    int64_t inner = 1, at = 0;
    for (int32_t d = axis + 1; d < x.rank; d++)
        inner *= x.dim[d];
    for (int k = 0; k < 4; k++) {
        if (split.out[k].size_bytes)
            assert_true(*(float *)split.out[k].data == (float)(at * inner));
        at += size[k];
    }
    free(data);
    op_rig_close(&split);
    op_rig_close(&concat);
}

static void test_split_concat(void **state)
{
    (void)state;
    for (int k = 0; k < 200; k++) {
        setsuna_shape x =
            sn_shape(3, (int)random_between(1, 9), (int)random_between(1, 20), (int)random_between(1, 40));
        check_split_concat(x, (int32_t)random_between(0, 2), 1);
    }
    check_split_concat(sn_shape(3, 3, 400, 70), 1, 3);
    check_split_concat(sn_shape(2, 400, 300), 1, 3);
}

/* Extents of the outputs as text. */
static const char *split_text(int opset, int64_t extent, uint32_t n_out, int n_split, const int64_t *split,
                              int64_t num_outputs)
{
    static char text[64];
    op_rig r;
    op_rig_open(&r, "Split", opset);
    r.n_out = n_out;
    op_rig_in(&r, SETSUNA_U8, sn_shape(1, (int)extent), NULL);
    if (n_split && opset >= 13)
        op_rig_const_i64(&r, n_split, split);
    else if (n_split)
        op_rig_ints(&r, "split", n_split, split);
    if (num_outputs)
        op_rig_int(&r, "num_outputs", num_outputs);
    int answer = op_rig_infer(&r);
    int at = snprintf(text, sizeof text, "%s", answer < 0 ? setsuna_status_name((setsuna_status)answer) : "");
    for (uint32_t k = 0; answer == 0 && k < n_out; k++)
        at += snprintf(text + at, sizeof text - (size_t)at, "%s%d", k ? " " : "", (int)r.ctx->out[k].shape.dim[0]);
    op_rig_close(&r);
    return text;
}

static void test_split_sizes(void **state)
{
    (void)state;
    for (int opset = 11; opset <= 13; opset += 2) {
        assert_string_equal(split_text(opset, 6, 3, 0, NULL, 0), "2 2 2");
        assert_string_equal(split_text(opset, 7, 3, 0, NULL, 0), "ESHAPE");
        assert_string_equal(split_text(opset, 7, 3, 3, (int64_t[]){0, 7, 0}, 0), "0 7 0");
        assert_string_equal(split_text(opset, 7, 3, 2, (int64_t[]){3, 4}, 0), "ESHAPE");
        assert_string_equal(split_text(opset, 7, 3, 3, (int64_t[]){8, -1, 0}, 0), "ESHAPE");
        assert_string_equal(split_text(opset, 7, 3, 3, (int64_t[]){INT64_MAX, INT64_MAX, 9}, 0), "ESHAPE");
    }
    assert_string_equal(split_text(18, 7, 3, 0, NULL, 3), "3 3 1");
    assert_string_equal(split_text(18, 5, 4, 0, NULL, 4), "2 2 1 0");
    assert_string_equal(split_text(18, 6, 3, 0, NULL, 2), "ESHAPE");
    assert_string_equal(split_text(18, 6, 2, 2, (int64_t[]){2, 4}, 2), "EMODEL");
}

static void test_concat_refuses(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        op_rig r;
        op_rig_open(&r, "Concat", 13);
        op_rig_in(&r, SETSUNA_F32, sn_shape(2, 2, 3), NULL);
        if (how == 0)
            op_rig_in(&r, SETSUNA_F32, sn_shape(2, 2, 4), NULL);
        else if (how == 1)
            op_rig_in(&r, SETSUNA_I32, sn_shape(2, 2, 3), NULL);
        else
            op_rig_in(&r, SETSUNA_F32, sn_shape(1, 3), NULL);
        if (how != 3)
            op_rig_int(&r, "axis", 0);
        assert_int_equal(op_rig_infer(&r), how == 3 ? SETSUNA_EMODEL : SETSUNA_ESHAPE);
        op_rig_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slice),       cmocka_unit_test(test_slice_refuses),  cmocka_unit_test(test_split_concat),
        cmocka_unit_test(test_split_sizes), cmocka_unit_test(test_concat_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
