/* Discrete Fourier transform of any length, in double precision.
 *
 *     X[k] = sum over j of x[j] exp(-+ 2 pi i j k / n)        - forward, + inverse (without the factor 1/n)
 *
 * Powers of two run as radix-2 in place (Cooley & Tukey 1965); other lengths as a circular convolution of a power of
 * two (Bluestein 1970). |err| stays below 8 log2(n) 2^-53 sum|x|.
 */
#ifndef SN_KERNELS_FFT_H
#define SN_KERNELS_FFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sn_complex {
    double re, im;
} sn_complex;

enum { SN_FFT_MAX = 1 << 26 }; /* points */

typedef struct sn_fft {
    int64_t n, m; /* points; those of the power of two that is transformed (m = n if n is one) */
    bool inverse;
    const sn_complex *root;     /* [m / 2] exp(-2 pi i j / m) */
    const sn_complex *chirp;    /* [n] exp(-+ pi i j^2 / n); NULL when n is a power of two */
    const sn_complex *spectrum; /* [m] transform of the conjugate chirp, divided by m */
} sn_fft;

/* Complex numbers of table that a plan for n in [1, SN_FFT_MAX] points takes, and of scratch that a run takes. */
int64_t sn_fft_table_size(int64_t n);
int64_t sn_fft_scratch_size(int64_t n);

/* Fills table (borrowed by the plan). */
void sn_fft_plan(sn_fft *p, int64_t n, bool inverse, sn_complex *table);

/* x [n] in place. */
void sn_fft_run(const sn_fft *p, sn_complex *x, sn_complex *scratch);

#endif
