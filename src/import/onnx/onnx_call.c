/* Calls of model-local functions: the body is read where the call stands. */
#include "import/onnx/onnx_build.h"
#include <string.h>

enum { CALL_ATTRIBUTE_PROTO = 11 /* of FunctionProto */ };

static setsuna_status call_check(sn_onnx_builder *b, const sn_onnx_function *fn)
{
    sn_onnx_import *im = b->im;
    for (uint32_t k = 0; k < b->n_frame; k++)
        if (b->frame[k].kind == SN_ONNX_FRAME_FUNCTION && b->frame[k].function == fn)
            return sn_fail(im->err, SETSUNA_EMODEL, NULL, "function '%.*s' calls itself", SN_ONNX_TEXT(fn->name));
    if (sn_onnx_frame_depth(b, SN_ONNX_FRAME_FUNCTION) == SN_FUNCTION_DEPTH_MAX)
        return sn_fail(im->err, SETSUNA_ELIMIT, NULL, "function calls are nested more than %d deep",
                       SN_FUNCTION_DEPTH_MAX);
    im->inlined_bytes += fn->message.size; /* both far below SIZE_MAX / 2 */
    if (im->inlined_bytes > SN_ONNX_INLINED_BYTES_MAX)
        return sn_fail(im->err, SETSUNA_ELIMIT, NULL, "inlining all function calls reads more than %d bytes of bodies",
                       SN_ONNX_INLINED_BYTES_MAX);
    return SETSUNA_OK;
}

/* The call's attributes, then the defaults of those that it does not set. */
static setsuna_status call_args(sn_onnx_builder *b, sn_onnx_frame *f, size_t n_attr)
{
    sn_onnx_attr_view v;
    sn_pb pb = sn_pb_open(f->message);
    sn_pb_bytes message;
    while (sn_onnx_next_field(&pb, CALL_ATTRIBUTE_PROTO, &message)) {
        SN_TRY(sn_onnx_attr_view_read(message, &v, b->im->err));
        size_t i = 0;
        while (i < n_attr &&
               (b->attr[i].name.size != v.name.size || memcmp(b->attr[i].name.data, v.name.data, v.name.size) != 0))
            i++;
        if (i == SN_ONNX_ATTRS_MAX)
            return sn_fail(b->im->err, SETSUNA_ELIMIT, NULL, "a function has more than %d attributes",
                           SN_ONNX_ATTRS_MAX);
        if (i == n_attr)
            b->attr[n_attr++] = v;
    }
    SN_TRY(sn_onnx_message_end(b, &pb, "function"));
    if (n_attr == 0)
        return SETSUNA_OK;
    f->args = sn_alloc(b->im->allocator, n_attr * sizeof *f->args);
    if (!f->args)
        return sn_onnx_no_memory(b);
    memcpy(f->args, b->attr, n_attr * sizeof *f->args);
    f->n_args = n_attr;
    return SETSUNA_OK;
}

/* Formal inputs are the caller's values; formal outputs are reserved for the body's nodes to make. */
static setsuna_status call_names(sn_onnx_builder *b, sn_onnx_frame *f)
{
    sn_pb_bytes name;
    size_t i = 0;
    sn_pb pb = sn_pb_open(f->message);
    for (; sn_onnx_next_field(&pb, SN_ONNX_FUNCTION_INPUT, &name); i++) {
        if (name.size == 0 || sn_onnx_names_find(&f->names, name))
            return sn_fail(b->im->err, SETSUNA_EMODEL, NULL, "input %zu of function '%.*s' is not a name of its own", i,
                           SN_ONNX_TEXT(f->function->name));
        if (!sn_onnx_names_add(&f->names, name, i < b->n_in ? b->in[i] : SN_NONE))
            return sn_onnx_no_memory(b);
    }
    SN_TRY(sn_onnx_message_end(b, &pb, "function"));
    size_t k = 0;
    pb = sn_pb_open(f->message);
    for (; sn_onnx_next_field(&pb, SN_ONNX_FUNCTION_OUTPUT, &name); k++) {
        if (k >= b->n_out || b->out[k] == SN_NONE || sn_onnx_names_find(&f->names, name))
            continue; /* not wanted, or an input or an earlier output again: see sn_onnx_call_close */
        sn_onnx_name *reserved = sn_onnx_names_add(&f->names, name, b->out[k]);
        if (!reserved)
            return sn_onnx_no_memory(b);
        reserved->reserved = true;
    }
    SN_TRY(sn_onnx_message_end(b, &pb, "function"));
    if (b->n_in > i || b->n_out > k)
        return sn_fail(b->im->err, SETSUNA_EMODEL, NULL,
                       "function '%.*s' has %zu inputs and %zu outputs, the call has %zu and %zu",
                       SN_ONNX_TEXT(f->function->name), i, k, b->n_in, b->n_out);
    return SETSUNA_OK;
}

setsuna_status sn_onnx_call(sn_onnx_builder *b, sn_onnx_frame *caller, const sn_onnx_node *n,
                            const sn_onnx_function *fn)
{
    SN_TRY(call_check(b, fn));
    sn_onnx_frame *f = sn_onnx_frame_push(b, SN_ONNX_FRAME_FUNCTION, fn->message, caller->g);
    f->function = fn;
    f->prefix = n->label;
    SN_TRY(call_args(b, f, n->n_attr));
    if (b->n_out) {
        f->call_out = sn_alloc(b->im->allocator, b->n_out * sizeof *f->call_out);
        if (!f->call_out)
            return sn_onnx_no_memory(b);
        memcpy(f->call_out, b->out, b->n_out * sizeof *f->call_out);
        f->n_call_out = b->n_out;
    }
    SN_TRY(call_names(b, f));
    return sn_onnx_graph_declare_outputs(b, f, SN_ONNX_FUNCTION_NODE);
}

/* An output that no node of the body makes: one of its inputs, a constant, or the same as an earlier output. */
static setsuna_status call_copy_output(sn_onnx_builder *b, sn_onnx_frame *f, uint32_t from, uint32_t to)
{
    if (f->g->value[from].cst) {
        sn_onnx_set_const(f->g, to, f->g->value[from].cst);
        return SETSUNA_OK;
    }
    int32_t opset = 1; /* Identity has not changed its meaning since */
    if (sn_onnx_node_opset(b, f, (sn_pb_bytes){(const uint8_t *)"", 0}, &opset) != SETSUNA_OK)
        opset = 1;
    return sn_graph_add_node(f->g, "", "Identity", opset, f->prefix, &from, 1, &to, 1) ? SETSUNA_OK
                                                                                       : sn_onnx_no_memory(b);
}

setsuna_status sn_onnx_call_close(sn_onnx_builder *b, sn_onnx_frame *f)
{
    sn_pb pb = sn_pb_open(f->message);
    sn_pb_bytes name;
    for (size_t k = 0; k < f->n_call_out && sn_onnx_next_field(&pb, SN_ONNX_FUNCTION_OUTPUT, &name); k++) {
        if (f->call_out[k] == SN_NONE)
            continue;
        const sn_onnx_name *made = sn_onnx_names_find(&f->names, name);
        if (!made || made->reserved || made->value == SN_NONE)
            return sn_fail(b->im->err, SETSUNA_EMODEL, NULL, "output '%.*s' of function '%.*s' is made by nobody",
                           SN_ONNX_TEXT(name), SN_ONNX_TEXT(f->function->name));
        if (made->value != f->call_out[k])
            SN_TRY(call_copy_output(b, f, made->value, f->call_out[k]));
    }
    sn_onnx_frame_pop(b);
    return SETSUNA_OK;
}
