/* Comparing two systems by rounds: in each, both are started anew and measured once, A B in one round and B A in the
 * next, so that a machine that becomes slower does so to both.
 *
 * The run is the unit: its figures vary with all that differs from start to start (where memory lies, what runs
 * beside), and with the chance of its own requests, correlated or not. Rounds are added until the intervals are as
 * narrow as was wanted. That rule looks at widths and not at the difference, so that it hardly makes verdicts wrong
 * more often; 6 rounds are the least, since with fewer a width is luck. The doubt is shared by the four figures: all
 * verdicts are right at once with the confidence. Level on equal systems: tests/measure/calibrate.c.
 */
#ifndef SN_STATS_COMPARE_ROUNDS_H
#define SN_STATS_COMPARE_ROUNDS_H

#include "stats/compare.h"

enum { SN_COMPARE_ROUNDS_MIN = 6, SN_COMPARE_ROUNDS_MAX = 1000 };

#define SN_COMPARE_CONFIDENCE 0.95

typedef enum sn_compare_figure {
    SN_COMPARE_P50,
    SN_COMPARE_P90,
    SN_COMPARE_P99,
    SN_COMPARE_MEAN,
    SN_COMPARE_FIGURES
} sn_compare_figure;

/* "p50", "p90", "p99", "mean". */
const char *sn_compare_figure_name(sn_compare_figure figure);

/* The figures of a run with n >= 1 latencies, which are sorted in place. A latency of 0 counts as 1. */
void sn_compare_figures(uint64_t *latency, size_t n, double out[SN_COMPARE_FIGURES]);

typedef struct sn_compare_rounds {
    size_t n;
    double value[SN_COMPARE_FIGURES][2 * SN_COMPARE_ROUNDS_MAX]; /* as sn_compare_pairs takes them */
} sn_compare_rounds;

/* Adds a round, of which there are less than SN_COMPARE_ROUNDS_MAX. */
void sn_compare_rounds_add(sn_compare_rounds *r, const double a[SN_COMPARE_FIGURES],
                           const double b[SN_COMPARE_FIGURES]);

/* margin: as for sn_compare_pairs. Fewer than SN_COMPARE_ROUNDS_MIN rounds tell nothing. Returns OK; EINVAL. */
setsuna_status sn_compare_rounds_judge(const sn_compare_rounds *r, double confidence, double margin,
                                       sn_comparison out[SN_COMPARE_FIGURES]);

/* Every interval reaches at most `precision` to either side. */
bool sn_compare_rounds_enough(const sn_comparison of[SN_COMPARE_FIGURES], double precision);

/* The geometric mean of A's (arm 0) or B's figures. */
double sn_compare_rounds_level(const sn_compare_rounds *r, sn_compare_figure figure, int arm);

#endif
