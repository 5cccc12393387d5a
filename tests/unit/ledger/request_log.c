#include "ledger/request_log.h"
#include "base/crc32.h"
#include "unit/stats/series.h"
#include "unit/unit.h"
#include "unit/counting.h"
#include <stdlib.h>
#include <string.h>

/* Row i of a run: every column but the page faults, which stay zero; now and then a number of all bits. */
static void make_row(uint64_t i, uint64_t row[SN_REQUEST_COLUMNS])
{
    uint64_t seed = i;
    for (int c = 0; c < SN_REQUEST_COLUMNS; c++)
        row[c] = series_random(&seed) >> (i % 50 == 49 ? 0 : 40);
    row[SN_REQUEST_DUE] = i * 1000;
    row[SN_REQUEST_BEGIN] = row[SN_REQUEST_DUE] + i % 7;
    row[SN_REQUEST_END] = row[SN_REQUEST_BEGIN] + 500;
    row[SN_REQUEST_FAULTS] = 0;
    row[SN_REQUEST_FLAGS] = i % 4 == 0 ? SN_REQUEST_IS_LATE : 0;
}

static void fill(sn_request_log *log, uint64_t begin, uint64_t end)
{
    uint64_t row[SN_REQUEST_COLUMNS];
    for (uint64_t i = begin; i < end; i++) {
        make_row(i, row);
        assert_int_equal(sn_request_log_add(log, row), SETSUNA_OK);
    }
}

static void assert_equal(const sn_request_log *a, const sn_request_log *b)
{
    assert_int_equal(a->n, b->n);
    assert_int_equal(a->n_all, b->n_all);
    for (size_t i = 0; i < a->n; i++)
        for (int c = 0; c < SN_REQUEST_COLUMNS; c++)
            assert_int_equal(sn_request_log_get(a, (sn_request_column)c, i),
                             sn_request_log_get(b, (sn_request_column)c, i));
}

static void test_names(void **state)
{
    (void)state;
    for (int c = 0; c < SN_REQUEST_COLUMNS; c++) {
        const char *name = sn_request_column_name((sn_request_column)c);
        assert_in_range(strlen(name), 1, 31);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(name));
        for (int d = 0; d < c; d++)
            assert_string_not_equal(name, sn_request_column_name((sn_request_column)d));
        assert_true(strlen(sn_request_column_what((sn_request_column)c)) > 3);
    }
    assert_string_equal(sn_request_column_name(SN_REQUEST_EXECUTE), "execute_ns");
    assert_string_equal(sn_request_column_name(SN_REQUEST_COLUMNS), "?");
    assert_string_equal(sn_request_column_what((sn_request_column)-1), "?");
}

static void test_row_of_a_ledger(void **state)
{
    (void)state;
    sn_ledger l;
    sn_ledger_begin_at(&l, 7, 1000);
    sn_ledger_wait_at(&l, SN_WAIT_QUEUE, 30, 1030);
    sn_ledger_enter_at(&l, SN_STAGE_EXECUTE, 1030);
    sn_ledger_leave_at(&l, SN_STAGE_EXECUTE, 1100);
    sn_ledger_wait_at(&l, SN_WAIT_STEAL, 5, 1100);
    l.known |= SN_LEDGER_KNOWN_COUNTS;
    l.n_minor_faults = 2;
    l.n_major_faults = 1;
    l.n_switches = 4;
    sn_ledger_close_at(&l, 1110);
    uint64_t row[SN_REQUEST_COLUMNS], sum = 0;
    sn_request_row(&l, 1030, SN_REQUEST_IS_LATE, row);
    assert_int_equal(row[SN_REQUEST_DUE], 1000);
    assert_int_equal(row[SN_REQUEST_BEGIN], 1030);
    assert_int_equal(row[SN_REQUEST_END], 1110);
    assert_int_equal(row[SN_REQUEST_FLAGS], 1);
    assert_int_equal(row[SN_REQUEST_EXECUTE], 70);
    assert_int_equal(row[SN_REQUEST_OVERHEAD], 30);
    assert_int_equal(row[SN_REQUEST_QUEUE], 30);
    assert_int_equal(row[SN_REQUEST_STEAL], 5);
    assert_int_equal(row[SN_REQUEST_FAULTS], 3);
    assert_int_equal(row[SN_REQUEST_SWITCHES], 4);
    for (int c = 0; c < SN_REQUEST_COLUMNS; c++)
        sum += row[c];
    assert_int_equal(sum, 1000 + 1030 + 1110 + 1 + 70 + 30 + 30 + 5 + 3 + 4);
    sn_request_row(&l, 5, 0, row);
    assert_int_equal(row[SN_REQUEST_BEGIN], 1000);
    sn_request_row(&l, 5000, 0, row);
    assert_int_equal(row[SN_REQUEST_BEGIN], 1110);
}

