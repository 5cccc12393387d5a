#include "import/onnx/onnx_names.h"
#include "base/checked.h"
#include "base/hash.h"

void sn_onnx_names_fini(sn_onnx_names *t)
{
    sn_free(t->allocator, t->slot);
    t->slot = NULL;
    t->cap = t->n = 0;
}

/* Every word is mixed with the seed: a file cannot choose words that cancel a constant of the hash. */
static uint64_t names_hash(uint64_t seed, sn_pb_bytes key)
{
    uint64_t h = sn_hash_u64(seed, key.size), word;
    size_t i = 0;
    for (; key.size - i >= 8; i += 8) {
        memcpy(&word, key.data + i, 8);
        h = sn_hash_u64(h, word ^ seed);
    }
    word = 0;
    if (i < key.size)
        memcpy(&word, key.data + i, key.size - i);
    return sn_hash_u64(h, word ^ seed);
}

/* The slot of key, or the free one where it belongs. Pre: cap is a power of two with a free slot. */
static sn_onnx_name *names_slot(sn_onnx_name *slot, size_t cap, uint64_t seed, sn_pb_bytes key)
{
    size_t i = (size_t)names_hash(seed, key) & (cap - 1);
    while (slot[i].used &&
           (slot[i].key.size != key.size || (key.size && memcmp(slot[i].key.data, key.data, key.size) != 0)))
        i = (i + 1) & (cap - 1);
    return &slot[i];
}

sn_onnx_name *sn_onnx_names_find(const sn_onnx_names *t, sn_pb_bytes key)
{
    if (t->n == 0)
        return NULL;
    sn_onnx_name *s = names_slot(t->slot, t->cap, t->seed, key);
    return s->used ? s : NULL;
}

static bool names_grow(sn_onnx_names *t)
{
    size_t cap = t->cap ? t->cap * 2 : 16, bytes;
    sn_onnx_name *fresh = sn_mul_size(cap, sizeof *fresh, &bytes) ? sn_alloc_zero(t->allocator, bytes) : NULL;
    if (!fresh)
        return false;
    for (size_t i = 0; i < t->cap; i++)
        if (t->slot[i].used)
            *names_slot(fresh, cap, t->seed, t->slot[i].key) = t->slot[i];
    sn_free(t->allocator, t->slot);
    t->slot = fresh;
    t->cap = cap;
    return true;
}

sn_onnx_name *sn_onnx_names_add(sn_onnx_names *t, sn_pb_bytes key, uint32_t value)
{
    if (t->n >= t->cap / 2 && !names_grow(t))
        return NULL;
    sn_onnx_name *s = names_slot(t->slot, t->cap, t->seed, key);
    *s = (sn_onnx_name){.key = key, .value = value, .used = true};
    t->n++;
    return s;
}
