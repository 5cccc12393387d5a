/* The search for the largest rate that meets an objective, as an interval: the largest rate that was seen to meet it,
 * and the smallest that was seen to miss it.
 *
 * What a rate does is monotone: a system that misses its limit misses it at every higher rate. The search begins at
 * half of what one server could do without a pause, halves until something is met, and then narrows the gap. Rates near
 * the boundary are often undecided however long they are measured; the search then narrows what lies below and above
 * them, and the interval says what nobody knows. That all its verdicts are right at once is seen to by the caller, who
 * spends doubt on them (sn_objective_look).
 */
#ifndef SN_STATS_RATE_SEARCH_H
#define SN_STATS_RATE_SEARCH_H

#include "stats/objective.h"

enum { SN_RATE_SEARCH_MAX = 32 }; /* rates tried at most */

typedef struct sn_rate_search {
    double capacity;               /* requests a second of a server that never rests */
    double precision;              /* it ends when a gap is at most this share of its lower end */
    double met;                    /* the largest; 0: none yet */
    double missed;                 /* the smallest; infinity: none yet */
    double unknown_lo, unknown_hi; /* undecided ones, from the least to the largest; 0: there are none */
    bool in_reach;                 /* the least of them is */
    uint32_t n;
} sn_rate_search;

/* service_ns: mean time that a request keeps the server busy, above 0. precision in (0, 1). */
void sn_rate_search_init(sn_rate_search *s, double service_ns, double precision);

/* The rate to try next; false: the search is over. */
bool sn_rate_search_next(const sn_rate_search *s, double *rate_out);

/* What became of the rate that next gave. in_reach: undecided, but the figures of the run itself meet the objective: at
 * a lower rate it would be as undecided, from fewer requests, and so none is tried. */
void sn_rate_search_tell(sn_rate_search *s, double rate, sn_objective_verdict verdict, bool in_reach);

#endif
