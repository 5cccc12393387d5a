/* Integer products: packing, tiles, bands, splitting and every end of a sum, against plain loops. All bits are equal,
 * but those of GELU.
 */
#include "kernels/qgemm.h"
#include "parity.h"

typedef struct qgemm_case {
    int64_t rows, pixels, n, n_tap, k, at_row, at_px, tap[4]; /* in values */
    int32_t base;
    bool is_signed;
    uint8_t *a, *w, *residual;
    float *f_residual;
    int64_t a_size, ldy;
    int32_t *bias, *b_zero;
    float *scale, *shift;
    uint8_t *table;
    sn_requant rq;
} qgemm_case;

static void *qgemm_random_bytes(parity *t, int64_t n)
{
    uint8_t *p = malloc((size_t)n + 1);
    for (int64_t i = 0; p && i < n; i++)
        p[i] = (uint8_t)(parity_random(t) % 8 ? parity_random(t) : parity_random(t) % 2 * 255);
    return p;
}

static void qgemm_random_columns(parity *t, qgemm_case *q)
{
    size_t padded = (size_t)(q->n + SN_REQUANT_PAD);
    q->bias = calloc(padded, 4);
    q->b_zero = calloc(padded, 4);
    q->scale = calloc(padded, 4);
    q->shift = calloc(padded, 4);
    float magnitude = 1.0f / (float)(q->n_tap * q->k * 64);
    for (int64_t j = 0; j < q->n; j++) {
        q->bias[j] = (int32_t)parity_between(t, -20000, 20000);
        q->b_zero[j] = (int32_t)parity_between(t, -128, 127);
        q->scale[j] = magnitude * (float)parity_between(t, 0, 300) / 100.0f;
        q->shift[j] = parity_f32(t);
    }
    if (parity_random(t) % 8 == 0)
        q->scale[q->n / 2] = 1e30f; /* out of every integer's range */
}

static sn_act qgemm_random_act(parity *t)
{
    static const sn_act acts[] = {{SN_ACT_NONE, 0, 0},
                                  {SN_ACT_RELU, 0, 0},
                                  {SN_ACT_LEAKY_RELU, 0.125f, 0},
                                  {SN_ACT_CLIP, -0.5f, 0.25f},
                                  {SN_ACT_GELU, 0, 0}};
    return acts[parity_random(t) % 5];
}

static qgemm_case qgemm_random_case(parity *t)
{
    qgemm_case q = {.rows = parity_between(t, 1, 3), .n_tap = parity_between(t, 1, 4)};
    q.pixels = parity_random(t) % 4 ? parity_between(t, 1, 30) : parity_between(t, 1, 200);
    q.n = parity_random(t) % 4 ? parity_between(t, 1, 70) : 16 * parity_between(t, 1, 5);
    q.k = parity_random(t) % 4 ? parity_between(t, 1, 40) : 4 * parity_between(t, 1, 100);
    q.at_px = parity_random(t) % 2 ? q.k : parity_between(t, 1, q.k + 9);
    q.at_row = parity_between(t, 0, 50);
    for (int64_t i = 0; i < q.n_tap; i++)
        q.tap[i] = parity_between(t, 0, 60);
    q.a_size = (q.rows - 1) * q.at_row + (q.pixels - 1) * q.at_px + 60 + q.k + 4;
    q.is_signed = parity_random(t) % 2;
    q.base = q.is_signed ? 0 : 128;
    q.ldy = q.n + parity_between(t, 0, 3);
    q.a = qgemm_random_bytes(t, q.a_size);
    q.w = qgemm_random_bytes(t, q.n * q.n_tap * q.k);
    q.residual = qgemm_random_bytes(t, q.rows * q.pixels * q.ldy);
    qgemm_random_columns(t, &q);
    q.table = qgemm_random_bytes(t, SN_REQUANT_TABLE);
    int32_t lo = (int32_t)parity_between(t, 0, 255), hi = (int32_t)parity_between(t, lo, 255);
    q.rq = (sn_requant){.kind = (sn_requant_kind)(parity_random(t) % 3),
                        .bias = q.bias,
                        .scale = q.scale,
                        .zero = (int32_t)parity_between(t, 0, 255),
                        .lo = parity_random(t) % 2 ? lo : 0,
                        .hi = parity_random(t) % 2 ? hi : 255,
                        .b_zero = parity_random(t) % 3 ? NULL : q.b_zero,
                        .shift = parity_random(t) % 2 ? q.shift : NULL};
    if (parity_random(t) % 2)
        q.rq.kind = SN_REQUANT_U8;
    if (q.rq.hi < q.rq.lo)
        q.rq.hi = 255;
    q.rq.table = parity_random(t) % 3 ? NULL : q.table;
    q.rq.has_residual = q.rq.kind != SN_REQUANT_I32 && parity_random(t) % 2;
    q.f_residual = malloc((size_t)(q.rows * q.pixels * q.ldy) * sizeof(float));
    for (int64_t i = 0; q.f_residual && i < q.rows * q.pixels * q.ldy; i++)
        q.f_residual[i] = parity_noise(t);
    if (q.rq.kind == SN_REQUANT_F32)
        q.rq.act = qgemm_random_act(t);
    q.rq.sum = (sn_quantized_sum){
        (float)parity_between(t, 1, 200) / 100, (float)parity_between(t, 1, 200) / 100, -77.3f, 13, lo, hi};
    return q;
}

