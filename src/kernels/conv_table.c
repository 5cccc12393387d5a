#include "kernels/conv_impl.h"

/* The reference has no registers to fill; its limits make plans of several bundles and tiles, like the others'. */
static const sn_conv_limits conv_limits_ref = {.block = 8, .px_max = {8, 6, 4, 0}, .px_depthwise = 8};

void sn_conv_table_init(sn_conv_table *t, sn_cpu_level level)
{
    *t = (sn_conv_table){.level = SN_CPU_REF,
                         .limits = conv_limits_ref,
                         .dense = sn_conv_dense_ref,
                         .depthwise = sn_conv_depthwise_ref,
                         .to_blocked = sn_conv_to_blocked_ref,
                         .from_blocked = sn_conv_from_blocked_ref,
                         .join = sn_conv_join_ref,
                         .finish = sn_conv_finish_ref};
#if defined(__x86_64__)
    if (level >= SN_CPU_AVX2) /* 16 registers of 8: a tile of p x v takes p * v + v + 1 */
        *t = (sn_conv_table){
            .level = SN_CPU_AVX2,
            .limits = {.block = 8, .px_max = {10, 6, 4, 0}, .px_depthwise = 12, .winograd = SN_CONV_WINO_FAST},
            .dense = sn_conv_dense_avx2,
            .depthwise = sn_conv_depthwise_avx2,
            .winograd = sn_conv_winograd_avx2,
            .pack_winograd = sn_conv_pack_winograd_avx2,
            .to_blocked = sn_conv_to_blocked_avx2,
            .from_blocked = sn_conv_from_blocked_avx2,
            .join = sn_conv_join_avx2,
            .finish = sn_conv_finish_avx2};
    if (level >= SN_CPU_AVX512) /* 32 registers of 16 */
        *t = (sn_conv_table){
            .level = SN_CPU_AVX512,
            .limits = {.block = 16, .px_max = {14, 14, 9, 6}, .px_depthwise = 14, .winograd = SN_CONV_WINO_FAST},
            .dense = sn_conv_dense_avx512,
            .depthwise = sn_conv_depthwise_avx512,
            .winograd = sn_conv_winograd_avx512,
            .pack_winograd = sn_conv_pack_winograd_avx512,
            .to_blocked = sn_conv_to_blocked_avx512,
            .from_blocked = sn_conv_from_blocked_avx512,
            .join = sn_conv_join_avx512,
            .finish = sn_conv_finish_avx512};
#else
    (void)level;
#endif
}

const char *sn_conv_kernel_name(const sn_conv_table *t, const sn_conv *cv)
{
    static const char *const names[][3] = {
        {"sn_conv_dense_ref", "sn_conv_depthwise_ref", NULL},
        {"sn_conv_dense_avx2", "sn_conv_depthwise_avx2", "sn_conv_winograd_avx2"},
        {"sn_conv_dense_avx512", "sn_conv_depthwise_avx512", "sn_conv_winograd_avx512"},
    };
    return names[t->level][cv->winograd ? 2 : cv->depthwise];
}