static void test_add_and_cap(void **state)
{
    (void)state;
    sn_request_log log;
    sn_request_log_init(&log, NULL, 3000);
    assert_int_equal(sn_request_log_latency_ns(&(sn_request_log){.n = 0}, 0), 0);
    fill(&log, 0, 2500);
    uint64_t row[SN_REQUEST_COLUMNS], want[SN_REQUEST_COLUMNS];
    make_row(2500, row);
    row[SN_REQUEST_BEGIN] = row[SN_REQUEST_DUE] - 1;
    assert_int_equal(sn_request_log_add(&log, row), SETSUNA_EINVAL);
    row[SN_REQUEST_BEGIN] = row[SN_REQUEST_END] + 1;
    assert_int_equal(sn_request_log_add(&log, row), SETSUNA_EINVAL);
    assert_int_equal(log.n_all, 2500);
    fill(&log, 2500, 4000);
    assert_int_equal(log.n, 3000);
    assert_int_equal(log.n_all, 4000);
    assert_null(log.column[SN_REQUEST_FAULTS]);
    for (size_t i = 0; i < log.n; i++) {
        make_row(i, want);
        for (int c = 0; c < SN_REQUEST_COLUMNS; c++)
            assert_int_equal(sn_request_log_get(&log, (sn_request_column)c, i), want[c]);
    }
    assert_int_equal(sn_request_log_latency_ns(&log, 5), 505);
    sn_request_log_fini(&log);
    assert_int_equal(log.n, 0);
    sn_request_log_fini(&log);
}

static void test_mark_and_origin(void **state)
{
    (void)state;
    sn_request_log log;
    sn_request_log_init(&log, NULL, 0);
    fill(&log, 9, 12);
    sn_request_log_fini(&log);
    uint64_t row[SN_REQUEST_COLUMNS] = {[SN_REQUEST_DUE] = 100, [SN_REQUEST_BEGIN] = 100, [SN_REQUEST_END] = 100};
    assert_int_equal(sn_request_log_add(&log, row), SETSUNA_OK);
    row[SN_REQUEST_BEGIN] = 110, row[SN_REQUEST_END] = 150;
    assert_int_equal(sn_request_log_add(&log, row), SETSUNA_OK);
    assert_null(log.column[SN_REQUEST_FLAGS]);
    assert_int_equal(sn_request_log_mark(&log, 1, 0), SETSUNA_OK);
    assert_null(log.column[SN_REQUEST_FLAGS]);
    assert_int_equal(sn_request_log_mark(&log, 1, SN_REQUEST_IS_WARMUP), SETSUNA_OK);
    assert_int_equal(sn_request_log_mark(&log, 1, SN_REQUEST_IS_LATE), SETSUNA_OK);
    assert_int_equal(sn_request_log_get(&log, SN_REQUEST_FLAGS, 0), 0);
    assert_int_equal(sn_request_log_get(&log, SN_REQUEST_FLAGS, 1), 9);
    assert_int_equal(sn_request_log_set_origin(&log, 101), SETSUNA_EINVAL);
    assert_int_equal(sn_request_log_get(&log, SN_REQUEST_END, 1), 150);
    assert_int_equal(sn_request_log_set_origin(&log, 100), SETSUNA_OK);
    assert_int_equal(sn_request_log_get(&log, SN_REQUEST_DUE, 1), 0);
    assert_int_equal(sn_request_log_get(&log, SN_REQUEST_BEGIN, 1), 10);
    assert_int_equal(sn_request_log_get(&log, SN_REQUEST_END, 1), 50);
    assert_int_equal(sn_request_log_get(&log, SN_REQUEST_FLAGS, 1), 9);
    sn_request_log_fini(&log);
}

