/* What a lower precision costs: the outputs of setsuna bench against those of one run in f32. */
#ifndef SN_CLI_BENCH_ERROR_H
#define SN_CLI_BENCH_ERROR_H

#include "cli/workload.h"
#include "report/bench_result.h"

/* Opens the workload of `o` again in f32, runs it on input number `input`, and sets has_error and error of the n
 * outputs, which are those of `measured` after its last run. Not for streams. Returns as opening and running do. */
setsuna_status sn_bench_compare_f32(const sn_workload_options *o, uint64_t input, const sn_workload *measured,
                                    sn_bench_output *output, uint32_t n, setsuna_error *err);

/* A line for each output that was compared; nothing when none was. */
void sn_bench_print_errors(const sn_bench_result *r, sn_sink *out);

#endif
