/* Tables of sn_rdft. */
#include "kernels/rdft.h"
#include <math.h>
#include <string.h>

static const double rdft_pi = 3.14159265358979323846;

/* exp(-2 pi i j / n), exact where it is 0 or 1. */
static void rdft_root(int64_t j, int64_t n, double *re, double *im)
{
    int64_t eighths = 8 * j / n % 8, odd = (eighths + 1) / 2 * 2; /* the nearest quarter turn */
    double turn = 2 * rdft_pi * (double)(8 * (j % n) - odd * n) / (double)(8 * n), c = cos(turn), s = sin(turn);
    switch (odd / 2 % 4) {
    case 0: *re = c, *im = -s; break;
    case 1: *re = -s, *im = -c; break;
    case 2: *re = -c, *im = s; break;
    default: *re = s, *im = c; break;
    }
}

static float *rdft_put(float *t, double re, double im)
{
    t[0] = (float)re;
    t[1] = (float)im;
    return t + 2;
}

/* The roots of a transform of n points: each stage takes radix 4 while it can, and none for the first of its
 * butterflies. */
static int64_t rdft_stages_size(int64_t n)
{
    int64_t size = 0;
    for (int64_t r; n > 1; n /= r) {
        r = n % 4 ? 2 : 4;
        size += 2 * (r - 1) * (n / r - 1);
    }
    return size;
}

static float *rdft_fill_stages(float *t, int64_t n)
{
    double re, im;
    for (int64_t r; n > 1; n /= r) {
        r = n % 4 ? 2 : 4;
        for (int64_t p = 1; p < n / r; p++)
            for (int64_t j = 1; j < r; j++) {
                rdft_root(p * j, n, &re, &im);
                t = rdft_put(t, re, im);
            }
    }
    return t;
}

size_t sn_rdft_table_bytes(int32_t n, int32_t lanes)
{
    int64_t half = n / lanes / 2;
    if (lanes == 1)
        return (size_t)n * (sizeof(double) + sizeof(float));
    return sizeof(float) * (size_t)(n + rdft_stages_size(half) + half + 2 * (half - 1) * lanes +
                                    rdft_stages_size(lanes) + (int64_t)lanes * lanes);
}

/* Two buffers of `half` rows (but for transposition at least `lanes`), two of `lanes`, and one real row. */
static int64_t rdft_buffer_rows(int32_t n, int32_t lanes)
{
    int32_t half = n / lanes / 2;
    return half > lanes ? half : lanes;
}

int64_t sn_rdft_scratch_size(int32_t n, int32_t lanes)
{
    return lanes == 1 ? 0 : 4 * lanes * (rdft_buffer_rows(n, lanes) + lanes) + lanes;
}

void sn_rdft_prepare(const sn_rdft *p, float *scratch)
{
    size_t row = 2 * sizeof *scratch * (size_t)p->lanes;
    if (p->half < p->lanes) /* rows past the last are transposed too: they must be numbers, and not subnormal ones */
        memset(scratch + 2 * p->half * p->lanes, 0, row * (size_t)(p->lanes - p->half));
}

static float *rdft_fill_middle(float *t, int32_t lanes)
{
    double re, im;
    for (int64_t c = 0; c < lanes; c++)
        for (int64_t k = 0; k < lanes / 2; k++) {
            rdft_root(c * (2 * k + 1), 2 * (int64_t)lanes, &re, &im);
            t[c * lanes + k] = (float)re;
            t[c * lanes + lanes / 2 + k] = (float)im;
        }
    return t + (int64_t)lanes * lanes;
}

static void rdft_plan_plain(sn_rdft *p, const float *window, void *table)
{
    double *root = table;
    float *w = (float *)(void *)(root + p->n);
    double im;
    for (int64_t j = 0; j < p->n; j++)
        rdft_root(j, p->n, &root[j], &im);
    memcpy(w, window, (size_t)p->n * sizeof *w);
    p->root = root;
    p->window = w;
}

void sn_rdft_plan(sn_rdft *p, int32_t n, int32_t lanes, const void *window, void *table)
{
    *p = (sn_rdft){.n = n, .lanes = lanes, .half = n / lanes / 2};
    if (lanes == 1) {
        rdft_plan_plain(p, window, table);
        return;
    }
    float *t = table;
    double re, im;
    memcpy(t, window, (size_t)n * sizeof *t);
    for (int32_t j = 0; j < n; j++)
        t[j] *= 0.5f;
    p->window = t;
    p->column = t += n;
    p->apart = t = rdft_fill_stages(t, p->half);
    for (int64_t k = 1; k < p->half / 2; k++) {
        rdft_root(k, 2 * (int64_t)p->half, &re, &im);
        t = rdft_put(t, im, -re);
    }
    p->turn = t;
    for (int64_t k = 1; k < p->half; k++, t += 2 * lanes)
        for (int64_t c = 0; c < lanes; c++) {
            rdft_root(k * c, n, &re, &im);
            t[c] = (float)re;
            t[lanes + c] = (float)im;
        }
    p->lane = t;
    p->middle = t = rdft_fill_stages(t, lanes);
    rdft_fill_middle(t, lanes);
}
