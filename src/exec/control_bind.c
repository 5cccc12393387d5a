/* If, Loop, Scan and ForEach at plan time: their subgraphs become modules. */
#include "base/status.h"
#include "exec/control_flow.h"
#include <string.h>

/* The subgraph with captured constants as constants, as a module. It must take n_formal inputs besides the captured. */
static setsuna_status control_bind_body(sn_plan_env *env, sn_graph *g, const sn_node *n, const char *attr,
                                        uint32_t n_formal, sn_arena *arena, control_body *body, setsuna_error *err)
{
    const sn_attr *a = sn_node_attr(n, attr);
    uint32_t captured = n->n_in - n->n_formal;
    if (!a || a->kind != SN_ATTR_GRAPH || a->g->n_input < captured)
        return sn_fail(err, SETSUNA_EMODEL, n->name, "%s has no usable '%s'", n->op, attr);
    if (a->g->n_input - captured != n_formal)
        return sn_fail(err, SETSUNA_EMODEL, n->name, "'%s' has %u inputs, %s gives it %u", attr,
                       a->g->n_input - captured, n->op, n_formal);
    sn_graph *sub = sn_graph_clone(a->g, arena);
    uint32_t *kept = sn_arena_array(arena, a->g->n_input, sizeof *kept);
    body->from = sn_arena_array(arena, a->g->n_input, sizeof *body->from);
    if (!sub || !kept || !body->from)
        return SETSUNA_ENOMEM;
    uint32_t formal = sub->n_input - captured, count = 0;
    for (uint32_t i = 0; i < sub->n_input; i++) {
        uint32_t outer = i < formal ? SN_NONE : n->in[n->n_formal + (i - formal)];
        if (outer != SN_NONE && g->value[outer].cst) {
            sn_value *v = &sub->value[sub->input[i]];
            v->cst = g->value[outer].cst;
            v->dtype = v->cst->t.dtype;
            v->shape = v->cst->t.shape;
            v->has_shape = true;
            continue;
        }
        kept[count] = sub->input[i];
        body->from[count++] = i < formal ? i : CONTROL_CAPTURED + (i - formal);
    }
    SN_TRY(sn_graph_set_inputs(sub, kept, count));
    body->n_input = count;
    body->module = sn_module_create(env, sub, NULL);
    return body->module ? SETSUNA_OK : SETSUNA_ENOMEM;
}

static setsuna_status control_ints(const sn_node *n, const char *name, uint32_t want, int32_t *out, setsuna_error *err)
{
    const int64_t *v;
    size_t count = sn_node_ints(n, name, &v);
    if (count && count != want)
        return sn_fail(err, SETSUNA_EMODEL, n->name, "%s needs %u values, has %zu", name, want, count);
    for (size_t i = 0; i < count; i++) {
        if (v[i] < -SETSUNA_RANK_MAX || v[i] > SETSUNA_RANK_MAX)
            return sn_fail(err, SETSUNA_EMODEL, n->name, "%s: %lld is out of range", name, (long long)v[i]);
        out[i] = (int32_t)v[i];
    }
    return SETSUNA_OK;
}

