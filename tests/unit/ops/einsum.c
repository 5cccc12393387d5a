/* Einsum against one loop over every combination of labels. */
#include "op_rig.h"
#include "unit/unit.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t einsum_seed = 13;

static int64_t random_between(int64_t lo, int64_t hi)
{
    return lo + (int64_t)(op_rig_random(&einsum_seed) % (uint64_t)(hi - lo + 1));
}

/* Equations without ellipsis; extents by letter. The sum over all labels of the product, in double. */
typedef struct plain_einsum {
    const char *term[8], *out;
    size_t len[8], out_len;
    int n_in;
    int64_t extent[128];
    char label[32];
    int n_label;
} plain_einsum;

static plain_einsum plain_parse(const char *equation, const setsuna_tensor *in)
{
    plain_einsum e = {.n_in = 0};
    for (const char *p = equation;; p++) {
        e.term[e.n_in] = p;
        e.len[e.n_in] = strcspn(p, ",-");
        p += e.len[e.n_in];
        e.n_in++;
        if (*p == '-') {
            e.out = p + 2;
            break;
        }
    }
    e.out_len = strlen(e.out);
    for (int k = 0; k < e.n_in; k++)
        for (size_t i = 0; i < e.len[k]; i++) {
            char c = e.term[k][i];
            bool is_new = !memchr(e.label, c, (size_t)e.n_label);
            if (is_new)
                e.label[e.n_label++] = c;
            if (is_new || e.extent[(int)c] == 1)
                e.extent[(int)c] = in[k].shape.dim[i];
        }
    return e;
}

static int64_t plain_offset(const plain_einsum *e, const char *term, size_t len, const int64_t *value,
                            const setsuna_shape *s)
{
    int64_t at = 0;
    for (size_t i = 0; i < len; i++)
        at = at * s->dim[i] + (s->dim[i] == 1 ? 0 : value[(int)term[i]]);
    (void)e;
    return at;
}

/* want and size (sum of absolute products), by output element. */
static void plain_run(const plain_einsum *e, const setsuna_tensor *in, const setsuna_shape *out, double *want,
                      double *size)
{
    int64_t value[128] = {0};
    for (int i = 0; i < e->n_label; i++)
        if (e->extent[(int)e->label[i]] == 0)
            return;
    for (bool more = true; more;) {
        double p = 1;
        for (int k = 0; k < e->n_in; k++)
            p *= op_rig_get(&in[k], plain_offset(e, e->term[k], e->len[k], value, &in[k].shape));
        int64_t at = plain_offset(e, e->out, e->out_len, value, out);
        want[at] += p;
        size[at] += fabs(p);
        more = false;
        for (int i = e->n_label - 1; i >= 0 && !more; i--) {
            int64_t *v = &value[(int)e->label[i]];
            more = ++*v < e->extent[(int)e->label[i]];
            *v = more ? *v : 0;
        }
    }
}

static void check_einsum(const char *equation, int n_in, const setsuna_shape *x, setsuna_dtype dtype,
                         sn_cpu_level level, uint32_t threads)
{
    op_rig r;
    op_rig_open(&r, "Einsum", 12);
    r.cpu = level;
    r.n_threads = threads;
    for (int k = 0; k < n_in; k++) {
        int64_t n;
        assert_true(sn_shape_numel(&x[k], &n));
        void *data = malloc((size_t)n * 8 + 1);
        assert_non_null(data);
        for (int64_t i = 0; i < n; i++) {
            int64_t v = random_between(-9, 9);
            if (dtype == SETSUNA_F32)
                ((float *)data)[i] = (float)v / 7;
            else if (dtype == SETSUNA_F64)
                ((double *)data)[i] = (double)v / 7;
            else if (dtype == SETSUNA_I32)
                ((int32_t *)data)[i] = (int32_t)v;
            else
                ((int64_t *)data)[i] = v;
        }
        op_rig_in(&r, dtype, x[k], data);
        free(data);
    }
    op_rig_string(&r, "equation", equation);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    plain_einsum e = plain_parse(equation, r.in);
    int64_t n_out;
    assert_true(sn_shape_numel(&r.out[0].shape, &n_out));
    double *want = calloc((size_t)n_out + 1, sizeof *want), *size = calloc((size_t)n_out + 1, sizeof *size);
    assert_true(want && size);
    plain_run(&e, r.in, &r.out[0].shape, want, size);
    double terms = 4;
    for (int i = 0; i < e.n_label; i++)
        terms += (double)e.extent[(int)e.label[i]];
    for (int64_t i = 0; i < n_out; i++) {
        /* Each product is rounded once an operand, each sum as its label is long: a bound for all of it together. */
        double u = dtype == SETSUNA_F32 ? 0x1p-24 : dtype == SETSUNA_F64 ? 0x1p-53 : 0;
        double slack = 4 * terms * u * size[i], got = op_rig_get(&r.out[0], i);
        if (!(fabs(got - want[i]) <= slack))
            fail_msg("%s, level %d, element %lld: %.9g, not %.9g +- %.3g", equation, (int)level, (long long)i, got,
                     want[i], slack);
    }
    free(want);
    free(size);
    op_rig_close(&r);
}

