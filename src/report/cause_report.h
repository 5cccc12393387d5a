/* Why the slow ones were slow: for people, and as JSON (docs/json.md). */
#ifndef SN_REPORT_CAUSE_REPORT_H
#define SN_REPORT_CAUSE_REPORT_H

#include "causes/attribute.h"
#include "causes/period.h"
#include "causes/quota.h"
#include "causes/witness.h"
#include "report/json.h"
#include "report/sink.h"

/* All pointers are borrowed. */
typedef struct sn_cause_report {
    sn_recorder_level level; /* what was to be had */
    bool has_interrupts, has_cpu, has_runqueue;
    uint64_t fault_ns; /* 0: not known */
    uint64_t begin_ns; /* of sn_now_ns, when measuring began */
    const sn_cause_log *log;
    const sn_cause_model *model;
    const sn_cause_summary *summary;
    const sn_witnesses *witnesses;
    uint32_t n_period;
    sn_period period[SN_CAUSES];
    sn_quota quota_before, quota_after;
} sn_cause_report;

/* Whose rhythm a period may be, and what speaks against it, in two texts. against: "" when nothing does. */
void sn_cause_report_hint(const sn_cause_report *r, const sn_period *p, const char **suggests, const char **against);

/* A table by band of latency, the slowest requests with their causes, and what the quantiles would be without them.
 * Returns OK, ENOMEM, EIO. */
setsuna_status sn_cause_report_write(const sn_cause_report *r, sn_sink *sink, bool ascii);

/* The object "causes" as the writer's next value. */
void sn_cause_report_write_json(const sn_cause_report *r, sn_json *w);

#endif
