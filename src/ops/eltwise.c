/* setsuna.Eltwise: a chain of elementwise operations in one pass over memory (made by passes/fuse_eltwise.c).
 *
 *   inputs      f32 tensors that broadcast to the output's shape
 *   program:s   names of operations in SN_EW_LIST, separated by single spaces: "add relu mul"
 *   operands:I  two a operation: v < inputs is that input, inputs + i the result of operation i; -1: has no second one
 *   k:F         two a operation: its parameters, 0 where it has none
 *
 * The result of the last operation is the output. A strip of the output is carried through the whole program before
 * the next one is begun; what is between lies in buffers that stay in the innermost cache:
 *
 *     x[strip], b ──add──▶ buffer 0 ──relu──▶ buffer 0, c ──mul──▶ y[strip]
 */
#include "ops/ew_step.h"
#include <string.h>

/* A strip of 4 KiB: input, output, an operand and some buffers fit in 32 KiB, and a call costs little against it. */
enum { ELTWISE_STRIP = 1024, ELTWISE_OPS_MAX = 64, ELTWISE_NONE = -1 };

typedef struct eltwise_instr {
    sn_ew_fn *fn;
    int32_t source[2]; /* an input, or n_in + a buffer; ELTWISE_NONE */
    int32_t target;    /* a buffer; ELTWISE_NONE: the output */
    float k[2];
} eltwise_instr;

typedef struct eltwise_param {
    sn_nest nest;
    uint32_t n_instr, n_buffer;
    eltwise_instr *instr;
} eltwise_param;

typedef struct eltwise_run {
    const eltwise_param *p;
    float *y;
    const float *in[SN_OP_IN_MAX];
    char *scratch;
} eltwise_run;

typedef struct eltwise_part {
    const eltwise_run *e;
    float *buffer; /* n_buffer strips */
} eltwise_part;

/* rows x cols elements, at most a strip; at[i]: offset of input i. */
static void eltwise_strip(const eltwise_part *t, int64_t y, const int64_t *at, int64_t rows, int64_t cols)
{
    const eltwise_param *p = t->e->p;
    const sn_nest *n = &p->nest;
    for (uint32_t i = 0; i < p->n_instr; i++) {
        const eltwise_instr *q = &p->instr[i];
        sn_ew_args a = {.rows = rows, .cols = cols, .param = q->k};
        a.y = q->target == ELTWISE_NONE ? t->e->y + y : t->buffer + (int64_t)q->target * ELTWISE_STRIP;
        for (int k = 0; k < 2 && q->source[k] != ELTWISE_NONE; k++) {
            int32_t v = q->source[k];
            if (v < (int32_t)n->n_in) {
                a.in[k] = t->e->in[v] + at[v];
                a.row[k] = n->row[v];
                a.col[k] = n->col[v];
            } else {
                a.in[k] = t->buffer + (int64_t)(v - (int32_t)n->n_in) * ELTWISE_STRIP;
                a.row[k] = cols;
                a.col[k] = 1;
            }
        }
        q->fn(&a);
    }
}

static void eltwise_tile(void *arg, int64_t y, const int64_t *in, int64_t rows, int64_t cols)
{
    const eltwise_part *t = arg;
    const sn_nest *n = &t->e->p->nest;
    const int64_t row_step = cols < ELTWISE_STRIP ? ELTWISE_STRIP / cols : 1;
    int64_t at[SN_OP_IN_MAX];
    for (int64_t r = 0; r < rows; r += row_step)
        for (int64_t c = 0; c < cols; c += ELTWISE_STRIP) {
            for (uint32_t i = 0; i < n->n_in; i++)
                at[i] = in[i] + r * n->row[i] + c * n->col[i];
            eltwise_strip(t, y + r * cols + c, at, rows - r < row_step ? rows - r : row_step,
                          cols - c < ELTWISE_STRIP ? cols - c : ELTWISE_STRIP);
        }
}

