#include "ops/pack_store.h"
#include "base/checked.h"
#include "base/file.h"
#include "base/status.h"
#include <pthread.h>
#include <string.h>

enum {
    /* Below this a constant is not worth the system call. */
    PACK_RELEASE_MIN_BYTES = 64 << 10,
    /* Entries are cut from slabs that double from the first size to the last: large enough for huge pages, and not
     * much larger than what a small model needs. What is not used of a slab is not touched. */
    PACK_SLAB_FIRST_BYTES = 256 << 10,
    PACK_SLAB_LAST_BYTES = 32 << 20
};

/* Originals are given back when their plan is complete, in one go: one by one is slower, because huge pages must be
 * split. From this much on they go at once all the same, so that large models are not held twice. */
enum { PACK_EAGER_BYTES = 128 << 20 };

typedef struct pack_entry {
    uint64_t key;
    size_t size;
    void *data;
} pack_entry;

typedef struct pack_slab {
    char *data;
    size_t size, used;
} pack_slab;

struct sn_pack_store {
    const sn_allocator *allocator;
    sn_pack_restore_fn *restore;
    void *restore_ctx;
    pthread_mutex_t lock;
    pack_entry *entry;
    size_t n_entry, cap_entry;
    pack_slab *slab;
    size_t n_slab, cap_slab;
    const sn_const **released;
    size_t n_released, cap_released;
    const void **pinned; /* data pointers */
    size_t n_pinned, cap_pinned;
    size_t total;
};

sn_pack_store *sn_pack_store_create(const sn_allocator *a, sn_pack_restore_fn *restore, void *restore_ctx)
{
    sn_pack_store *s = sn_alloc_zero(a, sizeof *s);
    if (!s)
        return NULL;
    s->allocator = a;
    s->restore = restore;
    s->restore_ctx = restore_ctx;
    if (pthread_mutex_init(&s->lock, NULL) != 0) {
        sn_free(a, s);
        return NULL;
    }
    return s;
}

void sn_pack_store_destroy(sn_pack_store *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_slab; i++)
        sn_free(s->allocator, s->slab[i].data);
    sn_free(s->allocator, s->slab);
    sn_free(s->allocator, s->entry);
    sn_free(s->allocator, s->released);
    sn_free(s->allocator, s->pinned);
    pthread_mutex_destroy(&s->lock);
    sn_free(s->allocator, s);
}

static setsuna_status pack_touch_locked(sn_pack_store *s, const sn_const *c, setsuna_error *err)
{
    for (size_t i = 0; i < s->n_released; i++)
        if (s->released[i]->t.data == c->t.data) {
            SN_TRY(s->restore(s->restore_ctx, c, err));
            s->released[i] = s->released[--s->n_released];
            return SETSUNA_OK;
        }
    return SETSUNA_OK;
}

/* SN_ALIGN-aligned and zeroed, from the last slab or a new one; NULL: out of memory. */
static void *pack_alloc(sn_pack_store *s, size_t size_bytes)
{
    size_t size;
    if (!sn_align_size(size_bytes ? size_bytes : 1, SN_ALIGN, &size))
        return NULL;
    pack_slab *last = s->n_slab ? &s->slab[s->n_slab - 1] : NULL;
    if (!last || last->size - last->used < size) {
        size_t want = last ? last->size * 2 : PACK_SLAB_FIRST_BYTES;
        want = want > PACK_SLAB_LAST_BYTES ? PACK_SLAB_LAST_BYTES : want;
        want = want < size ? size : want;
        if (!sn_grow(s->allocator, &s->slab, &s->cap_slab, s->n_slab + 1, sizeof *s->slab))
            return NULL;
        char *data = sn_alloc(s->allocator, want);
        if (!data)
            return NULL;
        last = &s->slab[s->n_slab++];
        *last = (pack_slab){data, want, 0};
    }
    void *p = last->data + last->used;
    last->used += size;
    memset(p, 0, size);
    return p;
}

