#include "unit/exec/graph_rig.h"
#include <stdarg.h>
#include <string.h>

static void *rig_alloc(void *ctx, size_t size)
{
    graph_rig *r = ctx;
    void *p = sn_alloc(sn_allocator_default(), size);
    r->live += p != NULL;
    r->made++;
    return p;
}

static void rig_free(void *ctx, void *p)
{
    graph_rig *r = ctx;
    r->live--;
    sn_free(sn_allocator_default(), p);
}

void rig_open(graph_rig *r, int32_t opset)
{
    *r = (graph_rig){.opset = opset};
    r->allocator = (sn_allocator){r, rig_alloc, rig_free};
    r->arena = sn_arena_create(&r->allocator);
    assert_non_null(r->arena);
    r->g = rig_graph(r, "test");
    r->env = (sn_plan_env){.allocator = &r->allocator,
                           .cpu = sn_cpu_detect(),
                           .n_threads = 1,
                           .memory_limit_bytes = 64 << 20,
                           .bind_control = sn_control_bind,
                           .release_control = sn_control_release};
    r->env.store = sn_pack_store_create(&r->allocator, 0);
    assert_non_null(r->env.store);
    assert_int_equal(pthread_mutex_init(&r->env.lock, NULL), 0);
}

void rig_start(graph_rig *r)
{
    RIG_OK(r, sn_graph_sort(r->g, &r->err));
    RIG_OK(r, sn_graph_verify(r->g, &r->err));
    r->module = sn_module_create(&r->env, r->g, NULL);
    assert_non_null(r->module);
    assert_int_equal(sn_pool_create(&r->allocator, r->env.n_threads, &r->pool), SETSUNA_OK);
    assert_int_equal(sn_exec_create(&r->env, r->module, r->pool, &r->exec), SETSUNA_OK);
}

void rig_close(graph_rig *r)
{
    sn_exec_destroy(r->exec);
    sn_pool_destroy(r->pool);
    sn_module_destroy(r->module);
    sn_pack_store_destroy(r->env.store);
    pthread_mutex_destroy(&r->env.lock);
    sn_arena_destroy(r->arena);
    assert_int_equal(r->live, 0);
}

static const char *rig_name(graph_rig *r)
{
    const char *name = sn_arena_printf(r->arena, "v%u", r->names++);
    assert_non_null(name);
    return name;
}

uint32_t rig_input(graph_rig *r, const char *name, setsuna_dtype dtype)
{
    uint32_t list[RIG_INPUTS_MAX], n = r->g->n_input, v = sn_graph_add_value(r->g, name ? name : rig_name(r), dtype);
    assert_true(v != SN_NONE && n < RIG_INPUTS_MAX);
    if (n)
        memcpy(list, r->g->input, n * sizeof *list);
    list[n] = v;
    assert_int_equal(sn_graph_set_inputs(r->g, list, n + 1), SETSUNA_OK);
    return v;
}

uint32_t rig_const(graph_rig *r, setsuna_dtype dtype, const setsuna_shape *shape, const void *data)
{
    setsuna_tensor t = {.dtype = dtype, .shape = *shape};
    assert_true(sn_tensor_bytes(dtype, shape, &t.size_bytes));
    t.data = sn_arena_alloc(r->arena, t.size_bytes);
    assert_non_null(t.data);
    if (t.size_bytes)
        memcpy(t.data, data, t.size_bytes);
    uint32_t v = sn_graph_add_const(r->g, rig_name(r), &t, sn_const_uid(&t));
    assert_true(v != SN_NONE);
    return v;
}

uint32_t rig_ints(graph_rig *r, const int64_t *v, int64_t n)
{
    return rig_const(r, SETSUNA_I64, &(setsuna_shape){1, {n}}, v);
}

uint32_t rig_int(graph_rig *r, int64_t v)
{
    return rig_const(r, SETSUNA_I64, &(setsuna_shape){0}, &v);
}

sn_node *rig_node_many(graph_rig *r, const char *op, const uint32_t *in, uint32_t n_in, uint32_t *out, uint32_t n_out)
{
    for (uint32_t i = 0; i < n_out; i++) {
        out[i] = sn_graph_add_value(r->g, rig_name(r), SETSUNA_DTYPE_NONE);
        assert_true(out[i] != SN_NONE);
    }
    sn_node *n = sn_graph_add_node(r->g, "", op, r->opset, r->g->value[out[0]].name, in, n_in, out, n_out);
    assert_non_null(n);
    n->n_formal = n_in;
    return n;
}

uint32_t rig_node(graph_rig *r, const char *op, const uint32_t *in, uint32_t n_in)
{
    uint32_t y;
    rig_node_many(r, op, in, n_in, &y, 1);
    return y;
}

uint32_t rig_one(graph_rig *r, const char *op, uint32_t a)
{
    return rig_node(r, op, &a, 1);
}

uint32_t rig_two(graph_rig *r, const char *op, uint32_t a, uint32_t b)
{
    return rig_node(r, op, (uint32_t[]){a, b}, 2);
}

void rig_outputs(graph_rig *r, const uint32_t *v, uint32_t n)
{
    assert_int_equal(sn_graph_set_outputs(r->g, v, n), SETSUNA_OK);
}

sn_graph *rig_graph(graph_rig *r, const char *name)
{
    sn_graph *g = sn_graph_create(r->arena, name);
    assert_non_null(g);
    return g;
}

void rig_attr_graph(graph_rig *r, sn_node *n, const char *name, sn_graph *sub)
{
    sn_attr attr = {.name = name, .kind = SN_ATTR_GRAPH, .g = sub};
    assert_true(sn_node_add_attr(r->g, n, &attr));
}

setsuna_status rig_run(graph_rig *r, const setsuna_tensor *inputs, setsuna_tensor *outputs)
{
    return sn_exec_run(r->exec, inputs, outputs, &r->err);
}

setsuna_tensor rig_tensor(setsuna_dtype dtype, const void *data, int rank, ...)
{
    setsuna_tensor t = {.dtype = dtype, .shape = {.rank = rank}};
    va_list ap;
    va_start(ap, rank);
    for (int d = 0; d < rank; d++)
        t.shape.dim[d] = va_arg(ap, int);
    va_end(ap);
    assert_true(sn_tensor_bytes(dtype, &t.shape, &t.size_bytes));
    memcpy(&t.data, &data, sizeof data); /* inputs are not written to */
    return t;
}

void rig_assert_shape(const setsuna_tensor *t, int rank, ...)
{
    va_list ap;
    assert_int_equal(t->shape.rank, rank);
    va_start(ap, rank);
    for (int d = 0; d < rank; d++)
        assert_int_equal(t->shape.dim[d], va_arg(ap, int));
    va_end(ap);
}

void rig_assert_f32(const setsuna_tensor *t, const float *v, size_t n)
{
    assert_int_equal(t->dtype, SETSUNA_F32);
    assert_int_equal(t->size_bytes, n * sizeof *v);
    for (size_t i = 0; i < n; i++)
        if (((const float *)t->data)[i] != v[i])
            fail_msg("element %zu is %g, not %g", i, (double)((const float *)t->data)[i], (double)v[i]);
}

void rig_assert_i64(const setsuna_tensor *t, const int64_t *v, size_t n)
{
    assert_int_equal(t->dtype, SETSUNA_I64);
    assert_int_equal(t->size_bytes, n * sizeof *v);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(((const int64_t *)t->data)[i], v[i]);
}
