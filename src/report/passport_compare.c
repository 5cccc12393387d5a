#include "report/passport_compare.h"
#include <string.h>

static const char passport_begin[] = "\n  \"passport\": {\n", passport_end[] = "\n  }";

bool sn_passport_text_find(const char *json, size_t size, sn_passport_text *out)
{
    const char *p = size ? memmem(json, size, passport_begin, strlen(passport_begin)) : NULL;
    if (!p)
        return false;
    const char *end = json + size;
    p += strlen(passport_begin);
    const char *stop = memmem(p, (size_t)(end - p), passport_end, strlen(passport_end));
    if (!stop)
        return false;
    out->n_lines = 0;
    while (p < stop && out->n_lines < SN_PASSPORT_LINES_MAX) {
        const char *newline = memchr(p, '\n', (size_t)(stop - p)), *line_end = newline ? newline : stop;
        while (p < line_end && *p == ' ')
            p++;
        size_t n = (size_t)(line_end - p);
        n -= n > 0 && p[n - 1] == ',';
        n = n < SN_PASSPORT_LINE_MAX ? n : SN_PASSPORT_LINE_MAX - 1;
        memcpy(out->line[out->n_lines], p, n);
        out->line[out->n_lines++][n] = '\0';
        p = line_end + 1;
    }
    return out->n_lines > 0;
}

/* The length of the key with its quotation marks and colon; 0 for what is no field. */
static size_t passport_key(const char *line)
{
    const char *colon = line[0] == '"' ? strstr(line, "\":") : NULL;
    return colon ? (size_t)(colon - line) + 2 : 0;
}

static bool passport_is_build(const char *line)
{
    return strncmp(line, "\"setsuna\":", 10) == 0 || strncmp(line, "\"compiler\":", 11) == 0;
}

/* The line of b with the same key; "" where there is none. */
static const char *passport_other(const sn_passport_text *b, const char *line)
{
    size_t key = passport_key(line);
    for (uint32_t i = 0; i < b->n_lines; i++)
        if (strncmp(b->line[i], line, key) == 0)
            return b->line[i];
    return "";
}

uint32_t sn_passport_text_differ(const sn_passport_text *a, const sn_passport_text *b, uint32_t *machine_out,
                                 sn_sink *sink)
{
    uint32_t n = 0, machine = 0;
    for (uint32_t i = 0; i < a->n_lines; i++) {
        const char *line = a->line[i], *other = passport_other(b, line);
        if (passport_key(line) == 0 || strcmp(line, other) == 0)
            continue;
        n++;
        machine += !passport_is_build(line);
        if (sink)
            sn_sink_printf(sink, "passports differ: %s and%s\n", line,
                           *other ? other + passport_key(line) : " nothing");
    }
    *machine_out = machine;
    return n;
}
