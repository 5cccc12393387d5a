/* What the step files share. */
#ifndef SN_PIPELINE_STEP_COMMON_H
#define SN_PIPELINE_STEP_COMMON_H

#include "pipeline/step.h"

#define SN_PIPE_FIELDS(table) .fields = (table), .n_fields = sizeof(table) / sizeof *(table)

/* Checks that a slot's tensor is f32. Returns OK, or ESHAPE with the remedy. */
setsuna_status sn_pipe_step_need_f32(const sn_pipe_step *step, const sn_pipe_slot *slot, setsuna_error *err);

/* Fails with the step's place in the file. */
setsuna_status sn_pipe_step_fail(const sn_pipe_step *step, setsuna_status status, setsuna_error *err, const char *fmt,
                                 ...) __attribute__((format(printf, 4, 5)));

#ifdef __clang_analyzer__ /* see base/status.h */
#define sn_pipe_step_fail(step, status, err, ...) (sn_pipe_step_fail(step, status, err, __VA_ARGS__), (status))
#endif

#endif
