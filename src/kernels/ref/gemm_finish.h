/* The end of a tile of the reference products, whatever the products were of. */
#ifndef SN_KERNELS_REF_GEMM_FINISH_H
#define SN_KERNELS_REF_GEMM_FINISH_H

#include "kernels/gemm.h"
#include "kernels/ref/act_ref.h"

/* 4 x 8 accumulators fit the 16 registers of baseline x86-64 and compilers vectorise the inner loop. */
enum { GEMM_REF_MR = 4, GEMM_REF_NR = 8 };

/* c = act(sum + biases + c), the starting values last. */
static inline void gemm_finish_ref(const sn_gemm_tile *t, float (*acc)[GEMM_REF_NR])
{
    for (int32_t i = 0; i < t->m; i++)
        for (int32_t j = 0; j < t->n; j++) {
            if (t->bias_col)
                acc[i][j] += t->bias_col[j];
            if (t->bias_row)
                acc[i][j] += t->bias_row[i];
            if (t->accumulate)
                acc[i][j] += t->c[i * t->ldc + j];
            t->c[i * t->ldc + j] = sn_act_f32_ref(acc[i][j], t->act);
        }
}

#endif
