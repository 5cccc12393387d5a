/* The memory plan of random graphs: every step finds its inputs as they were made, whatever shares bytes with them. */
#include "unit/exec/graph_rig.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DAG_NODES = 40, DAG_VALUES = 200, DAG_GRAPHS = 300, DAG_ELEMENTS_MAX = 600, DAG_CLASSES = 7, DAG_SHAPES = 3 };

/* Classes by name: DAG_HALF of a DAG_WHOLE, which with a half more is DAG_MORE. All are whole numbers of cache lines.
 */
enum { DAG_SCALAR = 3, DAG_HALF, DAG_WHOLE, DAG_MORE };

/* Values of one class have the same number of elements under one of these shapes. */
static const setsuna_shape dag_shapes[DAG_CLASSES][DAG_SHAPES] = {
    {{1, {24}}, {2, {4, 6}}, {3, {2, 3, 4}}},   {{1, {600}}, {2, {20, 30}}, {4, {2, 5, 6, 10}}},
    {{1, {7}}, {2, {1, 7}}, {2, {7, 1}}},       {{1, {1}}, {0, {0}}, {2, {1, 1}}},
    {{1, {64}}, {2, {4, 16}}, {3, {2, 2, 16}}}, {{1, {128}}, {2, {8, 16}}, {2, {2, 64}}},
    {{1, {192}}, {2, {12, 16}}, {2, {3, 64}}},
};

typedef struct dag_value {
    uint32_t v;           /* in the graph */
    int class, shape;     /* of dag_shapes */
    int32_t *data;        /* what it must hold */
    uint32_t root;        /* the value whose bytes it may share as an alias; itself otherwise */
    uint32_t first, last; /* of the root: steps of the plan */
    bool inplace;         /* the operator that makes it may write over its inputs */
    size_t where;
} dag_value;

typedef struct dag {
    graph_rig rig;
    dag_value value[DAG_VALUES];
    uint32_t n, n_input;
    uint64_t seed;
} dag;

static uint32_t dag_random(dag *d, uint32_t below)
{
    d->seed ^= d->seed >> 12;
    d->seed ^= d->seed << 25;
    d->seed ^= d->seed >> 27;
    return (uint32_t)((d->seed * 0x2545f4914f6cdd1du) >> 33) % below;
}

static size_t dag_elements(const dag_value *x)
{
    int64_t n;
    assert_true(sn_shape_numel(&dag_shapes[x->class][x->shape], &n));
    return (size_t)n;
}

static uint32_t dag_add(dag *d, uint32_t v, int class, int shape, uint32_t root)
{
    assert_true(d->n < DAG_VALUES);
    dag_value *x = &d->value[d->n];
    *x = (dag_value){.v = v, .class = class, .shape = shape, .root = root == SN_NONE ? d->n : root};
    x->data = malloc(DAG_ELEMENTS_MAX * sizeof *x->data);
    assert_non_null(x->data);
    return d->n++;
}

static uint32_t dag_alias(dag *d, uint32_t a, int shape)
{
    const dag_value *x = &d->value[a];
    const setsuna_shape *s = &dag_shapes[x->class][shape];
    uint32_t v = shape == x->shape ? rig_one(&d->rig, "Identity", x->v)
                                   : rig_two(&d->rig, "Reshape", x->v, rig_ints(&d->rig, s->dim, s->rank));
    uint32_t y = dag_add(d, v, x->class, shape, x->root);
    memcpy(d->value[y].data, x->data, dag_elements(x) * sizeof *x->data);
    return y;
}

static int32_t dag_apply(uint32_t op, int32_t a, int32_t b)
{
    switch (op) {
    case 0: return (int32_t)((uint32_t)a + (uint32_t)b);
    case 1: return (int32_t)((uint32_t)a - (uint32_t)b);
    case 2: return a > b ? a : b;
    case 3: return a < b ? a : b;
    case 4: return (int32_t)(0u - (uint32_t)a);
    default: return a < 0 ? (int32_t)(0u - (uint32_t)a) : a;
    }
}

