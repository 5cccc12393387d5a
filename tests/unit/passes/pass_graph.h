/* Graphs for tests of passes: built node by node, rewritten by a pass, and run before and after, so that a test can
 * compare both what the graph looks like and what it computes.
 *
 *     pass_graph g;
 *     pass_graph_open(&g, 13);
 *     uint32_t x = pass_graph_input(&g, sn_shape(2, 3, 4));
 *     uint32_t y = pass_graph_node(&g, "", "Add", (uint32_t[]){x, pass_graph_number(&g, 3)}, 2);
 *     pass_graph_output(&g, y);
 *     pass_graph_run(&g, before, n);                      the output's elements
 *     assert_true(pass_graph_pass(&g, &sn_pass_...));     sorted and verified
 *     pass_graph_run(&g, after, n);
 *     pass_graph_close(&g);
 *
 * Inputs and the first output are f32, and no element is wider. Inputs are filled with noise in [-4, 4), the same on
 * every run. */
#ifndef SN_TESTS_PASS_GRAPH_H
#define SN_TESTS_PASS_GRAPH_H

#include "ops/op.h"
#include "ops/pack_store.h"
#include "passes/pass.h"

typedef struct pass_graph {
    sn_arena *arena;
    sn_graph *g;
    sn_pack_store *store;
    int32_t opset;
    sn_cpu_level cpu;       /* the best this machine has, until changed */
    sn_precision precision; /* of passes */
    bool no_winograd;       /* of passes and operators */
} pass_graph;

void pass_graph_open(pass_graph *t, int32_t opset);
void pass_graph_close(pass_graph *t);

uint32_t pass_graph_input(pass_graph *t, setsuna_shape shape);
uint32_t pass_graph_const(pass_graph *t, setsuna_shape shape, const float *v);
uint32_t pass_graph_number(pass_graph *t, float v); /* rank 0 */

/* A node with one output, whose type and shape are inferred. Attributes can be added to pass_graph_last before the
 * next call where they do not matter to inference. */
uint32_t pass_graph_node(pass_graph *t, const char *domain, const char *op, const uint32_t *in, uint32_t n_in);
uint32_t pass_graph_one(pass_graph *t, const char *op, uint32_t a);
uint32_t pass_graph_two(pass_graph *t, const char *op, uint32_t a, uint32_t b);
sn_node *pass_graph_last(pass_graph *t);
void pass_graph_infer_last(pass_graph *t);                              /* again, with the attributes it has now */
uint32_t pass_graph_another_output(pass_graph *t, setsuna_shape shape); /* of the last node */
void pass_graph_output(pass_graph *t, uint32_t v);                      /* in the order of calls */

/* Returns whether the pass changed something. */
bool pass_graph_pass(pass_graph *t, const sn_pass *pass);

/* Output 0's elements into y (cap); returns how many. */
size_t pass_graph_run(pass_graph *t, float *y, size_t cap);

/* |a - b| <= bound * max(1, |a|) for all, NaN with NaN. */
void pass_graph_assert_near(const float *a, const float *b, size_t n, float bound);

#endif
