#include "base/file.h"
#include "base/scan.h"
#include "base/status.h"
#include "schedule/schedule.h"
#include <math.h>
#include <string.h>

/* A walk over the text; every message says where in it. */
typedef struct parse {
    const char *text, *p;
    setsuna_error *err;
} parse;

static setsuna_status parse_fail(const parse *w, const char *wanted)
{
    char rest[41] = "the end";
    if (*w->p) {
        size_t n = strnlen(w->p, sizeof rest - 3);
        rest[0] = '"';
        memcpy(rest + 1, w->p, n);
        memcpy(rest + 1 + n, "\"", 2);
    }
    return sn_fail(w->err, SETSUNA_EINVAL, "--schedule", "\"%s\", at character %zu: wants %s, not %s", w->text,
                   (size_t)(w->p - w->text) + 1, wanted, rest);
}

static bool parse_take(parse *w, const char *literal)
{
    return sn_scan_literal(&w->p, literal);
}

static bool parse_number(parse *w, double *out)
{
    return sn_scan_number(&w->p, out);
}

static setsuna_status parse_count(parse *w, uint64_t min, uint64_t max, const char *wanted, uint64_t *out)
{
    parse at = *w;
    double n;
    if (!parse_number(w, &n) || n != floor(n) || n < (double)min || n > (double)max)
        return parse_fail(&at, wanted);
    *out = (uint64_t)n;
    return SETSUNA_OK;
}

/* "30/s" in arrivals a second; zero: 0 is fine. */
static setsuna_status parse_rate(parse *w, bool zero, double *out)
{
    static const char wanted[] = "a rate from 0.000001/s to 1000000000/s, such as 30/s or 600/min";
    parse at = *w;
    double n;
    if (!parse_number(w, &n))
        return parse_fail(&at, wanted);
    if (parse_take(w, "/min"))
        n /= 60;
    else if (!parse_take(w, "/s"))
        return parse_fail(w, "/s or /min behind the number");
    if (!((n >= 1e-6 && n <= 1e9) || (zero && n == 0)))
        return parse_fail(&at, wanted);
    *out = n;
    return SETSUNA_OK;
}

/* From 1 ns (or 0 where zero) to a year. */
static setsuna_status parse_time(parse *w, bool zero, uint64_t *out)
{
    parse at = *w;
    double n, ns = -1;
    if (!parse_number(w, &n))
        return parse_fail(&at, "a time such as 10s, 500ms or 20us");
    if (sn_scan_time_unit(&w->p, &ns))
        ns = floor(n * ns + 0.5);
    if (ns < 0 && n == 0 && zero)
        ns = 0; /* zero needs no unit */
    if (ns < 0)
        return parse_fail(w, "a unit: ns, us, ms, s, m or h");
    if (ns > 365 * 24 * 3.6e12 || (ns < 1 && !zero))
        return parse_fail(&at, "a time from 1ns to a year");
    *out = (uint64_t)ns;
    return SETSUNA_OK;
}

/* ",name=" is next. */
static bool parse_option(parse *w, const char *name)
{
    parse at = *w;
    if (parse_take(w, ",") && parse_take(w, name) && parse_take(w, "="))
        return true;
    *w = at;
    return false;
}

static setsuna_status parse_cv(parse *w, double *out)
{
    parse at = *w;
    double cv;
    if (!parse_number(w, &cv) || cv > 100)
        return parse_fail(&at, "a coefficient of variation from 0 (regular) to 100, such as 4");
    *out = cv;
    return SETSUNA_OK;
}

static setsuna_status parse_cv_option(parse *w, sn_schedule *s)
{
    return parse_option(w, "cv") ? parse_cv(w, &s->cv) : SETSUNA_OK;
}

static setsuna_status parse_want(parse *w, const char *literal, const char *wanted)
{
    return parse_take(w, literal) ? SETSUNA_OK : parse_fail(w, wanted);
}

static void parse_forever(sn_schedule *s, double rate)
{
    s->segment[s->n_segments++] = (sn_schedule_segment){.length_ns = UINT64_MAX, .begin_rate = rate, .end_rate = rate};
}

/* One rate for ever, with the cv that is set already. */
static setsuna_status parse_steady(parse *w, sn_schedule *s)
{
    double rate;
    SN_TRY(parse_rate(w, false, &rate));
    parse_forever(s, rate);
    return SETSUNA_OK;
}

static setsuna_status parse_constant(parse *w, sn_schedule *s)
{
    s->cv = 0;
    return parse_steady(w, s);
}

static setsuna_status parse_gamma(parse *w, sn_schedule *s)
{
    SN_TRY(parse_steady(w, s));
    SN_TRY(parse_want(w, ",cv=", "\",cv=\" and a coefficient of variation, as in gamma:200/s,cv=4"));
    return parse_cv(w, &s->cv);
}

