#include "base/cpu.h"
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

static uint64_t cpu_xcr0(void)
{
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

sn_cpu_level sn_cpu_detect(void)
{
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
        return SN_CPU_REF;
    bool fma = c & bit_FMA, f16c = c & bit_F16C, avx = c & bit_AVX;
    uint64_t os = cpu_xcr0(); /* which registers the OS saves: 0x6 = xmm ymm, 0xe0 = opmask and zmm */
    if (!avx || !fma || !f16c || (os & 0x6) != 0x6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return SN_CPU_REF;
    if (!(b & bit_AVX2) || !(b & bit_BMI2))
        return SN_CPU_REF;
    uint32_t need = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    if ((b & need) != need || (os & 0xe6) != 0xe6)
        return SN_CPU_AVX2;
    if (!(c & bit_AVX512VNNI) || !(c & bit_AVX512VBMI))
        return SN_CPU_AVX512;
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a & bit_AVX512BF16))
        return SN_CPU_AVX512VNNI;
    return SN_CPU_AVX512BF16;
}

void sn_cpu_brand(char *buf, uint32_t cap)
{
    uint32_t r[12] = {0};
    for (uint32_t i = 0; i < 3; i++)
        if (!__get_cpuid(0x80000002u + i, &r[4 * i], &r[4 * i + 1], &r[4 * i + 2], &r[4 * i + 3]))
            r[0] = 0;
    char text[49];
    memcpy(text, r, 48);
    text[48] = '\0';
    snprintf(buf, cap, "%s", text[0] ? text : "unknown");
}

const char *sn_cpu_hypervisor(void)
{
    /* CPUID leaf 1, ECX bit 31: never set by hardware, set by hypervisors (Intel SDM vol. 2A, AMD APM vol. 3). */
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d))
        return "";
    return c >> 31 ? "yes" : "no";
}
#elif defined(__aarch64__)
#include <sys/auxv.h>

sn_cpu_level sn_cpu_detect(void)
{
    unsigned long has = getauxval(AT_HWCAP);
    if (!(has & HWCAP_ASIMD))
        return SN_CPU_REF;
    return has & HWCAP_ASIMDDP ? SN_CPU_NEONDOT : SN_CPU_NEON;
}

void sn_cpu_brand(char *buf, uint32_t cap)
{
    /* MIDR_EL1: implementer in bits 31 to 24, part number in bits 15 to 4 (Arm ARM, D17.2.100). */
    unsigned long long midr = 0;
    FILE *f = fopen("/sys/devices/system/cpu/cpu0/regs/identification/midr_el1", "re");
    bool known = f && fscanf(f, "%llx", &midr) == 1;
    if (f)
        fclose(f);
    if (known)
        snprintf(buf, cap, "implementer 0x%02x part 0x%03x", (unsigned)(midr >> 24 & 0xff),
                 (unsigned)(midr >> 4 & 0xfff));
    else
        snprintf(buf, cap, "unknown");
}

const char *sn_cpu_hypervisor(void)
{
    return "";
}
#else
sn_cpu_level sn_cpu_detect(void)
{
    return SN_CPU_REF;
}

void sn_cpu_brand(char *buf, uint32_t cap)
{
    snprintf(buf, cap, "unknown");
}

const char *sn_cpu_hypervisor(void)
{
    return "";
}
#endif

static const char *const level_names[SN_CPU_LEVELS] = {
#define CPU_LEVEL_NAME(name, text) [SN_CPU_##name] = text,
    SN_CPU_LEVEL_LIST(CPU_LEVEL_NAME)
#undef CPU_LEVEL_NAME
};

const char *sn_cpu_level_name(sn_cpu_level level)
{
    return (unsigned)level < SN_CPU_LEVELS ? level_names[level] : "?";
}

setsuna_status sn_cpu_level_parse(const char *text, sn_cpu_level *out)
{
    for (int i = 0; i < SN_CPU_LEVELS; i++)
        if (strcmp(text, level_names[i]) == 0) {
            *out = (sn_cpu_level)i;
            return SETSUNA_OK;
        }
    return SETSUNA_ENOTFOUND;
}

uint32_t sn_cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? (uint32_t)n : 1;
}
