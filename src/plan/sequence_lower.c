/* Sequences and optionals without run time: a plan knows which tensors a sequence holds, so every operator on sequences
 * is resolved while the plan is made.
 *
 *     a, b ─▶ SequenceConstruct ─▶ s ─▶ SequenceInsert(c, 1) ─▶ t ─▶ SequenceAt(2) ─▶ y      ⇒      b ─▶ Identity ─▶ y
 *
 * A position that is not known yet defers the node (the segment ends), and the sequence it reads is written down again
 * as a SequenceConstruct in the rest. Sequences that loops carry or that are inputs or outputs of a graph have no such
 * list and are refused. Sources: ONNX Sequence*-11, SplitToSequence-11, ConcatFromSequence-11, Optional*-15..18.
 */
#include "plan/build.h"
#include <string.h>

enum { SEQUENCE_ITEMS_MAX = 4096 };

sn_sequence *sn_sequence_of(const sn_build *b, uint32_t value)
{
    return value < b->n_sequence ? b->sequence[value] : NULL;
}

static setsuna_status sequence_set(sn_build *b, uint32_t value, const uint32_t *item, size_t n)
{
    if (n > SEQUENCE_ITEMS_MAX)
        return sn_fail(b->err, SETSUNA_ELIMIT, NULL, "a sequence of more than %d tensors", SEQUENCE_ITEMS_MAX);
    size_t had = b->cap_sequence;
    if (!sn_grow(b->env->allocator, &b->sequence, &b->cap_sequence, (size_t)value + 1, sizeof(sn_sequence *)))
        return SETSUNA_ENOMEM;
    for (size_t i = had; i < b->cap_sequence; i++)
        b->sequence[i] = NULL;
    b->n_sequence = b->cap_sequence;
    sn_sequence *s = sn_arena_alloc(b->scratch, sizeof *s);
    uint32_t *copy = sn_arena_array(b->scratch, n, sizeof *copy);
    if (!s || !copy)
        return SETSUNA_ENOMEM;
    if (n)
        memcpy(copy, item, n * sizeof *copy);
    *s = (sn_sequence){copy, n, false};
    b->sequence[value] = s;
    return SETSUNA_OK;
}

/* ---- nodes to push ----------------------------------------------------------------------------------- */

static setsuna_status sequence_node(sn_build *b, const sn_node *like, const char *op, const uint32_t *in, uint32_t n_in,
                                    const uint32_t *out, uint32_t n_out, sn_node *made)
{
    uint32_t *io = sn_arena_array(b->graph->arena, (size_t)n_in + n_out, sizeof *io);
    if (!io)
        return SETSUNA_ENOMEM;
    if (n_in)
        memcpy(io, in, n_in * sizeof *io);
    if (n_out)
        memcpy(io + n_in, out, n_out * sizeof *io);
    *made = (sn_node){.name = like->name,
                      .op = op,
                      .domain = "",
                      .opset = 13,
                      .n_in = n_in,
                      .n_out = n_out,
                      .n_formal = n_in,
                      .in = io,
                      .out = io + n_in};
    return SETSUNA_OK;
}

static uint32_t sequence_const_i64(sn_build *b, const int64_t *v, size_t n, bool scalar)
{
    int64_t *data = sn_arena_array(b->graph->arena, n, sizeof *data);
    if (!data)
        return SN_NONE;
    memcpy(data, v, n * sizeof *data);
    setsuna_tensor t = {SETSUNA_I64, {.rank = scalar ? 0 : 1, .dim = {(int64_t)n}}, data, n * sizeof *data};
    return sn_graph_add_const(b->graph, "", &t, sn_const_uid(&t));
}

