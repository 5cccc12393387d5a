/* Constants in kernels' own layouts, shared by every plan of a model.
 *
 * Packing happens once per (layout, constant): the first plan that asks fills the bytes, later plans borrow them.
 * Weights that are still in the model's file (sn_const.file) go from there through a buffer into their packed form, so
 * that they are never held twice.
 */
#ifndef SN_OPS_PACK_STORE_H
#define SN_OPS_PACK_STORE_H

#include "base/alloc.h"
#include "graph/graph.h"
#include "ops/pack_file.h"

typedef struct sn_pack_store sn_pack_store;

/* expected_bytes: about what it will hold, such as the size of the model's files. NULL: out of memory. */
sn_pack_store *sn_pack_store_create(const sn_allocator *a, size_t expected_bytes);
void sn_pack_store_destroy(sn_pack_store *s);

/* Writes a packed form to dst, which is SN_ALIGN-aligned and zeroed. source[i]: the bytes of the i-th source constant,
 * maybe misaligned for their type; NULL where that is NULL. */
typedef void sn_pack_fn(void *dst, const void *const *source, const void *arg);

enum { SN_PACK_SOURCES_MAX = 4 };

/* See sn_op_pack. fill NULL: the bytes of the one source, size_bytes of them, as they are. Thread-safe.
 * Returns OK, ENOMEM, EIO. */
setsuna_status sn_pack_store_get(sn_pack_store *s, uint64_t key, size_t size_bytes, sn_pack_fn *fill, const void *arg,
                                 const sn_const *const *source, uint32_t n_source, const void **out,
                                 setsuna_error *err);

/* No more weights are to be packed for the time being: gives the buffer back. */
void sn_pack_store_settle(sn_pack_store *s);

/* ---- constants that a file has ready (ops/pack_file.h) ------------------------------------------------- */

/* Items of a file whose bytes were verified: they are found by key, and not packed. Takes map (sn_pages_map of size
 * bytes), the failure case excluded. Returns OK or ENOMEM. */
setsuna_status sn_pack_store_adopt(sn_pack_store *s, void *map, size_t size, const sn_pack_view *view);

/* Whether constants were packed here that are in no file. */
bool sn_pack_store_is_fresh(sn_pack_store *s);

/* Writes all constants to a file; they are not fresh then. Returns as sn_pack_file_write. */
setsuna_status sn_pack_store_save(sn_pack_store *s, const char *path, const sn_pack_ident *ident, setsuna_error *err);

/* Bytes of packed constants held. */
size_t sn_pack_store_size_bytes(const sn_pack_store *s);

#endif
