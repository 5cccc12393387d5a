/* What the CPU and the operating system both support. Levels are cumulative. */
#ifndef SN_BASE_CPU_H
#define SN_BASE_CPU_H

#include <setsuna/status.h>
#include <stdint.h>

/* X(name, text): the levels of the architecture that this is compiled for, in ascending order. */
#if defined(__x86_64__)
#define SN_CPU_LEVEL_LIST(X)                                                                                           \
    X(REF, "ref")               /* plain C, any CPU */                                                                 \
    X(AVX2, "avx2")             /* avx2 fma f16c bmi2 */                                                               \
    X(AVX512, "avx512")         /* f bw dq vl */                                                                       \
    X(AVX512VNNI, "avx512vnni") /* + vnni vbmi */                                                                      \
    X(AVX512BF16, "avx512bf16") /* + bf16 */
#elif defined(__aarch64__)
#define SN_CPU_LEVEL_LIST(X)                                                                                           \
    X(REF, "ref")         /* plain C, any CPU */                                                                       \
    X(NEON, "neon")       /* asimd */                                                                                  \
    X(NEONDOT, "neondot") /* + asimddp: products of four bytes */
#else
#define SN_CPU_LEVEL_LIST(X) X(REF, "ref") /* plain C, any CPU */
#endif

/* The levels of all architectures, for help texts. */
#define SN_CPU_LEVEL_HELP "ref, avx2, avx512, avx512vnni, avx512bf16; on aarch64 ref, neon, neondot"

typedef enum sn_cpu_level {
#define SN_CPU_LEVEL_ENUM(name, text) SN_CPU_##name,
    SN_CPU_LEVEL_LIST(SN_CPU_LEVEL_ENUM)
#undef SN_CPU_LEVEL_ENUM
        SN_CPU_LEVELS
} sn_cpu_level;

/* The highest level that the CPU has and the OS saves the registers of. */
sn_cpu_level sn_cpu_detect(void);

const char *sn_cpu_level_name(sn_cpu_level level);

/* "avx2" -> SN_CPU_AVX2. Returns OK, or ENOTFOUND (no level of this architecture; *out untouched). */
setsuna_status sn_cpu_level_parse(const char *text, sn_cpu_level *out);

/* Channels of an image that lie side by side when it is blocked (kernels/conv.h): the floats of a vector, or of two
 * where vectors hold four. The reference level has blocks of 8. */
static inline int32_t sn_cpu_block(sn_cpu_level level)
{
#if defined(__x86_64__)
    return level >= SN_CPU_AVX512 ? 16 : 8;
#else
    (void)level;
    return 8;
#endif
}

/* Tells the CPU that a loop waits for another thread. */
static inline void sn_cpu_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory"); /* yield does nothing where a core has one thread */
#else
    __asm__ volatile("" ::: "memory");
#endif
}

/* The CPU's own brand string into buf (cap bytes, NUL-terminated; "unknown" where there is none). On aarch64, which has
 * none, implementer and part number: "implementer 0x41 part 0xd0c". */
void sn_cpu_brand(char *buf, uint32_t cap);

/* "yes", "no", or "" where the CPU does not tell: whether a hypervisor runs this machine. */
const char *sn_cpu_hypervisor(void);

/* CPUs this process may run on, at least 1. */
uint32_t sn_cpu_count(void);

#endif
