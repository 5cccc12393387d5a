/* Horizontal bars in eighths of a character. */
#ifndef SN_REPORT_BARS_H
#define SN_REPORT_BARS_H

#include <stdbool.h>
#include <stddef.h>

/* A bar of `fraction` (cut to 0..1) of `columns` characters, NUL-terminated, into buf of at least SN_BAR_BYTES(columns)
 * bytes; returns buf. Anything above zero shows, as one eighth at least. ascii: '#', or '.' below half a character. */
#define SN_BAR_BYTES(columns) (3 * (columns) + 1)
char *sn_bar(char *buf, double fraction, size_t columns, bool ascii);

#endif
