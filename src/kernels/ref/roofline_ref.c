#include "kernels/roofline.h"
#include <string.h>

/* Chains are taken in groups that fit the registers of any CPU. */
enum { ROOFLINE_GROUP = 32 };

void sn_roofline_f32_multiply_add_ref(int64_t rounds, float *y)
{
    for (int g = 0; g < SN_ROOFLINE_CHAINS; g += ROOFLINE_GROUP) {
        float v[ROOFLINE_GROUP];
        memcpy(v, y + g, sizeof v);
        for (int64_t r = 0; r < rounds; r++)
            for (int i = 0; i < ROOFLINE_GROUP; i++)
                v[i] += v[i] * -2.0f; /* the product is exact, so that a fused multiply-add gives the same bits */
        memcpy(y + g, v, sizeof v);
    }
}

void sn_roofline_f32_read_ref(const float *x, int64_t n, float *y)
{
    memset(y, 0, SN_ROOFLINE_READ * sizeof *y);
    for (int64_t k = 0; k < n; k += SN_ROOFLINE_READ)
        for (int i = 0; i < SN_ROOFLINE_READ; i++)
            y[i] += x[k + i];
}
