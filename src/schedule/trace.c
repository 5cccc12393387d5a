#include "schedule/trace.h"
#include "base/status.h"
#include <stdbool.h>
#include <string.h>

/* Seconds that fit 2^62 ns: 146 years, more than an epoch holds. */
#define TRACE_SECONDS_MAX UINT64_C(4611686018)

static bool trace_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The number at p as nanoseconds; NULL where there is none that fits, otherwise its end. */
static const char *trace_number(const char *p, const char *end, uint64_t *ns_out)
{
    uint64_t seconds = 0, ns = 0, unit = 100000000;
    if (p == end || !trace_is_digit(*p))
        return NULL;
    for (; p < end && trace_is_digit(*p); p++) {
        seconds = seconds * 10 + (uint64_t)(*p - '0');
        if (seconds >= TRACE_SECONDS_MAX)
            return NULL;
    }
    if (p < end && *p == '.')
        for (p++; p < end && trace_is_digit(*p); p++, unit /= 10)
            ns += unit * (uint64_t)(*p - '0'); /* beyond nine decimals the unit is 0 */
    *ns_out = seconds * 1000000000 + ns;
    return p;
}

static bool trace_is_separator(char c)
{
    return c == ',' || c == ';' || c == ' ' || c == '\t' || c == '\r';
}

/* One line into t. */
static setsuna_status trace_line(sn_trace *t, const char *p, const char *end, const char *name, size_t line,
                                 uint64_t *first, setsuna_error *err)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    if (p == end || *p == '#' || *p == '\r')
        return SETSUNA_OK;
    uint64_t at;
    const char *after = trace_number(p, end, &at);
    if (!after && line == 1 && !trace_is_digit(*p) && *p != '-' && *p != '+' && *p != '.')
        return SETSUNA_OK; /* a heading */
    if (!after || (after < end && !trace_is_separator(*after)))
        return sn_fail(err, SETSUNA_EINPUT, name,
                       "line %zu: wants a time in seconds such as 12.345, below %llu, as its first field", line,
                       (unsigned long long)TRACE_SECONDS_MAX);
    if (t->n == 0)
        *first = at;
    if (at < *first || (t->n && at - *first < t->at_ns[t->n - 1]))
        return sn_fail(err, SETSUNA_EINPUT, name,
                       "line %zu: this time is before the one above it; sort the file: sort -n -s", line);
    if (t->n == SN_TRACE_LINES_MAX)
        return sn_fail(err, SETSUNA_ELIMIT, name, "more than %d arrivals", SN_TRACE_LINES_MAX);
    if (t->n == t->room && !sn_grow(t->allocator, &t->at_ns, &t->room, t->n + 1, sizeof *t->at_ns))
        return sn_fail(err, SETSUNA_ENOMEM, name, "out of memory for %zu arrivals", t->n);
    t->at_ns[t->n++] = at - *first;
    return SETSUNA_OK;
}

setsuna_status sn_trace_parse(const sn_allocator *a, const char *text, size_t size, const char *name, sn_trace *out,
                              setsuna_error *err)
{
    sn_trace t = {.allocator = a};
    uint64_t first = 0;
    size_t line = 1;
    setsuna_status status = SETSUNA_OK;
    for (const char *p = text, *end = text + size; status == SETSUNA_OK && size && p < end; line++) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline ? newline : end;
        status = trace_line(&t, p, stop, name, line, &first, err);
        p = newline ? newline + 1 : end;
    }
    if (status == SETSUNA_OK && t.n == 0)
        status = sn_fail(err, SETSUNA_EINPUT, name, "no arrival times in it: one a line, in seconds");
    if (status != SETSUNA_OK) {
        sn_trace_fini(&t);
        return status;
    }
    *out = t;
    return SETSUNA_OK;
}

void sn_trace_fini(sn_trace *t)
{
    sn_free(t->allocator, t->at_ns);
    t->at_ns = NULL;
    t->n = t->room = 0;
}
