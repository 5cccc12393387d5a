#include "op_rig.h"
#include "unit/unit.h"
#include <stdlib.h>
#include <string.h>

/* A block that ends where the tensor ends, `skew` bytes off alignment. */
static void *rig_copy(sn_arena *arena, const void *data, size_t bytes, size_t skew)
{
    (void)arena;
    char *p = malloc(bytes + skew ? bytes + skew : 1);
    assert_non_null(p);
    if (bytes && data)
        memcpy(p + skew, data, bytes);
    return p + skew;
}

void op_rig_open(op_rig *r, const char *op, int opset)
{
    *r = (op_rig){.n_out = 1, .n_threads = 1, .cpu = sn_cpu_detect()};
    r->arena = sn_arena_create(sn_allocator_default());
    r->graph = sn_graph_create(r->arena, "rig");
    r->ctx = calloc(1, sizeof *r->ctx);
    r->store = sn_pack_store_create(sn_allocator_default(), 0);
    bool ours = strncmp(op, "setsuna.", 8) == 0;
    r->node = sn_graph_add_node(r->graph, ours ? "setsuna" : "", ours ? op + 8 : op, opset, "rig", NULL, 0, NULL, 0);
    assert_non_null(r->ctx);
    assert_non_null(r->store);
    assert_non_null(r->node);
}

void op_rig_close(op_rig *r)
{
    for (uint32_t i = 0; i < r->n_in; i++)
        if (r->present[i])
            free((char *)r->in[i].data - (r->is_const[i] ? 1 : 0));
    for (uint32_t i = 0; i < OP_RIG_OUT; i++)
        free(r->out[i].data);
    sn_pool_destroy(r->pool);
    sn_pack_store_destroy(r->store);
    free(r->ctx);
    sn_arena_destroy(r->arena);
}

static void rig_input(op_rig *r, setsuna_dtype dtype, setsuna_shape shape, const void *data, bool is_const)
{
    assert_true(r->n_in < OP_RIG_IN);
    setsuna_tensor *t = &r->in[r->n_in];
    *t = (setsuna_tensor){.dtype = dtype, .shape = shape};
    size_t bytes = 0;
    assert_true(sn_tensor_bytes(dtype, &shape, &bytes) || setsuna_dtype_size(dtype) == 0);
    t->size_bytes = bytes;
    t->data = rig_copy(r->arena, data, bytes, is_const ? 1 : 0);
    r->cst[r->n_in] = (sn_const){.t = *t, .uid = r->n_in + 1};
    r->is_const[r->n_in] = is_const;
    r->present[r->n_in++] = true;
}

void op_rig_in(op_rig *r, setsuna_dtype dtype, setsuna_shape shape, const void *data)
{
    rig_input(r, dtype, shape, data, false);
}

void op_rig_const(op_rig *r, setsuna_dtype dtype, setsuna_shape shape, const void *data)
{
    rig_input(r, dtype, shape, data, true);
}

void op_rig_const_i64(op_rig *r, int n, const int64_t *v)
{
    rig_input(r, SETSUNA_I64, sn_shape(1, n), v, true);
}

void op_rig_absent(op_rig *r)
{
    r->present[r->n_in++] = false;
}

void op_rig_int(op_rig *r, const char *name, int64_t v)
{
    assert_true(sn_node_add_int(r->graph, r->node, name, v));
}

void op_rig_ints(op_rig *r, const char *name, int n, const int64_t *v)
{
    assert_true(sn_node_add_ints(r->graph, r->node, name, v, (size_t)n));
}

void op_rig_string(op_rig *r, const char *name, const char *v)
{
    assert_true(sn_node_add_string(r->graph, r->node, name, v));
}

void op_rig_float(op_rig *r, const char *name, float v)
{
    assert_true(sn_node_add_float(r->graph, r->node, name, v));
}

void op_rig_floats(op_rig *r, const char *name, int n, const float *v)
{
    assert_true(sn_node_add_floats(r->graph, r->node, name, v, (size_t)n));
}

void op_rig_strings(op_rig *r, const char *name, int n, const char *const *v)
{
    sn_text *text = sn_arena_array(r->arena, (size_t)n, sizeof *text);
    assert_non_null(text);
    for (int i = 0; i < n; i++)
        text[i] = (sn_text){v[i], strlen(v[i])};
    const sn_attr a = {.name = name, .kind = SN_ATTR_STRINGS, .n = (size_t)n, .strings = text};
    assert_true(sn_node_add_attr(r->graph, r->node, &a));
}

