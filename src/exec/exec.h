/* Running plans: one sn_exec is the state of one session (or of one subgraph of a control-flow step).
 *
 *     sn_exec  >  frames: a plan with its slots resolved to addresses, one per shape seen
 *
 * A run looks up the frame for its inputs, walks the steps, and, when the plan has a rest, goes on with the frame of
 * the rest. With a frame that exists already it allocates nothing and, with one thread, makes no system call.
 */
#ifndef SN_EXEC_EXEC_H
#define SN_EXEC_EXEC_H

#include "base/pool.h"
#include "plan/plan.h"

typedef struct sn_exec sn_exec;

/* Called after each step when set, steps of subgraphs included: for profiles. begin and end are sn_now_ns times; of
 * what lies between them, inner_ns belongs to steps of subgraphs that were told before. */
typedef void sn_exec_observer(void *arg, const sn_plan *plan, size_t step, uint64_t begin_ns, uint64_t end_ns,
                              uint64_t inner_ns);

/* Borrows module and pool (NULL: one thread) until destroy. Returns OK or ENOMEM. */
setsuna_status sn_exec_create(sn_plan_env *env, sn_module *module, sn_pool *pool, sn_exec **out);
void sn_exec_destroy(sn_exec *e); /* NULL is fine */

void sn_exec_observe(sn_exec *e, sn_exec_observer *fn, void *arg); /* fn NULL: no more */

/* Makes ready for runs with these shapes: plans, those of subgraphs and of later segments included as far as shapes are
 * known (a shape or condition that little work tells from the data given is); maps and touches the workspace, wakes the
 * threads. What takes next to no time is run once, where all data is given, so that no run meets it cold. Data may be
 * NULL. Outputs of the last run are lost. For shapes seen before it is a look-up.
 * Returns OK or a failure to plan the first segment; what fails behind it is left for the run to tell. */
setsuna_status sn_exec_prepare(sn_exec *e, const setsuna_tensor *inputs, setsuna_error *err);

/* inputs: one per module input; outputs: one per module output, filled with borrowed tensors, valid until the next run.
 * Returns OK, a failure of planning, or EINPUT and others from steps. */
setsuna_status sn_exec_run(sn_exec *e, const setsuna_tensor *inputs, setsuna_tensor *outputs, setsuna_error *err);

/* Bytes of workspace held now. */
size_t sn_exec_size_bytes(const sn_exec *e);

/* The plan that the last run began with, or that was prepared last (borrowed; NULL before). */
const sn_plan *sn_exec_last_plan(const sn_exec *e);

/* For sn_plan_env: If, Loop and Scan. */
setsuna_status sn_control_bind(sn_plan_env *env, sn_graph *g, const sn_node *n, sn_arena *arena, sn_step *s,
                               setsuna_error *err);
void sn_control_release(const sn_step *s);

bool sn_control_is(const sn_step *s); /* made by sn_control_bind */

/* State of the control-flow steps of a frame: one sn_exec per subgraph, made on first use.
 * exec/exec.c keeps the array, exec/control_flow.c what is in it. */
typedef struct sn_control_state sn_control_state;
void sn_control_state_destroy(sn_control_state *c);

/* The place for the state of control step s in the frame being run. */
sn_control_state **sn_exec_control_state(sn_run *r, const sn_step *s);
sn_plan_env *sn_exec_env(const sn_run *r);

/* Steps of e are told to whoever observes the run r: before each run of a subgraph. */
void sn_exec_observe_as(sn_exec *e, const sn_run *r);

#endif
