/* odd_values MODEL [NAME=DIMS | NAME=VALUE.0 ...]: real models on inputs that no sensor gives, at every level of
 * kernels this machine has. Ordinary and extreme finite values must give finite outputs; NaN and infinities may give
 * anything but a crash, and must leave nothing behind: the run after them gives the bits of the run before.
 */
#include "cli/model_inputs.h"
#include "e2e/test_input.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ODD_OUTPUTS_MAX = 64 };

typedef struct odd_case {
    const char *name;
    float every; /* all elements */
    float some;  /* every 7th element, where they differ */
    bool finite; /* the outputs must be */
} odd_case;

static const odd_case odd_cases[] = {
    {"zeros", 0.0f, 0.0f, true},
    {"minus zeros and denormals", -0.0f, 1e-42f, true},
    {"ones", 1.0f, -1.0f, true},
    {"large values", 255.0f, -255.0f, true},
    {"one NaN in seven", 0.5f, NAN, false},
    {"all NaN", NAN, NAN, false},
    {"infinities", INFINITY, -INFINITY, false},
    {"the largest float", 3.4e38f, -3.4e38f, false},
};

static void odd_fill(const sn_cli_inputs *in, const odd_case *c)
{
    for (uint32_t i = 0; i < in->n_tensor; i++) {
        const setsuna_tensor *t = &in->tensor[i];
        if (t->dtype != SETSUNA_F32)
            continue;
        float *x = t->data;
        for (size_t k = 0; k < t->size_bytes / sizeof *x; k++)
            x[k] = k % 7 == 3 ? c->some : c->every;
    }
}

/* FNV-1a over all outputs' bytes; *finite_out is false when a float is not. */
static uint64_t odd_digest(const setsuna_tensor *out, uint32_t n, bool *finite_out)
{
    uint64_t h = 0xcbf29ce484222325u;
    *finite_out = true;
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *bytes = out[i].data;
        for (size_t k = 0; k < out[i].size_bytes; k++)
            h = (h ^ bytes[k]) * 0x100000001b3u;
        for (size_t k = 0; out[i].dtype == SETSUNA_F32 && k < out[i].size_bytes / sizeof(float); k++)
            *finite_out &= isfinite(((const float *)out[i].data)[k]) != 0;
    }
    return h;
}

static int odd_level(const char *path, const sn_cli_inputs *in, sn_cpu_level level)
{
    sn_model_options o = {.cpu_level = (int)level, .n_threads = 1};
    sn_model *model = NULL;
    sn_session *session = NULL;
    setsuna_error err = {0};
    setsuna_tensor out[ODD_OUTPUTS_MAX];
    uint64_t first = 0;
    int bad = 0;
    bool finite;
    if (sn_model_open(path, &o, &model, &err) != SETSUNA_OK || sn_model_outputs(model) > ODD_OUTPUTS_MAX ||
        sn_session_create(model, &session, &err) != SETSUNA_OK) {
        printf("FAILED: %s: %s\n", err.where, err.text);
        sn_model_close(model);
        return 1;
    }
    const size_t n_case = sizeof odd_cases / sizeof odd_cases[0];
    for (size_t i = 0; i <= n_case; i++) {
        const odd_case *c = &odd_cases[i % n_case]; /* the first one again at the end */
        odd_fill(in, c);
        setsuna_status status = sn_session_run(session, in->tensor, out, &err);
        uint64_t digest = status == SETSUNA_OK ? odd_digest(out, sn_model_outputs(model), &finite) : 0;
        if (i == 0)
            first = digest;
        const char *wrong = status != SETSUNA_OK             ? err.text
                            : c->finite && !finite           ? "outputs are not finite"
                            : i == n_case && digest != first ? "not the bits of the first run"
                                                             : NULL;
        if (wrong) {
            printf("FAILED: %s: %s: %s\n", sn_cpu_level_name(level), c->name, wrong);
            bad = 1;
        }
    }
    sn_session_destroy(session);
    sn_model_close(model);
    return bad;
}

int main(int argc, char **argv)
{
    static sn_cli_inputs in;
    setsuna_error err = {0};
    sn_model *model;
    int bad = 0;
    if (argc < 2)
        return 2;
    if (access(argv[1], R_OK) != 0) {
        printf("skipped: %s is not there (models/fetch gets it)\n", argv[1]);
        return 77;
    }
    for (int i = 2; i < argc; i++)
        sn_cli_inputs_add(&in, argv[i], test_input_kind(argv[i]));
    if (sn_model_open(argv[1], NULL, &model, &err) || sn_cli_inputs_make(&in, model, true, &err)) {
        printf("FAILED: %s: %s\n", err.where, err.text);
        return 1;
    }
    sn_model_close(model);
    for (sn_cpu_level level = SN_CPU_REF; level <= sn_cpu_detect(); level++)
        bad |= odd_level(argv[1], &in, level);
    sn_cli_inputs_fini(&in);
    return bad;
}
