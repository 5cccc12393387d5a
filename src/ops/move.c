#include "ops/move.h"
#include "ops/parts.h"
#include <string.h>

/* ---- plan time ----------------------------------------------------------------------------------- */

void sn_move_strides(const setsuna_shape *s, int64_t stride[SETSUNA_RANK_MAX])
{
    uint64_t at = 1;
    for (int32_t i = s->rank - 1; i >= 0; i--) {
        stride[i] = (int64_t)at;
        at *= (uint64_t)s->dim[i];
    }
}

sn_move_view sn_move_view_of(const setsuna_shape *out)
{
    sn_move_view v = {.rank = out->rank};
    for (int32_t i = 0; i < out->rank; i++)
        v.n[i] = out->dim[i];
    sn_move_strides(out, v.dst);
    return v;
}

int64_t sn_move_view_numel(const sn_move_view *v)
{
    int64_t n = 1;
    for (int32_t i = 0; i < v->rank; i++)
        if (v->n[i] == 0)
            return 0;
    for (int32_t i = 0; i < v->rank; i++)
        n *= v->n[i];
    return n;
}

static void move_drop_axis(sn_move_view *v, int32_t k)
{
    for (int32_t i = k; i + 1 < v->rank; i++) {
        v->n[i] = v->n[i + 1];
        v->src[i] = v->src[i + 1];
        v->dst[i] = v->dst[i + 1];
    }
    v->rank--;
}

static void move_merge(sn_move_view *v)
{
    for (int32_t i = v->rank - 1; i >= 0; i--)
        if (v->n[i] == 1)
            move_drop_axis(v, i);
    for (int32_t i = v->rank - 2; i >= 0; i--)
        if (v->src[i] == v->src[i + 1] * v->n[i + 1] && v->dst[i] == v->dst[i + 1] * v->n[i + 1]) {
            v->src[i] = v->src[i + 1];
            v->dst[i] = v->dst[i + 1];
            v->n[i] *= v->n[i + 1];
            move_drop_axis(v, i + 1);
        }
}

/* A contiguous last axis of 2, 4, 8 or 16 bytes becomes one element, when every other stride is whole in it. */
static void move_widen(sn_move *m)
{
    sn_move_view *v = &m->v;
    if (v->rank < 2)
        return;
    int32_t last = v->rank - 1;
    int64_t n = v->n[last];
    if (v->src[last] != 1 || v->dst[last] != 1 || (n != 2 && n != 4 && n != 8 && n != 16) ||
        (size_t)n * m->unit_bytes > 16 || v->src_at % n || v->dst_at % n)
        return;
    for (int32_t i = 0; i < last; i++)
        if (v->src[i] % n || v->dst[i] % n)
            return;
    for (int32_t i = 0; i < last; i++) {
        v->src[i] /= n;
        v->dst[i] /= n;
    }
    v->src_at /= n;
    v->dst_at /= n;
    v->rank--;
    m->unit_bytes *= (size_t)n;
}

/* The axis that is contiguous in src goes before the last one, which is contiguous in dst. */
static void move_find_blocks(sn_move *m)
{
    sn_move_view *v = &m->v;
    int32_t last = v->rank - 1;
    for (int32_t k = 0; k < last; k++) {
        if (v->src[k] != 1)
            continue;
        int64_t n = v->n[k], src = v->src[k], dst = v->dst[k];
        move_drop_axis(v, k);
        v->n[last] = v->n[last - 1];
        v->src[last] = v->src[last - 1];
        v->dst[last] = v->dst[last - 1];
        v->n[last - 1] = n;
        v->src[last - 1] = src;
        v->dst[last - 1] = dst;
        v->rank = last + 1;
        m->kind = SN_MOVE_BLOCKS;
        return;
    }
}

void sn_move_init(sn_move *m, const sn_move_view *v, size_t elem_bytes, const sn_transpose_table *t)
{
    *m = (sn_move){.kind = SN_MOVE_NOTHING, .unit_bytes = elem_bytes, .v = *v};
    if (sn_move_view_numel(v) == 0)
        return;
    move_merge(&m->v);
    move_widen(m);
    if (m->v.rank == 0) {
        m->v.rank = 1;
        m->v.n[0] = m->v.src[0] = m->v.dst[0] = 1;
    }
    int32_t last = m->v.rank - 1;
    m->kind = SN_MOVE_STRIDED;
    if (m->v.src[last] == 1 && m->v.dst[last] == 1)
        m->kind = SN_MOVE_RUNS;
    else if (m->v.dst[last] == 1 && m->v.src[last] > 0)
        move_find_blocks(m);
    m->transpose = sn_transpose_by_size(t, m->unit_bytes);
    /* Threads share the first axis that is long enough to be cut evenly, else the longest. */
    for (int32_t i = 1; i <= last && m->v.n[m->split] < 16; i++)
        if (m->v.n[i] > m->v.n[m->split])
            m->split = i;
}