static void eltwise_part_run(void *arg, uint32_t part, uint32_t n_parts)
{
    const eltwise_run *e = arg;
    const size_t strips = (size_t)e->p->n_buffer * ELTWISE_STRIP * sizeof(float);
    eltwise_part t = {.e = e, .buffer = (float *)(void *)(e->scratch + part * strips)};
    int64_t begin, end;
    sn_pool_range(e->p->nest.numel, SN_ALIGN, part, n_parts, &begin, &end);
    sn_nest_run(&e->p->nest, begin, end, eltwise_tile, &t);
}

static setsuna_status eltwise_step_run(const sn_step *s, sn_run *r)
{
    eltwise_run e = {.p = s->param, .y = sn_out(s, r, 0), .scratch = r->scratch};
    if (!e.y)
        return SETSUNA_OK;
    for (uint32_t i = 0; i < s->n_in; i++)
        e.in[i] = sn_in(s, r, i);
    sn_run_parallel(s, r, eltwise_part_run, &e);
    return SETSUNA_OK;
}

/* ---- plan time -------------------------------------------------------------------------------------- */

/* The operation of that name that takes f32 to f32; SN_EW_OPS: none. */
static sn_ew_op eltwise_find(const char *name, size_t len)
{
    static const struct {
        const char *name;
        sn_ew_op op;
    } list[] = {
#define ELTWISE_NAME(NAME, name, n_in) {#name, SN_EW_##NAME},
        SN_EW_LIST(ELTWISE_NAME)
#undef ELTWISE_NAME
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
        if (strlen(list[i].name) == len && memcmp(list[i].name, name, len) == 0)
            switch (list[i].op) {
            case SN_EW_IS_INF:
            case SN_EW_IS_NAN:
            case SN_EW_EQUAL:
            case SN_EW_GREATER:
            case SN_EW_GREATER_EQUAL:
            case SN_EW_LESS:
            case SN_EW_LESS_EQUAL:
            case SN_EW_POW_F64:
            case SN_EW_POW_I64: return SN_EW_OPS;
            default: return list[i].op;
            }
    return SN_EW_OPS;
}

/* Operations of the program into op[ELTWISE_OPS_MAX]; checked against the other attributes. */
static setsuna_status eltwise_program(sn_op_ctx *c, sn_ew_op *op, uint32_t *n_out)
{
    const char *text = sn_node_string(c->node, "program", "");
    const int64_t *operand;
    const float *k;
    size_t n_operand = sn_node_ints(c->node, "operands", &operand), n_k = sn_node_floats(c->node, "k", &k);
    uint32_t n = 0;
    for (const char *p = text; *p; n++) {
        size_t len = strcspn(p, " ");
        if (n == ELTWISE_OPS_MAX)
            return sn_op_fail(c, SETSUNA_ELIMIT, "the program has more than %d operations", ELTWISE_OPS_MAX);
        op[n] = eltwise_find(p, len);
        if (op[n] == SN_EW_OPS)
            return sn_op_fail(c, SETSUNA_EMODEL, "operation '%.*s' is unknown", len < 64 ? (int)len : 64, p);
        p += len + (p[len] == ' ');
    }
    if (n == 0 || n_operand != 2 * (size_t)n || n_k != 2 * (size_t)n)
        return sn_op_fail(c, SETSUNA_EMODEL, "%u operations with %zu operands and %zu parameters", n, n_operand, n_k);
    for (uint32_t i = 0; i < n; i++)
        for (int j = 0; j < 2; j++) {
            int64_t v = operand[2 * i + (uint32_t)j];
            bool wanted = j < sn_ew_operands(op[i]);
            if (wanted ? v < 0 || v >= (int64_t)c->n_in + i : v != ELTWISE_NONE)
                return sn_op_fail(c, SETSUNA_EMODEL, "operand %d of operation %u is %lld", j, i, (long long)v);
        }
    *n_out = n;
    return SETSUNA_OK;
}

static setsuna_status eltwise_infer(sn_op_ctx *c)
{
    sn_ew_op op[ELTWISE_OPS_MAX];
    uint32_t n;
    for (uint32_t i = 0; i < c->n_in; i++) {
        if (!c->in[i].present)
            return sn_op_fail(c, SETSUNA_EMODEL, "input %u is missing", i);
        SN_TRY(sn_op_want(c, i, "f32"));
    }
    SN_TRY(eltwise_program(c, op, &n));
    return sn_infer_broadcast(c);
}

/* Gives every result but the last a buffer. A result may take the place of an operand that dies with it. */
static uint32_t eltwise_buffers(eltwise_instr *q, uint32_t n, uint32_t n_in, const int64_t *operand)
{
    uint32_t last[ELTWISE_OPS_MAX] = {0}, n_buffer = 0;
    int32_t place[ELTWISE_OPS_MAX];
    bool used[ELTWISE_OPS_MAX] = {false};
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < 2; j++)
            if (operand[2 * i + j] >= n_in)
                last[operand[2 * i + j] - n_in] = i;
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j < 2; j++) {
            int64_t v = operand[2 * i + j];
            q[i].source[j] = v < n_in ? (int32_t)v : (int32_t)n_in + place[v - n_in];
            if (v >= n_in && last[v - n_in] == i)
                used[place[v - n_in]] = false;
        }
        uint32_t b = 0;
        while (used[b])
            b++;
        bool is_output = i + 1 == n;
        place[i] = (int32_t)b;
        used[b] = last[i] > i; /* a result that nobody reads holds nothing */
        q[i].target = is_output ? ELTWISE_NONE : place[i];
        if (!is_output && b + 1 > n_buffer)
            n_buffer = b + 1;
    }
    return n_buffer;
}

