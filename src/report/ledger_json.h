/* The ledgers of many requests as JSON (docs/json.md). */
#ifndef SN_REPORT_LEDGER_JSON_H
#define SN_REPORT_LEDGER_JSON_H

#include "ledger/book.h"
#include "report/json.h"

/* Writes the keys latency_ns, stages_ns and unexplained_ns into the open object. */
void sn_ledger_json_write(const sn_book_summary *s, sn_json *w);

#endif
