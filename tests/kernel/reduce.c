/* Every level of every reduction against sums in double: |err| <= (n + 2) u sum|x| for sums, equal for extremes. */
#include "kernels/reduce.h"
#include "parity.h"

typedef enum reduce_data {
    DATA_NOISE,
    DATA_CONSTANT,
    DATA_ALTERNATING,
    DATA_TINY,
    DATA_SPECIAL,
    DATA_KINDS
} reduce_data;

/* One kernel: rows or cols is set. */
typedef struct reduce_kernel {
    const char *entry, *symbol;
    sn_reduce_rows_fn *rows;
    sn_reduce_cols_fn *cols;
} reduce_kernel;

typedef struct reduce_case {
    int64_t outs, n, ldx; /* results; elements folded into each */
    float divisor;
    reduce_data data;
    size_t skew;
} reduce_case;

static float reduce_value(parity *p, reduce_data data, int64_t i)
{
    float noise = (float)parity_between(p, -1000000, 1000000) * 1e-6f;
    switch (data) {
    case DATA_CONSTANT: return 0.1f; /* rounds the same way every time */
    case DATA_ALTERNATING: return i % 2 ? -1e6f : 1e6f + noise;
    case DATA_TINY: return noise * 0x1p-127f; /* subnormal */
    case DATA_SPECIAL: {
        static const float special[] = {INFINITY, -INFINITY, NAN, 0.0f, -0.0f, 3e38f, -3e38f};
        int64_t k = parity_between(p, 0, 40);
        return k < 7 ? special[k] : noise;
    }
    default: return noise;
    }
}

/* The fold of one result in double, and what the kernel may be off by: infinitely much where partial sums may overflow
 * in some order. */
static double reduce_expect(const char *op, const float *x, int64_t n, int64_t step, float divisor, double *slack)
{
    double sum = 0, finite = 0, best = strcmp(op, "max") == 0 ? -(double)INFINITY : (double)INFINITY;
    bool is_max = strcmp(op, "max") == 0, is_min = strcmp(op, "min") == 0;
    for (int64_t k = 0; k < n; k++) {
        double v = (double)x[k * step];
        double term = strcmp(op, "sumabs") == 0 ? fabs(v) : strcmp(op, "sumsq") == 0 ? v * v : v;
        sum += term;
        finite += isfinite(term) ? fabs(term) : 0;
        if (isnan(best) || isnan(v))
            best = (double)NAN;
        else if (is_max ? v > best : v < best)
            best = v;
    }
    *slack = 0;
    if (is_max || is_min)
        return best;
    *slack = ((double)n + 2) * 0x1p-24 * finite / (double)divisor + 0x1p-148;
    if (finite >= 0x1p128)
        *slack = (double)INFINITY;
    return sum / (double)divisor;
}

static bool reduce_agrees(double got, double want, double slack)
{
    if (isinf(slack) && !isnan(want))
        return true;
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got);
    return got == want || fabs(got - want) <= slack;
}

static void reduce_check(parity *p, const reduce_kernel *k, const reduce_case *c)
{
    bool rows = k->rows != NULL;
    const char *op = strchr(k->entry, '_') + 1;
    int64_t lines = rows ? c->outs : c->n, len = rows ? c->n : c->outs;
    size_t n_x = lines && len ? (size_t)((lines - 1) * c->ldx + len) : 0;
    parity_block x = parity_block_make(n_x * sizeof(float), c->skew, false);
    parity_block y = parity_block_make((size_t)c->outs * sizeof(float), c->skew, parity_coin(p));
    float *xf = (float *)(void *)x.data, *yf = (float *)(void *)y.data;
    for (size_t i = 0; i < n_x; i++)
        xf[i] = reduce_value(p, c->data, (int64_t)i);
    if (rows)
        k->rows(yf, xf, c->outs, c->n, c->ldx, c->divisor);
    else
        k->cols(yf, xf, c->n, c->outs, c->ldx, c->divisor);
    bool ok = parity_block_intact(&y);
    if (!ok)
        parity_fail(p, k->symbol, "%" PRId64 " results of %" PRId64 ": wrote out of bounds", c->outs, c->n);
    for (int64_t i = 0; i < c->outs && ok; i++) {
        double slack,
            want = reduce_expect(op, rows ? xf + i * c->ldx : xf + i, c->n, rows ? 1 : c->ldx, c->divisor, &slack);
        ok = reduce_agrees((double)yf[i], want, slack);
        if (!ok)
            parity_fail(p, k->symbol,
                        "%" PRId64 " results of %" PRId64 ", ldx %" PRId64 ", data %d, result %" PRId64
                        ": %.9g, not %.9g +- %.3g",
                        c->outs, c->n, c->ldx, (int)c->data, i, (double)yf[i], want, slack);
    }
    free(x.base);
    free(y.base);
}

