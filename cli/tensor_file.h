/* Tensors in files: NumPy's .npy and ONNX's TensorProto .pb. */
#ifndef SN_CLI_TENSOR_FILE_H
#define SN_CLI_TENSOR_FILE_H

#include "base/status.h"
#include <setsuna/tensor.h>

/* Reads by ending (.npy, .pb). Owns: out->data is the caller's, from the default allocator.
 * Returns OK, EINPUT, ENOTFOUND, EIO, ELIMIT, EUNSUPPORTED, ENOMEM; *out is untouched on failure. */
setsuna_status sn_cli_tensor_read(const char *path, setsuna_tensor *out, setsuna_error *err);

/* Writes DIR/NAME.npy; characters of name that are no good in a file name become '_'. Returns OK, EIO, ENOMEM,
 * EUNSUPPORTED. */
setsuna_status sn_cli_tensor_write(const char *dir, const char *name, const setsuna_tensor *t, setsuna_error *err);

#endif
