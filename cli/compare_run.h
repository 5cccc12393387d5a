/* One run of compare: a `setsuna bench` command line as a process of its own, and what it measured. */
#ifndef SN_CLI_COMPARE_RUN_H
#define SN_CLI_COMPARE_RUN_H

#include "ledger/request_log.h"
#include "report/passport_compare.h"
#include <setsuna/status.h>
#include <signal.h>

typedef struct sn_compare_run {
    sn_request_log log; /* every request; the caller ends it with sn_request_log_fini */
    sn_passport_text passport;
} sn_compare_run;

/* Starts argv (NULL-terminated; argv[0] is looked for in PATH) with --json and --log behind it, in a folder of its own
 * that is gone afterwards, and waits. The process gets no signal handler, mask or descriptor of ours, and nothing to
 * read. *stop, which a handler sets, is passed on to it as SIGINT. name: "A" or "B", for messages. Returns OK;
 * ECANCELED (stopped); EIO with the last lines that the process wrote to its standard error; EINPUT (it wrote no log);
 * ENOMEM. */
setsuna_status sn_compare_run_start(char *const *argv, const char *name, const volatile sig_atomic_t *stop,
                                    sn_compare_run *out, setsuna_error *err);

#endif
