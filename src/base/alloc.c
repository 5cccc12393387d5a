#include "base/alloc.h"
#include "base/checked.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Weights are read once an inference: with pages of 4 KiB each one costs a walk of the page table, and prefetching
 * stops at its end; and 2 MiB of them take 600 us to get, against 60 us. Large blocks lie so that the system can use
 * pages of 2 MiB, where it has them, also for a rest that would fill a quarter of one. */
static void *heap_alloc(void *ctx, size_t size_bytes)
{
    (void)ctx;
    size_t rounded, rest = size_bytes % SN_ALLOC_LARGE;
    if (!sn_align_size(size_bytes, rest >= SN_ALLOC_LARGE / 4 ? SN_ALLOC_LARGE : SN_ALIGN, &rounded))
        return NULL;
    void *p = NULL;
    bool large = rounded >= SN_ALLOC_LARGE;
    if (posix_memalign(&p, large ? SN_ALLOC_LARGE : SN_ALIGN, rounded) != 0)
        return NULL;
    if (large)
        madvise(p, rounded / SN_ALLOC_LARGE * SN_ALLOC_LARGE, MADV_HUGEPAGE);
    return p;
}

static void heap_free(void *ctx, void *ptr)
{
    (void)ctx;
    free(ptr);
}

const sn_allocator *sn_allocator_default(void)
{
    static const sn_allocator heap = {NULL, heap_alloc, heap_free};
    return &heap;
}

void *sn_alloc(const sn_allocator *a, size_t size_bytes)
{
    return size_bytes ? a->alloc(a->ctx, size_bytes) : NULL;
}

void *sn_alloc_zero(const sn_allocator *a, size_t size_bytes)
{
    void *p = sn_alloc(a, size_bytes);
    if (p)
        memset(p, 0, size_bytes);
    return p;
}

void sn_free(const sn_allocator *a, void *ptr)
{
    if (ptr)
        a->free(a->ctx, ptr);
}

bool sn_grow(const sn_allocator *a, void *array_ptr, size_t *cap, size_t need, size_t elem_bytes)
{
    if (need <= *cap)
        return true;
    size_t want = *cap ? *cap : 16, bytes;
    while (want < need)
        if (!sn_mul_size(want, 2, &want))
            return false;
    if (!sn_mul_size(want, elem_bytes, &bytes))
        return false;
    void *fresh = sn_alloc(a, bytes), *old;
    if (!fresh)
        return false;
    memcpy(&old, array_ptr, sizeof old); /* array_ptr is a T **; its type is not ours to know */
    if (old)
        memcpy(fresh, old, *cap * elem_bytes);
    memcpy(array_ptr, &fresh, sizeof fresh);
    sn_free(a, old);
    *cap = want;
    return true;
}

/* ---- arena ----------------------------------------------------------------------------------------- */

typedef struct arena_block {
    struct arena_block *next;
    size_t size, used; /* of the whole block, this header included */
} arena_block;

struct sn_arena {
    const sn_allocator *allocator;
    arena_block *head;
    size_t total;
};

enum { ARENA_BLOCK_FIRST = 16 << 10, ARENA_BLOCK_MAX = 1 << 20, ARENA_HEADER = SN_ALIGN };
_Static_assert(sizeof(arena_block) <= ARENA_HEADER, "the header must leave the first item aligned");

sn_arena *sn_arena_create(const sn_allocator *a)
{
    sn_arena *arena = sn_alloc_zero(a, sizeof *arena);
    if (arena)
        arena->allocator = a;
    return arena;
}

void sn_arena_destroy(sn_arena *arena)
{
    if (!arena)
        return;
    for (arena_block *b = arena->head, *next; b; b = next) {
        next = b->next;
        sn_free(arena->allocator, b);
    }
    sn_free(arena->allocator, arena);
}

static arena_block *arena_add_block(sn_arena *arena, size_t need)
{
    size_t size = arena->head ? arena->head->size * 2 : ARENA_BLOCK_FIRST;
    if (size > ARENA_BLOCK_MAX)
        size = ARENA_BLOCK_MAX;
    size_t whole;
    if (!sn_add_size(need, ARENA_HEADER, &whole))
        return NULL;
    if (size < whole)
        size = whole;
    arena_block *b = sn_alloc(arena->allocator, size);
    if (!b)
        return NULL;
    b->size = size;
    b->used = ARENA_HEADER;
    if (arena->head && arena->head->size - arena->head->used > size - whole) {
        b->next = arena->head->next; /* the current block has more room left: a large item goes behind it */
        arena->head->next = b;
    } else {
        b->next = arena->head;
        arena->head = b;
    }
    arena->total += size;
    return b;
}

static void *arena_take(sn_arena *arena, size_t size_bytes, size_t align)
{
    size_t size;
    if (!sn_align_size(size_bytes ? size_bytes : 1, align, &size))
        return NULL;
    arena_block *b = arena->head;
    size_t at = b ? (b->used + align - 1) & ~(align - 1) : 0;
    if (!b || at > b->size || b->size - at < size) {
        b = arena_add_block(arena, size);
        if (!b)
            return NULL;
        at = b->used;
    }
    b->used = at + size;
    void *p = (char *)b + at;
    memset(p, 0, size);
    return p;
}

void *sn_arena_alloc(sn_arena *arena, size_t size_bytes)
{
    return arena_take(arena, size_bytes, 16);
}

void *sn_arena_alloc_wide(sn_arena *arena, size_t size_bytes)
{
    return arena_take(arena, size_bytes, SN_ALIGN);
}

void *sn_arena_array(sn_arena *arena, size_t n, size_t elem_bytes)
{
    size_t bytes;
    return sn_mul_size(n, elem_bytes, &bytes) ? sn_arena_alloc(arena, bytes) : NULL;
}

char *sn_arena_strndup(sn_arena *arena, const char *text, size_t len)
{
    size_t bytes;
    char *copy = sn_add_size(len, 1, &bytes) ? sn_arena_alloc(arena, bytes) : NULL;
    if (copy && len)
        memcpy(copy, text, len);
    return copy;
}

char *sn_arena_printf(sn_arena *arena, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *text = len < 0 ? NULL : sn_arena_alloc(arena, (size_t)len + 1);
    if (text)
        vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    return text;
}

size_t sn_arena_size_bytes(const sn_arena *arena)
{
    return arena->total;
}

const sn_allocator *sn_arena_allocator(const sn_arena *arena)
{
    return arena->allocator;
}
