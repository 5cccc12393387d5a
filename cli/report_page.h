/* A report page into a file: for `report`, and for `bench --report`. */
#ifndef SN_CLI_REPORT_PAGE_H
#define SN_CLI_REPORT_PAGE_H

#include "report/html_report.h"

/* output: a file, which appears whole or not at all, or "-" for standard output. The logs are parsed from the runs.
 * Returns OK; EINPUT (a log that is no log); ENOTFOUND, EIO, ENOMEM, ELIMIT. */
setsuna_status sn_report_page_write(const sn_history_run *const *run, size_t n, sn_report_language language,
                                    const char *output, setsuna_error *err);

#endif
