#include "ops/einsum_equation.h"
#include <string.h>

enum { EINSUM_ELLIPSIS = 0xff };

/* A term as written: letters, and at most one ellipsis. */
typedef struct einsum_text {
    int32_t n;
    uint8_t item[SETSUNA_RANK_MAX + 1];
    bool has_ellipsis;
} einsum_text;

/* Letter to label, or -1. */
static int einsum_label(char ch)
{
    return ch >= 'A' && ch <= 'Z' ? ch - 'A' : ch >= 'a' && ch <= 'z' ? ch - 'a' + 26 : -1;
}

static setsuna_status einsum_syntax(sn_op_ctx *c, size_t at)
{
    return sn_op_fail(c, SETSUNA_EMODEL, "the equation is wrong at character %zu", at);
}

/* Splits the text into terms; *n_out counts those before "->", and text[*n_out] is the one behind it. */
static setsuna_status einsum_split(sn_op_ctx *c, sn_text eq, einsum_text text[SN_OP_IN_MAX + 1], uint32_t *n_out,
                                   bool *explicit_out)
{
    uint32_t k = 0;
    bool arrow = false;
    for (size_t i = 0; i < eq.len; i++) {
        einsum_text *t = &text[k];
        char ch = eq.data[i];
        int label = einsum_label(ch);
        if (ch == ' ')
            continue;
        if (ch == ',' && !arrow) {
            if (++k >= SN_OP_IN_MAX)
                return sn_op_fail(c, SETSUNA_ELIMIT, "the equation has more than %d terms", SN_OP_IN_MAX);
        } else if (ch == '-' && !arrow && i + 1 < eq.len && eq.data[i + 1] == '>') {
            arrow = true;
            i++;
            k++;
        } else if (ch == '.' && !t->has_ellipsis && i + 2 < eq.len && eq.data[i + 1] == '.' && eq.data[i + 2] == '.') {
            t->has_ellipsis = true;
            t->item[t->n++] = EINSUM_ELLIPSIS;
            i += 2;
        } else if (label >= 0 && t->n < SETSUNA_RANK_MAX + t->has_ellipsis) {
            t->item[t->n++] = (uint8_t)label;
        } else {
            return einsum_syntax(c, i);
        }
    }
    *n_out = k + (arrow ? 0 : 1);
    *explicit_out = arrow;
    return SETSUNA_OK;
}

/* Letters and ellipsis of one term to one label an axis. n_dots: axes behind this term's ellipsis. */
static setsuna_status einsum_expand(sn_op_ctx *c, const einsum_text *t, int32_t n_dots, sn_einsum_term *out)
{
    int32_t rank = t->n - t->has_ellipsis + n_dots;
    if (rank > SETSUNA_RANK_MAX)
        return sn_op_fail(c, SETSUNA_ELIMIT, "a term has %d axes, at most %d are supported", rank, SETSUNA_RANK_MAX);
    out->rank = 0;
    for (int32_t i = 0; i < t->n; i++) {
        if (t->item[i] != EINSUM_ELLIPSIS) {
            out->label[out->rank++] = t->item[i];
            continue;
        }
        for (int32_t d = 0; d < n_dots; d++)
            out->label[out->rank++] = (uint8_t)(SN_EINSUM_LABELS - n_dots + d);
    }
    return SETSUNA_OK;
}

static setsuna_status einsum_operands(sn_op_ctx *c, const einsum_text *text, sn_einsum_equation *e, int32_t *n_dots)
{
    *n_dots = 0;
    for (uint32_t k = 0; k < c->n_in; k++) {
        const setsuna_shape *x = &c->in[k].shape;
        int32_t dots = x->rank - (text[k].n - text[k].has_ellipsis);
        if (dots < 0 || (dots > 0 && !text[k].has_ellipsis))
            return sn_op_fail(c, SETSUNA_ESHAPE, "input %u has rank %d, its term names %d axes", k, x->rank,
                              text[k].n - text[k].has_ellipsis);
        if (dots > *n_dots)
            *n_dots = dots;
        SN_TRY(einsum_expand(c, &text[k], dots, &e->in[k]));
        for (int32_t i = 0; i < x->rank; i++) {
            int64_t *extent = &e->extent[e->in[k].label[i]];
            if (*extent != -1 && *extent != 1 && x->dim[i] != 1 && x->dim[i] != *extent)
                return sn_op_fail(c, SETSUNA_ESHAPE, "axis %d of input %u has the extent %lld, its label has %lld", i,
                                  k, (long long)x->dim[i], (long long)*extent);
            if (*extent == -1 || *extent == 1)
                *extent = x->dim[i];
        }
    }
    return SETSUNA_OK;
}

/* The ellipsis, then every letter that occurs exactly once, in alphabetical order. */
static setsuna_status einsum_implicit(sn_op_ctx *c, const sn_einsum_equation *e, int32_t n_dots, sn_einsum_term *out)
{
    uint32_t count[SN_EINSUM_LABELS] = {0};
    out->rank = 0;
    for (uint32_t k = 0; k < c->n_in; k++)
        for (int32_t i = 0; i < e->in[k].rank; i++)
            count[e->in[k].label[i]]++;
    for (int32_t d = 0; d < n_dots; d++)
        out->label[out->rank++] = (uint8_t)(SN_EINSUM_LABELS - n_dots + d);
    for (int label = 0; label < SN_EINSUM_LETTERS; label++) {
        if (count[label] != 1)
            continue;
        if (out->rank == SETSUNA_RANK_MAX)
            return sn_op_fail(c, SETSUNA_ELIMIT, "the output has more than %d axes", SETSUNA_RANK_MAX);
        out->label[out->rank++] = (uint8_t)label;
    }
    return SETSUNA_OK;
}

setsuna_status sn_einsum_equation_parse(sn_op_ctx *c, sn_einsum_equation *e)
{
    const sn_attr *eq = sn_node_attr(c->node, "equation");
    einsum_text text[SN_OP_IN_MAX + 1] = {0};
    uint32_t n = 0;
    bool is_explicit = false;
    int32_t n_dots;
    uint64_t seen = 0;
    if (!eq)
        return sn_op_fail(c, SETSUNA_EMODEL, "the attribute equation is missing");
    SN_TRY(einsum_split(c, eq->s, text, &n, &is_explicit));
    if (n != c->n_in)
        return sn_op_fail(c, SETSUNA_EMODEL, "the equation has %u terms for %u inputs", n, c->n_in);
    for (int label = 0; label < SN_EINSUM_LABELS; label++)
        e->extent[label] = -1;
    SN_TRY(einsum_operands(c, text, e, &n_dots));
    if (!is_explicit)
        return einsum_implicit(c, e, n_dots, &e->out);
    SN_TRY(einsum_expand(c, &text[n], text[n].has_ellipsis ? n_dots : 0, &e->out));
    for (int32_t i = 0; i < e->out.rank; i++) {
        if (seen >> e->out.label[i] & 1u || e->extent[e->out.label[i]] < 0)
            return sn_op_fail(c, SETSUNA_EMODEL, "axis %d of the output is named twice or in no input", i);
        seen |= UINT64_C(1) << e->out.label[i];
    }
    return SETSUNA_OK;
}
