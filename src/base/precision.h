/* How exactly products are computed: convolutions, matrix products. Everything else is f32 whatever the precision. */
#ifndef SN_BASE_PRECISION_H
#define SN_BASE_PRECISION_H

#include "base/cpu.h"
#include <stdbool.h>

/* X(name, text) */
#define SN_PRECISION_LIST(X)                                                                                           \
    X(F32, "f32")                                                                                                      \
    X(BF16, "bf16") /* operands rounded to bf16, sums in f32 (kernels/bf16.h) */

typedef enum sn_precision {
#define SN_PRECISION_ENUM(name, text) SN_PRECISION_##name,
    SN_PRECISION_LIST(SN_PRECISION_ENUM)
#undef SN_PRECISION_ENUM
        SN_PRECISIONS
} sn_precision;

const char *sn_precision_name(sn_precision precision);

/* "bf16" -> SN_PRECISION_BF16. Returns OK, or ENOTFOUND (unknown name; *out untouched). */
setsuna_status sn_precision_parse(const char *text, sn_precision *out);

/* The level has kernels of this precision. bf16: in hardware from avx512bf16 on, and emulated at ref, for tests and for
 * seeing what the rounding does; all other levels would only be slower than with f32. */
static inline bool sn_precision_supported(sn_precision precision, sn_cpu_level level)
{
#if defined(__x86_64__)
    const bool hardware = level >= SN_CPU_AVX512BF16;
#else
    const bool hardware = false;
#endif
    return precision == SN_PRECISION_F32 || level == SN_CPU_REF || hardware;
}

#endif
