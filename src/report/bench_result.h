/* What one run of `setsuna bench` found, and its JSON object (docs/json.md, docs/bench.schema.json). */
#ifndef SN_REPORT_BENCH_RESULT_H
#define SN_REPORT_BENCH_RESULT_H

#include "ledger/book.h"
#include "ledger/passport.h"
#include "report/interval_report.h"
#include "report/json.h"
#include "report/objective_report.h"
#include "report/schedule_report.h"
#include "report/cause_report.h"
#include "report/search_report.h"
#include "report/output_error.h"
#include "report/sha256.h"
#include "report/step_report.h"
#include <setsuna/tensor.h>

/* One output of the last run; of a stream, as it was at the end of a file. */
typedef struct sn_bench_output {
    const char *name;
    setsuna_dtype dtype;
    setsuna_shape shape;
    char sha256[SN_SHA256_TEXT_MAX]; /* of its bytes in memory order: sn_sha256_text */
    bool has_error;                  /* it was compared with f32 */
    sn_output_error error;
} sn_bench_output;

/* All pointers are borrowed. Texts from files need not be UTF-8. */
typedef struct sn_bench_result {
    const char *setsuna; /* version of Setsuna */
    const sn_passport *passport;
    const char *model;  /* as the user named it: file of a model or a pipeline */
    const char *engine; /* sn_model_engine */
    uint32_t threads;
    const char *cpu_level; /* that the kernels were chosen for */
    const char *precision; /* of products */
    double throughput_per_s;
    uint64_t load_ns;        /* file to ready session */
    uint64_t first_ns;       /* the first prediction after it, warm-up included in none of the other figures */
    uint64_t peak_rss_bytes; /* of the process */
    sn_book_summary ledger;  /* of the measured runs: latencies, stages, unexplained */
    const sn_interval_report *intervals; /* of the latencies; NULL: there are none */
    const sn_schedule_result *schedule;  /* NULL: one request after the other */
    const sn_objective_report *slo;      /* NULL: none was asked for */
    const sn_search_report *search;      /* NULL: no rate was looked for */
    const sn_cost_report *cost;          /* NULL: neither price nor power is known */
    bool is_stream;                      /* a run is one frame; then also: */
    double frame_s;                      /* how long one lasts in the stream */
    sn_book_summary openings;            /* what was done once a file, before its first frame */
    const sn_bench_output *outputs;
    size_t n_outputs;
    const sn_cause_report *causes; /* NULL: not asked for */
    const sn_step_report *per_op;  /* NULL: the steps were not timed */
} sn_bench_result;

/* Writes the object as the writer's next value; the caller may put it into something larger and finishes w. */
void sn_bench_result_write_json(const sn_bench_result *r, sn_json *w);

#endif
