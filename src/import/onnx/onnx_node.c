/* NodeProto -> sn_node, or a constant, or a call. */
#include "import/onnx/onnx_build.h"
#include <string.h>

/* Fields of NodeProto; outputs are SN_ONNX_NODE_OUTPUT. */
enum { NODE_INPUT = 1, NODE_NAME = 3, NODE_OP_TYPE = 4, NODE_ATTRIBUTE = 5, NODE_DOMAIN = 7, NODE_OVERLOAD = 8 };

setsuna_status sn_onnx_node_read(const sn_onnx_builder *b, sn_pb_bytes message, sn_onnx_node *out)
{
    const sn_pb_bytes none = {(const uint8_t *)"", 0};
    *out = (sn_onnx_node){.message = message, .name = none, .op = none, .domain = none, .overload = none};
    sn_pb pb = sn_pb_open(message);
    sn_pb_field f;
    while (sn_pb_next(&pb, &f)) {
        if (f.number <= NODE_OVERLOAD && f.wire != SN_PB_BYTES)
            return sn_fail(b->im->err, SETSUNA_EMODEL, NULL, "malformed node");
        switch (f.number) {
        case NODE_NAME: out->name = f.bytes; break;
        case NODE_OP_TYPE: out->op = f.bytes; break;
        case NODE_ATTRIBUTE: out->has_attr = true; break;
        case NODE_DOMAIN: out->domain = sn_onnx_domain(f.bytes); break;
        case NODE_OVERLOAD: out->overload = f.bytes; break;
        default: break;
        }
    }
    if (!pb.malformed && out->op.size == 0)
        return sn_fail(b->im->err, SETSUNA_EMODEL, NULL, "it has no op_type");
    return sn_onnx_message_end(b, &pb, "node");
}

setsuna_status sn_onnx_node_opset(const sn_onnx_builder *b, const sn_onnx_frame *f, sn_pb_bytes domain, int32_t *out)
{
    const sn_onnx_function *fn = f->function_frame == SN_NONE ? NULL : b->frame[f->function_frame].function;
    for (int round = 0; round < 2; round++) {
        const sn_onnx_opset *list = round == 0 && fn ? fn->opset : b->im->opset;
        size_t n = round == 0 && fn ? fn->n_opset : b->im->n_opset;
        for (size_t i = 0; i < n; i++)
            if (strlen(list[i].domain) == domain.size &&
                (domain.size == 0 || memcmp(list[i].domain, domain.data, domain.size) == 0)) {
                *out = list[i].version;
                return SETSUNA_OK;
            }
    }
    return sn_fail(b->im->err, SETSUNA_EMODEL, NULL, "the model imports no version of its domain '%.*s'",
                   SN_ONNX_TEXT(domain));
}

/* What a reference (ref_attr_name) stands for: *out becomes the caller's value under the body's name, or its name is
 * cleared when the caller has none. */
static setsuna_status node_resolve_attr(const sn_onnx_builder *b, const sn_onnx_frame *f, sn_onnx_attr_view *v)
{
    if (v->reference.size == 0)
        return SETSUNA_OK;
    if (f->function_frame == SN_NONE)
        return sn_fail(b->im->err, SETSUNA_EMODEL, NULL, "attribute '%.*s' refers to a function's, but is in none",
                       SN_ONNX_TEXT(v->name));
    const sn_onnx_frame *call = &b->frame[f->function_frame];
    for (size_t i = 0; i < call->n_args; i++) {
        const sn_onnx_attr_view *arg = &call->args[i];
        if (arg->name.size != v->reference.size || memcmp(arg->name.data, v->reference.data, arg->name.size) != 0)
            continue;
        if (arg->type == SN_ONNX_ATTR_GRAPH)
            return sn_fail(b->im->err, SETSUNA_EUNSUPPORTED, NULL, "attribute '%.*s' passes a graph into a function",
                           SN_ONNX_TEXT(v->name));
        v->message = arg->message;
        v->type = arg->type;
        return SETSUNA_OK;
    }
    v->name.size = 0;
    return SETSUNA_OK;
}

