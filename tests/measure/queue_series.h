/* Latency series with a known truth, as a server with a queue makes them: the ground on which the statistics stand.
 *
 * Customers arrive at a single server and wait their turn (Lindley 1952: W' = max(0, W + S - A)); a sample is wait plus
 * service, in units of a thousandth of the mean service time. At utilisation 0 there is no queue and samples are
 * independent. Disturbances come on top.
 */
#ifndef SN_TESTS_QUEUE_SERIES_H
#define SN_TESTS_QUEUE_SERIES_H

#include "base/random.h"
#include <math.h>
#include <stddef.h>
#include <stdint.h>

typedef enum queue_service {
    QUEUE_CONSTANT,    /* M/D/1, each service lengthened by up to 1 %, so that samples differ */
    QUEUE_EXPONENTIAL, /* M/M/1 */
    QUEUE_LOGNORMAL,   /* coefficient of variation 0.5: what inference on a busy machine looks like */
    QUEUE_BIMODAL,     /* 2 % of the requests take 11 times as long as the others */
    QUEUE_SERVICES
} queue_service;

typedef enum queue_noise {
    QUEUE_QUIET,
    QUEUE_PERIODIC, /* of every 1,000 requests, 30 in a row are served three times as slowly */
    QUEUE_SPIKES,   /* one request in 500, at random, takes ten service times more */
    QUEUE_NOISES
} queue_noise;

typedef struct queue_series {
    queue_service service;
    queue_noise noise;
    double utilisation; /* of a quiet server; disturbances add to it */
    double wait;
    uint64_t i;
    sn_random random;
} queue_series;

static inline double queue_normal(sn_random *r)
{
    return sqrt(-2 * log(sn_random_unit(r))) * cos(6.283185307179586 * sn_random_unit(r));
}

static inline double queue_service_time(queue_series *q)
{
    double s = 1;
    switch (q->service) {
    case QUEUE_CONSTANT: s = 0.995 + 0.01 * sn_random_unit(&q->random); break;
    case QUEUE_EXPONENTIAL: s = -log(sn_random_unit(&q->random)); break;
    case QUEUE_LOGNORMAL: s = exp(0.4723807270 * queue_normal(&q->random) - 0.1115717757); break;
    default: s = (sn_random_unit(&q->random) < 0.02 ? 11 : 1) / 1.2; break;
    }
    if (q->noise == QUEUE_PERIODIC && q->i % 1000 < 30)
        s *= 3;
    if (q->noise == QUEUE_SPIKES && sn_random_unit(&q->random) < 1.0 / 500)
        s += 10;
    return s;
}

static inline uint64_t queue_next(queue_series *q)
{
    double s = queue_service_time(q), sojourn = q->wait + s;
    q->i++;
    if (q->utilisation > 0)
        q->wait = fmax(0, sojourn + log(sn_random_unit(&q->random)) / q->utilisation);
    return (uint64_t)(sojourn * 1000 + 0.5);
}

/* In its steady state: the first requests, which find the queue emptier than it is later, are over. */
static inline queue_series queue_begin(queue_service service, queue_noise noise, double utilisation, uint64_t seed)
{
    queue_series q = {.service = service, .noise = noise, .utilisation = utilisation};
    sn_random_init(&q.random, seed);
    double gap = 1 - utilisation;
    for (uint64_t i = (uint64_t)(utilisation > 0 ? 20 / (gap * gap) : 0); i > 0; i--)
        queue_next(&q);
    q.i = sn_random_below(&q.random, 1000); /* a period begins anywhere */
    return q;
}

static inline void queue_fill(queue_series *q, uint64_t *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        v[i] = queue_next(q);
}

#endif
