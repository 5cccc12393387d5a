/* engines MODEL [NAME=DIMS | NAME=FILE.npy | NAME=VALUE.0 ...]: the native engine at every CPU level, and on two
 * threads, agrees with ONNX Runtime on the same input.
 *
 * The bound comes from the model itself. A network of L steps, each summing up to K products in f32, rounds like an
 * exact network whose input is off by about eta = sqrt(L K) u, u = 2^-24 (rounding errors are taken as independent).
 * ONNX Runtime is therefore run on inputs off by eta (random signs, several draws); the largest change of each output
 * is how far two correct engines may lie apart. Two engines round, so the bound is 4 times that, plus a few units in
 * the last place of the output's largest value for what is rounded at the very end.
 */
#include "cli/model_inputs.h"
#include "e2e/test_input.h"
#include "base/status.h"
#include "engine/native.h"
#include "graph/tensor.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ENGINES_OUTPUTS_MAX = 64, ENGINES_DRAWS = 3, ENGINES_K = 1024 };

static setsuna_error error;

static void engines_die(const char *what)
{
    printf("FAILED: %s: %s: %s\n", what, error.where, error.text);
    exit(1);
}

typedef struct engine {
    sn_model *model;
    sn_session *session;
    setsuna_tensor out[ENGINES_OUTPUTS_MAX];
} engine;

static bool engine_open(engine *e, const char *path, const char *name, int level, uint32_t threads)
{
    sn_model_options o = {.engine = name, .cpu_level = level, .n_threads = threads};
    if (sn_model_open(path, &o, &e->model, &error) != SETSUNA_OK)
        return false;
    return sn_session_create(e->model, &e->session, &error) == SETSUNA_OK;
}

static void engine_close(engine *e)
{
    sn_session_destroy(e->session);
    sn_model_close(e->model);
}

static size_t tensor_count(const setsuna_tensor *t)
{
    return t->size_bytes / setsuna_dtype_size(t->dtype);
}

/* A copy of the inputs whose floats are off by a share of eta each. */
static setsuna_tensor *perturbed(const sn_cli_inputs *in, double eta, unsigned seed)
{
    setsuna_tensor *copy = calloc(in->n_tensor, sizeof *copy);
    srand(seed);
    for (uint32_t i = 0; i < in->n_tensor; i++) {
        copy[i] = in->tensor[i];
        copy[i].data = malloc(copy[i].size_bytes + 1);
        memcpy(copy[i].data, in->tensor[i].data, copy[i].size_bytes);
        float *x = copy[i].data;
        for (size_t k = 0; copy[i].dtype == SETSUNA_F32 && k < tensor_count(&copy[i]); k++)
            x[k] += (float)eta * x[k] * (rand() & 1 ? 1.0f : -1.0f);
    }
    return copy;
}

static void tensors_free(setsuna_tensor *t, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        free(t[i].data);
    free(t);
}

typedef struct expectation {
    uint32_t n;
    setsuna_tensor want[ENGINES_OUTPUTS_MAX]; /* data owned */
    double bound[ENGINES_OUTPUTS_MAX];
} expectation;

