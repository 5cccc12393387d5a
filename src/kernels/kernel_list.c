#include "kernels/kernel.h"

/* A row of zeros ends the list so that it is never empty. */
static const sn_kernel_info all_kernels[] = {
#define KERNEL(family, entry, level, symbol, numerics) {#family, #entry, SN_CPU_##level, #symbol, numerics},
/* families, sorted: */
#include "kernels/conv.inc"
#include "kernels/conv_bf16.inc"
#include "kernels/convert.inc"
#include "kernels/elementwise.inc"
#include "kernels/gemm.inc"
#include "kernels/gemm_bf16.inc"
#include "kernels/lstm.inc"
#include "kernels/norm.inc"
#include "kernels/pooling.inc"
#include "kernels/qdepthwise.inc"
#include "kernels/qgemm.inc"
#include "kernels/qlinear.inc"
#include "kernels/qpoint.inc"
#include "kernels/rdft.inc"
#include "kernels/reduce.inc"
#include "kernels/resize.inc"
#include "kernels/roofline.inc"
#include "kernels/softmax.inc"
#include "kernels/transpose.inc"
#undef KERNEL
    {0},
};

const sn_kernel_info *sn_kernels(unsigned *n_out)
{
    *n_out = (unsigned)(sizeof all_kernels / sizeof all_kernels[0]) - 1;
    return all_kernels;
}
