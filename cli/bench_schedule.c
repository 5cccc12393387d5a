#include "cli/bench_schedule.h"
#include "base/clock.h"
#include "base/sleep.h"
#include "base/status.h"
#include "stats/early_stop.h"
#include <pthread.h>

/* Arrivals of which it is counted that they had no turn; more are not worth the counting. */
enum { BENCH_UNSERVED_MAX = 100000000, BENCH_SERVED_MIN = 10 };

/* Before a request is due: enough for a server's `ready`. */
#define BENCH_READY_NS UINT64_C(5000)

setsuna_status sn_bench_schedule_init(sn_bench_schedule *b, const sn_bench_schedule_options *o, setsuna_error *err)
{
    sn_schedule s;
    SN_TRY(sn_schedule_parse(o->text, o->seed, &s, err));
    *b = (sn_bench_schedule){.schedule = s, .options = *o};
    sn_samples_init(&b->latency, NULL, 100000000);
    sn_samples_init(&b->outcome, NULL, 0);
    sn_samples_init(&b->service, NULL, 0);
    return SETSUNA_OK;
}

void sn_bench_schedule_fini(sn_bench_schedule *b)
{
    if (!b->options.text)
        return;
    sn_schedule_fini(&b->schedule);
    sn_samples_fini(&b->latency);
    sn_samples_fini(&b->outcome);
    sn_samples_fini(&b->service);
    sn_free(sn_allocator_default(), b->time);
    *b = (sn_bench_schedule){.n = 0};
}

static setsuna_status bench_keep(sn_bench_schedule *b, const sn_bench_time *t, setsuna_error *err)
{
    if ((b->n == b->room && !sn_grow(sn_allocator_default(), &b->time, &b->room, b->n + 1, sizeof *b->time)) ||
        sn_samples_record(&b->outcome, t->end_ns - t->due_ns) != SETSUNA_OK ||
        sn_samples_record(&b->service, t->end_ns - t->begin_ns) != SETSUNA_OK)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory after %zu requests", b->n);
    b->time[b->n++] = *t;
    return SETSUNA_OK;
}

static setsuna_status bench_lose(sn_bench_schedule *b, const sn_bench_server *server, uint64_t due_ns, uint64_t now_ns,
                                 bool dropped, setsuna_error *err)
{
    if (sn_samples_record(&b->outcome, SN_OBJECTIVE_LOST) != SETSUNA_OK)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory after %zu requests", b->n);
    b->n_dropped += dropped;
    b->n_unserved += !dropped;
    return server->lose(server->ctx, due_ns, now_ns, dropped, err);
}

/* What due times of an open loop count from. */
static uint64_t bench_origin(const sn_bench_schedule *b)
{
    return b->begin_ns + b->paused_ns;
}

static bool bench_stopped(const sn_bench_schedule *b)
{
    return b->options.stop && *b->options.stop;
}

/* The time for arrivals is over. Offline, all of them are due at once. */
static bool bench_is_over(const sn_bench_schedule *b, uint64_t n, uint64_t due_ns)
{
    if (b->options.runs)
        return n >= b->options.runs;
    return b->schedule.scenario != SN_SCENARIO_OFFLINE && due_ns >= bench_origin(b) + b->length_ns &&
           (n >= BENCH_SERVED_MIN || sn_schedule_is_open(&b->schedule));
}

/* Of frames: so many newer ones are due already that this one, due or not yet begun, is overtaken. */
static bool bench_is_overtaken(const sn_bench_schedule *b, uint64_t now_ns)
{
    if (b->schedule.kind != SN_SCHEDULE_FRAMES)
        return false;
    sn_schedule ahead = b->schedule;
    sn_arrival a;
    for (uint32_t k = 0; k < b->schedule.queue; k++)
        if (!sn_schedule_next(&ahead, &a) || bench_origin(b) + a.due_ns > now_ns)
            return false;
    return true;
}

