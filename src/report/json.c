#include "report/json.h"
#include "report/utf8.h"
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void sn_json_init(sn_json *w, sn_sink *sink, uint32_t indent)
{
    *w = (sn_json){.sink = sink, .indent = indent};
}

static bool json_fail(sn_json *w, setsuna_status status)
{
    if (w->status == SETSUNA_OK)
        w->status = status;
    return false;
}

static void json_line(sn_json *w)
{
    bool in_line = w->depth > 0 && w->level[w->depth - 1].is_inline;
    if (w->indent == 0 || in_line)
        return;
    sn_sink_write(w->sink, "\n", 1);
    sn_sink_repeat(w->sink, " ", (size_t)w->indent * w->depth);
}

/* The comma and the line break before a key or an array element. */
static void json_separate(sn_json *w)
{
    struct sn_json_level *l = &w->level[w->depth - 1];
    if (l->has_items)
        sn_sink_puts(w->sink, l->is_inline && w->indent ? ", " : ",");
    l->has_items = true;
    json_line(w);
}

/* Whether a value may come here; writes what stands before it. */
static bool json_begin_value(sn_json *w)
{
    if (w->status != SETSUNA_OK)
        return false;
    if (w->depth == 0) {
        if (w->has_root)
            return json_fail(w, SETSUNA_EINVAL);
        w->has_root = true;
    } else if (w->level[w->depth - 1].is_object) {
        if (!w->has_key)
            return json_fail(w, SETSUNA_EINVAL);
        w->has_key = false;
    } else {
        json_separate(w);
    }
    return true;
}

static void json_open(sn_json *w, bool is_object, bool is_inline)
{
    if (!json_begin_value(w))
        return;
    if (w->depth == SN_JSON_DEPTH_MAX) {
        json_fail(w, SETSUNA_ELIMIT);
        return;
    }
    bool inherited = w->depth > 0 && w->level[w->depth - 1].is_inline;
    w->level[w->depth++] = (struct sn_json_level){.is_object = is_object, .is_inline = is_inline || inherited};
    sn_sink_puts(w->sink, is_object ? "{" : "[");
}

static void json_close(sn_json *w, bool is_object)
{
    if (w->status != SETSUNA_OK)
        return;
    if (w->depth == 0 || w->level[w->depth - 1].is_object != is_object || w->has_key) {
        json_fail(w, SETSUNA_EINVAL);
        return;
    }
    struct sn_json_level l = w->level[--w->depth];
    if (l.has_items && !l.is_inline)
        json_line(w);
    sn_sink_puts(w->sink, is_object ? "}" : "]");
}

void sn_json_begin_object(sn_json *w)
{
    json_open(w, true, false);
}

void sn_json_end_object(sn_json *w)
{
    json_close(w, true);
}

void sn_json_begin_array(sn_json *w)
{
    json_open(w, false, false);
}

void sn_json_begin_array_inline(sn_json *w)
{
    json_open(w, false, true);
}

void sn_json_end_array(sn_json *w)
{
    json_close(w, false);
}

static void json_escape(sn_json *w, uint32_t code)
{
    static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (const char *p = shorts; *p; p += 2)
        if (code == (unsigned char)*p) {
            const char text[2] = {'\\', p[1]};
            sn_sink_write(w->sink, text, 2);
            return;
        }
    sn_sink_printf(w->sink, "\\u%04" PRIx32, code);
}

static void json_quoted(sn_json *w, const char *text, size_t size)
{
    sn_sink_write(w->sink, "\"", 1);
    size_t plain = 0, length; /* [plain, at) needs no change and is written in one piece */
    for (size_t at = 0; at < size; at += length) {
        uint32_t code = sn_utf8_decode(text + at, size - at, &length);
        bool escape = code < 0x20 || code == '"' || code == '\\' || (code >= 0x7f && code < 0xa0) || code == 0x2028 ||
                      code == 0x2029;
        if (!escape && code != SN_UTF8_INVALID)
            continue;
        sn_sink_write(w->sink, text + plain, at - plain);
        if (escape)
            json_escape(w, code);
        else
            sn_sink_puts(w->sink, "\xef\xbf\xbd");
        plain = at + length;
    }
    if (plain < size)
        sn_sink_write(w->sink, text + plain, size - plain);
    sn_sink_write(w->sink, "\"", 1);
}

