/* The ring's reader against rings made by hand: no kernel. */
#include "causes/perf_ring.h"
#include "unit/stats/series.h"
#include "unit/unit.h"
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES = 4096 };

typedef struct rig {
    struct perf_event_mmap_page control;
    uint8_t data[BYTES];
    sn_perf_id id[2];
    sn_perf_ring ring;
} rig;

static rig *rig_create(void)
{
    rig *r = calloc(1, sizeof *r);
    assert_non_null(r);
    r->id[0] = (sn_perf_id){.id = 77, .source = SN_PERF_IRQ, .kind = SN_STORY_ENTER};
    r->id[1] = (sn_perf_id){.id = 78, .source = SN_PERF_IRQ, .kind = SN_STORY_EXIT};
    r->ring =
        (sn_perf_ring){.control = &r->control, .data = r->data, .data_bytes = BYTES, .cpu = 3, .id = r->id, .n_id = 2};
    return r;
}

/* As the kernel writes backwards: the head falls, and the record lies from there on. */
static void rig_put(rig *r, const void *record, size_t size)
{
    r->control.data_head -= size;
    for (size_t i = 0; i < size; i++)
        r->data[(r->control.data_head + i) % BYTES] = ((const uint8_t *)record)[i];
}

static void rig_switch(rig *r, uint64_t time, uint16_t misc, uint32_t task, uint32_t other)
{
    struct {
        struct perf_event_header h;
        uint32_t other_pid, other_tid, pid, tid;
        uint64_t time;
    } s = {{PERF_RECORD_SWITCH_CPU_WIDE, misc, sizeof s}, other, other, task, task, time};
    rig_put(r, &s, sizeof s);
}

static void rig_sample(rig *r, uint64_t time, uint64_t id, int32_t number)
{
    struct {
        struct perf_event_header h;
        uint64_t id, time;
        uint32_t raw_size;
        uint8_t raw[20];
    } s = {{PERF_RECORD_SAMPLE, 0, sizeof s}, id, time, 20, {0}};
    memcpy(s.raw + 8, &number, sizeof number);
    rig_put(r, &s, sizeof s);
}

static void rig_comm(rig *r, uint32_t task, const char *name)
{
    struct {
        struct perf_event_header h;
        uint32_t pid, tid;
        char comm[16];
        uint32_t pid2, tid2;
        uint64_t time;
    } s = {{PERF_RECORD_COMM, 0, sizeof s}, task, task, "", task, task, 5};
    strncpy(s.comm, name, sizeof s.comm - 1);
    rig_put(r, &s, sizeof s);
}

static void test_records(void **state)
{
    (void)state;
    rig *r = rig_create();
    rig_switch(r, 100, PERF_RECORD_MISC_SWITCH_OUT | PERF_RECORD_MISC_SWITCH_OUT_PREEMPT, 10, 20);
    rig_comm(r, 20, "hog");
    rig_sample(r, 150, 77, 36);
    rig_sample(r, 160, 999, 36); /* nobody asked for it */
    rig_switch(r, 200, PERF_RECORD_MISC_SWITCH_OUT, 20, 10);
    rig_switch(r, 201, 0, 10, 20);
    sn_story_event e[16];
    size_t n = 0;
    assert_true(sn_perf_ring_collect(&r->ring, 0, e, &n, 16));
    assert_int_equal(n, 4);
    assert_int_equal(e[0].kind, SN_STORY_CAME);
    assert_int_equal(e[0].task, 10);
    assert_int_equal(e[0].other, 20);
    assert_int_equal(e[0].time_ns, 201);
    assert_int_equal(e[0].cpu, 3);
    assert_int_equal(e[1].kind, SN_STORY_LEFT);
    assert_int_equal(e[2].kind, SN_STORY_ENTER);
    assert_int_equal(e[2].task, SN_PERF_IRQ);
    assert_int_equal(e[2].other, 36);
    assert_int_equal(e[3].kind, SN_STORY_PUSHED);
    n = 0;
    assert_true(sn_perf_ring_collect(&r->ring, 150, e, &n, 16));
    assert_int_equal(n, 3);
    n = 0;
    assert_false(sn_perf_ring_collect(&r->ring, 0, e, &n, 2)); /* more than fit */
    assert_int_equal(n, 2);
    char name[16];
    assert_true(sn_perf_ring_comm(&r->ring, 20, name));
    assert_string_equal(name, "hog");
    assert_false(sn_perf_ring_comm(&r->ring, 21, name));
    free(r);
}

/* Older records were overwritten: what is asked beyond them is not answered with half of it. */
static void test_overwritten(void **state)
{
    (void)state;
    rig *r = rig_create();
    for (uint64_t i = 1; i <= 1000; i++)
        rig_switch(r, i * 10, PERF_RECORD_MISC_SWITCH_OUT, 1, 2);
    sn_story_event e[1000];
    size_t n = 0;
    assert_true(sn_perf_ring_collect(&r->ring, 9900, e, &n, 1000));
    assert_int_equal(n, 11);
    n = 0;
    assert_false(sn_perf_ring_collect(&r->ring, 10, e, &n, 1000));
    assert_true(n > 50 && n <= BYTES / 32);
    for (size_t i = 1; i < n; i++)
        assert_true(e[i].time_ns < e[i - 1].time_ns);
    free(r);
}

/* Whatever lies in the ring, the reader stays inside it and ends. */
static void test_garbage(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        rig *r = rig_create();
        uint64_t rng = seed;
        for (size_t i = 0; i < BYTES; i++)
            r->data[i] = (uint8_t)(series_random(&rng) >> 13);
        for (size_t i = 0; seed % 2 && i + 8 <= BYTES; i += 8 * (1 + series_random(&rng) % 8)) {
            struct perf_event_header h = {(uint32_t)(series_random(&rng) % 20), (uint16_t)series_random(&rng),
                                          (uint16_t)(series_random(&rng) % 96)};
            memcpy(r->data + i, &h, sizeof h);
        }
        r->control.data_head = series_random(&rng);
        sn_story_event e[64];
        size_t n = 0;
        char name[16];
        sn_perf_ring_collect(&r->ring, 0, e, &n, 64);
        assert_true(n <= 64);
        if (sn_perf_ring_comm(&r->ring, 5, name))
            assert_true(strlen(name) < 16);
        free(r);
    }
}

static void test_short_records(void **state)
{
    (void)state;
    rig *r = rig_create();
    rig_switch(r, 100, 0, 10, 20);
    uint8_t whole[40];
    for (size_t i = 0; i < sizeof whole; i++)
        whole[i] = r->data[(r->control.data_head + i) % BYTES];
    sn_story_event e;
    for (size_t size = 0; size < 32; size++) {
        uint8_t *part = malloc(size + 1);
        assert_non_null(part);
        memcpy(part, whole, size);
        assert_false(sn_perf_parse(part, size, &r->ring, &e));
        free(part);
    }
    assert_true(sn_perf_parse(whole, 32, &r->ring, &e));
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_overwritten),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_short_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
