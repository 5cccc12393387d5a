/* What bench leaves behind besides what it prints: the run in the history, and a report of it. */
#ifndef SN_CLI_BENCH_KEEP_H
#define SN_CLI_BENCH_KEEP_H

#include "history/history.h"
#include "ledger/request_log.h"
#include "report/bench_result.h"

enum {
    SN_BENCH_TAGS_MAX = 16,
    SN_BENCH_KEEP_ROWS = 250000 /* of the log in the history, unless a log was asked for: some 5 MB a run */
};

/* Zeroed: the run goes into the user's history. Texts are borrowed from the command line. */
typedef struct sn_bench_keep_options {
    bool off;           /* --no-history */
    const char *db;     /* --db; NULL: the user's */
    const char *report; /* --report: a page of its own; NULL: none */
    const char *tag[SN_BENCH_TAGS_MAX];
    size_t n_tags;
    int argc; /* the command line from the subcommand on */
    char **argv;
} sn_bench_keep_options;

/* false: too many tags, or one of a length that the history does not take. */
bool sn_bench_keep_add_tag(sn_bench_keep_options *o, const char *text);

/* Whether anything wants the log of requests. SETSUNA_NO_HISTORY in the environment, with any value, is --no-history
 * where neither --db nor --tag is given: for programs that run bench many times. */
bool sn_bench_keep_wants_log(const sn_bench_keep_options *o);

typedef struct sn_bench_keep_run {
    const sn_bench_result *result;
    const sn_request_log *log; /* times from the beginning of the run */
    uint64_t begin_ns;         /* of the run, by sn_now_ns */
    const char *verdict;       /* a word or two for the list */
    bool partial;              /* it was interrupted */
    bool quiet;                /* standard output belongs to JSON: do not say there where the run went */
} sn_bench_keep_run;

/* Keeps the run and writes the report. What fails is said on standard error. Returns whether all that was asked for by
 * name was done: a history that nobody named may fail, the measurement is printed by then. */
bool sn_bench_keep(const sn_bench_keep_options *o, const sn_bench_keep_run *run);

#endif
