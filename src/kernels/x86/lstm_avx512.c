#include "kernels/lstm.h"
#include "kernels/x86/act_avx512.h"
#include <math.h>

static inline __mmask16 lstm_mask(int64_t left)
{
    return (__mmask16)_bzhi_u32(0xffff, left < 16 ? (uint32_t)left : 16);
}

static inline __m512 lstm_clip(__m512 x, __m512 clip)
{
    return _mm512_min_ps(clip, _mm512_max_ps(_mm512_sub_ps(_mm512_setzero_ps(), clip), x));
}

void sn_lstm_f32_cell_avx512(const sn_lstm_cell *q)
{
    const __m512 clip = _mm512_set1_ps(q->clip), one = _mm512_set1_ps(1), zero = _mm512_setzero_ps();
    int64_t n = q->hidden;
    const float *g = q->gates, *p = q->peephole;
    for (int64_t j = 0; j < n; j += 16) {
        __mmask16 k = lstm_mask(n - j);
        __m512 c = _mm512_maskz_loadu_ps(k, q->c + j);
        __m512 gi = _mm512_maskz_loadu_ps(k, g + j), go = _mm512_maskz_loadu_ps(k, g + n + j);
        __m512 gf = _mm512_maskz_loadu_ps(k, g + 2 * n + j), gc = _mm512_maskz_loadu_ps(k, g + 3 * n + j);
        __m512 po = p ? _mm512_maskz_loadu_ps(k, p + n + j) : zero;
        if (p) {
            gi = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(k, p + j), c, gi);
            gf = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(k, p + 2 * n + j), c, gf);
        }
        __m512 i = sn_sigmoid_ps512(lstm_clip(gi, clip));
        __m512 f = q->input_forget ? _mm512_sub_ps(one, i) : sn_sigmoid_ps512(lstm_clip(gf, clip));
        c = _mm512_fmadd_ps(f, c, _mm512_mul_ps(i, sn_tanh_ps512(lstm_clip(gc, clip))));
        if (p)
            go = _mm512_fmadd_ps(po, c, go);
        __m512 o = sn_sigmoid_ps512(lstm_clip(go, clip));
        _mm512_mask_storeu_ps(q->c_out + j, k, c);
        _mm512_mask_storeu_ps(q->h_out + j, k, _mm512_mul_ps(o, sn_tanh_ps512(lstm_clip(c, clip))));
    }
}

void sn_lstm_f32_act_avx512(float *x, int64_t n, float clip, sn_act act)
{
    if (isfinite(clip))
        sn_act_row_ps512(x, n, (sn_act){SN_ACT_CLIP, -clip, clip});
    sn_act_row_ps512(x, n, act);
}

void sn_lstm_f32_blend_avx512(const float *z, const float *candidate, int64_t n, float *h)
{
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 k = lstm_mask(n - i);
        __m512 a = _mm512_maskz_loadu_ps(k, z + i), b = _mm512_maskz_loadu_ps(k, candidate + i);
        __m512 keep = _mm512_mul_ps(a, _mm512_maskz_loadu_ps(k, h + i));
        _mm512_mask_storeu_ps(h + i, k, _mm512_fmadd_ps(_mm512_sub_ps(_mm512_set1_ps(1), a), b, keep));
    }
}
