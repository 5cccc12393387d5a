/* RNN, GRU and LSTM as the specification writes them, in double precision. */
#include "base/checked.h"
#include "ops/real.h"
#include "ops/rnn_attr.h"
#include <math.h>

typedef struct rnn_plain_call {
    const sn_rnn_attr *a;
    const void *x, *w, *r, *b, *h0, *c0, *p;
    void *y, *yh, *yc;
    const int32_t *lens;
    double *h, *c, *gate, *linear; /* hidden; hidden; gates * hidden; hidden */
} rnn_plain_call;

static double rnn_plain_act(double x, double clip, sn_rnn_act f)
{
    double alpha = (double)f.alpha, beta = (double)f.beta;
    x = x < -clip ? -clip : x > clip ? clip : x;
    switch (f.kind) {
    case SN_RNN_ACT_SIGMOID: return 1 / (1 + exp(-x));
    case SN_RNN_ACT_TANH: return tanh(x);
    case SN_RNN_ACT_RELU: return x > 0 ? x : 0;
    case SN_RNN_ACT_AFFINE: return alpha * x + beta;
    case SN_RNN_ACT_LEAKY_RELU: return x < 0 ? alpha * x : x;
    case SN_RNN_ACT_THRESHOLDED_RELU: return x >= alpha ? x : 0;
    case SN_RNN_ACT_SCALED_TANH: return alpha * tanh(beta * x);
    case SN_RNN_ACT_HARD_SIGMOID: return fmin(fmax(alpha * x + beta, 0), 1);
    case SN_RNN_ACT_ELU: return x < 0 ? alpha * (exp(x) - 1) : x;
    case SN_RNN_ACT_SOFTSIGN: return x / (1 + fabs(x));
    case SN_RNN_ACT_SOFTPLUS: return log1p(exp(x));
    }
    return x;
}

static double rnn_plain_bias(const rnn_plain_call *q, int32_t dir, int64_t row, bool recurrent)
{
    int64_t gh = q->a->gates * q->a->hidden;
    return q->b ? sn_real_get(q->b, q->a->dtype, (2 * dir + recurrent) * gh + row) : 0;
}

/* Row `row` of R times v. */
static double rnn_plain_recur(const rnn_plain_call *q, int32_t dir, int64_t row, const double *v)
{
    int64_t h = q->a->hidden, at = (dir * q->a->gates * h + row) * h;
    double sum = 0;
    for (int64_t k = 0; k < h; k++)
        sum += sn_real_get(q->r, q->a->dtype, at + k) * v[k];
    return sum;
}

/* gate = W x + Wb for all gates of one step. */
static void rnn_plain_input(const rnn_plain_call *q, int32_t dir, int64_t x_at)
{
    const sn_rnn_attr *a = q->a;
    for (int64_t row = 0; row < a->gates * a->hidden; row++) {
        double sum = rnn_plain_bias(q, dir, row, false);
        int64_t at = (dir * a->gates * a->hidden + row) * a->input;
        for (int64_t k = 0; k < a->input; k++)
            sum += sn_real_get(q->w, a->dtype, at + k) * sn_real_get(q->x, a->dtype, x_at + k);
        q->gate[row] = sum;
    }
}

static void rnn_plain_step_rnn(const rnn_plain_call *q, int32_t dir)
{
    int64_t n = q->a->hidden;
    for (int64_t j = 0; j < n; j++)
        q->gate[j] += rnn_plain_recur(q, dir, j, q->h) + rnn_plain_bias(q, dir, j, true);
    for (int64_t j = 0; j < n; j++)
        q->h[j] = rnn_plain_act(q->gate[j], (double)q->a->clip, q->a->act[dir][0]);
}

static void rnn_plain_step_gru(const rnn_plain_call *q, int32_t dir)
{
    const sn_rnn_attr *a = q->a;
    int64_t n = a->hidden;
    double clip = (double)a->clip, *z = q->gate, *r = z + n, *candidate = r + n;
    for (int64_t j = 0; j < 2 * n; j++)
        z[j] += rnn_plain_recur(q, dir, j, q->h) + rnn_plain_bias(q, dir, j, true);
    for (int64_t j = 0; j < 2 * n; j++)
        z[j] = rnn_plain_act(z[j], clip, a->act[dir][0]);
    for (int64_t j = 0; j < n; j++)
        q->linear[j] = r[j] * q->h[j];
    for (int64_t j = 0; j < n; j++) {
        double bias = rnn_plain_bias(q, dir, 2 * n + j, true);
        if (a->linear_before_reset)
            candidate[j] += r[j] * (rnn_plain_recur(q, dir, 2 * n + j, q->h) + bias);
        else
            candidate[j] += rnn_plain_recur(q, dir, 2 * n + j, q->linear) + bias;
    }
    for (int64_t j = 0; j < n; j++)
        q->h[j] = (1 - z[j]) * rnn_plain_act(candidate[j], clip, a->act[dir][1]) + z[j] * q->h[j];
}

