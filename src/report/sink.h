/* Where reports go: a stream or a growing buffer, with one sticky error, so that writers need not check every call. */
#ifndef SN_REPORT_SINK_H
#define SN_REPORT_SINK_H

#include "base/alloc.h"
#include <setsuna/status.h>
#include <stdio.h>

typedef struct sn_sink {
    FILE *file;                    /* NULL: the buffer */
    const sn_allocator *allocator; /* of the buffer */
    char *data;                    /* NUL-terminated once anything was written; may be NULL while empty */
    size_t size, room;             /* size without the NUL */
    setsuna_status status;         /* the first failure; nothing is written after it */
} sn_sink;

/* Borrows file until the last write. */
void sn_sink_init_file(sn_sink *s, FILE *file);

/* allocator NULL: the process heap. data belongs to the sink; sn_sink_fini frees it (and does nothing for a file). */
void sn_sink_init_buffer(sn_sink *s, const sn_allocator *allocator);
void sn_sink_fini(sn_sink *s);

/* On failure s->status becomes EIO (file) or ENOMEM (buffer) and all later writes are dropped. */
void sn_sink_write(sn_sink *s, const void *data, size_t size);
void sn_sink_puts(sn_sink *s, const char *text);
void sn_sink_repeat(sn_sink *s, const char *text, size_t times);
void sn_sink_printf(sn_sink *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Pushes buffered bytes out of the process, where a full disk shows. Returns the sink's status: OK, EIO, ENOMEM. */
setsuna_status sn_sink_flush(sn_sink *s);

#endif
