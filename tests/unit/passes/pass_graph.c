#include "unit/passes/pass_graph.h"
#include "unit/unit.h"
#include <math.h>
#include <string.h>

enum { PASS_GRAPH_VALUES = 256 };

void pass_graph_open(pass_graph *t, int32_t opset)
{
    t->precision = SN_PRECISION_F32;
    t->no_winograd = false;
    t->arena = sn_arena_create(sn_allocator_default());
    t->g = sn_graph_create(t->arena, "test");
    t->opset = opset;
    t->cpu = sn_cpu_detect();
    t->store = sn_pack_store_create(sn_allocator_default(), 0);
    assert_non_null(t->g);
    assert_non_null(t->store);
}

void pass_graph_close(pass_graph *t)
{
    sn_pack_store_destroy(t->store);
    sn_arena_destroy(t->arena);
}

static void pass_graph_shape(pass_graph *t, uint32_t v, const setsuna_shape *shape)
{
    t->g->value[v].has_shape = true;
    t->g->value[v].shape = *shape;
}

uint32_t pass_graph_input(pass_graph *t, setsuna_shape shape)
{
    uint32_t list[16], n = t->g->n_input, v = sn_graph_add_value(t->g, "", SETSUNA_F32);
    pass_graph_shape(t, v, &shape);
    if (n)
        memcpy(list, t->g->input, n * sizeof *list);
    list[n] = v;
    assert_int_equal(sn_graph_set_inputs(t->g, list, n + 1), SETSUNA_OK);
    return v;
}

uint32_t pass_graph_const(pass_graph *t, setsuna_shape shape, const float *v)
{
    setsuna_tensor c = {.dtype = SETSUNA_F32, .shape = shape};
    assert_true(sn_tensor_bytes(SETSUNA_F32, &shape, &c.size_bytes));
    c.data = sn_arena_alloc(t->arena, c.size_bytes);
    memcpy(c.data, v, c.size_bytes);
    return sn_graph_add_const(t->g, "", &c, t->g->n_value);
}

uint32_t pass_graph_number(pass_graph *t, float v)
{
    return pass_graph_const(t, (setsuna_shape){0}, &v);
}

/* b's operands as node n has them; false: the operator does not exist. */
static const sn_op *pass_graph_ctx(pass_graph *t, const sn_node *n, sn_op_ctx *c, setsuna_error *err)
{
    const sn_op *op = NULL;
    if (sn_op_check(n, NULL, &op, err) != SETSUNA_OK)
        return NULL;
    *c = (sn_op_ctx){.node = n,
                     .op = op,
                     .n_in = n->n_in,
                     .n_out = n->n_out,
                     .cpu = t->cpu,
                     .n_threads = 1,
                     .no_winograd = t->no_winograd,
                     .arena = t->arena,
                     .store = t->store,
                     .err = err};
    for (uint32_t i = 0; i < n->n_in; i++)
        if (n->in[i] != SN_NONE) {
            const sn_value *v = &t->g->value[n->in[i]];
            c->in[i] = (sn_operand){true, v->dtype, v->shape, v->cst, SETSUNA_DTYPE_NONE};
        }
    for (uint32_t i = 0; i < n->n_out; i++)
        c->out[i].present = n->out[i] != SN_NONE;
    return op;
}

void pass_graph_infer_last(pass_graph *t)
{
    static sn_op_ctx c;
    setsuna_error err = {0};
    const sn_node *n = pass_graph_last(t);
    const sn_op *o = pass_graph_ctx(t, n, &c, &err);
    if (!o || o->infer(&c) != SETSUNA_OK)
        fail_msg("%s: %s", err.where, err.text);
    for (uint32_t i = 0; i < n->n_out; i++) {
        pass_graph_shape(t, n->out[i], &c.out[i].shape);
        t->g->value[n->out[i]].dtype = c.out[i].dtype;
    }
}

uint32_t pass_graph_node(pass_graph *t, const char *domain, const char *op, const uint32_t *in, uint32_t n_in)
{
    uint32_t y = sn_graph_add_value(t->g, "", SETSUNA_F32);
    assert_non_null(sn_graph_add_node(t->g, domain, op, domain[0] ? 1 : t->opset, op, in, n_in, &y, 1));
    pass_graph_infer_last(t);
    return y;
}

uint32_t pass_graph_another_output(pass_graph *t, setsuna_shape shape)
{
    sn_node *n = pass_graph_last(t);
    uint32_t v = sn_graph_add_value(t->g, "", SETSUNA_F32), *out = sn_arena_array(t->arena, n->n_out + 1, sizeof *out);
    assert_non_null(out);
    memcpy(out, n->out, n->n_out * sizeof *out);
    out[n->n_out++] = v;
    n->out = out;
    pass_graph_shape(t, v, &shape);
    return v;
}

