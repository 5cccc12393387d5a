/* Numbers with units in what people type: independent of the locale, which strtod is not. */
#ifndef SN_BASE_SCAN_H
#define SN_BASE_SCAN_H

#include <stdbool.h>

/* Each takes what is at *p and moves *p behind it; false: there is none, and *p stays. */

/* A decimal number, digits with an optional fraction, of at most 15 digits in all: exact but for one division. */
bool sn_scan_number(const char **p, double *out);

/* One of ns, us, ms, s, m (minutes), h, in nanoseconds. */
bool sn_scan_time_unit(const char **p, double *ns_out);

/* These very characters. */
bool sn_scan_literal(const char **p, const char *literal);

#endif
