/* What comparing two systems by rounds found, for people and as JSON (docs/json.md, docs/compare.schema.json). */
#ifndef SN_REPORT_COMPARE_REPORT_H
#define SN_REPORT_COMPARE_REPORT_H

#include "report/json.h"
#include "report/passport_compare.h"
#include "stats/compare_rounds.h"

typedef struct sn_compare_report {
    const char *a, *b; /* command lines */
    const sn_compare_rounds *rounds;
    sn_comparison figure[SN_COMPARE_FIGURES];
    double margin, precision;
    uint64_t requests[2], lost[2]; /* of A and B in all rounds; lost ones are in no figure */
    const sn_passport_text *passport[2];
    bool refused;     /* passports of different machines: all verdicts are "cannot tell" */
    bool interrupted; /* ended by the user: of the rounds that were complete */
} sn_compare_report;

setsuna_status sn_compare_report_write(const sn_compare_report *r, sn_sink *sink, bool ascii);
void sn_compare_report_write_json(const sn_compare_report *r, sn_json *w);

#endif
