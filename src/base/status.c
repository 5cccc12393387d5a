#include "base/status.h"
#include <stdio.h>
#include <string.h>

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

/* Copies src into dst (cap bytes), escaping control bytes so that text from a file cannot move the cursor, start a
 * new log line or end the string. Newlines are ours (texts may have several lines) and stay. */
static void status_copy_printable(char *dst, size_t cap, const char *src)
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;
    for (const unsigned char *p = (const unsigned char *)src; *p; p++) {
        int plain = *p == '\n' || (*p >= 0x20 && *p != 0x7f);
        size_t need = plain ? 1 : 4;
        if (n + need + 4 > cap) { /* room for "..." and the NUL */
            memcpy(dst + n, "...", 3);
            n += 3;
            break;
        }
        if (plain) {
            dst[n++] = (char)*p;
        } else {
            dst[n++] = '\\';
            dst[n++] = 'x';
            dst[n++] = hex[*p >> 4];
            dst[n++] = hex[*p & 15];
        }
    }
    dst[n] = '\0';
}

setsuna_status sn_fail_va(setsuna_error *err, setsuna_status status, const char *where, const char *fmt, va_list ap)
{
    if (err) {
        char text[sizeof err->text];
        vsnprintf(text, sizeof text, fmt, ap);
        err->status = status;
        status_copy_printable(err->text, sizeof err->text, text);
        status_copy_printable(err->where, sizeof err->where, where ? where : "");
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
        vsnprintf(where, sizeof where, fmt, ap);
        va_end(ap);
        status_copy_printable(err->where, sizeof err->where, where);
    }
    return status;
}
