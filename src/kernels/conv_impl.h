/* The implementations in conv.inc, for conv_table.c. */
#ifndef SN_KERNELS_CONV_IMPL_H
#define SN_KERNELS_CONV_IMPL_H

#include "kernels/conv.h"

extern sn_conv_fn sn_conv_dense_ref, sn_conv_depthwise_ref;
extern sn_conv_reorder_fn sn_conv_to_blocked_ref, sn_conv_from_blocked_ref;
extern sn_conv_join_fn sn_conv_join_ref;
extern sn_conv_finish_fn sn_conv_finish_ref;

/* All kernels of a level. */
#define CONV_DECLARE(suffix)                                                                                           \
    extern sn_conv_fn sn_conv_dense_##suffix, sn_conv_depthwise_##suffix, sn_conv_winograd_##suffix;                   \
    extern sn_conv_pack_fn sn_conv_pack_winograd_##suffix;                                                             \
    extern sn_conv_reorder_fn sn_conv_to_blocked_##suffix, sn_conv_from_blocked_##suffix;                              \
    extern sn_conv_join_fn sn_conv_join_##suffix;                                                                      \
    extern sn_conv_finish_fn sn_conv_finish_##suffix;
#if defined(__x86_64__)
CONV_DECLARE(avx2)
CONV_DECLARE(avx512)
#elif defined(__aarch64__)
CONV_DECLARE(neon)
#endif
#undef CONV_DECLARE

#endif
