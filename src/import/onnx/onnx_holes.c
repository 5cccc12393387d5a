/* Finds the weights of a model file without reading them: walks the messages that hold tensors, loads everything else,
 * and leaves the contents of large tensors as holes.
 *
 *     ModelProto ─graph─▶ GraphProto ─initializer─▶ TensorProto ─raw_data─▶ a hole, where it is large
 *                             └─node─▶ NodeProto ─attribute─▶ AttributeProto ─t─▶ TensorProto
 *                                                                 └─g─▶ GraphProto ...
 *
 * A tensor of one dim (or whose other dims are 1) is large above SN_ONNX_HOLE_BYTES, others are so above
 * SN_ONNX_HOLE_MATRIX_BYTES: passes look into the former, and nobody but kernels into the latter.
 *
 * Every page that is touched costs more than the bytes that are read into it, so reads end at the page's end, except
 * for nodes, which follow each other without gaps.
 *
 * Function bodies are read whole: one place there may become several constants. So are bool tensors, whose bytes the
 * importer must check, and what lies deeper than any valid model is nested.
 */
#include "import/onnx/onnx_import.h"

enum { HOLES_DEPTH_MAX = 3 * SN_SUBGRAPH_DEPTH_MAX + 4, HOLES_PAGE = 4096, HOLES_READ_MAX = 32 << 10 };

typedef enum holes_kind { HOLES_MODEL, HOLES_GRAPH, HOLES_NODE, HOLES_ATTRIBUTE, HOLES_TENSOR } holes_kind;

/* A message that is being walked. */
typedef struct holes_frame {
    holes_kind kind;
    sn_pb pb;
    size_t n_hole; /* found before it began */
    bool is_bool;  /* HOLES_TENSOR */
    int n_wide;    /* HOLES_TENSOR: dims other than 1 */
} holes_frame;

typedef struct holes_walk {
    sn_onnx_import *im;
    size_t loaded; /* everything before it is loaded, or a hole */
    size_t chunk;
    holes_frame frame[HOLES_DEPTH_MAX];
    size_t depth;
} holes_walk;

/* Loads up to `end` and the page that it is in; more of what has no holes. */
static setsuna_status holes_load(holes_walk *w, size_t end)
{
    sn_lazy_file *f = w->im->file;
    if (end <= w->loaded)
        return SETSUNA_OK;
    size_t want = end - w->loaded;
    if (w->depth && w->frame[w->depth - 1].kind != HOLES_TENSOR) {
        want = want > w->chunk ? want : w->chunk;
        w->chunk = w->chunk < HOLES_READ_MAX ? 2 * w->chunk : w->chunk;
    }
    size_t page = -(w->loaded + want) % HOLES_PAGE;
    want = page < f->size - w->loaded && want < f->size - w->loaded - page ? want + page : f->size - w->loaded;
    SN_TRY(sn_lazy_file_load(f, w->loaded, want, w->im->err));
    w->loaded += want;
    return SETSUNA_OK;
}

static setsuna_status holes_add(holes_walk *w, sn_pb_bytes raw)
{
    sn_onnx_import *im = w->im;
    sn_onnx_hole hole = {(size_t)(raw.data - im->data), raw.size};
    if (!sn_grow(im->allocator, &im->hole, &im->cap_hole, im->n_hole + 1, sizeof hole))
        return sn_fail(im->err, SETSUNA_ENOMEM, NULL, "out of memory");
    im->hole[im->n_hole++] = hole;
    if (w->loaded < hole.offset + hole.size)
        w->loaded = hole.offset + hole.size;
    w->chunk = HOLES_PAGE;
    return SETSUNA_OK;
}

/* Fills the holes from the first-th on. */
static setsuna_status holes_fill(holes_walk *w, size_t first)
{
    sn_onnx_import *im = w->im;
    for (size_t i = first; i < im->n_hole; i++)
        SN_TRY(sn_lazy_file_load(im->file, im->hole[i].offset, im->hole[i].size, im->err));
    im->n_hole = first;
    return SETSUNA_OK;
}

static void holes_enter(holes_walk *w, holes_kind kind, sn_pb_bytes message)
{
    if (w->depth < HOLES_DEPTH_MAX)
        w->frame[w->depth++] = (holes_frame){.kind = kind, .pb = sn_pb_open(message), .n_hole = w->im->n_hole};
}

