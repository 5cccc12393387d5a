/* How far the parity tests of f32 kernels go. */
#ifndef SN_TESTS_LEVELS_H
#define SN_TESTS_LEVELS_H

#include "base/cpu.h"

/* The highest level of this CPU with f32 kernels of its own: those above have the same. */
static inline sn_cpu_level levels_highest_f32(void)
{
#if defined(__x86_64__)
    const sn_cpu_level most = SN_CPU_AVX512;
#elif defined(__aarch64__)
    const sn_cpu_level most = SN_CPU_NEON;
#else
    const sn_cpu_level most = SN_CPU_REF;
#endif
    return sn_cpu_detect() < most ? sn_cpu_detect() : most;
}

#endif
