#include "kernels/gemm.h"
#include "kernels/ref/act_ref.h"
#include <string.h>

/* 4 x 8 accumulators fit the 16 registers of baseline x86-64 and compilers vectorise the inner loop. */
enum { GEMM_REF_MR = 4, GEMM_REF_NR = 8 };

void sn_gemm_f32_4x8_ref(const sn_gemm_tile *t)
{
    float acc[GEMM_REF_MR][GEMM_REF_NR] = {{0}};
    for (int64_t k = 0; k < t->k; k++) {
        const float *b = t->b + k * t->ldb;
        for (int32_t i = 0; i < t->m; i++) {
            float a = t->a[i * t->lda + k];
            for (int32_t j = 0; j < GEMM_REF_NR; j++)
                acc[i][j] += a * b[j];
        }
    }
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

void sn_gemm_f32_pack_ref(const sn_gemm_panel *p, void *out)
{
    float *to = out;
    for (int64_t i = 0; i < p->k; i++, to += p->nr) {
        const char *row = (const char *)p->b + i * p->stride_k * (int64_t)sizeof(float);
        for (int32_t j = 0; j < p->n; j++) {
            float v;
            memcpy(&v, row + j * p->stride_n * (int64_t)sizeof v, sizeof v);
            to[j] = p->alpha * v;
        }
        for (int32_t j = p->n; j < p->nr; j++)
            to[j] = 0;
    }
}
