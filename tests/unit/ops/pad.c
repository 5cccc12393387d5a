/* Pad and CenterCropPad against one rule per axis; numpy's pad is the model. */
#include "op_rig.h"
#include "unit/unit.h"
#include <stdlib.h>
#include <string.h>

static uint64_t pad_seed = 9;

static int64_t random_between(int64_t lo, int64_t hi)
{
    return lo + (int64_t)(op_rig_random(&pad_seed) % (uint64_t)(hi - lo + 1));
}

/* Walks from inside the tensor, one step at a time. -1: the constant. */
static int64_t walk(const char *mode, int64_t n, int64_t i)
{
    if (i >= 0 && i < n)
        return i;
    if (strcmp(mode, "constant") == 0)
        return -1;
    int64_t at = i < 0 ? 0 : n - 1, way = i < 0 ? -1 : 1;
    for (int64_t left = i < 0 ? -i : i - (n - 1); left; left--) {
        if (strcmp(mode, "edge") == 0 || n == 1)
            break;
        if (strcmp(mode, "wrap") == 0) {
            at = (at + way + n) % n;
        } else {
            if (at + way < 0 || at + way >= n)
                way = -way;
            at += way;
        }
    }
    return at;
}

static void check_pad(const char *mode, setsuna_shape x, const int64_t *pads, uint32_t threads)
{
    op_rig r;
    int64_t total;
    assert_true(sn_shape_numel(&x, &total));
    int16_t *data = malloc((size_t)total * 2 + 1), constant = -7;
    assert_non_null(data);
    for (int64_t i = 0; i < total; i++)
        data[i] = (int16_t)i;
    op_rig_open(&r, "Pad", 19);
    r.n_threads = threads;
    op_rig_in(&r, SETSUNA_I16, x, data);
    op_rig_const_i64(&r, 2 * x.rank, pads);
    op_rig_in(&r, SETSUNA_I16, sn_shape(0), &constant);
    op_rig_string(&r, "mode", mode);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    const setsuna_shape *y = &r.out[0].shape;
    int64_t i[SETSUNA_RANK_MAX] = {0}, n_out;
    assert_true(sn_shape_numel(y, &n_out));
    for (int64_t k = 0; k < n_out; k++) {
        int64_t at = 0;
        for (int32_t d = 0; d < x.rank && at >= 0; d++) {
            int64_t from = walk(mode, x.dim[d], i[d] - pads[d]);
            at = from < 0 ? -1 : at * x.dim[d] + from;
        }
        assert_int_equal(((int16_t *)r.out[0].data)[k], at < 0 ? constant : data[at]);
        for (int32_t d = y->rank - 1; d >= 0 && ++i[d] == y->dim[d]; d--)
            i[d] = 0;
    }
    free(data);
    op_rig_close(&r);
}

static void test_pad(void **state)
{
    (void)state;
    static const char *const mode[] = {"constant", "reflect", "edge", "wrap"};
    for (int k = 0; k < 400; k++) {
        setsuna_shape x = {.rank = (int32_t)random_between(1, 4)};
        int64_t pads[2 * SETSUNA_RANK_MAX] = {0};
        for (int32_t d = 0; d < x.rank; d++) {
            x.dim[d] = random_between(1, 5);
            if (random_between(0, 2) == 0)
                continue; /* unpadded axes merge */
            pads[d] = random_between(-x.dim[d] / 2, 8);
            pads[x.rank + d] = random_between(-x.dim[d] / 2, 8);
        }
        check_pad(mode[k % 4], x, pads, 1);
    }
    check_pad("constant", sn_shape(3, 20, 50, 50), (int64_t[]){0, 1, 1, 0, 2, 2}, 3);
    check_pad("reflect", sn_shape(3, 20, 50, 50), (int64_t[]){0, 1, 1, 0, 2, 2}, 3);
}

