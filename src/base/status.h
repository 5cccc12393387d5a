/* Failing with a place and a remedy. See include/setsuna/status.h for the codes. */
#ifndef SN_BASE_STATUS_H
#define SN_BASE_STATUS_H

#include <setsuna/status.h>
#include <stdarg.h>

/* Fills *err (may be NULL) and returns status, so that a caller can write `return sn_fail(...)`.
 * where: file, node, field or option, may be NULL. Control characters (but newlines in the text) and bytes that are not
 * UTF-8 are escaped as \xNN; what does not fit ends in "...". Does not allocate. */
setsuna_status sn_fail(setsuna_error *err, setsuna_status status, const char *where, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
setsuna_status sn_fail_va(setsuna_error *err, setsuna_status status, const char *where, const char *fmt, va_list ap)
    __attribute__((format(printf, 4, 0)));

/* Sets err->where if it is still empty: the caller up the stack knows the place. Returns err's status. */
setsuna_status sn_fail_at(setsuna_error *err, setsuna_status status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#ifdef __clang_analyzer__ /* It looks at one file at a time: tell it that these return the status they are given. */
#define sn_fail(err, status, ...) (sn_fail(err, status, __VA_ARGS__), (status))
#define sn_fail_va(err, status, where, fmt, ap) (sn_fail_va(err, status, where, fmt, ap), (status))
#define sn_fail_at(err, status, ...) (sn_fail_at(err, status, __VA_ARGS__), (status))
#endif

/* Evaluates a call that returns a setsuna_status and returns it to our caller unless it is OK. */
#define SN_TRY(expr)                                                                                                   \
    do {                                                                                                               \
        setsuna_status sn_try_status_ = (expr);                                                                        \
        if (sn_try_status_ != SETSUNA_OK)                                                                              \
            return sn_try_status_;                                                                                     \
    } while (0)

#endif
