/* Memory: an injected allocator, and an arena on top of it for things that live and die together. */
#ifndef SN_BASE_ALLOC_H
#define SN_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SN_ALIGN = 64 }; /* a cache line, and the width of the widest vector register */

enum { SN_ALLOC_LARGE = 2 << 20 }; /* a huge page; from a quarter of this on the default allocator asks for them */

/* alloc returns SN_ALIGN-aligned memory or NULL; size is never 0. free gets what alloc returned. Several threads may
 * call both at once. */
typedef struct sn_allocator {
    void *ctx;
    void *(*alloc)(void *ctx, size_t size_bytes);
    void (*free)(void *ctx, void *ptr);
} sn_allocator;

/* The process heap. Never NULL. */
const sn_allocator *sn_allocator_default(void);

/* NULL when size_bytes is 0 or memory is out. Contents undefined; sn_alloc_zero clears them. */
void *sn_alloc(const sn_allocator *a, size_t size_bytes);
void *sn_alloc_zero(const sn_allocator *a, size_t size_bytes);
void sn_free(const sn_allocator *a, void *ptr); /* ptr may be NULL */

/* Grows *array (capacity in *cap elements of elem_bytes) to hold at least need elements, doubling.
 * false: out of memory or overflow, the array is untouched. */
bool sn_grow(const sn_allocator *a, void *array_ptr, size_t *cap, size_t need, size_t elem_bytes);

/* Bump allocator: nothing is freed alone, everything is freed by sn_arena_destroy. */
typedef struct sn_arena sn_arena;

sn_arena *sn_arena_create(const sn_allocator *a); /* NULL: out of memory */
void sn_arena_destroy(sn_arena *arena);           /* NULL is fine */

/* 16-byte aligned (sn_arena_alloc) or SN_ALIGN-aligned (sn_arena_alloc_wide), zeroed. A size of 0 gives a
 * valid unique pointer. NULL: out of memory. */
void *sn_arena_alloc(sn_arena *arena, size_t size_bytes);
void *sn_arena_alloc_wide(sn_arena *arena, size_t size_bytes);

/* n elements of elem_bytes, zeroed; NULL on overflow or out of memory. */
void *sn_arena_array(sn_arena *arena, size_t n, size_t elem_bytes);

/* Copies len bytes and adds a NUL. */
char *sn_arena_strndup(sn_arena *arena, const char *text, size_t len);
char *sn_arena_printf(sn_arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Bytes taken from the allocator so far. */
size_t sn_arena_size_bytes(const sn_arena *arena);
const sn_allocator *sn_arena_allocator(const sn_arena *arena);

#endif
