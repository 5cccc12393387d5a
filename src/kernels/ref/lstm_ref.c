#include "kernels/lstm.h"
#include "kernels/ref/act_ref.h"

static float lstm_clip(float x, float clip)
{
    return x < -clip ? -clip : x > clip ? clip : x;
}

static float lstm_sigmoid(float x, float clip)
{
    return 1 / (1 + expf(-lstm_clip(x, clip)));
}

void sn_lstm_f32_cell_ref(const sn_lstm_cell *q)
{
    int64_t n = q->hidden;
    const float *g = q->gates, *p = q->peephole;
    for (int64_t j = 0; j < n; j++) {
        float c = q->c[j];
        float i = lstm_sigmoid(g[j] + (p ? p[j] * c : 0), q->clip);
        float f = q->input_forget ? 1 - i : lstm_sigmoid(g[2 * n + j] + (p ? p[2 * n + j] * c : 0), q->clip);
        c = f * c + i * tanhf(lstm_clip(g[3 * n + j], q->clip));
        float o = lstm_sigmoid(g[n + j] + (p ? p[n + j] * c : 0), q->clip);
        q->c_out[j] = c;
        q->h_out[j] = o * tanhf(lstm_clip(c, q->clip));
    }
}

void sn_lstm_f32_act_ref(float *x, int64_t n, float clip, sn_act act)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = sn_act_f32_ref(lstm_clip(x[i], clip), act);
}

void sn_lstm_f32_blend_ref(const float *z, const float *candidate, int64_t n, float *h)
{
    for (int64_t i = 0; i < n; i++)
        h[i] = (1 - z[i]) * candidate[i] + z[i] * h[i];
}