/* Request n, due at due_ns, has no turn; nor have those after it that are due within the time. */
static setsuna_status bench_give_up(sn_bench_schedule *b, const sn_bench_server *server, uint64_t n, uint64_t due_ns,
                                    setsuna_error *err)
{
    uint64_t now = sn_now_ns();
    sn_arrival a;
    do {
        SN_TRY(bench_lose(b, server, due_ns, now, false, err));
        if (b->n_unserved == BENCH_UNSERVED_MAX || !sn_schedule_next(&b->schedule, &a))
            return SETSUNA_OK;
        due_ns = bench_origin(b) + a.due_ns;
    } while (!bench_is_over(b, ++n, due_ns));
    return SETSUNA_OK;
}

/* When the next request is due on a server that became free at free_ns; multi: with all of its query. */
static uint64_t bench_due(const sn_bench_schedule *b, const sn_arrival *a, uint64_t n, uint64_t free_ns,
                          uint64_t before)
{
    if (!a->after_end)
        return bench_origin(b) + a->due_ns;
    if (b->schedule.kind == SN_SCHEDULE_MULTI && n % b->schedule.point[0] != 0)
        return before;
    return free_ns + a->due_ns;
}

/* The time is over and nobody waits: whether it goes on. Both times move with the pause. */
static bool bench_extends(sn_bench_schedule *b, uint64_t *due_ns, uint64_t *free_ns)
{
    uint64_t asked = sn_now_ns(), more = b->options.extend(b->options.extend_ctx, b), pause = sn_now_ns() - asked;
    b->paused_ns += pause;
    *due_ns += pause;
    *free_ns += pause;
    b->length_ns += more;
    return more > 0;
}

static bool bench_is_given_up(const sn_bench_schedule *b, uint64_t n, uint64_t free_ns, uint64_t due_ns)
{
    return !b->options.runs && free_ns > bench_origin(b) + 2 * b->length_ns && due_ns < free_ns &&
           n >= BENCH_SERVED_MIN;
}

/* One server, one queue. */
static setsuna_status bench_queue(sn_bench_schedule *b, const sn_bench_server *server, setsuna_error *err)
{
    uint64_t free_ns = b->begin_ns, due = free_ns;
    sn_arrival a;
    for (uint64_t n = 0; sn_schedule_next(&b->schedule, &a); n++) {
        SN_TRY(server->prepare(server->ctx, err));
        free_ns = n ? sn_now_ns() : free_ns;
        due = bench_due(b, &a, n, free_ns, due);
        bool over = bench_is_over(b, n, due), waits = due < free_ns;
        if (bench_stopped(b) || (over && !b->options.extend))
            return SETSUNA_OK;
        if (over && !waits && !bench_extends(b, &due, &free_ns))
            return SETSUNA_OK;
        if (bench_is_given_up(b, n, free_ns, due))
            return bench_give_up(b, server, n, due, err);
        b->last_due_ns = due - bench_origin(b);
        if (due < free_ns && bench_is_overtaken(b, free_ns)) {
            SN_TRY(bench_lose(b, server, due, free_ns, true, err));
            continue;
        }
        if (due > BENCH_READY_NS && !sn_sleep_until(due - BENCH_READY_NS, b->options.stop))
            return SETSUNA_OK;
        server->ready(server->ctx);
        if (!sn_sleep_until(due, b->options.stop))
            return SETSUNA_OK;
        sn_bench_time t = {.due_ns = due, .free_ns = free_ns, .begin_ns = sn_now_ns(), .point = a.point};
        SN_TRY(server->serve(server->ctx, n, &t, &t.end_ns, err));
        SN_TRY(bench_keep(b, &t, err));
    }
    return SETSUNA_OK;
}

/* A server of a closed loop, with its own part of the schedule's requests. */
typedef struct bench_lane {
    const sn_bench_server *server;
    sn_bench_schedule own; /* its times only */
    setsuna_status status;
    setsuna_error err;
    pthread_t thread;
} bench_lane;

static void *bench_lane_run(void *arg)
{
    bench_lane *l = arg;
    l->status = bench_queue(&l->own, l->server, &l->err);
    return NULL;
}

