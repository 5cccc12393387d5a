#include "ops/pack_store.h"
#include "base/checked.h"
#include "base/pages.h"
#include "base/status.h"
#include <pthread.h>
#include <string.h>

enum {
    /* Entries are cut from slabs: the first is as large as the weights are expected to be, the next ones double. What
     * is not used of a slab is not touched. */
    PACK_SLAB_FIRST_BYTES = 256 << 10,
    PACK_SLAB_LAST_BYTES = 32 << 20
};

typedef struct pack_entry {
    uint64_t key;
    size_t size;
    void *data;
} pack_entry;

typedef struct pack_slab {
    char *data; /* sn_pages_alloc */
    size_t size, used;
} pack_slab;

struct sn_pack_store {
    const sn_allocator *allocator;
    pthread_mutex_t lock;
    pack_entry *entry;
    size_t n_entry, cap_entry;
    pack_slab *slab;
    size_t n_slab, cap_slab, first_slab;
    char *buffer; /* sn_pages_alloc: sources on their way from the file */
    size_t buffer_size;
    size_t total, n_saved; /* bytes held; entries that a file has too: the first ones */
    void *map;             /* sn_pages_map: where adopted entries are */
    size_t map_size;
};

sn_pack_store *sn_pack_store_create(const sn_allocator *a, size_t expected_bytes)
{
    sn_pack_store *s = sn_alloc_zero(a, sizeof *s);
    if (!s)
        return NULL;
    s->allocator = a;
    s->first_slab = expected_bytes < PACK_SLAB_FIRST_BYTES  ? PACK_SLAB_FIRST_BYTES
                    : expected_bytes > PACK_SLAB_LAST_BYTES ? PACK_SLAB_LAST_BYTES
                                                            : expected_bytes;
    if (pthread_mutex_init(&s->lock, NULL) != 0) {
        sn_free(a, s);
        return NULL;
    }
    return s;
}

static void pack_drop_buffer(sn_pack_store *s)
{
    sn_pages_free(s->buffer, s->buffer_size);
    s->buffer = NULL;
    s->buffer_size = 0;
}

void sn_pack_store_destroy(sn_pack_store *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_slab; i++)
        sn_pages_free(s->slab[i].data, s->slab[i].size);
    pack_drop_buffer(s);
    sn_pages_unmap(s->map, s->map_size);
    sn_free(s->allocator, s->slab);
    sn_free(s->allocator, s->entry);
    pthread_mutex_destroy(&s->lock);
    sn_free(s->allocator, s);
}

/* SN_ALIGN-aligned and zero, from the last slab or a new one; NULL: out of memory. */
static void *pack_alloc(sn_pack_store *s, size_t size_bytes)
{
    size_t size;
    if (!sn_align_size(size_bytes ? size_bytes : 1, SN_ALIGN, &size))
        return NULL;
    pack_slab *last = s->n_slab ? &s->slab[s->n_slab - 1] : NULL;
    if (!last || last->size - last->used < size) {
        size_t want = last ? last->size * 2 : s->first_slab;
        want = want > PACK_SLAB_LAST_BYTES ? PACK_SLAB_LAST_BYTES : want;
        want = want < size ? size : want;
        if (!sn_grow(s->allocator, &s->slab, &s->cap_slab, s->n_slab + 1, sizeof *s->slab))
            return NULL;
        char *data = sn_pages_alloc(want);
        if (!data)
            return NULL;
        last = &s->slab[s->n_slab++];
        *last = (pack_slab){data, want, 0};
    }
    void *p = last->data + last->used;
    last->used += size;
    return p;
}

/* The bytes of the sources, those that are in a file by way of the buffer. */
static setsuna_status pack_sources(sn_pack_store *s, const sn_const *const *source, uint32_t n_source,
                                   const void **bytes, setsuna_error *err)
{
    size_t at[SN_PACK_SOURCES_MAX], need = 0;
    for (uint32_t i = 0; i < n_source; i++) {
        at[i] = need;
        bytes[i] = source[i] ? source[i]->t.data : NULL;
        if (source[i] && source[i]->file &&
            (!sn_add_size(need, source[i]->t.size_bytes, &need) || !sn_align_size(need, SN_ALIGN, &need)))
            return sn_fail(err, SETSUNA_ELIMIT, NULL, "the weights are too large");
    }
    if (need > s->buffer_size) {
        pack_drop_buffer(s);
        s->buffer = sn_pages_alloc(need);
        if (!s->buffer)
            return sn_fail(err, SETSUNA_ENOMEM, NULL, "no memory for %zu bytes of weights", need);
        s->buffer_size = need;
    }
    for (uint32_t i = 0; i < n_source; i++)
        if (source[i] && source[i]->file) {
            SN_TRY(sn_const_read(source[i], s->buffer + at[i], err));
            bytes[i] = s->buffer + at[i];
        }
    return SETSUNA_OK;
}

