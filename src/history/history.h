/* Runs that are kept: one SQLite file, one row a run, with everything needed to look at it again and to compare it.
 *
 * The file is input like any other: it may come from somebody else. What is read from it is bounded and checked for its
 * type, statements are our own, and the schema's own code (triggers, views) is not trusted. A file that is no history
 * is never written to. Several processes may use one file at a time; a writer waits for the others.
 */
#ifndef SN_HISTORY_HISTORY_H
#define SN_HISTORY_HISTORY_H

#include "base/alloc.h"
#include <setsuna/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SN_HISTORY_WAIT_MS = 5000, /* for another process that is writing */
    SN_HISTORY_TAG_MAX = 200,  /* bytes of a tag */
    SN_HISTORY_PATH_MAX = 4096,
};
#define SN_HISTORY_JSON_MAX ((size_t)64 << 20)
#define SN_HISTORY_LOG_MAX ((size_t)512 << 20)

/* What is kept of a run. All pointers are borrowed; texts are UTF-8 and never NULL ("" where there is nothing). */
typedef struct sn_history_run {
    int64_t id;          /* given by the history; ids are not used twice */
    uint64_t time_ns;    /* when it began: Unix time */
    const char *command; /* that made it, as a shell reads it */
    const char *target;  /* model or pipeline */
    const char *engine;
    uint32_t threads;
    const char *precision;
    uint64_t n; /* requests */
    uint64_t p50_ns, p99_ns;
    const char *verdict;
    const char *machine;     /* the passport as a line for people */
    bool partial;            /* it was interrupted */
    const char *const *tags; /* in alphabetical order */
    size_t n_tags;
    const char *result, *passport; /* JSON objects: docs/json.md. Of listed runs: "" */
    const void *log;               /* the log of its requests, encoded; NULL: none was kept, or the run is listed */
    size_t log_bytes;
} sn_history_run;

typedef struct sn_history sn_history;

typedef enum sn_history_mode {
    SN_HISTORY_READ, /* must be there; works on a medium that cannot be written to */
    SN_HISTORY_WRITE /* made where it is not there, with its folders */
} sn_history_mode;

/* Returns OK; ENOTFOUND (READ: no such file); EINPUT (corrupt), EINVAL (somebody else's database), EUNSUPPORTED (made
 * by a newer version): the file is untouched; EIO (no permission, no space, in use for longer than SN_HISTORY_WAIT_MS);
 * ENOMEM. */
setsuna_status sn_history_open(const char *path, sn_history_mode mode, sn_history **out, setsuna_error *err);
void sn_history_close(sn_history *h); /* NULL is fine */

/* All below return EINPUT where the file turns out to be corrupt, EIO where it cannot be read or written, and ENOMEM. A
 * call that fails has changed nothing. */

/* Adds a run; its id field is not looked at. Returns OK; ELIMIT (larger than the limits above). */
setsuna_status sn_history_add(sn_history *h, const sn_history_run *run, int64_t *id_out, setsuna_error *err);

/* "12", "last", "last-1" (the one before). Returns OK; EINVAL (none of these); ENOTFOUND. */
setsuna_status sn_history_find(sn_history *h, const char *name, int64_t *id_out, setsuna_error *err);

/* The whole run; Owns: the caller frees it with sn_history_run_destroy. result and passport are well-formed JSON
 * objects.
 * Returns OK; ENOTFOUND. */
setsuna_status sn_history_load(sn_history *h, int64_t id, sn_history_run **out, setsuna_error *err);
void sn_history_run_destroy(sn_history_run *run); /* NULL is fine */

/* NULL and 0: any. limit 0: all. */
typedef struct sn_history_filter {
    const char *target; /* a part of it */
    const char *tag;    /* one of them, whole */
    uint64_t since_ns;  /* Unix time */
    uint64_t limit;
} sn_history_filter;

/* Calls visit for each run, newest first, until it returns another status than OK, which is then returned. The run is
 * valid during the call. */
typedef setsuna_status sn_history_visit(void *ctx, const sn_history_run *run);
setsuna_status sn_history_list(sn_history *h, const sn_history_filter *f, sn_history_visit *visit, void *ctx,
                               setsuna_error *err);

/* Returns OK (also where the run has the tag already); EINVAL (empty, longer than SN_HISTORY_TAG_MAX); ENOTFOUND. */
setsuna_status sn_history_tag(sn_history *h, int64_t id, const char *tag, setsuna_error *err);

/* Returns OK; ENOTFOUND. The space is used again by later runs. */
setsuna_status sn_history_remove(sn_history *h, int64_t id, setsuna_error *err);

/* Removes all but the newest `keep` runs, and those that began before before_ns; the file becomes smaller. */
setsuna_status sn_history_prune(sn_history *h, uint64_t keep, uint64_t before_ns, uint64_t *n_removed_out,
                                setsuna_error *err);

/* Opens, adds, closes. A corrupt history is moved aside, to a name in moved_out ("" where nothing was moved), and a new
 * one begun with this run. own_place: path is where histories lie, so that a file there that does not even begin like
 * one is a corrupt history; elsewhere it can be anything, such as a model named by mistake, and is left alone. Safe
 * among processes that find the same file corrupt. Returns as sn_history_open and sn_history_add. */
setsuna_status sn_history_keep(const char *path, bool own_place, const sn_history_run *run, int64_t *id_out,
                               char moved_out[SN_HISTORY_PATH_MAX], setsuna_error *err);

#endif
