/* What the CPU and the operating system both support. Levels are cumulative. */
#ifndef SN_BASE_CPU_H
#define SN_BASE_CPU_H

#include <setsuna/status.h>
#include <stdint.h>

/* X(name, text): in ascending order on each architecture. */
#define SN_CPU_LEVEL_LIST(X)                                                                                           \
    X(REF, "ref")               /* plain C, any CPU */                                                                 \
    X(AVX2, "avx2")             /* avx2 fma f16c bmi2 */                                                               \
    X(AVX512, "avx512")         /* f bw dq vl */                                                                       \
    X(AVX512VNNI, "avx512vnni") /* + vnni vbmi */                                                                      \
    X(AVX512BF16, "avx512bf16") /* + bf16 */

typedef enum sn_cpu_level {
#define SN_CPU_LEVEL_ENUM(name, text) SN_CPU_##name,
    SN_CPU_LEVEL_LIST(SN_CPU_LEVEL_ENUM)
#undef SN_CPU_LEVEL_ENUM
        SN_CPU_LEVELS
} sn_cpu_level;

/* The highest level that the CPU has and the OS saves the registers of (xgetbv). */
sn_cpu_level sn_cpu_detect(void);

const char *sn_cpu_level_name(sn_cpu_level level);

/* "avx2" -> SN_CPU_AVX2. Returns OK, or ENOTFOUND (unknown name; *out untouched). */
setsuna_status sn_cpu_level_parse(const char *text, sn_cpu_level *out);

/* Floats in a vector, which is how many channels of an image lie side by side when it is blocked (kernels/conv.h). The
 * reference level has blocks of 8. */
static inline int32_t sn_cpu_vector_floats(sn_cpu_level level)
{
    return level >= SN_CPU_AVX512 ? 16 : 8;
}

/* The CPU's own brand string into buf (cap bytes, NUL-terminated; "unknown" where there is none). */
void sn_cpu_brand(char *buf, uint32_t cap);

/* CPUs this process may run on, at least 1. */
uint32_t sn_cpu_count(void);

#endif
