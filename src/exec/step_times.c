#include "exec/step_times.h"
#include "base/checked.h"

static void times_observe(void *arg, const sn_plan *plan, size_t step, uint64_t begin_ns, uint64_t end_ns,
                          uint64_t inner_ns)
{
    sn_step_times *t = arg;
    size_t k = 0;
    while (k < t->n_segment && t->segment[k].plan != plan)
        k++;
    if (k == t->n_segment) {
        if (t->sample || t->status != SETSUNA_OK) { /* planned anew behind our back */
            t->is_partial = true;
            return;
        }
        if (!sn_grow(t->a, &t->segment, &t->cap_segment, k + 1, sizeof *t->segment)) {
            t->status = SETSUNA_ENOMEM;
            return;
        }
        t->segment[t->n_segment++] = (sn_step_segment){plan, t->n_step};
        t->n_step += plan->n_step;
    }
    if (!t->sample)
        return;
    if (t->n > t->cap)
        t->is_partial = true;
    else if (t->n > 0)
        t->sample[(t->segment[k].first + step) * t->cap + t->n - 1] += end_ns - begin_ns - inner_ns;
}

void sn_step_times_begin(sn_step_times *t, sn_exec *e, const sn_allocator *a)
{
    *t = (sn_step_times){.exec = e, .a = a};
    sn_exec_observe(e, times_observe, t);
}

setsuna_status sn_step_times_reserve(sn_step_times *t, uint32_t runs)
{
    size_t cells, bytes;
    if (t->status != SETSUNA_OK)
        return t->status;
    if (!sn_mul_size(t->n_step + 1, runs, &cells) || !sn_mul_size(cells, sizeof *t->sample, &bytes))
        return SETSUNA_ELIMIT;
    t->sample = sn_alloc_zero(t->a, bytes ? bytes : 1); /* touched now, not while a step is being timed */
    if (!t->sample)
        return t->status = SETSUNA_ENOMEM;
    t->cap = runs;
    return SETSUNA_OK;
}

void sn_step_times_next(sn_step_times *t)
{
    if (t->n <= t->cap)
        t->n++;
}

void sn_step_times_end(sn_step_times *t)
{
    if (t->exec)
        sn_exec_observe(t->exec, NULL, NULL);
    t->exec = NULL;
}

void sn_step_times_fini(sn_step_times *t)
{
    sn_step_times_end(t);
    sn_free(t->a, t->segment);
    sn_free(t->a, t->sample);
    *t = (sn_step_times){0};
}
