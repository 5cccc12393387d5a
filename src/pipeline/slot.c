#include "pipeline/slot.h"
#include "graph/tensor.h"
#include <string.h>

static const struct slot_kind_name {
    sn_pipe_kind kind;
    const char *text;
} slot_kind_names[] = {
#define SLOT_KIND_ROW(name, bit, text) {SN_PIPE_##name, text},
    SN_PIPE_KIND_LIST(SLOT_KIND_ROW)
#undef SLOT_KIND_ROW
};

const char *sn_pipe_kind_name(sn_pipe_kind kind)
{
    for (size_t i = 0; i < sizeof slot_kind_names / sizeof *slot_kind_names; i++)
        if (slot_kind_names[i].kind == kind)
            return slot_kind_names[i].text;
    return "?";
}

bool sn_pipe_kind_parse(const char *text, sn_pipe_kind *out)
{
    for (size_t i = 0; i < sizeof slot_kind_names / sizeof *slot_kind_names; i++)
        if (strcmp(slot_kind_names[i].text, text) == 0) {
            *out = slot_kind_names[i].kind;
            return true;
        }
    return false;
}

void sn_pipe_slot_init(sn_pipe_slot *slot, const char *name, sn_pipe_kind kind, const sn_allocator *allocator)
{
    *slot = (sn_pipe_slot){.name = name, .kind = kind, .allocator = allocator};
    if (kind == SN_PIPE_IMAGE)
        slot->image.to_source = sn_transform_identity();
}

void sn_pipe_slot_fini(sn_pipe_slot *slot)
{
    const sn_allocator *a = slot->allocator;
    switch (slot->kind) {
    case SN_PIPE_BYTES: sn_free(a, slot->bytes.storage); break;
    case SN_PIPE_IMAGE: sn_image_fini(a, &slot->image.pixels); break;
    case SN_PIPE_TENSOR: sn_free(a, slot->tensor.storage); break;
    case SN_PIPE_BOXES: sn_free(a, slot->boxes.item); break;
    case SN_PIPE_TEXT:
        sn_free(a, slot->text.item);
        sn_free(a, slot->text.bytes);
        break;
    case SN_PIPE_CLASSES: sn_free(a, slot->classes.item); break;
    case SN_PIPE_AUDIO: sn_free(a, slot->audio.sample); break;
    case SN_PIPE_SEGMENTS: sn_free(a, slot->segments.item); break;
    case SN_PIPE_NUMBER: break;
    }
    sn_pipe_slot_init(slot, slot->name, slot->kind, a);
}

void sn_pipe_slot_clear(sn_pipe_slot *slot)
{
    switch (slot->kind) {
    case SN_PIPE_BOXES: slot->boxes.n = 0; break;
    case SN_PIPE_TEXT: slot->text.n = slot->text.n_bytes = 0; break;
    case SN_PIPE_CLASSES: slot->classes.n = 0; break;
    case SN_PIPE_SEGMENTS: slot->segments.n = 0; break;
    case SN_PIPE_AUDIO: slot->audio.n = 0; break;
    case SN_PIPE_BYTES:
    case SN_PIPE_IMAGE:
    case SN_PIPE_TENSOR:
    case SN_PIPE_NUMBER: break;
    }
}

/* ---- tensors and bytes ------------------------------------------------------------------------------------- */

/* Makes room for `bytes` in a slot's own memory; contents are not kept. */
static bool slot_reserve(const sn_allocator *a, void **storage, size_t *capacity, size_t bytes)
{
    if (bytes <= *capacity)
        return true;
    void *fresh = sn_alloc(a, bytes);
    if (!fresh)
        return false;
    sn_free(a, *storage);
    *storage = fresh;
    *capacity = bytes;
    return true;
}

setsuna_status sn_pipe_slot_tensor_reserve(sn_pipe_slot *slot, setsuna_dtype dtype, const setsuna_shape *shape)
{
    size_t bytes;
    if (!sn_tensor_bytes(dtype, shape, &bytes))
        return SETSUNA_ESHAPE;
    if (!slot_reserve(slot->allocator, &slot->tensor.storage, &slot->tensor.capacity, bytes))
        return SETSUNA_ENOMEM;
    slot->tensor.t = (setsuna_tensor){dtype, *shape, bytes ? slot->tensor.storage : NULL, bytes};
    return SETSUNA_OK;
}

void sn_pipe_slot_tensor_borrow(sn_pipe_slot *slot, const setsuna_tensor *t)
{
    slot->tensor.t = *t;
}

setsuna_status sn_pipe_slot_bytes_copy(sn_pipe_slot *slot, const void *data, size_t size)
{
    if (!slot_reserve(slot->allocator, &slot->bytes.storage, &slot->bytes.capacity, size))
        return SETSUNA_ENOMEM;
    if (size)
        memcpy(slot->bytes.storage, data, size);
    slot->bytes.data = slot->bytes.storage;
    slot->bytes.size = size;
    return SETSUNA_OK;
}

/* ---- lists --------------------------------------------------------------------------------------------------- */

sn_box *sn_pipe_slot_box_add(sn_pipe_slot *slot, const sn_box *box)
{
    if (!sn_grow(slot->allocator, &slot->boxes.item, &slot->boxes.capacity, slot->boxes.n + 1, sizeof *box))
        return NULL;
    slot->boxes.item[slot->boxes.n] = *box;
    return &slot->boxes.item[slot->boxes.n++];
}

