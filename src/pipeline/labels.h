/* Names for the numbers that a classifier gives, and its best ones. */
#ifndef SN_PIPELINE_LABELS_H
#define SN_PIPELINE_LABELS_H

#include "base/alloc.h"
#include "base/status.h"
#include <stdbool.h>
#include <stdint.h>

enum {
    SN_LABELS_BYTES_MAX = 8 << 20, /* of a label file */
    SN_LABELS_MAX = 1 << 20,       /* entries */
    SN_LABEL_LENGTH_MAX = 1024     /* bytes of one */
};

/* Entry i is the name of class i. */
typedef struct sn_labels {
    const char *const *item;
    uint32_t n;
} sn_labels;

/* One label a line, in valid UTF-8 without control characters; lines end in LF or CR LF, the last one may lack it, and
 * a byte order mark at the start is skipped. Spaces belong to the label. The result lives in arena. name stands for the
 * file in messages.
 * Returns OK, EINPUT (invalid UTF-8, an empty line, no lines; with the line's number), ELIMIT, ENOMEM. */
setsuna_status sn_labels_parse(sn_arena *arena, const char *name, const void *data, size_t size, sn_labels *out,
                               setsuna_error *err);

/* Reads a label file. Returns as sn_file_read and sn_labels_parse. */
setsuna_status sn_labels_read(sn_arena *arena, const char *path, sn_labels *out, setsuna_error *err);

/* out[i] = exp(in[i]) / sum exp(in), computed from the largest on. NaN counts as minus infinity; out may be in. All of
 * it minus infinity, or +infinity among it: the largest share the probability equally. */
void sn_softmax(const float *in, size_t n, float *out);

/* The indices of the k largest of n scores, largest first, the lower index first among equals; NaN is never among them.
 * Returns how many there are, at most k. Pre: n <= INT32_MAX. */
uint32_t sn_top_k(const float *score, size_t n, uint32_t k, int32_t *index_out);

#endif