/* The lanes' times, by their beginning: N lists that are in order already. */
static setsuna_status bench_merge(sn_bench_schedule *b, bench_lane *lane, uint32_t n_lanes, setsuna_error *err)
{
    size_t at[SN_SCHEDULE_IN_FLIGHT_MAX] = {0};
    for (;;) {
        uint32_t first = n_lanes;
        for (uint32_t k = 0; k < n_lanes; k++)
            if (at[k] < lane[k].own.n &&
                (first == n_lanes || lane[k].own.time[at[k]].begin_ns < lane[first].own.time[at[first]].begin_ns))
                first = k;
        if (first == n_lanes)
            return SETSUNA_OK;
        SN_TRY(bench_keep(b, &lane[first].own.time[at[first]++], err));
    }
}

static setsuna_status bench_lanes(sn_bench_schedule *b, const sn_bench_server *server, setsuna_error *err)
{
    uint32_t n = b->schedule.in_flight, started = 0;
    bench_lane *lane = sn_alloc_zero(sn_allocator_default(), n * sizeof *lane);
    if (!lane)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory for %u in flight", n);
    setsuna_status status = SETSUNA_OK;
    for (; started < n; started++) {
        bench_lane *l = &lane[started];
        *l = (bench_lane){.server = &server[started], .own = *b};
        if (b->options.runs) /* shared out; the first ones have one more */
            l->own.options.runs = b->options.runs / n + (started < b->options.runs % n);
        if (b->options.runs && l->own.options.runs == 0)
            break; /* fewer runs than lanes */
        if (pthread_create(&l->thread, NULL, bench_lane_run, l) != 0) {
            status = sn_fail(err, SETSUNA_EIO, NULL, "thread %u of %u could not be started", started + 1, n);
            break;
        }
    }
    for (uint32_t k = 0; k < started; k++)
        pthread_join(lane[k].thread, NULL);
    for (uint32_t k = 0; k < started && status == SETSUNA_OK; k++)
        if (lane[k].status != SETSUNA_OK) {
            status = lane[k].status;
            if (err)
                *err = lane[k].err;
        }
    if (status == SETSUNA_OK)
        status = bench_merge(b, lane, started, err);
    for (uint32_t k = 0; k < started; k++) {
        sn_free(sn_allocator_default(), lane[k].own.time);
        sn_samples_fini(&lane[k].own.outcome);
        sn_samples_fini(&lane[k].own.service);
    }
    sn_free(sn_allocator_default(), lane);
    return status;
}

setsuna_status sn_bench_schedule_measure(sn_bench_schedule *b, const sn_bench_server *server, setsuna_error *err)
{
    sn_schedule_rewind(&b->schedule, b->options.seed);
    b->length_ns = b->options.duration_ns;
    b->begin_ns = sn_now_ns();
    setsuna_status status = b->schedule.in_flight > 1 ? bench_lanes(b, server, err) : bench_queue(b, server, err);
    b->end_ns = sn_now_ns();
    return status;
}

/* The scenario's figure: of queries, each of which is `at_once` requests. */
static setsuna_status bench_scenario(sn_bench_schedule *b)
{
    sn_schedule_result *r = &b->result;
    const sn_scenario_rules *rules = sn_scenario_get(b->schedule.scenario);
    if (!rules)
        return SETSUNA_OK;
    size_t each = b->schedule.kind == SN_SCHEDULE_MULTI ? b->schedule.point[0] : 1, n = b->n / each;
    r->scenario_queries = n;
    r->scenario_valid = r->duration_ns >= rules->min_duration_ns && n >= rules->min_queries;
    uint64_t rank = rules->percentile > 0 ? sn_early_stop_rank(n, rules->percentile) : 0;
    if (rank == 0)
        return SETSUNA_OK;
    uint64_t *query = sn_alloc(sn_allocator_default(), n * sizeof *query);
    if (!query)
        return SETSUNA_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const sn_bench_time *last = &b->time[i * each + each - 1];
        query[i] = last->end_ns - last->due_ns;
    }
    sn_sort_u64(query, n);
    r->scenario_ns = query[rank - 1];
    sn_free(sn_allocator_default(), query);
    return SETSUNA_OK;
}

typedef uint64_t bench_part(const sn_bench_time *t);

