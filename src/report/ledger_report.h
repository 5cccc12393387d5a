/* The ledger for people: where every microsecond went. */
#ifndef SN_REPORT_LEDGER_REPORT_H
#define SN_REPORT_LEDGER_REPORT_H

#include "ledger/book.h"
#include "report/sink.h"
#include <stdbool.h>

/* Writes, for the requests of a book:
 *   - a row a stage with p50, mean, p99, share of the wall time and its bar; a stage never entered has "-";
 *   - the waits that were measured;
 *   - unexplained, always; over-attributed, when stages claim more than the wall clock;
 *   - wall, and its distribution: head (the minimum), p50, mean, p90, p95, p99, p99.9, max;
 *   - notes: how many requests, how quantiles were found, which of them the number of requests cannot support.
 * allocator (NULL: the process heap) is used for the call only. ascii: no characters beyond ASCII.
 * Returns OK, ENOMEM, EIO. */
setsuna_status sn_ledger_report_write(const sn_book_summary *s, const sn_allocator *allocator, sn_sink *sink,
                                      bool ascii);

/* Writes the slowest requests of a book, one a row: id, wall, each stage that any of them entered, each wait that any
 * of them knew, unexplained. Returns as above. */
setsuna_status sn_ledger_report_write_worst(const sn_book *b, sn_sink *sink, bool ascii);

#endif
