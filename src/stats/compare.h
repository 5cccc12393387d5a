/* A verdict on two runs: is B faster than A, slower, the same, or can nobody tell?
 *
 * Each run gets its interval for the quantity (stats/interval.h), and the two make one for the difference by the method
 * of variance estimates recovery: its lower end is (b - a) - sqrt((b - b_lo)^2 + (a_hi - a)^2), its upper end likewise.
 * No density of latencies need be estimated, the two intervals may be lopsided, and correlation is inside them. Source:
 * G. Y. Zou and A. Donner, "Construction of confidence limits about effect measures", 2008.
 */
#ifndef SN_STATS_COMPARE_H
#define SN_STATS_COMPARE_H

#include "stats/interval.h"

typedef enum sn_compare_verdict {
    SN_COMPARE_FASTER, /* B's value is below A's */
    SN_COMPARE_SLOWER, /* above */
    SN_COMPARE_SAME,   /* no difference larger than the margin */
    SN_COMPARE_CANNOT_TELL,
} sn_compare_verdict;

typedef struct sn_comparison {
    sn_compare_verdict verdict;
    double confidence;
    double change;     /* B / A - 1 */
    double lo, hi;     /* of the change, with the confidence; -1 and infinity where a run was refused */
    double detectable; /* the least change that runs like these tell apart in 4 of 5 cases; infinity where refused */
    double longer;     /* runs this many times longer should be certified; 1 when they are */
} sn_comparison;

/* "faster", "slower", "same", "cannot tell". */
const char *sn_compare_verdict_text(sn_compare_verdict verdict);

/* From the intervals of A and B, which have one confidence: that of the verdict. margin: a change that nobody minds,
 * such as 0.03; "same" is said only where the whole interval lies within it. A value of 0 for A can not be told about.
 */
void sn_compare_intervals(const sn_interval *a, const sn_interval *b, double margin, sn_comparison *out);

/* Runs that were restarted and interleaved, pair by pair (A B, B A, ...): the run is the unit, and what differs from
 * run to run (memory layout, neighbours) is inside the interval. value[2 i] is A's quantity of pair i and value[2 i +
 * 1] that of B, all above 0. The interval is Student's, of the logarithms of the ratios. Below 4 pairs nothing is told.
 * Returns OK; EINVAL (a value that is not above 0, confidence outside (0, 1)). */
setsuna_status sn_compare_pairs(const double *value, size_t n_pairs, double confidence, double margin,
                                sn_comparison *out);

#endif
