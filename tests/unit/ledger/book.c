#include "ledger/book.h"
#include "unit/stats/series.h"
#include "unit/unit.h"
#include "unit/counting.h"
#include <math.h>
#include <string.h>

/* Request i: execute 1000 + i, from the 10th on also load 7, queue 3 where i is even; 5 ns outside; wall follows. */
static sn_ledger request(uint64_t i)
{
    sn_ledger l;
    uint64_t now = i * 100000;
    sn_ledger_begin_at(&l, i, now);
    if (i % 2 == 0)
        sn_ledger_wait_at(&l, SN_WAIT_QUEUE, 3, now += 3);
    if (i >= 10) {
        sn_ledger_enter_at(&l, SN_STAGE_LOAD, now);
        sn_ledger_leave_at(&l, SN_STAGE_LOAD, now += 7);
    }
    sn_ledger_enter_at(&l, SN_STAGE_EXECUTE, now);
    sn_ledger_leave_at(&l, SN_STAGE_EXECUTE, now += 1000 + i);
    sn_ledger_close_at(&l, now + 5);
    return l;
}

static void fill(sn_book *b, uint64_t begin, uint64_t end)
{
    for (uint64_t i = begin; i < end; i++) {
        sn_ledger l = request(i);
        assert_int_equal(sn_book_add(b, &l), SETSUNA_OK);
    }
}

/* Sums of means are exact up to the rounding of 11 divisions and products. */
static void assert_closes(const sn_book_summary *s)
{
    double mean = s->unexplained.ns.mean - s->overdrawn.ns.mean, share = s->unexplained.share - s->overdrawn.share;
    for (int i = 0; i < SN_STAGES; i++) {
        mean += s->stage[i].ns.mean;
        share += s->stage[i].share;
    }
    assert_true(fabs(mean - s->wall.mean) <= 32 * 0x1p-52 * s->wall.mean);
    assert_true(fabs(share - 1) <= 32 * 0x1p-52);
}

static void test_summary(void **state)
{
    (void)state;
    sn_book b;
    sn_book_init(&b, NULL, 0);
    fill(&b, 0, 100);
    sn_book_summary s;
    assert_int_equal(sn_book_summarize(&b, &s), SETSUNA_OK);
    assert_int_equal(s.n, 100);
    assert_int_equal(s.n_flawed, 0);
    assert_int_equal(s.wall.n, 100);
    assert_int_equal(s.wall.max, 3 + 7 + 1098 + 5); /* of request 98 */
    const sn_summary *execute = &s.stage[SN_STAGE_EXECUTE].ns;
    assert_int_equal(execute->n, 100);
    assert_int_equal(execute->min, 1000);
    assert_int_equal(execute->p50, 1049);
    assert_int_equal(execute->p99, 1098);
    assert_true(execute->mean == 1049.5);
    const sn_summary *load = &s.stage[SN_STAGE_LOAD].ns; /* first met by request 10: the others count as 0 */
    assert_int_equal(load->n, 100);
    assert_int_equal(load->min, 0);
    assert_int_equal(load->p50, 7);
    assert_true(load->mean == 6.3);
    assert_int_equal(s.stage[SN_STAGE_ACQUIRE].ns.n, 0);
    assert_int_equal(s.wait[SN_WAIT_QUEUE].ns.n, 50);
    assert_int_equal(s.wait[SN_WAIT_QUEUE].ns.p50, 3);
    assert_int_equal(s.wait[SN_WAIT_STEAL].ns.n, 0);
    assert_true(s.stage[SN_STAGE_OVERHEAD].ns.mean == 1.5);
    assert_int_equal(s.unexplained.ns.p50, 5);
    assert_int_equal(s.overdrawn.ns.n, 0);
    assert_closes(&s);
    sn_book_fini(&b);
    assert_int_equal(b.n, 0);
}

