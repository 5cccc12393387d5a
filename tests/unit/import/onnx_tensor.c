#include "base/half.h"
#include "import/onnx/onnx.h"
#include "onnx_write.h"
#include "unit/unit.h"

typedef struct parsed {
    pb_write bytes;
    sn_arena *arena;
    setsuna_status status;
    setsuna_error err;
    setsuna_tensor t;
    const char *name;
} parsed;

/* Takes message. */
static parsed parse(pb_write message)
{
    parsed p = {.bytes = pb_exact(message), .arena = sn_arena_create(sn_allocator_default())};
    p.status = sn_onnx_parse_tensor(p.bytes.data, p.bytes.size, p.arena, &p.t, &p.name, &p.err);
    return p;
}

static void drop(parsed *p)
{
    free(p->bytes.data);
    sn_arena_destroy(p->arena);
}

static const int64_t dims23[] = {2, 3}, dim3[] = {3}, dim0[] = {0};

static void expect_fail(pb_write message, setsuna_status status, const char *text)
{
    parsed p = parse(message);
    assert_int_equal(p.status, status);
    if (!strstr(p.err.text, text))
        fail_msg("'%s' is not in '%s'", text, p.err.text);
    drop(&p);
}

static void test_raw_data_of_every_type(void **state)
{
    (void)state;
    for (int type = 1; type <= 16; type++) {
        if (type == ONNX_STRING)
            continue;
        uint8_t raw[6 * 16] = {1, 0, 1};
        size_t size = 6 * setsuna_dtype_size((setsuna_dtype)type);
        pb_write t = onnx_tensor("w", type, dims23, 2);
        pb_bytes(&t, 9, raw, size);
        parsed p = parse(t);
        assert_int_equal(p.status, SETSUNA_OK);
        assert_int_equal(p.t.dtype, type);
        assert_int_equal(p.t.shape.rank, 2);
        assert_int_equal(p.t.shape.dim[1], 3);
        assert_int_equal(p.t.size_bytes, size);
        assert_memory_equal(p.t.data, raw, size);
        size_t align = setsuna_dtype_size((setsuna_dtype)type);
        assert_int_equal((uintptr_t)p.t.data % (align > 8 ? 8 : align), 0);
        assert_string_equal(p.name, "w");
        drop(&p);
    }
}

/* Small integers, bool and the 16-bit floats are stored in int32_data. */
static void test_int32_data(void **state)
{
    (void)state;
    static const struct {
        int type;
        int64_t v[3], below, above;
    } row[] = {
        {2, {0, 7, 255}, -1, 256},
        {3, {-128, 0, 127}, -129, 128},
        {4, {0, 7, 65535}, -1, 65536},
        {5, {-32768, 0, 32767}, -32769, 32768},
        {6, {INT32_MIN, -1, INT32_MAX}, 0, 0},
        {9, {0, 1, 1}, -1, 2},
        {10, {0, 0x3c00, 0xffff}, -1, 65536},
        {16, {0, 0x3f80, 0xffff}, -1, 65536},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        pb_write packed = onnx_tensor("t", row[i].type, dim3, 1), single = onnx_tensor("t", row[i].type, dim3, 1);
        pb_packed(&packed, 5, row[i].v, 3);
        for (int k = 0; k < 3; k++)
            pb_int(&single, 5, row[i].v[k]);
        parsed p = parse(packed), s = parse(single);
        assert_int_equal(p.status, SETSUNA_OK);
        assert_int_equal(s.status, SETSUNA_OK);
        size_t size = setsuna_dtype_size((setsuna_dtype)row[i].type);
        assert_int_equal(p.t.size_bytes, 3 * size);
        for (size_t k = 0; k < 3; k++) /* little-endian: the low bytes */
            assert_memory_equal((char *)p.t.data + k * size, &row[i].v[k], size);
        assert_memory_equal(p.t.data, s.t.data, 3 * size);
        drop(&p);
        drop(&s);
        for (int k = 0; k < 2 && row[i].above; k++) {
            pb_write bad = onnx_tensor("t", row[i].type, NULL, 0);
            pb_int(&bad, 5, k ? row[i].above : row[i].below);
            expect_fail(bad, SETSUNA_EINPUT, "does not fit");
        }
    }
}

