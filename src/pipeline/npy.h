/* NumPy's .npy files: one tensor, its type and its shape.
 *
 * Source: the format description in NumPy's documentation, versions 1.0, 2.0 and 3.0.
 */
#ifndef SN_PIPELINE_NPY_H
#define SN_PIPELINE_NPY_H

#include "base/alloc.h"
#include "base/status.h"
#include <setsuna/tensor.h>

enum { SN_NPY_HEADER_MAX = 64 << 10 };

/* Reads an .npy file. Little-endian or one-byte elements of the types bool, i8..i64, u8..u64, f16, f32, f64, c64 and
 * c128, in C or Fortran order (converted), rank at most SETSUNA_RANK_MAX. The data must fill the file exactly.
 * bf16: NumPy has no such type; '<u2' gives u16, and '|V2', which ml_dtypes and older NumPy write for bfloat16 arrays,
 * gives bf16.
 *
 * Owns: the caller frees out->data with sn_free(a, ...).
 * Returns OK, EINPUT (not a valid .npy, with the reason), EUNSUPPORTED (big-endian, structured, string or object
 * types), ELIMIT (rank), ENOMEM. *out is untouched on failure. */
setsuna_status sn_npy_parse(const sn_allocator *a, const void *data, size_t size, setsuna_tensor *out,
                            setsuna_error *err);

/* sn_npy_parse of a file; limit_bytes 0 means no limit. Returns as it and as sn_file_read. */
setsuna_status sn_npy_read(const sn_allocator *a, const char *path, size_t limit_bytes, setsuna_tensor *out,
                           setsuna_error *err);

/* The bytes of t as an .npy file of version 1.0, data 64-byte aligned in the file. bf16 is written as '|V2'.
 * Owns: the caller frees *data_out with sn_free(a, ...). Returns OK, EUNSUPPORTED (strings), ENOMEM. */
setsuna_status sn_npy_encode(const sn_allocator *a, const setsuna_tensor *t, uint8_t **data_out, size_t *size_out,
                             setsuna_error *err);

/* Writes t as an .npy file; nothing partial stays behind. Returns as sn_npy_encode, EIO. */
setsuna_status sn_npy_write(const char *path, const setsuna_tensor *t, setsuna_error *err);

#endif