/* ---- run time ------------------------------------------------------------------------------------ */

static inline void move_strided_unit(uint8_t *dst, int64_t ds, const uint8_t *src, int64_t ss, int64_t n, size_t unit)
{
    if (ss == 0) {
        uint8_t value[16];
        memcpy(value, src, unit);
        for (int64_t i = 0; i < n; i++)
            memcpy(dst + i * ds * (int64_t)unit, value, unit);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        memcpy(dst + i * ds * (int64_t)unit, src + i * ss * (int64_t)unit, unit);
}

static void move_strided(uint8_t *dst, int64_t ds, const uint8_t *src, int64_t ss, int64_t n, size_t unit)
{
    switch (unit) {
    case 1: move_strided_unit(dst, ds, src, ss, n, 1); break;
    case 2: move_strided_unit(dst, ds, src, ss, n, 2); break;
    case 4: move_strided_unit(dst, ds, src, ss, n, 4); break;
    case 8: move_strided_unit(dst, ds, src, ss, n, 8); break;
    default: move_strided_unit(dst, ds, src, ss, n, 16); break;
    }
}

/* The innermost one or two axes. */
static void move_inner(const sn_move *m, const sn_move_view *v, uint8_t *dst, const uint8_t *src)
{
    int32_t last = v->rank - 1;
    switch (m->kind) {
    case SN_MOVE_RUNS: memcpy(dst, src, (size_t)v->n[last] * m->unit_bytes); break;
    case SN_MOVE_STRIDED: move_strided(dst, v->dst[last], src, v->src[last], v->n[last], m->unit_bytes); break;
    case SN_MOVE_BLOCKS: m->transpose(dst, v->dst[last - 1], src, v->src[last], v->n[last], v->n[last - 1]); break;
    case SN_MOVE_NOTHING: break;
    }
}

void sn_move_run(const sn_move *m, void *dst_data, const void *src_data, uint32_t part, uint32_t n_parts)
{
    if (m->kind == SN_MOVE_NOTHING)
        return;
    sn_move_view v = m->v;
    int64_t unit = (int64_t)m->unit_bytes, begin, end;
    sn_pool_range(v.n[m->split], m->split >= v.rank - 2 && v.n[m->split] >= 64 ? 16 : 1, part, n_parts, &begin, &end);
    if (begin >= end)
        return;
    v.n[m->split] = end - begin;
    int64_t dst = v.dst_at + begin * v.dst[m->split], src = v.src_at + begin * v.src[m->split];
    int32_t outer = v.rank - (m->kind == SN_MOVE_BLOCKS ? 2 : 1);
    int64_t i[SN_MOVE_RANK_MAX] = {0};
    for (;;) {
        move_inner(m, &v, (uint8_t *)dst_data + dst * unit, (const uint8_t *)src_data + src * unit);
        int32_t k = outer - 1;
        for (; k >= 0; k--) {
            dst += v.dst[k];
            src += v.src[k];
            if (++i[k] < v.n[k])
                break;
            dst -= v.n[k] * v.dst[k];
            src -= v.n[k] * v.src[k];
            i[k] = 0;
        }
        if (k < 0)
            return;
    }
}

/* ---- operators that are a list of views ------------------------------------------------------------ */

typedef struct move_item {
    uint32_t in, out;
    sn_move move;
} move_item;

struct sn_move_list {
    uint32_t n;
    bool scattered; /* not all items are single runs of bytes */
    sn_step_copy *copy;
    move_item item[];
};

typedef struct move_job {
    const sn_move_list *list;
    const sn_step *step;
    const sn_run *run;
} move_job;

/* One contiguous piece of the input becomes one of the output. */
static bool move_is_one_run(const sn_move *m)
{
    return m->kind == SN_MOVE_RUNS && m->v.rank == 1;
}

static void move_list_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const move_job *job = arg;
    for (uint32_t k = 0; k < job->list->n; k++) {
        const sn_move *m = &job->list->item[k].move;
        if (m->kind == SN_MOVE_NOTHING)
            continue;
        char *dst = sn_out(job->step, job->run, job->list->item[k].out);
        const char *src = sn_in(job->step, job->run, job->list->item[k].in);
        int64_t unit = (int64_t)m->unit_bytes;
        if (!move_is_one_run(m) || dst + m->v.dst_at * unit != src + m->v.src_at * unit)
            sn_move_run(m, dst, src, part, n_parts);
    }
}