/* a in reverse, which cannot be done in place. */
static void dag_reverse(dag *d, uint32_t a)
{
    int64_t index[DAG_ELEMENTS_MAX], n;
    if (d->value[a].shape != 0)
        a = dag_alias(d, a, 0);
    const dag_value *x = &d->value[a];
    n = (int64_t)dag_elements(x);
    for (int64_t i = 0; i < n; i++)
        index[i] = n - 1 - i;
    uint32_t y = dag_add(d, rig_two(&d->rig, "Gather", x->v, rig_ints(&d->rig, index, n)), x->class, 0, SN_NONE);
    for (int64_t i = 0; i < n; i++)
        d->value[y].data[i] = x->data[n - 1 - i];
}

/* The greatest element of a: one buffer small, the other large. */
static void dag_reduce(dag *d, uint32_t a)
{
    uint32_t v;
    sn_node *n = rig_node_many(&d->rig, "ReduceMax", &d->value[a].v, 1, &v, 1);
    assert_true(sn_node_add_int(d->rig.g, n, "keepdims", 0));
    uint32_t y = dag_add(d, v, DAG_SCALAR, 1, SN_NONE);
    d->value[y].data[0] = d->value[a].data[0];
    for (size_t i = 1; i < dag_elements(&d->value[a]); i++)
        if (d->value[a].data[i] > d->value[y].data[0])
            d->value[y].data[0] = d->value[a].data[i];
}

/* A value of the class, as a vector. There is an input of each. */
static uint32_t dag_pick(dag *d, int class)
{
    uint32_t a = dag_random(d, d->n);
    while (d->value[a].class != class)
        a = (a + 1) % d->n;
    return d->value[a].shape == 0 ? a : dag_alias(d, a, 0);
}

/* What views are for: two halves or a whole and a half one after the other, a value perhaps twice; both halves of a
 * whole, or 64 elements of it from anywhere. */
static void dag_join(dag *d)
{
    bool more = dag_random(d, 2);
    uint32_t part[2] = {dag_pick(d, more && dag_random(d, 2) ? DAG_WHOLE : DAG_HALF), 0}, v, y;
    part[1] = dag_pick(d, !more || d->value[part[0]].class == DAG_WHOLE ? DAG_HALF : DAG_WHOLE);
    size_t n = dag_elements(&d->value[part[0]]);
    sn_node *node = rig_node_many(&d->rig, "Concat", (uint32_t[]){d->value[part[0]].v, d->value[part[1]].v}, 2, &v, 1);
    assert_true(sn_node_add_int(d->rig.g, node, "axis", 0));
    y = dag_add(d, v, more ? DAG_MORE : DAG_WHOLE, 0, SN_NONE);
    memcpy(d->value[y].data, d->value[part[0]].data, n * sizeof(int32_t));
    memcpy(d->value[y].data + n, d->value[part[1]].data, dag_elements(&d->value[part[1]]) * sizeof(int32_t));
}

static void dag_part(dag *d)
{
    uint32_t a = dag_pick(d, DAG_WHOLE), v[2];
    if (dag_random(d, 2)) {
        rig_node_many(&d->rig, "Split", (uint32_t[]){d->value[a].v, rig_ints(&d->rig, (int64_t[]){64, 64}, 2)}, 2, v,
                      2);
        for (int k = 0; k < 2; k++) {
            uint32_t y = dag_add(d, v[k], DAG_HALF, 0, SN_NONE);
            memcpy(d->value[y].data, d->value[a].data + 64 * k, 64 * sizeof(int32_t));
        }
        return;
    }
    int64_t from = dag_random(d, 2) ? dag_random(d, 65) : 16 * dag_random(d, 5);
    uint32_t in[] = {d->value[a].v, rig_ints(&d->rig, &from, 1), rig_ints(&d->rig, (int64_t[]){from + 64}, 1)};
    uint32_t y = dag_add(d, rig_node(&d->rig, "Slice", in, 3), DAG_HALF, 0, SN_NONE);
    memcpy(d->value[y].data, d->value[a].data + from, 64 * sizeof(int32_t));
}

