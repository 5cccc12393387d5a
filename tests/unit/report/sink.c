#include "report/sink.h"
#include "unit/unit.h"
#include <string.h>

static void test_buffer(void **state)
{
    (void)state;
    sn_sink s;
    sn_sink_init_buffer(&s, NULL);
    sn_sink_write(&s, NULL, 0);
    assert_null(s.data);
    sn_sink_puts(&s, "ab");
    sn_sink_repeat(&s, "-", 3);
    sn_sink_printf(&s, "%d%s", 7, "x");
    assert_string_equal(s.data, "ab---7x");
    assert_int_equal(s.size, 7);
    assert_int_equal(sn_sink_flush(&s), SETSUNA_OK);
    sn_sink_fini(&s);
    assert_null(s.data);
}

/* Longer than any buffer inside printf, in the middle of a text. */
static void test_long_printf(void **state)
{
    (void)state;
    char text[5000];
    memset(text, 'q', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    sn_sink s;
    sn_sink_init_buffer(&s, NULL);
    for (int cut = 505; cut < 520; cut++)
        sn_sink_printf(&s, "<%.*s>", cut, text);
    sn_sink_printf(&s, "<%s>", text);
    size_t want = strlen(text) + 2;
    for (size_t cut = 505; cut < 520; cut++)
        want += cut + 2;
    assert_int_equal(s.size, want);
    assert_int_equal(strlen(s.data), want);
    sn_sink_fini(&s);

    FILE *file = tmpfile();
    assert_non_null(file);
    sn_sink_init_file(&s, file);
    sn_sink_printf(&s, "<%s>", text);
    assert_int_equal(sn_sink_flush(&s), SETSUNA_OK);
    assert_int_equal(ftell(file), strlen(text) + 2);
    fclose(file);
    sn_sink_fini(&s);
}

/* /dev/full fails as a full disk does: when the buffered bytes leave the process. */
static void test_full_disk(void **state)
{
    (void)state;
    FILE *file = fopen("/dev/full", "w");
    if (!file)
        skip();
    sn_sink s;
    sn_sink_init_file(&s, file);
    sn_sink_puts(&s, "text");
    assert_int_equal(sn_sink_flush(&s), SETSUNA_EIO);
    sn_sink_puts(&s, "more");
    assert_int_equal(s.status, SETSUNA_EIO);
    fclose(file);
}

typedef struct counting {
    int left;
} counting;

static void *counting_alloc(void *ctx, size_t size_bytes)
{
    counting *c = ctx;
    return c->left-- > 0 ? test_malloc(size_bytes) : NULL;
}

static void counting_free(void *ctx, void *ptr)
{
    (void)ctx;
    test_free(ptr);
}

static void test_out_of_memory_is_sticky(void **state)
{
    (void)state;
    for (int left = 0; left < 3; left++) {
        counting c = {left};
        const sn_allocator a = {&c, counting_alloc, counting_free};
        sn_sink s;
        sn_sink_init_buffer(&s, &a);
        for (int i = 0; i < 40; i++)
            sn_sink_printf(&s, "%04d", i);
        sn_sink_printf(&s, "%600d", 1);
        assert_int_equal(sn_sink_flush(&s), SETSUNA_ENOMEM);
        c.left = 10;
        size_t size = s.size;
        sn_sink_puts(&s, "late");
        sn_sink_printf(&s, "%600d", 1);
        assert_int_equal(s.size, size);
        sn_sink_fini(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buffer),
        cmocka_unit_test(test_long_printf),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_out_of_memory_is_sticky),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
