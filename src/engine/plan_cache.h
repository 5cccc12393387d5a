/* The plan cache: packed weights of a model in a file of a folder, for the next process (docs/design/0013).
 *
 * The file's name follows from the model's path and from what decides how weights are packed. What is in it counts only
 * if it was made by this build from the very bytes that the model has now, and if every byte of it is as it was
 * written.
 */
#ifndef SN_ENGINE_PLAN_CACHE_H
#define SN_ENGINE_PLAN_CACHE_H

#include "base/lazy_file.h"
#include "ops/pack_store.h"

typedef struct sn_plan_cache sn_plan_cache;

/* What a cache is of. */
typedef struct sn_plan_cache_of {
    const char *dir; /* a folder that exists */
    const char *model_path;
    uint64_t options;                 /* a hash of what decides how weights are packed, besides the build */
    const sn_lazy_file *const *files; /* the model's open files; the array and they outlive the cache */
    size_t n_files;
    sn_pack_store *store; /* outlives the cache */
} sn_plan_cache_of;

/* Gives what the folder has to the store; where that is stale, corrupt or foreign, note[note_size] says so, and it will
 * be made anew. Returns OK, ENOMEM, or a status of the folder (ENOTFOUND, EIO). */
setsuna_status sn_plan_cache_open(const sn_plan_cache_of *of, const sn_allocator *a, char *note, size_t note_size,
                                  sn_plan_cache **out, setsuna_error *err);

/* Writes the file where the store has what it lacks. Failing costs time only; note says so. */
void sn_plan_cache_save(sn_plan_cache *c, char *note, size_t note_size);

void sn_plan_cache_close(sn_plan_cache *c); /* NULL is fine */

#endif