static void rnn_plain_step_lstm(const rnn_plain_call *q, int32_t dir)
{
    const sn_rnn_attr *a = q->a;
    int64_t n = a->hidden;
    double clip = (double)a->clip, peep[3] = {0};
    for (int64_t j = 0; j < 4 * n; j++)
        q->gate[j] += rnn_plain_recur(q, dir, j, q->h) + rnn_plain_bias(q, dir, j, true);
    for (int64_t j = 0; j < n; j++) {
        for (int64_t k = 0; k < 3 && q->p; k++)
            peep[k] = sn_real_get(q->p, a->dtype, (3 * dir + k) * n + j);
        double c = q->c[j], i = rnn_plain_act(q->gate[j] + peep[0] * c, clip, a->act[dir][0]);
        double f = a->input_forget ? 1 - i : rnn_plain_act(q->gate[2 * n + j] + peep[2] * c, clip, a->act[dir][0]);
        c = f * c + i * rnn_plain_act(q->gate[3 * n + j], clip, a->act[dir][1]);
        double o = rnn_plain_act(q->gate[n + j] + peep[1] * c, clip, a->act[dir][0]);
        q->c[j] = c;
        q->h[j] = o * rnn_plain_act(c, clip, a->act[dir][2]);
    }
}

static void rnn_plain_sequence(const rnn_plain_call *q, int32_t dir, int64_t b)
{
    const sn_rnn_attr *a = q->a;
    int64_t n = a->hidden, state = dir * a->s_d + b * a->s_b, len = q->lens ? q->lens[b] : a->seq;
    for (int64_t j = 0; j < n; j++) {
        q->h[j] = q->h0 ? sn_real_get(q->h0, a->dtype, state + j) : 0;
        q->c[j] = q->c0 ? sn_real_get(q->c0, a->dtype, state + j) : 0;
    }
    for (int64_t i = 0; i < a->seq; i++) {
        int64_t t = a->reverse[dir] ? a->seq - 1 - i : i;
        if (t < len) {
            rnn_plain_input(q, dir, t * a->x_t + b * a->x_b);
            if (a->kind == SN_RNN_LSTM)
                rnn_plain_step_lstm(q, dir);
            else if (a->kind == SN_RNN_GRU)
                rnn_plain_step_gru(q, dir);
            else
                rnn_plain_step_rnn(q, dir);
        }
        for (int64_t j = 0; j < n && q->y; j++)
            sn_real_set(q->y, a->dtype, t * a->y_t + dir * a->y_d + b * a->y_b + j, t < len ? q->h[j] : 0);
    }
    for (int64_t j = 0; j < n; j++) {
        if (q->yh)
            sn_real_set(q->yh, a->dtype, state + j, q->h[j]);
        if (q->yc)
            sn_real_set(q->yc, a->dtype, state + j, q->c[j]);
    }
}

bool sn_rnn_plain_scratch_bytes(const sn_rnn_attr *a, size_t *out)
{
    return sn_mul_size((size_t)a->hidden, (size_t)(a->gates + 3) * sizeof(double), out);
}

setsuna_status sn_rnn_plain_run(const sn_step *s, sn_run *r, const sn_rnn_attr *a)
{
    int64_t n = a->hidden;
    double *scratch = r->scratch;
    rnn_plain_call q = {.a = a,
                        .x = sn_in(s, r, SN_RNN_X),
                        .w = sn_in(s, r, SN_RNN_W),
                        .r = sn_in(s, r, SN_RNN_R),
                        .b = sn_in(s, r, SN_RNN_B),
                        .h0 = sn_in(s, r, SN_RNN_H0),
                        .c0 = sn_in(s, r, SN_RNN_C0),
                        .p = sn_in(s, r, SN_RNN_P),
                        .y = sn_out(s, r, 0),
                        .yh = sn_out(s, r, 1),
                        .yc = sn_out(s, r, 2),
                        .h = scratch,
                        .c = scratch + n,
                        .linear = scratch + 2 * n,
                        .gate = scratch + 3 * n};
    SN_TRY(sn_rnn_lens(s, r, a, &q.lens));
    for (int32_t d = 0; d < a->dirs; d++)
        for (int64_t b = 0; b < a->batch; b++)
            rnn_plain_sequence(&q, d, b);
    return SETSUNA_OK;
}
