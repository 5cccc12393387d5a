/* Transforms of real frames against sums in double precision.
 *
 * The bound is that of kernels/rdft.h: 6 log2(n) u sum |w x| for the modulus of the error, and a number of roundings of
 * subnormal numbers, which are absolute: at most one for each of the 4 operations a level that a term passes, and none
 * grows.
 */
#include "kernels/rdft.h"
#include "parity.h"

typedef struct rdft_case {
    parity_floats window, x, re, im;
    void *table;
    float *scratch;
    sn_rdft plan;
    int32_t n;
} rdft_case;

static void *rdft_memory(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 64) / 64 * 64);
    if (!p)
        parity_die("out of memory");
    return p;
}

static rdft_case rdft_open(parity *t, const sn_rdft_table *table, int32_t n)
{
    rdft_case c = {.n = n};
    c.window = parity_floats_make(n, parity_coin(t));
    c.x = parity_floats_noise(t, n);
    c.re = parity_floats_make(n / 2 + 1, parity_coin(t));
    c.im = parity_floats_make(n / 2 + 1, parity_coin(t));
    for (int32_t i = 0; i < n; i++)
        c.window.data[i] = parity_noise(t);
    c.table = rdft_memory(sn_rdft_table_bytes(n, table->lanes));
    c.scratch = rdft_memory(sizeof(float) * (size_t)sn_rdft_scratch_size(n, table->lanes));
    sn_rdft_plan(&c.plan, n, table->lanes, c.window.data, c.table);
    for (int64_t i = 0; i < sn_rdft_scratch_size(n, table->lanes); i++)
        c.scratch[i] = NAN;
    sn_rdft_prepare(&c.plan, c.scratch);
    return c;
}

static void rdft_close(parity *t, rdft_case *c, const char *level, const char *text)
{
    bool ok = true;
    parity_floats *const all[] = {&c->window, &c->x, &c->re, &c->im};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ok = parity_floats_done(all[i]) && ok;
    parity_require(t, ok, level, text, "wrote out of bounds");
    free(c->table);
    free(c->scratch);
}

/* Every bin of short frames, some of long ones. */
static void rdft_check(parity *t, const rdft_case *c, const double *root, const char *level, const char *text)
{
    int64_t n = c->n, step = n <= 1024 ? 1 : n / 1024;
    double size = 0, levels = log2((double)n);
    for (int64_t j = 0; j < n; j++)
        size += fabs((double)c->window.data[j] * (double)c->x.data[j]);
    double slack = 6 * levels * PARITY_U * size + 4 * levels * (double)n * 0x1p-149;
    for (int64_t k = step > 1 ? parity_between(t, 0, step - 1) : 0; k <= n / 2; k += step) {
        double re = 0, im = 0;
        for (int64_t j = 0; j < n; j++) {
            double v = (double)c->window.data[j] * (double)c->x.data[j];
            re += v * root[j * k % n];
            im += v * root[(j * k + n / 4) % n];
        }
        double off = hypot((double)c->re.data[k] - re, (double)c->im.data[k] - im);
        if (!(off <= slack)) {
            parity_fail(t, level, "%s: bin %" PRId64 " is (%g, %g), not (%g, %g) +- %.3g", text, k,
                        (double)c->re.data[k], (double)c->im.data[k], re, im, slack);
            return;
        }
    }
}

