#include "cli/bench_error.h"

enum { BENCH_ERROR_OUTPUTS_MAX = 64 };

static setsuna_status bench_error_run(sn_workload *w, uint64_t input, setsuna_error *err)
{
    sn_ledger l;
    bool more;
    sn_ledger_begin(&l, input);
    setsuna_status status = sn_workload_begin(w, input, &l, err);
    if (status == SETSUNA_OK)
        status = sn_workload_run(w, &l, &more, err);
    sn_ledger_close(&l);
    return status;
}

setsuna_status sn_bench_compare_f32(const sn_workload_options *o, uint64_t input, const sn_workload *measured,
                                    sn_bench_output *output, uint32_t n, setsuna_error *err)
{
    const char *name[BENCH_ERROR_OUTPUTS_MAX];
    setsuna_tensor got[BENCH_ERROR_OUTPUTS_MAX], want[BENCH_ERROR_OUTPUTS_MAX];
    sn_cli_inputs inputs = *o->inputs; /* made again: they belong to a workload */
    sn_workload_options f32 = *o;
    sn_workload *w;
    inputs.tensor = NULL;
    inputs.n_tensor = 0;
    f32.inputs = &inputs;
    f32.model.precision = SN_PRECISION_F32;
    SN_TRY(sn_workload_open(&f32, &w, err));
    setsuna_status status = bench_error_run(w, input, err);
    uint32_t n_got = sn_workload_outputs(measured, name, got, BENCH_ERROR_OUTPUTS_MAX);
    uint32_t n_want = status == SETSUNA_OK ? sn_workload_outputs(w, name, want, BENCH_ERROR_OUTPUTS_MAX) : 0;
    for (uint32_t i = 0; i < n && i < n_got && i < n_want; i++)
        output[i].has_error = sn_output_error_of(&got[i], &want[i], &output[i].error);
    sn_workload_close(w);
    return status;
}

void sn_bench_print_errors(const sn_bench_result *r, sn_sink *out)
{
    bool any = false;
    for (size_t i = 0; i < r->n_outputs; i++) {
        const sn_bench_output *o = &r->outputs[i];
        if (!o->has_error)
            continue;
        if (!any)
            sn_sink_puts(out, "\nerror against f32\n");
        any = true;
        sn_sink_printf(out, "  %-24s max %.3g, %.3g of the largest value; rms %.3g of that of the values", o->name,
                       o->error.max_abs, o->error.max_rel, o->error.rms_rel);
        if (o->error.not_finite)
            sn_sink_printf(out, "; %llu not finite in one of both", (unsigned long long)o->error.not_finite);
        sn_sink_puts(out, "\n");
    }
}