static setsuna_status parse_ramp(parse *w, sn_schedule *s)
{
    sn_schedule_segment g;
    SN_TRY(parse_rate(w, true, &g.begin_rate));
    SN_TRY(parse_want(w, "..", "\"..\" and the last rate, as in ramp:10/s..200/s,over=30s"));
    SN_TRY(parse_rate(w, false, &g.end_rate));
    SN_TRY(parse_want(w, ",over=", "\",over=\" and how long it takes, as in ramp:10/s..200/s,over=30s"));
    SN_TRY(parse_time(w, false, &g.length_ns));
    s->segment[s->n_segments++] = g;
    parse_forever(s, g.end_rate);
    return parse_cv_option(w, s);
}

static setsuna_status parse_step(parse *w, sn_schedule *s)
{
    double rate = 0;
    do {
        sn_schedule_segment g;
        if (s->n_segments == SN_SCHEDULE_POINTS_MAX - 1)
            return parse_fail(w, "no more than 31 steps");
        SN_TRY(parse_rate(w, true, &g.begin_rate));
        rate = g.end_rate = g.begin_rate;
        SN_TRY(parse_want(w, "@", "\"@\" and how long this rate lasts, as in step:100/s@10s,200/s@10s"));
        SN_TRY(parse_time(w, false, &g.length_ns));
        s->segment[s->n_segments++] = g;
    } while (*w->p == ',' && strncmp(w->p, ",cv=", 4) != 0 && w->p++);
    if (rate == 0)
        return parse_fail(w, "a last rate above 0, since it stays");
    parse_forever(s, rate);
    return parse_cv_option(w, s);
}

static setsuna_status parse_onoff(parse *w, sn_schedule *s)
{
    sn_schedule_segment on, off = {.begin_rate = 0};
    SN_TRY(parse_rate(w, false, &on.begin_rate));
    on.end_rate = on.begin_rate;
    SN_TRY(parse_want(w, ",on=", "\",on=\" and a time, as in onoff:200/s,on=1s,off=2s"));
    SN_TRY(parse_time(w, false, &on.length_ns));
    SN_TRY(parse_want(w, ",off=", "\",off=\" and a time, as in onoff:200/s,on=1s,off=2s"));
    SN_TRY(parse_time(w, false, &off.length_ns));
    if (parse_option(w, "low"))
        SN_TRY(parse_rate(w, true, &off.begin_rate));
    off.end_rate = off.begin_rate;
    s->segment[s->n_segments++] = on;
    s->segment[s->n_segments++] = off;
    s->cycles = true;
    return parse_cv_option(w, s);
}

static setsuna_status parse_trace(parse *w, sn_schedule *s)
{
    char path[4096];
    size_t n = strlen(w->p);
    for (const char *at = w->p; (at = strstr(at, ",speed=")) != NULL; at++) /* the last one: names may have commas */
        n = (size_t)(at - w->p);
    if (n == 0 || n >= sizeof path)
        return parse_fail(w, "a file with arrival times, as in trace:arrivals.txt");
    memcpy(path, w->p, n);
    path[n] = '\0';
    w->p += n;
    if (parse_option(w, "speed")) {
        parse at = *w;
        if (!parse_number(w, &s->speed) || !(s->speed >= 1e-3 && s->speed <= 1e6))
            return parse_fail(&at, "a factor from 0.001 to 1000000, such as 2 for twice as fast");
    }
    if (*w->p) /* before the file is read */
        return SETSUNA_OK;
    sn_bytes file;
    SN_TRY(sn_file_read(path, SN_TRACE_BYTES_MAX, &file, w->err));
    setsuna_status status =
        sn_trace_parse(sn_allocator_default(), (const char *)file.data, file.size, path, &s->trace, w->err);
    sn_bytes_fini(&file);
    return status;
}

static setsuna_status parse_frames(parse *w, sn_schedule *s)
{
    uint64_t n;
    SN_TRY(parse_constant(w, s));
    s->deadline_ns = (uint64_t)(1e9 / s->segment[0].begin_rate);
    s->queue = 1;
    if (parse_option(w, "deadline"))
        SN_TRY(parse_time(w, false, &s->deadline_ns));
    if (parse_option(w, "queue")) {
        SN_TRY(parse_count(w, 1, 1000000, "how many frames wait at most, from 1", &n));
        s->queue = (uint32_t)n;
    }
    return SETSUNA_OK;
}

static setsuna_status parse_closed(parse *w, sn_schedule *s)
{
    uint64_t n;
    SN_TRY(parse_count(w, 1, SN_SCHEDULE_IN_FLIGHT_MAX, "how many are in flight, from 1 to 256", &n));
    s->in_flight = (uint32_t)n;
    return SETSUNA_OK;
}

static setsuna_status parse_points(parse *w, sn_schedule *s, bool times)
{
    do {
        if (s->n_points == SN_SCHEDULE_POINTS_MAX)
            return parse_fail(w, "no more than 32 points of a curve");
        uint64_t *point = &s->point[s->n_points];
        if (times)
            SN_TRY(parse_time(w, true, point));
        else
            SN_TRY(parse_count(w, 1, SN_SCHEDULE_AT_ONCE_MAX, "how many requests come at once, from 1", point));
        s->n_points++;
    } while (*w->p == ',' && w->p[1] >= '0' && w->p[1] <= '9' && w->p++);
    return SETSUNA_OK;
}