static setsuna_status node_read_attrs(sn_onnx_builder *b, const sn_onnx_frame *f, sn_onnx_node *n)
{
    sn_pb pb = sn_pb_open(n->message);
    sn_pb_bytes message;
    while (n->has_attr && sn_onnx_next_field(&pb, NODE_ATTRIBUTE, &message)) {
        if (n->n_attr == SN_ONNX_ATTRS_MAX)
            return sn_fail(b->im->err, SETSUNA_ELIMIT, NULL, "it has more than %d attributes", SN_ONNX_ATTRS_MAX);
        sn_onnx_attr_view *v = &b->attr[n->n_attr];
        SN_TRY(sn_onnx_attr_view_read(message, v, b->im->err));
        for (size_t i = 0; i < n->n_attr; i++)
            if (b->attr[i].name.size == v->name.size && memcmp(b->attr[i].name.data, v->name.data, v->name.size) == 0)
                return sn_fail(b->im->err, SETSUNA_EMODEL, NULL, "it has attribute '%.*s' twice",
                               SN_ONNX_TEXT(v->name));
        SN_TRY(node_resolve_attr(b, f, v));
        n->n_attr += v->name.size != 0;
    }
    return SETSUNA_OK;
}

static setsuna_status node_read_operands(sn_onnx_builder *b, const sn_onnx_frame *f, const sn_onnx_node *n)
{
    const sn_allocator *a = b->im->allocator;
    sn_pb pb = sn_pb_open(n->message);
    sn_pb_field field;
    b->n_in = b->n_out = 0;
    while (sn_pb_next(&pb, &field)) { /* sn_onnx_node_read found it well-formed */
        if (field.number == NODE_INPUT) {
            if (!sn_grow(a, &b->in, &b->cap_in, b->n_in + 1, sizeof *b->in))
                return sn_onnx_no_memory(b);
            SN_TRY(sn_onnx_scope_resolve(b, field.bytes, &b->in[b->n_in++]));
        } else if (field.number == SN_ONNX_NODE_OUTPUT) {
            if (!sn_grow(a, &b->out, &b->cap_out, b->n_out + 1, sizeof *b->out))
                return sn_onnx_no_memory(b);
            const sn_onnx_name *declared = field.bytes.size ? sn_onnx_names_find(&f->names, field.bytes) : NULL;
            b->out[b->n_out++] = declared ? declared->value : SN_NONE;
        }
    }
    return SETSUNA_OK;
}

static bool node_text_is(sn_pb_bytes b, const char *text)
{
    return b.size == strlen(text) && memcmp(b.data, text, b.size) == 0;
}

/* The tensor of a Constant's attribute. false: it is of a kind that stays a node (strings, sparse tensors). */
static bool node_constant_tensor(const sn_attr *a, sn_pb_bytes name, setsuna_tensor *out)
{
    setsuna_tensor t = {.dtype = SETSUNA_I64};
    const void *data;
    if (node_text_is(name, "value_int") && a->kind == SN_ATTR_INT) {
        data = &a->i;
    } else if (node_text_is(name, "value_ints") && a->kind == SN_ATTR_INTS) {
        data = a->ints;
        t.shape = (setsuna_shape){1, {(int64_t)a->n}};
    } else if (node_text_is(name, "value_float") && a->kind == SN_ATTR_FLOAT) {
        data = &a->f;
        t.dtype = SETSUNA_F32;
    } else if (node_text_is(name, "value_floats") && a->kind == SN_ATTR_FLOATS) {
        data = a->floats;
        t.dtype = SETSUNA_F32;
        t.shape = (setsuna_shape){1, {(int64_t)a->n}};
    } else {
        return false;
    }
    sn_tensor_bytes(t.dtype, &t.shape, &t.size_bytes);
    memcpy(&t.data, &data, sizeof data); /* setsuna_tensor.data is not const; constants are only read */
    *out = t;
    return true;
}

