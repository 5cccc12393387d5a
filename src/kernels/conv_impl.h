/* The implementations in conv.inc, for conv_table.c. */
#ifndef SN_KERNELS_CONV_IMPL_H
#define SN_KERNELS_CONV_IMPL_H

#include "kernels/conv.h"

extern sn_conv_fn sn_conv_dense_ref, sn_conv_depthwise_ref;
extern sn_conv_reorder_fn sn_conv_to_blocked_ref, sn_conv_from_blocked_ref;
extern sn_conv_join_fn sn_conv_join_ref;
extern sn_conv_finish_fn sn_conv_finish_ref;
#if defined(__x86_64__)
extern sn_conv_fn sn_conv_dense_avx2, sn_conv_depthwise_avx2, sn_conv_dense_avx512, sn_conv_depthwise_avx512;
extern sn_conv_fn sn_conv_winograd_avx2, sn_conv_winograd_avx512;
extern sn_conv_pack_fn sn_conv_pack_winograd_avx2, sn_conv_pack_winograd_avx512;
extern sn_conv_reorder_fn sn_conv_to_blocked_avx2, sn_conv_from_blocked_avx2;
extern sn_conv_reorder_fn sn_conv_to_blocked_avx512, sn_conv_from_blocked_avx512;
extern sn_conv_join_fn sn_conv_join_avx2, sn_conv_join_avx512;
extern sn_conv_finish_fn sn_conv_finish_avx2, sn_conv_finish_avx512;
#endif

#endif