static setsuna_status parse_idle(parse *w, sn_schedule *s)
{
    return parse_points(w, s, true);
}

static setsuna_status parse_burst(parse *w, sn_schedule *s)
{
    SN_TRY(parse_points(w, s, false));
    SN_TRY(parse_want(w, ",every=", "\",every=\" and a time, as in burst:1,2,4,every=100ms"));
    return parse_time(w, false, &s->every_ns);
}

/* N at once, or as many as the scenario says. */
static setsuna_status parse_at_once(parse *w, sn_schedule *s)
{
    s->n_points = 1;
    s->point[0] = sn_scenario_get(s->scenario)->samples;
    return w->p[0] == '\0' && w->p[-1] != ':'
               ? SETSUNA_OK
               : parse_count(w, 1, SN_SCHEDULE_AT_ONCE_MAX, "how many samples come at once, from 1", &s->point[0]);
}

static setsuna_status parse_nothing(parse *w, sn_schedule *s)
{
    (void)w;
    (void)s;
    return SETSUNA_OK;
}

typedef struct parse_kind {
    const char *name;
    sn_schedule_kind kind;
    sn_scenario scenario;
    int value; /* behind a colon: 1 must be there, 0 may, -1 must not */
    setsuna_status (*parse)(parse *w, sn_schedule *s);
} parse_kind;

static const parse_kind parse_kinds[] = {
    {"closed", SN_SCHEDULE_CLOSED, SN_SCENARIO_NONE, 0, parse_closed},
    {"constant", SN_SCHEDULE_RATE, SN_SCENARIO_NONE, 1, parse_constant},
    {"poisson", SN_SCHEDULE_RATE, SN_SCENARIO_NONE, 1, parse_steady},
    {"gamma", SN_SCHEDULE_RATE, SN_SCENARIO_NONE, 1, parse_gamma},
    {"ramp", SN_SCHEDULE_RATE, SN_SCENARIO_NONE, 1, parse_ramp},
    {"step", SN_SCHEDULE_RATE, SN_SCENARIO_NONE, 1, parse_step},
    {"onoff", SN_SCHEDULE_RATE, SN_SCENARIO_NONE, 1, parse_onoff},
    {"trace", SN_SCHEDULE_TRACE, SN_SCENARIO_NONE, 1, parse_trace},
    {"frames", SN_SCHEDULE_FRAMES, SN_SCENARIO_NONE, 1, parse_frames},
    {"idle", SN_SCHEDULE_IDLE, SN_SCENARIO_NONE, 1, parse_idle},
    {"burst", SN_SCHEDULE_BURST, SN_SCENARIO_NONE, 1, parse_burst},
    {"single-stream", SN_SCHEDULE_CLOSED, SN_SCENARIO_SINGLE_STREAM, -1, parse_nothing},
    {"multi-stream", SN_SCHEDULE_MULTI, SN_SCENARIO_MULTI_STREAM, 0, parse_at_once},
    {"server", SN_SCHEDULE_RATE, SN_SCENARIO_SERVER, 1, parse_steady},
    {"offline", SN_SCHEDULE_BURST, SN_SCENARIO_OFFLINE, 0, parse_at_once},
};

static const parse_kind *parse_find(const char *text, size_t n)
{
    for (size_t i = 0; i < sizeof parse_kinds / sizeof *parse_kinds; i++)
        if (strlen(parse_kinds[i].name) == n && memcmp(parse_kinds[i].name, text, n) == 0)
            return &parse_kinds[i];
    return NULL;
}

static setsuna_status parse_schedule(parse *w, sn_schedule *s)
{
    size_t n = strcspn(w->p, ":");
    const parse_kind *kind = parse_find(w->p, n);
    if (!kind)
        return parse_fail(w, "one of closed, constant, poisson, gamma, ramp, step, onoff, trace, frames, idle, burst, "
                             "single-stream, multi-stream, server, offline");
    w->p += n;
    if (*w->p ? kind->value < 0 : kind->value > 0)
        return parse_fail(w,
                          kind->value < 0 ? "nothing more" : "a colon and what comes behind it: --help has examples");
    s->kind = kind->kind;
    s->scenario = kind->scenario;
    bool has_value = *w->p == ':';
    w->p += has_value;
    if (has_value || kind->parse == parse_at_once)
        SN_TRY(kind->parse(w, s));
    return *w->p ? parse_fail(w, "nothing more") : SETSUNA_OK;
}

setsuna_status sn_schedule_parse(const char *text, uint64_t seed, sn_schedule *out, setsuna_error *err)
{
    parse w = {.text = text, .p = text, .err = err};
    sn_schedule s = {.in_flight = 1, .cv = 1, .speed = 1, .trace = {.allocator = sn_allocator_default()}};
    setsuna_status status = parse_schedule(&w, &s);
    if (status != SETSUNA_OK) {
        sn_schedule_fini(&s);
        return status;
    }
    sn_schedule_rewind(&s, seed);
    *out = s;
    return SETSUNA_OK;
}