static void test_other_typed_data(void **state)
{
    (void)state;
    const float f[] = {1, -2, 0.5f, 4, 5, 6};
    const double d[] = {1, -2, 0.5, 4, 5, 6};
    const int64_t i64[] = {INT64_MIN, 0, INT64_MAX}, u32[] = {0, 1, UINT32_MAX}, u64[] = {0, 1, -1};

    pb_write t = onnx_tensor("t", SETSUNA_F32, dims23, 2);
    pb_bytes(&t, 4, f, sizeof f);
    parsed p = parse(t);
    assert_int_equal(p.status, SETSUNA_OK);
    assert_memory_equal(p.t.data, f, sizeof f);
    drop(&p);

    t = onnx_tensor("t", SETSUNA_F32, dim3, 1); /* not packed */
    for (int k = 0; k < 3; k++)
        pb_f32(&t, 4, f[k]);
    p = parse(t);
    assert_int_equal(p.status, SETSUNA_OK);
    assert_memory_equal(p.t.data, f, 12);
    drop(&p);

    t = onnx_tensor("t", SETSUNA_C64, dim3, 1); /* pairs */
    pb_bytes(&t, 4, f, 8);
    pb_bytes(&t, 4, f + 2, 16);
    p = parse(t);
    assert_int_equal(p.status, SETSUNA_OK);
    assert_int_equal(p.t.size_bytes, 24);
    assert_memory_equal(p.t.data, f, 24);
    drop(&p);

    t = onnx_tensor("t", SETSUNA_F64, dims23, 2);
    pb_bytes(&t, 10, d, sizeof d);
    p = parse(t);
    assert_int_equal(p.status, SETSUNA_OK);
    assert_memory_equal(p.t.data, d, sizeof d);
    drop(&p);

    t = onnx_tensor("t", SETSUNA_C128, dim3, 1);
    pb_bytes(&t, 10, d, sizeof d);
    p = parse(t);
    assert_int_equal(p.status, SETSUNA_OK);
    assert_int_equal(p.t.size_bytes, 48);
    drop(&p);

    t = onnx_tensor("t", SETSUNA_I64, dim3, 1);
    pb_packed(&t, 7, i64, 3);
    p = parse(t);
    assert_int_equal(p.status, SETSUNA_OK);
    assert_memory_equal(p.t.data, i64, sizeof i64);
    drop(&p);

    t = onnx_tensor("t", SETSUNA_U32, dim3, 1);
    pb_packed(&t, 11, u32, 3);
    p = parse(t);
    assert_int_equal(p.status, SETSUNA_OK);
    assert_true(((uint32_t *)p.t.data)[2] == UINT32_MAX);
    drop(&p);

    t = onnx_tensor("t", SETSUNA_U64, dim3, 1);
    pb_packed(&t, 11, u64, 3);
    p = parse(t);
    assert_int_equal(p.status, SETSUNA_OK);
    assert_true(((uint64_t *)p.t.data)[2] == UINT64_MAX);
    drop(&p);

    t = onnx_tensor("t", SETSUNA_U32, NULL, 0);
    pb_int(&t, 11, (int64_t)UINT32_MAX + 1);
    expect_fail(t, SETSUNA_EINPUT, "does not fit");
}

static void test_strings(void **state)
{
    (void)state;
    pb_write t = onnx_tensor("s", ONNX_STRING, dims23 + 0, 1);
    pb_bytes(&t, 6, "a\0b", 3);
    pb_text(&t, 6, "");
    parsed p = parse(t);
    assert_int_equal(p.status, SETSUNA_OK);
    const sn_text *text = p.t.data;
    assert_int_equal(text[0].len, 3);
    assert_memory_equal(text[0].data, "a\0b", 4);
    assert_int_equal(text[1].len, 0);
    drop(&p);
    t = onnx_tensor("s", ONNX_STRING, dim3, 1);
    pb_text(&t, 6, "one");
    expect_fail(t, SETSUNA_EINPUT, "1 strings");
}

