#include "report/output_error.h"
#include "graph/tensor.h"
#include <math.h>

static double error_ratio(double error, double size)
{
    return size > 0 ? error / size : error > 0;
}

static bool error_is_real(setsuna_dtype d)
{
    return d != SETSUNA_DTYPE_NONE && d != SETSUNA_STRING && d != SETSUNA_C64 && d != SETSUNA_C128;
}

bool sn_output_error_of(const setsuna_tensor *got, const setsuna_tensor *want, sn_output_error *out)
{
    int64_t n;
    if (got->dtype != want->dtype || !error_is_real(got->dtype) || !sn_shape_equal(&got->shape, &want->shape) ||
        !sn_shape_numel(&got->shape, &n))
        return false;
    sn_output_error e = {0};
    double largest = 0, errors = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) {
        double a = sn_tensor_get_f64(want, i);
        if (isfinite(a) && fabs(a) > largest)
            largest = fabs(a);
    }
    double unit = largest > 0 ? largest : 1; /* so that no square overflows */
    for (int64_t i = 0; i < n; i++) {
        double a = sn_tensor_get_f64(want, i), b = sn_tensor_get_f64(got, i);
        if (!isfinite(a) || !isfinite(b)) {
            e.not_finite += !(a == b || (isnan(a) && isnan(b)));
            continue;
        }
        double d = fabs(b / unit - a / unit);
        e.max_abs = fmax(e.max_abs, fabs(b - a));
        errors += d * d;
        squares += a / unit * (a / unit);
    }
    e.max_rel = error_ratio(e.max_abs, largest);
    e.rms_rel = sqrt(error_ratio(errors, squares));
    *out = e;
    return true;
}
