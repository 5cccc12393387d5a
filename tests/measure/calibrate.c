/* Do the intervals hold? Do verdicts on equal runs stay silent? Is a warm-up found, and only a warm-up?
 *
 *     calibrate fast           what the test suite runs: fixed seeds, seconds; exits 1 when a promise is broken
 *     calibrate coverage|pairs|rounds|objectives|warmup N REPS
 *                              the tables of docs/measurement.md, from REPS runs of N samples a cell: minutes
 *
 * Series come from queues with a known truth (queue_series.h; a run of 2e7 requests, whose own error is a small part of
 * the intervals'). The promises: of the intervals that are certified, at least 97 % of those of 99 % contain the truth,
 * at utilisation 0 to 0.9 (of quantiles, where at least 50 and a fifth of the runs are certified), and in no cell do
 * more than 3 % of all runs certify a wrong one; of pairs of equal runs, at most 6 % get the verdict faster or slower
 * at 5 %; of objectives that are met exactly, at most 3 % get a verdict.
 */
#include "queue_series.h"
#include "stats/compare_rounds.h"
#include "stats/objective.h"
#include "stats/warmup.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALIBRATE_TRUTH = 20000000, CALIBRATE_QUANTILES = 4, CALIBRATE_VALUE_MAX = 1 << 21 };

static const double calibrate_q[CALIBRATE_QUANTILES] = {0.5, 0.9, 0.99, 0.999};
static const char *const calibrate_service[] = {"constant", "exponential", "lognormal", "bimodal"};
static const char *const calibrate_noise[] = {"quiet", "periodic", "spikes"};

typedef struct truth {
    double q[CALIBRATE_QUANTILES], mean;
} truth;

static void *calibrate_alloc(size_t size)
{
    void *p = malloc(size);
    if (!p)
        abort();
    return p;
}

static truth calibrate_truth(queue_service service, queue_noise noise, double utilisation, size_t n)
{
    uint64_t *count = calibrate_alloc(CALIBRATE_VALUE_MAX * sizeof *count), seen = 0;
    memset(count, 0, CALIBRATE_VALUE_MAX * sizeof *count);
    queue_series q = queue_begin(service, noise, utilisation, 99);
    truth t = {.mean = 0};
    for (size_t i = 0; i < n; i++) {
        uint64_t v = queue_next(&q);
        t.mean += (double)v / (double)n;
        count[v < CALIBRATE_VALUE_MAX ? v : CALIBRATE_VALUE_MAX - 1]++;
    }
    for (size_t v = 0, i = 0; v < CALIBRATE_VALUE_MAX && i < CALIBRATE_QUANTILES; v++)
        for (seen += count[v]; i < CALIBRATE_QUANTILES && (double)seen >= calibrate_q[i] * (double)n; i++)
            t.q[i] = (double)v;
    free(count);
    return t;
}

/* A run of n samples as the statistics take it. */
static sn_samples calibrate_run(queue_series *q, size_t n)
{
    sn_samples s;
    sn_samples_init(&s, NULL, n);
    if (sn_samples_reserve(&s, n) != SETSUNA_OK)
        abort();
    for (size_t i = 0; i < n; i++)
        sn_samples_record(&s, queue_next(q));
    return s;
}

typedef struct cell {
    int runs, certified, covered, unsteady;
    double width, longer;
} cell;

static void cell_add(cell *c, const sn_interval *i, double truth_value)
{
    c->runs++;
    c->unsteady += i->verdict == SN_INTERVAL_UNSTEADY;
    c->longer += i->longer;
    if (i->verdict != SN_INTERVAL_CERTIFIED)
        return;
    c->certified++;
    c->covered += i->lo <= truth_value && truth_value <= i->hi;
    c->width += (i->hi - i->lo) / truth_value;
}

/* Prints a cell and returns whether it keeps the promise: of all runs, and for a quantile of the certified ones too. */
static bool cell_print(const cell *c, const char *what, bool is_quantile)
{
    double wrong = (double)(c->certified - c->covered);
    bool looked_at = is_quantile && c->certified >= 50 && c->certified >= c->runs / 5;
    bool good = wrong <= 0.03 * c->runs && (!looked_at || wrong <= 0.03 * c->certified);
    printf(" | %s %3.0f%%", what, 100.0 * c->certified / c->runs);
    if (c->certified)
        printf(" %5.1f%% +-%2.0f%%", 100.0 * c->covered / c->certified, 50 * c->width / c->certified);
    else
        printf("     - x%4.0f", c->longer / c->runs);
    printf("%s", good ? "" : "!!");
    return good;
}