static setsuna_status pack_get_locked(sn_pack_store *s, uint64_t key, size_t size_bytes, sn_pack_fn *fill,
                                      const void *arg, const sn_const *const *source, uint32_t n_source,
                                      const void **out, setsuna_error *err)
{
    const void *bytes[SN_PACK_SOURCES_MAX];
    for (size_t i = 0; i < s->n_entry; i++)
        if (s->entry[i].key == key && s->entry[i].size == size_bytes) {
            *out = s->entry[i].data;
            return SETSUNA_OK;
        }
    if (fill)
        SN_TRY(pack_sources(s, source, n_source, bytes, err));
    void *data = NULL;
    if (sn_grow(s->allocator, &s->entry, &s->cap_entry, s->n_entry + 1, sizeof *s->entry))
        data = pack_alloc(s, size_bytes);
    if (!data)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "no memory for %zu bytes of packed weights", size_bytes);
    if (fill)
        fill(data, bytes, arg);
    else
        SN_TRY(sn_const_read(source[0], data, err));
    s->entry[s->n_entry++] = (pack_entry){key, size_bytes, data};
    s->total += size_bytes;
    *out = data;
    return SETSUNA_OK;
}

setsuna_status sn_pack_store_get(sn_pack_store *s, uint64_t key, size_t size_bytes, sn_pack_fn *fill, const void *arg,
                                 const sn_const *const *source, uint32_t n_source, const void **out, setsuna_error *err)
{
    pthread_mutex_lock(&s->lock);
    setsuna_status status = pack_get_locked(s, key, size_bytes, fill, arg, source, n_source, out, err);
    pthread_mutex_unlock(&s->lock);
    return status;
}

void sn_pack_store_settle(sn_pack_store *s)
{
    pthread_mutex_lock(&s->lock);
    pack_drop_buffer(s);
    pthread_mutex_unlock(&s->lock);
}

setsuna_status sn_pack_store_adopt(sn_pack_store *s, void *map, size_t size, const sn_pack_view *view)
{
    pthread_mutex_lock(&s->lock);
    bool ok = !s->map && sn_grow(s->allocator, &s->entry, &s->cap_entry, s->n_entry + view->n_item, sizeof *s->entry);
    for (size_t i = 0; ok && i < view->n_item; i++) {
        const sn_pack_item *item = &view->item[i];
        s->entry[s->n_entry++] = (pack_entry){item->key, (size_t)item->size_bytes, (char *)map + item->offset};
        s->total += (size_t)item->size_bytes;
    }
    if (ok) {
        s->map = map;
        s->map_size = size;
        s->n_saved = s->n_entry;
    }
    pthread_mutex_unlock(&s->lock);
    return ok ? SETSUNA_OK : SETSUNA_ENOMEM;
}

bool sn_pack_store_is_fresh(sn_pack_store *s)
{
    pthread_mutex_lock(&s->lock);
    bool fresh = s->n_entry > s->n_saved;
    pthread_mutex_unlock(&s->lock);
    return fresh;
}

static setsuna_status pack_save_locked(sn_pack_store *s, const char *path, const sn_pack_ident *ident,
                                       setsuna_error *err)
{
    sn_pack_item *item = NULL;
    const void **data = NULL;
    size_t cap_item = 0, cap_data = 0;
    setsuna_status status = SETSUNA_ENOMEM;
    if (sn_grow(s->allocator, &item, &cap_item, s->n_entry + 1, sizeof *item) &&
        sn_grow(s->allocator, &data, &cap_data, s->n_entry + 1, sizeof *data)) {
        for (size_t i = 0; i < s->n_entry; i++) {
            item[i] = (sn_pack_item){.key = s->entry[i].key, .size_bytes = s->entry[i].size};
            data[i] = s->entry[i].data;
        }
        status = sn_pack_file_write(path, ident, item, data, s->n_entry, err);
    } else {
        sn_fail(err, status, path, "out of memory");
    }
    sn_free(s->allocator, item);
    sn_free(s->allocator, data);
    if (status == SETSUNA_OK)
        s->n_saved = s->n_entry;
    return status;
}

setsuna_status sn_pack_store_save(sn_pack_store *s, const char *path, const sn_pack_ident *ident, setsuna_error *err)
{
    pthread_mutex_lock(&s->lock);
    setsuna_status status = pack_save_locked(s, path, ident, err);
    pthread_mutex_unlock(&s->lock);
    return status;
}

size_t sn_pack_store_size_bytes(const sn_pack_store *s)
{
    return s->total;
}
