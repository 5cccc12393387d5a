#include "ops/op.h"
#include "base/hash.h"
#include "ops/pack_store.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAMILY(name) extern const sn_op sn_ops_##name[];
#include "ops/families.inc"
#undef FAMILY

static const sn_op *const op_families[] = {
#define FAMILY(name) sn_ops_##name,
#include "ops/families.inc"
#undef FAMILY
};

#ifdef __clang_analyzer__ /* here they are defined */
#undef sn_op_fail
#undef sn_run_fail
#endif

enum { OP_FAMILIES = sizeof op_families / sizeof op_families[0] };

const sn_op *sn_op_find(const char *domain, const char *name, int32_t opset)
{
    const sn_op *best = NULL;
    for (size_t f = 0; f < OP_FAMILIES; f++)
        for (const sn_op *op = op_families[f]; op->name; op++)
            if (op->name[0] == name[0] && op->since <= opset && (op->until == 0 || opset <= op->until) &&
                strcmp(op->name, name) == 0 && strcmp(op->domain, domain) == 0 && (!best || op->since > best->since))
                best = op;
    return best;
}

const sn_op *sn_op_recall(sn_op_memo *memo, const char *domain, const char *name, int32_t opset)
{
    if (!memo)
        return sn_op_find(domain, name, opset);
    uint64_t at = sn_hash_u64(sn_hash_str(0, name), (uint64_t)opset) >> 32 & (SN_OP_MEMO_SLOTS - 1);
    const sn_op *op = memo->op[at];
    if (op && memo->opset[at] == opset && strcmp(op->name, name) == 0 && strcmp(op->domain, domain) == 0)
        return op;
    memo->opset[at] = opset;
    return memo->op[at] = sn_op_find(domain, name, opset);
}

static int op_compare(const void *a, const void *b)
{
    const sn_op *x = *(const sn_op *const *)a, *y = *(const sn_op *const *)b;
    int c = strcmp(x->domain, y->domain);
    if (c == 0)
        c = strcmp(x->name, y->name);
    return c ? c : x->since - y->since;
}

void sn_op_each(void (*fn)(const sn_op *op, void *arg), void *arg)
{
    const sn_op *all[1024];
    size_t n = 0;
    for (size_t f = 0; f < OP_FAMILIES; f++)
        for (const sn_op *op = op_families[f]; op->name && n < sizeof all / sizeof all[0]; op++)
            all[n++] = op;
    qsort(all, n, sizeof all[0], op_compare);
    for (size_t i = 0; i < n; i++)
        fn(all[i], arg);
}

static setsuna_status op_fail_node(const sn_node *n, setsuna_error *err, setsuna_status status, const char *fmt,
                                   va_list ap) __attribute__((format(printf, 4, 0)));

static setsuna_status op_fail_node(const sn_node *n, setsuna_error *err, setsuna_status status, const char *fmt,
                                   va_list ap)
{
    char where[sizeof err->where];
    snprintf(where, sizeof where, "node '%.120s' (%s%s%.60s, opset %d)", n->name, n->domain, n->domain[0] ? "." : "",
             n->op, n->opset);
    return sn_fail_va(err, status, where, fmt, ap);
}

static setsuna_status op_refuse(const sn_node *n, setsuna_error *err, setsuna_status status, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static setsuna_status op_refuse(const sn_node *n, setsuna_error *err, setsuna_status status, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    op_fail_node(n, err, status, fmt, ap);
    va_end(ap);
    return status;
}

/* The kind letter of attribute `name` in a list "axis:i mode:s", or '\0'. */
static char op_attr_kind(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = list; p && *p;) {
        const char *colon = strchr(p, ':');
        if (!colon)
            return '\0';
        if ((size_t)(colon - p) == len && memcmp(p, name, len) == 0)
            return colon[1];
        p = strchr(colon, ' ');
        if (p)
            p++;
    }
    return '\0';
}