static bool calibrate_coverage(queue_service service, queue_noise noise, double utilisation, size_t n, int reps)
{
    cell at[CALIBRATE_QUANTILES + 1] = {{.runs = 0}};
    truth t = calibrate_truth(service, noise, utilisation, CALIBRATE_TRUTH);
    for (int r = 0; r < reps; r++) {
        queue_series q = queue_begin(service, noise, utilisation, 1000 + (uint64_t)r);
        sn_samples s = calibrate_run(&q, n);
        sn_interval i[CALIBRATE_QUANTILES], mean;
        if (sn_interval_quantiles(&s, calibrate_q, CALIBRATE_QUANTILES, 0.99, i) != SETSUNA_OK ||
            sn_interval_mean(&s, 0.99, &mean) != SETSUNA_OK)
            abort();
        for (int k = 0; k < CALIBRATE_QUANTILES; k++)
            cell_add(&at[k], &i[k], t.q[k]);
        cell_add(&at[CALIBRATE_QUANTILES], &mean, t.mean);
        sn_samples_fini(&s);
    }
    static const char *const what[] = {"p50", "p90", "p99", "p99.9", "mean"};
    bool good = true;
    printf("coverage %-11s %-8s %.1f n=%-7zu", calibrate_service[service], calibrate_noise[noise], utilisation, n);
    for (int k = 0; k <= CALIBRATE_QUANTILES; k++)
        good &= cell_print(&at[k], what[k], k < CALIBRATE_QUANTILES);
    puts("");
    fflush(stdout);
    return good;
}

/* Pairs of runs, B served `slower` times as long. Verdicts on p50, p99 and the mean at 95 %. */
static bool calibrate_pairs(queue_service service, double utilisation, size_t n, int reps, double slower)
{
    static const double q[2] = {0.5, 0.99};
    int verdicts[3][4] = {{0}};
    for (int r = 0; r < reps; r++) {
        sn_interval i[2][3];
        for (int arm = 0; arm < 2; arm++) {
            queue_series series =
                queue_begin(service, QUEUE_QUIET, utilisation, 5000 + 2 * (uint64_t)r + (uint64_t)arm);
            sn_samples s = calibrate_run(&series, n);
            for (size_t k = 0; arm && k < n; k++)
                s.log[k] = (uint64_t)((double)s.log[k] * slower);
            if (sn_interval_quantiles(&s, q, 2, 0.95, i[arm]) != SETSUNA_OK ||
                sn_interval_mean(&s, 0.95, &i[arm][2]) != SETSUNA_OK)
                abort();
            sn_samples_fini(&s);
        }
        for (int k = 0; k < 3; k++) {
            sn_comparison c;
            sn_compare_intervals(&i[0][k], &i[1][k], 0, &c);
            verdicts[k][c.verdict]++;
        }
    }
    static const char *const what[] = {"p50", "p99", "mean"};
    bool good = true;
    printf("%s %-11s %.1f n=%-7zu", slower > 1 ? "A/B" : "A/A", calibrate_service[service], utilisation, n);
    for (int k = 0; k < 3; k++) {
        double told = (double)(verdicts[k][SN_COMPARE_FASTER] + verdicts[k][SN_COMPARE_SLOWER]) / reps;
        bool bad = slower == 1 && told > 0.06;
        printf(" | %s told %5.1f%%%s", what[k], 100 * told, bad ? "!!" : "");
        good &= !bad;
    }
    puts("");
    fflush(stdout);
    return good;
}

/* Warm-up of a known length on top of a queue: the first `length` samples begin `slow` times slower and approach the
 * rest (or step down to it). Reports how much was cut, and how far the median's bias goes down. */
