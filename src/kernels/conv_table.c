#include "kernels/conv_impl.h"

static const sn_conv_names conv_names_ref = {"sn_conv_dense_ref",      "sn_conv_depthwise_ref",    NULL,
                                             "sn_conv_to_blocked_ref", "sn_conv_from_blocked_ref", "sn_conv_join_ref"};

/* The names and the table of a level that has all kernels. */
#define CONV_NAMES(suffix)                                                                                             \
    static const sn_conv_names conv_names_##suffix = {"sn_conv_dense_" #suffix,        "sn_conv_depthwise_" #suffix,   \
                                                      "sn_conv_winograd_" #suffix,     "sn_conv_to_blocked_" #suffix,  \
                                                      "sn_conv_from_blocked_" #suffix, "sn_conv_join_" #suffix};
#define CONV_LEVEL(suffix, limits_)                                                                                    \
    (sn_conv_table)                                                                                                    \
    {                                                                                                                  \
        .names = &conv_names_##suffix, .limits = limits_, .dense = sn_conv_dense_##suffix,                             \
        .depthwise = sn_conv_depthwise_##suffix, .winograd = sn_conv_winograd_##suffix,                                \
        .pack_winograd = sn_conv_pack_winograd_##suffix, .to_blocked = sn_conv_to_blocked_##suffix,                    \
        .from_blocked = sn_conv_from_blocked_##suffix, .join = sn_conv_join_##suffix,                                  \
        .finish = sn_conv_finish_##suffix                                                                              \
    }

/* The reference has no registers to fill; its limits make plans of several bundles and tiles, like the others'. */
static const sn_conv_limits conv_limits_ref = {.block = 8, .px_max = {8, 6, 4, 0}, .px_depthwise = 8, .halves = true};
#if defined(__x86_64__)
CONV_NAMES(avx2)
CONV_NAMES(avx512)
/* 16 registers of 8: a tile of p x v takes p * v + v + 1 */
static const sn_conv_limits conv_limits_avx2 = {
    .block = 8, .px_max = {10, 6, 4, 0}, .px_depthwise = 12, .winograd = SN_CONV_WINO_FAST};
/* 32 registers of 16 */
static const sn_conv_limits conv_limits_avx512 = {
    .block = 16, .px_max = {14, 14, 9, 6}, .px_depthwise = 14, .halves = true, .winograd = SN_CONV_WINO_FAST};
#elif defined(__aarch64__)
CONV_NAMES(neon)
/* 32 registers of 4, taken in pairs: as 16 of 8 */
static const sn_conv_limits conv_limits_neon = {
    .block = 8, .px_max = {10, 6, 4, 0}, .px_depthwise = 12, .winograd = SN_CONV_WINO_FAST};
#endif

void sn_conv_table_init(sn_conv_table *t, sn_cpu_level level)
{
    *t = (sn_conv_table){.names = &conv_names_ref,
                         .limits = conv_limits_ref,
                         .dense = sn_conv_dense_ref,
                         .depthwise = sn_conv_depthwise_ref,
                         .to_blocked = sn_conv_to_blocked_ref,
                         .from_blocked = sn_conv_from_blocked_ref,
                         .join = sn_conv_join_ref,
                         .finish = sn_conv_finish_ref};
#if defined(__x86_64__)
    if (level >= SN_CPU_AVX2)
        *t = CONV_LEVEL(avx2, conv_limits_avx2);
    if (level >= SN_CPU_AVX512)
        *t = CONV_LEVEL(avx512, conv_limits_avx512);
#elif defined(__aarch64__)
    if (level >= SN_CPU_NEON)
        *t = CONV_LEVEL(neon, conv_limits_neon);
#else
    (void)level;
#endif
}