static const char *const equations[] = {
    "ij->ji",          "ij->i",           "ij->j",           "ij->",      "ii->i",     "ii->",      "iji->j",
    "ijk->kij",        "ij,jk->ik",       "ij,jk->ki",       "ij,kj->ik", "ji,jk->ik", "ji,kj->ki", "bij,bjk->bik",
    "bij,bkj->bik",    "bhid,bhjd->bhij", "bhij,bhjd->bihd", "i,j->ij",   "i,j->ji",   "i,i->i",    "i,i->",
    "ij,ij->ij",       "ij,ij->i",        "ij,ji->",         "ijk,j->ik", "ij,k->i",   "ij,kl->jl", "i,ij,j->",
    "ij,jk,kl->il",    "ab,cd,ef->",      "abc,bd,cde->ae",  "ij,j->i",   "i,ij->j",   "ijj,j->ij", ",ij->ij",
    "bcxd,bcyd->bcxy", "bhwc,hkc->bhwk",  "abcd,dcba->ac",
};

/* Every equation with random extents; 1 broadcasts and 0 sums to nothing. */
static void test_equations(void **state)
{
    (void)state;
    static const setsuna_dtype types[] = {SETSUNA_F32, SETSUNA_F32, SETSUNA_F64, SETSUNA_I32, SETSUNA_I64};
    for (size_t q = 0; q < sizeof equations / sizeof equations[0]; q++)
        for (int round = 0; round < 12; round++) {
            int64_t extent[128];
            setsuna_shape x[8] = {0};
            int n_in = 1;
            for (int c = 0; c < 128; c++)
                extent[c] = random_between(0, 20) ? random_between(1, 6) : 0;
            for (const char *p = equations[q]; *p != '-'; p++) {
                if (*p == ',')
                    n_in++;
                else
                    x[n_in - 1].dim[x[n_in - 1].rank++] = random_between(0, 9) ? extent[(int)*p] : 1;
            }
            for (int level = 0; level <= (int)sn_cpu_detect(); level++)
                check_einsum(equations[q], n_in, x, types[round % 5], (sn_cpu_level)level, round == 0 ? 3 : 1);
        }
}

static void test_large(void **state)
{
    (void)state;
    setsuna_shape x[2] = {sn_shape(4, 1, 2, 40, 32), sn_shape(4, 1, 2, 50, 32)};
    check_einsum("bhid,bhjd->bhij", 2, x, SETSUNA_F32, sn_cpu_detect(), 3);
    setsuna_shape y[2] = {sn_shape(2, 70, 33), sn_shape(2, 33, 90)};
    check_einsum("ij,jk->ki", 2, y, SETSUNA_F32, sn_cpu_detect(), 3);
    check_einsum("ij,jk->ik", 2, y, SETSUNA_F64, sn_cpu_detect(), 3);
}

/* Output shape as text, or the status. */
static const char *einsum_text(const char *equation, int n_in, setsuna_shape a, setsuna_shape b)
{
    static char text[SN_SHAPE_TEXT_MAX];
    op_rig r;
    op_rig_open(&r, "Einsum", 12);
    op_rig_in(&r, SETSUNA_F32, a, NULL);
    if (n_in > 1)
        op_rig_in(&r, SETSUNA_F32, b, NULL);
    op_rig_string(&r, "equation", equation);
    int answer = op_rig_infer(&r);
    if (answer < 0)
        snprintf(text, sizeof text, "%s", setsuna_status_name((setsuna_status)answer));
    else
        sn_shape_text(&r.ctx->out[0].shape, text, sizeof text);
    op_rig_close(&r);
    return text;
}