static bool calibrate_warmup(double utilisation, size_t n, size_t length, double slow, bool step, int reps)
{
    double cut = 0, unsettled = 0, least = 1e300, most = 0, left = 0;
    for (int r = 0; r < reps; r++) {
        queue_series q = queue_begin(QUEUE_LOGNORMAL, QUEUE_SPIKES, utilisation, 9000 + (uint64_t)r);
        sn_samples s = calibrate_run(&q, n);
        for (size_t i = 0; i < length; i++) {
            double f = step ? slow : 1 + (slow - 1) * exp(-4.0 * (double)i / (double)length);
            s.log[i] = (uint64_t)((double)s.log[i] * f);
        }
        sn_warmup w;
        if (sn_warmup_find(sn_allocator_default(), s.log, n, &w) != SETSUNA_OK)
            abort();
        unsettled += !w.settled;
        cut += (double)w.n;
        least = fmin(least, (double)w.n);
        most = fmax(most, (double)w.n);
        left += w.n < length ? (double)(length - w.n) / (double)(n - w.n) : 0;
        sn_samples_fini(&s);
    }
    printf(
        "warm-up %.1f n=%zu: %s of %zu, x%.1f: cut %.0f (%.0f..%.0f), left in %.2f %% of the rest, unsettled %.1f %%\n",
        utilisation, n, step ? "step" : "decay", length, slow, cut / reps, least, most, 100 * left / reps,
        100 * unsettled / reps);
    fflush(stdout);
    if (length == 0)
        return cut / reps <= 0.02 * (double)n;
    return !step || utilisation > 0.5 || left / reps < 0.02; /* a busy queue hides a warm-up from everybody */
}

static const double calibrate_utilisation[] = {0, 0.3, 0.5, 0.7, 0.8, 0.9};

/* Objectives on p99 with a limit that is the truth, so that neither verdict is right: 30 in 1,000 may have one. With
 * limits twice as far and half as far, how many are told. The run is looked at when 1/8, 1/4, 1/2 and all of it is
 * there, as bench does. */
static bool calibrate_objectives(queue_service service, queue_noise noise, double utilisation, size_t n, int reps)
{
    static const double far[] = {1, 2, 0.5};
    truth t = calibrate_truth(service, noise, utilisation, CALIBRATE_TRUTH);
    int told[3][3] = {{0}};
    for (int r = 0; r < reps; r++) {
        queue_series q = queue_begin(service, noise, utilisation, 1000 + (uint64_t)r);
        sn_samples s = calibrate_run(&q, n);
        for (int k = 0; k < 3; k++) {
            sn_objective o = {.n_terms = 1, .term = {{.quantile = 0.99, .limit = floor(t.q[2] * far[k])}}};
            sn_objective_result result = {.verdict = SN_OBJECTIVE_UNDECIDED};
            for (uint32_t look = 1; look <= 4 && result.verdict == SN_OBJECTIVE_UNDECIDED; look++) {
                sn_samples part = s;
                part.n = part.n_log = n >> (4 - look);
                if (sn_objective_judge(&o, &(sn_objective_run){.latency = &part}, sn_objective_look(0.99, look),
                                       &result) != SETSUNA_OK)
                    abort();
            }
            told[k][result.verdict]++;
        }
        sn_samples_fini(&s);
    }
    /* Without a queue, these two have many latencies that are the quantile: less than 1 % lies above it. */
    bool atoms = utilisation <= 0 && (service == QUEUE_CONSTANT || service == QUEUE_BIMODAL);
    int wrong = told[0][SN_OBJECTIVE_MISSED] + (atoms ? 0 : told[0][SN_OBJECTIVE_MET]);
    bool good = wrong <= 0.03 * reps && told[1][SN_OBJECTIVE_MISSED] + told[2][SN_OBJECTIVE_MET] <= 0.01 * reps;
    printf("objective %-11s %-8s %.1f n=%-7zu | at the limit: met %4.1f%% missed %4.1f%% | half of it: met %5.1f%% | "
           "twice: "
           "missed %5.1f%%%s\n",
           calibrate_service[service], calibrate_noise[noise], utilisation, n, 100.0 * told[0][SN_OBJECTIVE_MET] / reps,
           100.0 * told[0][SN_OBJECTIVE_MISSED] / reps, 100.0 * told[1][SN_OBJECTIVE_MET] / reps,
           100.0 * told[2][SN_OBJECTIVE_MISSED] / reps, good ? "" : " !!");
    fflush(stdout);
    return good;
}