static setsuna_status control_bind_scan(const sn_node *n, control_param *p, sn_arena *arena, setsuna_error *err)
{
    uint32_t skip = p->kind == CONTROL_SCAN8, n_dir;
    int64_t scans = sn_node_int(n, "num_scan_inputs", 0);
    if (scans < 1 || n->n_formal < skip || (uint64_t)scans > n->n_formal - skip)
        return sn_fail(err, SETSUNA_EMODEL, n->name, "num_scan_inputs is %lld", (long long)scans);
    p->n_scan = (uint32_t)scans;
    p->n_state = n->n_formal - skip - p->n_scan;
    const sn_graph *sub = sn_module_graph(p->body[0].module);
    if (sub->n_output < p->n_state || n->n_out > sub->n_output)
        return sn_fail(err, SETSUNA_EMODEL, n->name, "the body has too few outputs");
    p->n_scan_out = sub->n_output - p->n_state;
    n_dir = p->n_scan > p->n_scan_out ? p->n_scan : p->n_scan_out;
    p->in_axis = sn_arena_array(arena, p->n_scan, sizeof *p->in_axis);
    p->out_axis = sn_arena_array(arena, p->n_scan_out, sizeof *p->out_axis);
    p->in_backward = sn_arena_array(arena, p->n_scan, sizeof *p->in_backward);
    p->out_backward = sn_arena_array(arena, p->n_scan_out, sizeof *p->out_backward);
    int32_t *dir = sn_arena_array(arena, n_dir, sizeof *dir);
    if (!p->in_axis || !p->out_axis || !p->in_backward || !p->out_backward || !dir)
        return SETSUNA_ENOMEM;
    SN_TRY(control_ints(n, "scan_input_axes", p->n_scan, p->in_axis, err));
    SN_TRY(control_ints(n, "scan_output_axes", p->n_scan_out, p->out_axis, err));
    SN_TRY(control_ints(n, p->kind == CONTROL_SCAN8 ? "directions" : "scan_input_directions", p->n_scan, dir, err));
    for (uint32_t i = 0; i < p->n_scan; i++)
        p->in_backward[i] = dir[i] != 0;
    memset(dir, 0, n_dir * sizeof *dir);
    SN_TRY(control_ints(n, "scan_output_directions", p->n_scan_out, dir, err));
    for (uint32_t i = 0; i < p->n_scan_out; i++)
        p->out_backward[i] = dir[i] != 0;
    return SETSUNA_OK;
}

static setsuna_status control_bind_into(sn_plan_env *env, sn_graph *g, const sn_node *n, sn_arena *arena,
                                        control_param *p, setsuna_error *err)
{
    p->n_formal = n->n_formal;
    if (strcmp(n->op, "If") == 0) {
        p->kind = CONTROL_IF;
        SN_TRY(control_bind_body(env, g, n, "else_branch", 0, arena, &p->body[0], err));
        SN_TRY(control_bind_body(env, g, n, "then_branch", 0, arena, &p->body[1], err));
        for (int i = 0; i < 2; i++)
            if (sn_module_graph(p->body[i].module)->n_output < n->n_out)
                return sn_fail(err, SETSUNA_EMODEL, n->name, "a branch has fewer outputs than the If");
        return SETSUNA_OK;
    }
    if (strcmp(n->op, "Scan") == 0) { /* Scan-8 has the sequence lengths in front, which the body does not see */
        p->kind = n->opset < 9 ? CONTROL_SCAN8 : CONTROL_SCAN;
        uint32_t given = n->n_formal - (p->kind == CONTROL_SCAN8 && n->n_formal > 0);
        SN_TRY(control_bind_body(env, g, n, "body", given, arena, &p->body[0], err));
        return control_bind_scan(n, p, arena, err);
    }
    if (strcmp(n->op, "ForEach") == 0) {
        p->kind = CONTROL_EACH;
        p->together = sn_node_int(n, "together", 1);
        return control_bind_body(env, g, n, "body", n->n_formal, arena, &p->body[0], err);
    }
    p->kind = CONTROL_LOOP;
    p->n_state = n->n_formal > 2 ? n->n_formal - 2 : 0;
    SN_TRY(control_bind_body(env, g, n, "body", 2 + p->n_state, arena, &p->body[0], err));
    const sn_graph *sub = sn_module_graph(p->body[0].module);
    if (sub->n_output < 1 + p->n_state || n->n_out > sub->n_output - 1)
        return sn_fail(err, SETSUNA_EMODEL, n->name, "the loop body has %u outputs, too few for %u carried values",
                       sub->n_output, p->n_state);
    p->n_scan_out = sub->n_output - 1 - p->n_state;
    return SETSUNA_OK;
}

setsuna_status sn_control_bind(sn_plan_env *env, sn_graph *g, const sn_node *n, sn_arena *arena, sn_step *s,
                               setsuna_error *err)
{
    control_param *p = sn_arena_alloc(arena, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    setsuna_status status = control_bind_into(env, g, n, arena, p, err);
    s->param = p;
    s->run = sn_control_run; /* marks the step as ours, for release */
    s->kernel = "control";
    if (status != SETSUNA_OK) {
        sn_control_release(s);
        s->run = NULL;
    }
    return status;
}

bool sn_control_is(const sn_step *s)
{
    return s->run == sn_control_run;
}

void sn_control_release(const sn_step *s)
{
    if (!sn_control_is(s))
        return;
    const control_param *p = s->param;
    for (int i = 0; i < 2; i++)
        sn_module_destroy(p->body[i].module);
}