static void qgemm_free_case(qgemm_case *q)
{
    free(q->a);
    free(q->w);
    free(q->residual);
    free(q->f_residual);
    free(q->table);
    free(q->bias);
    free(q->b_zero);
    free(q->scale);
    free(q->shift);
}

/* Exact but for GELU, which the vector forms give within 5 u |x| (activation.h); *slack is that and the rounding of a
 * residual of at most 1 behind it. */
static float qgemm_act(sn_act act, float x, double *slack)
{
    *slack = 0;
    switch (act.kind) {
    case SN_ACT_RELU: return x > 0 || isnan(x) ? x : 0;
    case SN_ACT_LEAKY_RELU: return x < 0 ? x * act.alpha : x;
    case SN_ACT_CLIP: return x < act.alpha ? act.alpha : x > act.beta ? act.beta : x;
    case SN_ACT_GELU:
        *slack = 9 * PARITY_U * (fabs((double)x) + 1);
        return (float)(0.5 * fmax((double)x, -40) * erfc(-(double)x * 0.70710678118654752));
    default: return x;
    }
}

/* One line of y, from the definition, and how far floats may be from it. */
static void qgemm_expect_line(const qgemm_case *q, int64_t r, int64_t p, void *y, double *slack)
{
    const uint8_t *x = q->a + r * q->at_row + p * q->at_px;
    int32_t row = 0;
    for (int64_t t = 0; t < q->n_tap; t++)
        for (int64_t k = 0; k < q->k; k++)
            row += x[q->tap[t] + k];
    for (int64_t j = 0; j < q->n; j++) {
        int32_t sum = 0;
        for (int64_t t = 0; t < q->n_tap; t++)
            for (int64_t k = 0; k < q->k; k++) {
                uint8_t w = q->w[(j * q->n_tap + t) * q->k + k];
                sum += x[q->tap[t] + k] * (q->is_signed ? (int8_t)w : w - q->base);
            }
        sum += q->bias[j] - (q->rq.b_zero ? row * q->b_zero[j] : 0);
        if (q->rq.kind == SN_REQUANT_I32) {
            ((int32_t *)y)[j] = sum;
        } else if (q->rq.kind == SN_REQUANT_F32) {
            float v = (float)sum * q->scale[j];
            v = q->rq.shift ? v + q->shift[j] : v;
            v = qgemm_act(q->rq.act, v, &slack[j]);
            ((float *)y)[j] = q->rq.has_residual ? v + q->f_residual[(r * q->pixels + p) * q->ldy + j] : v;
        } else {
            double v = nearbyint((double)((float)sum * q->scale[j])) + q->rq.zero;
            v = v < q->rq.lo ? q->rq.lo : v > q->rq.hi ? q->rq.hi : v;
            uint8_t b = (uint8_t)v;
            b = q->rq.table ? q->table[b] : b;
            ((uint8_t *)y)[j] =
                q->rq.has_residual ? sn_quantized_add(&q->rq.sum, b, q->residual[(r * q->pixels + p) * q->ldy + j]) : b;
        }
    }
}

static bool qgemm_same(const void *a, const void *b, const double *slack, size_t n, sn_requant_kind kind)
{
    if (kind != SN_REQUANT_F32)
        return memcmp(a, b, n) == 0;
    for (size_t i = 0; i < n / 4; i++) {
        float x, y;
        memcpy(&x, (const char *)a + 4 * i, 4);
        memcpy(&y, (const char *)b + 4 * i, 4);
        if (!parity_same_f32(x, y) && !(fabs((double)x - (double)y) <= slack[i]))
            return false;
    }
    return true;
}

static void qgemm_compare(parity *t, const char *name, const qgemm_case *q, const unsigned char *y, void *line,
                          double *slack)
{
    size_t size = q->rq.kind == SN_REQUANT_U8 ? 1 : 4;
    for (int64_t r = 0; r < q->rows; r++)
        for (int64_t p = 0; p < q->pixels; p++) {
            qgemm_expect_line(q, r, p, line, slack);
            if (qgemm_same(line, y + (size_t)((r * q->pixels + p) * q->ldy) * size, slack, (size_t)q->n * size,
                           q->rq.kind))
                continue;
            parity_fail(t, name,
                        "row %" PRId64 " pixel %" PRId64 " of %" PRId64 "x%" PRId64 ", n %" PRId64 " taps %" PRId64
                        " k %" PRId64 " kind %d b_zero %d table %d residual %d",
                        r, p, q->rows, q->pixels, q->n, q->n_tap, q->k, (int)q->rq.kind, q->rq.b_zero != NULL,
                        q->rq.table != NULL, q->rq.has_residual);
            return;
        }
}