static void dag_node(dag *d)
{
    static const char *const name[] = {"Add", "Sub", "Max", "Min", "Neg", "Abs"};
    uint32_t a = dag_random(d, d->n), op = dag_random(d, 18);
    if (op >= 15) {
        dag_part(d);
        return;
    }
    if (op >= 12) {
        dag_join(d);
        return;
    }
    if (op >= 10) {
        dag_reverse(d, a);
        return;
    }
    if (op == 9) {
        dag_reduce(d, a);
        return;
    }
    if (op >= 6) {
        dag_alias(d, a, (int)dag_random(d, DAG_SHAPES));
        return;
    }
    if (op >= 4) {
        uint32_t y =
            dag_add(d, rig_one(&d->rig, name[op], d->value[a].v), d->value[a].class, d->value[a].shape, SN_NONE);
        for (size_t i = 0; i < dag_elements(&d->value[y]); i++)
            d->value[y].data[i] = dag_apply(op, d->value[a].data[i], 0);
        return;
    }
    uint32_t b = dag_random(d, d->n);
    while (d->value[b].class != d->value[a].class)
        b = (b + 1) % d->n;
    if (d->value[b].shape != d->value[a].shape)
        b = dag_alias(d, b, d->value[a].shape);
    const dag_value *x = &d->value[a];
    uint32_t y = dag_add(d, rig_two(&d->rig, name[op], x->v, d->value[b].v), x->class, x->shape, SN_NONE);
    for (size_t i = 0; i < dag_elements(x); i++)
        d->value[y].data[i] = dag_apply(op, x->data[i], d->value[b].data[i]);
}

static void dag_build(dag *d, uint64_t seed)
{
    d->seed = seed * 0x9e3779b97f4a7c15u + 1;
    d->n = 0;
    rig_open(&d->rig, 13);
    for (int class = 0; class < DAG_CLASSES; class ++) {
        uint32_t x = dag_add(d, rig_input(&d->rig, NULL, SETSUNA_I32), class, 0, SN_NONE);
        for (size_t i = 0; i < dag_elements(&d->value[x]); i++)
            d->value[x].data[i] = (int32_t)dag_random(d, 2000) - 1000;
    }
    d->n_input = d->n;
    for (int i = 0; i < DAG_NODES; i++)
        dag_node(d);
    uint32_t out[3];
    for (int i = 0; i < 3; i++)
        out[i] = d->value[d->n - 1 - dag_random(d, 12)].v;
    rig_outputs(&d->rig, out, 3);
    rig_start(&d->rig);
}

/* Plans name slots after values. */
static dag_value *dag_of_slot(dag *d, const sn_plan *p, uint32_t slot)
{
    for (uint32_t i = 0; i < d->n; i++)
        if (strcmp(d->rig.g->value[d->value[i].v].name, p->slot[slot].name) == 0)
            return &d->value[i];
    fail_msg("slot %u is '%s', which is no value of the graph", slot, p->slot[slot].name);
    return NULL;
}

static void dag_check_slot(dag *d, const sn_plan *p, uint32_t slot, const void *data, const char *when, size_t step)
{
    const dag_value *x = dag_of_slot(d, p, slot);
    if (memcmp(x->data, data, dag_elements(x) * sizeof *x->data) != 0)
        fail_msg("step %zu (%s): %s does not hold its value %s", step, p->step[step].op, p->slot[slot].name, when);
}

