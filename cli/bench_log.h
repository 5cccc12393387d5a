/* bench --log: every request of the run in a file. */
#ifndef SN_CLI_BENCH_LOG_H
#define SN_CLI_BENCH_LOG_H

#include "ledger/request_log.h"

typedef struct sn_bench_log_facts {
    uint64_t begin_ns;    /* of the run, by sn_now_ns */
    uint64_t deadline_ns; /* 0: none */
    uint64_t warmup;      /* the first requests that were served and differ from the rest */
} sn_bench_log_facts;

/* Makes the log what others read: times from the beginning of the run, late requests and warm-up marked. Returns OK;
 * ENOMEM; EINVAL (a request was due before the run). */
setsuna_status sn_bench_log_finish(sn_request_log *log, const sn_bench_log_facts *f, setsuna_error *err);

/* Comma-separated where the name ends in .csv, otherwise encoded. Says so on standard error where the log stopped
 * before the run did. Returns OK, ENOTFOUND, EIO, ENOMEM: then there is no new file. */
setsuna_status sn_bench_log_write(const sn_request_log *log, const char *path, setsuna_error *err);

#endif