static void rdft_run_power(parity *t, const sn_rdft_table *table, const rdft_case *c)
{
    char text[80];
    bool root = parity_coin(t);
    sn_rdft_rows r = {.n = parity_between(t, 1, c->n / 2 + 1)};
    r.row = parity_coin(t) ? r.n : parity_between(t, 1, 40);
    r.stride = r.row + parity_between(t, 0, 40);
    int64_t rows = (r.n + r.row - 1) / r.row, size = (rows - 1) * r.stride + r.n - (rows - 1) * r.row;
    snprintf(text, sizeof text, "%s n %" PRId64 " row %" PRId64 " stride %" PRId64, root ? "magnitude" : "power", r.n,
             r.row, r.stride);
    parity_floats y = parity_floats_make(size, parity_coin(t));
    for (int64_t i = 0; i < size; i++)
        y.data[i] = 7;
    (root ? table->magnitude : table->power)(c->re.data, c->im.data, &r, y.data);
    for (int64_t at = 0; at < size; at++) {
        int64_t i = at / r.stride * r.row + at % r.stride;
        if (at % r.stride >= r.row) {
            parity_require(t, y.data[at] == 7, table->level, text, "wrote between rows");
            continue;
        }
        double re = (double)c->re.data[i], im = (double)c->im.data[i], p = re * re + im * im;
        double slack = root ? 3 * PARITY_U * sqrt(p) + 0x1p-74 : parity_slack(3, p);
        parity_expect(t, table->level, text, i, y.data[at], root ? sqrt(p) : p, slack);
    }
    parity_require(t, parity_floats_done(&y), table->level, text, "wrote out of bounds");
}

/* The bins of a cosine are where they should be; what is not finite is not lost. */
static void rdft_special(parity *t, const sn_rdft_table *table, int32_t n, const double *root)
{
    rdft_case c = rdft_open(t, table, n);
    int64_t bin = n / 4 + parity_between(t, -7, 7);
    for (int64_t j = 0; j < n; j++) {
        c.window.data[j] = 1;
        c.x.data[j] = (float)root[j * bin % n];
    }
    sn_rdft_plan(&c.plan, n, table->lanes, c.window.data, c.table);
    table->frame(&c.plan, c.x.data, c.re.data, c.im.data, c.scratch);
    for (int64_t k = 0; k <= n / 2; k++)
        parity_expect(t, table->level, "cosine", k, c.re.data[k], k == bin ? n / 2 : 0,
                      (6 * log2((double)n) + 1) * PARITY_U * n);
    c.x.data[parity_between(t, 0, n - 1)] = parity_coin(t) ? NAN : INFINITY;
    table->frame(&c.plan, c.x.data, c.re.data, c.im.data, c.scratch);
    for (int64_t k = 0; k <= n / 2; k++)
        parity_require(t, !isfinite(c.re.data[k]) || !isfinite(c.im.data[k]), table->level, "NaN", "a finite bin");
    rdft_close(t, &c, table->level, "special");
}

static void rdft_size(parity *t, sn_cpu_level level, int32_t n)
{
    char text[40];
    sn_rdft_table table;
    sn_rdft_table_init(&table, level, n);
    double *root = malloc(sizeof *root * (size_t)n);
    if (!root)
        parity_die("out of memory");
    for (int32_t j = 0; j < n; j++)
        root[j] = cos(2 * 3.14159265358979323846 * j / n);
    rdft_special(t, &table, n, root);
    for (int64_t i = 0, rounds = n > 1024 ? 1 : t->repeat; i < rounds; i++) {
        rdft_case c = rdft_open(t, &table, n);
        snprintf(text, sizeof text, "n %d", n);
        table.frame(&c.plan, c.x.data, c.re.data, c.im.data, c.scratch);
        rdft_check(t, &c, root, table.level, text);
        table.frame(&c.plan, c.x.data, c.re.data, c.im.data, c.scratch); /* again, with the scratch that it left */
        rdft_check(t, &c, root, table.level, text);
        rdft_run_power(t, &table, &c);
        rdft_close(t, &c, table.level, text);
    }
    free(root);
}

int main(int argc, char **argv)
{
    parity t = parity_begin("kernel_rdft", 12, argc, argv);
    parity_cap_f32(&t);
    for (sn_cpu_level level = t.lowest; level <= t.highest; level++)
        for (int32_t n = SN_RDFT_MIN; n <= SN_RDFT_MAX; n *= 2)
            rdft_size(&t, level, n);
    return parity_end(&t);
}
