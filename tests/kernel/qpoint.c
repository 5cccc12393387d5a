/* Bytes through tables, sums, products and pools, and planes to channels last: every level gives the reference's bits.
 */
#include "kernels/qpoint.h"
#include "parity.h"

enum { QPOINT_MAX = 700 };

typedef struct qpoint_data {
    uint8_t a[QPOINT_MAX], b[QPOINT_MAX], table[256];
    float factor[QPOINT_MAX];
    int32_t sum[QPOINT_MAX];
    int64_t n, c;
    int64_t rows, rows_n, rows_step; /* of max and sum: rows * rows_n <= n */
    sn_quantized_sum add;
    sn_quantized_product product;
} qpoint_data;

static void qpoint_random(parity *t, qpoint_data *d)
{
    int32_t lo = (int32_t)parity_between(t, 0, 255), hi = (int32_t)parity_between(t, lo, 255),
            whole = parity_random(t) % 2;
    d->n = parity_between(t, 0, 200);
    d->rows = parity_between(t, 1, 3);
    d->rows_n = d->n / d->rows;
    d->rows_step = d->rows_n + parity_between(t, 0, 40);
    d->c = parity_random(t) % 2 ? 3 : parity_between(t, 1, 3);
    for (int i = 0; i < QPOINT_MAX; i++) {
        d->a[i] = (uint8_t)parity_random(t);
        d->b[i] = (uint8_t)parity_random(t);
        d->table[i % 256] = (uint8_t)parity_random(t);
        d->factor[i] = parity_f32(t);
        d->sum[i] = (int32_t)parity_between(t, -1000000, 1000000);
    }
    int32_t zero = (int32_t)parity_between(t, 0, 255);
    lo = whole ? 0 : lo;
    hi = whole ? 255 : hi;
    d->add = (sn_quantized_sum){(float)parity_between(t, 0, 300) / 100,
                                (float)parity_between(t, 0, 300) / 100,
                                (float)parity_between(t, -500, 500) / 3,
                                zero,
                                lo,
                                hi};
    d->product = (sn_quantized_product){
        (int32_t)parity_between(t, 0, 255),      (int32_t)parity_between(t, 0, 255), zero, lo, hi,
        (float)parity_between(t, 0, 100) * 1e-4f};
}

enum { LOOKUP, ADD, MUL, SCALE, MAX, SUM, MEAN, GATHER, ENTRIES };

static const char *qpoint_run(const sn_qpoint_table *k, int entry, const qpoint_data *d, void *y)
{
    switch (entry) {
    case LOOKUP: k->lookup(y, d->a, d->table, d->n); return k->lookup_name;
    case ADD: k->add(y, d->a, d->b, &d->add, d->n); return k->add_name;
    case MUL: k->mul(y, d->a, d->b, &d->product, d->n); return k->mul_name;
    case SCALE: k->scale(y, d->a, d->factor, &d->product, d->n); return k->scale_name;
    case MAX:
        memcpy(y, d->b, (size_t)d->n);
        k->max(y, d->a, d->rows_step, d->rows, d->rows_n);
        return k->max_name;
    case SUM:
        memcpy(y, d->sum, (size_t)d->n * 4);
        k->sum(y, d->a, d->rows_step, d->rows, d->rows_n);
        return k->sum_name;
    case MEAN: k->mean(y, d->sum, 1234, 1e-4f, d->add.zero, d->n); return k->mean_name;
    default: k->gather(y, d->a, 233, d->c, d->n); return k->gather_name;
    }
}

static void qpoint_check(parity *t, const qpoint_data *d, int entry)
{
    size_t size = (size_t)d->n * (entry == SUM ? 4 : entry == GATHER ? (size_t)d->c : 1);
    sn_qpoint_table k;
    parity_block want = parity_block_make(size, 0, true);
    sn_qpoint_table_init(&k, SN_CPU_REF);
    qpoint_run(&k, entry, d, want.data);
    for (sn_cpu_level level = t->lowest; level <= t->highest; level++) {
        parity_block is = parity_block_make(size, entry == SUM ? 4 : parity_random(t) % 8, parity_random(t) % 2);
        sn_qpoint_table_init(&k, level);
        const char *name = qpoint_run(&k, entry, d, is.data);
        if (memcmp(want.data, is.data, size) != 0)
            parity_fail(t, name, "%" PRId64 " elements differ", d->n);
        if (!parity_block_intact(&is))
            parity_fail(t, name, "wrote outside of y");
        free(is.base);
    }
    free(want.base);
}

/* Sums of more rows than 16 bits can hold, of the largest bytes too. */
static void qpoint_check_sums(parity *t)
{
    sn_qpoint_table k;
    const int64_t n = parity_between(t, 1, 150), step = n + parity_between(t, 0, 70), rows = parity_between(t, 0, 800);
    const size_t size = rows ? (size_t)((rows - 1) * step + n) : 0;
    const bool most = parity_coin(t);
    parity_block x = parity_block_make(size, parity_random(t) % 8, false);
    for (size_t i = 0; i < size; i++)
        x.data[i] = most ? 255 : (uint8_t)parity_random(t);
    for (sn_cpu_level level = t->lowest; level <= t->highest; level++) {
        parity_block sum = parity_block_make((size_t)n * 4, 4, parity_coin(t));
        memset(sum.data, 1, sum.size);
        sn_qpoint_table_init(&k, level);
        k.sum((int32_t *)(void *)sum.data, x.data, step, rows, n);
        for (int64_t i = 0; i < n; i++) {
            int32_t want = 0x01010101, is;
            for (int64_t r = 0; r < rows; r++)
                want += x.data[r * step + i];
            memcpy(&is, sum.data + 4 * i, 4);
            if (is != want) {
                parity_fail(t, k.sum_name, "%" PRId64 " rows of %" PRId64 ", column %" PRId64, rows, n, i);
                break;
            }
        }
        if (!parity_block_intact(&sum))
            parity_fail(t, k.sum_name, "wrote outside of the sums");
        free(sum.base);
    }
    free(x.base);
}

/* The reference's own definition, on what everybody can work out. */
static void qpoint_known(parity *t)
{
    sn_qpoint_table k;
    uint8_t y[2], a[2] = {10, 200}, b[2] = {20, 20};
    sn_qpoint_table_init(&k, SN_CPU_REF);
    k.mul(y, a, b, &(sn_quantized_product){0, 10, 5, 0, 255, 0.125f}, 2); /* 12.5 and 250, half to even, then + 5 */
    if (y[0] != 17 || y[1] != 255)
        parity_fail(t, "sn_qpoint_mul_ref", "%d %d", y[0], y[1]);
    k.add(y, a, b, &(sn_quantized_sum){0.5f, 1.0f, -10.5f, 1, 0, 100}, 2); /* 14.5 and 109.5 */
    if (y[0] != 15 || y[1] != 100)
        parity_fail(t, "sn_qpoint_add_ref", "%d %d", y[0], y[1]);
}

int main(int argc, char **argv)
{
    static qpoint_data d;
    parity t = parity_begin("kernel_qpoint", 400, argc, argv);
    qpoint_known(&t);
    for (int64_t i = 0; i < t.repeat; i++) {
        qpoint_random(&t, &d);
        for (int entry = 0; entry < ENTRIES; entry++)
            qpoint_check(&t, &d, entry);
        if (i % 4 == 0)
            qpoint_check_sums(&t);
    }
    return parity_end(&t);
}
