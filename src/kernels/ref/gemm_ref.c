#include "kernels/ref/gemm_finish.h"
#include <string.h>

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
    gemm_finish_ref(t, acc);
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
