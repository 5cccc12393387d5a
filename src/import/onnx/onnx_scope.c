/* Names, values, and what a subgraph captures from the graphs around it. */
#include "import/onnx/onnx_build.h"
#include <string.h>

enum { SCOPE_VALUES_MAX = 4 * SN_NODES_MAX };

setsuna_status sn_onnx_no_memory(const sn_onnx_builder *b)
{
    return sn_fail(b->im->err, SETSUNA_ENOMEM, NULL, "out of memory while importing the model");
}

bool sn_onnx_next_field(sn_pb *pb, uint32_t number, sn_pb_bytes *out)
{
    sn_pb_field f;
    while (sn_pb_next(pb, &f))
        if (f.number == number) {
            if (f.wire != SN_PB_BYTES) {
                pb->malformed = true;
                return false;
            }
            *out = f.bytes;
            return true;
        }
    return false;
}

setsuna_status sn_onnx_message_end(const sn_onnx_builder *b, const sn_pb *pb, const char *what)
{
    return pb->malformed ? sn_fail(b->im->err, SETSUNA_EMODEL, NULL, "malformed %s", what) : SETSUNA_OK;
}

/* ---- values ---------------------------------------------------------------------------------------- */

setsuna_status sn_onnx_scope_label(const sn_onnx_builder *b, const sn_onnx_frame *f, const char *what, sn_pb_bytes name,
                                   const char **out)
{
    SN_TRY(sn_onnx_name_copy(b->im, what, name, out));
    if (f->function_frame == SN_NONE)
        return SETSUNA_OK;
    const char *prefix = b->frame[f->function_frame].prefix;
    if (strlen(prefix) + name.size + 1 > SN_NAME_MAX)
        return SETSUNA_OK;
    *out = sn_arena_printf(b->im->arena, "%s/%s", prefix, *out);
    return *out ? SETSUNA_OK : sn_onnx_no_memory(b);
}

static setsuna_status scope_add_value(sn_onnx_builder *b, sn_graph *g, const char *name, uint32_t *out)
{
    if (b->im->n_value >= SCOPE_VALUES_MAX)
        return sn_fail(b->im->err, SETSUNA_ELIMIT, NULL, "more than %d values", SCOPE_VALUES_MAX);
    *out = sn_graph_add_value(g, name, SETSUNA_DTYPE_NONE);
    if (*out == SN_NONE)
        return sn_onnx_no_memory(b);
    b->im->n_value++;
    return sn_onnx_check_memory(b->im);
}

void sn_onnx_set_const(sn_graph *g, uint32_t v, const sn_const *c)
{
    sn_value *value = &g->value[v];
    value->dtype = c->t.dtype;
    value->has_shape = true;
    value->shape = c->t.shape;
    value->sym = NULL;
    value->cst = c;
}

setsuna_status sn_onnx_scope_declare(sn_onnx_builder *b, sn_onnx_frame *f, sn_pb_bytes name, uint32_t *out)
{
    const char *label;
    if (sn_onnx_names_find(&f->names, name))
        return sn_fail(b->im->err, SETSUNA_EMODEL, NULL, "value '%.*s' is made twice", SN_ONNX_TEXT(name));
    SN_TRY(sn_onnx_scope_label(b, f, "value", name, &label));
    SN_TRY(scope_add_value(b, f->g, label, out));
    return sn_onnx_names_add(&f->names, name, *out) ? SETSUNA_OK : sn_onnx_no_memory(b);
}

/* A copy of value `from` of graph g as a value of graph `to`, without its constant. */
static setsuna_status scope_import_value(sn_onnx_builder *b, const sn_graph *g, uint32_t from, sn_graph *to,
                                         uint32_t *out)
{
    SN_TRY(scope_add_value(b, to, g->value[from].name, out));
    sn_value value = g->value[from];
    value.cst = NULL;
    to->value[*out] = value;
    return SETSUNA_OK;
}