static setsuna_status op_check_attrs(const sn_node *n, const sn_op *op, setsuna_error *err)
{
    static const char letter[] = {[SN_ATTR_INT] = 'i',    [SN_ATTR_FLOAT] = 'f',   [SN_ATTR_STRING] = 's',
                                  [SN_ATTR_TENSOR] = 't', [SN_ATTR_GRAPH] = 'g',   [SN_ATTR_INTS] = 'I',
                                  [SN_ATTR_FLOATS] = 'F', [SN_ATTR_STRINGS] = 'S', [SN_ATTR_OTHER] = '?'};
    for (uint32_t i = 0; i < n->n_attr; i++) {
        const sn_attr *a = &n->attr[i];
        char want = op_attr_kind(op->attrs, a->name);
        if (!want)
            return op_refuse(n, err, SETSUNA_EUNSUPPORTED, "attribute '%.64s' is not supported", a->name);
        if (want != letter[a->kind])
            return op_refuse(n, err, SETSUNA_EMODEL, "attribute '%.64s' has the wrong type", a->name);
    }
    return SETSUNA_OK;
}

setsuna_status sn_op_check(const sn_node *n, sn_op_memo *memo, const sn_op **op_out, setsuna_error *err)
{
    const sn_op *op = sn_op_recall(memo, n->domain, n->op, n->opset);
    if (!op)
        return op_refuse(n, err, SETSUNA_EUNSUPPORTED, "the operator is not supported at this opset");
    uint32_t max_in = op->max_in == 255 ? SN_OP_IN_MAX : op->max_in;
    uint32_t max_out = op->max_out == 255 ? SN_OP_OUT_MAX : op->max_out;
    if (n->n_formal < op->min_in || n->n_out < op->min_out)
        return op_refuse(n, err, SETSUNA_EMODEL, "it has %u inputs and %u outputs, at least %u and %u are needed",
                         n->n_formal, n->n_out, op->min_in, op->min_out);
    if (n->n_formal > max_in || n->n_out > max_out)
        return op_refuse(n, err, op->max_in == 255 || op->max_out == 255 ? SETSUNA_ELIMIT : SETSUNA_EMODEL,
                         "it has %u inputs and %u outputs, at most %u and %u are allowed", n->n_formal, n->n_out,
                         max_in, max_out);
    SN_TRY(op_check_attrs(n, op, err));
    *op_out = op;
    return SETSUNA_OK;
}

setsuna_status sn_op_fail(sn_op_ctx *c, setsuna_status status, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    op_fail_node(c->node, c->err, status, fmt, ap);
    va_end(ap);
    return status;
}

setsuna_status sn_op_need(sn_op_ctx *c, uint32_t i)
{
    c->need = i;
    return (setsuna_status)SN_INFER_NEED_VALUE;
}

static bool op_dtype_in(setsuna_dtype d, const char *list)
{
    bool is_float = d == SETSUNA_F32 || d == SETSUNA_F64 || d == SETSUNA_F16 || d == SETSUNA_BF16;
    bool is_int = d == SETSUNA_I8 || d == SETSUNA_I16 || d == SETSUNA_I32 || d == SETSUNA_I64 || d == SETSUNA_U8 ||
                  d == SETSUNA_U16 || d == SETSUNA_U32 || d == SETSUNA_U64;
    for (const char *p = list; *p;) {
        size_t len = strcspn(p, " ");
        if (strncmp(p, setsuna_dtype_name(d), len) == 0 && setsuna_dtype_name(d)[len] == '\0')
            return true;
        if ((is_float && len == 5 && memcmp(p, "float", 5) == 0) || (is_int && len == 3 && memcmp(p, "int", 3) == 0) ||
            ((is_float || is_int) && len == 3 && memcmp(p, "num", 3) == 0) ||
            ((is_float || is_int || d == SETSUNA_BOOL) && len == 3 && memcmp(p, "any", 3) == 0))
            return true;
        p += len;
        while (*p == ' ')
            p++;
    }
    return false;
}