/* A result does not depend on how many there are, nor on its place among them. */
static void reduce_check_split(parity *p, const reduce_kernel *k)
{
    enum { N = 700, OUTS = 70 };
    float *x = malloc(N * OUTS * sizeof *x), whole[OUTS], one;
    if (!x)
        return;
    for (int i = 0; i < N * OUTS; i++)
        x[i] = reduce_value(p, DATA_NOISE, i);
    if (k->rows)
        k->rows(whole, x, OUTS, N, N, 1);
    else
        k->cols(whole, x, N, OUTS, OUTS, 1);
    for (int i = 0; i < OUTS; i++) {
        if (k->rows)
            k->rows(&one, x + i * N, 1, N, N, 1);
        else
            k->cols(&one, x + i, N, 1, OUTS, 1);
        if (memcmp(&one, &whole[i], sizeof one) != 0) {
            parity_fail(p, k->symbol, "result %d depends on the others", i);
            break;
        }
    }
    free(x);
}

static void reduce_run(parity *p, const reduce_kernel *k, sn_cpu_level level)
{
    static const int64_t outs[] = {0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 130};
    static const int64_t lens[] = {0, 1, 3, 7, 8, 9, 16, 17, 63, 64, 65, 127, 255, 256, 257, 1000};
    if (level > p->highest || level < p->lowest || !parity_wants(p, k->symbol))
        return;
    for (size_t i = 0; i < sizeof outs / sizeof outs[0]; i++)
        for (size_t j = 0; j < sizeof lens / sizeof lens[0]; j++) {
            reduce_case c = {.outs = outs[i], .n = lens[j], .data = (reduce_data)parity_between(p, 0, DATA_KINDS - 1)};
            c.ldx = (k->rows ? c.n : c.outs) + parity_between(p, 0, 3);
            c.divisor = parity_between(p, 0, 1) ? 1 : 7;
            c.skew = parity_between(p, 0, 1) ? 4 : 0;
            reduce_check(p, k, &c);
        }
    for (int data = 0; data < DATA_KINDS; data++) { /* several chunks of a long row */
        reduce_case c = {.outs = 3, .n = 30011, .divisor = 1, .data = (reduce_data)data};
        c.ldx = k->rows ? c.n : c.outs;
        reduce_check(p, k, &c);
    }
    reduce_check_split(p, k);
}

int main(int argc, char **argv)
{
    parity p = parity_begin("kernel_reduce", 1, argc, argv);
#define KERNEL_ROWS(entry, level, symbol, numerics)                                                                    \
    reduce_run(&p, &(reduce_kernel){#entry, #symbol, symbol, NULL}, SN_CPU_##level);
#define KERNEL_COLS(entry, level, symbol, numerics)                                                                    \
    reduce_run(&p, &(reduce_kernel){#entry, #symbol, NULL, symbol}, SN_CPU_##level);
#include "kernels/reduce.inc"
#undef KERNEL_ROWS
#undef KERNEL_COLS
    return parity_end(&p);
}