static void test_worst_are_kept_whole(void **state)
{
    (void)state;
    sn_book b;
    sn_book_init(&b, NULL, 0);
    uint64_t seed = 3, order[200];
    for (uint64_t i = 0; i < 200; i++)
        order[i] = i;
    for (uint64_t i = 199; i > 0; i--) {
        uint64_t j = series_random(&seed) % (i + 1), t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
    for (int i = 0; i < 200; i++) {
        sn_ledger l = request(order[i]);
        assert_int_equal(sn_book_add(&b, &l), SETSUNA_OK);
        assert_int_equal(b.n_worst, i < SN_BOOK_WORST ? i + 1 : SN_BOOK_WORST);
    }
    uint64_t walls[200];
    for (uint64_t i = 0; i < 200; i++)
        walls[i] = request(i).wall_ns;
    sn_sort_u64(walls, 200);
    for (int i = 0; i < SN_BOOK_WORST; i++) {
        assert_int_equal(b.worst[i].wall_ns, walls[199 - i]);
        sn_ledger whole = request(b.worst[i].id);
        assert_memory_equal(b.worst[i].stage_ns, whole.stage_ns, sizeof whole.stage_ns);
    }
    sn_book_fini(&b);
}

static void test_overdrawn_and_flawed(void **state)
{
    (void)state;
    sn_book b;
    sn_book_init(&b, NULL, 0);
    fill(&b, 0, 3);
    sn_ledger l;
    sn_ledger_begin_at(&l, 0, 0);
    assert_int_equal(sn_book_add(&b, &l), SETSUNA_EINVAL);
    assert_int_equal(b.n, 3);
    sn_ledger_add_at(&l, SN_STAGE_EXECUTE, 2000, 1000);
    sn_ledger_leave_at(&l, SN_STAGE_EXECUTE, 1000);
    sn_ledger_close_at(&l, 1000);
    l.known |= SN_LEDGER_KNOWN_COUNTS;
    l.n_minor_faults = 12;
    assert_int_equal(sn_book_add(&b, &l), SETSUNA_OK);
    fill(&b, 3, 4);
    sn_book_summary s;
    assert_int_equal(sn_book_summarize(&b, &s), SETSUNA_OK);
    assert_int_equal(s.n_flawed, 1);
    assert_int_equal(s.overdrawn.ns.n, 5);
    assert_int_equal(s.overdrawn.ns.max, 1000);
    assert_true(s.overdrawn.ns.mean == 200);
    assert_int_equal(s.n_counted, 1);
    assert_int_equal(s.n_minor_faults, 12);
    assert_closes(&s);
    sn_book_fini(&b);
}

static void check_merge(uint64_t a_end, uint64_t b_end, size_t cap)
{
    sn_book a, b, all;
    sn_book_init(&a, NULL, cap);
    sn_book_init(&b, NULL, cap);
    sn_book_init(&all, NULL, cap);
    fill(&a, 0, a_end);
    fill(&b, a_end, b_end);
    fill(&all, 0, b_end);
    assert_int_equal(sn_book_merge(&a, &b), SETSUNA_OK);
    assert_int_equal(a.n, all.n);
    assert_int_equal(a.n_worst, all.n_worst);
    for (uint32_t i = 0; i < a.n_worst; i++)
        assert_int_equal(a.worst[i].id, all.worst[i].id);
    for (int i = 0; i < SN_BOOK_SERIES; i++) {
        const sn_samples *got = &a.series[i], *want = &all.series[i];
        assert_int_equal(got->n, want->n);
        if (want->n <= cap) {
            assert_int_equal(got->n_log, want->n);
            for (size_t k = 0; k < want->n; k++)
                assert_int_equal(got->log[k], want->log[k]);
        }
        if (want->n > want->n_log)
            assert_memory_equal(got->histogram->count, want->histogram->count, sizeof want->histogram->count);
    }
    sn_book_fini(&a);
    sn_book_fini(&b);
    sn_book_fini(&all);
}

static void test_merge(void **state)
{
    (void)state;
    check_merge(5, 40, 1000); /* only the second has stage load */
    check_merge(30, 60, 1000);
    check_merge(0, 20, 1000);
    check_merge(20, 20, 1000);
    check_merge(30, 60, 40); /* both exact, together not */
    check_merge(50, 60, 40);
    check_merge(5, 60, 40);
}

/* The nth allocation fails: the book keeps the requests it has, and nothing leaks. */
static void test_out_of_memory(void **state)
{
    (void)state;
    bool clean = false;
    for (int left = 0; !clean; left++) {
        counting c = {.left = left};
        sn_allocator a = {&c, counting_alloc, counting_free};
        sn_book b, src;
        sn_book_init(&b, &a, 30);
        sn_book_init(&src, NULL, 30);
        fill(&src, 0, 50);
        uint64_t added = 0;
        for (uint64_t i = 0; i < 20; i++) {
            sn_ledger l = request(i);
            added += sn_book_add(&b, &l) == SETSUNA_OK;
            assert_int_equal(b.n, added);
        }
        bool merged = sn_book_merge(&b, &src) == SETSUNA_OK;
        assert_int_equal(b.n, added + (merged ? 50 : 0));
        assert_int_equal(b.series[SN_BOOK_WALL].n, b.n);
        sn_book_summary s = {.n = 999};
        bool summed = sn_book_summarize(&b, &s) == SETSUNA_OK;
        assert_int_equal(s.n, summed ? b.n : 999);
        if (summed && s.n > 0)
            assert_closes(&s);
        clean = added == 20 && merged && summed;
        sn_book_fini(&b);
        sn_book_fini(&src);
        assert_int_equal(c.live, 0);
        assert_true(left < 500);
    }
}

static void test_reserve(void **state)
{
    (void)state;
    counting c = {.left = 100};
    sn_allocator a = {&c, counting_alloc, counting_free};
    sn_book b;
    sn_book_init(&b, &a, 50);
    fill(&b, 9, 11); /* every stage and wait of these requests is met once */
    assert_int_equal(sn_book_reserve(&b, 302), SETSUNA_OK);
    c.left = 0;
    fill(&b, 100, 150);
    c.left = 100;
    sn_book_fini(&b);
    assert_int_equal(c.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_summary),
        cmocka_unit_test(test_worst_are_kept_whole),
        cmocka_unit_test(test_overdrawn_and_flawed),
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_reserve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