void sn_json_key(sn_json *w, const char *key)
{
    if (w->status != SETSUNA_OK)
        return;
    if (w->depth == 0 || !w->level[w->depth - 1].is_object || w->has_key) {
        json_fail(w, SETSUNA_EINVAL);
        return;
    }
    json_separate(w);
    json_quoted(w, key, strlen(key));
    sn_sink_puts(w->sink, w->indent ? ": " : ":");
    w->has_key = true;
}

void sn_json_string_n(sn_json *w, const char *text, size_t size)
{
    if (json_begin_value(w))
        json_quoted(w, text, size);
}

void sn_json_string(sn_json *w, const char *text)
{
    if (text)
        sn_json_string_n(w, text, strlen(text));
    else
        sn_json_null(w);
}

void sn_json_u64(sn_json *w, uint64_t value)
{
    if (json_begin_value(w))
        sn_sink_printf(w->sink, "%" PRIu64, value);
}

void sn_json_i64(sn_json *w, int64_t value)
{
    if (json_begin_value(w))
        sn_sink_printf(w->sink, "%" PRId64, value);
}

/* Fifteen digits always survive decimal -> double -> decimal, so a normal number that needs fewer is found at 15 (where
 * %g drops the zeros), and the others at 16 or 17. Subnormals have fewer bits, so for them all lengths are tried. */
static void json_shortest(char *text, size_t cap, double value)
{
    int digits = fabs(value) < DBL_MIN ? 1 : DBL_DIG;
    do
        snprintf(text, cap, "%.*g", digits, value);
    while (strtod(text, NULL) != value && digits++ < DBL_DECIMAL_DIG);
}

void sn_json_f64(sn_json *w, double value)
{
    if (!isfinite(value)) {
        sn_json_null(w);
        return;
    }
    if (!json_begin_value(w))
        return;
    /* The locale may have another decimal point, of several bytes even: what is no part of a number is the point. */
    char text[64], out[64];
    json_shortest(text, sizeof text, value);
    size_t n = 0;
    for (const char *p = text; *p; p++) {
        if (strchr("0123456789+-e", *p))
            out[n++] = *p;
        else if (n > 0 && out[n - 1] != '.')
            out[n++] = '.';
    }
    sn_sink_write(w->sink, out, n);
}

void sn_json_bool(sn_json *w, bool value)
{
    if (json_begin_value(w))
        sn_sink_puts(w->sink, value ? "true" : "false");
}

void sn_json_null(sn_json *w)
{
    if (json_begin_value(w))
        sn_sink_puts(w->sink, "null");
}

void sn_json_raw(sn_json *w, const char *text)
{
    if (json_begin_value(w))
        sn_sink_puts(w->sink, text);
}

setsuna_status sn_json_finish(sn_json *w)
{
    if (w->depth > 0 || !w->has_root)
        json_fail(w, SETSUNA_EINVAL);
    if (w->status == SETSUNA_OK)
        sn_sink_write(w->sink, "\n", 1);
    setsuna_status sink = sn_sink_flush(w->sink);
    return w->status != SETSUNA_OK ? w->status : sink;
}

void sn_json_key_string(sn_json *w, const char *key, const char *text)
{
    sn_json_key(w, key);
    sn_json_string(w, text);
}

void sn_json_key_u64(sn_json *w, const char *key, uint64_t value)
{
    sn_json_key(w, key);
    sn_json_u64(w, value);
}

void sn_json_key_f64(sn_json *w, const char *key, double value)
{
    sn_json_key(w, key);
    sn_json_f64(w, value);
}
