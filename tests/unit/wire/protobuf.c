#include "wire/protobuf.h"
#include "pb_write.h"
#include "unit/unit.h"

static sn_pb open_bytes(const void *data, size_t size)
{
    return sn_pb_open((sn_pb_bytes){data, size});
}

static void test_fields_of_every_wire_type(void **state)
{
    (void)state;
    pb_write w = {0};
    pb_int(&w, 1, -1);
    pb_f64(&w, 2, 0.5);
    pb_text(&w, 3, "abc");
    pb_f32(&w, 536870911, -2.0f);
    pb_text(&w, 4, "");
    sn_pb pb = open_bytes(w.data, w.size);
    sn_pb_field f;
    assert_true(sn_pb_next(&pb, &f));
    assert_int_equal(f.number, 1);
    assert_int_equal(f.wire, SN_PB_VARINT);
    assert_true(f.value == UINT64_MAX);
    assert_int_equal(f.bytes.size, 10);
    assert_true(sn_pb_next(&pb, &f));
    double d;
    memcpy(&d, &f.value, 8);
    assert_true(f.wire == SN_PB_FIXED64 && d == 0.5);
    assert_true(sn_pb_next(&pb, &f));
    assert_int_equal(f.wire, SN_PB_BYTES);
    assert_int_equal(f.bytes.size, 3);
    assert_memory_equal(f.bytes.data, "abc", 3);
    assert_true(sn_pb_next(&pb, &f));
    assert_int_equal(f.number, 536870911);
    assert_true(f.wire == SN_PB_FIXED32 && f.value == 0xc0000000u);
    assert_true(sn_pb_next(&pb, &f));
    assert_true(f.wire == SN_PB_BYTES && f.bytes.size == 0 && f.bytes.data);
    assert_false(sn_pb_next(&pb, &f));
    assert_false(pb.malformed);
    free(w.data);
}

static void test_nothing_is_a_message(void **state)
{
    (void)state;
    sn_pb pb = open_bytes(NULL, 0);
    sn_pb_field f;
    assert_false(sn_pb_next(&pb, &f));
    assert_false(pb.malformed);
}