/* The constant position in input i, in [-n, n] or [-n, n) -> [0, n]. SN_INFER_NEED_VALUE when it is not known. */
static int sequence_position(sn_build *b, const sn_node *n, uint32_t i, size_t count, bool may_be_end, size_t *out)
{
    const sn_const *c = b->graph->value[n->in[i]].cst;
    if (!c)
        return SN_INFER_NEED_VALUE;
    int64_t at = c->t.size_bytes ? sn_tensor_get_i64(&c->t, 0) : 0, len = (int64_t)count;
    if (at < -len || at > len || (at == len && !may_be_end))
        return sn_fail(b->err, SETSUNA_EINPUT, n->name, "position %lld in a sequence of %zu tensors", (long long)at,
                       count);
    *out = (size_t)(at < 0 ? at + len : at);
    return SETSUNA_OK;
}

/* ---- the operators ----------------------------------------------------------------------------------- */

static int sequence_insert_or_erase(sn_build *b, const sn_node *n, const sn_sequence *s, bool insert)
{
    size_t at = insert ? s->n : s->n - 1;
    uint32_t pos = insert ? 2 : 1;
    if (sn_node_in(n, pos) != SN_NONE) {
        int answer = sequence_position(b, n, pos, s->n, insert, &at);
        if (answer)
            return answer;
    } else if (!insert && s->n == 0) {
        return sn_fail(b->err, SETSUNA_EINPUT, n->name, "nothing to erase from an empty sequence");
    }
    uint32_t *item = sn_arena_array(b->scratch, s->n + 1, sizeof *item);
    if (!item)
        return SETSUNA_ENOMEM;
    memcpy(item, s->item, at * sizeof *item);
    if (insert) {
        item[at] = n->in[1];
        memcpy(item + at + 1, s->item + at, (s->n - at) * sizeof *item);
        return sequence_set(b, n->out[0], item, s->n + 1);
    }
    memcpy(item + at, s->item + at + 1, (s->n - at - 1) * sizeof *item);
    return sequence_set(b, n->out[0], item, s->n - 1);
}

static int sequence_at(sn_build *b, const sn_node *n, const sn_sequence *s, sn_node *made, size_t *n_made)
{
    size_t at;
    int answer = sequence_position(b, n, 1, s->n, false, &at);
    if (answer)
        return answer;
    *n_made = 1;
    return sequence_node(b, n, "Identity", &s->item[at], 1, n->out, 1, made);
}

static int sequence_concat(sn_build *b, const sn_node *n, const sn_sequence *s, sn_node *made, size_t *n_made)
{
    int64_t axis = sn_node_int(n, "axis", 0);
    bool fresh = sn_node_int(n, "new_axis", 0) != 0;
    if (s->n == 0 || s->n > SN_OP_IN_MAX)
        return sn_fail(b->err, SETSUNA_ELIMIT, n->name, "a sequence of %zu tensors cannot be joined (1 to %d can)",
                       s->n, SN_OP_IN_MAX);
    uint32_t part[SN_OP_IN_MAX], axes = fresh ? sequence_const_i64(b, &axis, 1, false) : SN_NONE;
    if (fresh && axes == SN_NONE)
        return SETSUNA_ENOMEM;
    for (size_t i = 0; i < s->n; i++) {
        part[i] = s->item[i];
        if (!fresh)
            continue;
        uint32_t in[2] = {part[i], axes};
        part[i] = sn_graph_add_value(b->graph, "", SETSUNA_DTYPE_NONE);
        if (part[i] == SN_NONE)
            return SETSUNA_ENOMEM;
        SN_TRY(sequence_node(b, n, "Unsqueeze", in, 2, &part[i], 1, &made[(*n_made)++]));
    }
    sn_node *concat = &made[(*n_made)++];
    SN_TRY(sequence_node(b, n, "Concat", part, (uint32_t)s->n, n->out, 1, concat));
    return sn_node_add_int(b->graph, concat, "axis", axis) ? SETSUNA_OK : SETSUNA_ENOMEM;
}

