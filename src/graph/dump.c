/* The graph as text: for people, for tests, and for the before/after of each pass. */
#include "graph/graph.h"
#include <inttypes.h>

static void dump_value(const sn_graph *g, uint32_t v, FILE *out)
{
    if (v == SN_NONE) {
        fputs("-", out);
        return;
    }
    char shape[SN_SHAPE_TEXT_MAX];
    const sn_value *x = &g->value[v];
    fprintf(out, "%%%u", v);
    if (x->name[0])
        fprintf(out, " '%.*s'", 64, x->name);
    if (x->dtype)
        fprintf(out, " %s", setsuna_dtype_name(x->dtype));
    if (x->has_shape)
        fputs(sn_shape_text(&x->shape, shape, sizeof shape), out);
    if (x->cst)
        fputs(" const", out);
}

static void dump_attr(const sn_attr *a, FILE *out)
{
    char shape[SN_SHAPE_TEXT_MAX];
    fprintf(out, "%s=", a->name);
    switch (a->kind) {
    case SN_ATTR_INT: fprintf(out, "%" PRId64, a->i); break;
    case SN_ATTR_FLOAT: fprintf(out, "%g", (double)a->f); break;
    case SN_ATTR_STRING: fprintf(out, "\"%.*s\"", 64, a->s.data); break;
    case SN_ATTR_TENSOR:
        fprintf(out, "%s%s", setsuna_dtype_name(a->t->t.dtype), sn_shape_text(&a->t->t.shape, shape, sizeof shape));
        break;
    case SN_ATTR_GRAPH: fprintf(out, "graph(%zu nodes)", a->g->n_node); break;
    case SN_ATTR_INTS:
        for (size_t i = 0; i < a->n && i < 16; i++)
            fprintf(out, "%s%" PRId64, i ? "," : "[", a->ints[i]);
        fputs(a->n > 16 ? ",...]" : a->n ? "]" : "[]", out);
        break;
    case SN_ATTR_FLOATS:
        for (size_t i = 0; i < a->n && i < 16; i++)
            fprintf(out, "%s%g", i ? "," : "[", (double)a->floats[i]);
        fputs(a->n > 16 ? ",...]" : a->n ? "]" : "[]", out);
        break;
    case SN_ATTR_STRINGS: fprintf(out, "%zu strings", a->n); break;
    case SN_ATTR_OTHER: fputs("?", out); break;
    }
}

static void dump_node(const sn_graph *g, const sn_node *n, int indent, FILE *out)
{
    fprintf(out, "%*s", indent, "");
    for (uint32_t k = 0; k < n->n_out; k++) {
        if (k)
            fputs(", ", out);
        dump_value(g, n->out[k], out);
    }
    fprintf(out, " = %s%s%s", n->domain, n->domain[0] ? "." : "", n->op);
    for (uint32_t k = 0; k < n->n_attr; k++) {
        fputs(k ? " " : " {", out);
        dump_attr(&n->attr[k], out);
    }
    fputs(n->n_attr ? "} (" : " (", out);
    for (uint32_t k = 0; k < n->n_in; k++) {
        if (k)
            fputs(", ", out);
        dump_value(g, n->in[k], out);
    }
    fprintf(out, ")%s%.*s\n", n->name[0] ? "  # " : "", 64, n->name);
}

typedef struct dump_frame {
    const sn_graph *g;
    size_t node;   /* next node to print */
    uint32_t attr; /* next attribute of the node before it to descend into */
} dump_frame;

static void dump_head(const sn_graph *g, int indent, FILE *out)
{
    fprintf(out, "%*sgraph '%.*s' (", indent, "", 64, g->name);
    for (uint32_t k = 0; k < g->n_input; k++) {
        if (k)
            fputs(", ", out);
        dump_value(g, g->input[k], out);
    }
    fputs(") -> (", out);
    for (uint32_t k = 0; k < g->n_output; k++) {
        if (k)
            fputs(", ", out);
        dump_value(g, g->output[k], out);
    }
    fputs(")\n", out);
}

void sn_graph_dump(const sn_graph *g, FILE *out)
{
    dump_frame stack[SN_SUBGRAPH_DEPTH_MAX + 1] = {{.g = g}};
    int top = 0;
    dump_head(g, 0, out);
    while (top >= 0) {
        dump_frame *f = &stack[top];
        const sn_node *prev = f->node ? &f->g->node[f->node - 1] : NULL;
        if (prev && f->attr < prev->n_attr) {
            const sn_attr *a = &prev->attr[f->attr++];
            if (a->kind == SN_ATTR_GRAPH && top < SN_SUBGRAPH_DEPTH_MAX) {
                stack[++top] = (dump_frame){.g = a->g};
                dump_head(a->g, 4 * top, out);
            }
        } else if (f->node < f->g->n_node) {
            f->attr = 0;
            const sn_node *n = &f->g->node[f->node++];
            if (!n->dead)
                dump_node(f->g, n, 4 * top + 2, out);
            else
                f->attr = n->n_attr;
        } else {
            top--;
        }
    }
}