static void test_pad_axes_and_defaults(void **state)
{
    (void)state;
    static const float want[] = {0, 1, 2, 0, 3, 4};
    op_rig r;
    op_rig_open(&r, "Pad", 18);
    op_rig_in(&r, SETSUNA_F32, sn_shape(2, 2, 2), (float[]){1, 2, 3, 4});
    op_rig_const_i64(&r, 2, (int64_t[]){1, 0});
    op_rig_absent(&r);
    op_rig_const_i64(&r, 1, (int64_t[]){-1});
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_memory_equal(r.out[0].data, want, sizeof want);
    op_rig_close(&r);
    op_rig_open(&r, "Pad", 2); /* everything is an attribute */
    op_rig_in(&r, SETSUNA_F64, sn_shape(1, 1), (double[]){1});
    op_rig_ints(&r, "pads", 2, (int64_t[]){1, 0});
    op_rig_float(&r, "value", 0.5f);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_true(((double *)r.out[0].data)[0] == 0.5 && ((double *)r.out[0].data)[1] == 1);
    op_rig_close(&r);
}

static int infer_pad(const char *mode, int opset, int64_t dim, int64_t begin, int64_t end, int n)
{
    op_rig r;
    op_rig_open(&r, "Pad", opset);
    op_rig_in(&r, SETSUNA_U8, (setsuna_shape){1, {dim}}, NULL);
    op_rig_const_i64(&r, n, (int64_t[]){begin, end, 0});
    op_rig_string(&r, "mode", mode);
    int answer = op_rig_infer(&r);
    op_rig_close(&r);
    return answer;
}

static void test_pad_refuses(void **state)
{
    (void)state;
    assert_int_equal(infer_pad("constant", 13, 4, 1, 1, 2), SETSUNA_OK);
    assert_int_equal(infer_pad("constant", 13, 4, 1, 1, 3), SETSUNA_ESHAPE);
    assert_int_equal(infer_pad("constant", 13, 4, 1, 1, 1), SETSUNA_ESHAPE);
    assert_int_equal(infer_pad("constant", 13, 4, -3, -2, 2), SETSUNA_ESHAPE);
    assert_int_equal(infer_pad("constant", 13, 4, INT64_MAX, 1, 2), SETSUNA_ESHAPE);
    assert_int_equal(infer_pad("constant", 13, 4, INT64_MIN, INT64_MAX, 2), SETSUNA_ESHAPE);
    assert_int_equal(infer_pad("wrap", 13, 4, 1, 1, 2), SETSUNA_EMODEL); /* since 19 */
    assert_int_equal(infer_pad("edge", 13, 0, 1, 1, 2), SETSUNA_ESHAPE); /* of nothing */
    assert_int_equal(infer_pad("constant", 13, 0, 1, 1, 2), SETSUNA_OK);
    assert_int_equal(infer_pad("mirror", 13, 4, 1, 1, 2), SETSUNA_EMODEL);
}

static void check_center(int64_t n, int64_t target, const char *want)
{
    char text[32] = "";
    op_rig r;
    op_rig_open(&r, "CenterCropPad", 18);
    op_rig_in(&r, SETSUNA_U8, (setsuna_shape){2, {n, 1}}, "abcdefgh");
    op_rig_const_i64(&r, 1, &target);
    op_rig_ints(&r, "axes", 1, (int64_t[]){0});
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    for (int64_t i = 0; i < target; i++)
        text[i] = ((char *)r.out[0].data)[i] ? ((char *)r.out[0].data)[i] : '.';
    assert_string_equal(text, want);
    op_rig_close(&r);
}

/* The odd element is cropped from, or padded at, the end. */
static void test_center_crop_pad(void **state)
{
    (void)state;
    check_center(4, 4, "abcd");
    check_center(5, 2, "bc");
    check_center(5, 3, "bcd");
    check_center(3, 6, ".abc..");
    check_center(3, 7, "..abc..");
    check_center(0, 3, "...");
    check_center(3, 0, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pad),
        cmocka_unit_test(test_pad_axes_and_defaults),
        cmocka_unit_test(test_pad_refuses),
        cmocka_unit_test(test_center_crop_pad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