/* The lengths of the parts along the axis into len (cap SN_OP_OUT_MAX). */
static int sequence_split_lengths(sn_build *b, const sn_node *n, int64_t dim, int64_t *len, size_t *count)
{
    size_t k = 0;
    int64_t each = 1, left = dim;
    if (sn_node_in(n, 1) != SN_NONE) {
        const sn_const *c = b->graph->value[n->in[1]].cst;
        if (!c)
            return SN_INFER_NEED_VALUE;
        if (c->t.shape.rank == 1) {
            for (int64_t i = 0; i < c->t.shape.dim[0] && k < SN_OP_OUT_MAX; i++)
                len[k++] = sn_tensor_get_i64(&c->t, i);
            *count = k;
            return k < SN_OP_OUT_MAX || c->t.shape.dim[0] == (int64_t)k
                       ? SETSUNA_OK
                       : sn_fail(b->err, SETSUNA_ELIMIT, n->name, "more than %d parts", SN_OP_OUT_MAX);
        }
        each = c->t.size_bytes ? sn_tensor_get_i64(&c->t, 0) : 0;
    }
    if (each < 1 || dim / each > SN_OP_OUT_MAX - 1)
        return sn_fail(b->err, SETSUNA_ELIMIT, n->name, "%lld elements in parts of %lld: at most %d parts",
                       (long long)dim, (long long)each, SN_OP_OUT_MAX);
    for (; left > 0; left -= each)
        len[k++] = left < each ? left : each;
    *count = k;
    return SETSUNA_OK;
}

static int sequence_split(sn_build *b, const sn_node *n, sn_node *made, size_t *n_made)
{
    const sn_value *x = &b->graph->value[n->in[0]];
    int64_t len[SN_OP_OUT_MAX], axis_wide = sn_node_int(n, "axis", 0);
    int32_t axis;
    size_t count;
    if (!sn_axis_normalize(axis_wide, x->shape.rank, &axis))
        return sn_fail(b->err, SETSUNA_ESHAPE, n->name, "axis %lld is out of range", (long long)axis_wide);
    int answer = sequence_split_lengths(b, n, x->shape.dim[axis], len, &count);
    if (answer)
        return answer;
    bool squeeze = sn_node_in(n, 1) == SN_NONE && sn_node_int(n, "keepdims", 1) == 0;
    uint32_t part[SN_OP_OUT_MAX], in[2] = {n->in[0], sequence_const_i64(b, len, count, false)};
    if (count == 0 || in[1] == SN_NONE)
        return count ? SETSUNA_ENOMEM : sequence_set(b, n->out[0], part, 0);
    for (size_t i = 0; i < count; i++)
        if ((part[i] = sn_graph_add_value(b->graph, "", SETSUNA_DTYPE_NONE)) == SN_NONE)
            return SETSUNA_ENOMEM;
    sn_node *split = &made[(*n_made)++];
    SN_TRY(sequence_node(b, n, "Split", in, 2, part, (uint32_t)count, split));
    if (!sn_node_add_int(b->graph, split, "axis", axis))
        return SETSUNA_ENOMEM;
    uint32_t axes = squeeze ? sequence_const_i64(b, &axis_wide, 1, false) : SN_NONE;
    for (size_t i = 0; squeeze && i < count; i++) {
        uint32_t from[2] = {part[i], axes};
        part[i] = sn_graph_add_value(b->graph, "", SETSUNA_DTYPE_NONE);
        if (part[i] == SN_NONE || axes == SN_NONE)
            return SETSUNA_ENOMEM;
        SN_TRY(sequence_node(b, n, "Squeeze", from, 2, &part[i], 1, &made[(*n_made)++]));
    }
    return sequence_set(b, n->out[0], part, count);
}

/* A constant result: a length, or whether an optional has an element. */
static int sequence_result(sn_build *b, const sn_node *n, setsuna_dtype dtype, int64_t v)
{
    sn_const *c = sn_arena_alloc(b->graph->arena, sizeof *c);
    int64_t *data = sn_arena_alloc(b->graph->arena, sizeof *data);
    if (!c || !data)
        return SETSUNA_ENOMEM;
    *data = v; /* little-endian: the first byte is the bool */
    c->t = (setsuna_tensor){dtype, {.rank = 0}, data, setsuna_dtype_size(dtype)};
    c->uid = sn_const_uid(&c->t);
    sn_value *out = &b->graph->value[n->out[0]];
    out->cst = c;
    out->dtype = dtype;
    out->shape = c->t.shape;
    out->has_shape = true;
    return SETSUNA_OK;
}

