/* A report of one or several runs as one page of HTML that needs nothing else: no network, no other file.
 *
 * The page's own script draws it from JSON that stands in the page. Texts of runs may be hostile: they reach the page
 * as JSON with every '<' escaped, the script puts them in as text, and the page's content security policy lets nothing
 * run but that script, by its digest.
 */
#ifndef SN_REPORT_HTML_REPORT_H
#define SN_REPORT_HTML_REPORT_H

#include "history/history.h"
#include "ledger/request_log.h"
#include "report/sink.h"

enum { SN_HTML_REPORT_RUNS_MAX = 8 };

typedef enum sn_report_language { SN_REPORT_ENGLISH, SN_REPORT_JAPANESE } sn_report_language;

typedef struct sn_html_report {
    sn_report_language language;
    size_t n; /* 1..SN_HTML_REPORT_RUNS_MAX; two are also compared */
    const sn_history_run *run[SN_HTML_REPORT_RUNS_MAX];
    const sn_request_log *log[SN_HTML_REPORT_RUNS_MAX]; /* NULL: none */
} sn_html_report;

/* "en" or "ja". false: neither. */
bool sn_report_language_parse(const char *text, sn_report_language *out);

/* Returns OK, ENOMEM, EIO; EINVAL (n out of range). */
setsuna_status sn_html_report_write(const sn_html_report *r, sn_sink *sink);

#endif
