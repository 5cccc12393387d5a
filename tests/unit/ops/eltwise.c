/* setsuna.Eltwise: random programs over random broadcasts against one element at a time; hostile programs. */
#include "op_rig.h"
#include "unit/unit.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t noise = 11;

static float f_add(float a, float b, const float *k)
{
    (void)k;
    return a + b;
}
static float f_mul(float a, float b, const float *k)
{
    (void)k;
    return a * b;
}
static float f_sub(float a, float b, const float *k)
{
    (void)k;
    return a - b;
}
static float f_max(float a, float b, const float *k)
{
    (void)k;
    return a > b ? a : b;
}
static float f_relu(float a, float b, const float *k)
{
    (void)b, (void)k;
    return a > 0 ? a : 0;
}
static float f_leaky(float a, float b, const float *k)
{
    (void)b;
    return a < 0 ? k[0] * a : a;
}
static float f_clip(float a, float b, const float *k)
{
    (void)b;
    return a < k[0] ? k[0] : a > k[1] ? k[1] : a;
}

static const struct {
    const char *name;
    int n_in;
    float (*f)(float a, float b, const float *k);
} ops[] = {{"add", 2, f_add},   {"mul", 2, f_mul},          {"sub", 2, f_sub},  {"max", 2, f_max},
           {"relu", 1, f_relu}, {"leaky_relu", 1, f_leaky}, {"clip", 1, f_clip}};

enum { PROGRAM_MAX = 20, INPUTS = 4 };

typedef struct program {
    int n, op[PROGRAM_MAX];
    int64_t operand[2 * PROGRAM_MAX];
    float k[2 * PROGRAM_MAX];
    char text[16 * PROGRAM_MAX];
} program;

/* Input 0 is dense, so operations of one operand read it or a result that came of it. */
static void random_program(program *p)
{
    *p = (program){.n = 1 + (int)(op_rig_random(&noise) % PROGRAM_MAX)};
    for (int i = 0; i < p->n; i++) {
        p->op[i] = (int)(op_rig_random(&noise) % (sizeof ops / sizeof ops[0]));
        strcat(p->text, i ? " " : "");
        strcat(p->text, ops[p->op[i]].name);
        for (int j = 0; j < 2; j++) {
            int64_t v = (int64_t)(op_rig_random(&noise) % (uint64_t)(INPUTS + i));
            if (ops[p->op[i]].n_in == 1 && v < INPUTS)
                v = i ? INPUTS + i - 1 : 0;
            p->operand[2 * i + j] = j < ops[p->op[i]].n_in ? v : -1;
        }
        p->k[2 * i] = -0.5f;
        p->k[2 * i + 1] = 0.75f;
    }
}

static float evaluate(const program *p, const float *in)
{
    float v[INPUTS + PROGRAM_MAX];
    memcpy(v, in, INPUTS * sizeof *v);
    for (int i = 0; i < p->n; i++) {
        const int64_t *o = &p->operand[2 * i];
        v[INPUTS + i] = ops[p->op[i]].f(v[o[0]], o[1] < 0 ? 0 : v[o[1]], &p->k[2 * i]);
    }
    return v[INPUTS + p->n - 1];
}

static void open_program(op_rig *r, const char *text, const int64_t *operand, int n_operand, const float *k, int n_k)
{
    op_rig_open(r, "Eltwise", 1);
    r->node->domain = "setsuna";
    op_rig_string(r, "program", text);
    op_rig_ints(r, "operands", n_operand, operand);
    assert_true(sn_node_add_floats(r->graph, r->node, "k", k, (size_t)n_k));
}