static void qgemm_run_case(parity *t, qgemm_case *q, sn_cpu_level level)
{
    sn_qgemm_table table;
    sn_qgemm_table_init(&table, level);
    if (!parity_wants(t, table.tile_name))
        return;
    int64_t bytes = table.limits.bytes, tap[4];
    size_t y_size = (size_t)(((q->rows * q->pixels - 1) * q->ldy + q->n) * (q->rq.kind == SN_REQUANT_U8 ? 1 : 4));
    /* rounding k up to a group reads a little past the last value */
    int64_t over = (q->k + table.limits.group - 1) / table.limits.group * table.limits.group - q->k;
    parity_block a = parity_block_make((size_t)((q->a_size - 4 + over) * bytes), 0, false);
    parity_block b =
        parity_block_make(sn_qgemm_packed_bytes(&table.limits, q->n, q->n_tap, q->k), parity_random(t) % 8, false);
    parity_block y = parity_block_make(
        y_size, q->rq.kind == SN_REQUANT_U8 ? parity_random(t) % 8 : 4 * (parity_random(t) % 2), parity_random(t) % 2);
    memset(b.data, 0, b.size);
    table.stage(a.data, q->a, q->a_size - 4 + over);
    sn_qgemm_source from = {q->w, q->is_signed, q->base, 1, q->k, q->n_tap * q->k, q->k, 0, 1};
    sn_qgemm_pack(&table.limits, q->n, q->n_tap, &from, b.data, NULL);
    for (int64_t i = 0; i < q->n_tap; i++)
        tap[i] = q->tap[i] * bytes;
    sn_qgemm g = {.rows = q->rows,
                  .pixels = q->pixels,
                  .n = q->n,
                  .n_tap = q->n_tap,
                  .k = q->k,
                  .a = a.data,
                  .row_step_bytes = q->at_row * bytes,
                  .px_step_bytes = q->at_px * bytes,
                  .tap = tap,
                  .b = b.data,
                  .rq = q->rq,
                  .y = y.data,
                  .residual = q->rq.kind == SN_REQUANT_F32 ? (const void *)q->f_residual : q->residual,
                  .ldy = q->ldy};
    uint32_t parts = (uint32_t)parity_between(t, 1, 3);
    for (uint32_t i = 0; i < parts; i++) {
        parity_block scratch = parity_block_make(sn_qgemm_scratch_bytes(&table, &g), 0, true);
        sn_qgemm_part(&table, &g, i, parts, scratch.data);
        if (!parity_block_intact(&scratch))
            parity_fail(t, table.tile_name, "wrote outside of the scratch");
        free(scratch.base);
    }
    void *line = malloc((size_t)q->n * 4);
    double *slack = calloc((size_t)q->n, sizeof *slack);
    qgemm_compare(t, table.tile_name, q, y.data, line, slack);
    if (!parity_block_intact(&y) || !parity_block_intact(&a) || !parity_block_intact(&b))
        parity_fail(t, table.tile_name, "wrote outside of y");
    free(line);
    free(slack);
    free(a.base);
    free(b.base);
    free(y.base);
}

/* The largest sums: no level may saturate on the way. */
static void qgemm_check_extremes(parity *t, sn_cpu_level level)
{
    for (int sign = 0; sign < 2; sign++) {
        qgemm_case q = qgemm_random_case(t);
        q.is_signed = true;
        q.base = 0;
        memset(q.a, 255, (size_t)q.a_size);
        memset(q.w, sign ? 127 : 128, (size_t)(q.n * q.n_tap * q.k));
        q.rq.kind = SN_REQUANT_I32;
        q.rq.has_residual = false;
        qgemm_run_case(t, &q, level);
        qgemm_free_case(&q);
    }
}

int main(int argc, char **argv)
{
    parity t = parity_begin("kernel_qgemm", 400, argc, argv);
    for (int64_t i = 0; i < t.repeat; i++) {
        qgemm_case q = qgemm_random_case(&t);
        for (sn_cpu_level level = t.lowest; level <= t.highest; level++)
            qgemm_run_case(&t, &q, level);
        qgemm_free_case(&q);
    }
    for (sn_cpu_level level = t.lowest; level <= t.highest; level++)
        qgemm_check_extremes(&t, level);
    return parity_end(&t);
}
