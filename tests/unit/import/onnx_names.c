#include "import/onnx/onnx_names.h"
#include "unit/unit.h"
#include <stdio.h>
#include <string.h>

static void test_find_what_was_added(void **state)
{
    (void)state;
    enum { N = 5000 };
    static char text[N][16];
    sn_onnx_names t = sn_onnx_names_init(sn_allocator_default(), 42);
    assert_null(sn_onnx_names_find(&t, (sn_pb_bytes){(const uint8_t *)"x", 1}));
    for (uint32_t i = 0; i < N; i++) {
        snprintf(text[i], sizeof text[i], "value_%u", i);
        sn_pb_bytes key = {(const uint8_t *)text[i], strlen(text[i])};
        assert_null(sn_onnx_names_find(&t, key));
        assert_non_null(sn_onnx_names_add(&t, key, i));
    }
    for (uint32_t i = 0; i < N; i++) {
        const sn_onnx_name *n = sn_onnx_names_find(&t, (sn_pb_bytes){(const uint8_t *)text[i], strlen(text[i])});
        assert_non_null(n);
        assert_int_equal(n->value, i);
    }
    assert_null(sn_onnx_names_find(&t, (sn_pb_bytes){(const uint8_t *)"value_5000", 10}));
    assert_null(sn_onnx_names_find(&t, (sn_pb_bytes){(const uint8_t *)"value_1", 6}));
    assert_true(t.cap >= 2 * N && t.n == N);
    sn_onnx_names_fini(&t);
}

/* The hash multiplies words by constants that anyone can read: names made of them must still differ. */
static void test_names_that_cancel_the_hash(void **state)
{
    (void)state;
    enum { N = 256 };
    static uint64_t text[N][2];
    sn_onnx_names t = sn_onnx_names_init(sn_allocator_default(), 7);
    for (uint32_t i = 0; i < N; i++) {
        text[i][0] = 0xe7037ed1a0b428dbu;
        text[i][1] = i;
        assert_non_null(sn_onnx_names_add(&t, (sn_pb_bytes){(const uint8_t *)text[i], 16}, i));
    }
    size_t longest = 0, run = 0; /* of used slots: all equal would be one run of N */
    for (size_t i = 0; i < t.cap; i++) {
        run = t.slot[i].used ? run + 1 : 0;
        if (run > longest)
            longest = run;
    }
    assert_true(longest < N / 4);
    sn_onnx_names_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find_what_was_added),
        cmocka_unit_test(test_names_that_cancel_the_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