sn_text_line *sn_pipe_slot_text_add(sn_pipe_slot *slot, const char *utf8, size_t len, float score, int32_t box)
{
    if (!sn_grow(slot->allocator, &slot->text.item, &slot->text.capacity, slot->text.n + 1, sizeof(sn_text_line)) ||
        !sn_grow(slot->allocator, &slot->text.bytes, &slot->text.bytes_capacity, slot->text.n_bytes + len + 1, 1))
        return NULL;
    sn_text_line *line = &slot->text.item[slot->text.n++];
    *line = (sn_text_line){slot->text.n_bytes, len, score, box};
    memcpy(slot->text.bytes + line->begin, utf8, len);
    slot->text.bytes[line->begin + len] = '\0';
    slot->text.n_bytes += len + 1;
    return line;
}

sn_class *sn_pipe_slot_class_add(sn_pipe_slot *slot, const sn_class *item)
{
    if (!sn_grow(slot->allocator, &slot->classes.item, &slot->classes.capacity, slot->classes.n + 1, sizeof *item))
        return NULL;
    slot->classes.item[slot->classes.n] = *item;
    return &slot->classes.item[slot->classes.n++];
}

sn_segment *sn_pipe_slot_segment_add(sn_pipe_slot *slot, const sn_segment *item)
{
    if (!sn_grow(slot->allocator, &slot->segments.item, &slot->segments.capacity, slot->segments.n + 1, sizeof *item))
        return NULL;
    slot->segments.item[slot->segments.n] = *item;
    return &slot->segments.item[slot->segments.n++];
}

bool sn_pipe_slot_audio_reserve(sn_pipe_slot *slot, size_t n)
{
    return sn_grow(slot->allocator, &slot->audio.sample, &slot->audio.capacity, n, sizeof *slot->audio.sample);
}

/* ---- collecting ------------------------------------------------------------------------------------------------ */

static bool slot_collect_list(const sn_pipe_slot *src, sn_pipe_slot *dst)
{
    bool ok = true;
    switch (src->kind) {
    case SN_PIPE_BOXES:
        for (size_t i = 0; ok && i < src->boxes.n; i++)
            ok = sn_pipe_slot_box_add(dst, &src->boxes.item[i]);
        break;
    case SN_PIPE_TEXT:
        for (size_t i = 0; ok && i < src->text.n; i++) {
            const sn_text_line *l = &src->text.item[i];
            ok = sn_pipe_slot_text_add(dst, src->text.bytes + l->begin, l->len, l->score, l->box);
        }
        break;
    case SN_PIPE_CLASSES:
        for (size_t i = 0; ok && i < src->classes.n; i++)
            ok = sn_pipe_slot_class_add(dst, &src->classes.item[i]);
        break;
    case SN_PIPE_SEGMENTS:
        for (size_t i = 0; ok && i < src->segments.n; i++)
            ok = sn_pipe_slot_segment_add(dst, &src->segments.item[i]);
        break;
    case SN_PIPE_AUDIO:
        ok = sn_pipe_slot_audio_reserve(dst, dst->audio.n + src->audio.n);
        if (ok && src->audio.n) {
            memcpy(dst->audio.sample + dst->audio.n, src->audio.sample, src->audio.n * sizeof *src->audio.sample);
            dst->audio.n += src->audio.n;
        }
        dst->audio.rate_hz = src->audio.rate_hz;
        break;
    case SN_PIPE_BYTES:
    case SN_PIPE_IMAGE:
    case SN_PIPE_TENSOR:
    case SN_PIPE_NUMBER: break;
    }
    return ok;
}

setsuna_status sn_pipe_slot_collect(const sn_pipe_slot *src, sn_pipe_slot *dst)
{
    if (src->kind != dst->kind)
        return SETSUNA_EINVAL;
    switch (src->kind) {
    case SN_PIPE_BYTES: return sn_pipe_slot_bytes_copy(dst, src->bytes.data, src->bytes.size);
    case SN_PIPE_IMAGE:
        dst->image.to_source = src->image.to_source;
        dst->image.source_width = src->image.source_width;
        dst->image.source_height = src->image.source_height;
        dst->image.valid_width = src->image.valid_width;
        return src->image.pixels.data ? sn_image_copy(dst->allocator, &src->image.pixels, &dst->image.pixels)
                                      : SETSUNA_OK;
    case SN_PIPE_TENSOR:
        SN_TRY(sn_pipe_slot_tensor_reserve(dst, src->tensor.t.dtype, &src->tensor.t.shape));
        if (src->tensor.t.size_bytes && dst->tensor.t.data)
            memcpy(dst->tensor.t.data, src->tensor.t.data, src->tensor.t.size_bytes);
        return SETSUNA_OK;
    case SN_PIPE_NUMBER: dst->number = src->number; return SETSUNA_OK;
    case SN_PIPE_BOXES:
    case SN_PIPE_TEXT:
    case SN_PIPE_CLASSES:
    case SN_PIPE_SEGMENTS:
    case SN_PIPE_AUDIO: break;
    }
    return slot_collect_list(src, dst) ? SETSUNA_OK : SETSUNA_ENOMEM;
}
