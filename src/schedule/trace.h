/* Arrival times from a file: what a real system saw, to be played again.
 *
 * Text, a time a line: the number before the first comma or blank, in seconds, with up to nine decimals; what follows
 * is ignored, so that the first column of a CSV file will do. Empty lines, lines that begin with '#', and one heading
 * at the top (a first line that does not begin with a digit) are skipped. Times must not fall; the first one becomes 0,
 * so that times of day and epochs are fine.
 */
#ifndef SN_SCHEDULE_TRACE_H
#define SN_SCHEDULE_TRACE_H

#include "base/alloc.h"
#include <setsuna/status.h>

enum { SN_TRACE_LINES_MAX = 100000000 };
#define SN_TRACE_BYTES_MAX ((size_t)1 << 31)

typedef struct sn_trace {
    const sn_allocator *allocator;
    uint64_t *at_ns; /* ascending; at_ns[0] is 0 */
    size_t n, room;  /* n >= 1 */
} sn_trace;

/* Parses size bytes; name is for messages. Owns: the caller ends it with sn_trace_fini. Returns OK; EINPUT with the
 * line (no time in it, a time that falls or is out of range, no times at all); ELIMIT; ENOMEM. */
setsuna_status sn_trace_parse(const sn_allocator *a, const char *text, size_t size, const char *name, sn_trace *out,
                              setsuna_error *err);
void sn_trace_fini(sn_trace *t);

#endif
