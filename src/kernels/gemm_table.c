#include "kernels/gemm.h"
#include "kernels/gemm_bf16.h"

void sn_gemm_table_init(sn_gemm_table *t, sn_cpu_level level)
{
    *t = (sn_gemm_table){4, 8, sn_gemm_f32_4x8_ref, "sn_gemm_f32_4x8_ref", sn_gemm_f32_pack_ref, NULL};
#if defined(__x86_64__)
    if (level >= SN_CPU_AVX2)
        *t = (sn_gemm_table){6, 16, sn_gemm_f32_6x16_avx2, "sn_gemm_f32_6x16_avx2", sn_gemm_f32_pack_avx2, NULL};
    if (level >= SN_CPU_AVX512)
        *t = (sn_gemm_table){14,  32, sn_gemm_f32_14x32_avx512, "sn_gemm_f32_14x32_avx512", sn_gemm_f32_pack_avx512,
                             NULL};
#elif defined(__aarch64__)
    if (level >= SN_CPU_NEON)
        *t = (sn_gemm_table){6, 16, sn_gemm_f32_6x16_neon, "sn_gemm_f32_6x16_neon", sn_gemm_f32_pack_neon, NULL};
#else
    (void)level;
#endif
}

void sn_gemm_bf16_table_init(sn_gemm_table *t, sn_cpu_level level)
{
    *t = (sn_gemm_table){
        4, 8, sn_gemm_bf16_4x8_ref, "sn_gemm_bf16_4x8_ref", sn_gemm_bf16_pack_ref, sn_gemm_bf16_pair_ref};
#if defined(__x86_64__)
    if (level >= SN_CPU_AVX512BF16)
        *t = (sn_gemm_table){14,
                             32,
                             sn_gemm_bf16_14x32_avx512bf16,
                             "sn_gemm_bf16_14x32_avx512bf16",
                             sn_gemm_bf16_pack_avx512bf16,
                             sn_gemm_bf16_pair_avx512bf16};
#else
    (void)level;
#endif
}
