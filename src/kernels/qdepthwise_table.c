#include "kernels/qdepthwise.h"
#include <string.h>

void sn_qdepthwise_table_init(sn_qdepthwise_table *t, sn_cpu_level level)
{
    *t = (sn_qdepthwise_table){.format = SN_QDEPTHWISE_I16};
#define KERNEL(family, entry, min_level, symbol, numerics)                                                             \
    if (SN_CPU_##min_level <= level) {                                                                                 \
        t->entry = symbol;                                                                                             \
        t->entry##_name = #symbol;                                                                                     \
    }
#include "kernels/qdepthwise.inc"
#undef KERNEL
#if defined(__x86_64__)
    if (level >= SN_CPU_AVX512VNNI)
        t->format = SN_QDEPTHWISE_QUADS;
#endif
}

size_t sn_qdepthwise_packed_bytes(const sn_qdepthwise_table *t, const sn_qdepthwise *d)
{
    int64_t c = sn_qdepthwise_channels(d);
    if (t->format == SN_QDEPTHWISE_I16)
        return (size_t)(d->kh * d->kw * c) * sizeof(int16_t);
    return (size_t)(d->kw * sn_qdepthwise_quads(d) * c * 4);
}

size_t sn_qdepthwise_scratch_bytes(const sn_qdepthwise_table *t, const sn_qdepthwise *d)
{
    if (t->format == SN_QDEPTHWISE_I16)
        return 0;
    return sn_qdepthwise_zero_bytes(d) + (size_t)sn_qdepthwise_quads(d) * sn_qdepthwise_plane_bytes(d);
}

static void qdepthwise_put(const sn_qdepthwise_table *t, const sn_qdepthwise *d, int64_t ky, int64_t kx, int64_t c,
                           int32_t v, void *dst)
{
    int64_t channels = sn_qdepthwise_channels(d), quads = sn_qdepthwise_quads(d);
    if (t->format == SN_QDEPTHWISE_I16) {
        ((int16_t *)dst)[(ky * d->kw + kx) * channels + c] = (int16_t)v;
        return;
    }
    for (int64_t row = ky; row < sn_qdepthwise_rows(d); row += d->kh) {
        int32_t piece = v < -128 ? -128 : v > 127 ? 127 : v;
        ((int8_t *)dst)[((kx * quads + row / 4) * channels + c) * 4 + row % 4] = (int8_t)piece;
        v -= piece;
    }
}

void sn_qdepthwise_pack(const sn_qdepthwise_table *t, const sn_qdepthwise *d, const uint8_t *w, bool is_signed,
                        const int32_t *zero, void *dst, int32_t *col_sum)
{
    for (int64_t c = 0; c < d->c; c++) {
        int32_t sum = 0;
        for (int64_t ky = 0; ky < d->kh; ky++)
            for (int64_t kx = 0; kx < d->kw; kx++) {
                uint8_t byte = w[(c * d->kh + ky) * d->kw + kx];
                int32_t v = (is_signed ? (int32_t)(int8_t)byte : (int32_t)byte) - (zero ? zero[c] : 0);
                qdepthwise_put(t, d, ky, kx, c, v, dst);
                sum += v;
            }
        col_sum[c] = sum;
    }
}
