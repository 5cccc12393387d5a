#include "cli/per_op.h"
#include "base/clock.h"
#include "base/status.h"
#include "engine/native.h"
#include "exec/step_bound.h"
#include "exec/step_times.h"
#include "stats/quantile.h"
#include <stdlib.h>
#include <string.h>

/* Bounds of the samples kept: 64 MB, and more runs than these say nothing new. */
enum { PER_OP_SAMPLES_MAX = 8000000, PER_OP_RUNS_MAX = 10000, PER_OP_CLOCK_READINGS = 1001 };

bool sn_per_op_parse_order(const char *text, sn_step_order *out)
{
    static const char *const name[] = {"plan", "time", "gap"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if (strcmp(text, name[i]) == 0) {
            *out = (sn_step_order)i;
            return true;
        }
    return false;
}

bool sn_per_op_parse_roofline(const char *text, sn_per_op_options *o)
{
    char *comma, *end;
    double gflops = strtod(text, &comma);
    if (comma == text || *comma != ',')
        return false;
    double gbytes = strtod(comma + 1, &end);
    if (end == comma + 1 || *end || !(gflops > 0 && gflops < 1e9) || !(gbytes > 0 && gbytes < 1e9))
        return false;
    o->gflops = gflops;
    o->gbytes = gbytes;
    return true;
}

static uint64_t per_op_median(uint64_t *sample, size_t n)
{
    sn_sort_u64(sample, n);
    return sn_quantile_sorted(sample, n, 0.5);
}

static uint64_t per_op_clock_ns(void)
{
    uint64_t sample[PER_OP_CLOCK_READINGS];
    for (size_t i = 0; i < PER_OP_CLOCK_READINGS; i++) {
        uint64_t begin = sn_now_ns();
        sample[i] = sn_now_ns() - begin;
    }
    return per_op_median(sample, PER_OP_CLOCK_READINGS);
}

static setsuna_status per_op_roofline(sn_workload *w, const sn_per_op_options *o, sn_roofline *out, setsuna_error *err)
{
    if (o->gflops > 0) {
        *out = (sn_roofline){.flops_per_ns = o->gflops, .n_point = 1, .point = {{1, o->gbytes}}};
        return SETSUNA_OK;
    }
    const sn_plan_env *env = sn_native_env(sn_workload_model(w));
    sn_pool *pool = NULL;
    setsuna_status status = sn_pool_create(sn_allocator_default(), env->n_threads, &pool);
    if (status == SETSUNA_OK)
        status = sn_roofline_measure(sn_allocator_default(), env->cpu, pool, out);
    sn_pool_destroy(pool);
    return status == SETSUNA_OK ? SETSUNA_OK : sn_fail(err, status, "--per-op", "cannot measure the machine");
}

/* Rows of all segments, with their medians; sorts the samples. */
static void per_op_rows(sn_step_times *t, const sn_roofline *roof, sn_step_report *r)
{
    for (size_t k = 0; k < t->n_segment; k++)
        r->touched_bytes += sn_plan_touched_bytes(t->segment[k].plan);
    for (size_t k = 0; k < t->n_segment; k++) {
        const sn_plan *p = t->segment[k].plan;
        for (size_t i = 0; i < p->n_step; i++) {
            const sn_step *s = &p->step[i];
            size_t at = t->segment[k].first + i;
            uint64_t *sample = t->sample + at * t->cap;
            sn_step_cost cost = sn_step_cost_of(p, s);
            sn_step_bound bound = sn_roofline_bound(roof, &cost, r->touched_bytes);
            sn_step_row *row = &r->row[at];
            *row = (sn_step_row){.segment = (uint32_t)k,
                                 .step = (uint32_t)at,
                                 .name = s->name,
                                 .op = s->op,
                                 .kernel = s->kernel,
                                 .threads = s->n_parts,
                                 .p50_ns = per_op_median(sample, t->n),
                                 .flops = cost.flops,
                                 .work = cost.work,
                                 .weight_bytes = cost.weights,
                                 .operand_bytes = cost.operands,
                                 .compute_ns = bound.compute_ns,
                                 .memory_ns = bound.memory_ns};
            row->min_ns = t->n ? sample[0] : 0;
            if (s->n_out && s->out[0] != SN_NONE)
                row->shape = p->slot[s->out[0]].desc.shape;
        }
    }
    r->n_row = t->n_step;
}

/* Timed runs: as many as asked for and there is room for. The first one finds the plans and is not kept. */
static setsuna_status per_op_run(sn_workload *w, sn_step_times *t, uint64_t runs, sn_step_report *r, setsuna_error *err)
{
    sn_ledger l;
    bool more;
    sn_ledger_begin(&l, 0);
    SN_TRY(sn_workload_run(w, &l, &more, err));
    uint64_t room = PER_OP_SAMPLES_MAX / (t->n_step + 1);
    runs = runs < PER_OP_RUNS_MAX ? runs : PER_OP_RUNS_MAX;
    runs = runs < room ? runs : room;
    runs = runs ? runs : 1;
    uint64_t *wall = sn_alloc_zero(sn_allocator_default(), runs * sizeof *wall);
    setsuna_status status = wall ? sn_step_times_reserve(t, (uint32_t)runs) : SETSUNA_ENOMEM;
    if (status != SETSUNA_OK)
        sn_fail(err, status, "--per-op", "no memory for the times of %zu steps", t->n_step);
    for (uint64_t i = 0; status == SETSUNA_OK && i < runs; i++) {
        sn_step_times_next(t);
        sn_ledger_begin(&l, i);
        status = sn_workload_run(w, &l, &more, err);
        sn_ledger_close(&l);
        wall[i] = l.wall_ns;
    }
    if (status == SETSUNA_OK && t->is_partial)
        status = sn_fail(err, SETSUNA_EUNSUPPORTED, "--per-op",
                         "the model is planned anew from run to run: its shapes depend on random data");
    if (status == SETSUNA_OK) {
        r->runs = runs;
        r->p50_ns = per_op_median(wall, runs);
    }
    sn_free(sn_allocator_default(), wall);
    return status;
}

setsuna_status sn_per_op_measure(sn_workload *w, const sn_per_op_options *o, sn_step_report *out, setsuna_error *err)
{
    if (!sn_workload_model(w))
        return sn_fail(err, SETSUNA_EINVAL, "--per-op", "this is for models, not for pipelines");
    sn_exec *exec = sn_native_exec(sn_workload_session(w));
    if (!exec)
        return sn_fail(err, SETSUNA_EUNSUPPORTED, "--per-op", "only the native engine's steps can be timed");
    sn_roofline roof;
    sn_step_times t;
    SN_TRY(per_op_roofline(w, o, &roof, err));
    sn_step_report r = {.is_given = o->gflops > 0,
                        .flops_per_ns = roof.flops_per_ns,
                        .n_point = roof.n_point,
                        .clock_ns = per_op_clock_ns(),
                        .plain_p50_ns = o->plain_p50_ns};
    for (uint32_t i = 0; i < roof.n_point; i++) {
        r.point[i].bytes = roof.point[i].bytes;
        r.point[i].bytes_per_ns = roof.point[i].bytes_per_ns;
    }
    sn_step_times_begin(&t, exec, sn_allocator_default());
    setsuna_status status = per_op_run(w, &t, o->runs, &r, err);
    sn_step_times_end(&t);
    if (status == SETSUNA_OK && !(r.row = sn_alloc_zero(sn_allocator_default(), (t.n_step + 1) * sizeof *r.row)))
        status = sn_fail(err, SETSUNA_ENOMEM, "--per-op", "no memory for %zu rows", t.n_step);
    if (status == SETSUNA_OK) {
        per_op_rows(&t, &roof, &r);
        sn_step_report_sort(&r, o->order);
        *out = r;
    }
    sn_step_times_fini(&t);
    return status;
}

void sn_per_op_fini(sn_step_report *r)
{
    sn_free(sn_allocator_default(), r->row);
    r->row = NULL;
    r->n_row = 0;
}
