#include "kernels/lstm.h"
#include "kernels/arm/vmath_neon.h"
#include <math.h>

#define LSTM_SYMBOL(entry) sn_lstm_f32_##entry##_neon
#include "kernels/simd/lstm_simd.inc"