static setsuna_status move_list_run(const sn_step *s, sn_run *r)
{
    move_job job = {s->param, s, r};
    sn_run_parallel(s, r, move_list_part, &job);
    return SETSUNA_OK;
}

setsuna_status sn_move_bind_begin(sn_op_ctx *c, sn_step *s, uint32_t n_max, sn_move_list **out)
{
    sn_move_list *list = sn_op_param(c, sizeof *list + n_max * sizeof list->item[0]);
    if (!list)
        return SETSUNA_ENOMEM;
    s->copy = list->copy = sn_op_param(c, n_max * sizeof *list->copy);
    if (!list->copy)
        return SETSUNA_ENOMEM;
    s->run = move_list_run;
    s->param = list;
    s->kernel = "move";
    s->n_parts = 1;
    *out = list;
    return SETSUNA_OK;
}

static const char *move_kernel(const sn_move *m)
{
    switch (m->kind) {
    case SN_MOVE_RUNS: return "move_runs";
    case SN_MOVE_STRIDED: return "move_strided";
    case SN_MOVE_BLOCKS: return m->unit_bytes == 4 ? "transpose_x4" : "transpose";
    case SN_MOVE_NOTHING: break;
    }
    return "move";
}

/* A step is described by its runs for as long as each of its items is one. */
static void move_describe(sn_step *s, sn_move_list *list, const move_item *it)
{
    const sn_move *m = &it->move;
    if (m->kind == SN_MOVE_NOTHING)
        return;
    if (!move_is_one_run(m))
        list->scattered = true;
    else if (!list->scattered)
        list->copy[s->n_copy++] =
            (sn_step_copy){it->in, it->out, (size_t)m->v.src_at * m->unit_bytes, (size_t)m->v.dst_at * m->unit_bytes,
                           (size_t)m->v.n[0] * m->unit_bytes};
    if (list->scattered) {
        s->copy = NULL;
        s->n_copy = 0;
    }
}

void sn_move_bind_add(sn_op_ctx *c, sn_step *s, sn_move_list *list, uint32_t in, uint32_t out, const sn_move_view *v)
{
    size_t size = setsuna_dtype_size(c->out[out].dtype);
    sn_transpose_table t;
    sn_transpose_table_init(&t, c->cpu);
    move_item *it = &list->item[list->n++];
    it->in = in;
    it->out = out;
    sn_move_init(&it->move, v, size, &t);
    if (it->move.kind != SN_MOVE_NOTHING)
        s->kernel = move_kernel(&it->move);
    move_describe(s, list, it);
    s->bytes += 2.0 * (double)size * (double)sn_move_view_numel(v);
    s->n_parts = sn_parts_for(c, 0, s->bytes);
}

setsuna_status sn_move_bind(sn_op_ctx *c, sn_step *s, const sn_move_view *v)
{
    sn_move_list *list;
    SN_TRY(sn_move_bind_begin(c, s, 1, &list));
    sn_move_bind_add(c, s, list, 0, 0, v);
    return SETSUNA_OK;
}

/* ---- checks -------------------------------------------------------------------------------------- */

setsuna_status sn_move_want(sn_op_ctx *c, uint32_t i)
{
    if (!sn_op_has(c, i) || setsuna_dtype_size(c->in[i].dtype))
        return SETSUNA_OK;
    return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "input %u is %s; its elements have no known size", i,
                      setsuna_dtype_name(c->in[i].dtype));
}

setsuna_status sn_move_axes(sn_op_ctx *c, const int64_t *axes, size_t n, int32_t rank, int32_t out[SETSUNA_RANK_MAX])
{
    uint32_t seen = 0;
    if (n > (size_t)rank)
        return sn_op_fail(c, SETSUNA_ESHAPE, "%zu axes are named, the tensor has %d", n, rank);
    for (size_t i = 0; i < n; i++) {
        if (!sn_axis_normalize(axes[i], rank, &out[i]))
            return sn_op_fail(c, SETSUNA_ESHAPE, "axis %lld is outside [-%d, %d)", (long long)axes[i], rank, rank);
        if (seen >> out[i] & 1u)
            return sn_op_fail(c, SETSUNA_ESHAPE, "axis %d is named twice", out[i]);
        seen |= 1u << out[i];
    }
    return SETSUNA_OK;
}
