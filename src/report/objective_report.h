/* The verdict on an objective, for people and as JSON (docs/json.md: slo). */
#ifndef SN_REPORT_OBJECTIVE_REPORT_H
#define SN_REPORT_OBJECTIVE_REPORT_H

#include "report/json.h"
#include "stats/objective.h"

typedef struct sn_objective_report {
    const char *text; /* as it was given */
    const sn_objective *objective;
    const sn_objective_result *result;
} sn_objective_report;

/* One line with the verdict, a row a term, and what would help where nobody can tell. Returns OK, ENOMEM, EIO. */
setsuna_status sn_objective_report_write(const sn_objective_report *r, sn_sink *sink, bool ascii);

void sn_objective_report_write_json(const sn_objective_report *r, sn_json *w);

/* The presets, a line each. */
void sn_objective_presets_write(sn_sink *sink);

#endif
