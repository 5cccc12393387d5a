/* The specification of integer products. It runs the formats of every level. */
#include "kernels/qgemm.h"
#include "kernels/ref/act_ref.h"
#include <string.h>

static void requant_u8(const sn_requant *rq, const int32_t *sum, int64_t col, int64_t n, const uint8_t *residual,
                       uint8_t *y)
{
    for (int64_t j = 0; j < n; j++) {
        uint8_t q = sn_requant_clamp((float)sum[j] * rq->scale[col + j], rq->zero, rq->lo, rq->hi);
        if (rq->table)
            q = rq->table[q];
        y[j] = residual ? sn_quantized_add(&rq->sum, q, residual[j]) : q;
    }
}

static void requant_f32(const sn_requant *rq, const int32_t *sum, int64_t col, int64_t n, float *y)
{
    for (int64_t j = 0; j < n; j++) {
        float v = (float)sum[j] * rq->scale[col + j];
        y[j] = rq->shift ? v + rq->shift[col + j] : v;
    }
}

void sn_requant_row_ref(const sn_requant *rq, const int32_t *sum, int64_t row, int64_t col, int64_t n,
                        const uint8_t *residual, void *y)
{
    int32_t whole[SN_QGEMM_NR_MAX];
    for (int64_t from = 0; from < n; from += SN_QGEMM_NR_MAX) {
        int64_t count = n - from < SN_QGEMM_NR_MAX ? n - from : SN_QGEMM_NR_MAX, at = col + from;
        for (int64_t j = 0; j < count; j++) {
            uint32_t v = (uint32_t)sum[from + j] + (uint32_t)rq->bias[at + j];
            if (rq->b_zero)
                v -= (uint32_t)rq->row[row] * (uint32_t)rq->b_zero[at + j];
            whole[j] = (int32_t)v;
        }
        if (rq->kind == SN_REQUANT_U8)
            requant_u8(rq, whole, at, count, residual ? residual + from : NULL, (uint8_t *)y + from);
        else if (rq->kind == SN_REQUANT_F32)
            requant_f32(rq, whole, at, count, (float *)y + from);
        else
            memcpy((int32_t *)y + from, whole, (size_t)count * sizeof *whole);
    }
}

static int32_t qgemm_dot(const sn_qgemm_tile *t, const char *a, int32_t j)
{
    enum { NR = 16, GROUP = 4 };
    const int8_t *b = (const int8_t *)t->b + j * GROUP;
    uint32_t sum = 0;
    for (int64_t tap = 0; tap < t->n_tap; tap++) {
        const uint8_t *x = (const uint8_t *)a + t->tap[tap];
        for (int64_t k = 0; k < t->k; k++, x += GROUP, b += NR * GROUP)
            for (int i = 0; i < GROUP; i++)
                sum += (uint32_t)(x[i] * b[i]);
    }
    return (int32_t)sum;
}

void sn_qgemm_4x16_ref(const sn_qgemm_tile *t)
{
    int32_t sum[SN_QGEMM_NR_MAX];
    size_t y_bytes = t->rq->kind == SN_REQUANT_U8 ? 1 : 4;
    for (int32_t i = 0; i < t->m; i++) {
        for (int32_t j = 0; j < t->n; j++)
            sum[j] = qgemm_dot(t, (const char *)t->a + i * t->lda_bytes, j);
        const size_t at = (size_t)(i * t->ldy) * y_bytes;
        const uint8_t *residual = t->residual ? (const uint8_t *)t->residual + at : NULL;
        sn_requant_row_ref(t->rq, sum, t->row + i, t->col, t->n, residual, (char *)t->y + at);
    }
}

void sn_qgemm_after_ref(const sn_qgemm_tile *t)
{
    for (int32_t i = 0; i < t->m; i++)
        for (int32_t j = 0; j < t->n; j++) {
            const int64_t at = i * t->ldy + j;
            float v = sn_act_f32_ref(((float *)t->y)[at], t->rq->act);
            ((float *)t->y)[at] = t->residual ? v + ((const float *)t->residual)[at] : v;
        }
}

void sn_qgemm_stage_u8_ref(void *dst, const uint8_t *src, int64_t n)
{
    memcpy(dst, src, (size_t)n);
}
