/* Steps that run one elementwise kernel over a whole tensor or a broadcast nest. */
#ifndef SN_OPS_EW_STEP_H
#define SN_OPS_EW_STEP_H

#include "kernels/elementwise.h"
#include "ops/nest.h"

/* Threads that numel elements deserve: one for each 64 Ki elements of a cheap operation (cost 1; a transcendental
 * function is about 8), within c->n_threads. Below that, handing work over costs more than it saves. */
uint32_t sn_ew_parts(const sn_op_ctx *c, int64_t numel, double cost);

/* Rough cost of one element of op in simple vector operations. */
double sn_ew_cost(sn_ew_op op);

/* Elements of output 0, and the step's bytes (inputs and outputs once) and flops (cost per element). */
setsuna_status sn_ew_account(sn_op_ctx *c, sn_step *s, double cost, int64_t *numel_out);

/* Binds op on n_in (1 or 2) inputs starting at input 0, of the type of input 0. y has output 0's type.
 * param: the kernel's k[], param_bytes <= 16 of it are copied.
 * Returns OK, ENOMEM, ELIMIT, EUNSUPPORTED (no kernel for the type). */
setsuna_status sn_ew_bind(sn_op_ctx *c, sn_step *s, sn_ew_op op, uint32_t n_in, const void *param, size_t param_bytes);

/* As sn_ew_bind with a kernel at hand and 1 to 3 inputs. */
setsuna_status sn_ew_bind_kernel(sn_op_ctx *c, sn_step *s, sn_ew_kernel kernel, double cost, uint32_t n_in,
                                 const void *param, size_t param_bytes);

#endif
