#include "twin.h"
#include "unit/unit.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void twin_open(twin *t, const char *op, int opset, uint64_t seed, sn_cpu_level cpu, uint32_t threads)
{
    t->seed = seed;
    for (int i = 0; i < 2; i++) {
        t->rig[i] = malloc(sizeof *t->rig[i]);
        assert_non_null(t->rig[i]);
        op_rig_open(t->rig[i], op, opset);
    }
    sn_cpu_level most = sn_cpu_detect();
    t->rig[0]->cpu = cpu < most ? cpu : most;
    t->rig[0]->n_threads = threads;
}

void twin_values(twin *t, setsuna_shape shape, const float *v, twin_kind kind)
{
    int64_t n;
    assert_true(sn_shape_numel(&shape, &n));
    double *wide = malloc((size_t)n * sizeof *wide + 1);
    assert_non_null(wide);
    for (int64_t i = 0; i < n; i++)
        wide[i] = (double)v[i];
    void (*give)(op_rig *, setsuna_dtype, setsuna_shape, const void *) = kind == TWIN_CONST ? op_rig_const : op_rig_in;
    give(t->rig[0], SETSUNA_F32, shape, v);
    give(t->rig[1], SETSUNA_F64, shape, wide);
    free(wide);
}

void twin_noise(twin *t, setsuna_shape shape, twin_kind kind)
{
    twin_noise_scaled(t, shape, kind, 1);
}

void twin_noise_scaled(twin *t, setsuna_shape shape, twin_kind kind, float scale)
{
    int64_t n;
    assert_true(sn_shape_numel(&shape, &n));
    float *v = malloc((size_t)n * sizeof *v + 1);
    assert_non_null(v);
    for (int64_t i = 0; i < n; i++)
        v[i] = scale * ((float)op_rig_random(&t->seed) / (float)(1u << 30) - 1);
    twin_values(t, shape, v, kind);
    free(v);
}

void twin_in(twin *t, setsuna_dtype dtype, setsuna_shape shape, const void *data)
{
    TWIN_EACH(t, op_rig_in(r, dtype, shape, data));
}

void twin_absent(twin *t)
{
    TWIN_EACH(t, op_rig_absent(r));
}

void twin_check(twin *t, double tolerance)
{
    op_rig *a = t->rig[0], *b = t->rig[1];
    TWIN_EACH(t, {
        setsuna_status status = op_rig_run(r);
        if (status != SETSUNA_OK)
            print_error("%s: %s\n", r->err.where, r->err.text);
        assert_int_equal(status, SETSUNA_OK);
    });
    for (uint32_t o = 0; o < a->n_out; o++) {
        int64_t n;
        assert_true(sn_shape_equal(&a->out[o].shape, &b->out[o].shape));
        assert_true(sn_shape_numel(&a->out[o].shape, &n));
        for (int64_t i = 0; i < n; i++) {
            double x = op_rig_get(&a->out[o], i), y = op_rig_get(&b->out[o], i);
            bool same = x == y || (isnan(x) && isnan(y)) || fabs(x - y) <= tolerance * (1 + fabs(y));
            if (!same)
                print_error("%s: output %u, element %lld of %lld is %.9g, not %.9g\n", a->step.kernel, o, (long long)i,
                            (long long)n, x, y);
            assert_true(same);
        }
    }
    TWIN_EACH(t, {
        op_rig_close(r);
        free(r);
    });
}
