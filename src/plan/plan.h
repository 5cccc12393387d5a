/* From a graph and concrete inputs to a plan: a flat array of steps with everything resolved.
 *
 *     sn_module   a graph and the plans made from it, one per combination of input shapes (and of the values of inputs
 *                 that determine shapes); belongs to a model, shared by its sessions
 *     sn_plan     immutable: steps, slots, arena offsets, packed weights
 *
 * How a plan is made (plan.c), each stage in its own file:
 *
 *     clone the graph, set the input shapes
 *       -> propagate   infer types and shapes node by node; fold what is constant; inline If whose condition is known
 *       -> split       what cannot be planned yet becomes the `rest`
 *       -> passes      rewrites, each followed by propagate
 *       -> bind        choose kernels, pack weights
 *       -> memory      lifetimes to arena offsets
 *
 * Shapes that depend on data end a segment: a plan then has a `rest` module, planned when the values at the boundary
 * are there, and cached in the same way. A graph without data-dependent shapes is one segment.
 */
#ifndef SN_PLAN_PLAN_H
#define SN_PLAN_PLAN_H

#include "graph/graph.h"
#include "ops/op.h"
#include "ops/pack_store.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

typedef struct sn_plan sn_plan;
typedef struct sn_module sn_module;

enum { SN_PLAN_LIMIT_DEFAULT = 64, SN_PLAN_LIMIT_MIB_DEFAULT = 256 };

/* What all modules of one model share. */
typedef struct sn_plan_env {
    const sn_allocator *allocator;
    sn_cpu_level cpu;
    sn_precision precision; /* supported at this level */
    uint32_t n_threads;
    bool no_winograd;          /* convolutions as plain sums only */
    size_t memory_limit_bytes; /* planned memory of one plan above this: ELIMIT */
    /* Plans that a module keeps, and that a session has frames for; 0: SN_PLAN_LIMIT_DEFAULT. */
    uint32_t plan_limit;
    size_t plan_limit_bytes;     /* what the kept plans of all modules may take; 0: SN_PLAN_LIMIT_MIB_DEFAULT */
    _Atomic size_t plan_bytes;   /* what they take */
    _Atomic uint64_t plan_epoch; /* plans made so far: the clock of plan->used */
    sn_pack_store *store;
    pthread_mutex_t lock; /* held while a plan is made: one at a time per model */
    /* Binds If, Loop, Scan and ForEach; exec's, because they run plans. */
    setsuna_status (*bind_control)(struct sn_plan_env *env, sn_graph *g, const sn_node *n, sn_arena *arena, sn_step *s,
                                   setsuna_error *err);
    void (*release_control)(const sn_step *s); /* frees what bind_control made; called when the plan goes */
    FILE *dump;                                /* not NULL: the graph as text before and after each pass */
} sn_plan_env;

typedef enum sn_slot_kind {
    SN_SLOT_INPUT,  /* where = index of the module's input */
    SN_SLOT_CONST,  /* data */
    SN_SLOT_ARENA,  /* where = byte offset in the arena, a multiple of SN_ALIGN */
    SN_SLOT_DYNAMIC /* where = index of the dynamic buffer; shape and memory are set by the step that makes it */
} sn_slot_kind;

typedef struct sn_slot {
    sn_slot_kind kind;
    size_t where;
    const void *data;
    setsuna_tensor desc; /* data unused */
    const char *name;
} sn_slot;

struct sn_plan {
    sn_arena *arena; /* owns all of the below */
    sn_plan_env *env;
    _Atomic uint32_t refs;
    _Atomic uint64_t used; /* the epoch in which it ran last: sn_plan_touch */
    _Atomic bool evicted;  /* its module has let go of it: whoever holds a reference should do so soon */
    sn_step *step;
    size_t n_step;
    sn_slot *slot;
    uint32_t n_slot, n_dynamic;
    bool has_control; /* steps that run plans of their own */
    uint32_t n_input, n_output;
    uint32_t *output;     /* slot of each module output; NULL when rest is not */
    size_t arena_bytes;   /* workspace for all slots of kind ARENA */
    size_t live_bytes;    /* the largest sum of simultaneously live buffers: a lower bound of arena_bytes */
    size_t scratch_bytes; /* largest scratch of a step */
    size_t const_bytes;   /* constants read in place */
    sn_module *rest;      /* NULL: the plan is complete */
    uint32_t *boundary;   /* slot of each input of rest */
    /* The key. */
    setsuna_tensor *key; /* n_input; data not NULL: the plan holds for this value only */
    sn_plan *next;       /* in the module's list, most recently made first */
};

/* Says that the plan is in use, so that others go first when there are too many. Cheap: for each run. Thread-safe. */
static inline void sn_plan_touch(sn_plan *p)
{
    uint64_t now = atomic_load_explicit(&p->env->plan_epoch, memory_order_relaxed);
    if (atomic_load_explicit(&p->used, memory_order_relaxed) != now)
        atomic_store_explicit(&p->used, now, memory_order_relaxed);
}

static inline uint32_t sn_plan_limit(const sn_plan_env *env)
{
    return env->plan_limit ? env->plan_limit : SN_PLAN_LIMIT_DEFAULT;
}

/* Takes nothing: graph is borrowed and must outlive the module. bind: per graph input, true when plans hold for
 * one value of it (NULL: none). NULL: out of memory. */
sn_module *sn_module_create(sn_plan_env *env, const sn_graph *graph, const bool *bind);
void sn_module_destroy(sn_module *m);
const sn_graph *sn_module_graph(const sn_module *m);
const bool *sn_module_binds(const sn_module *m); /* as created with; NULL: none */

/* The plan for these inputs, made now if there is none yet. inputs: one per graph input; data is read only for inputs
 * that the module binds. The caller gets a reference: sn_plan_unref. Thread-safe. Where the limits of env are passed,
 * the module lets go of the plans that have not been used for longest; one that is held stays until it is not.
 * Returns OK, EMODEL, EUNSUPPORTED, ESHAPE, ELIMIT, ENOMEM, EIO. */
setsuna_status sn_module_plan(sn_module *m, const setsuna_tensor *inputs, sn_plan **out, setsuna_error *err);
void sn_plan_unref(sn_plan *plan);

/* Does the plan hold for these inputs? */
bool sn_plan_matches(const sn_plan *plan, const setsuna_tensor *inputs);

/* Every node of the graph and its subgraphs has an operator with its attributes. All problems are listed, one a line,
 * in err->text (as many as fit, then a count); n_bad_out may be NULL. Returns OK, EUNSUPPORTED or EMODEL. */
setsuna_status sn_plan_check(const sn_graph *g, uint32_t *n_bad_out, setsuna_error *err);

#endif
