/* The ledgers of many requests: a series a stage, the wall clock, what stayed unexplained, and the worst requests
 * whole. */
#ifndef SN_LEDGER_BOOK_H
#define SN_LEDGER_BOOK_H

#include "ledger/ledger.h"
#include "stats/samples.h"

enum { SN_BOOK_WORST = 8 };

/* The series of a book, by index. Every request is in WALL and UNEXPLAINED. A stage has an empty series until a request
 * meets it, and from then on a sample of every request, zeros for the earlier ones included; so has OVERDRAWN. A wait
 * has a sample of the requests that knew it. */
enum {
    SN_BOOK_STAGE = 0, /* + sn_stage */
    SN_BOOK_OVERDRAWN =
        SN_STAGES, /* max(0, -unexplained_ns): stages claim more than the wall clock. Sound code has none */
    SN_BOOK_WAIT,  /* + sn_wait */
    SN_BOOK_WALL = SN_BOOK_WAIT + SN_WAITS,
    SN_BOOK_UNEXPLAINED, /* max(0, unexplained_ns) */
    SN_BOOK_SERIES,
};

/* One writer at a time; several threads keep a book each and merge them. Read the fields, change them through the
 * functions. */
typedef struct sn_book {
    uint64_t n;
    sn_samples series[SN_BOOK_SERIES];
    uint64_t n_flawed;  /* ledgers with n_flaws > 0 */
    uint64_t n_counted; /* ledgers that knew what the next three sum up */
    uint64_t n_minor_faults, n_major_faults, n_switches;
    uint32_t n_worst;
    sn_ledger worst[SN_BOOK_WORST]; /* by descending wall_ns; of equals the earliest */
} sn_book;

/* Empty, allocates nothing. cap: exact samples kept a series (0: SN_SAMPLES_CAP_DEFAULT), see stats/samples.h. The
 * allocator (NULL: the process heap) must outlive the book. */
void sn_book_init(sn_book *b, const sn_allocator *allocator, size_t cap);
void sn_book_fini(sn_book *b);

/* Room for n_total requests, so that sn_book_add allocates only for stages it had not met by now. Returns OK, ENOMEM.
 */
setsuna_status sn_book_reserve(sn_book *b, uint64_t n_total);

/* Enters a closed ledger. Returns OK; EINVAL (it is open); ENOMEM (the book holds the same requests as before). */
setsuna_status sn_book_add(sn_book *b, const sn_ledger *l);

/* Adds all requests of src to dst, after dst's own. Returns OK; ENOMEM (dst holds the same requests as before). */
setsuna_status sn_book_merge(sn_book *dst, const sn_book *src);

/* share: of the summed wall time of all requests. */
typedef struct sn_book_row {
    sn_summary ns;
    double share;
} sn_book_row;

/* Shares of the nine stages + unexplained - overdrawn = 1, and so do the means add up to the mean wall time; quantiles
 * of parts never add up to quantiles of the whole. A row with ns.n == 0 was never met. */
typedef struct sn_book_summary {
    uint64_t n, n_flawed;
    sn_summary wall;
    sn_book_row stage[SN_STAGES], unexplained, overdrawn, wait[SN_WAITS];
    uint64_t n_counted, n_minor_faults, n_major_faults, n_switches;
} sn_book_summary;

/* Returns OK; ENOMEM (*out is untouched). */
setsuna_status sn_book_summarize(const sn_book *b, sn_book_summary *out);

#endif