static uint64_t bench_part_latency(const sn_bench_time *t)
{
    return t->end_ns - t->due_ns;
}

static uint64_t bench_part_queue(const sn_bench_time *t)
{
    return t->free_ns > t->due_ns ? t->free_ns - t->due_ns : 0;
}

static uint64_t bench_part_lag(const sn_bench_time *t)
{
    return t->begin_ns - (t->free_ns > t->due_ns ? t->free_ns : t->due_ns);
}

static uint64_t bench_part_service(const sn_bench_time *t)
{
    return t->end_ns - t->begin_ns;
}

/* Of all requests, or of those of one point of a curve. */
static void bench_summary(const sn_bench_schedule *b, bench_part *part, int64_t point, uint64_t *scratch,
                          sn_summary *out)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++)
        if (point < 0 || b->time[i].point == point)
            scratch[n++] = part(&b->time[i]);
    sn_summary_exact(scratch, n, scratch, out);
}

/* Arrivals that were due, over the time in which they were; 0 for a closed loop. */
static double bench_offered(const sn_bench_schedule *b)
{
    double due = (double)b->last_due_ns * 1e-9;
    return sn_schedule_is_open(&b->schedule) && due > 0 ? (double)(b->n + b->n_dropped - 1) / due : 0;
}

setsuna_status sn_bench_schedule_summarize(sn_bench_schedule *b)
{
    sn_schedule_result *r = &b->result;
    uint64_t *scratch = sn_alloc(sn_allocator_default(), (b->n + 1) * sizeof *scratch);
    if (!scratch || sn_samples_reserve(&b->latency, b->n) != SETSUNA_OK) {
        sn_free(sn_allocator_default(), scratch);
        return SETSUNA_ENOMEM;
    }
    *r = (sn_schedule_result){.text = b->options.text,
                              .seed = b->options.seed,
                              .schedule = &b->schedule,
                              .n_dropped = b->n_dropped,
                              .n_unserved = b->n_unserved,
                              .duration_ns = b->end_ns - b->begin_ns - b->paused_ns};
    r->deadline_ns = b->options.deadline_ns ? b->options.deadline_ns : b->schedule.deadline_ns;
    uint64_t served = 0;
    for (size_t i = 0; i < b->n; i++) {
        uint64_t ns = bench_part_latency(&b->time[i]);
        (void)sn_samples_record(&b->latency, ns); /* has room */
        r->n_late += r->deadline_ns && ns > r->deadline_ns;
        served += bench_part_service(&b->time[i]);
    }
    bench_summary(b, bench_part_queue, -1, scratch, &r->queue);
    bench_summary(b, bench_part_lag, -1, scratch, &r->lag);
    bench_summary(b, bench_part_service, -1, scratch, &r->service);
    for (uint32_t i = 0; i < b->schedule.n_points; i++)
        bench_summary(b, bench_part_latency, i, scratch, &r->point[i]);
    sn_free(sn_allocator_default(), scratch);
    r->busy = (double)served / ((double)(r->duration_ns ? r->duration_ns : 1) * b->schedule.in_flight);
    r->offered_per_s = bench_offered(b);
    return bench_scenario(b);
}

void sn_bench_schedule_judged(const sn_bench_schedule *b, sn_objective_run *out)
{
    double rate = sn_schedule_rate(&b->schedule);
    bool open = sn_schedule_is_open(&b->schedule), queue = b->schedule.kind == SN_SCHEDULE_RATE && rate > 0;
    uint64_t end = b->end_ns ? b->end_ns : sn_now_ns(), took = end - b->begin_ns - b->paused_ns;
    *out = (sn_objective_run){.latency = &b->outcome,
                              .limit_ns = b->options.deadline_ns ? b->options.deadline_ns : b->schedule.deadline_ns,
                              .open = open,
                              .service = queue ? &b->service : NULL,
                              .given_up = queue && b->n_unserved > 0};
    if (open)
        out->rate_per_s = rate > 0 ? rate : bench_offered(b);
    else
        out->rate_per_s = (double)b->n * 1e9 / (double)(took ? took : 1);
}
