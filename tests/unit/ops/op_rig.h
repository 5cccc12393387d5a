/* One operator by itself: infer, bind and run as the planner would, on heap blocks of exact size.
 *
 *     op_rig r;
 *     op_rig_open(&r, "Slice", 13);
 *     op_rig_in(&r, SETSUNA_F32, sn_shape(1, 4), data);
 *     op_rig_const_i64(&r, 1, (int64_t[]){1});
 *     ...
 *     assert_int_equal(op_rig_run(&r), SETSUNA_OK);    r.out[0].shape, r.out[0].data
 *     op_rig_close(&r);
 */
#ifndef SN_TESTS_OP_RIG_H
#define SN_TESTS_OP_RIG_H

#include "ops/op.h"
#include "ops/pack_store.h"

enum { OP_RIG_IN = 10, OP_RIG_OUT = 8 };

typedef struct op_rig {
    sn_arena *arena;
    sn_graph *graph;
    sn_node *node;
    const sn_op *op;
    sn_op_ctx *ctx;
    sn_pack_store *store;
    sn_pool *pool;
    sn_cpu_level cpu;
    sn_precision precision;
    uint32_t n_threads, n_in, n_out;
    setsuna_tensor in[OP_RIG_IN];
    bool present[OP_RIG_IN];
    sn_const cst[OP_RIG_IN];
    bool is_const[OP_RIG_IN];
    setsuna_tensor out[OP_RIG_OUT];
    sn_step step;
    setsuna_error err;
} op_rig;

/* One output; set n_out before op_rig_run for more. Level: what this machine has; one thread. An operator of another
 * domain is named with it: "setsuna.Gemm". */
void op_rig_open(op_rig *r, const char *op, int opset);
void op_rig_close(op_rig *r);

void op_rig_in(op_rig *r, setsuna_dtype dtype, setsuna_shape shape, const void *data);
void op_rig_const(op_rig *r, setsuna_dtype dtype, setsuna_shape shape, const void *data); /* misaligned */
void op_rig_const_i64(op_rig *r, int n, const int64_t *v);                                /* a list */
void op_rig_absent(op_rig *r);

void op_rig_int(op_rig *r, const char *name, int64_t v);
void op_rig_ints(op_rig *r, const char *name, int n, const int64_t *v);
void op_rig_string(op_rig *r, const char *name, const char *v);
void op_rig_float(op_rig *r, const char *name, float v);
void op_rig_floats(op_rig *r, const char *name, int n, const float *v);
void op_rig_strings(op_rig *r, const char *name, int n, const char *const *v);

/* check and infer; the answer may also be SN_INFER_NEED_VALUE or SN_INFER_DYNAMIC. */
int op_rig_infer(op_rig *r);
/* infer, bind, run. */
setsuna_status op_rig_run(op_rig *r);

/* Every dtype that r->out[0] may have, as double. */
double op_rig_get(const setsuna_tensor *t, int64_t i);

/* Deterministic noise. */
uint64_t op_rig_random(uint64_t *state);

/* The levels of this CPU, one after the other. */
static inline sn_cpu_level op_rig_level(int i)
{
    return (sn_cpu_level)(i % ((int)sn_cpu_detect() + 1));
}

#endif
