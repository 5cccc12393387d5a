#include "stats/early_stop.h"
#include "stats/distribution.h"
#include <stdbool.h>

static bool early_stop_holds(uint64_t n, uint64_t t, double percentile)
{
    return t < n && sn_beta_cdf(percentile, (double)(n - t), (double)t + 1) < 0.01;
}

uint64_t sn_early_stop_rank(uint64_t n, double percentile)
{
    if (!early_stop_holds(n, 1, percentile))
        return 0;
    uint64_t good = 1, bad = n;
    while (bad - good > 1) {
        uint64_t t = good + (bad - good) / 2;
        if (early_stop_holds(n, t, percentile))
            good = t;
        else
            bad = t;
    }
    return n - good + 1;
}
