/* Convolutions in graphs for tests of passes. */
#ifndef SN_TESTS_CONV_GRAPH_H
#define SN_TESTS_CONV_GRAPH_H

#include "unit/passes/pass_graph.h"
#include "unit/unit.h"
#include <string.h>

enum { CONV_GRAPH_ELEMENTS = 1 << 16 };

extern const sn_pass sn_pass_lower_conv, sn_pass_split_batch_norm, sn_pass_fold_affine, sn_pass_fuse_conv,
    sn_pass_layout;

/* A constant of small numbers of both signs, different for each seed. */
static inline uint32_t conv_graph_noise(pass_graph *t, setsuna_shape shape, uint32_t seed)
{
    static float v[CONV_GRAPH_ELEMENTS];
    int64_t n;
    assert_true(sn_shape_numel(&shape, &n) && n <= CONV_GRAPH_ELEMENTS);
    for (int64_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        v[i] = (float)(seed >> 8) * 0x1p-24f - 0.5f;
    }
    return pass_graph_const(t, shape, v);
}

static inline const setsuna_shape *conv_graph_shape(const pass_graph *t, uint32_t v)
{
    return &t->g->value[v].shape;
}

/* A k x k convolution to oc channels with "same" padding (k odd) and a bias. */
static inline uint32_t conv_graph_conv(pass_graph *t, uint32_t x, int oc, int k)
{
    int ic = (int)conv_graph_shape(t, x)->dim[1];
    const int64_t pads[] = {k / 2, k / 2, k / 2, k / 2};
    uint32_t w = conv_graph_noise(t, sn_shape(4, oc, ic, k, k), (uint32_t)t->g->n_node + 1);
    uint32_t b = conv_graph_noise(t, sn_shape(1, oc), (uint32_t)t->g->n_node + 77);
    uint32_t y = pass_graph_node(t, "", "Conv", (uint32_t[]){x, w, b}, 3);
    assert_true(sn_node_add_ints(t->g, pass_graph_last(t), "pads", pads, 4));
    pass_graph_infer_last(t);
    return y;
}

static inline size_t conv_graph_count(const pass_graph *t, const char *domain, const char *op)
{
    size_t n = 0;
    for (size_t i = 0; i < t->g->n_node; i++)
        n += sn_node_is(&t->g->node[i], domain, op);
    return n;
}

/* Runs the graph, the pass, the graph: the result stays, but for the roundings of sums in another order. Returns
 * whether the pass changed something. */
static inline bool conv_graph_pass(pass_graph *t, const sn_pass *pass)
{
    static float before[CONV_GRAPH_ELEMENTS], after[CONV_GRAPH_ELEMENTS];
    size_t n = pass_graph_run(t, before, CONV_GRAPH_ELEMENTS);
    bool changed = pass_graph_pass(t, pass);
    assert_int_equal(pass_graph_run(t, after, CONV_GRAPH_ELEMENTS), n);
    pass_graph_assert_near(before, after, n, 2e-4f);
    return changed;
}

#endif
