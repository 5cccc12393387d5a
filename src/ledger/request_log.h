/* The log of a run: a row a request, in columns, kept, stored and read back.
 *
 * Statistics that nobody thought of when the run was made need its requests one by one. A log has named columns of
 * unsigned numbers; a column that is zero in every row is not there at all, so that a log holds what was known about
 * the run and no more. Encoded, neighbouring rows are told by their difference: a request of a few stages takes 15 to
 * 30 bytes.
 */
#ifndef SN_LEDGER_REQUEST_LOG_H
#define SN_LEDGER_REQUEST_LOG_H

#include "ledger/ledger.h"
#include "base/alloc.h"
#include <setsuna/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, text, what it is): the columns, in the order of a row. due, begin and end are from the beginning of the run;
 * due <= begin <= end in every row. A request that was never served (dropped, unserved) begins and ends when it was
 * given up. Columns from acquire to faults are those of a ledger: stages and waits by their names there. */
#define SN_REQUEST_COLUMN_LIST(X)                                                                                      \
    X(DUE, "due_ns", "when it was due")                                                                                \
    X(BEGIN, "begin_ns", "when work on it began")                                                                      \
    X(END, "end_ns", "when it was done; its latency is end - due")                                                     \
    X(FLAGS, "flags", "sum of: 1 late, 2 dropped, 4 error, 8 warm-up, 16 unserved")                                    \
    X(ACQUIRE, "acquire_ns", "stage")                                                                                  \
    X(PREPROCESS, "preprocess_ns", "stage")                                                                            \
    X(FEATURIZE, "featurize_ns", "stage")                                                                              \
    X(PREPARE, "prepare_ns", "stage")                                                                                  \
    X(TRANSFER, "transfer_ns", "stage")                                                                                \
    X(LOAD, "load_ns", "stage")                                                                                        \
    X(EXECUTE, "execute_ns", "stage")                                                                                  \
    X(POSTPROCESS, "postprocess_ns", "stage")                                                                          \
    X(OVERHEAD, "overhead_ns", "stage")                                                                                \
    X(QUEUE, "queue_ns", "wait, part of overhead")                                                                     \
    X(BATCH, "batch_wait_ns", "wait, part of overhead")                                                                \
    X(RUNQUEUE, "run_queue_ns", "wait, inside the stages")                                                             \
    X(STEAL, "steal_ns", "wait, inside the stages")                                                                    \
    X(FAULT, "page_faults_ns", "wait, inside the stages")                                                              \
    X(BLOCKED, "blocked_ns", "wait, inside the stages")                                                                \
    X(INTERRUPT, "interrupts_ns", "wait, inside the stages")                                                           \
    X(FAULTS, "faults", "page faults, minor and major")                                                                \
    X(SWITCHES, "switches", "context switches")

typedef enum sn_request_column {
#define SN_REQUEST_COLUMN_ENUM(name, text, what) SN_REQUEST_##name,
    SN_REQUEST_COLUMN_LIST(SN_REQUEST_COLUMN_ENUM)
#undef SN_REQUEST_COLUMN_ENUM
        SN_REQUEST_COLUMNS
} sn_request_column;

/* In the column flags. */
enum {
    SN_REQUEST_IS_LATE = 1,     /* it ended after its deadline */
    SN_REQUEST_IS_DROPPED = 2,  /* a newer one took its place */
    SN_REQUEST_IS_ERROR = 4,    /* it ended without what was asked for */
    SN_REQUEST_IS_WARMUP = 8,   /* it lies before the run's steady state (stats/warmup.h) */
    SN_REQUEST_IS_UNSERVED = 16 /* it was due within the run and had no turn */
};

/* Rows that a log keeps unless told otherwise: as many as quantiles are exact for. */
#define SN_REQUEST_LOG_ROWS_DEFAULT ((size_t)1000000)

/* One writer at a time; several threads keep a log each and join them. Read the fields, change them through the
 * functions. */
typedef struct sn_request_log {
    const sn_allocator *allocator;
    size_t cap;                           /* most rows */
    uint64_t n_all;                       /* requests that the run had; those beyond the cap are not in the log */
    size_t n, room;                       /* rows */
    uint64_t *column[SN_REQUEST_COLUMNS]; /* n values each; NULL: zero in every row. END is there as soon as a row is */
} sn_request_log;