static void expect(const char *path, const sn_cli_inputs *in, double eta, expectation *x)
{
    engine ort = {0};
    if (!engine_open(&ort, path, "onnxruntime", -1, 1)) {
        printf("skipped: %s\n", error.text);
        exit(77);
    }
    if (sn_session_run(ort.session, in->tensor, ort.out, &error) != SETSUNA_OK)
        engines_die("ONNX Runtime");
    x->n = sn_model_outputs(ort.model);
    for (uint32_t i = 0; i < x->n; i++) {
        x->want[i] = ort.out[i];
        x->want[i].data = malloc(ort.out[i].size_bytes + 1);
        memcpy(x->want[i].data, ort.out[i].data, ort.out[i].size_bytes);
    }
    for (unsigned d = 0; d < ENGINES_DRAWS; d++) {
        setsuna_tensor *off = perturbed(in, eta, d + 1);
        if (sn_session_run(ort.session, off, ort.out, &error) != SETSUNA_OK)
            engines_die("ONNX Runtime");
        for (uint32_t i = 0; i < x->n; i++)
            for (size_t k = 0; k < tensor_count(&x->want[i]) && sn_shape_equal(&x->want[i].shape, &ort.out[i].shape);
                 k++)
                x->bound[i] = fmax(x->bound[i], fabs(sn_tensor_get_f64(&ort.out[i], (int64_t)k) -
                                                     sn_tensor_get_f64(&x->want[i], (int64_t)k)));
        tensors_free(off, in->n_tensor);
    }
    for (uint32_t i = 0; i < x->n; i++) {
        double top = 0;
        for (size_t k = 0; k < tensor_count(&x->want[i]); k++)
            top = fmax(top, fabs(sn_tensor_get_f64(&x->want[i], (int64_t)k)));
        x->bound[i] = 4 * x->bound[i] + 8 * 0x1p-24 * top;
    }
    engine_close(&ort);
}

/* Returns the number of outputs that lie outside the bound. */
static int compare(const char *path, const sn_cli_inputs *in, const expectation *x, int level, uint32_t threads)
{
    engine e = {0};
    int bad = 0;
    if (!engine_open(&e, path, "native", level, threads) ||
        sn_session_run(e.session, in->tensor, e.out, &error) != SETSUNA_OK)
        engines_die("native");
    for (uint32_t i = 0; i < x->n; i++) {
        const setsuna_tensor *w = &x->want[i], *g = &e.out[i];
        double worst = 0;
        if (g->dtype != w->dtype || !sn_shape_equal(&g->shape, &w->shape)) {
            printf("FAILED: %s: output %u has another type or shape\n", sn_cpu_level_name((sn_cpu_level)level), i);
            bad++;
            continue;
        }
        for (size_t k = 0; k < tensor_count(w); k++) {
            double d = fabs(sn_tensor_get_f64(g, (int64_t)k) - sn_tensor_get_f64(w, (int64_t)k));
            worst = isnan(d) ? HUGE_VAL : fmax(worst, d);
        }
        printf("%-11s %u thread%s  output %-2u  max error %.3g, bound %.3g%s\n", sn_cpu_level_name((sn_cpu_level)level),
               threads, threads == 1 ? " " : "s", i, worst, x->bound[i], worst > x->bound[i] ? "  FAILED" : "");
        bad += worst > x->bound[i];
    }
    engine_close(&e);
    return bad;
}

/* Steps of the plan, for L. */
static double plan_steps(const char *path, sn_cli_inputs *in)
{
    engine e = {0};
    if (!engine_open(&e, path, "native", -1, 1) || sn_cli_inputs_make(in, e.model, true, &error) != SETSUNA_OK ||
        sn_session_prepare(e.session, in->tensor, &error) != SETSUNA_OK)
        engines_die("native");
    size_t n = sn_exec_last_plan(sn_native_exec(e.session))->n_step;
    engine_close(&e);
    return n ? (double)n : 1;
}

int main(int argc, char **argv)
{
    static sn_cli_inputs in;
    static expectation x;
    if (argc < 2)
        return 2;
    if (access(argv[1], R_OK) != 0) {
        printf("skipped: %s is not there (scripts/deps fetches it)\n", argv[1]);
        return 77;
    }
    for (int i = 2; i < argc; i++)
        sn_cli_inputs_add(&in, argv[i], test_input_kind(argv[i]));
    double steps = plan_steps(argv[1], &in);
    expect(argv[1], &in, sqrt(steps * ENGINES_K) * 0x1p-24, &x);
    int bad = 0;
    for (int level = 0; level <= (int)sn_cpu_detect(); level++)
        bad += compare(argv[1], &in, &x, level, 1);
    bad += compare(argv[1], &in, &x, (int)sn_cpu_detect(), 2);
    for (uint32_t i = 0; i < x.n; i++)
        free(x.want[i].data);
    sn_cli_inputs_fini(&in);
    return bad != 0;
}
