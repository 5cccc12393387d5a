#include "base/status.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#ifdef __clang_analyzer__ /* here they are defined */
#undef sn_fail
#undef sn_fail_va
#undef sn_fail_at
#endif

const char *setsuna_status_name(setsuna_status status)
{
    switch (status) {
#define STATUS_NAME(name, value, text)                                                                                 \
    case SETSUNA_##name: return #name;
        SETSUNA_STATUS_LIST(STATUS_NAME)
#undef STATUS_NAME
    }
    return "?";
}

const char *setsuna_status_text(setsuna_status status)
{
    switch (status) {
#define STATUS_TEXT(name, value, text)                                                                                 \
    case SETSUNA_##name: return text;
        SETSUNA_STATUS_LIST(STATUS_TEXT)
#undef STATUS_TEXT
    }
    return "unknown status";
}

/* Bytes of the UTF-8 character at p if it is well formed and no control character, otherwise 0. RFC 3629: no
 * overlong forms, no surrogates, nothing above U+10FFFF. */
static size_t status_printable_bytes(const unsigned char *p)
{
    if (*p < 0x80)
        return *p >= 0x20 && *p != 0x7f;
    size_t n = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;
    if (*p < 0xc2 || *p > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    switch (*p) {
    case 0xc2: return p[1] >= 0xa0 ? n : 0; /* U+0080..U+009F are control characters too */
    case 0xe0: return p[1] >= 0xa0 ? n : 0;
    case 0xed: return p[1] < 0xa0 ? n : 0;
    case 0xf0: return p[1] >= 0x90 ? n : 0;
    case 0xf4: return p[1] < 0x90 ? n : 0;
    default: return n;
    }
}

/* Copies src into dst (cap bytes), escaping what could move the cursor or start a new log line when the text came from
 * a file. `keep` is one control character that stays: our own texts have several lines. cut: src is the beginning of a
 * longer text. */
static void status_copy_printable(char *dst, size_t cap, const char *src, unsigned char keep, bool cut)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *p = (const unsigned char *)src;
    size_t n = 0, last_fit = 0; /* last_fit: where "..." can go */
    while (*p) {
        size_t plain = *p == keep ? 1 : status_printable_bytes(p);
        size_t need = plain ? plain : 4;
        if (n + need >= cap) {
            cut = true;
            break;
        }
        if (plain) {
            memcpy(dst + n, p, plain);
        } else {
            const char escape[4] = {'\\', 'x', hex[*p >> 4], hex[*p & 15]};
            memcpy(dst + n, escape, 4);
        }
        n += need;
        p += plain ? plain : 1;
        if (n + sizeof "..." <= cap)
            last_fit = n;
    }
    if (cut) {
        n = last_fit;
        memcpy(dst + n, "...", 3);
        n += 3;
    }
    dst[n] = '\0';
}

setsuna_status sn_fail_va(setsuna_error *err, setsuna_status status, const char *where, const char *fmt, va_list ap)
{
    if (err) {
        char text[sizeof err->text];
        int len = vsnprintf(text, sizeof text, fmt, ap);
        err->status = status;
        status_copy_printable(err->text, sizeof err->text, text, '\n', len >= (int)sizeof text);
        status_copy_printable(err->where, sizeof err->where, where ? where : "", 0x20, false);
    }
    return status;
}

setsuna_status sn_fail(setsuna_error *err, setsuna_status status, const char *where, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    sn_fail_va(err, status, where, fmt, ap);
    va_end(ap);
    return status;
}

setsuna_status sn_fail_at(setsuna_error *err, setsuna_status status, const char *fmt, ...)
{
    if (err && !err->where[0]) {
        char where[sizeof err->where];
        va_list ap;
        va_start(ap, fmt);
        int len = vsnprintf(where, sizeof where, fmt, ap);
        va_end(ap);
        status_copy_printable(err->where, sizeof err->where, where, 0x20, len >= (int)sizeof where);
    }
    return status;
}