setsuna_status sn_op_want(sn_op_ctx *c, uint32_t i, const char *dtypes)
{
    if (!sn_op_has(c, i) || op_dtype_in(c->in[i].dtype, dtypes))
        return SETSUNA_OK;
    return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "input %u is %s; supported: %s", i, setsuna_dtype_name(c->in[i].dtype),
                      dtypes);
}

setsuna_status sn_op_const_ints(sn_op_ctx *c, uint32_t i, int64_t *out, size_t cap, size_t *n_out)
{
    const sn_operand *x = &c->in[i];
    int64_t n;
    if (x->dtype != SETSUNA_I64 && x->dtype != SETSUNA_I32)
        return sn_op_fail(c, SETSUNA_ESHAPE, "input %u is %s, not i32 or i64", i, setsuna_dtype_name(x->dtype));
    if (x->shape.rank > 1 || !sn_shape_numel(&x->shape, &n) || (uint64_t)n > cap)
        return sn_op_fail(c, SETSUNA_ESHAPE, "input %u must be a list of at most %zu integers", i, cap);
    if (!x->cst)
        return sn_op_need(c, i);
    for (int64_t k = 0; k < n; k++)
        out[k] = sn_tensor_get_i64(&x->cst->t, k);
    *n_out = (size_t)n;
    return SETSUNA_OK;
}

void sn_op_out(sn_op_ctx *c, uint32_t i, setsuna_dtype dtype, const setsuna_shape *shape)
{
    if (i < c->n_out) {
        c->out[i].dtype = dtype;
        c->out[i].shape = *shape;
    }
}

setsuna_status sn_infer_same(sn_op_ctx *c)
{
    sn_op_out(c, 0, c->in[0].dtype, &c->in[0].shape);
    return SETSUNA_OK;
}

setsuna_status sn_infer_broadcast(sn_op_ctx *c)
{
    setsuna_shape s = c->in[0].shape;
    for (uint32_t i = 1; i < c->n_in; i++)
        if (c->in[i].present && !sn_shape_broadcast(&s, &c->in[i].shape, &s)) {
            char a[SN_SHAPE_TEXT_MAX], b[SN_SHAPE_TEXT_MAX];
            return sn_op_fail(c, SETSUNA_ESHAPE, "input shapes %s and %s do not broadcast",
                              sn_shape_text(&s, a, sizeof a), sn_shape_text(&c->in[i].shape, b, sizeof b));
        }
    sn_op_out(c, 0, c->in[0].dtype, &s);
    return SETSUNA_OK;
}

void *sn_op_param(sn_op_ctx *c, size_t size_bytes)
{
    return sn_arena_alloc(c->arena, size_bytes);
}

setsuna_status sn_op_pack(sn_op_ctx *c, uint64_t key, size_t size_bytes, sn_pack_fn *fill, const void *arg,
                          const sn_const *const *source, uint32_t n_source, const void **out)
{
    SN_TRY(sn_pack_store_get(c->store, key, size_bytes, fill, arg, source, n_source, out, c->err));
    for (uint32_t k = 0; k < n_source; k++)
        for (uint32_t i = 0; source[k] && i < c->n_in; i++)
            if (c->in[i].present && c->in[i].cst == source[k])
                c->packed |= UINT64_C(1) << i;
    return SETSUNA_OK;
}

setsuna_status sn_run_output(const sn_step *s, sn_run *r, uint32_t i, setsuna_dtype dtype, const setsuna_shape *shape,
                             void **data_out)
{
    if (i >= s->n_out || s->out[i] == SN_NONE) {
        *data_out = NULL;
        return SETSUNA_OK;
    }
    return r->output(r, s->out[i], dtype, shape, data_out);
}

setsuna_status sn_run_fail(const sn_step *s, sn_run *r, setsuna_status status, const char *fmt, ...)
{
    char where[256];
    snprintf(where, sizeof where, "node '%.120s' (%.60s)", s->name, s->op);
    va_list ap;
    va_start(ap, fmt);
    sn_fail_va(r->err, status, where, fmt, ap);
    va_end(ap);
    return status;
}