/* A Constant becomes a constant. *done false: it stays a node. */
static setsuna_status node_constant(sn_onnx_builder *b, sn_onnx_frame *f, const sn_onnx_node *n, bool *done)
{
    sn_onnx_import *im = b->im;
    if (n->domain.size || !node_text_is(n->op, "Constant"))
        return SETSUNA_OK;
    if (n->n_attr != 1 || b->n_in != 0 || b->n_out != 1 || b->out[0] == SN_NONE)
        return sn_fail(im->err, SETSUNA_EMODEL, NULL, "a Constant has one attribute, no input and one output");
    sn_attr *a = sn_arena_alloc(im->arena, sizeof *a); /* scalars stay in it */
    if (!a)
        return sn_onnx_no_memory(b);
    SN_TRY(sn_onnx_attr_read(im, &b->attr[0], false, a));
    const sn_const *c = NULL;
    setsuna_tensor t;
    if (node_text_is(b->attr[0].name, "value") && a->kind == SN_ATTR_TENSOR) {
        c = a->t;
    } else if (node_constant_tensor(a, b->attr[0].name, &t)) {
        sn_const *made = sn_arena_alloc(im->arena, sizeof *made);
        if (!made)
            return sn_onnx_no_memory(b);
        *made = (sn_const){.t = t, .uid = sn_const_uid(&t)};
        c = made;
    }
    if (c) {
        sn_onnx_set_const(f->g, b->out[0], c);
        *done = true;
    }
    return SETSUNA_OK;
}

static setsuna_status node_add_attrs(sn_onnx_builder *b, sn_onnx_frame *f, size_t index, size_t n_attr)
{
    sn_onnx_import *im = b->im;
    if (n_attr == 0)
        return SETSUNA_OK;
    sn_attr *attr = sn_arena_array(im->arena, n_attr, sizeof *attr);
    if (!attr)
        return sn_onnx_no_memory(b);
    f->g->node[index].attr = attr;
    uint32_t n_sub = 0;
    for (size_t i = 0; i < n_attr; i++) {
        SN_TRY(sn_onnx_name_copy(im, "attribute", b->attr[i].name, &attr[i].name));
        SN_TRY(sn_onnx_attr_read(im, &b->attr[i], true, &attr[i]));
        if (attr[i].kind == SN_ATTR_GRAPH) {
            SN_TRY(sn_onnx_graph_create(b, b->attr[i].graph, &attr[i].g));
            n_sub++;
        }
        f->g->node[index].n_attr++;
    }
    if (n_sub == 0)
        return SETSUNA_OK;
    sn_onnx_sub *sub = sn_alloc_zero(im->allocator, n_sub * sizeof *sub);
    if (!sub)
        return sn_onnx_no_memory(b);
    f->pending = (sn_onnx_pending){.sub = sub, .node = index, .serial = ++b->serial};
    for (size_t i = 0; i < n_attr; i++)
        if (attr[i].kind == SN_ATTR_GRAPH)
            sub[f->pending.n_sub++] = (sn_onnx_sub){.message = b->attr[i].graph, .g = attr[i].g};
    return SETSUNA_OK;
}

static setsuna_status node_add(sn_onnx_builder *b, sn_onnx_frame *f, const sn_onnx_node *n)
{
    int32_t opset;
    const char *op, *domain;
    SN_TRY(sn_onnx_node_opset(b, f, n->domain, &opset));
    SN_TRY(sn_onnx_name_copy(b->im, "operator", n->op, &op));
    SN_TRY(sn_onnx_name_copy(b->im, "domain", n->domain, &domain));
    size_t index = f->g->n_node;
    if (!sn_graph_add_node(f->g, domain, op, opset, n->label, b->in, (uint32_t)b->n_in, b->out, (uint32_t)b->n_out))
        return sn_onnx_no_memory(b);
    return node_add_attrs(b, f, index, n->n_attr);
}

setsuna_status sn_onnx_node_import(sn_onnx_builder *b, sn_onnx_frame *f, sn_onnx_node *n)
{
    sn_onnx_import *im = b->im;
    bool done = false;
    if (++im->n_node > SN_NODES_MAX)
        return sn_fail(im->err, SETSUNA_ELIMIT, NULL, "more than %d nodes, inlined functions included", SN_NODES_MAX);
    if (n->name.size == 0)
        n->label = sn_arena_printf(im->arena, "%.*s_%zu", SN_ONNX_TEXT(n->op), f->g->n_node);
    else
        SN_TRY(sn_onnx_scope_label(b, f, "node", n->name, &n->label));
    if (!n->label)
        return sn_onnx_no_memory(b);
    SN_TRY(node_read_attrs(b, f, n));
    SN_TRY(node_read_operands(b, f, n));
    const sn_onnx_function *fn = sn_onnx_function_find(im, n->domain, n->op, n->overload);
    if (fn)
        return sn_onnx_call(b, f, n, fn);
    SN_TRY(node_constant(b, f, n, &done));
    if (!done)
        SN_TRY(node_add(b, f, n));
    return sn_onnx_check_memory(im);
}
