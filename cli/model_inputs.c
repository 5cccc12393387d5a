#include "cli/model_inputs.h"
#include "base/alloc.h"
#include "base/half.h"
#include "cli/tensor_file.h"
#include "graph/tensor.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool sn_cli_inputs_add(sn_cli_inputs *in, const char *name_value, sn_cli_input_kind kind)
{
    const char *eq = strchr(name_value, '=');
    if (!eq || eq == name_value || !eq[1] || in->n_spec == SN_CLI_INPUTS_MAX)
        return false;
    in->spec[in->n_spec++] = (sn_cli_input_spec){name_value, (size_t)(eq - name_value), eq + 1, kind};
    return true;
}

static const sn_cli_input_spec *inputs_find(const sn_cli_inputs *in, const char *name, sn_cli_input_kind kind)
{
    for (uint32_t i = 0; i < in->n_spec; i++)
        if (in->spec[i].kind == kind && strlen(name) == in->spec[i].name_len &&
            memcmp(name, in->spec[i].name, in->spec[i].name_len) == 0)
            return &in->spec[i];
    return NULL;
}

static setsuna_status inputs_parse_shape(const sn_cli_input_spec *spec, setsuna_shape *out, setsuna_error *err)
{
    setsuna_shape s = {0};
    for (const char *p = spec->value;;) {
        char *end;
        errno = 0;
        long long v = strtoll(p, &end, 10);
        if (end == p || errno || v < 0 || s.rank == SETSUNA_RANK_MAX || (*end && *end != ',' && *end != 'x'))
            return sn_fail(err, SETSUNA_EINVAL, "--shape", "\"%s\" is not a shape such as 1,3,224,224", spec->value);
        s.dim[s.rank++] = v;
        if (!*end)
            break;
        p = end + 1;
    }
    *out = s;
    return SETSUNA_OK;
}

static setsuna_status inputs_declared_shape(const sn_io *io, setsuna_shape *out, setsuna_error *err)
{
    *out = io->shape;
    for (int d = 0; io->has_shape && d < io->shape.rank; d++) {
        if (io->shape.dim[d] >= 0)
            continue;
        if (d > 0)
            return sn_fail(err, SETSUNA_EINVAL, io->name,
                           "dimension %d (%s) is free; fix the shape with --shape %s=...", d,
                           io->sym && io->sym[d] ? io->sym[d] : "?", io->name);
        out->dim[d] = 1;
    }
    if (!io->has_shape)
        return sn_fail(err, SETSUNA_EINVAL, io->name, "the model does not declare a shape; give --shape %s=...",
                       io->name);
    return SETSUNA_OK;
}

/* xorshift64*: the same noise on every machine. Source: Vigna 2016. Several streams take turns, so that none waits for
 * itself: filling an image must not show beside running a model on it. */
enum { INPUTS_STREAMS = 4 };

static float inputs_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (float)(int32_t)(*state * 0x2545F4914F6CDD1Du >> 40) * 0x1p-23f - 1.0f;
}

static void inputs_store(const setsuna_tensor *t, size_t at, const float *v, size_t n)
{
    switch (t->dtype) {
    case SETSUNA_F32: memcpy((float *)t->data + at, v, n * sizeof *v); break;
    case SETSUNA_F64:
        for (size_t i = 0; i < n; i++)
            ((double *)t->data)[at + i] = (double)v[i];
        break;
    case SETSUNA_F16:
        for (size_t i = 0; i < n; i++)
            ((uint16_t *)t->data)[at + i] = sn_f32_to_f16(v[i]);
        break;
    case SETSUNA_BF16:
        for (size_t i = 0; i < n; i++)
            ((uint16_t *)t->data)[at + i] = sn_f32_to_bf16(v[i]);
        break;
    default: break; /* integers and bools stay 0: an index or a flag that is valid for every model */
    }
}

static void inputs_fill(const setsuna_tensor *t, uint64_t seed)
{
    size_t n = t->size_bytes / setsuna_dtype_size(t->dtype);
    uint64_t state[INPUTS_STREAMS];
    for (uint64_t s = 0; s < INPUTS_STREAMS; s++)
        state[s] = (seed + (s << 32)) * 0x9E3779B97F4A7C15u + 1;
    for (size_t i = 0; i < n; i += INPUTS_STREAMS) {
        float v[INPUTS_STREAMS];
        for (size_t s = 0; s < INPUTS_STREAMS; s++)
            v[s] = inputs_random(&state[s]);
        inputs_store(t, i, v, n - i < INPUTS_STREAMS ? n - i : INPUTS_STREAMS);
    }
}

