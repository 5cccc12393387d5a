/* The native engine, opened up: for inspect, profile and tests, which want to see graphs and plans. */
#ifndef SN_ENGINE_NATIVE_H
#define SN_ENGINE_NATIVE_H

#include "engine/engine.h"
#include "exec/exec.h"
#include "import/onnx/onnx.h"
#include <stdio.h>

/* NULL when the model or session belongs to another engine. */
const sn_onnx_model *sn_native_onnx(const sn_model *model);
sn_exec *sn_native_exec(sn_session *session);
sn_plan_env *sn_native_env(sn_model *model);

#endif
