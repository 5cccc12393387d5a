#include "cli/tensor_file.h"
#include "base/file.h"
#include "import/onnx/onnx.h"
#include "pipeline/npy.h"
#include <stdio.h>
#include <string.h>

static bool tensor_file_ends(const char *path, const char *ending)
{
    size_t n = strlen(path), m = strlen(ending);
    return n > m && strcmp(path + n - m, ending) == 0;
}

static setsuna_status tensor_file_copy(const setsuna_tensor *from, setsuna_tensor *out, setsuna_error *err)
{
    void *data = sn_alloc(sn_allocator_default(), from->size_bytes ? from->size_bytes : 1);
    if (!data)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "no memory for %zu bytes", from->size_bytes);
    if (from->size_bytes)
        memcpy(data, from->data, from->size_bytes);
    *out = *from;
    out->data = data;
    return SETSUNA_OK;
}

static setsuna_status tensor_file_read_pb(const sn_bytes *bytes, setsuna_tensor *out, setsuna_error *err)
{
    sn_arena *arena = sn_arena_create(sn_allocator_default());
    setsuna_tensor t;
    if (!arena)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory");
    setsuna_status status = sn_onnx_parse_tensor(bytes->data, bytes->size, arena, &t, NULL, err);
    if (status == SETSUNA_OK)
        status = tensor_file_copy(&t, out, err);
    sn_arena_destroy(arena);
    return status;
}

setsuna_status sn_cli_tensor_read(const char *path, setsuna_tensor *out, setsuna_error *err)
{
    if (tensor_file_ends(path, ".npy"))
        return sn_npy_read(sn_allocator_default(), path, 0, out, err);
    if (!tensor_file_ends(path, ".pb"))
        return sn_fail(err, SETSUNA_EINVAL, path, "tensors are read from .npy and .pb files");
    sn_bytes bytes;
    SN_TRY(sn_file_read(path, 0, &bytes, err));
    setsuna_status status = tensor_file_read_pb(&bytes, out, err);
    sn_bytes_fini(&bytes);
    return status == SETSUNA_OK ? SETSUNA_OK : sn_fail_at(err, status, "%s", path);
}

setsuna_status sn_cli_tensor_write(const char *dir, const char *name, const setsuna_tensor *t, setsuna_error *err)
{
    char path[4096];
    int at = snprintf(path, sizeof path, "%s/", dir);
    if (at < 0 || (size_t)at + strlen(name) + sizeof ".npy" > sizeof path)
        return sn_fail(err, SETSUNA_EIO, dir, "the path of the output file would be too long");
    /* Names come from the model file: nothing of them may lead out of the folder or hide the file. */
    for (const char *p = name; *p; p++, at++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '_' ||
                     *p == '-' || (*p == '.' && p != name);
        path[at] = plain ? *p : '_';
    }
    memcpy(path + at, ".npy", sizeof ".npy");
    return sn_npy_write(path, t, err);
}
