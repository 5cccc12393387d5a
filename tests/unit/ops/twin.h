/* One operator twice: in f32, at some CPU level and with some threads, and in f64, where the operators of this folder's
 * families run plain loops in double precision. The values are the same; the results must agree.
 *
 *     twin t;
 *     twin_open(&t, "Conv", 11, seed);
 *     twin_noise(&t, sn_shape(3, 1, 4, 9), TWIN_INPUT);
 *     twin_noise(&t, sn_shape(3, 2, 4, 3), TWIN_CONST);
 *     op_rig_int(t.rig[0], ...) for both, or TWIN_EACH(&t, op_rig_int(r, "group", 2));
 *     twin_check(&t, 1e-5);
 */
#ifndef SN_TESTS_TWIN_H
#define SN_TESTS_TWIN_H

#include "op_rig.h"

typedef struct twin {
    op_rig *rig[2]; /* f32, f64 */
    uint64_t seed;
} twin;

typedef enum twin_kind { TWIN_INPUT, TWIN_CONST } twin_kind;

/* cpu: of the f32 one. */
void twin_open(twin *t, const char *op, int opset, uint64_t seed, sn_cpu_level cpu, uint32_t threads);

/* Noise in [-1, 1], the same numbers for both. */
void twin_noise(twin *t, setsuna_shape shape, twin_kind kind);
void twin_noise_scaled(twin *t, setsuna_shape shape, twin_kind kind, float scale); /* in [-scale, scale] */
void twin_values(twin *t, setsuna_shape shape, const float *v, twin_kind kind);

/* An input that is no float: the same bytes for both. */
void twin_in(twin *t, setsuna_dtype dtype, setsuna_shape shape, const void *data);
void twin_absent(twin *t);

#define TWIN_EACH(t, statement)                                                                                        \
    do {                                                                                                               \
        for (int twin_i_ = 0; twin_i_ < 2; twin_i_++) {                                                                \
            op_rig *r = (t)->rig[twin_i_];                                                                             \
            statement;                                                                                                 \
        }                                                                                                              \
    } while (0)

/* Runs both, compares every output (floats within tolerance * (1 + |value|), others exactly), closes both. */
void twin_check(twin *t, double tolerance);

#endif
