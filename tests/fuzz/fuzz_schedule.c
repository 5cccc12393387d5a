/* Schedules: the first line is the text of one, the rest a file of arrival times. What is accepted is walked. */
#include "schedule/schedule.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void fuzz_schedule_walk(sn_schedule *s)
{
    sn_arrival a;
    uint64_t before = 0;
    for (int i = 0; i < 1000 && sn_schedule_next(s, &a); i++) {
        if (a.due_ns < before || (s->n_points && a.point >= s->n_points))
            __builtin_trap();
        if (!a.after_end)
            before = a.due_ns;
    }
}

static void fuzz_schedule_trace(const char *text, size_t size)
{
    sn_trace t;
    if (sn_trace_parse(sn_allocator_default(), text, size, "trace", &t, NULL) != SETSUNA_OK)
        return;
    if (t.n == 0 || t.at_ns[0] != 0)
        __builtin_trap();
    for (size_t i = 1; i < t.n; i++)
        if (t.at_ns[i] < t.at_ns[i - 1])
            __builtin_trap();
    sn_trace_fini(&t);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const unsigned char *newline = size ? memchr(data, '\n', size) : NULL;
    size_t n = newline ? (size_t)(newline - data) : size;
    char *text = malloc(n + 1);
    if (!text)
        return 0;
    if (n)
        memcpy(text, data, n);
    text[n] = '\0';
    sn_schedule s;
    setsuna_error err;
    bool names_file = n >= 6 && memcmp(text, "trace:", 6) == 0; /* no files here */
    if (!names_file && sn_schedule_parse(text, 1, &s, &err) == SETSUNA_OK) {
        fuzz_schedule_walk(&s);
        sn_schedule_fini(&s);
    }
    free(text);
    if (newline)
        fuzz_schedule_trace((const char *)newline + 1, size - n - 1);
    return 0;
}
