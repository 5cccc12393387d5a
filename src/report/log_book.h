/* A run's ledgers out of its log of requests. */
#ifndef SN_REPORT_LOG_BOOK_H
#define SN_REPORT_LOG_BOOK_H

#include "ledger/book.h"
#include "ledger/request_log.h"

/* Row i as the ledger that it was made of, as far as a log keeps it: a wait or count is known where the log has its
 * column. The row is one of a request that was served. */
void sn_log_ledger(const sn_request_log *log, size_t i, sn_ledger *out);

/* Whether row i is of a request that was served: dropped and unserved ones have no latency. */
static inline bool sn_log_is_served(const sn_request_log *log, size_t i)
{
    return !(sn_request_log_get(log, SN_REQUEST_FLAGS, i) & (SN_REQUEST_IS_DROPPED | SN_REQUEST_IS_UNSERVED));
}

/* Enters all requests that were served into an initialised book. Returns OK, ENOMEM. */
setsuna_status sn_log_book(const sn_request_log *log, sn_book *book);

#endif
