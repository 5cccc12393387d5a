#include "kernels/lstm.h"
#include "kernels/x86/vmath_avx2.h"
#include <math.h>

#define LSTM_SYMBOL(entry) sn_lstm_f32_##entry##_avx2
#include "kernels/simd/lstm_simd.inc"
