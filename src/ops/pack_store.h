/* Constants in kernels' own layouts, shared by every plan of a model.
 *
 * Packing happens once per (layout, constant): the first plan that asks fills the bytes, later plans borrow them.
 * Once everything a large weight is needed for is packed, its original bytes are given back to the system, so that
 * weights are not held twice; a later need reads them again through the restore hook.
 */
#ifndef SN_OPS_PACK_STORE_H
#define SN_OPS_PACK_STORE_H

#include "base/alloc.h"
#include "graph/graph.h"

typedef struct sn_pack_store sn_pack_store;

/* Makes the bytes of a released constant valid again. Returns OK, EIO or ENOMEM. */
typedef setsuna_status sn_pack_restore_fn(void *ctx, const sn_const *c, setsuna_error *err);

/* restore may be NULL: then nothing is ever released. NULL: out of memory. */
sn_pack_store *sn_pack_store_create(const sn_allocator *a, sn_pack_restore_fn *restore, void *restore_ctx);
void sn_pack_store_destroy(sn_pack_store *s);

/* See sn_op_pack. Thread-safe. */
setsuna_status sn_pack_store_get(sn_pack_store *s, uint64_t key, size_t size_bytes, void (*fill)(void *, const void *),
                                 const void *arg, const sn_const *const *source, uint32_t n_source, const void **out,
                                 setsuna_error *err);

/* The bytes of c are about to be read in place: restores them when they were given back. */
setsuna_status sn_pack_store_touch(sn_pack_store *s, const sn_const *c, setsuna_error *err);

/* As touch, and c is never released from now on: a plan reads it in place. */
setsuna_status sn_pack_store_pin(sn_pack_store *s, const sn_const *c, setsuna_error *err);

/* c is packed: gives its pages back when it is releasable, large, and not pinned. */
void sn_pack_store_release(sn_pack_store *s, const sn_const *c);

/* Bytes of packed constants held. */
size_t sn_pack_store_size_bytes(const sn_pack_store *s);

#endif
