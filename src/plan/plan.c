#include "plan/build.h"
#include "base/checked.h"
#include "passes/pass.h"
#include <stdlib.h>
#include <string.h>

struct sn_module {
    sn_plan_env *env;
    const sn_graph *graph;
    bool *bind; /* per input; NULL: none */
    sn_plan *plans;
    uint32_t n_plans;
    pthread_mutex_t lock; /* guards plans */
    size_t chain_bytes;   /* of the plans of the segments before this one */
    sn_module *doomed;    /* while being destroyed: the next to go */
};

/* ---- modules --------------------------------------------------------------------------------------- */

sn_module *sn_module_create(sn_plan_env *env, const sn_graph *graph, const bool *bind)
{
    sn_module *m = sn_alloc_zero(env->allocator, sizeof *m);
    if (!m)
        return NULL;
    m->env = env;
    m->graph = graph;
    if (bind && graph->n_input) {
        m->bind = sn_alloc(env->allocator, graph->n_input * sizeof *m->bind);
        if (!m->bind) {
            sn_free(env->allocator, m);
            return NULL;
        }
        memcpy(m->bind, bind, graph->n_input * sizeof *m->bind);
    }
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

/* Gives a reference up; the last one frees the plan. Returns its rest, which is now the caller's to destroy, or NULL.
 */
static sn_module *plan_drop(sn_plan *plan)
{
    if (!plan || atomic_fetch_sub(&plan->refs, 1) != 1)
        return NULL;
    for (size_t i = 0; i < plan->n_step; i++)
        plan->env->release_control(&plan->step[i]);
    sn_module *rest = plan->rest;
    sn_arena_destroy(plan->arena); /* the plan itself lies in it */
    return rest;
}

static size_t plan_bytes(const sn_plan *plan)
{
    return sn_arena_size_bytes(plan->arena);
}

/* Not recursive: a model decides how many segments follow each other. */
void sn_module_destroy(sn_module *m)
{
    while (m) {
        sn_module *todo = m->doomed;
        for (sn_plan *p = m->plans, *next; p; p = next) {
            next = p->next;
            atomic_fetch_sub(&m->env->plan_bytes, plan_bytes(p));
            sn_module *rest = plan_drop(p);
            if (rest) {
                rest->doomed = todo;
                todo = rest;
            }
        }
        pthread_mutex_destroy(&m->lock);
        sn_free(m->env->allocator, m->bind);
        sn_free(m->env->allocator, m);
        m = todo;
    }
}

void sn_plan_unref(sn_plan *plan)
{
    sn_module_destroy(plan_drop(plan));
}

const sn_graph *sn_module_graph(const sn_module *m)
{
    return m->graph;
}

const bool *sn_module_binds(const sn_module *m)
{
    return m->bind;
}

bool sn_plan_matches(const sn_plan *plan, const setsuna_tensor *inputs)
{
    for (uint32_t i = 0; i < plan->n_input; i++) {
        const setsuna_tensor *k = &plan->key[i];
        if (k->dtype != inputs[i].dtype || !sn_shape_equal(&k->shape, &inputs[i].shape))
            return false;
        if (k->data && (k->size_bytes != inputs[i].size_bytes || !inputs[i].data ||
                        memcmp(k->data, inputs[i].data, k->size_bytes) != 0))
            return false;
    }
    return true;
}

/* ---- making a plan --------------------------------------------------------------------------------- */

/* The working copy: what earlier inference or the file claimed about shapes is forgotten, inputs get the ones given. */
static setsuna_status plan_start(sn_build *b, const sn_module *m, const setsuna_tensor *inputs, sn_plan *plan)
{
    sn_graph *g = b->graph = sn_graph_clone(m->graph, b->scratch);
    plan->n_input = m->graph->n_input;
    plan->key = sn_arena_array(b->arena, plan->n_input, sizeof *plan->key);
    if (!g || !plan->key)
        return SETSUNA_ENOMEM;
    g->arena = b->arena; /* steps keep names, attributes and constants that are made from here on, but not the graph */
    for (size_t v = 0; v < g->n_value; v++)
        if (!g->value[v].cst) {
            g->value[v].has_shape = false;
            g->value[v].dtype = SETSUNA_DTYPE_NONE;
        }
    for (uint32_t i = 0; i < g->n_input; i++) {
        sn_value *v = &g->value[g->input[i]];
        setsuna_tensor *key = &plan->key[i];
        *key = inputs[i];
        key->data = NULL;
        v->dtype = inputs[i].dtype;
        v->shape = inputs[i].shape;
        v->has_shape = true;
        if (!m->bind || !m->bind[i])
            continue;
        sn_const *c = sn_arena_alloc(b->arena, sizeof *c);
        key->data = sn_arena_alloc_wide(b->arena, inputs[i].size_bytes);
        if (!c || !key->data)
            return SETSUNA_ENOMEM;
        if (inputs[i].size_bytes)
            memcpy(key->data, inputs[i].data, inputs[i].size_bytes);
        c->t = *key;
        c->uid = sn_const_uid(key);
        v->cst = c;
    }
    return sn_graph_sort(g, b->err);
}

static void plan_dump(const sn_build *b, const char *when, const char *name)
{
    if (!b->env->dump)
        return;
    fprintf(b->env->dump, "---- %s %s\n", when, name);
    sn_graph_dump(b->graph, b->env->dump);
}

static setsuna_status plan_passes(sn_build *b)
{
    plan_dump(b, "before", "the passes");
    for (const sn_pass *const *p = sn_passes(); *p; p++) {
        sn_arena *scratch = sn_arena_create(b->env->allocator);
        if (!scratch)
            return SETSUNA_ENOMEM;
        sn_pass_ctx ctx = {.cpu = b->env->cpu,
                           .precision = b->env->precision,
                           .no_winograd = b->env->no_winograd,
                           .arena = scratch,
                           .err = b->err};
        bool changed = false;
        setsuna_status status = (*p)->run(b->graph, &ctx, &changed);
        sn_arena_destroy(scratch);
        if (status != SETSUNA_OK)
            return sn_fail_at(b->err, status, "pass %s", (*p)->name);
        bool late = *p == &sn_pass_recognise_quantised;
        b->late |= late;
        if (!changed && !late)
            continue;
        SN_TRY(sn_graph_sort(b->graph, b->err));
        SN_TRY(sn_propagate(b));
        for (size_t i = 0; i < b->graph->n_node; i++)
            if (b->state[i] == SN_NODE_DEFERRED)
                return sn_fail(b->err, SETSUNA_EMODEL, (*p)->name, "the pass left node '%s' (%s) without shapes",
                               b->graph->node[i].name, b->graph->node[i].op);
        plan_dump(b, "after", (*p)->name);
    }
    return SETSUNA_OK;
}

/* Every input read and every output written, once. */
static double plan_operand_bytes(const sn_op_ctx *c)
{
    double total = 0;
    size_t bytes;
    for (uint32_t i = 0; i < c->n_in; i++)
        if (c->in[i].present && sn_tensor_bytes(c->in[i].dtype, &c->in[i].shape, &bytes))
            total += (double)bytes;
    for (uint32_t i = 0; i < c->n_out; i++)
        if (c->out[i].present && sn_tensor_bytes(c->out[i].dtype, &c->out[i].shape, &bytes))
            total += (double)bytes;
    return total;
}

static setsuna_status plan_bind_node(sn_build *b, const sn_node *n, sn_step *step, uint64_t *packed)
{
    const sn_op *op;
    SN_TRY(sn_op_check(n, &b->memo, &op, b->err));
    *step = (sn_step){.n_parts = 1,
                      .name = n->name,
                      .op = n->op,
                      .kernel = "",
                      .in = n->in,
                      .out = n->out,
                      .n_in = n->n_in,
                      .n_out = n->n_out};
    if (op->flags & SN_OP_CONTROL)
        return b->env->bind_control(b->env, b->graph, n, b->arena, step, b->err);
    sn_build_ctx(b, n, op, b->env->store);
    SN_TRY(op->bind(b->ctx, step));
    *packed = b->ctx->packed;
    if (step->bytes == 0)
        step->bytes = plan_operand_bytes(b->ctx);
    if (step->n_parts < 1)
        step->n_parts = 1;
    if (step->n_parts > b->env->n_threads)
        step->n_parts = b->env->n_threads;
    return SETSUNA_OK;
}

/* Steps in node order; nodes whose output is their input's bytes make none. */
static setsuna_status plan_bind(sn_build *b, sn_plan *plan)
{
    sn_graph *g = b->graph;
    plan->step = sn_arena_array(b->arena, g->n_node, sizeof *plan->step);
    const sn_node **node = sn_arena_array(b->scratch, g->n_node, sizeof *node);
    bool *is_alias = sn_arena_array(b->scratch, g->n_node, sizeof *is_alias);
    uint64_t *packed = sn_arena_array(b->scratch, g->n_node, sizeof *packed);
    if (!plan->step || !node || !is_alias || !packed)
        return SETSUNA_ENOMEM;
    for (size_t i = 0; i < g->n_node; i++) {
        const sn_node *n = node[i] = &g->node[i];
        const sn_op *op = sn_op_recall(&b->memo, n->domain, n->op, n->opset);
        is_alias[i] = op && (op->flags & SN_OP_ALIAS) && n->in[0] != SN_NONE && b->state[i] == SN_NODE_PLANNED;
        if (is_alias[i])
            continue;
        sn_step *step = &plan->step[plan->n_step];
        SN_TRY(plan_bind_node(b, n, step, &packed[plan->n_step]));
        plan->has_control |= op && (op->flags & SN_OP_CONTROL);
        plan->n_step++;
        if (step->scratch_bytes > plan->scratch_bytes)
            plan->scratch_bytes = step->scratch_bytes;
    }
    SN_TRY(sn_plan_memory(b, plan, node, is_alias, g->n_node, packed));
    size_t total;
    if (!sn_add_size(plan->arena_bytes, plan->scratch_bytes, &total) || total > b->env->memory_limit_bytes)
        return sn_fail(b->err, SETSUNA_ELIMIT, NULL,
                       "the plan needs %zu bytes of workspace, more than the memory limit of %zu", plan->arena_bytes,
                       b->env->memory_limit_bytes);
    return SETSUNA_OK;
}

static setsuna_status plan_make_in(sn_build *b, sn_module *m, const setsuna_tensor *inputs, sn_plan *plan)
{
    SN_TRY(plan_start(b, m, inputs, plan));
    SN_TRY(sn_propagate(b));
    sn_graph *rest;
    bool *bind = NULL;
    SN_TRY(sn_split(b, &rest, &bind));
    if (rest) {
        if (b->graph->n_node == 0 && b->n_need == 0)
            return sn_fail(b->err, SETSUNA_EUNSUPPORTED, rest->n_node ? rest->node[0].name : NULL,
                           "%s waits for a shape that nothing determines", rest->n_node ? rest->node[0].op : "a node");
        plan->boundary = sn_arena_array(b->arena, rest->n_input, 4);
        plan->rest = sn_module_create(b->env, rest, bind);
        if (!plan->boundary || !plan->rest)
            return SETSUNA_ENOMEM;
    }
    /* Sorting drops nodes that no output needs, and with them the order that state refers to: propagate again. */
    SN_TRY(sn_graph_sort(b->graph, b->err));
    SN_TRY(sn_propagate(b));
    SN_TRY(plan_passes(b));
    SN_TRY(plan_bind(b, plan));
    for (uint32_t k = 0; rest && k < rest->n_input; k++)
        plan->boundary[k] = plan->output[k];
    /* Each segment holds what is left of the graph: a file must not be able to multiply itself without end. */
    size_t chain;
    if (!sn_add_size(m->chain_bytes, sn_arena_size_bytes(b->arena), &chain) || chain > b->env->memory_limit_bytes)
        return sn_fail(b->err, SETSUNA_ELIMIT, NULL,
                       "the plans of this chain of segments need more than the memory limit of %zu bytes",
                       b->env->memory_limit_bytes);
    if (plan->rest)
        plan->rest->chain_bytes = chain;
    return SETSUNA_OK;
}

static setsuna_status plan_make(sn_module *m, const setsuna_tensor *inputs, sn_plan **out, setsuna_error *err)
{
    sn_plan_env *env = m->env;
    sn_build b = {.env = env, .err = err};
    b.arena = sn_arena_create(env->allocator);
    b.scratch = sn_arena_create(env->allocator);
    b.folding = sn_pack_store_create(env->allocator, 0);
    b.ctx = sn_alloc_zero(env->allocator, sizeof *b.ctx);
    sn_plan *plan = b.arena ? sn_arena_alloc(b.arena, sizeof *plan) : NULL;
    setsuna_status status = SETSUNA_ENOMEM;
    if (plan) {
        plan->arena = b.arena;
        plan->env = env;
        plan->refs = 1;
    }
    if (err)
        err->status = SETSUNA_OK; /* so that an ENOMEM without words is told from one with */
    if (plan && b.scratch && b.folding && b.ctx)
        status = plan_make_in(&b, m, inputs, plan);
    if (status == SETSUNA_ENOMEM && err && err->status != SETSUNA_ENOMEM)
        sn_fail(err, status, NULL, "out of memory while planning");
    sn_free(env->allocator, b.need);
    sn_free(env->allocator, b.sequence);
    sn_free(env->allocator, b.ctx);
    sn_pack_store_destroy(b.folding);
    sn_pack_store_settle(env->store);
    sn_arena_destroy(b.scratch);
    if (status == SETSUNA_OK)
        *out = plan;
    else if (plan)
        sn_plan_unref(plan);
    else
        sn_arena_destroy(b.arena);
    return status;
}

static sn_plan *module_find(sn_module *m, const setsuna_tensor *inputs)
{
    for (sn_plan *p = m->plans; p; p = p->next)
        if (sn_plan_matches(p, inputs)) {
            atomic_fetch_add(&p->refs, 1);
            sn_plan_touch(p);
            return p;
        }
    return NULL;
}

/* Lets go of the plan that was not used for longest, but not of the first, which was made just now. */
static void module_evict(sn_module *m)
{
    sn_plan **oldest = &m->plans->next;
    for (sn_plan **at = oldest; *at; at = &(*at)->next)
        if (atomic_load(&(*at)->used) <= atomic_load(&(*oldest)->used))
            oldest = at;
    sn_plan *old = *oldest;
    *oldest = old->next;
    m->n_plans--;
    atomic_fetch_sub(&m->env->plan_bytes, plan_bytes(old));
    atomic_store(&old->evicted, true);
    sn_plan_unref(old);
}

/* A stream of ever-changing shapes must not fill the memory. */
static void module_keep(sn_module *m, sn_plan *plan)
{
    sn_plan_env *env = m->env;
    size_t limit_bytes = env->plan_limit_bytes ? env->plan_limit_bytes : (size_t)SN_PLAN_LIMIT_MIB_DEFAULT << 20;
    atomic_fetch_add(&plan->refs, 1);
    plan->next = m->plans;
    m->plans = plan;
    m->n_plans++;
    atomic_fetch_add(&env->plan_bytes, plan_bytes(plan));
    atomic_store(&plan->used, atomic_fetch_add(&env->plan_epoch, 1) + 1);
    while (m->n_plans > 1 && (m->n_plans > sn_plan_limit(env) || atomic_load(&env->plan_bytes) > limit_bytes))
        module_evict(m);
}

setsuna_status sn_module_plan(sn_module *m, const setsuna_tensor *inputs, sn_plan **out, setsuna_error *err)
{
    pthread_mutex_lock(&m->lock);
    sn_plan *plan = module_find(m, inputs);
    setsuna_status status = SETSUNA_OK;
    if (!plan) {
        pthread_mutex_lock(&m->env->lock);
        status = plan_make(m, inputs, &plan, err);
        pthread_mutex_unlock(&m->env->lock);
        if (status == SETSUNA_OK)
            module_keep(m, plan);
    }
    pthread_mutex_unlock(&m->lock);
    if (status == SETSUNA_OK)
        *out = plan;
    return status;
}

/* ---- checking a whole model ------------------------------------------------------------------------ */

typedef struct check {
    uint32_t n_bad, n_told; /* bad nodes, and those of them in the text */
    bool model_bad;         /* malformed rather than unsupported */
    size_t at;              /* end of what is written to err->text */
    sn_op_memo memo;
    setsuna_error one; /* of the node being looked at */
} check;

static void check_node(const sn_node *n, check *c, setsuna_error *err)
{
    const sn_op *op;
    setsuna_status status = sn_op_check(n, &c->memo, &op, &c->one);
    if (status == SETSUNA_OK)
        return;
    c->n_bad++;
    c->model_bad |= status != SETSUNA_EUNSUPPORTED;
    if (!err)
        return;
    int w =
        snprintf(err->text + c->at, sizeof err->text - c->at, "%s%s: %s", c->at ? "\n" : "", c->one.where, c->one.text);
    if (c->n_told + 1 == c->n_bad && w > 0 && (size_t)w + 96 < sizeof err->text - c->at) {
        c->at += (size_t)w;
        c->n_told++;
    } else {
        err->text[c->at] = '\0';
    }
}

setsuna_status sn_plan_check(const sn_graph *g, uint32_t *n_bad_out, setsuna_error *err)
{
    const sn_allocator *a = sn_arena_allocator(g->arena);
    const sn_graph **stack = NULL;
    size_t top = 0, cap = 0;
    check c = {0};
    setsuna_error list = {0};
    bool grown = sn_grow(a, &stack, &cap, 1, sizeof *stack);
    if (grown)
        stack[top++] = g;
    while (top && grown) {
        const sn_graph *now = stack[--top];
        for (size_t i = 0; i < now->n_node && grown; i++) {
            check_node(&now->node[i], &c, err ? &list : NULL);
            for (uint32_t k = 0; k < now->node[i].n_attr && grown; k++)
                if (now->node[i].attr[k].kind == SN_ATTR_GRAPH) {
                    grown = sn_grow(a, &stack, &cap, top + 1, sizeof *stack);
                    if (grown)
                        stack[top++] = now->node[i].attr[k].g;
                }
        }
    }
    sn_free(a, stack);
    if (!grown)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory while checking the operators");
    if (n_bad_out)
        *n_bad_out = c.n_bad;
    if (!c.n_bad)
        return SETSUNA_OK;
    char more[48] = "";
    if (c.n_bad > c.n_told)
        snprintf(more, sizeof more, "\n... and %u more", c.n_bad - c.n_told);
    return sn_fail(err, c.model_bad ? SETSUNA_EMODEL : SETSUNA_EUNSUPPORTED, NULL, "%u node%s cannot be run:\n%s%s",
                   c.n_bad, c.n_bad == 1 ? "" : "s", list.text, more);
}