/* Counts the dims of a field `dims`, packed or not. */
static setsuna_status holes_dims(holes_walk *w, holes_frame *top, const sn_pb_field *f)
{
    enum { PACKED_MAX = 10 * SETSUNA_RANK_MAX };
    size_t n;
    uint64_t dim;
    if (f->bytes.size > PACKED_MAX)
        return SETSUNA_OK; /* the importer says what is wrong */
    SN_TRY(holes_load(w, (size_t)(f->bytes.data - w->im->data) + f->bytes.size));
    if (!sn_pb_count(f, SN_PB_VARINT, &n))
        return SETSUNA_OK;
    sn_pb_list list = sn_pb_list_open(f, SN_PB_VARINT);
    while (sn_pb_list_next(&list, &dim) && top->n_wide < 2)
        top->n_wide += dim != 1;
    return SETSUNA_OK;
}

/* Fields: GRAPH: node 1, initializer 5. NODE: attribute 5. ATTRIBUTE: t 5, g 6. TENSOR: dims 1, data_type 2,
 * raw_data 9. */
static setsuna_status holes_field(holes_walk *w, holes_frame *top, const sn_pb_field *f)
{
    enum { MODEL_GRAPH = 7, GRAPH_NODE = 1, GRAPH_INITIALIZER = 5, NODE_ATTRIBUTE = 5 };
    enum { ATTRIBUTE_T = 5, ATTRIBUTE_G = 6, TENSOR_DIMS = 1, TENSOR_TYPE = 2, TENSOR_RAW = 9 };
    if (top->kind == HOLES_TENSOR && f->number == TENSOR_TYPE && f->wire == SN_PB_VARINT)
        top->is_bool = f->value == SETSUNA_BOOL;
    if (top->kind == HOLES_TENSOR && f->number == TENSOR_DIMS)
        SN_TRY(holes_dims(w, top, f));
    if (f->wire != SN_PB_BYTES)
        return SETSUNA_OK;
    switch (top->kind) {
    case HOLES_MODEL:
        if (f->number == MODEL_GRAPH)
            holes_enter(w, HOLES_GRAPH, f->bytes);
        break;
    case HOLES_GRAPH:
        if (f->number == GRAPH_NODE || f->number == GRAPH_INITIALIZER)
            holes_enter(w, f->number == GRAPH_NODE ? HOLES_NODE : HOLES_TENSOR, f->bytes);
        break;
    case HOLES_NODE:
        if (f->number == NODE_ATTRIBUTE)
            holes_enter(w, HOLES_ATTRIBUTE, f->bytes);
        break;
    case HOLES_ATTRIBUTE:
        if (f->number == ATTRIBUTE_T || f->number == ATTRIBUTE_G)
            holes_enter(w, f->number == ATTRIBUTE_T ? HOLES_TENSOR : HOLES_GRAPH, f->bytes);
        break;
    case HOLES_TENSOR:
        if (f->number == TENSOR_RAW &&
            f->bytes.size > (size_t)(top->n_wide > 1 ? SN_ONNX_HOLE_MATRIX_BYTES : SN_ONNX_HOLE_BYTES))
            return holes_add(w, f->bytes);
        break;
    }
    return SETSUNA_OK;
}

static setsuna_status holes_walk_all(holes_walk *w)
{
    enum { HEAD = 32 }; /* a field's head, and a number after it, take less */
    sn_onnx_import *im = w->im;
    while (w->depth) {
        holes_frame *top = &w->frame[w->depth - 1];
        size_t at = (size_t)(top->pb.at - im->data);
        if (top->pb.at == top->pb.end) {
            if (top->is_bool)
                SN_TRY(holes_fill(w, top->n_hole));
            w->depth--;
            continue;
        }
        SN_TRY(holes_load(w, at + HEAD < im->size ? at + HEAD : im->size));
        sn_pb_field f;
        if (!sn_pb_next(&top->pb, &f))
            return holes_fill(w, 0); /* malformed: the importer says where */
        SN_TRY(holes_field(w, top, &f));
    }
    return SETSUNA_OK;
}

setsuna_status sn_onnx_holes_find(sn_onnx_import *im)
{
    if (!im->size)
        return SETSUNA_OK;
    holes_walk w = {.im = im, .chunk = HOLES_PAGE};
    holes_enter(&w, HOLES_MODEL, (sn_pb_bytes){im->data, im->size});
    SN_TRY(holes_walk_all(&w));
    SN_TRY(holes_load(&w, im->size));
    for (size_t i = 0; i < im->n_hole; i++)
        sn_lazy_file_hole(im->file, im->hole[i].offset, im->hole[i].size);
    return SETSUNA_OK;
}

bool sn_onnx_is_hole(const sn_onnx_import *im, const void *data)
{
    size_t low = 0, high = im->n_hole;
    if ((const uint8_t *)data < im->data || (const uint8_t *)data >= im->data + im->size)
        return false;
    size_t at = (size_t)((const uint8_t *)data - im->data);
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (im->hole[mid].offset == at)
            return true;
        if (im->hole[mid].offset < at)
            low = mid + 1;
        else
            high = mid;
    }
    return false;
}