static void test_sizes_must_agree(void **state)
{
    (void)state;
    uint8_t raw[24] = {0};
    pb_write t = onnx_tensor("t", ONNX_F32, dims23, 2);
    pb_bytes(&t, 9, raw, 23);
    expect_fail(t, SETSUNA_EINPUT, "has 23 bytes, its shape needs 24");
    t = onnx_tensor("t", ONNX_F32, dims23, 2);
    expect_fail(t, SETSUNA_EINPUT, "has 0 numbers");
    t = onnx_tensor("t", ONNX_F32, dims23, 2); /* data in the field of another type */
    pb_packed(&t, 7, dims23, 2);
    expect_fail(t, SETSUNA_EINPUT, "has 0 numbers");
    t = onnx_tensor("t", ONNX_F32, dims23, 2);
    pb_bytes(&t, 9, raw, 24);
    pb_f32(&t, 4, 1);
    expect_fail(t, SETSUNA_EINPUT, "both raw and typed");
    t = onnx_tensor("t", ONNX_F32, dim0, 1);
    parsed p = parse(t);
    assert_int_equal(p.status, SETSUNA_OK);
    assert_int_equal(p.t.size_bytes, 0);
    drop(&p);
    t = onnx_tensor("t", ONNX_BOOL, NULL, 0);
    pb_bytes(&t, 9, "\x02", 1);
    expect_fail(t, SETSUNA_EINPUT, "neither 0 nor 1");
}

/* Products of dims that wrap, or that would if a zero were not there. */
static void test_dims_that_overflow(void **state)
{
    (void)state;
    static const int64_t bad[][3] = {
        {INT64_MAX, 2, 1},
        {1LL << 32, 1LL << 32, 1},
        {1LL << 62, 2, 2},
        {3037000500, 3037000500, 2},
        {INT64_MAX, INT64_MAX, 0} /* zero elements, but the rest overflows */,
        {(1LL << 61) + 1, 1, 1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_fail(onnx_tensor("t", 11, bad[i], 3), SETSUNA_EINPUT, "overflow");
    static const int64_t huge[] = {1LL << 40}, negative[] = {-1};
    expect_fail(onnx_tensor("t", ONNX_F32, huge, 1), SETSUNA_EINPUT, "its shape needs");
    expect_fail(onnx_tensor("t", ONNX_F32, negative, 1), SETSUNA_EINPUT, "negative dimension");
    static const int64_t nine[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    expect_fail(onnx_tensor("t", ONNX_F32, nine, 9), SETSUNA_ELIMIT, "more than 8");
}

static void test_types_and_places_that_are_refused(void **state)
{
    (void)state;
    expect_fail(onnx_tensor("t", 0, NULL, 0), SETSUNA_EINPUT, "element type 0");
    expect_fail(onnx_tensor("t", 17, NULL, 0), SETSUNA_EUNSUPPORTED, "element type 17");
    expect_fail(onnx_tensor("t", -3, NULL, 0), SETSUNA_EINPUT, "element type -3");
    pb_write t = onnx_tensor("t", ONNX_F32, NULL, 0);
    pb_message(&t, 3, (pb_write){0});
    expect_fail(t, SETSUNA_EUNSUPPORTED, "segments");
    t = onnx_tensor("t", ONNX_F32, NULL, 0);
    pb_int(&t, 14, 2);
    expect_fail(t, SETSUNA_EINPUT, "data_location 2");
    t = onnx_tensor("t", ONNX_F32, NULL, 0);
    pb_int(&t, 14, 1);
    expect_fail(t, SETSUNA_EINPUT, "without a location");
    pb_write e = {0};
    pb_text(&e, 1, "location");
    pb_text(&e, 2, "weights.bin");
    t = onnx_tensor("t", ONNX_F32, NULL, 0);
    pb_int(&t, 14, 1);
    pb_message(&t, 13, e);
    expect_fail(t, SETSUNA_EUNSUPPORTED, "another file");
    t = onnx_tensor("t", ONNX_F32, NULL, 0);
    pb_int(&t, 9, 1);
    expect_fail(t, SETSUNA_EINPUT, "wrong type");
}

static void test_truncation_at_every_byte(void **state)
{
    (void)state;
    const float f[] = {1, 2, 3};
    pb_write t = onnx_tensor_f32("name", f, 3);
    pb_text(&t, 12, "doc"); /* ignored, and last */
    for (size_t cut = 0; cut < t.size; cut++) {
        pb_write part = {0};
        pb_put(&part, t.data, cut);
        parsed p = parse(part);
        assert_true(p.status == SETSUNA_EINPUT || (p.status == SETSUNA_OK && cut == t.size - 5));
        drop(&p);
    }
    free(t.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_raw_data_of_every_type),
        cmocka_unit_test(test_int32_data),
        cmocka_unit_test(test_other_typed_data),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_sizes_must_agree),
        cmocka_unit_test(test_dims_that_overflow),
        cmocka_unit_test(test_types_and_places_that_are_refused),
        cmocka_unit_test(test_truncation_at_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
