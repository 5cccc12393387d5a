/* Evaluating nodes at plan time. */
#include "plan/build.h"
#include "base/hash.h"
#include <string.h>

/* Results larger than this are computed at run time instead: folding trades memory for time, and a file decides
 * (ConstantOfShape, Expand, Tile) how large a result is. */
enum { FOLD_MAX_BYTES = 256 << 20 };

typedef struct fold_run {
    sn_run run; /* first: sn_run_output gets &run */
    sn_build *b;
    void **slot;
    setsuna_tensor *desc;
} fold_run;

static setsuna_status fold_output(sn_run *r, uint32_t slot, setsuna_dtype dtype, const setsuna_shape *shape,
                                  void **data_out)
{
    fold_run *f = (fold_run *)r;
    size_t bytes;
    if (!sn_tensor_bytes(dtype, shape, &bytes) || bytes > FOLD_MAX_BYTES)
        return sn_fail(r->err, SETSUNA_ELIMIT, NULL, "a constant result would be larger than %d bytes", FOLD_MAX_BYTES);
    void *data = sn_arena_alloc_wide(f->b->graph->arena, bytes);
    if (!data)
        return SETSUNA_ENOMEM;
    f->slot[slot] = data;
    f->desc[slot] = (setsuna_tensor){dtype, *shape, data, bytes};
    *data_out = data;
    return SETSUNA_OK;
}

static uint64_t fold_hash_attr(uint64_t h, const sn_attr *a)
{
    h = sn_hash_str(h, a->name);
    switch (a->kind) {
    case SN_ATTR_INT: return sn_hash_u64(h, (uint64_t)a->i);
    case SN_ATTR_FLOAT: return sn_hash_bytes(h, &a->f, sizeof a->f);
    case SN_ATTR_STRING: return sn_hash_bytes(h, a->s.data, a->s.len);
    case SN_ATTR_TENSOR: return sn_hash_u64(h, a->t->uid);
    case SN_ATTR_INTS: return sn_hash_bytes(h, a->ints, a->n * sizeof *a->ints);
    case SN_ATTR_FLOATS: return sn_hash_bytes(h, a->floats, a->n * sizeof *a->floats);
    case SN_ATTR_STRINGS:
        for (size_t i = 0; i < a->n; i++)
            h = sn_hash_bytes(h, a->strings[i].data, a->strings[i].len);
        return h;
    case SN_ATTR_GRAPH:
    case SN_ATTR_OTHER: return h;
    }
    return h;
}

/* Identity of a folded constant: its contents where they are small, otherwise what it was computed from. */
static uint64_t fold_uid(const sn_build *b, const sn_node *n, uint32_t output, const setsuna_tensor *t)
{
    if (t->size_bytes <= 64 << 10)
        return sn_const_uid(t);
    uint64_t h = sn_hash_u64(sn_hash_bytes(0, &t->shape, sizeof t->shape), (uint64_t)t->dtype);
    h = sn_hash_u64(sn_hash_str(sn_hash_str(h, n->domain), n->op), (uint64_t)n->opset << 32 | output);
    for (uint32_t i = 0; i < n->n_attr; i++)
        h = fold_hash_attr(h, &n->attr[i]);
    for (uint32_t i = 0; i < n->n_formal; i++)
        h = sn_hash_u64(h, n->in[i] == SN_NONE ? 0 : b->graph->value[n->in[i]].cst->uid);
    return h;
}

