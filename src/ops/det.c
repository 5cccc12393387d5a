/* Det: LU factorisation with partial pivoting, in double. */
#include "base/checked.h"
#include "ops/op.h"
#include <math.h>

typedef struct det_param {
    int64_t batch, n;
    bool is_f64;
} det_param;

static setsuna_status det_infer(sn_op_ctx *c)
{
    setsuna_shape y = c->in[0].shape;
    SN_TRY(sn_op_want(c, 0, "float"));
    if (y.rank < 2 || y.dim[y.rank - 1] != y.dim[y.rank - 2])
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input is not a square matrix or a batch of them");
    y.rank -= 2;
    sn_op_out(c, 0, c->in[0].dtype, &y);
    return SETSUNA_OK;
}

/* a (n,n) is overwritten. */
static double det_of(double *a, int64_t n)
{
    double det = 1.0;
    for (int64_t k = 0; k < n; k++) {
        int64_t pivot = k;
        for (int64_t i = k + 1; i < n; i++)
            if (fabs(a[i * n + k]) > fabs(a[pivot * n + k]))
                pivot = i;
        for (int64_t j = k; pivot != k && j < n; j++) {
            double swap = a[k * n + j];
            a[k * n + j] = a[pivot * n + j];
            a[pivot * n + j] = swap;
        }
        det *= pivot != k ? -a[k * n + k] : a[k * n + k];
        if (a[k * n + k] == 0.0)
            return 0.0;
        for (int64_t i = k + 1; i < n; i++) {
            double f = a[i * n + k] / a[k * n + k];
            for (int64_t j = k + 1; j < n; j++)
                a[i * n + j] -= f * a[k * n + j];
        }
    }
    return det;
}

static setsuna_status det_run(const sn_step *s, sn_run *r)
{
    const det_param *p = s->param;
    const void *x = sn_in(s, r, 0);
    void *y = sn_out(s, r, 0);
    double *a = r->scratch;
    int64_t nn = p->n * p->n;
    for (int64_t b = 0; b < p->batch; b++) {
        for (int64_t i = 0; i < nn; i++)
            a[i] = p->is_f64 ? ((const double *)x)[b * nn + i] : (double)((const float *)x)[b * nn + i];
        double det = det_of(a, p->n);
        if (p->is_f64)
            ((double *)y)[b] = det;
        else
            ((float *)y)[b] = (float)det;
    }
    return SETSUNA_OK;
}

static setsuna_status det_bind(sn_op_ctx *c, sn_step *s)
{
    det_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    p->n = c->in[0].shape.dim[c->in[0].shape.rank - 1];
    p->is_f64 = c->in[0].dtype == SETSUNA_F64;
    if (!sn_shape_numel(&c->out[0].shape, &p->batch) || !sn_mul_size((size_t)p->n, (size_t)p->n, &s->scratch_bytes) ||
        !sn_mul_size(s->scratch_bytes, sizeof(double), &s->scratch_bytes))
        return sn_op_fail(c, SETSUNA_ELIMIT, "the matrix is too large");
    if (p->batch == 0)
        s->scratch_bytes = 0;
    s->run = det_run;
    s->param = p;
    s->kernel = "det_lu";
    s->flops = (double)p->batch * (double)p->n * (double)p->n * (double)p->n * (2.0 / 3.0);
    s->n_parts = 1;
    return SETSUNA_OK;
}

const sn_op sn_ops_det[] = {
    {"", "Det", 11, 0, 1, 1, 1, 1, SN_OP_F16_AS_F32, "", det_infer, det_bind},
    {.name = NULL},
};
