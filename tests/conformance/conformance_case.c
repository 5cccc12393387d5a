#include "base/file.h"
#include "base/half.h"
#include "conformance/conformance.h"
#include "graph/tensor.h"
#include "import/onnx/onnx.h"
#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What ONNX's own runner allows (onnx/backend/test/loader, defaults). */
static const double case_rtol = 1e-3, case_atol = 1e-7;
/* The published bf16 values are cut off, not rounded: one unit in the last place of 8 bits. */
static const double case_rtol_bf16 = 0x1p-7;

enum { CASE_TENSORS_MAX = 64, CASE_SETS_MAX = 64 };

/* Tensors read from one data set, and the files' bytes that they may lie in. */
typedef struct case_tensors {
    sn_arena *arena;
    sn_bytes bytes[CASE_TENSORS_MAX];
    setsuna_tensor t[CASE_TENSORS_MAX];
    uint32_t n;
} case_tensors;

static bool case_fail(conformance_case *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool case_fail(conformance_case *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(c->reason, sizeof c->reason, fmt, ap);
    va_end(ap);
    for (char *p = c->reason; *p; p++)
        if (*p == '\n')
            *p = ' ';
    return false;
}

static bool case_fail_error(conformance_case *c, const char *what, setsuna_status status, const setsuna_error *err)
{
    return case_fail(c, "%s: %s %s%s%s", what, setsuna_status_name(status), err->where, err->where[0] ? ": " : "",
                     err->text);
}

/* input_0.pb, input_1.pb, ... until one is missing. */
static bool case_read_tensors(conformance_case *c, const char *dir, const char *kind, case_tensors *out)
{
    out->arena = sn_arena_create(sn_allocator_default());
    for (uint32_t i = 0; i < CASE_TENSORS_MAX; i++) {
        char path[CASE_PATH_MAX + 64];
        setsuna_error err = {0};
        snprintf(path, sizeof path, "%s/%s_%u.pb", dir, kind, i);
        setsuna_status status = sn_file_read(path, 0, &out->bytes[i], &err);
        if (status == SETSUNA_ENOTFOUND)
            return true;
        if (status == SETSUNA_OK) {
            out->n++;
            status = sn_onnx_parse_tensor(out->bytes[i].data, out->bytes[i].size, out->arena, &out->t[i], NULL, &err);
        }
        if (status != SETSUNA_OK)
            return case_fail(c, "%s_%u.pb: %s", kind, i, err.text);
    }
    return case_fail(c, "more than %d tensors", CASE_TENSORS_MAX);
}

static void case_tensors_fini(case_tensors *t)
{
    for (uint32_t i = 0; i < t->n; i++)
        sn_bytes_fini(&t->bytes[i]);
    sn_arena_destroy(t->arena);
}

static bool case_is_float(setsuna_dtype d)
{
    return d == SETSUNA_F32 || d == SETSUNA_F64 || d == SETSUNA_F16 || d == SETSUNA_BF16;
}

static bool case_close(setsuna_dtype dtype, double got, double want)
{
    double rtol = dtype == SETSUNA_BF16 ? case_rtol_bf16 : case_rtol;
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got);
    return got == want || fabs(got - want) <= case_atol + rtol * fabs(want);
}

static bool case_same_text(const setsuna_text *got, const setsuna_text *want)
{
    return got->len == want->len && memcmp(got->data, want->data, want->len) == 0;
}

static bool case_compare_values(conformance_case *c, uint32_t i, const setsuna_tensor *got, const setsuna_tensor *want)
{
    int64_t n = 0;
    size_t elem = setsuna_dtype_size(want->dtype);
    sn_shape_numel(&want->shape, &n);
    for (int64_t k = 0; k < n; k++) {
        if (case_is_float(want->dtype)) {
            double g = sn_tensor_get_f64(got, k), w = sn_tensor_get_f64(want, k);
            if (!case_close(want->dtype, g, w))
                return case_fail(c, "output %u: element %" PRId64 " is %.9g, not %.9g", i, k, g, w);
        } else if (want->dtype == SETSUNA_STRING) {
            if (!case_same_text((const setsuna_text *)got->data + k, (const setsuna_text *)want->data + k))
                return case_fail(c, "output %u: string %" PRId64 " differs", i, k);
        } else if (memcmp((char *)got->data + (size_t)k * elem, (char *)want->data + (size_t)k * elem, elem) != 0) {
            return case_fail(c, "output %u: element %" PRId64 " is %" PRId64 ", not %" PRId64, i, k,
                             sn_tensor_get_i64(got, k), sn_tensor_get_i64(want, k));
        }
    }
    return true;
}

