/* Graphs for tests of plan/ and exec/, built node by node, planned and run without a model file.
 *
 *     graph_rig r;
 *     rig_open(&r, 13);
 *     uint32_t x = rig_input(&r, "x", SETSUNA_F32);
 *     uint32_t y = rig_node(&r, "NonZero", (uint32_t[]){x}, 1);
 *     rig_outputs(&r, &y, 1);
 *     rig_start(&r);                              module and exec; env may be changed before
 *     rig_run(&r, inputs, outputs)
 *     rig_close(&r);                              nothing may stay allocated
 *
 * Every value has a name of its own. Memory comes from an allocator that counts. */
#ifndef SN_TESTS_GRAPH_RIG_H
#define SN_TESTS_GRAPH_RIG_H

#include "exec/exec.h"
#include "unit/unit.h"

enum { RIG_INPUTS_MAX = 16 };

typedef struct graph_rig {
    sn_arena *arena;
    sn_graph *g;
    int32_t opset;
    sn_allocator allocator;
    _Atomic long live, made; /* allocations */
    sn_plan_env env;
    sn_module *module;
    sn_pool *pool;
    sn_exec *exec;
    setsuna_error err;
    uint32_t names;
} graph_rig;

void rig_open(graph_rig *r, int32_t opset);
void rig_start(graph_rig *r);
void rig_close(graph_rig *r);

/* On graph r->g; subgraphs are built by pointing r->g at another graph of r->arena meanwhile. */
uint32_t rig_input(graph_rig *r, const char *name, setsuna_dtype dtype);
uint32_t rig_const(graph_rig *r, setsuna_dtype dtype, const setsuna_shape *shape, const void *data);
uint32_t rig_ints(graph_rig *r, const int64_t *v, int64_t n); /* 1-D i64 constant */
uint32_t rig_int(graph_rig *r, int64_t v);                    /* rank 0 */
uint32_t rig_node(graph_rig *r, const char *op, const uint32_t *in, uint32_t n_in);
/* n_out outputs into out. The node, for attributes; valid until the next one is added. */
sn_node *rig_node_many(graph_rig *r, const char *op, const uint32_t *in, uint32_t n_in, uint32_t *out, uint32_t n_out);
uint32_t rig_one(graph_rig *r, const char *op, uint32_t a);
uint32_t rig_two(graph_rig *r, const char *op, uint32_t a, uint32_t b);
void rig_outputs(graph_rig *r, const uint32_t *v, uint32_t n);
sn_graph *rig_graph(graph_rig *r, const char *name); /* a new one, in the same arena */
void rig_attr_graph(graph_rig *r, sn_node *n, const char *name, sn_graph *sub);

/* Returns what sn_exec_run does; r->err has the words. */
setsuna_status rig_run(graph_rig *r, const setsuna_tensor *inputs, setsuna_tensor *outputs);

/* A tensor over data: rank dims follow. */
setsuna_tensor rig_tensor(setsuna_dtype dtype, const void *data, int rank, ...);

void rig_assert_shape(const setsuna_tensor *t, int rank, ...);
void rig_assert_f32(const setsuna_tensor *t, const float *v, size_t n);
void rig_assert_i64(const setsuna_tensor *t, const int64_t *v, size_t n);

#define RIG_OK(r, expr)                                                                                                \
    do {                                                                                                               \
        if ((expr) != SETSUNA_OK)                                                                                      \
            fail_msg("%s: %s", (r)->err.where, (r)->err.text);                                                         \
    } while (0)

#endif