/* Identity, Optional, OptionalGetElement: the output is the input, tensor or sequence. */
static int sequence_pass_on(sn_build *b, const sn_node *n, const sn_sequence *s, sn_node *made, size_t *n_made)
{
    if (s)
        return sequence_set(b, n->out[0], s->item, s->n);
    *n_made = 1;
    return sequence_node(b, n, "Identity", n->in, 1, n->out, 1, made);
}

bool sn_is_sequence_op(const sn_build *b, const sn_node *n)
{
    static const char *const names[] = {"SequenceEmpty", "SequenceConstruct",  "SequenceInsert",     "SequenceErase",
                                        "SequenceAt",    "SequenceLength",     "ConcatFromSequence", "SplitToSequence",
                                        "Optional",      "OptionalHasElement", "OptionalGetElement"};
    if (n->domain[0])
        return false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(n->op, names[i]) == 0)
            return true;
    return strcmp(n->op, "Identity") == 0 && sn_sequence_of(b, sn_node_in(n, 0));
}

int sn_lower_sequence(sn_build *b, const sn_node *n, sn_node **made_out, size_t *n_made, uint32_t *need)
{
    uint32_t in0 = sn_node_in(n, 0);
    const sn_sequence *s = sn_sequence_of(b, in0);
    sn_node *made = sn_arena_array(b->scratch, SN_OP_OUT_MAX + 2, sizeof *made);
    *n_made = 0;
    *made_out = made;
    *need = strcmp(n->op, "SequenceInsert") == 0 ? 2 : 1;
    if (!made)
        return SETSUNA_ENOMEM;
    if (strcmp(n->op, "SequenceEmpty") == 0)
        return sequence_set(b, n->out[0], NULL, 0);
    if (strcmp(n->op, "SequenceConstruct") == 0)
        return sequence_set(b, n->out[0], n->in, n->n_in);
    if (strcmp(n->op, "OptionalHasElement") == 0 && in0 == SN_NONE)
        return sequence_result(b, n, SETSUNA_BOOL, 0);
    bool is_tensor = in0 != SN_NONE && b->graph->value[in0].has_shape;
    if (!s && !is_tensor)
        return SN_SEQUENCE_UNKNOWN;
    if (strcmp(n->op, "OptionalHasElement") == 0)
        return sequence_result(b, n, SETSUNA_BOOL, 1);
    if (strcmp(n->op, "Identity") == 0 || strncmp(n->op, "Optional", 8) == 0)
        return sequence_pass_on(b, n, s, made, n_made);
    if (strcmp(n->op, "SplitToSequence") == 0 && is_tensor)
        return sequence_split(b, n, made, n_made);
    if (!s)
        return sn_fail(b->err, SETSUNA_EMODEL, n->name, "%s wants a sequence", n->op);
    if (strcmp(n->op, "SequenceInsert") == 0)
        return sequence_insert_or_erase(b, n, s, true);
    if (strcmp(n->op, "SequenceErase") == 0)
        return sequence_insert_or_erase(b, n, s, false);
    if (strcmp(n->op, "SequenceAt") == 0)
        return sequence_at(b, n, s, made, n_made);
    if (strcmp(n->op, "SequenceLength") == 0)
        return sequence_result(b, n, SETSUNA_I64, (int64_t)s->n);
    return sequence_concat(b, n, s, made, n_made);
}

setsuna_status sn_sequence_write_down(sn_build *b, uint32_t value, sn_node *made)
{
    sn_sequence *s = sn_sequence_of(b, value);
    s->written = true;
    sn_node like = {.name = ""};
    return sequence_node(b, &like, s->n ? "SequenceConstruct" : "SequenceEmpty", s->item, (uint32_t)s->n, &value, 1,
                         made);
}
