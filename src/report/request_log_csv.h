/* A request log for spreadsheets and data frames. */
#ifndef SN_REPORT_REQUEST_LOG_CSV_H
#define SN_REPORT_REQUEST_LOG_CSV_H

#include "ledger/request_log.h"
#include "report/sink.h"

/* A line with the names of the columns that are there, and a line a row, by commas, in whole numbers. Returns OK, EIO,
 * ENOMEM. */
setsuna_status sn_request_log_write_csv(const sn_request_log *log, sn_sink *sink);

#endif