uint32_t pass_graph_one(pass_graph *t, const char *op, uint32_t a)
{
    return pass_graph_node(t, "", op, &a, 1);
}

uint32_t pass_graph_two(pass_graph *t, const char *op, uint32_t a, uint32_t b)
{
    return pass_graph_node(t, "", op, (uint32_t[]){a, b}, 2);
}

sn_node *pass_graph_last(pass_graph *t)
{
    return &t->g->node[t->g->n_node - 1];
}

void pass_graph_output(pass_graph *t, uint32_t v)
{
    uint32_t list[16], n = t->g->n_output;
    if (n)
        memcpy(list, t->g->output, n * sizeof *list);
    list[n] = v;
    assert_int_equal(sn_graph_set_outputs(t->g, list, n + 1), SETSUNA_OK);
}

bool pass_graph_pass(pass_graph *t, const sn_pass *pass)
{
    sn_arena *scratch = sn_arena_create(sn_allocator_default());
    sn_pass_ctx ctx = {.cpu = t->cpu, .precision = t->precision, .no_winograd = t->no_winograd, .arena = scratch};
    bool changed = false;
    assert_int_equal(pass->run(t->g, &ctx, &changed), SETSUNA_OK);
    assert_int_equal(sn_graph_sort(t->g, NULL), SETSUNA_OK);
    assert_int_equal(sn_graph_verify(t->g, NULL), SETSUNA_OK);
    sn_arena_destroy(scratch);
    return changed;
}

static float *pass_graph_alloc(pass_graph *t, const setsuna_shape *shape, size_t *n)
{
    int64_t numel;
    assert_true(sn_shape_numel(shape, &numel));
    *n = (size_t)numel;
    return sn_arena_alloc_wide(t->arena, *n * sizeof(float));
}

static void pass_graph_run_node(pass_graph *t, const sn_node *n, void **slot)
{
    static sn_op_ctx c;
    setsuna_error err = {0};
    size_t unused;
    const sn_op *op = pass_graph_ctx(t, n, &c, &err);
    if (!op || op->infer(&c) != SETSUNA_OK)
        fail_msg("%s: %s", err.where, err.text);
    sn_step s = {
        .in = n->in, .out = n->out, .n_in = n->n_in, .n_out = n->n_out, .n_parts = 1, .name = n->name, .op = n->op};
    for (uint32_t i = 0; i < n->n_out; i++) {
        slot[n->out[i]] = pass_graph_alloc(t, &c.out[i].shape, &unused);
        pass_graph_shape(t, n->out[i], &c.out[i].shape); /* of values that the pass made */
        t->g->value[n->out[i]].dtype = c.out[i].dtype;
    }
    if (op->bind(&c, &s) != SETSUNA_OK)
        fail_msg("%s: %s", err.where, err.text);
    sn_run r = {.slot = slot, .err = &err, .scratch = sn_arena_alloc_wide(t->arena, s.scratch_bytes)};
    assert_int_equal(s.run(&s, &r), SETSUNA_OK);
}

size_t pass_graph_run(pass_graph *t, float *y, size_t cap)
{
    void *slot[PASS_GRAPH_VALUES] = {0};
    const sn_graph *g = t->g;
    size_t n = 0;
    uint32_t noise = 12345;
    assert_true(g->n_value <= PASS_GRAPH_VALUES);
    for (uint32_t i = 0; i < g->n_input; i++) {
        float *x = slot[g->input[i]] = pass_graph_alloc(t, &g->value[g->input[i]].shape, &n);
        for (size_t k = 0; k < n; k++) {
            noise = noise * 1664525u + 1013904223u;
            x[k] = (float)(noise >> 8) * 0x1p-21f - 4.0f;
        }
    }
    for (size_t v = 0; v < g->n_value; v++)
        if (g->value[v].cst)
            slot[v] = g->value[v].cst->t.data;
    for (size_t i = 0; i < g->n_node; i++)
        pass_graph_run_node(t, &g->node[i], slot);
    pass_graph_alloc(t, &g->value[g->output[0]].shape, &n);
    assert_true(n <= cap);
    memcpy(y, slot[g->output[0]], n * sizeof *y);
    return n;
}

void pass_graph_assert_near(const float *a, const float *b, size_t n, float bound)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(a[i] - b[i]) <= bound * fmaxf(1, fabsf(a[i]))) && !(isnan(a[i]) && isnan(b[i])))
            fail_msg("element %zu: %g and %g", i, (double)a[i], (double)b[i]);
}
