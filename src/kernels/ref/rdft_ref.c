#include "kernels/rdft.h"
#include <math.h>

/* The sum as it is written. sin is cos a quarter of a turn later. */
void sn_rdft_frame_ref(const sn_rdft *p, const float *x, float *re, float *im, float *scratch)
{
    (void)scratch;
    for (int64_t k = 0; k <= p->n / 2; k++) {
        double c = 0, s = 0;
        for (int64_t j = 0; j < p->n; j++) {
            double v = (double)p->window[j] * (double)x[j];
            c += v * p->root[j * k % p->n];
            s += v * p->root[(j * k + p->n / 4) % p->n];
        }
        re[k] = (float)c;
        im[k] = (float)s;
    }
}

static float *rdft_place(const sn_rdft_rows *r, int64_t i, float *y)
{
    return y + i / r->row * r->stride + i % r->row;
}

void sn_rdft_power_ref(const float *re, const float *im, const sn_rdft_rows *r, float *y)
{
    for (int64_t i = 0; i < r->n; i++)
        *rdft_place(r, i, y) = re[i] * re[i] + im[i] * im[i];
}

void sn_rdft_magnitude_ref(const float *re, const float *im, const sn_rdft_rows *r, float *y)
{
    for (int64_t i = 0; i < r->n; i++)
        *rdft_place(r, i, y) = sqrtf(re[i] * re[i] + im[i] * im[i]);
}