static setsuna_status pack_get_locked(sn_pack_store *s, uint64_t key, size_t size_bytes,
                                      void (*fill)(void *, const void *), const void *arg,
                                      const sn_const *const *source, uint32_t n_source, const void **out,
                                      setsuna_error *err)
{
    for (size_t i = 0; i < s->n_entry; i++)
        if (s->entry[i].key == key && s->entry[i].size == size_bytes) {
            *out = s->entry[i].data;
            return SETSUNA_OK;
        }
    for (uint32_t i = 0; i < n_source; i++)
        if (source[i])
            SN_TRY(pack_touch_locked(s, source[i], err));
    void *data = NULL;
    if (sn_grow(s->allocator, &s->entry, &s->cap_entry, s->n_entry + 1, sizeof *s->entry))
        data = pack_alloc(s, size_bytes);
    if (!data)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "no memory for %zu bytes of packed weights", size_bytes);
    fill(data, arg);
    s->entry[s->n_entry++] = (pack_entry){key, size_bytes, data};
    s->total += size_bytes;
    *out = data;
    return SETSUNA_OK;
}

setsuna_status sn_pack_store_get(sn_pack_store *s, uint64_t key, size_t size_bytes, void (*fill)(void *, const void *),
                                 const void *arg, const sn_const *const *source, uint32_t n_source, const void **out,
                                 setsuna_error *err)
{
    pthread_mutex_lock(&s->lock);
    setsuna_status status = pack_get_locked(s, key, size_bytes, fill, arg, source, n_source, out, err);
    pthread_mutex_unlock(&s->lock);
    for (uint32_t i = 0; status == SETSUNA_OK && s->total > PACK_EAGER_BYTES && i < n_source; i++)
        if (source[i])
            sn_pack_store_release(s, source[i]);
    return status;
}

setsuna_status sn_pack_store_touch(sn_pack_store *s, const sn_const *c, setsuna_error *err)
{
    if (!c->releasable)
        return SETSUNA_OK;
    pthread_mutex_lock(&s->lock);
    setsuna_status status = pack_touch_locked(s, c, err);
    pthread_mutex_unlock(&s->lock);
    return status;
}

static bool pack_is_pinned(const sn_pack_store *s, const void *data)
{
    for (size_t i = 0; i < s->n_pinned; i++)
        if (s->pinned[i] == data)
            return true;
    return false;
}

setsuna_status sn_pack_store_pin(sn_pack_store *s, const sn_const *c, setsuna_error *err)
{
    if (!c->releasable || !s->restore)
        return SETSUNA_OK;
    pthread_mutex_lock(&s->lock);
    setsuna_status status = pack_touch_locked(s, c, err);
    if (status == SETSUNA_OK && !pack_is_pinned(s, c->t.data)) {
        if (sn_grow(s->allocator, &s->pinned, &s->cap_pinned, s->n_pinned + 1, sizeof *s->pinned))
            s->pinned[s->n_pinned++] = c->t.data;
        else
            status = SETSUNA_ENOMEM;
    }
    pthread_mutex_unlock(&s->lock);
    return status;
}

void sn_pack_store_release(sn_pack_store *s, const sn_const *c)
{
    if (!c->releasable || !s->restore || c->t.size_bytes < PACK_RELEASE_MIN_BYTES)
        return;
    pthread_mutex_lock(&s->lock);
    bool known = pack_is_pinned(s, c->t.data);
    for (size_t i = 0; i < s->n_released; i++)
        known |= s->released[i]->t.data == c->t.data;
    if (!known && sn_grow(s->allocator, &s->released, &s->cap_released, s->n_released + 1, sizeof *s->released)) {
        s->released[s->n_released++] = c;
        sn_bytes_release(c->t.data, c->t.size_bytes);
    }
    pthread_mutex_unlock(&s->lock);
}

size_t sn_pack_store_size_bytes(const sn_pack_store *s)
{
    return s->total;
}
