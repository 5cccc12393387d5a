/* A protobuf writer for tests: builds the messages that the readers are tried on, also ones that no library would
 * write. Memory runs out by abort: these are tests. */
#ifndef SN_TESTS_PB_WRITE_H
#define SN_TESTS_PB_WRITE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct pb_write {
    uint8_t *data; /* malloc; exactly `size` bytes after pb_exact */
    size_t size, cap;
} pb_write;

static inline void pb_put(pb_write *w, const void *data, size_t size)
{
    if (size == 0)
        return;
    if (w->size + size > w->cap) {
        w->cap = (w->size + size) * 2;
        w->data = realloc(w->data, w->cap);
        if (!w->data)
            abort();
    }
    memcpy(w->data + w->size, data, size);
    w->size += size;
}

static inline void pb_put_varint(pb_write *w, uint64_t v)
{
    uint8_t b[10];
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        b[n++] = (uint8_t)(v | 0x80);
    b[n++] = (uint8_t)v;
    pb_put(w, b, n);
}

static inline void pb_tag(pb_write *w, uint32_t field, unsigned wire)
{
    pb_put_varint(w, (uint64_t)field << 3 | wire);
}

static inline void pb_int(pb_write *w, uint32_t field, int64_t v)
{
    pb_tag(w, field, 0);
    pb_put_varint(w, (uint64_t)v);
}

static inline void pb_f32(pb_write *w, uint32_t field, float v)
{
    pb_tag(w, field, 5);
    pb_put(w, &v, 4);
}

static inline void pb_f64(pb_write *w, uint32_t field, double v)
{
    pb_tag(w, field, 1);
    pb_put(w, &v, 8);
}

static inline void pb_bytes(pb_write *w, uint32_t field, const void *data, size_t size)
{
    pb_tag(w, field, 2);
    pb_put_varint(w, size);
    pb_put(w, data, size);
}

static inline void pb_text(pb_write *w, uint32_t field, const char *text)
{
    pb_bytes(w, field, text, strlen(text));
}

/* Takes inner. */
static inline void pb_message(pb_write *w, uint32_t field, pb_write inner)
{
    pb_bytes(w, field, inner.data, inner.size);
    free(inner.data);
}

/* A packed list of varints. */
static inline void pb_packed(pb_write *w, uint32_t field, const int64_t *v, size_t n)
{
    pb_write list = {0};
    for (size_t i = 0; i < n; i++)
        pb_put_varint(&list, (uint64_t)v[i]);
    pb_message(w, field, list);
}

/* Appends inner's bytes as they are. Takes inner. */
static inline void pb_join(pb_write *w, pb_write inner)
{
    pb_put(w, inner.data, inner.size);
    free(inner.data);
}

/* A heap block of exactly the message's size, so that a sanitizer sees the first byte read past it. Takes w. */
static inline pb_write pb_exact(pb_write w)
{
    pb_write e = {malloc(w.size ? w.size : 1), w.size, w.size};
    if (!e.data)
        abort();
    if (w.size)
        memcpy(e.data, w.data, w.size);
    free(w.data);
    return e;
}

#endif
