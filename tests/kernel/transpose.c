/* Every level of every transpose moves the same bytes as the reference and touches nothing else. */
#include "kernels/transpose.h"
#include "parity.h"

typedef struct transpose_case {
    int64_t rows, cols, lds, ldd;
    size_t size, skew;
} transpose_case;

/* dst (cols rows of ldd elements, the last one cut short) starts as canaries: gaps between rows must stay. */
static void transpose_check(parity *p, const transpose_case *c, sn_transpose_fn *fn, sn_transpose_fn *ref,
                            const char *symbol)
{
    size_t n_src = c->rows && c->cols ? (size_t)((c->rows - 1) * c->lds + c->cols) * c->size : 0;
    size_t n_dst = c->rows && c->cols ? (size_t)((c->cols - 1) * c->ldd + c->rows) * c->size : 0;
    parity_block src = parity_block_make(n_src, c->skew, false), want = parity_block_make(n_dst, c->skew, false);
    parity_block got = parity_block_make(n_dst, c->skew, parity_coin(p));
    for (size_t i = 0; i < n_src; i++)
        src.data[i] = (uint8_t)parity_random(p);
    ref(want.data, c->ldd, src.data, c->lds, c->rows, c->cols);
    fn(got.data, c->ldd, src.data, c->lds, c->rows, c->cols);
    if ((n_dst && memcmp(got.data, want.data, n_dst) != 0) || !parity_block_intact(&got))
        parity_fail(p, symbol, "%" PRId64 "x%" PRId64 " lds %" PRId64 " ldd %" PRId64 " skew %zu differs", c->rows,
                    c->cols, c->lds, c->ldd, c->skew);
    free(src.base);
    free(want.base);
    free(got.base);
}

/* The reference itself against the definition. */
static void transpose_check_ref(parity *p, size_t size, sn_transpose_fn *ref)
{
    enum { ROWS = 37, COLS = 19 };
    uint8_t src[ROWS * COLS * 16], dst[ROWS * COLS * 16];
    for (size_t i = 0; i < sizeof src; i++)
        src[i] = (uint8_t)parity_random(p);
    ref(dst, ROWS, src, COLS, ROWS, COLS);
    for (size_t r = 0; r < ROWS; r++)
        for (size_t c = 0; c < COLS; c++)
            if (memcmp(dst + (c * ROWS + r) * size, src + (r * COLS + c) * size, size) != 0) {
                parity_fail(p, "ref", "%zu bytes: element %zu,%zu", size, r, c);
                return;
            }
}

static void transpose_run(parity *p, size_t size, sn_cpu_level level, sn_transpose_fn *fn, const char *symbol)
{
    static const int64_t extent[] = {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 97};
    enum { N = sizeof extent / sizeof extent[0] };
    sn_transpose_table ref;
    if (level > p->highest || level < p->lowest || !parity_wants(p, symbol))
        return;
    sn_transpose_table_init(&ref, SN_CPU_REF);
    if (level == SN_CPU_REF)
        transpose_check_ref(p, size, fn);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            for (size_t skew = 0; skew <= 1; skew++) {
                transpose_case c = {.rows = extent[i], .cols = extent[j], .size = size, .skew = skew};
                c.lds = c.cols + parity_between(p, 0, 5);
                c.ldd = c.rows + parity_between(p, 0, 5);
                transpose_check(p, &c, fn, sn_transpose_by_size(&ref, size), symbol);
            }
}

int main(int argc, char **argv)
{
    parity p = parity_begin("kernel_transpose", 1, argc, argv);
    static const struct {
        const char *entry;
        size_t size;
    } sizes[] = {{"x1", 1}, {"x2", 2}, {"x4", 4}, {"x8", 8}, {"x16", 16}};
#define KERNEL(family, entry_name, level, symbol, numerics)                                                            \
    for (size_t k = 0; k < 5; k++)                                                                                     \
        if (strcmp(#entry_name, sizes[k].entry) == 0)                                                                  \
            transpose_run(&p, sizes[k].size, SN_CPU_##level, symbol, #symbol);
#include "kernels/transpose.inc"
#undef KERNEL
    return parity_end(&p);
}
