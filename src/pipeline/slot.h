/* Slots: the named places of a pipeline that its steps read and write.
 *
 * A slot has one kind, fixed when the pipeline is opened, and keeps its memory between passes, so that a pipeline that
 * has seen its largest input allocates no more. One thread at a time.
 */
#ifndef SN_PIPELINE_SLOT_H
#define SN_PIPELINE_SLOT_H

#include "base/alloc.h"
#include "base/status.h"
#include "pipeline/audio.h"
#include "pipeline/geometry.h"
#include "pipeline/image.h"
#include <setsuna/tensor.h>
#include <stdbool.h>

/* X(name, text). Kinds are bits, so that a step can accept several. */
#define SN_PIPE_KIND_LIST(X)                                                                                           \
    X(BYTES, 0, "bytes")       /* a file as it came */                                                                 \
    X(IMAGE, 1, "image")       /* pixels and the way back to their source */                                           \
    X(TENSOR, 2, "tensor")     /* any element type and shape */                                                        \
    X(BOXES, 3, "boxes")       /* detections in source pixels */                                                       \
    X(TEXT, 4, "text")         /* lines of UTF-8 with scores */                                                        \
    X(CLASSES, 5, "classes")   /* ranked labels with scores */                                                         \
    X(AUDIO, 6, "audio")       /* mono samples and their rate */                                                       \
    X(SEGMENTS, 7, "segments") /* stretches of time with scores */                                                     \
    X(NUMBER, 8, "number")     /* one double */

typedef enum sn_pipe_kind {
#define SN_PIPE_KIND_ENUM(name, bit, text) SN_PIPE_##name = 1 << (bit),
    SN_PIPE_KIND_LIST(SN_PIPE_KIND_ENUM)
#undef SN_PIPE_KIND_ENUM
} sn_pipe_kind;

/* "image", ...; "?" for a value that is no single kind. */
const char *sn_pipe_kind_name(sn_pipe_kind kind);

/* false: text names no kind. */
bool sn_pipe_kind_parse(const char *text, sn_pipe_kind *out);

typedef struct sn_text_line {
    size_t begin, len; /* of the UTF-8 bytes in sn_pipe_slot.text.bytes */
    float score;
    int32_t box; /* index into the boxes that the text was read from; -1: none */
} sn_text_line;

typedef struct sn_class {
    int32_t index;
    float score;
    const char *label; /* NULL: no label file. Lives as long as the pipeline. */
} sn_class;

typedef struct sn_segment {
    double begin_s, end_s;
    float score;
    const char *label; /* NULL, or what was heard. Lives as long as the pipeline. */
} sn_segment;

typedef struct sn_pipe_slot {
    const char *name;
    sn_pipe_kind kind;
    const sn_allocator *allocator;
    bool filled; /* written in this run; set by the runner after the step that makes it */
    union {
        struct {
            const uint8_t *data; /* borrowed, or == storage */
            size_t size;
            const char *source; /* the file they are from, for messages; may be NULL */
            void *storage;
            size_t capacity;
        } bytes;
        struct {
            sn_image pixels;
            sn_transform to_source; /* identity for a decoded picture */
            int32_t source_width, source_height;
            int32_t valid_width; /* columns from here on are filling; 0: none are */
        } image;
        struct {
            setsuna_tensor t; /* data borrowed, or == storage */
            void *storage;
            size_t capacity;
        } tensor;
        sn_box_list boxes;
        struct {
            sn_text_line *item;
            size_t n, capacity;
            char *bytes; /* of all lines, each followed by a NUL */
            size_t n_bytes, bytes_capacity;
        } text;
        struct {
            sn_class *item;
            size_t n, capacity;
        } classes;
        sn_audio audio;
        struct {
            sn_segment *item;
            size_t n, capacity;
        } segments;
        double number;
    };
} sn_pipe_slot;

/* Prepares caller's storage. name and allocator are kept. */
void sn_pipe_slot_init(sn_pipe_slot *slot, const char *name, sn_pipe_kind kind, const sn_allocator *allocator);
void sn_pipe_slot_fini(sn_pipe_slot *slot);

/* Empties a list kind (n = 0), keeping its memory; nothing to do for the others. */
void sn_pipe_slot_clear(sn_pipe_slot *slot);

/* The slot's tensor gets this type and shape and memory of its own (contents undefined, SN_ALIGN-aligned).
 * Returns OK, ESHAPE (a dim is negative or the size overflows), ENOMEM; the tensor is untouched on failure. */
setsuna_status sn_pipe_slot_tensor_reserve(sn_pipe_slot *slot, setsuna_dtype dtype, const setsuna_shape *shape);

/* The slot's tensor becomes a view of t; t.data must stay valid as long as the slot is read. */
void sn_pipe_slot_tensor_borrow(sn_pipe_slot *slot, const setsuna_tensor *t);

/* The slot's bytes become a copy of data. Returns OK, ENOMEM. */
setsuna_status sn_pipe_slot_bytes_copy(sn_pipe_slot *slot, const void *data, size_t size);

/* Append to a list. The returned pointer is valid until the next append. NULL: out of memory. */
sn_box *sn_pipe_slot_box_add(sn_pipe_slot *slot, const sn_box *box);
sn_text_line *sn_pipe_slot_text_add(sn_pipe_slot *slot, const char *utf8, size_t len, float score, int32_t box);
sn_class *sn_pipe_slot_class_add(sn_pipe_slot *slot, const sn_class *item);
sn_segment *sn_pipe_slot_segment_add(sn_pipe_slot *slot, const sn_segment *item);

/* Room for n samples in all (contents of the first slot->audio.n kept). false: out of memory. */
bool sn_pipe_slot_audio_reserve(sn_pipe_slot *slot, size_t n);

/* Copies a value between slots of one kind; lists are appended, everything else replaces. Text lines and boxes that
 * refer to a box by index keep their index; for_each sets it. Returns OK, ENOMEM, EINVAL (kinds differ). */
setsuna_status sn_pipe_slot_collect(const sn_pipe_slot *src, sn_pipe_slot *dst);

#endif
