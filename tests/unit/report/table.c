#include "report/table.h"
#include "report/utf8.h"
#include "unit/unit.h"
#include "unit/counting.h"
#include <stdlib.h>
#include <string.h>

static void assert_table(const sn_table *t, bool ascii, const char *want)
{
    sn_sink s;
    sn_sink_init_buffer(&s, NULL);
    assert_int_equal(sn_table_write(t, &s, ascii), SETSUNA_OK);
    assert_string_equal(s.data ? s.data : "", want);
    sn_sink_fini(&s);
}

static void test_alignment(void **state)
{
    (void)state;
    sn_table *t = sn_table_create(NULL);
    sn_table_column(t, "name", SN_TABLE_LEFT);
    sn_table_column(t, "time", SN_TABLE_RIGHT);
    sn_table_column(t, "note", SN_TABLE_LEFT);
    sn_table_cell(t, "刹那");
    sn_table_cell(t, "%d µs", 5);
    sn_table_end_row(t);
    sn_table_cell(t, "e\xcc\x81t\xcc\x81"); /* two columns, six bytes */
    sn_table_cell(t, "1000 ms");
    sn_table_cell(t, "x");
    sn_table_end_row(t);
    sn_table_rule(t);
    sn_table_cell(t, "%s", "");
    sn_table_cell(t, "2 s ");
    sn_table_end_row(t);
    sn_table_end_row(t);
    assert_table(t, true,
                 "name     time  note\n"
                 "-------------------\n"
                 "刹那     5 µs\n"
                 "e\xcc\x81t\xcc\x81    1000 ms  x\n"
                 "-------------------\n"
                 "         2 s\n"
                 "\n");
    sn_table_destroy(t);
}

static void test_without_headings(void **state)
{
    (void)state;
    sn_table *t = sn_table_create(NULL);
    sn_table_column(t, "", SN_TABLE_RIGHT);
    sn_table_cell(t, "1");
    sn_table_end_row(t);
    sn_table_cell(t, "234");
    sn_table_rule(t);
    assert_table(t, false, "  1\n234\n───\n");
    sn_table_destroy(t);
}

/* Names come from model files: no cell may move the cursor, ring the bell or break a line. */
static void test_hostile_cells(void **state)
{
    (void)state;
    sn_table *t = sn_table_create(NULL);
    sn_table_column(t, "a\nb", SN_TABLE_LEFT);
    sn_table_cell(t, "\x1b[2J\r\n\t\x7f\xc2\x9b"
                     "31m");
    sn_table_end_row(t);
    sn_table_cell(t, "bad\xff\xfe"
                     "end");
    sn_table_end_row(t);
    assert_table(t, true,
                 "a\\x0ab\n"
                 "------------------------------\n"
                 "\\x1b[2J\\x0d\\x0a\\x09\\x7f\\x9b31m\n"
                 "bad\xef\xbf\xbd\xef\xbf\xbd"
                 "end\n");
    sn_table_destroy(t);
}

static void test_long_cells_end_in_dots(void **state)
{
    (void)state;
    char text[4 * SN_TABLE_CELL_MAX + 1] = "";
    for (int i = 0; i < SN_TABLE_CELL_MAX; i++)
        strcat(text, "\xf0\x9f\x98\x80");
    for (int shift = 0; shift < 4; shift++) { /* the cut must not split a character */
        sn_table *t = sn_table_create(NULL);
        sn_table_column(t, "", SN_TABLE_LEFT);
        sn_table_cell(t, "%.*s%s", shift, "abc", text);
        sn_table_end_row(t);
        sn_sink s;
        sn_sink_init_buffer(&s, NULL);
        assert_int_equal(sn_table_write(t, &s, false), SETSUNA_OK);
        assert_true(s.size < SN_TABLE_CELL_MAX + 1);
        assert_string_equal(s.data + s.size - 4, "...\n");
        for (size_t at = 0, length; at < s.size; at += length)
            assert_int_not_equal(sn_utf8_decode(s.data + at, s.size - at, &length), SN_UTF8_INVALID);
        sn_sink_fini(&s);
        sn_table_destroy(t);
    }
}

static void test_misuse(void **state)
{
    (void)state;
    sn_sink s;
    sn_sink_init_buffer(&s, NULL);
    sn_table *t = sn_table_create(NULL);
    sn_table_column(t, "a", SN_TABLE_LEFT);
    sn_table_cell(t, "1");
    sn_table_cell(t, "2");
    assert_int_equal(sn_table_write(t, &s, false), SETSUNA_EINVAL);
    sn_table_destroy(t);
    t = sn_table_create(NULL);
    for (int i = 0; i <= SN_TABLE_COLUMNS_MAX; i++)
        sn_table_column(t, "a", SN_TABLE_LEFT);
    assert_int_equal(sn_table_write(t, &s, false), SETSUNA_EINVAL);
    sn_table_destroy(t);
    assert_int_equal(s.size, 0);
    sn_table_column(NULL, "a", SN_TABLE_LEFT);
    sn_table_cell(NULL, "a");
    sn_table_end_row(NULL);
    sn_table_rule(NULL);
    assert_int_equal(sn_table_write(NULL, &s, false), SETSUNA_ENOMEM);
    sn_table_destroy(NULL);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    setsuna_status status = SETSUNA_ENOMEM;
    for (int left = 0; status != SETSUNA_OK; left++) {
        assert_true(left < 100);
        counting c = {.left = left};
        const sn_allocator a = {&c, counting_alloc, counting_free};
        sn_sink s;
        sn_sink_init_buffer(&s, &a);
        sn_table *t = sn_table_create(&a);
        sn_table_column(t, "heading", SN_TABLE_LEFT);
        for (int i = 0; i < 300; i++) {
            sn_table_cell(t, "row %d", i);
            sn_table_end_row(t);
        }
        status = sn_table_write(t, &s, false);
        assert_true(status == SETSUNA_OK || status == SETSUNA_ENOMEM);
        sn_table_destroy(t);
        sn_sink_fini(&s);
        assert_int_equal(c.live, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alignment),     cmocka_unit_test(test_without_headings),
        cmocka_unit_test(test_hostile_cells), cmocka_unit_test(test_long_cells_end_in_dots),
        cmocka_unit_test(test_misuse),        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
