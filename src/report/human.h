/* Numbers as people read them. All functions write a NUL-terminated text into buf, which holds SN_HUMAN_MAX bytes, and
 * return buf; none depends on the locale. ascii: "us" instead of the micro sign. */
#ifndef SN_REPORT_HUMAN_H
#define SN_REPORT_HUMAN_H

#include <stdbool.h>
#include <stdint.h>

enum { SN_HUMAN_MAX = 32 };

/* Four significant digits, whole nanoseconds exact: "0 ns", "999 ns", "1.234 µs", "12.34 ms", "123.4 ms", "1.234 s";
 * seconds beyond 1000 have no decimals. Rounded half up: 999,950 ns is "1.000 ms". */
char *sn_human_duration(char *buf, uint64_t ns, bool ascii);

/* Puts a blank behind a duration in seconds, so that the units of right-aligned durations stand below each other. */
char *sn_human_align(char *duration);

/* As sn_human_duration, in a unit and with a number of decimals that fit a scale: ticks a multiple of step_ns apart, up
 * to max_ns, stay distinct and line up. step_ns >= 1. */
char *sn_human_duration_scaled(char *buf, uint64_t ns, uint64_t max_ns, uint64_t step_ns, bool ascii);

/* "0 B", "1023 B", "1.00 KiB", "12.3 MiB", "123 GiB": three significant digits. */
char *sn_human_bytes(char *buf, uint64_t bytes);

/* "1,234,567". */
char *sn_human_count(char *buf, uint64_t n);

/* "12.3 %", "100.0 %"; "< 0.1 %" for what would round to zero but is not. share is of 1; NaN and infinities: "-". */
char *sn_human_share(char *buf, double share);

/* Three to four significant digits without an exponent up to 1e6: "0.1235", "12.35", "1235", "123,457". NaN and
 * infinities: "-". For rates. */
char *sn_human_number(char *buf, double value);

#endif
