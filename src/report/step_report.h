/* Where the time of a plan goes, step by step: beside each step's time the least that the machine could need for it.
 * What `setsuna bench --per-op` prints; docs/json.md explains each figure. */
#ifndef SN_REPORT_STEP_REPORT_H
#define SN_REPORT_STEP_REPORT_H

#include "report/json.h"
#include <setsuna/tensor.h>

/* One step. Texts are borrowed and need not be UTF-8. */
typedef struct sn_step_row {
    uint32_t segment,
        step; /* several plans where shapes depend on data, or of subgraphs; steps are numbered over all */
    const char *name, *op, *kernel;
    uint32_t threads;    /* that share the step */
    setsuna_shape shape; /* of its first output */
    uint64_t min_ns, p50_ns;
    double flops, work;                 /* by the operator's definition; that the algorithm needs */
    double weight_bytes, operand_bytes; /* that it must move */
    double compute_ns, memory_ns;       /* bounds; 0: not known */
} sn_step_row;

typedef enum sn_step_order { SN_STEP_BY_PLAN, SN_STEP_BY_TIME, SN_STEP_BY_GAP } sn_step_order;

enum { SN_STEP_POINTS_MAX = 8 };

typedef struct sn_step_report {
    uint64_t runs;
    uint64_t clock_ns;     /* one reading of the clock, which each step's time includes */
    uint64_t p50_ns;       /* of the runs that were timed step by step... */
    uint64_t plain_p50_ns; /* ...and of those that were not */
    bool is_given;         /* the roofline was given, not measured */
    double flops_per_ns;
    uint32_t n_point;
    struct {
        double bytes, bytes_per_ns;
    } point[SN_STEP_POINTS_MAX];
    double touched_bytes; /* weights and workspace of a run */
    sn_step_row *row;     /* in plan order until sorted */
    size_t n_row;
} sn_step_report;

/* The larger bound, in nanoseconds; 0: none is known. */
double sn_step_row_bound_ns(const sn_step_row *r);

/* Time and gap descending; equal ones stay in plan order. */
void sn_step_report_sort(sn_step_report *r, sn_step_order order);

/* The object "per_op" as the writer's next value. */
void sn_step_report_write_json(const sn_step_report *r, sn_json *w);

/* A table and the lines that say how to read it. Returns OK, ENOMEM, EIO. */
setsuna_status sn_step_report_write(const sn_step_report *r, sn_sink *sink, bool ascii);

#endif
