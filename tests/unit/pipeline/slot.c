/* Slots: kinds and names, memory that is kept, lists that are collected. */
#include "pipeline/slot.h"
#include "unit/unit.h"
#include <string.h>

static const sn_allocator *heap(void)
{
    return sn_allocator_default();
}

static sn_pipe_slot make(sn_pipe_kind kind)
{
    sn_pipe_slot s;
    sn_pipe_slot_init(&s, "s", kind, heap());
    return s;
}

static void test_kinds(void **state)
{
    (void)state;
    sn_pipe_kind kind;
    assert_true(sn_pipe_kind_parse("tensor", &kind));
    assert_int_equal(kind, SN_PIPE_TENSOR);
    assert_string_equal(sn_pipe_kind_name(SN_PIPE_BOXES), "boxes");
    assert_string_equal(sn_pipe_kind_name((sn_pipe_kind)3), "?");
    assert_false(sn_pipe_kind_parse("Tensor", &kind));
    assert_false(sn_pipe_kind_parse("", &kind));
}

static void test_tensor_memory_is_kept(void **state)
{
    (void)state;
    sn_pipe_slot s = make(SN_PIPE_TENSOR);
    const setsuna_shape big = {2, {8, 16}}, small = {1, {10}}, none = {2, {0, 5}}, wrong = {1, {-1}};
    assert_int_equal(sn_pipe_slot_tensor_reserve(&s, SETSUNA_F32, &big), SETSUNA_OK);
    void *first = s.tensor.t.data;
    assert_int_equal((uintptr_t)first % SN_ALIGN, 0);
    assert_int_equal(s.tensor.t.size_bytes, 512);
    assert_int_equal(sn_pipe_slot_tensor_reserve(&s, SETSUNA_F64, &small), SETSUNA_OK);
    assert_ptr_equal(s.tensor.t.data, first);
    assert_int_equal(sn_pipe_slot_tensor_reserve(&s, SETSUNA_F32, &none), SETSUNA_OK);
    assert_null(s.tensor.t.data);
    assert_int_equal(sn_pipe_slot_tensor_reserve(&s, SETSUNA_F32, &wrong), SETSUNA_ESHAPE);
    assert_int_equal(sn_pipe_slot_tensor_reserve(&s, SETSUNA_DTYPE_NONE, &small), SETSUNA_ESHAPE);
    float borrowed = 1;
    const setsuna_tensor view = {SETSUNA_F32, {0, {0}}, &borrowed, 4};
    sn_pipe_slot_tensor_borrow(&s, &view);
    assert_ptr_equal(s.tensor.t.data, &borrowed);
    assert_int_equal(sn_pipe_slot_tensor_reserve(&s, SETSUNA_F32, &big), SETSUNA_OK);
    assert_ptr_equal(s.tensor.t.data, first);
    sn_pipe_slot_fini(&s);
}

static void test_text(void **state)
{
    (void)state;
    sn_pipe_slot a = make(SN_PIPE_TEXT), b = make(SN_PIPE_TEXT);
    for (int i = 0; i < 100; i++)
        assert_non_null(sn_pipe_slot_text_add(&a, "word\xc3\xa4", (size_t)(i % 7), 0.5f, i));
    for (int i = 0; i < 100; i++) {
        assert_int_equal(a.text.item[i].len, i % 7);
        assert_memory_equal(a.text.bytes + a.text.item[i].begin, "word\xc3\xa4", (size_t)(i % 7));
        assert_int_equal(a.text.bytes[a.text.item[i].begin + a.text.item[i].len], 0);
    }
    assert_int_equal(sn_pipe_slot_collect(&a, &b), SETSUNA_OK);
    assert_int_equal(sn_pipe_slot_collect(&a, &b), SETSUNA_OK);
    assert_int_equal(b.text.n, 200);
    assert_int_equal(b.text.item[199].box, 99);
    sn_pipe_slot_clear(&b);
    assert_int_equal(b.text.n, 0);
    sn_pipe_slot_fini(&a);
    sn_pipe_slot_fini(&b);
}

static void test_collect_every_kind(void **state)
{
    (void)state;
#define KIND(name, bit, text) SN_PIPE_##name,
    static const sn_pipe_kind kinds[] = {SN_PIPE_KIND_LIST(KIND)};
#undef KIND
    enum { N = sizeof kinds / sizeof *kinds };
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++) {
            sn_pipe_slot a = make(kinds[i]), b = make(kinds[k]);
            if (kinds[i] == SN_PIPE_TENSOR) {
                const setsuna_shape shape = {1, {3}};
                assert_int_equal(sn_pipe_slot_tensor_reserve(&a, SETSUNA_U8, &shape), SETSUNA_OK);
                memcpy(a.tensor.t.data, "abc", 3);
            }
            assert_int_equal(sn_pipe_slot_collect(&a, &b), i == k ? SETSUNA_OK : SETSUNA_EINVAL);
            sn_pipe_slot_clear(&b);
            sn_pipe_slot_fini(&a);
            if (i == k && kinds[i] == SN_PIPE_TENSOR)
                assert_memory_equal(b.tensor.t.data, "abc", 3); /* a copy */
            sn_pipe_slot_fini(&b);
        }
}

static void test_collect_values(void **state)
{
    (void)state;
    sn_pipe_slot a = make(SN_PIPE_IMAGE), b = make(SN_PIPE_IMAGE);
    assert_int_equal(sn_image_reserve(heap(), &a.image.pixels, 4, 3, 3), SETSUNA_OK);
    memset(a.image.pixels.data, 9, 36);
    a.image.to_source = (sn_transform){2, 3, 4, 5};
    a.image.source_width = 77;
    a.image.valid_width = 2;
    assert_int_equal(sn_pipe_slot_collect(&a, &b), SETSUNA_OK);
    assert_memory_equal(b.image.pixels.data, a.image.pixels.data, 36);
    assert_true(b.image.to_source.scale_y == 3 && b.image.source_width == 77 && b.image.valid_width == 2);
    sn_pipe_slot_fini(&a);
    sn_pipe_slot_fini(&b);
    a = make(SN_PIPE_AUDIO);
    b = make(SN_PIPE_AUDIO);
    assert_true(sn_pipe_slot_audio_reserve(&a, 3));
    a.audio.sample[0] = 1;
    a.audio.n = 1;
    a.audio.rate_hz = 16000;
    for (int i = 0; i < 3; i++)
        assert_int_equal(sn_pipe_slot_collect(&a, &b), SETSUNA_OK);
    assert_int_equal(b.audio.n, 3);
    assert_int_equal(b.audio.rate_hz, 16000);
    sn_pipe_slot_fini(&a);
    sn_pipe_slot_fini(&b);
    a = make(SN_PIPE_BYTES);
    assert_int_equal(sn_pipe_slot_bytes_copy(&a, "abc", 3), SETSUNA_OK);
    assert_int_equal(sn_pipe_slot_bytes_copy(&a, NULL, 0), SETSUNA_OK);
    assert_int_equal(a.bytes.size, 0);
    sn_pipe_slot_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),          cmocka_unit_test(test_tensor_memory_is_kept),
        cmocka_unit_test(test_text),           cmocka_unit_test(test_collect_every_kind),
        cmocka_unit_test(test_collect_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