static void test_shapes(void **state)
{
    (void)state;
    setsuna_shape none = {.rank = 0};
    assert_string_equal(einsum_text("ij,jk", 2, sn_shape(2, 2, 3), sn_shape(2, 3, 4)), "[2,4]");
    assert_string_equal(einsum_text("ba", 1, sn_shape(2, 2, 3), none), "[3,2]"); /* alphabetical */
    assert_string_equal(einsum_text("aB", 1, sn_shape(2, 2, 3), none), "[3,2]"); /* capitals first */
    assert_string_equal(einsum_text("ii", 1, sn_shape(2, 3, 3), none), "[]");
    assert_string_equal(einsum_text(" i j , j k -> i k ", 2, sn_shape(2, 2, 3), sn_shape(2, 3, 4)), "[2,4]");
    assert_string_equal(einsum_text("...ij,...jk->...ik", 2, sn_shape(4, 5, 6, 2, 3), sn_shape(3, 6, 3, 4)),
                        "[5,6,2,4]");
    assert_string_equal(einsum_text("...ij,...jk", 2, sn_shape(4, 5, 1, 2, 3), sn_shape(3, 6, 3, 4)), "[5,6,2,4]");
    assert_string_equal(einsum_text("i...->...i", 1, sn_shape(3, 2, 3, 4), none), "[3,4,2]");
    assert_string_equal(einsum_text("...ii->...i", 1, sn_shape(3, 5, 3, 3), none), "[5,3]");
    assert_string_equal(einsum_text("i...->i", 1, sn_shape(3, 2, 3, 4), none), "[2]"); /* what is left out is summed */
    assert_string_equal(einsum_text("", 1, none, none), "[]");
    static const char *const bad[] = {"ij->k",   "ij->ii", "i.j->i", "..ij->i", "ij->i->j",   "i1->i",
                                      "ij,->ij", "->",     "ij-",    "ij>",     "...i...->i", "ij->i,j"};
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++)
        assert_string_equal(einsum_text(bad[k], 1, sn_shape(2, 2, 3), none),
                            strcmp(bad[k], "->") == 0 ? "ESHAPE" : "EMODEL");
    assert_string_equal(einsum_text("ii->i", 1, sn_shape(2, 2, 3), none), "ESHAPE");
    assert_string_equal(einsum_text("i->i", 1, sn_shape(2, 2, 3), none), "ESHAPE");
    assert_string_equal(einsum_text("ijk->i", 1, sn_shape(2, 2, 3), none), "ESHAPE");
    assert_string_equal(einsum_text("...ijk->i", 1, sn_shape(2, 2, 3), none), "ESHAPE");
    assert_string_equal(einsum_text("ij,jk->ik", 2, sn_shape(2, 2, 3), sn_shape(2, 4, 4)), "ESHAPE");
    assert_string_equal(
        einsum_text("abcde,fghij->abcdefghij", 2, sn_shape(5, 1, 1, 1, 1, 1), sn_shape(5, 1, 1, 1, 1, 1)),
        "EMODEL"); /* more letters than a tensor has axes */
    assert_string_equal(einsum_text("abcde,fghij", 2, sn_shape(5, 1, 1, 1, 1, 1), sn_shape(5, 1, 1, 1, 1, 1)),
                        "ELIMIT");
}

static void test_ellipsis_values(void **state)
{
    (void)state;
    static const float want[] = {19, 22, 43, 50, 5 * 1 + 7 * 2, 6 + 16, 15 + 28, 18 + 32};
    op_rig r;
    op_rig_open(&r, "Einsum", 12); /* the second operand is broadcast over the batch */
    op_rig_in(&r, SETSUNA_F32, sn_shape(3, 2, 2, 2), (float[]){1, 2, 3, 4, 1, 2, 3, 4});
    op_rig_in(&r, SETSUNA_F32, sn_shape(2, 2, 2), (float[]){5, 6, 7, 8});
    op_rig_string(&r, "equation", "...ij,...jk");
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_memory_equal(r.out[0].data, want, sizeof want);
    op_rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equations),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_ellipsis_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