/* `setsuna compare` on equal systems: restarted runs whose speed differs from start to start by `spread`, in a queue or
 * in none, until the intervals are narrow enough or 12 rounds are over. At most 6 % of the comparisons may call any of
 * their four figures different. */
static bool calibrate_rounds(queue_noise noise, double utilisation, double spread, size_t n, int reps, double slower)
{
    static sn_compare_rounds rounds;
    int told = 0, same = 0;
    double used = 0;
    uint64_t *v = calibrate_alloc(n * sizeof *v);
    for (int r = 0; r < reps; r++) {
        sn_comparison c[SN_COMPARE_FIGURES] = {{.verdict = SN_COMPARE_CANNOT_TELL}};
        sn_random random;
        bool enough = false, different = false, all_same = true;
        sn_random_init(&random, 77000 + (uint64_t)r);
        for (rounds.n = 0; rounds.n < 12 && !enough;) {
            double figure[2][SN_COMPARE_FIGURES];
            for (int arm = 0; arm < 2; arm++) {
                queue_series q = queue_begin(QUEUE_LOGNORMAL, noise, utilisation, sn_random_u64(&random));
                double factor = exp(spread * queue_normal(&random)) * (arm ? slower : 1);
                for (size_t i = 0; i < n; i++)
                    v[i] = (uint64_t)((double)queue_next(&q) * factor);
                sn_compare_figures(v, n, figure[arm]);
            }
            sn_compare_rounds_add(&rounds, figure[0], figure[1]);
            if (sn_compare_rounds_judge(&rounds, SN_COMPARE_CONFIDENCE, 0.03, c) != SETSUNA_OK)
                abort();
            enough = rounds.n >= SN_COMPARE_ROUNDS_MIN && sn_compare_rounds_enough(c, 0.015);
        }
        for (int f = 0; f < SN_COMPARE_FIGURES; f++) {
            different |= c[f].verdict == SN_COMPARE_FASTER || c[f].verdict == SN_COMPARE_SLOWER;
            all_same &= c[f].verdict == SN_COMPARE_SAME;
        }
        told += different;
        same += all_same;
        used += (double)rounds.n;
    }
    free(v);
    bool good = slower > 1 || told <= 0.06 * reps;
    printf("rounds %s %-8s %.1f, starts differ by %2.0f%%, n=%zu | different %5.1f%% | same %5.1f%% | %.1f rounds%s\n",
           slower > 1 ? "A/B" : "A/A", calibrate_noise[noise], utilisation, 100 * spread, n, 100.0 * told / reps,
           100.0 * same / reps, used / reps, good ? "" : " !!");
    fflush(stdout);
    return good;
}

static bool calibrate_all_rounds(size_t n, int reps)
{
    bool good = true;
    for (int noise = 0; noise < QUEUE_NOISES; noise++)
        for (int u = 0; u < 6; u += noise == QUEUE_QUIET ? 1 : 2)
            for (int spread = 0; spread <= 6; spread += 3) {
                double utilisation = calibrate_utilisation[u];
                good &= calibrate_rounds((queue_noise)noise, utilisation, spread / 100.0, n, reps, 1);
                calibrate_rounds((queue_noise)noise, utilisation, spread / 100.0, n, reps, 1.1);
            }
    return good;
}

