/* Random gaps between arrivals, the same bits on every machine.
 *
 * The C library's logarithm differs in its last bit from version to version and from CPU to CPU, and one bit can put an
 * arrival into another nanosecond. The few functions that gaps need are therefore made of +, -, *, / and sqrt alone,
 * which IEEE 754 defines exactly (this folder is compiled without contraction into fused operations).
 */
#ifndef SN_SCHEDULE_LAW_H
#define SN_SCHEDULE_LAW_H

#include "base/random.h"

/* Natural logarithm of a normal number x > 0, and e^x for -700 <= x <= 700 (0 below); relative error below 1e-15, for
 * the logarithm of numbers near 1 below 1e-15 absolute. */
double sn_law_log(double x);
double sn_law_exp(double x);

/* A gap of mean 1 and coefficient of variation cv in [0, 100]: 0 is no randomness, 1 exponential (a Poisson process),
 * otherwise gamma with shape 1 / cv^2, above 1 in bursts. Source: G. Marsaglia and W. W. Tsang, "A simple method for
 * generating gamma variables", 2000, with their x U^(1/shape) for shapes below 1. */
double sn_law_gap(sn_random *r, double cv);

#endif