int op_rig_infer(op_rig *r)
{
    sn_op_ctx *c = r->ctx;
    uint32_t *values = sn_arena_array(r->arena, OP_RIG_IN + OP_RIG_OUT, 4);
    assert_non_null(values);
    for (uint32_t i = 0; i < r->n_in; i++)
        values[i] = r->present[i] ? i : SN_NONE;
    r->node->in = values;
    r->node->out = values + OP_RIG_IN;
    r->node->n_in = r->node->n_formal = r->n_in;
    r->node->n_out = r->n_out;
    int status = sn_op_check(r->node, NULL, &r->op, &r->err);
    if (status != SETSUNA_OK)
        return status;
    *c = (sn_op_ctx){.node = r->node,
                     .op = r->op,
                     .n_in = r->n_in,
                     .n_out = r->n_out,
                     .cpu = r->cpu,
                     .precision = r->precision,
                     .n_threads = r->n_threads,
                     .arena = r->arena,
                     .store = r->store,
                     .err = &r->err};
    for (uint32_t i = 0; i < r->n_in; i++)
        c->in[i] = (sn_operand){r->present[i], r->in[i].dtype, r->in[i].shape, r->is_const[i] ? &r->cst[i] : NULL,
                                SETSUNA_DTYPE_NONE};
    for (uint32_t i = 0; i < r->n_out; i++)
        c->out[i].present = true;
    if (!r->op->infer)
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "the planner takes this operator apart: it has no step of its own");
    return r->op->infer(c);
}

/* The run interface passes only sn_run: the rig is found through session. */
static setsuna_status rig_output(sn_run *run, uint32_t slot, setsuna_dtype dtype, const setsuna_shape *shape,
                                 void **data)
{
    op_rig *r = run->session;
    setsuna_tensor *t = &r->out[slot - OP_RIG_IN];
    free(t->data);
    *t = (setsuna_tensor){.dtype = dtype, .shape = *shape};
    assert_true(sn_tensor_bytes(dtype, shape, &t->size_bytes));
    t->data = rig_copy(r->arena, NULL, t->size_bytes, 0);
    memset(t->data, 0xa5, t->size_bytes);
    *data = t->data;
    return SETSUNA_OK;
}

setsuna_status op_rig_run(op_rig *r)
{
    void *slot[OP_RIG_IN + OP_RIG_OUT] = {0};
    setsuna_tensor desc[OP_RIG_IN + OP_RIG_OUT] = {0};
    uint32_t index[OP_RIG_IN + OP_RIG_OUT];
    int answer = op_rig_infer(r);
    if (answer < 0)
        return (setsuna_status)answer;
    assert_true(answer != SN_INFER_NEED_VALUE);
    sn_run run = {.slot = slot, .desc = desc, .err = &r->err, .session = r, .output = rig_output};
    for (uint32_t i = 0; i < r->n_in; i++) {
        index[i] = r->present[i] ? i : SN_NONE;
        slot[i] = r->in[i].data;
        if (r->is_const[i]) { /* plans align constants */
            slot[i] = sn_arena_alloc(r->arena, r->in[i].size_bytes);
            assert_non_null(slot[i]);
            if (r->in[i].size_bytes)
                memcpy(slot[i], r->in[i].data, r->in[i].size_bytes);
        }
        desc[i] = r->in[i];
    }
    for (uint32_t i = 0; i < r->n_out; i++) {
        index[OP_RIG_IN + i] = OP_RIG_IN + i;
        if (answer != SN_INFER_DYNAMIC)
            rig_output(&run, OP_RIG_IN + i, r->ctx->out[i].dtype, &r->ctx->out[i].shape, &slot[OP_RIG_IN + i]);
        desc[OP_RIG_IN + i] = r->out[i];
    }
    r->step = (sn_step){.in = index,
                        .out = index + OP_RIG_IN,
                        .n_in = r->n_in,
                        .n_out = r->n_out,
                        .n_parts = 1,
                        .name = "rig",
                        .op = r->node->op};
    setsuna_status status = r->op->bind(r->ctx, &r->step);
    if (status != SETSUNA_OK)
        return status;
    assert_non_null(r->step.kernel);
    assert_true(r->step.n_parts >= 1);
    if (r->n_threads > 1 && !r->pool)
        assert_int_equal(sn_pool_create(sn_allocator_default(), r->n_threads, &r->pool), SETSUNA_OK);
    run.pool = r->pool;
    size_t scratch_bytes = r->step.scratch_bytes ? r->step.scratch_bytes : 1; /* never NULL, see sn_run */
    run.scratch = sn_alloc(sn_allocator_default(), scratch_bytes);
    if (run.scratch)
        memset(run.scratch, 0x5a, r->step.scratch_bytes);
    status = r->step.run(&r->step, &run);
    sn_free(sn_allocator_default(), run.scratch);
    return status;
}

double op_rig_get(const setsuna_tensor *t, int64_t i)
{
    return sn_tensor_get_f64(t, i);
}

uint64_t op_rig_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}