static setsuna_status eltwise_bind(sn_op_ctx *c, sn_step *s)
{
    sn_ew_op op[ELTWISE_OPS_MAX];
    uint32_t n;
    const int64_t *operand;
    const float *k;
    double cost = 0;
    int64_t numel;
    SN_TRY(eltwise_program(c, op, &n));
    sn_node_ints(c->node, "operands", &operand);
    sn_node_floats(c->node, "k", &k);
    eltwise_param *p = sn_op_param(c, sizeof *p);
    eltwise_instr *q = sn_op_param(c, n * sizeof *q);
    if (!p || !q)
        return SETSUNA_ENOMEM;
    p->instr = q;
    p->n_instr = n;
    SN_TRY(sn_nest_plan(c, &c->out[0].shape, 0, c->n_in, &p->nest));
    sn_elementwise_table table;
    sn_elementwise_table_init(&table, c->cpu);
    for (uint32_t i = 0; i < n; i++) {
        sn_ew_kernel kernel = sn_elementwise_entry(&table, op[i]);
        /* Kernels of one operand want a dense tile. */
        bool dense = sn_ew_operands(op[i]) > 1 || operand[2 * i] >= c->n_in || p->nest.numel == 0 ||
                     sn_nest_dense(&p->nest, (uint32_t)operand[2 * i]);
        if (!kernel.fn || !dense)
            return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "operation %u is not possible on its operand", i);
        q[i].fn = kernel.fn;
        memcpy(q[i].k, k + 2 * i, sizeof q[i].k);
        cost += sn_ew_cost(op[i]);
    }
    p->n_buffer = eltwise_buffers(q, n, c->n_in, operand);
    SN_TRY(sn_ew_account(c, s, cost, &numel));
    s->run = eltwise_step_run;
    s->param = p;
    s->kernel = "sn_ew_program";
    s->n_parts = sn_ew_parts(c, numel, cost);
    s->scratch_bytes = (size_t)s->n_parts * p->n_buffer * ELTWISE_STRIP * sizeof(float);
    return SETSUNA_OK;
}

const sn_op sn_ops_eltwise[] = {
    {"setsuna", "Eltwise", 1, 0, 1, 255, 1, 1, SN_OP_INPLACE, "program:s operands:I k:F", eltwise_infer, eltwise_bind},
    {.name = NULL},
};