/* Runs the steps one by one on a workspace of exactly the planned size. */
static void dag_run_steps(dag *d, const sn_plan *p)
{
    char *arena = sn_alloc(sn_allocator_default(), p->arena_bytes + p->scratch_bytes + 1);
    void *slot[DAG_VALUES] = {0};
    setsuna_tensor desc[DAG_VALUES];
    assert_non_null(arena);
    assert_true(p->n_slot <= DAG_VALUES);
    memset(arena, 0x5a, p->arena_bytes + p->scratch_bytes);
    for (uint32_t i = 0; i < p->n_slot; i++) {
        const sn_slot *s = &p->slot[i];
        desc[i] = s->desc;
        if (s->kind == SN_SLOT_ARENA) {
            assert_int_equal(s->where % SN_ALIGN, 0);
            assert_true(s->where + s->desc.size_bytes <= p->arena_bytes);
            slot[i] = arena + s->where;
        } else if (s->kind == SN_SLOT_CONST) {
            memcpy(&slot[i], &s->data, sizeof s->data);
        } else {
            assert_int_equal(s->kind, SN_SLOT_INPUT);
            slot[i] = d->value[s->where].data;
        }
    }
    sn_run run = {.slot = slot, .desc = desc, .scratch = arena + p->arena_bytes, .err = &d->rig.err};
    for (size_t s = 0; s < p->n_step; s++) {
        const sn_step *step = &p->step[s];
        for (uint32_t k = 0; k < step->n_in; k++)
            if (step->in[k] != SN_NONE && p->slot[step->in[k]].desc.dtype == SETSUNA_I32)
                dag_check_slot(d, p, step->in[k], slot[step->in[k]], "before it is read", s);
        RIG_OK(&d->rig, step->run(step, &run));
        for (uint32_t k = 0; k < step->n_out; k++)
            if (step->out[k] != SN_NONE)
                dag_check_slot(d, p, step->out[k], slot[step->out[k]], "after it is made", s);
    }
    for (uint32_t k = 0; k < p->n_output; k++)
        dag_check_slot(d, p, p->output[k], slot[p->output[k]], "at the end", p->n_step - 1);
    sn_free(sn_allocator_default(), arena);
}

/* The bytes that both values occupy are the same in both. */
static bool dag_overlap_agrees(const dag_value *a, const dag_value *b)
{
    size_t begin = a->where > b->where ? a->where : b->where;
    size_t a_end = a->where + dag_elements(a) * 4, b_end = b->where + dag_elements(b) * 4;
    return memcmp(a->data + (begin - a->where) / 4, b->data + (begin - b->where) / 4,
                  (a_end < b_end ? a_end : b_end) - begin) == 0;
}

/* Values that are alive at one step do not overlap, but for an output over the input that dies there, and where one is
 * the other's part: then they are equal. */
static void dag_check_lifetimes(dag *d, const sn_plan *p)
{
    for (uint32_t i = 0; i < d->n; i++)
        d->value[i].first = SN_NONE, d->value[i].last = 0;
    for (size_t s = 0; s < p->n_step; s++) {
        for (uint32_t k = 0; k < p->step[s].n_in; k++)
            if (p->step[s].in[k] != SN_NONE && p->slot[p->step[s].in[k]].kind == SN_SLOT_ARENA)
                d->value[dag_of_slot(d, p, p->step[s].in[k])->root].last = (uint32_t)s;
        for (uint32_t k = 0; k < p->step[s].n_out; k++) {
            uint32_t out = p->step[s].out[k];
            if (out == SN_NONE)
                continue;
            dag_value *x = dag_of_slot(d, p, out);
            assert_int_equal(p->slot[out].kind, SN_SLOT_ARENA);
            x->first = (uint32_t)s;
            x->last = (uint32_t)s;
            x->where = p->slot[out].where;
            x->inplace = (sn_op_find("", p->step[s].op, d->rig.opset)->flags & SN_OP_INPLACE) != 0;
        }
    }
    for (uint32_t k = 0; k < p->n_output; k++)
        d->value[dag_of_slot(d, p, p->output[k])->root].last = (uint32_t)p->n_step;
    for (uint32_t i = 0; i < d->n; i++)
        for (uint32_t j = 0; j < d->n; j++) {
            const dag_value *a = &d->value[i], *b = &d->value[j];
            if (i == j || a->first == SN_NONE || b->first == SN_NONE || b->first < a->first || b->first > a->last)
                continue;
            size_t a_end = a->where + dag_elements(a) * 4, b_end = b->where + dag_elements(b) * 4;
            bool over_dying_input = b->inplace && b->first == a->last && b->where == a->where && a_end == b_end;
            if (a->where < b_end && b->where < a_end && !over_dying_input && !dag_overlap_agrees(a, b))
                fail_msg("values %u (steps %u-%u) and %u (%u-%u) overlap", i, a->first, a->last, j, b->first, b->last);
        }
}