static void test_join(void **state)
{
    (void)state;
    sn_request_log lane[3], all, want;
    const sn_request_log *src[3] = {&lane[0], &lane[1], &lane[2]};
    sn_request_log_init(&all, NULL, 250);
    sn_request_log_init(&want, NULL, 250);
    fill(&want, 0, 300);
    for (int k = 0; k < 3; k++)
        sn_request_log_init(&lane[k], NULL, 0);
    fill(&all, 0, 10);
    for (uint64_t i = 10; i < 300; i++)
        fill(&lane[i * i % 3], i, i + 1); /* the third gets none */
    assert_int_equal(sn_request_log_join(&all, src, 3), SETSUNA_OK);
    assert_equal(&all, &want);
    assert_int_equal(all.n, 250);
    assert_int_equal(all.n_all, 300);
    assert_int_equal(sn_request_log_join(&all, src, 0), SETSUNA_OK);
    sn_request_log_fini(&all);
    sn_request_log_fini(&want);
    for (int k = 0; k < 3; k++)
        sn_request_log_fini(&lane[k]);
}

static uint8_t *encode(uint64_t n, size_t *size_out)
{
    sn_request_log log;
    uint8_t *data;
    sn_request_log_init(&log, NULL, 0);
    fill(&log, 0, n);
    assert_int_equal(sn_request_log_encode(&log, &data, size_out), SETSUNA_OK);
    sn_request_log_fini(&log);
    return data;
}

static void test_there_and_back(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < 2000; n = 3 * n + 1) {
        size_t size;
        uint8_t *data = encode(n, &size);
        sn_request_log want, got;
        sn_request_log_init(&want, NULL, 0);
        fill(&want, 0, n);
        assert_int_equal(sn_request_log_parse(data, size, NULL, 0, &got, NULL), SETSUNA_OK);
        assert_equal(&got, &want);
        assert_null(got.column[SN_REQUEST_FAULTS]);
        sn_request_log_fini(&got);
        setsuna_error err = {0};
        if (n > 1) {
            assert_int_equal(sn_request_log_parse(data, size, NULL, n - 1, &got, &err), SETSUNA_ELIMIT);
            assert_non_null(strstr(err.text, "at most"));
        }
        sn_request_log_fini(&want);
        sn_free(sn_allocator_default(), data);
    }
}

/* The example by hand: one request from 3 to 5, of a run of two. */
static void test_bytes(void **state)
{
    (void)state;
    static const uint8_t want[] = {'S', 'N', 'R', 'E', 'Q', 'L', 'O', 'G', 1,   0, 0, 0, 3, 0, 0, 0, 1, 0,
                                   0,   0,   0,   0,   0,   0,   2,   0,   0,   0, 0, 0, 0, 0,             /**/
                                   6,   'd', 'u', 'e', '_', 'n', 's', 1,   0,   0, 0, 0, 0, 0, 0, 6,       /**/
                                   8,   'b', 'e', 'g', 'i', 'n', '_', 'n', 's', 1, 0, 0, 0, 0, 0, 0, 0, 6, /**/
                                   6,   'e', 'n', 'd', '_', 'n', 's', 1,   0,   0, 0, 0, 0, 0, 0, 10};
    sn_request_log log;
    sn_request_log_init(&log, NULL, 1);
    uint64_t row[SN_REQUEST_COLUMNS] = {[SN_REQUEST_DUE] = 3, [SN_REQUEST_BEGIN] = 3, [SN_REQUEST_END] = 5};
    assert_int_equal(sn_request_log_add(&log, row), SETSUNA_OK);
    assert_int_equal(sn_request_log_add(&log, row), SETSUNA_OK);
    uint8_t *data;
    size_t size;
    assert_int_equal(sn_request_log_encode(&log, &data, &size), SETSUNA_OK);
    assert_int_equal(size, sizeof want + 4);
    assert_memory_equal(data, want, sizeof want);
    sn_free(sn_allocator_default(), data);
    sn_request_log_fini(&log);
}

/* Puts the right checksum behind what was changed, so that the rest of the reader is met. */
static void seal(uint8_t *data, size_t size)
{
    uint32_t crc = sn_crc32(0, data, size - 4);
    for (int i = 0; i < 4; i++)
        data[size - 4 + (size_t)i] = (uint8_t)(crc >> 8 * i);
}

/* What is accepted is a log whose rows hold to the rules. In a block of exactly its size. */
static setsuna_status parse_exact(const uint8_t *data, size_t size, bool sealed)
{
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    if (size)
        memcpy(copy, data, size);
    if (sealed && size >= 4)
        seal(copy, size);
    sn_request_log log;
    setsuna_error err = {0};
    setsuna_status status = sn_request_log_parse(copy, size, NULL, 0, &log, &err);
    free(copy);
    if (status != SETSUNA_OK) {
        assert_true(status == SETSUNA_EINPUT || status == SETSUNA_ELIMIT);
        assert_true(err.text[0] != '\0');
        return status;
    }
    for (size_t i = 0; i < log.n; i++)
        assert_true(sn_request_log_get(&log, SN_REQUEST_DUE, i) <= sn_request_log_get(&log, SN_REQUEST_BEGIN, i) &&
                    sn_request_log_get(&log, SN_REQUEST_BEGIN, i) <= sn_request_log_get(&log, SN_REQUEST_END, i));
    sn_request_log_fini(&log);
    return status;
}