/* Every element the same value, as far as the type can hold it. */
static setsuna_status inputs_fill_value(setsuna_tensor *t, const sn_cli_input_spec *spec, setsuna_error *err)
{
    char *end;
    double v = strtod(spec->value, &end);
    size_t n = t->size_bytes / setsuna_dtype_size(t->dtype);
    bool whole = v == (double)(int64_t)v;
    if (end == spec->value || *end || !(v > -9e18 && v < 9e18))
        return sn_fail(err, SETSUNA_EINVAL, "--fill", "\"%s\" is not a number", spec->value);
    for (size_t i = 0; i < n; i++)
        switch (t->dtype) {
        case SETSUNA_F32: ((float *)t->data)[i] = (float)v; break;
        case SETSUNA_F64: ((double *)t->data)[i] = v; break;
        case SETSUNA_I64: ((int64_t *)t->data)[i] = (int64_t)v; break;
        case SETSUNA_I32: ((int32_t *)t->data)[i] = (int32_t)(int64_t)v; break;
        case SETSUNA_BOOL:
        case SETSUNA_U8: ((uint8_t *)t->data)[i] = (uint8_t)(int64_t)v; break;
        default:
            return sn_fail(err, SETSUNA_EUNSUPPORTED, "--fill", "no value for %s; give a file with --input",
                           setsuna_dtype_name(t->dtype));
        }
    bool is_float = t->dtype == SETSUNA_F32 || t->dtype == SETSUNA_F64;
    return is_float || whole ? SETSUNA_OK
                             : sn_fail(err, SETSUNA_EINVAL, "--fill", "%s is not a whole number", spec->value);
}

static setsuna_status inputs_make_one(sn_cli_inputs *in, const sn_io *io, uint32_t i, bool needs_data,
                                      setsuna_error *err)
{
    setsuna_tensor *t = &in->tensor[i];
    const sn_cli_input_spec *file = inputs_find(in, io->name, SN_CLI_INPUT_FILE);
    const sn_cli_input_spec *spec = inputs_find(in, io->name, SN_CLI_INPUT_SHAPE);
    const sn_cli_input_spec *fill = inputs_find(in, io->name, SN_CLI_INPUT_FILL);
    if (file)
        return sn_cli_tensor_read(file->value, t, err);
    t->dtype = io->dtype;
    if (spec)
        SN_TRY(inputs_parse_shape(spec, &t->shape, err));
    else
        SN_TRY(inputs_declared_shape(io, &t->shape, err));
    if (!sn_tensor_bytes(t->dtype, &t->shape, &t->size_bytes))
        return sn_fail(err, SETSUNA_EUNSUPPORTED, io->name, "no tensor of %s and this shape can be made",
                       setsuna_dtype_name(t->dtype));
    if (!needs_data)
        return SETSUNA_OK;
    t->data = sn_alloc_zero(sn_allocator_default(), t->size_bytes ? t->size_bytes : 1);
    if (!t->data)
        return sn_fail(err, SETSUNA_ENOMEM, io->name, "no memory for %zu bytes", t->size_bytes);
    if (fill)
        return inputs_fill_value(t, fill, err);
    inputs_fill(t, i + 1);
    return SETSUNA_OK;
}

static const char *const inputs_option[] = {"--shape", "--input", "--fill"};

setsuna_status sn_cli_inputs_make(sn_cli_inputs *in, const sn_model *model, bool needs_data, setsuna_error *err)
{
    uint32_t n = sn_model_inputs(model);
    in->tensor = sn_alloc_zero(sn_allocator_default(), (n + 1) * sizeof *in->tensor);
    if (!in->tensor)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory");
    in->n_tensor = n;
    for (uint32_t k = 0; k < in->n_spec; k++) {
        bool known = false;
        for (uint32_t i = 0; i < n; i++)
            known |= inputs_find(in, sn_model_input(model, i)->name, in->spec[k].kind) == &in->spec[k];
        if (!known)
            return sn_fail(err, SETSUNA_EINVAL, inputs_option[in->spec[k].kind],
                           "the model has no input \"%.*s\", or it is given twice", (int)in->spec[k].name_len,
                           in->spec[k].name);
    }
    for (uint32_t i = 0; i < n; i++)
        SN_TRY(inputs_make_one(in, sn_model_input(model, i), i, needs_data, err));
    return SETSUNA_OK;
}

void sn_cli_inputs_fini(sn_cli_inputs *in)
{
    for (uint32_t i = 0; i < in->n_tensor; i++)
        sn_free(sn_allocator_default(), in->tensor[i].data);
    sn_free(sn_allocator_default(), in->tensor);
    in->tensor = NULL;
    in->n_tensor = 0;
}