/* "end_ns" for SN_REQUEST_END, and what it is in a line; "?" for other numbers. */
const char *sn_request_column_name(sn_request_column column);
const char *sn_request_column_what(sn_request_column column);

/* Empty, allocates nothing. cap 0: SN_REQUEST_LOG_ROWS_DEFAULT. The allocator (NULL: the process heap) must outlive the
 * log. */
void sn_request_log_init(sn_request_log *log, const sn_allocator *allocator, size_t cap);
void sn_request_log_fini(sn_request_log *log); /* the log is empty afterwards; a zeroed struct is fine */

/* What a closed ledger knows as a row: due is its start, end its end; begin_ns is a reading of the same clock, moved
 * into [due, end]. Waits and counts that it does not know are 0. */
void sn_request_row(const sn_ledger *l, uint64_t begin_ns, uint64_t flags, uint64_t row_out[SN_REQUEST_COLUMNS]);

/* Appends a row; beyond the cap it is counted only. Returns OK; EINVAL (due > begin or begin > end); ENOMEM (the log is
 * as it was). */
setsuna_status sn_request_log_add(sn_request_log *log, const uint64_t row[SN_REQUEST_COLUMNS]);

/* Appends the rows of logs that are in order of their begin each, in order of their begin, as far as the cap goes.
 * Returns OK; ENOMEM (dst holds what it held, and possibly some of the rows). */
setsuna_status sn_request_log_join(sn_request_log *dst, const sn_request_log *const *src, size_t n_src);

/* Times from now on count from origin_ns, which no request was due before. Returns OK; EINVAL (one was; nothing has
 * changed). */
setsuna_status sn_request_log_set_origin(sn_request_log *log, uint64_t origin_ns);

/* A value of row i < n: 0 where there is no such column. */
static inline uint64_t sn_request_log_get(const sn_request_log *log, sn_request_column column, size_t i)
{
    return log->column[column] ? log->column[column][i] : 0;
}

/* Or's flag bits into row i < n. Returns OK or ENOMEM. */
setsuna_status sn_request_log_mark(sn_request_log *log, size_t i, uint64_t flags);

/* end - due of row i < n. */
static inline uint64_t sn_request_log_latency_ns(const sn_request_log *log, size_t i)
{
    return sn_request_log_get(log, SN_REQUEST_END, i) - sn_request_log_get(log, SN_REQUEST_DUE, i);
}

/* ---- encoded ------------------------------------------------------------------------------------------- */

/* The encoding, version 1. Numbers of fixed size are little-endian; a varint has 7 bits a byte, the lowest first, and
 * its last byte is the first one below 128.
 *
 *     "SNREQLOG"                 8 bytes
 *     version                    u32, 1
 *     columns, rows, requests    u32, u64, u64: requests >= rows; end_ns is there where there are rows
 *     each column                u8 length of its name (1 to 31), the name ([a-z0-9_], no other has it),
 *                                u64 size of what follows:
 *                                rows varints: value - value of the row before (the first: - 0) modulo 2^64, as zigzag
 *     CRC-32                     u32, of all bytes before, as in zlib
 *
 * A reader skips columns whose names it does not know. */
#define SN_REQUEST_LOG_VERSION 1

/* The whole log as bytes, allocated with the log's allocator and freed by the caller. Returns OK; ENOMEM. */
setsuna_status sn_request_log_encode(const sn_request_log *log, uint8_t **data_out, size_t *size_out);

/* Reads an encoded log of at most max_rows rows (0: SN_REQUEST_LOG_ROWS_DEFAULT) into an uninitialised log, which the
 * caller ends with sn_request_log_fini. Allocates at most 160 bytes a row, and no row that data does not hold. Columns
 * that are zero in every row are dropped. Returns OK; EINPUT with the place (offset) in data; ELIMIT (more rows);
 * ENOMEM. */
setsuna_status sn_request_log_parse(const void *data, size_t size, const sn_allocator *allocator, size_t max_rows,
                                    sn_request_log *out, setsuna_error *err);

#endif
