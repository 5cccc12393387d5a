/* Runs of the history on standard output. All return OK; EIO (standard output); ENOMEM; EINPUT (a log that is no log).
 */
#ifndef SN_CLI_HISTORY_SHOW_H
#define SN_CLI_HISTORY_SHOW_H

#include "history/history.h"

enum { SN_HISTORY_WHEN_MAX = 32 };

/* Unix time as local time to the second, into buf of SN_HISTORY_WHEN_MAX bytes, which is returned. */
char *sn_history_when(uint64_t time_ns, char *buf);

/* For people: what it was, and its ledger again, made from its log. */
setsuna_status sn_history_show(const sn_history_run *r, setsuna_error *err);

/* Everything that is kept, logs included, as one object (docs/json.md). */
setsuna_status sn_history_show_json(sn_history_run *const *run, size_t n, setsuna_error *err);

/* A line with the names of the columns, and a line a request: the run's number and all columns of a log. */
setsuna_status sn_history_export_csv(sn_history_run *const *run, size_t n, setsuna_error *err);

#endif
