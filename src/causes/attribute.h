/* Whose fault it was: the time of every request, as what was to be expected plus its causes.
 *
 *     wall  =  predicted queueing  +  predicted compute  +  sum over the causes
 *
 * holds for each request to the nanosecond. Predicted compute is the model's (model.h). Predicted queueing is what the
 * request would have waited had every request before it taken its predicted compute: Lindley's recursion over the
 * actual arrivals, begin = max(due, free). What it waited more than that is carried by the causes that lengthened the
 * requests before it, in proportion, and is called knock-on. Sources: D. V. Lindley, "The theory of queues with a
 * single server", 1952.
 *
 * A counterfactual takes causes away and runs the same queue again, so that the waiting they caused goes with them.
 */
#ifndef SN_CAUSES_ATTRIBUTE_H
#define SN_CAUSES_ATTRIBUTE_H

#include "causes/model.h"
#include "stats/quantile.h"

enum { SN_CAUSE_BANDS = 5, SN_CAUSE_WORST = 32 };

/* Of one request, or summed over some. */
typedef struct sn_cause_parts {
    uint64_t wall_ns;
    int64_t queue_ns, compute_ns; /* predicted */
    int64_t by_ns[SN_CAUSES];     /* knock-on included */
    int64_t knock_on_ns;          /* of by_ns, what came from requests before it */
} sn_cause_parts;

/* Requests whose wall time is above the quantile `from` and not above the quantile `to`. */
typedef struct sn_cause_band {
    double from, to;
    uint64_t n;
    sn_cause_parts sum;
} sn_cause_band;

typedef struct sn_cause_worst {
    size_t index;  /* in the log */
    size_t behind; /* the request that this one waited for most: the one disturbed most before it, or index */
    sn_cause_parts parts;
    int64_t own_ns[SN_CAUSES]; /* of parts.by_ns, without the knock-on */
} sn_cause_worst;

typedef struct sn_cause_quantiles {
    uint64_t p50, p90, p99, p99_9, max;
} sn_cause_quantiles;

typedef struct sn_cause_summary {
    uint64_t n;
    sn_cause_parts sum;
    uint64_t residual_p99_ns; /* of |UNEXPLAINED|, without the knock-on */
    sn_cause_band band[SN_CAUSE_BANDS];
    uint32_t n_worst;
    sn_cause_worst worst[SN_CAUSE_WORST];    /* by descending wall time; of equals the earlier first */
    sn_cause_quantiles as_it_was, predicted; /* predicted: without any cause */
    sn_cause_quantiles without[SN_CAUSES];
} sn_cause_summary;

/* Of one server's requests in order of their turn. Returns OK; EINVAL (no requests); ENOMEM. */
setsuna_status sn_cause_attribute(const sn_cause_log *log, const sn_cause_model *m, sn_cause_summary *out);

/* The quantiles of wall times had the causes in the set (1u << SN_CAUSE_x) never been. With all of them: the predicted
 * ones. Returns OK; ENOMEM. */
setsuna_status sn_cause_without(const sn_cause_log *log, const sn_cause_model *m, uint32_t set,
                                sn_cause_quantiles *out);

/* The cause that stands out: the largest one, when it is at least 5 us and a twentieth of the wall time (of sums: of
 * the sums, n requests). SN_CAUSES: none does, the request was about as long as predicted. */
sn_cause sn_cause_name(const sn_cause_parts *p, uint64_t n);

#endif
