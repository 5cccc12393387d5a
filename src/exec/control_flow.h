/* Between the files of control flow: what a step of If, Loop, Scan or ForEach has been bound to, and its state in a
 * frame.
 *
 * A subgraph is a module of its own. Its inputs are the operator's formal ones followed by what it captured
 * (graph/graph.h); captured constants become constants of the subgraph, so they fold there. */
#ifndef SN_EXEC_CONTROL_FLOW_H
#define SN_EXEC_CONTROL_FLOW_H

#include "exec/exec.h"

typedef enum control_kind { CONTROL_IF, CONTROL_LOOP, CONTROL_SCAN, CONTROL_SCAN8, CONTROL_EACH } control_kind;

enum { CONTROL_CAPTURED = 1 << 30 };

typedef struct control_body {
    sn_module *module;
    uint32_t n_input;
    uint32_t *from; /* per module input: formal index, or CONTROL_CAPTURED + k for the node's k-th captured input */
} control_body;

typedef struct control_param {
    control_kind kind;
    uint32_t n_body;
    control_body body[2];             /* If: else, then; otherwise the body */
    uint32_t n_formal;                /* node inputs that the operator defines */
    uint32_t n_state;                 /* Loop, Scan: values carried from turn to turn */
    uint32_t n_scan;                  /* Scan: inputs that are sliced */
    uint32_t n_scan_out;              /* Loop, Scan: outputs that are stacked */
    int32_t *in_axis, *out_axis;      /* Scan; not normalised yet */
    bool *in_backward, *out_backward; /* Scan */
    int64_t together;                 /* ForEach: items of a turn */
} control_param;

typedef struct control_buffer {
    void *data;
    size_t cap_bytes;
    setsuna_tensor t;
} control_buffer;

/* ForEach: one thread's share of the turns. */
typedef struct control_lane {
    sn_exec *exec;
    setsuna_tensor *in, *out;
    setsuna_status status;
    setsuna_error err;
} control_lane;

struct sn_control_state {
    const sn_allocator *allocator;
    sn_exec *exec[2];
    setsuna_tensor *in, *out; /* arguments of the body: as many as the largest subgraph needs */
    control_buffer *carry;    /* n_state */
    control_buffer *next;     /* n_state: what carry becomes after the turn */
    control_buffer *stack;    /* n_scan_out: what was stacked so far */
    control_buffer *slice;    /* n_scan: slices along an inner axis */
    uint32_t n_carry, n_stack, n_slice;
    control_lane *lane; /* ForEach, with several threads: one for each */
    uint32_t n_lane;
};

/* The step's run; a step of any other kind has another. */
setsuna_status sn_control_run(const sn_step *s, sn_run *r);

/* The step's state in the frame of r, made when it is first asked for. */
setsuna_status sn_control_state_of(const sn_step *s, sn_run *r, sn_control_state **out);

/* Body i's exec, made when it is first asked for, and its arguments in c->in: the formal ones given, captured ones from
 * the step's own slots. Returns OK or ENOMEM. */
setsuna_status sn_control_arguments(const sn_step *s, sn_run *r, sn_control_state *c, int i,
                                    const setsuna_tensor *formal);

/* Makes room for bytes, keeping the first keep bytes. Returns OK, ELIMIT, ENOMEM. */
setsuna_status sn_control_reserve(const sn_step *s, sn_run *r, control_buffer *b, size_t bytes, size_t keep);

/* ForEach (for_each.c): the turns of a run; exec and argument room of c->lane for the threads of the pool. */
setsuna_status sn_control_run_each(const sn_step *s, sn_run *r, sn_control_state *c);
setsuna_status sn_control_lanes(const sn_step *s, sn_run *r, sn_control_state *c);
void sn_control_lanes_free(sn_control_state *c);

/* The items of turn t of a tensor whose first extent is that of the batch. */
setsuna_tensor sn_control_items(const setsuna_tensor *whole, int64_t t, int64_t together);

/* Input i of the step as a tensor; type NONE when it is absent. */
setsuna_tensor sn_control_input(const sn_step *s, const sn_run *r, uint32_t i);

/* The node input (behind the formal ones) that captured argument k of a body stands for; SN_NONE: k is formal. */
static inline uint32_t sn_control_captured(const control_param *p, const control_body *body, uint32_t k)
{
    return body->from[k] < CONTROL_CAPTURED ? SN_NONE : p->n_formal + (body->from[k] - CONTROL_CAPTURED);
}

#endif
