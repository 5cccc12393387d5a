#include "exec/step_bound.h"
#include "base/clock.h"
#include "kernels/roofline.h"
#include "graph/tensor.h"
#include <math.h>
#include <string.h>

/* Points from a first cache to main memory; the largest is beyond any share of a last-level cache that one process is
 * likely to keep. */
enum { ROOFLINE_LEAST_BYTES = 16 << 10, ROOFLINE_MOST_BYTES = 128 << 20, ROOFLINE_STEP = 4 };
enum { ROOFLINE_ROUNDS = 20000, ROOFLINE_REPEATS = 7 };

/* A repeat reads this much, or the point's bytes once: long beside the pool's hand-over. */
enum { ROOFLINE_READ_BYTES = 8 << 20 };

typedef struct roofline_job {
    sn_roofline_table table;
    const float *data;
    int64_t floats, passes; /* of each part: floats in [part * stride, part * stride + floats) */
    int64_t stride;
} roofline_job;

static void roofline_multiply_add(void *arg, uint32_t part, uint32_t n_parts)
{
    const roofline_job *job = arg;
    float y[SN_ROOFLINE_CHAINS] = {0};
    (void)part;
    (void)n_parts;
    job->table.multiply_add(ROOFLINE_ROUNDS, y);
}

static void roofline_read(void *arg, uint32_t part, uint32_t n_parts)
{
    const roofline_job *job = arg;
    float y[SN_ROOFLINE_READ];
    (void)n_parts;
    for (int64_t i = 0; i < job->passes; i++)
        job->table.read(job->data + part * job->stride, job->floats, y);
}

/* The fastest of a few: what disturbs a measurement only ever makes it slower. */
static double roofline_best_ns(sn_pool *pool, sn_pool_fn *fn, roofline_job *job, uint32_t n)
{
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < ROOFLINE_REPEATS; i++) {
        uint64_t begin = sn_now_ns();
        sn_pool_run(pool, fn, job, n);
        uint64_t ns = sn_now_ns() - begin;
        best = ns < best ? ns : best;
    }
    return best ? (double)best : 1;
}

setsuna_status sn_roofline_measure(const sn_allocator *a, sn_cpu_level level, sn_pool *pool, sn_roofline *out)
{
    uint32_t n = sn_pool_threads(pool);
    float *data = sn_alloc(a, ROOFLINE_MOST_BYTES);
    if (!data)
        return SETSUNA_ENOMEM;
    memset(data, 0, ROOFLINE_MOST_BYTES);
    roofline_job job = {.data = data};
    sn_roofline r = {0};
    sn_roofline_table_init(&job.table, level);
    double flops = 2.0 * SN_ROOFLINE_CHAINS * ROOFLINE_ROUNDS * n;
    r.flops_per_ns = flops / roofline_best_ns(pool, roofline_multiply_add, &job, n);
    for (int64_t bytes = ROOFLINE_LEAST_BYTES; r.n_point < SN_ROOFLINE_POINTS; bytes *= ROOFLINE_STEP) {
        bytes = bytes < ROOFLINE_MOST_BYTES ? bytes : ROOFLINE_MOST_BYTES;
        const int64_t unit = SN_ROOFLINE_READ * (int64_t)sizeof *data;
        int64_t share = bytes / n / unit * unit;
        share = share ? share : unit;
        if (share * n > ROOFLINE_MOST_BYTES)
            break; /* more threads than the buffer has units for: no machine of today */
        job.floats = job.stride = share / (int64_t)sizeof *data;
        job.passes = share < ROOFLINE_READ_BYTES / n ? ROOFLINE_READ_BYTES / n / share : 1;
        double ns = roofline_best_ns(pool, roofline_read, &job, n);
        r.point[r.n_point].bytes = (double)share * n;
        r.point[r.n_point++].bytes_per_ns = (double)share * n * (double)job.passes / ns;
    }
    sn_free(a, data);
    *out = r;
    return SETSUNA_OK;
}

double sn_roofline_bandwidth(const sn_roofline *r, double bytes)
{
    uint32_t i = 0;
    while (i < r->n_point && r->point[i].bytes < bytes)
        i++;
    if (i == 0)
        return r->point[0].bytes_per_ns;
    if (i == r->n_point)
        return r->point[i - 1].bytes_per_ns;
    double at = log(bytes / r->point[i - 1].bytes) / log(r->point[i].bytes / r->point[i - 1].bytes);
    return r->point[i - 1].bytes_per_ns + at * (r->point[i].bytes_per_ns - r->point[i - 1].bytes_per_ns);
}

static double cost_slot_bytes(const sn_plan *p, uint32_t slot)
{
    size_t bytes;
    const setsuna_tensor *t = &p->slot[slot].desc;
    return p->slot[slot].kind != SN_SLOT_DYNAMIC && sn_tensor_bytes(t->dtype, &t->shape, &bytes) ? (double)bytes : 0;
}

/* A step says what it moves in all. Of that, operands are what its slots hold, and the rest is constants. A step that
 * reads a part of an operand only (Slice) moves less than the slots hold. */
sn_step_cost sn_step_cost_of(const sn_plan *p, const sn_step *s)
{
    double operands = 0;
    for (uint32_t i = 0; i < s->n_in; i++)
        if (s->in[i] != SN_NONE && p->slot[s->in[i]].kind != SN_SLOT_CONST)
            operands += cost_slot_bytes(p, s->in[i]);
    for (uint32_t i = 0; i < s->n_out; i++)
        if (s->out[i] != SN_NONE)
            operands += cost_slot_bytes(p, s->out[i]);
    operands = operands < s->bytes ? operands : s->bytes;
    return (sn_step_cost){s->flops, s->work > 0 ? s->work : s->flops, s->bytes - operands, operands};
}

double sn_plan_touched_bytes(const sn_plan *p)
{
    double bytes = (double)p->arena_bytes;
    for (size_t i = 0; i < p->n_step; i++)
        bytes += sn_step_cost_of(p, &p->step[i]).weights;
    return bytes;
}

sn_step_bound sn_roofline_bound(const sn_roofline *r, const sn_step_cost *cost, double touched_bytes)
{
    sn_step_bound b = {.compute_ns = cost->work / r->flops_per_ns};
    if (cost->operands > 0)
        b.memory_ns += cost->operands / sn_roofline_bandwidth(r, cost->operands);
    if (cost->weights > 0)
        b.memory_ns += cost->weights / sn_roofline_bandwidth(r, touched_bytes);
    return b;
}
