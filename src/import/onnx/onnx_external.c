/* External data: constants whose bytes lie in files beside the model. They are only noted while the graph is built, so
 * that each file is opened once. */
#include "base/checked.h"
#include "import/onnx/onnx_import.h"
#include <string.h>

/* The distinct files, in order of first use. Their number is bounded by what 64 KiB of names could hold anyway. */
enum { EXTERNAL_FILES_MAX = 4096 };

static setsuna_status external_file(sn_onnx_import *im, sn_onnx_names *files, sn_onnx_external *e, uint32_t *n)
{
    sn_pb_bytes key = {(const uint8_t *)e->location, strlen(e->location)};
    sn_onnx_name *found = sn_onnx_names_find(files, key);
    if (found) {
        e->file = found->value;
        return SETSUNA_OK;
    }
    if (*n == EXTERNAL_FILES_MAX)
        return sn_fail(im->err, SETSUNA_ELIMIT, NULL, "the model refers to more than %d files", EXTERNAL_FILES_MAX);
    if (!sn_onnx_names_add(files, key, *n))
        return sn_fail(im->err, SETSUNA_ENOMEM, NULL, "out of memory");
    e->file = (*n)++;
    return SETSUNA_OK;
}

/* How far the constants reach into a file. */
typedef struct external_extent {
    const char *location;
    size_t end;
} external_extent;

static setsuna_status external_measure(const sn_onnx_import *im, external_extent *extent)
{
    size_t total = sn_arena_size_bytes(im->arena);
    for (size_t i = 0; i < im->n_external; i++) {
        const sn_onnx_external *e = &im->external[i];
        size_t end;
        if (!sn_add_size(e->offset, e->cst->t.size_bytes, &end))
            return sn_fail(im->err, SETSUNA_EMODEL, e->location, "an offset into the file overflows");
        extent[e->file].location = e->location;
        if (extent[e->file].end < end)
            extent[e->file].end = end;
    }
    for (size_t i = 0; i < im->model->n_external; i++)
        if (!sn_add_size(total, extent[i].end, &total) || total > im->limit_bytes)
            return sn_fail(im->err, SETSUNA_ELIMIT, extent[i].location,
                           "external data of %zu bytes is above the limit of %zu", extent[i].end, im->limit_bytes);
    return SETSUNA_OK;
}

static setsuna_status external_open(const sn_onnx_import *im, const external_extent *x, sn_lazy_file *out)
{
    SN_TRY(sn_lazy_file_open_beneath(im->dir, x->location, out, im->err));
    if (x->end > out->size)
        return sn_fail(im->err, SETSUNA_EMODEL, x->location, "the model refers to %zu bytes, the file has %zu", x->end,
                       out->size);
    return SETSUNA_OK;
}

static setsuna_status external_read(sn_onnx_import *im, const external_extent *extent)
{
    for (size_t i = 0; i < im->model->n_external; i++)
        if (extent[i].end)
            SN_TRY(external_open(im, &extent[i], &im->model->external[i]));
    for (size_t i = 0; i < im->n_external; i++) {
        sn_onnx_external *e = &im->external[i];
        setsuna_tensor *t = &e->cst->t;
        if (t->size_bytes == 0)
            continue;
        sn_lazy_file *file = &im->model->external[e->file];
        t->data = file->data + e->offset;
        if (!e->in_place && t->size_bytes > SN_ONNX_HOLE_BYTES && t->dtype != SETSUNA_BOOL) {
            e->cst->file = file;
            continue;
        }
        SN_TRY(sn_lazy_file_load(file, e->offset, t->size_bytes, im->err));
        for (size_t k = 0; t->dtype == SETSUNA_BOOL && k < t->size_bytes; k++)
            if (((const uint8_t *)t->data)[k] > 1)
                return sn_fail(im->err, SETSUNA_EMODEL, e->location, "byte %llu is neither 0 nor 1 but part of a bool",
                               (unsigned long long)(e->offset + k));
        if (t->size_bytes <= SN_ONNX_HOLE_BYTES)
            e->cst->uid = sn_const_uid(t);
    }
    return SETSUNA_OK;
}

setsuna_status sn_onnx_external_load(sn_onnx_import *im)
{
    if (im->n_external == 0)
        return SETSUNA_OK;
    sn_onnx_names files = sn_onnx_names_init(im->allocator, im->secret);
    setsuna_status status = SETSUNA_OK;
    uint32_t n = 0;
    for (size_t i = 0; i < im->n_external && status == SETSUNA_OK; i++)
        status = external_file(im, &files, &im->external[i], &n);
    sn_onnx_names_fini(&files);
    SN_TRY(status);
    external_extent *extent = sn_arena_array(im->arena, n, sizeof *extent);
    im->model->external = sn_arena_array(im->arena, n, sizeof *im->model->external);
    if (!extent || !im->model->external)
        return sn_fail(im->err, SETSUNA_ENOMEM, NULL, "out of memory");
    for (uint32_t i = 0; i < n; i++)
        im->model->external[i].fd = -1;
    im->model->n_external = n;
    SN_TRY(external_measure(im, extent));
    return external_read(im, extent);
}
