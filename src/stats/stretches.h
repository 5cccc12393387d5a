/* Bounds for the next stretch of a run, from the 16 that it is made of.
 *
 * Intervals from ranks and their correlation (stats/interval.h) know nothing of amounts: a machine that becomes one per
 * cent slower half-way makes half of the run lie above its median, and so two independent samples of 100,000. Against a
 * limit that is eighty times as far away this does not matter, and nobody would wait for certainty about it. Here the
 * run is cut into 16 stretches; a figure of each (a quantile, a rate) is taken, and by Student's t on their logarithms
 * the figure of one more such stretch is bounded. Drift and memory make stretches differ and the bounds wide. They are
 * bounds for a stretch, wider by sqrt(17) than those of a mean would be: a system may differ in the next sixteenth as
 * it did among these. What happens less often than once a run, no run tells of.
 *
 * Source: batch quantiles, A. F. Seila, "A batching approach to quantile estimation in regenerative simulations", 1982;
 * prediction limits of a normal sample, G. J. Hahn, 1970. How often verdicts from them are wrong: tests/measure.
 */
#ifndef SN_STATS_STRETCHES_H
#define SN_STATS_STRETCHES_H

#include "stats/samples.h"

enum { SN_STRETCHES = 16 };

typedef struct sn_stretches {
    bool known;         /* false: too few samples, the rest is 0 */
    double least, most; /* of the 16 figures */
    double lo, hi;      /* of the next, by the two-sided confidence */
} sn_stretches;

/* From the figures themselves; one that is 0 makes lo 0 and hi infinity, unless all are. */
void sn_stretches_bound(const double figure[SN_STRETCHES], double confidence, sn_stretches *out);

/* The q-quantile of each stretch of the log. Known where a stretch has two samples beyond the quantile. Returns OK;
 * ENOMEM. */
setsuna_status sn_stretches_quantile(const sn_samples *s, double q, double confidence, sn_stretches *out);

#endif
