#include "kernels/lstm.h"
#include "kernels/x86/act_avx2.h"
#include <math.h>

static inline __m256i lstm_mask(int64_t left)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(left < 8 ? (int)left : 8), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline __m256 lstm_clip(__m256 x, __m256 clip)
{
    return _mm256_min_ps(clip, _mm256_max_ps(_mm256_sub_ps(_mm256_setzero_ps(), clip), x));
}

void sn_lstm_f32_cell_avx2(const sn_lstm_cell *q)
{
    const __m256 clip = _mm256_set1_ps(q->clip), one = _mm256_set1_ps(1);
    int64_t n = q->hidden;
    const float *g = q->gates, *p = q->peephole;
    for (int64_t j = 0; j < n; j += 8) {
        __m256i k = lstm_mask(n - j);
        __m256 c = _mm256_maskload_ps(q->c + j, k);
        __m256 gi = _mm256_maskload_ps(g + j, k), go = _mm256_maskload_ps(g + n + j, k);
        __m256 gf = _mm256_maskload_ps(g + 2 * n + j, k), gc = _mm256_maskload_ps(g + 3 * n + j, k);
        if (p) {
            gi = _mm256_fmadd_ps(_mm256_maskload_ps(p + j, k), c, gi);
            gf = _mm256_fmadd_ps(_mm256_maskload_ps(p + 2 * n + j, k), c, gf);
        }
        __m256 i = sn_sigmoid_ps256(lstm_clip(gi, clip));
        __m256 f = q->input_forget ? _mm256_sub_ps(one, i) : sn_sigmoid_ps256(lstm_clip(gf, clip));
        c = _mm256_fmadd_ps(f, c, _mm256_mul_ps(i, sn_tanh_ps256(lstm_clip(gc, clip))));
        if (p)
            go = _mm256_fmadd_ps(_mm256_maskload_ps(p + n + j, k), c, go);
        __m256 o = sn_sigmoid_ps256(lstm_clip(go, clip));
        _mm256_maskstore_ps(q->c_out + j, k, c);
        _mm256_maskstore_ps(q->h_out + j, k, _mm256_mul_ps(o, sn_tanh_ps256(lstm_clip(c, clip))));
    }
}

void sn_lstm_f32_act_avx2(float *x, int64_t n, float clip, sn_act act)
{
    if (isfinite(clip))
        sn_act_row_ps256(x, n, (sn_act){SN_ACT_CLIP, -clip, clip});
    sn_act_row_ps256(x, n, act);
}

void sn_lstm_f32_blend_avx2(const float *z, const float *candidate, int64_t n, float *h)
{
    for (int64_t i = 0; i < n; i += 8) {
        __m256i k = lstm_mask(n - i);
        __m256 a = _mm256_maskload_ps(z + i, k), b = _mm256_maskload_ps(candidate + i, k);
        __m256 keep = _mm256_mul_ps(a, _mm256_maskload_ps(h + i, k));
        _mm256_maskstore_ps(h + i, k, _mm256_fmadd_ps(_mm256_sub_ps(_mm256_set1_ps(1), a), b, keep));
    }
}