/* The published files hold bf16 as u16: numpy has no such type. */
static void case_fix_bf16(setsuna_dtype model, setsuna_tensor *t)
{
    if (model == SETSUNA_BF16 && t->dtype == SETSUNA_U16)
        t->dtype = SETSUNA_BF16;
}

static bool case_compare(conformance_case *c, uint32_t i, const setsuna_tensor *got, const setsuna_tensor *want)
{
    char a[SN_SHAPE_TEXT_MAX], b[SN_SHAPE_TEXT_MAX];
    if (got->dtype != want->dtype)
        return case_fail(c, "output %u is %s, not %s", i, setsuna_dtype_name(got->dtype),
                         setsuna_dtype_name(want->dtype));
    if (!sn_shape_equal(&got->shape, &want->shape))
        return case_fail(c, "output %u has shape %s, not %s", i, sn_shape_text(&got->shape, a, sizeof a),
                         sn_shape_text(&want->shape, b, sizeof b));
    if (got->size_bytes != want->size_bytes)
        return case_fail(c, "output %u has %zu bytes, not %zu", i, got->size_bytes, want->size_bytes);
    return c->shape_only || case_compare_values(c, i, got, want);
}

/* Prepared for the shapes, then twice: the second run must not depend on what the first one left behind. */
static bool case_run_set(conformance_case *c, sn_model *model, sn_session *session, case_tensors *in,
                         case_tensors *want)
{
    setsuna_tensor got[CASE_TENSORS_MAX];
    uint32_t n_in = sn_model_inputs(model), n_out = sn_model_outputs(model);
    if (n_in != in->n || n_out != want->n)
        return case_fail(c, "the model has %u inputs and %u outputs, the data %u and %u", n_in, n_out, in->n, want->n);
    for (uint32_t i = 0; i < n_in; i++)
        case_fix_bf16(sn_model_input(model, i)->dtype, &in->t[i]);
    for (uint32_t i = 0; i < n_out; i++)
        case_fix_bf16(sn_model_output(model, i)->dtype, &want->t[i]);
    setsuna_tensor shape_only[CASE_TENSORS_MAX];
    setsuna_error err = {0};
    for (uint32_t i = 0; i < n_in; i++) {
        shape_only[i] = in->t[i];
        shape_only[i].data = NULL;
    }
    setsuna_status status = sn_session_prepare(session, shape_only, &err);
    if (status != SETSUNA_OK)
        return case_fail_error(c, "prepare", status, &err);
    for (int round = 0; round < 2; round++) {
        status = sn_session_run(session, in->t, got, &err);
        if (status != SETSUNA_OK)
            return case_fail_error(c, "run", status, &err);
        for (uint32_t i = 0; i < n_out; i++)
            if (!case_compare(c, i, &got[i], &want->t[i]))
                return false;
    }
    return true;
}

static bool case_run_sets(conformance_case *c, sn_model *model, sn_session *session)
{
    for (int set = 0; set < CASE_SETS_MAX; set++) {
        char dir[CASE_PATH_MAX + 32];
        struct stat st;
        snprintf(dir, sizeof dir, "%s/test_data_set_%d", c->path, set);
        if (stat(dir, &st) != 0)
            return set > 0 || case_fail(c, "no data set");
        case_tensors in = {.n = 0}, want = {.n = 0};
        bool ok = case_read_tensors(c, dir, "input", &in) && case_read_tensors(c, dir, "output", &want) &&
                  case_run_set(c, model, session, &in, &want);
        case_tensors_fini(&in);
        case_tensors_fini(&want);
        if (!ok)
            return false;
    }
    return true;
}

void conformance_case_run(conformance_case *c, const sn_model_options *options)
{
    char path[CASE_PATH_MAX + 16];
    setsuna_error err = {0};
    sn_model *model = NULL;
    sn_session *session = NULL;
    snprintf(path, sizeof path, "%s/model.onnx", c->path);
    setsuna_status status = sn_model_open(path, options, &model, &err);
    if (status == SETSUNA_OK)
        status = sn_session_create(model, &session, &err);
    if (status == SETSUNA_OK)
        c->passed = case_run_sets(c, model, session);
    else
        case_fail(c, "%s %s", setsuna_status_name(status), err.text);
    if (session)
        sn_session_destroy(session);
    sn_model_close(model);
    c->ran = true;
}
