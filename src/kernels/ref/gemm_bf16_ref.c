#include "kernels/bf16.h"
#include "kernels/gemm_bf16.h"
#include "kernels/ref/gemm_finish.h"

static uint32_t gemm_pair_at(const float *x, int64_t i)
{
    uint32_t pair;
    memcpy(&pair, x + i, sizeof pair);
    return pair;
}

void sn_gemm_bf16_4x8_ref(const sn_gemm_tile *t)
{
    float acc[GEMM_REF_MR][GEMM_REF_NR] = {{0}};
    for (int64_t k = 0; k < t->k; k++)
        for (int32_t i = 0; i < t->m; i++) {
            uint32_t a = gemm_pair_at(t->a, i * t->lda + k);
            for (int32_t j = 0; j < GEMM_REF_NR; j++)
                acc[i][j] = sn_bf16_dot(acc[i][j], a, gemm_pair_at(t->b, k * t->ldb + j));
        }
    gemm_finish_ref(t, acc);
}

void sn_gemm_bf16_pair_ref(const float *x, int64_t n, uint32_t *out)
{
    for (int64_t i = 0; i < n; i += 2)
        out[i / 2] = sn_bf16_pair(x[i], i + 1 < n ? x[i + 1] : 0);
}

static float gemm_element(const sn_gemm_panel *p, int64_t i, int64_t j)
{
    float x;
    if (i >= p->k)
        return 0;
    memcpy(&x, (const char *)p->b + (i * p->stride_k + j * p->stride_n) * (int64_t)sizeof x, sizeof x);
    return p->alpha * x;
}

void sn_gemm_bf16_pack_ref(const sn_gemm_panel *p, void *out)
{
    uint32_t *to = out;
    for (int64_t i = 0; i < p->k; i += 2, to += p->nr)
        for (int32_t j = 0; j < p->nr; j++)
            to[j] = j < p->n ? sn_bf16_pair(gemm_element(p, i, j), gemm_element(p, i + 1, j)) : 0;
}
