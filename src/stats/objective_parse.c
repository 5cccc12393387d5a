#include "base/scan.h"
#include "base/status.h"
#include "stats/objective.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct objective_parse {
    const char *text, *p;
    sn_objective *out;
    setsuna_error *err;
} objective_parse;

static setsuna_status objective_refuse(const objective_parse *w, const char *wanted)
{
    return sn_fail(w->err, SETSUNA_EINVAL, "--slo", "\"%s\", at character %zu: wants %s", w->text,
                   (size_t)(w->p - w->text) + 1, wanted);
}

static setsuna_status objective_add(objective_parse *w, const sn_objective_term *t)
{
    sn_objective *o = w->out;
    for (uint32_t i = 0; i < o->n_terms; i++)
        if (strcmp(o->term[i].name, t->name) == 0)
            return sn_fail(w->err, SETSUNA_EINVAL, "--slo", "\"%s\": two limits for %s", w->text, t->name);
    if (o->n_terms == SN_OBJECTIVE_TERMS_MAX)
        return sn_fail(w->err, SETSUNA_EINVAL, "--slo", "\"%s\": more than %d terms", w->text, SN_OBJECTIVE_TERMS_MAX);
    o->term[o->n_terms++] = *t;
    return SETSUNA_OK;
}

/* "99=33ms" behind the p. */
static setsuna_status objective_quantile(objective_parse *w, sn_objective_term *t)
{
    static const char wanted[] = "a quantile from p1 to p99.9999 and a time, such as p99=33ms";
    const char *begin = w->p;
    double q, n, unit;
    if (!sn_scan_number(&w->p, &q) || !(q >= 1 && q <= 99.9999) || w->p - begin > 7 || *w->p != '=') {
        w->p = begin;
        return objective_refuse(w, wanted);
    }
    t->kind = SN_OBJECTIVE_QUANTILE;
    t->quantile = q / 100;
    snprintf(t->name, sizeof t->name, "p%.*s", (int)(w->p - begin), begin);
    w->p++;
    if (!sn_scan_number(&w->p, &n) || !sn_scan_time_unit(&w->p, &unit))
        return objective_refuse(w, "a time such as 33ms, 500us or 1s");
    t->limit = floor(n * unit + 0.5);
    if (!(t->limit >= 1 && t->limit <= 365 * 24 * 3.6e12))
        return objective_refuse(w, "a time from 1ns to a year");
    return SETSUNA_OK;
}

/* "0.1%", in (0, 100) percent. */
static setsuna_status objective_share(objective_parse *w, sn_objective_term *t, sn_objective_kind kind)
{
    double n;
    t->kind = kind;
    if (!sn_scan_number(&w->p, &n) || !sn_scan_literal(&w->p, "%") || !(n > 0 && n < 100))
        return objective_refuse(w, "a share above 0% and below 100%");
    t->limit = n / 100;
    return SETSUNA_OK;
}

static setsuna_status objective_rate(objective_parse *w, sn_objective_term *t)
{
    double n, per;
    t->kind = SN_OBJECTIVE_GOODPUT;
    if (!sn_scan_number(&w->p, &n))
        return objective_refuse(w, "a rate such as 100/s or 600/min");
    if (sn_scan_literal(&w->p, "/min"))
        per = 60;
    else if (sn_scan_literal(&w->p, "/s"))
        per = 1;
    else
        return objective_refuse(w, "/s or /min behind the number");
    t->limit = n / per;
    if (!(t->limit >= 1e-6 && t->limit <= 1e9))
        return objective_refuse(w, "a rate from 0.000001/s to 1000000000/s");
    return SETSUNA_OK;
}

/* The terms that a preset's name stands for; NULL: w->p begins with no such name. */
static const char *objective_preset(objective_parse *w)
{
    static const char *const preset[][2] = {
#define OBJECTIVE_PRESET_ENTRY(name, terms, what) {name, terms},
        SN_OBJECTIVE_PRESETS(OBJECTIVE_PRESET_ENTRY)
#undef OBJECTIVE_PRESET_ENTRY
    };
    size_t n = strcspn(w->p, ",");
    for (size_t i = 0; i < sizeof preset / sizeof *preset; i++)
        if (strlen(preset[i][0]) == n && memcmp(preset[i][0], w->p, n) == 0) {
            w->p += n;
            return preset[i][1];
        }
    return NULL;
}

static setsuna_status objective_term(objective_parse *w)
{
    sn_objective_term t = {.limit = 0};
    if (sn_scan_literal(&w->p, "goodput=")) {
        memcpy(t.name, "goodput", sizeof "goodput");
        SN_TRY(objective_rate(w, &t));
    } else if (sn_scan_literal(&w->p, "attainment=")) {
        memcpy(t.name, "attainment", sizeof "attainment");
        SN_TRY(objective_share(w, &t, SN_OBJECTIVE_ATTAINMENT));
    } else if (sn_scan_literal(&w->p, "error=")) {
        memcpy(t.name, "error", sizeof "error");
        SN_TRY(objective_share(w, &t, SN_OBJECTIVE_ERROR));
    } else if (sn_scan_literal(&w->p, "p")) {
        SN_TRY(objective_quantile(w, &t));
    } else {
        return objective_refuse(w, "p99=TIME, goodput=RATE, attainment=SHARE, error=SHARE or a preset (--slo help)");
    }
    return objective_add(w, &t);
}

/* A preset is one quantile. */
static setsuna_status objective_term_or_preset(objective_parse *w)
{
    const char *quantile = objective_preset(w);
    if (!quantile)
        return objective_term(w);
    objective_parse own = {.text = quantile, .p = quantile, .out = w->out, .err = w->err};
    return objective_term(&own);
}

setsuna_status sn_objective_parse(const char *text, sn_objective *out, setsuna_error *err)
{
    sn_objective o = {.n_terms = 0};
    objective_parse w = {.text = text, .p = text, .out = &o, .err = err};
    SN_TRY(objective_term_or_preset(&w));
    while (*w.p) {
        if (!sn_scan_literal(&w.p, ","))
            return objective_refuse(&w, "a comma, or the end");
        SN_TRY(objective_term_or_preset(&w));
    }
    double highest = 0;
    for (uint32_t i = 0; i < o.n_terms; i++)
        if (o.term[i].kind == SN_OBJECTIVE_QUANTILE && o.term[i].quantile > highest) {
            highest = o.term[i].quantile;
            o.limit_ns = (uint64_t)o.term[i].limit;
        }
    *out = o;
    return SETSUNA_OK;
}
