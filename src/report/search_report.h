/* The search for the largest rate that meets an objective, and what predictions cost at a rate. */
#ifndef SN_REPORT_SEARCH_REPORT_H
#define SN_REPORT_SEARCH_REPORT_H

#include "report/json.h"
#include "stats/rate_search.h"

typedef struct sn_search_rate {
    double rate_per_s;
    sn_objective_verdict verdict;
    bool overloaded;
    uint64_t n; /* requests that were due */
    double seconds;
    double attained; /* share of them that was answered within the limit of a request, or at all */
} sn_search_rate;

typedef struct sn_search_report {
    double confidence; /* that all verdicts are right, and so the interval */
    double met;        /* the largest rate that meets; 0: none was found */
    double missed;     /* the smallest that misses; infinity: none was found */
    bool interrupted;
    uint32_t n;
    sn_search_rate rate[SN_RATE_SEARCH_MAX];
} sn_search_report;

setsuna_status sn_search_report_write(const sn_search_report *r, sn_sink *sink, bool ascii);

/* Writes the object that docs/json.md calls search. */
void sn_search_report_write_json(const sn_search_report *r, sn_json *w);

/* All are above 0 where they are known. The currency is that of the price. */
typedef struct sn_cost_report {
    double rate_per_s;     /* predictions of the machine that costs this */
    double price_per_hour; /* 0: not given */
    double watts;          /* 0: not known */
    bool watts_declared;   /* by the user; otherwise measured (energy.h) */
} sn_cost_report;

void sn_cost_report_write(const sn_cost_report *r, sn_sink *sink);

/* Writes the object that docs/json.md calls cost. */
void sn_cost_report_write_json(const sn_cost_report *r, sn_json *w);

#endif