static bool calibrate_fast(void)
{
    bool good = true;
    good &= calibrate_coverage(QUEUE_LOGNORMAL, QUEUE_QUIET, 0, 3000, 200);
    good &= calibrate_coverage(QUEUE_CONSTANT, QUEUE_QUIET, 0.5, 10000, 200);
    good &= calibrate_coverage(QUEUE_EXPONENTIAL, QUEUE_QUIET, 0.8, 30000, 100);
    good &= calibrate_coverage(QUEUE_LOGNORMAL, QUEUE_SPIKES, 0.5, 30000, 100);
    good &= calibrate_coverage(QUEUE_LOGNORMAL, QUEUE_QUIET, 0.9, 100000, 60);
    for (int u = 0; u < 4; u++)
        good &= calibrate_pairs(QUEUE_CONSTANT, (double[]){0, 0.5, 0.8, 0.9}[u], 10000, 150, 1);
    good &= calibrate_objectives(QUEUE_LOGNORMAL, QUEUE_QUIET, 0, 8000, 200);
    good &= calibrate_objectives(QUEUE_EXPONENTIAL, QUEUE_QUIET, 0.8, 32000, 100);
    good &= calibrate_objectives(QUEUE_LOGNORMAL, QUEUE_SPIKES, 0.5, 16000, 100);
    good &= calibrate_rounds(QUEUE_QUIET, 0, 0.01, 500, 200, 1);
    good &= calibrate_rounds(QUEUE_SPIKES, 0.8, 0.03, 500, 200, 1);
    good &= calibrate_rounds(QUEUE_QUIET, 0, 0.005, 10000, 100, 1); /* ends early */
    good &= calibrate_warmup(0, 2000, 0, 1, true, 100);
    good &= calibrate_warmup(0, 2000, 200, 2, true, 100);
    good &= calibrate_warmup(0.5, 5000, 500, 3, true, 50);
    return good;
}

static bool calibrate_all_coverage(size_t n, int reps)
{
    bool good = true;
    for (int noise = 0; noise < QUEUE_NOISES; noise++)
        for (int service = 0; service < QUEUE_SERVICES; service++)
            for (int u = 0; u < 6; u++)
                if (noise == QUEUE_QUIET || (service == QUEUE_LOGNORMAL && calibrate_utilisation[u] <= 0.8))
                    good &= calibrate_coverage((queue_service)service, (queue_noise)noise, calibrate_utilisation[u], n,
                                               reps);
    return good;
}

static bool calibrate_all_objectives(size_t n, int reps)
{
    bool good = true;
    for (int noise = 0; noise < QUEUE_NOISES; noise++)
        for (int service = 0; service < QUEUE_SERVICES; service++)
            for (int u = 0; u < 6; u++)
                if (noise == QUEUE_QUIET || (service == QUEUE_LOGNORMAL && calibrate_utilisation[u] <= 0.8))
                    good &= calibrate_objectives((queue_service)service, (queue_noise)noise, calibrate_utilisation[u],
                                                 n, reps);
    return good;
}

static bool calibrate_all_pairs(size_t n, int reps)
{
    bool good = true;
    for (int service = 0; service < QUEUE_SERVICES; service++)
        for (int u = 0; u < 6; u++) {
            good &= calibrate_pairs((queue_service)service, calibrate_utilisation[u], n, reps, 1);
            calibrate_pairs((queue_service)service, calibrate_utilisation[u], n, reps, 1.05);
        }
    return good;
}

static bool calibrate_all_warmups(size_t n, int reps)
{
    bool good = true;
    for (int u = 0; u < 6; u++)
        for (int step = 0; step < 2; step++)
            for (size_t part = 0; part < 3; part++)
                good &= calibrate_warmup(calibrate_utilisation[u], n, n * part * part / 13, 2, step, reps);
    return good;
}

int main(int argc, char **argv)
{
    bool good;
    if (argc < 2 || strcmp(argv[1], "fast") == 0) {
        good = calibrate_fast();
    } else if (argc == 4 && atoi(argv[2]) >= 100 && atoi(argv[3]) > 0) {
        size_t n = (size_t)atoi(argv[2]);
        int reps = atoi(argv[3]);
        good = strcmp(argv[1], "coverage") == 0     ? calibrate_all_coverage(n, reps)
               : strcmp(argv[1], "pairs") == 0      ? calibrate_all_pairs(n, reps)
               : strcmp(argv[1], "rounds") == 0     ? calibrate_all_rounds(n, reps)
               : strcmp(argv[1], "objectives") == 0 ? calibrate_all_objectives(n, reps)
                                                    : calibrate_all_warmups(n, reps);
    } else {
        fprintf(stderr, "usage: calibrate fast | coverage|pairs|rounds|objectives|warmup N REPS\n");
        return 2;
    }
    printf("%s\n", good ? "every promise is kept" : "a promise is broken: see !! above");
    return !good;
}
