/* bench --explain: keeps beside each request what disturbed it, and says at the end why the slow ones were slow. */
#ifndef SN_CLI_BENCH_CAUSES_H
#define SN_CLI_BENCH_CAUSES_H

#include "causes/cause.h"
#include "ledger/ledger.h"
#include "report/cause_report.h"

typedef struct sn_bench_causes sn_bench_causes;

/* Of the calling thread, which will run the requests; before the engine starts threads of its own. Returns OK, ENOMEM.
 * close: NULL is fine. */
setsuna_status sn_bench_causes_open(sn_bench_causes **out, setsuna_error *err);
void sn_bench_causes_close(sn_bench_causes *c);

/* Forgets what was measured so far: now it counts. All functions below do nothing for NULL. */
void sn_bench_causes_start(sn_bench_causes *c);

/* Shortly before a request begins: takes a reading, unless that of the last request's end is fresh. */
void sn_bench_causes_ready(sn_bench_causes *c);

/* At once after a request's end: its ledger is still open. r has its times, group and kind of due. Returns OK, ENOMEM.
 */
setsuna_status sn_bench_causes_end(sn_bench_causes *c, const sn_cause_request *r, sn_ledger *l, setsuna_error *err);

/* What became of it; valid until close. NULL for NULL. Returns OK, ENOMEM. */
setsuna_status sn_bench_causes_report(sn_bench_causes *c, const sn_cause_report **out, setsuna_error *err);

#endif