static void test_truncated(void **state)
{
    (void)state;
    size_t size;
    uint8_t *data = encode(20, &size);
    for (size_t n = 0; n < size; n++) {
        assert_int_equal(parse_exact(data, n, false), SETSUNA_EINPUT);
        assert_int_equal(parse_exact(data, n, true), SETSUNA_EINPUT);
    }
    assert_int_equal(parse_exact(data, size, true), SETSUNA_OK);
    sn_free(sn_allocator_default(), data);
}

static void test_bits_flipped(void **state)
{
    (void)state;
    size_t size;
    uint8_t *data = encode(20, &size);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(parse_exact(data, size, false), SETSUNA_EINPUT);
        parse_exact(data, size, true);
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    sn_free(sn_allocator_default(), data);
}

/* Fields that lie: each is refused with what is wrong about it, and none makes us allocate what is not there. */
static void test_lies(void **state)
{
    (void)state;
    static const uint8_t end[] = {6, 'e', 'n', 'd', '_', 'n', 's', 1, 0, 0, 0, 0, 0, 0, 0, 10};
    static const uint8_t due[] = {6, 'd', 'u', 'e', '_', 'n', 's', 1, 0, 0, 0, 0, 0, 0, 0, 12};
    static const uint8_t new[] = {3, 'n', 'e', 'w', 2, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t odd[] = {3, 'N', 'e', 'w', 1, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t twice[] = {6, 'e', 'n', 'd', '_', 'n', 's', 2, 0, 0, 0, 0, 0, 0, 0, 10, 10};
    static const uint8_t longer[] = {6, 'e', 'n', 'd', '_', 'n', 's', 2, 0, 0, 0, 0, 0, 0, 0, 0x8a, 0};
    static const uint8_t wide[] = {6, 'e', 'n',  'd',  '_',  'n',  's',  10,   0,    0,    0,    0,   0,
                                   0, 0,   0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
    static const uint8_t huge[] = {6, 'e', 'n', 'd', '_', 'n', 's', 255, 255, 255, 255, 255, 255, 255, 255, 10};
    static const struct {
        const char *says; /* NULL: it is accepted */
        const void *body;
        size_t size;
        uint64_t columns, rows, all;
    } lies[] = {
        {NULL, end, sizeof end, 1, 1, 1},
        {"more rows than it can have", end, sizeof end, 1, UINT64_MAX, UINT64_MAX},
        {"more rows than it can have", end, sizeof end, 1, 1, 0},
        {"more rows than it can have", end, sizeof end, 1, sizeof end + 1, 100},
        {"size does not fit", end, sizeof end, 1, 2, 2},
        {"size does not fit", end, sizeof end, 1, 0, 0},
        {"size does not fit", huge, sizeof huge, 1, 1, 1},
        {"no column where", end, sizeof end, 2, 1, 1},
        {"behind the last column", end, sizeof end, 0, 1, 1},
        {"no column end_ns", due, sizeof due, 1, 1, 1},
        {"no column end_ns", new, sizeof new, 1, 1, 1},
        {"no column where", odd, sizeof odd, 1, 1, 1},
        {"more numbers than rows", twice, sizeof twice, 1, 1, 1},
        {"not a number", longer, sizeof longer, 1, 1, 1},
        {"not a number", wide, sizeof wide, 1, 1, 1},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        uint8_t data[96] = "SNREQLOG\1";
        memcpy(data + 12, &lies[i].columns, 4);
        memcpy(data + 16, &lies[i].rows, 8);
        memcpy(data + 24, &lies[i].all, 8);
        memcpy(data + 32, lies[i].body, lies[i].size);
        seal(data, 36 + lies[i].size);
        sn_request_log log;
        setsuna_error err = {0};
        setsuna_status status = sn_request_log_parse(data, 36 + lies[i].size, NULL, 0, &log, &err);
        assert_int_equal(status, lies[i].says ? SETSUNA_EINPUT : SETSUNA_OK);
        if (!lies[i].says) {
            sn_request_log_fini(&log);
            continue;
        }
        if (!strstr(err.text, lies[i].says))
            fail_msg("lie %zu: \"%s\" does not say \"%s\"", i, err.text, lies[i].says);
    }
}

/* A column that this version does not know is skipped; one that comes twice is refused, so is one due after its end. */
static void test_other_columns(void **state)
{
    (void)state;
    static const uint8_t body[] = {3, 'n', 'e', 'w', 2,   0,   0,   0, 0, 0, 0, 0, 0x80, 0xff, /* not even numbers */
                                   6, 'e', 'n', 'd', '_', 'n', 's', 1, 0, 0, 0, 0, 0,    0,    0, 10,
                                   6, 'd', 'u', 'e', '_', 'n', 's', 1, 0, 0, 0, 0, 0,    0,    0, 0};
    uint8_t data[36 + sizeof body] = "SNREQLOG\1\0\0\0\3\0\0\0\1\0\0\0\0\0\0\0\1";
    memcpy(data + 32, body, sizeof body);
    seal(data, sizeof data);
    sn_request_log log;
    setsuna_error err = {0};
    assert_int_equal(sn_request_log_parse(data, sizeof data, NULL, 0, &log, NULL), SETSUNA_OK);
    assert_int_equal(sn_request_log_latency_ns(&log, 0), 5);
    assert_null(log.column[SN_REQUEST_DUE]);
    sn_request_log_fini(&log);
    data[sizeof data - 5] = 20;
    seal(data, sizeof data);
    assert_int_equal(sn_request_log_parse(data, sizeof data, NULL, 0, &log, &err), SETSUNA_EINPUT);
    assert_non_null(strstr(err.text, "before it is due"));
    static const uint8_t end[3] = {'e', 'n', 'd'}; /* over "due" */
    memcpy(data + sizeof data - 4 - 15, end, sizeof end);
    seal(data, sizeof data);
    assert_int_equal(sn_request_log_parse(data, sizeof data, NULL, 0, &log, &err), SETSUNA_EINPUT);
    assert_non_null(strstr(err.text, "there before"));
    data[8] = 2;
    assert_int_equal(sn_request_log_parse(data, sizeof data, NULL, 0, &log, &err), SETSUNA_EINPUT);
    assert_non_null(strstr(err.text, "version"));
}

/* The nth allocation fails: the log keeps the rows it has, and nothing leaks. */
static void test_out_of_memory(void **state)
{
    (void)state;
    bool clean = false;
    size_t size;
    uint8_t *data = encode(1100, &size);
    for (int left = 0; !clean; left++) {
        counting c = {.left = left};
        sn_allocator a = {&c, counting_alloc, counting_free};
        sn_request_log log, lane, back;
        const sn_request_log *src = &lane;
        sn_request_log_init(&log, &a, 0);
        sn_request_log_init(&lane, NULL, 0);
        fill(&lane, 1100, 2200);
        uint64_t row[SN_REQUEST_COLUMNS], added = 0;
        for (uint64_t i = 0; i < 1100; i++) {
            make_row(i, row);
            added += sn_request_log_add(&log, row) == SETSUNA_OK;
            assert_int_equal(log.n, added);
            assert_int_equal(log.n_all, added);
        }
        for (size_t i = 0; added == 1100 && i < log.n; i++) {
            make_row(i, row);
            assert_int_equal(sn_request_log_get(&log, SN_REQUEST_SWITCHES, i), row[SN_REQUEST_SWITCHES]);
        }
        bool joined = sn_request_log_join(&log, &src, 1) == SETSUNA_OK;
        uint8_t *bytes = NULL;
        size_t n_bytes;
        bool coded = sn_request_log_encode(&log, &bytes, &n_bytes) == SETSUNA_OK;
        if (coded)
            sn_free(&a, bytes);
        setsuna_status parsed = sn_request_log_parse(data, size, &a, 0, &back, NULL);
        assert_true(parsed == SETSUNA_OK || parsed == SETSUNA_ENOMEM);
        if (parsed == SETSUNA_OK)
            sn_request_log_fini(&back);
        clean = added == 1100 && joined && coded && parsed == SETSUNA_OK;
        sn_request_log_fini(&log);
        sn_request_log_fini(&lane);
        assert_int_equal(c.live, 0);
        assert_true(left < 500);
    }
    sn_free(sn_allocator_default(), data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),         cmocka_unit_test(test_row_of_a_ledger),
        cmocka_unit_test(test_add_and_cap),   cmocka_unit_test(test_mark_and_origin),
        cmocka_unit_test(test_join),          cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_bytes),         cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_bits_flipped),  cmocka_unit_test(test_lies),
        cmocka_unit_test(test_other_columns), cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