/* Each is malformed, and stays so. */
static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        size_t size;
        uint8_t data[16];
    } bad[] = {
        {"field number 0", 2, {0x00, 0x01}},
        {"group begins", 1, {0x0b}},
        {"group ends", 1, {0x0c}},
        {"wire type 6", 1, {0x0e}},
        {"wire type 7", 1, {0x0f}},
        {"tag above 32 bits", 7, {0x88, 0x80, 0x80, 0x80, 0x80, 0x01, 0x00}},
        {"varint of 11 bytes", 12, {0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}},
        {"varint above 64 bits", 11, {0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}},
        {"length past the end", 3, {0x0a, 0x02, 0x61}},
        {"length of 2^64 - 1", 11, {0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        sn_pb pb = open_bytes(bad[i].data, bad[i].size);
        sn_pb_field f;
        if (sn_pb_next(&pb, &f) || !pb.malformed || sn_pb_next(&pb, &f))
            fail_msg("%s is taken", bad[i].what);
    }
}

/* At every length the reader yields a prefix of the fields, and says malformed unless it ends between two. */
static void test_truncation_at_every_byte(void **state)
{
    (void)state;
    pb_write w = {0};
    size_t end[16], n_end = 0;
    end[n_end++] = 0;
    pb_int(&w, 1, 300), end[n_end++] = w.size;
    pb_f64(&w, 2, 1.5), end[n_end++] = w.size;
    pb_text(&w, 300, "hello"), end[n_end++] = w.size;
    pb_f32(&w, 4, 1.5f), end[n_end++] = w.size;
    pb_int(&w, 5, -1), end[n_end++] = w.size;
    for (size_t cut = 0; cut <= w.size; cut++) {
        uint8_t *exact = malloc(cut ? cut : 1);
        assert_non_null(exact);
        memcpy(exact, w.data, cut);
        sn_pb pb = open_bytes(exact, cut);
        sn_pb_field f;
        size_t n = 0, whole = 0;
        while (whole + 1 < n_end && end[whole + 1] <= cut)
            whole++;
        while (sn_pb_next(&pb, &f))
            n++;
        assert_int_equal(n, whole);
        assert_int_equal(pb.malformed, end[whole] != cut);
        free(exact);
    }
    free(w.data);
}

static void test_lists_packed_and_not(void **state)
{
    (void)state;
    const int64_t v[] = {0, 1, 127, 128, -5, INT64_MIN};
    pb_write w = {0};
    pb_packed(&w, 1, v, 6);
    pb_int(&w, 1, 77);
    const float f32[] = {1, 2};
    pb_bytes(&w, 2, f32, sizeof f32);
    const double f64[] = {3, 4, 5};
    pb_bytes(&w, 3, f64, sizeof f64);
    pb_bytes(&w, 4, "", 0);
    sn_pb pb = open_bytes(w.data, w.size);
    sn_pb_field f;
    size_t n = 99;
    uint64_t u;
    assert_true(sn_pb_next(&pb, &f) && sn_pb_count(&f, SN_PB_VARINT, &n));
    assert_int_equal(n, 6);
    sn_pb_list list = sn_pb_list_open(&f, SN_PB_VARINT);
    for (int i = 0; i < 6; i++) {
        assert_true(sn_pb_list_next(&list, &u));
        assert_true((int64_t)u == v[i]);
    }
    assert_false(sn_pb_list_next(&list, &u));
    assert_true(sn_pb_next(&pb, &f) && sn_pb_count(&f, SN_PB_VARINT, &n));
    assert_int_equal(n, 1);
    list = sn_pb_list_open(&f, SN_PB_VARINT);
    assert_true(sn_pb_list_next(&list, &u) && u == 77);
    assert_false(sn_pb_list_next(&list, &u));
    assert_true(sn_pb_next(&pb, &f) && sn_pb_count(&f, SN_PB_FIXED32, &n));
    assert_int_equal(n, 2);
    assert_true(sn_pb_count(&f, SN_PB_FIXED64, &n) && n == 1);
    list = sn_pb_list_open(&f, SN_PB_FIXED32);
    assert_true(sn_pb_list_next(&list, &u) && u == 0x3f800000u);
    assert_true(sn_pb_next(&pb, &f) && sn_pb_count(&f, SN_PB_FIXED64, &n));
    assert_int_equal(n, 3);
    list = sn_pb_list_open(&f, SN_PB_FIXED64);
    assert_true(sn_pb_list_next(&list, &u) && u == 0x4008000000000000u);
    assert_true(sn_pb_next(&pb, &f) && sn_pb_count(&f, SN_PB_VARINT, &n));
    assert_int_equal(n, 0);
    free(w.data);
}

static void test_lists_that_are_refused(void **state)
{
    (void)state;
    pb_write w = {0};
    pb_bytes(&w, 1, "\x80", 1);  /* a varint that does not end */
    pb_bytes(&w, 2, "abcde", 5); /* 5 is no multiple of 4 or 8 */
    pb_f32(&w, 3, 1);            /* fixed32 where a varint or fixed64 is wanted */
    sn_pb pb = open_bytes(w.data, w.size);
    sn_pb_field f;
    size_t n = 99;
    assert_true(sn_pb_next(&pb, &f));
    assert_false(sn_pb_count(&f, SN_PB_VARINT, &n));
    assert_true(sn_pb_next(&pb, &f));
    assert_false(sn_pb_count(&f, SN_PB_FIXED32, &n) || sn_pb_count(&f, SN_PB_FIXED64, &n));
    assert_true(sn_pb_next(&pb, &f));
    assert_false(sn_pb_count(&f, SN_PB_VARINT, &n) || sn_pb_count(&f, SN_PB_FIXED64, &n));
    assert_int_equal(n, 99);
    free(w.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_of_every_wire_type),
        cmocka_unit_test(test_nothing_is_a_message),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_truncation_at_every_byte),
        cmocka_unit_test(test_lists_packed_and_not),
        cmocka_unit_test(test_lists_that_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
