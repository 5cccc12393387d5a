#include "kernels/fft.h"
#include <math.h>
#include <string.h>

static const double fft_pi = 3.14159265358979323846;

static bool fft_is_power(int64_t n)
{
    return (n & (n - 1)) == 0;
}

static int64_t fft_padded(int64_t n)
{
    int64_t m = 1;
    if (fft_is_power(n))
        return n;
    while (m < 2 * n - 1)
        m *= 2;
    return m;
}

int64_t sn_fft_table_size(int64_t n)
{
    int64_t m = fft_padded(n);
    return (m / 2 + 1) + (m == n ? 0 : n + m);
}

int64_t sn_fft_scratch_size(int64_t n)
{
    return fft_is_power(n) ? 0 : fft_padded(n);
}

static inline sn_complex fft_mul(sn_complex a, sn_complex b)
{
    return (sn_complex){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

static inline sn_complex fft_conj(sn_complex a)
{
    return (sn_complex){a.re, -a.im};
}

/* Forward transform of m = 2^k points in place: reorder by reversed bits, then butterflies. */
static void fft_radix2(int64_t m, const sn_complex *root, sn_complex *x)
{
    for (int64_t i = 1, j = 0; i < m; i++) {
        int64_t bit = m >> 1;
        for (; j & bit; bit >>= 1)
            j ^= bit;
        j |= bit;
        if (i < j) {
            sn_complex t = x[i];
            x[i] = x[j];
            x[j] = t;
        }
    }
    for (int64_t half = 1; half < m; half *= 2)
        for (int64_t i = 0; i < m; i += 2 * half)
            for (int64_t j = 0; j < half; j++) {
                sn_complex a = x[i + j], b = fft_mul(x[i + j + half], root[j * (m / 2 / half)]);
                x[i + j] = (sn_complex){a.re + b.re, a.im + b.im};
                x[i + j + half] = (sn_complex){a.re - b.re, a.im - b.im};
            }
}

static void fft_plan_chirp(sn_fft *p, sn_complex *chirp, sn_complex *spectrum)
{
    double sign = p->inverse ? 1 : -1;
    for (int64_t j = 0; j < p->n; j++) {
        double angle = sign * fft_pi * (double)(j * j % (2 * p->n)) / (double)p->n; /* j^2 mod 2n: same angle, exact */
        chirp[j] = (sn_complex){cos(angle), sin(angle)};
    }
    memset(spectrum, 0, (size_t)p->m * sizeof *spectrum);
    for (int64_t j = 0; j < p->n; j++) {
        spectrum[j] = fft_conj(chirp[j]);
        spectrum[(p->m - j) % p->m] = spectrum[j];
    }
    fft_radix2(p->m, p->root, spectrum);
    for (int64_t j = 0; j < p->m; j++) {
        spectrum[j].re /= (double)p->m;
        spectrum[j].im /= (double)p->m;
    }
    p->chirp = chirp;
    p->spectrum = spectrum;
}

void sn_fft_plan(sn_fft *p, int64_t n, bool inverse, sn_complex *table)
{
    *p = (sn_fft){.n = n, .m = fft_padded(n), .inverse = inverse, .root = table};
    for (int64_t j = 0; j < p->m / 2; j++) {
        double angle = -2 * fft_pi * (double)j / (double)p->m;
        table[j] = (sn_complex){cos(angle), sin(angle)};
    }
    if (p->m != n)
        fft_plan_chirp(p, table + p->m / 2 + 1, table + p->m / 2 + 1 + n);
}

void sn_fft_run(const sn_fft *p, sn_complex *x, sn_complex *scratch)
{
    if (!p->chirp) { /* inverse: conj(F(conj x)) */
        for (int64_t j = 0; j < p->n && p->inverse; j++)
            x[j] = fft_conj(x[j]);
        fft_radix2(p->n, p->root, x);
        for (int64_t j = 0; j < p->n && p->inverse; j++)
            x[j] = fft_conj(x[j]);
        return;
    }
    for (int64_t j = 0; j < p->n; j++)
        scratch[j] = fft_mul(x[j], p->chirp[j]);
    memset(scratch + p->n, 0, (size_t)(p->m - p->n) * sizeof *scratch);
    fft_radix2(p->m, p->root, scratch);
    /* The inverse transform of the product, again as conj(F(conj .)). */
    for (int64_t j = 0; j < p->m; j++)
        scratch[j] = fft_conj(fft_mul(scratch[j], p->spectrum[j]));
    fft_radix2(p->m, p->root, scratch);
    for (int64_t j = 0; j < p->n; j++)
        x[j] = fft_mul(fft_conj(scratch[j]), p->chirp[j]);
}
