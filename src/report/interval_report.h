/* How sure the quantiles and the mean of a run are. */
#ifndef SN_REPORT_INTERVAL_REPORT_H
#define SN_REPORT_INTERVAL_REPORT_H

#include "report/json.h"
#include "stats/interval.h"

enum { SN_INTERVAL_REPORT_QUANTILES = 5, SN_INTERVAL_REPORT_MEAN = 5, SN_INTERVAL_REPORT_ALL };

typedef struct sn_interval_report {
    sn_interval of[SN_INTERVAL_REPORT_ALL]; /* p50, p90, p95, p99, p99.9, mean */
    uint64_t warmup;                        /* the first requests that differ from the rest (stats/warmup.h) */
    bool settled;
} sn_interval_report;

/* Of at least one sample in order of arrival. steady: such a series is expected to have a steady state, so that its
 * warm-up is looked for. Returns OK, ENOMEM; EINVAL (no samples). */
setsuna_status sn_interval_report_make(const sn_samples *s, bool steady, sn_interval_report *out);

/* A row a quantile: the value, the interval and its half-width, or why there is none and how much longer a run should
 * be. Returns OK, ENOMEM, EIO. */
setsuna_status sn_interval_report_write(const sn_interval_report *r, sn_sink *sink, bool ascii);

/* Writes the object that docs/json.md calls intervals_ns. */
void sn_interval_report_write_json(const sn_interval_report *r, sn_json *w);

#endif
