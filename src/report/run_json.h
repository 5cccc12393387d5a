/* Runs of the history as JSON: what is kept (docs/json.md), and what the report page draws. */
#ifndef SN_REPORT_RUN_JSON_H
#define SN_REPORT_RUN_JSON_H

#include "history/history.h"
#include "ledger/request_log.h"
#include "report/json.h"

/* The keys of a run in `history list --json`, into an open object. */
void sn_run_write_facts(const sn_history_run *r, sn_json *w);

/* The object `log` of `history export --format json`. */
void sn_run_write_log(const sn_request_log *log, sn_json *w);

/* The object of one run on the report page: facts, passport and result as they are kept, and from the log (NULL or
 * empty: none) its distribution, its course, its composition and its slowest requests (web/data.ts has the types).
 * Returns OK, ENOMEM, ELIMIT; what the sink says is in w. */
setsuna_status sn_run_write_page_data(const sn_history_run *r, const sn_request_log *log, sn_json *w);

/* The array of verdicts on two runs, quantity by quantity, from their logs. Nothing is written before it is known that
 * it can be: returns OK, ENOMEM; EINVAL (a log is empty). */
setsuna_status sn_run_write_comparison(const sn_request_log *a, const sn_request_log *b, sn_json *w);

#endif
