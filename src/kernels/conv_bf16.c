/* Plans and weights of convolutions in bf16. */
#include "kernels/conv_bf16.h"
#include "kernels/bf16.h"

sn_conv_bf16_kernel sn_conv_bf16_find(sn_cpu_level level)
{
#if defined(__x86_64__)
    if (level >= SN_CPU_AVX512BF16)
        return (sn_conv_bf16_kernel){sn_conv_bf16_dense_avx512bf16, sn_conv_bf16_pixels_avx512bf16,
                                     "sn_conv_bf16_dense_avx512bf16"};
#else
    (void)level;
#endif
    return (sn_conv_bf16_kernel){sn_conv_bf16_dense_ref, sn_conv_bf16_pixels_ref, "sn_conv_bf16_dense_ref"};
}

bool sn_conv_bf16_can(const sn_conv_spec *s, int64_t block)
{
    int64_t group_ic = s->ic / s->group, group_oc = s->oc / s->group;
    return s->plain_in ? s->group == 1 : group_ic % 2 == 0 && (s->group == 1 || group_oc % block == 0);
}

void sn_conv_bf16_plan(const sn_conv_spec *spec, const sn_conv_limits *limits, sn_conv *out)
{
    sn_conv_spec pairs = *spec;
    sn_conv_limits direct = *limits;
    pairs.ic = (spec->ic + 1) / 2;
    direct.winograd = SN_CONV_WINO_NEVER;
    direct.halves = false;
    sn_conv_plan(&pairs, &direct, out);
    const sn_conv_spec *s = &out->s;
    int64_t lanes = s->plain_in ? s->ic : limits->block / 2, blocks = (s->ic + lanes - 1) / lanes;
    out->x_lanes = out->x_px = lanes;
    out->x_lane = 1;
    out->x_row = s->iw * lanes;
    out->x_block = s->ih * out->x_row;
    out->x_image = blocks * out->x_block;
    out->chunk = blocks * lanes;
    out->flops *= (double)spec->ic / (double)s->ic;
}

static float conv_bf16_weight(const sn_conv_weights *from, int64_t at, int64_t o)
{
    float w, factor = 1;
    memcpy(&w, (const char *)from->w + at * (int64_t)sizeof w, sizeof w);
    if (from->factor)
        memcpy(&factor, (const char *)from->factor + o * (int64_t)sizeof factor, sizeof factor);
    return w * factor;
}

static void conv_bf16_pack_bundle(const sn_conv *cv, int64_t ic, const sn_conv_weights *from, int64_t bundle,
                                  uint32_t *dst)
{
    const sn_conv_spec *s = &cv->s;
    int64_t b = cv->limits.block, taps = s->kh * s->kw, group_ic = s->ic / s->group, c0, c1;
    int64_t first = sn_conv_bundle_begin(cv, bundle) * b, end = sn_conv_bundle_begin(cv, bundle + 1) * b;
    int64_t width = end - first, last = end < s->oc ? end : s->oc;
    dst += sn_conv_bundle_weights(cv, first / b);
    sn_conv_bundle_inputs(cv, bundle, &c0, &c1);
    for (int64_t begin = c0; begin < c1;) { /* a block of x, as far as it is read */
        int64_t stop = (begin / cv->x_lanes + 1) * cv->x_lanes;
        stop = stop < c1 ? stop : c1;
        for (int64_t k = 0; k < taps; k++)
            for (int64_t c = begin; c < stop; c++, dst += width)
                for (int64_t o = first; o < last; o++) {
                    int64_t even = 2 * (c % group_ic), at = o * from->w_out + even * from->w_in + k * from->w_tap;
                    float odd = even + 1 < ic ? conv_bf16_weight(from, at + from->w_in, o) : 0;
                    dst[o - first] = sn_bf16_pair(conv_bf16_weight(from, at, o), odd);
                }
        begin = stop;
    }
}

void sn_conv_bf16_pack_weights(const sn_conv *cv, int64_t ic, const sn_conv_weights *from, uint32_t *dst)
{
    for (int64_t i = 0; i < cv->n_bundle; i++)
        conv_bf16_pack_bundle(cv, ic, from, i, dst);
}