/* ---- captures -------------------------------------------------------------------------------------- */

/* The index of value v of frame `parent` among what its pending node captures; added when it is new. */
static setsuna_status scope_capture_index(sn_onnx_builder *b, sn_onnx_frame *parent, uint32_t v, size_t *out)
{
    const sn_allocator *a = b->im->allocator;
    sn_onnx_frame *owner = &b->frame[parent->owner];
    sn_onnx_pending *p = &parent->pending;
    if (v >= owner->n_mark) {
        if (!sn_grow(a, &owner->mark, &owner->cap_mark, parent->g->n_value, sizeof *owner->mark))
            return sn_onnx_no_memory(b);
        memset(owner->mark + owner->n_mark, 0, (owner->cap_mark - owner->n_mark) * sizeof *owner->mark);
        owner->n_mark = owner->cap_mark;
    }
    if (owner->mark[v] >> 32 == p->serial) {
        *out = (uint32_t)owner->mark[v];
        return SETSUNA_OK;
    }
    if (!sn_grow(a, &p->outer, &p->cap_outer, p->n_outer + 1, sizeof *p->outer))
        return sn_onnx_no_memory(b);
    *out = p->n_outer;
    p->outer[p->n_outer++] = v;
    owner->mark[v] = p->serial << 32 | *out;
    return SETSUNA_OK;
}

setsuna_status sn_onnx_scope_capture(sn_onnx_builder *b, const sn_onnx_frame *parent, sn_onnx_sub *s, size_t i,
                                     uint32_t *out)
{
    if (i >= s->n_local) {
        if (!sn_grow(b->im->allocator, &s->local, &s->cap_local, i + 1, sizeof *s->local))
            return sn_onnx_no_memory(b);
        memset(s->local + s->n_local, 0xff, (s->cap_local - s->n_local) * sizeof *s->local);
        s->n_local = s->cap_local;
    }
    if (s->local[i] == SN_NONE)
        SN_TRY(scope_import_value(b, parent->g, parent->pending.outer[i], s->g, &s->local[i]));
    *out = s->local[i];
    return SETSUNA_OK;
}

/* Brings value v of frame k-1 into frame k: a constant as a constant, anything else as a capture. */
static setsuna_status scope_bring_in(sn_onnx_builder *b, uint32_t k, sn_pb_bytes name, uint32_t *v)
{
    sn_onnx_frame *parent = &b->frame[k - 1], *f = &b->frame[k];
    size_t index = 0;
    if (*v != SN_NONE && parent->g->value[*v].cst) {
        const sn_const *c = parent->g->value[*v].cst;
        SN_TRY(scope_import_value(b, parent->g, *v, f->g, v));
        sn_onnx_set_const(f->g, *v, c);
    } else if (*v != SN_NONE) {
        SN_TRY(scope_capture_index(b, parent, *v, &index));
        SN_TRY(sn_onnx_scope_capture(b, parent, f->self, index, v));
    }
    return sn_onnx_names_add(&f->names, name, *v) ? SETSUNA_OK : sn_onnx_no_memory(b);
}

setsuna_status sn_onnx_scope_resolve(sn_onnx_builder *b, sn_pb_bytes name, uint32_t *out)
{
    uint32_t top = b->n_frame - 1, k = top;
    *out = SN_NONE;
    if (name.size == 0)
        return SETSUNA_OK;
    const sn_onnx_name *found;
    while (!(found = sn_onnx_names_find(&b->frame[k].names, name)) && b->frame[k].kind == SN_ONNX_FRAME_SUB)
        k--;
    if (!found)
        return sn_fail(b->im->err, SETSUNA_EMODEL, NULL, "value '%.*s' is read but made by nobody", SN_ONNX_TEXT(name));
    *out = found->value;
    while (k < top)
        SN_TRY(scope_bring_in(b, ++k, name, out));
    return SETSUNA_OK;
}