static void test_random_graphs(void **state)
{
    (void)state;
    dag *d = calloc(1, sizeof *d);
    size_t shared = 0;
    assert_non_null(d);
    for (uint64_t seed = 1; seed <= DAG_GRAPHS; seed++) {
        dag_build(d, seed);
        setsuna_tensor in[DAG_CLASSES], out[3];
        for (uint32_t i = 0; i < d->n_input; i++)
            in[i] = (setsuna_tensor){SETSUNA_I32, dag_shapes[i][0], d->value[i].data,
                                     dag_elements(&d->value[i]) * sizeof(int32_t)};
        print_message("graph %llu\n", (unsigned long long)seed);
        RIG_OK(&d->rig, rig_run(&d->rig, in, out));
        const sn_plan *p = sn_exec_last_plan(d->rig.exec);
        assert_true(p->arena_bytes >= p->live_bytes);
        assert_null(p->rest);
        size_t apart = 0;
        for (size_t s = 0; s < p->n_step; s++)
            for (uint32_t k = 0; k < p->step[s].n_out; k++)
                if (p->step[s].out[k] != SN_NONE)
                    apart += (p->slot[p->step[s].out[k]].desc.size_bytes + SN_ALIGN - 1) / SN_ALIGN * SN_ALIGN;
        assert_true(p->arena_bytes <= apart);
        shared += p->arena_bytes < apart;
        dag_check_lifetimes(d, p);
        dag_run_steps(d, p);
        for (uint32_t k = 0; k < p->n_output; k++)
            dag_check_slot(d, p, p->output[k], out[k].data, "as an output", p->n_step - 1);
        rig_close(&d->rig);
        for (uint32_t i = 0; i < d->n; i++)
            free(d->value[i].data);
    }
    assert_true(shared > DAG_GRAPHS / 2); /* memory is shared at all */
    free(d);
}

/* x ─▶ Neg ─▶ n ─▶ Reshape ─▶ a ─▶ Abs ─▶ y;   n is read once more after Abs: neither it nor its alias may be
 * overwritten by Abs. */
static void test_inplace_spares_what_an_alias_holds(void **state)
{
    (void)state;
    graph_rig r;
    rig_open(&r, 13);
    uint32_t x = rig_input(&r, "x", SETSUNA_I32), n = rig_one(&r, "Neg", x);
    uint32_t a = rig_two(&r, "Reshape", n, rig_ints(&r, (int64_t[]){3, 2}, 2)), y = rig_one(&r, "Abs", a);
    uint32_t flat = rig_two(&r, "Reshape", y, rig_ints(&r, (int64_t[]){6}, 1)), sum = rig_two(&r, "Sub", flat, n);
    rig_outputs(&r, &sum, 1);
    rig_start(&r);
    const int32_t v[] = {1, -2, 3, -4, 5, -6};
    setsuna_tensor in = rig_tensor(SETSUNA_I32, v, 1, 6), out;
    RIG_OK(&r, rig_run(&r, &in, &out));
    for (int i = 0; i < 6; i++)
        assert_int_equal(((int32_t *)out.data)[i], abs(v[i]) + v[i]);
    rig_close(&r);
}

/* An output that aliases an input of the model, and one that aliases a constant. */
static void test_outputs_that_nothing_makes(void **state)
{
    (void)state;
    graph_rig r;
    rig_open(&r, 13);
    uint32_t x = rig_input(&r, "x", SETSUNA_F32), y[3];
    y[0] = rig_one(&r, "Identity", x);
    y[1] = rig_one(&r, "Neg", rig_const(&r, SETSUNA_F32, &(setsuna_shape){1, {2}}, (float[]){1, 2}));
    y[2] = x;
    rig_outputs(&r, y, 3);
    rig_start(&r);
    const float v[] = {5, 6, 7};
    setsuna_tensor in = rig_tensor(SETSUNA_F32, v, 1, 3), out[3];
    RIG_OK(&r, rig_run(&r, &in, out));
    rig_assert_f32(&out[0], v, 3);
    rig_assert_f32(&out[1], (float[]){-1, -2}, 2);
    rig_assert_f32(&out[2], v, 3);
    assert_int_equal(sn_exec_last_plan(r.exec)->n_step, 0);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_graphs),
        cmocka_unit_test(test_inplace_spares_what_an_alias_holds),
        cmocka_unit_test(test_outputs_that_nothing_makes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
