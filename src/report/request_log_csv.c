#include "report/request_log_csv.h"

enum { CSV_NUMBER_MAX = 21 }; /* 20 digits and a separator */

/* Digits and what comes behind them. Returns the end. */
static char *csv_number(char *p, uint64_t value, char behind)
{
    char digits[CSV_NUMBER_MAX];
    int n = 0;
    do
        digits[n++] = (char)('0' + value % 10);
    while (value /= 10);
    while (n > 0)
        *p++ = digits[--n];
    *p++ = behind;
    return p;
}

setsuna_status sn_request_log_write_csv(const sn_request_log *log, sn_sink *sink)
{
    const uint64_t *column[SN_REQUEST_COLUMNS];
    char line[SN_REQUEST_COLUMNS * CSV_NUMBER_MAX];
    int n = 0;
    for (int c = 0; c < SN_REQUEST_COLUMNS; c++)
        if (log->column[c]) {
            sn_sink_printf(sink, "%s%s", n ? "," : "", sn_request_column_name((sn_request_column)c));
            column[n++] = log->column[c];
        }
    sn_sink_puts(sink, "\n");
    for (size_t i = 0; i < log->n; i++) {
        char *p = line;
        for (int k = 0; k < n; k++)
            p = csv_number(p, column[k][i], k + 1 < n ? ',' : '\n');
        sn_sink_write(sink, line, (size_t)(p - line));
    }
    return sn_sink_flush(sink);
}