static void test_random_programs(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        /* [a,b,c] with [c], [b,1] and [a,1,c]: a row operand, a column operand, and one that repeats in the middle. */
        int a = 1 + (int)(op_rig_random(&noise) % 5), b = 1 + (int)(op_rig_random(&noise) % 40);
        int c = round % 3 ? 1 + (int)(op_rig_random(&noise) % 40) : 900 + (int)(op_rig_random(&noise) % 1500);
        setsuna_shape shape[INPUTS] = {sn_shape(3, a, b, c), sn_shape(1, c), sn_shape(2, b, 1), sn_shape(3, a, 1, c)};
        size_t n[INPUTS] = {(size_t)(a * b * c), (size_t)c, (size_t)b, (size_t)(a * c)};
        float *x[INPUTS];
        program p;
        op_rig r;
        random_program(&p);
        open_program(&r, p.text, p.operand, 2 * p.n, p.k, 2 * p.n);
        r.n_threads = 1 + (uint32_t)(round % 3);
        for (int i = 0; i < INPUTS; i++) {
            x[i] = malloc(n[i] * sizeof(float));
            assert_non_null(x[i]);
            for (size_t k = 0; k < n[i]; k++)
                x[i][k] = (float)(int64_t)(op_rig_random(&noise) % 2001 - 1000u) * 0.002f;
            op_rig_in(&r, SETSUNA_F32, shape[i], x[i]);
        }
        assert_int_equal(op_rig_run(&r), SETSUNA_OK);
        const float *y = r.out[0].data;
        for (int i = 0; i < a * b * c; i++) {
            int ia = i / (b * c), ib = i / c % b, ic = i % c;
            float in[INPUTS] = {x[0][i], x[1][ic], x[2][ib], x[3][ia * c + ic]}, want = evaluate(&p, in);
            if (!(y[i] == want || (isnan(y[i]) && isnan(want))))
                fail_msg("%s at %d of %dx%dx%d: %g, not %g", p.text, i, a, b, c, (double)y[i], (double)want);
        }
        for (int i = 0; i < INPUTS; i++)
            free(x[i]);
        op_rig_close(&r);
    }
}

static setsuna_status try_program(const char *text, int n_operand, const int64_t *operand, int n_k,
                                  setsuna_shape second)
{
    static const float k[256], x[64];
    op_rig r;
    open_program(&r, text, operand, n_operand, k, n_k);
    op_rig_in(&r, SETSUNA_F32, sn_shape(2, 4, 3), x);
    op_rig_in(&r, SETSUNA_F32, second, x);
    setsuna_status status = op_rig_run(&r);
    op_rig_close(&r);
    return status;
}

static void test_hostile_programs(void **state)
{
    (void)state;
    setsuna_shape same = sn_shape(2, 4, 3), row = sn_shape(1, 3);
    int64_t far[] = {0, 2}, self[] = {2, 1}, negative[] = {-1, 0}, spare[] = {0, 1}, unary[] = {1, -1}, many[130] = {0};
    assert_int_equal(try_program("add", 2, spare, 2, same), SETSUNA_OK);
    assert_int_equal(try_program("", 0, spare, 0, same), SETSUNA_EMODEL);
    assert_int_equal(try_program("add", 2, far, 2, same), SETSUNA_EMODEL);
    assert_int_equal(try_program("add", 2, self, 2, same), SETSUNA_EMODEL);
    assert_int_equal(try_program("add", 2, negative, 2, same), SETSUNA_EMODEL);
    assert_int_equal(try_program("relu", 2, spare, 2, same), SETSUNA_EMODEL);
    assert_int_equal(try_program("add", 1, spare, 2, same), SETSUNA_EMODEL);
    assert_int_equal(try_program("add", 2, spare, 1, same), SETSUNA_EMODEL);
    assert_int_equal(try_program("add add", 2, spare, 2, same), SETSUNA_EMODEL);
    assert_int_equal(try_program("equal", 2, spare, 2, same), SETSUNA_EMODEL); /* makes bool */
    assert_int_equal(try_program("pow_f64", 2, spare, 2, same), SETSUNA_EMODEL);
    assert_int_equal(try_program("mod", 2, spare, 2, same), SETSUNA_EUNSUPPORTED);
    assert_int_equal(try_program("nothing", 2, spare, 2, same), SETSUNA_EMODEL);
    assert_int_equal(try_program("relu", 2, unary, 2, same), SETSUNA_OK);
    assert_int_equal(try_program("relu", 2, unary, 2, row), SETSUNA_EUNSUPPORTED); /* not dense */
    char text[512] = "add";
    for (int i = 1; i < 65; i++)
        strcat(text, " add");
    assert_int_equal(try_program(text, 130, many, 130, same), SETSUNA_ELIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_programs),
        cmocka_unit_test(test_hostile_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
