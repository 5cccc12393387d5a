#include "cli/bench_slo.h"
#include "base/status.h"
#include "report/objective_report.h"
#include <string.h>

void sn_bench_slo_help(void)
{
    sn_sink out;
    sn_sink_init_file(&out, stdout);
    sn_sink_puts(&out, "--slo takes terms joined by commas: p99=33ms, attainment=99%, goodput=100/s, error=0.1%\n"
                       "or a preset:\n");
    sn_objective_presets_write(&out);
}

setsuna_status sn_bench_slo_init(sn_bench_slo *s, const char *text, setsuna_error *err)
{
    sn_bench_slo slo = {.text = text, .confidence = SN_INTERVAL_CONFIDENCE};
    SN_TRY(sn_objective_parse(text, &slo.objective, err));
    *s = slo;
    return SETSUNA_OK;
}

setsuna_status sn_bench_slo_check(const sn_bench_slo *s, uint64_t deadline_ns, setsuna_error *err)
{
    for (uint32_t i = 0; i < s->objective.n_terms; i++) {
        sn_objective_kind kind = s->objective.term[i].kind;
        if ((kind == SN_OBJECTIVE_GOODPUT || kind == SN_OBJECTIVE_ATTAINMENT) && !deadline_ns && !s->objective.limit_ns)
            return sn_fail(err, SETSUNA_EINVAL, "--slo",
                           "%s counts requests that are in time: say when with a quantile (p99=33ms) or --deadline",
                           s->objective.term[i].name);
    }
    return SETSUNA_OK;
}

static void slo_judge(sn_bench_slo *s, const sn_objective_run *run)
{
    double confidence = s->limit_ns ? sn_objective_look(s->confidence, ++s->looks) : s->confidence;
    s->n_seen = run->latency->n;
    s->status = sn_objective_judge(&s->objective, run, confidence, &s->result);
    s->result.confidence = s->confidence; /* of the verdict at whatever look */
}

uint64_t sn_bench_slo_look(sn_bench_slo *s, const sn_objective_run *run, uint64_t elapsed_ns)
{
    if (elapsed_ns >= s->limit_ns || run->latency->n == 0)
        return 0;
    slo_judge(s, run);
    if (s->status != SETSUNA_OK || s->result.verdict != SN_OBJECTIVE_UNDECIDED)
        return 0;
    uint64_t left = s->limit_ns - elapsed_ns;
    return elapsed_ns < left ? elapsed_ns : left;
}

setsuna_status sn_bench_slo_conclude(sn_bench_slo *s, const sn_objective_run *run, setsuna_error *err)
{
    if (s->n_seen != run->latency->n)
        slo_judge(s, run);
    if (s->status != SETSUNA_OK)
        return sn_fail(err, s->status, "--slo", "%s", setsuna_status_text(s->status));
    return SETSUNA_OK;
}

int sn_bench_slo_exit(const sn_bench_slo *s)
{
    static const int code[] = {SN_EXIT_SLO_MET, SN_EXIT_SLO_MISSED, SN_EXIT_SLO_UNDECIDED};
    return code[s->result.verdict];
}