/* Slots 0.. are the inputs, then the outputs. */
static setsuna_status fold_prepare(sn_build *b, const sn_node *n, bool dynamic, fold_run *f, uint32_t *index)
{
    for (uint32_t i = 0; i < n->n_formal; i++) {
        index[i] = n->in[i] == SN_NONE ? SN_NONE : i;
        const sn_const *c = n->in[i] == SN_NONE ? NULL : b->graph->value[n->in[i]].cst;
        if (!c)
            continue; /* absent, or the input of Shape and Size, which is not read */
        size_t align = setsuna_dtype_size(c->t.dtype);
        f->desc[i] = c->t;
        f->slot[i] = c->t.data;
        if (align > 8)
            align = 8;
        if (c->file || (align && (uintptr_t)c->t.data % align)) {
            f->slot[i] = sn_arena_alloc_wide(b->scratch, c->t.size_bytes);
            if (!f->slot[i])
                return SETSUNA_ENOMEM;
            SN_TRY(sn_const_read(c, f->slot[i], b->err));
        }
    }
    for (uint32_t i = 0; i < n->n_out; i++) {
        uint32_t k = n->n_formal + i;
        index[k] = n->out[i] == SN_NONE ? SN_NONE : k;
        if (dynamic || n->out[i] == SN_NONE)
            continue;
        void *unused;
        SN_TRY(fold_output(&f->run, k, b->ctx->out[i].dtype, &b->ctx->out[i].shape, &unused));
    }
    return SETSUNA_OK;
}

static bool fold_fits(const sn_build *b)
{
    size_t total = b->folded_bytes;
    for (uint32_t i = 0; i < b->ctx->n_out; i++) {
        size_t bytes;
        if (!b->ctx->out[i].present)
            continue;
        if (!sn_tensor_bytes(b->ctx->out[i].dtype, &b->ctx->out[i].shape, &bytes) || bytes > FOLD_MAX_BYTES - total)
            return false;
        total += bytes;
    }
    return true;
}

setsuna_status sn_fold_node(sn_build *b, const sn_node *n, const sn_op *op, bool dynamic, bool *done)
{
    *done = false;
    if (!dynamic && !fold_fits(b))
        return SETSUNA_OK;
    uint32_t slots = n->n_formal + n->n_out;
    fold_run f = {.b = b};
    f.slot = sn_arena_array(b->scratch, slots, sizeof *f.slot);
    f.desc = sn_arena_array(b->scratch, slots, sizeof *f.desc);
    uint32_t *index = sn_arena_array(b->scratch, slots, sizeof *index);
    if (!f.slot || !f.desc || !index)
        return SETSUNA_ENOMEM;
    f.run = (sn_run){.slot = f.slot, .desc = f.desc, .err = b->err, .output = fold_output};
    SN_TRY(fold_prepare(b, n, dynamic, &f, index));
    sn_step step = {.in = index,
                    .out = index + n->n_formal,
                    .n_in = n->n_formal,
                    .n_out = n->n_out,
                    .n_parts = 1,
                    .name = n->name,
                    .op = n->op,
                    .kernel = ""};
    b->ctx->arena = b->scratch;
    b->ctx->n_threads = 1;
    b->ctx->precision = SN_PRECISION_F32; /* what is computed once can be exact */
    setsuna_status status = op->bind(b->ctx, &step);
    b->ctx->arena = b->arena;
    b->ctx->n_threads = b->env->n_threads;
    b->ctx->precision = b->env->precision;
    SN_TRY(status);
    step.n_parts = 1;
    if (step.scratch_bytes > b->env->memory_limit_bytes)
        return sn_op_fail(b->ctx, SETSUNA_ELIMIT, "it needs %zu bytes of scratch memory", step.scratch_bytes);
    f.run.scratch =
        sn_alloc(b->env->allocator, step.scratch_bytes ? step.scratch_bytes : SN_ALIGN); /* as exec has it */
    if (!f.run.scratch)
        return SETSUNA_ENOMEM;
    status = step.run(&step, &f.run);
    sn_free(b->env->allocator, f.run.scratch);
    SN_TRY(status);
    for (uint32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] == SN_NONE)
            continue;
        sn_const *c = sn_arena_alloc(b->graph->arena, sizeof *c);
        if (!c)
            return SETSUNA_ENOMEM;
        c->t = f.desc[n->n_formal + i];
        c->uid = fold_uid(b, n, i, &c->t);
        sn_value *v = &b->graph->value[n->out[i]];
        v->cst = c;
        v->dtype = c->t.dtype;
        v->shape = c->t.shape;
        v->has_shape = true;
        b->folded_bytes += c->t.size_bytes;
    }
    *done = true;
    return SETSUNA_OK;
}
