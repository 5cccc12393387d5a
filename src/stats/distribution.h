/* The distributions that intervals are made of. Pure functions; arguments outside their range give NaN. */
#ifndef SN_STATS_DISTRIBUTION_H
#define SN_STATS_DISTRIBUTION_H

/* Regularised incomplete beta function I_x(a, b), a > 0, b > 0, 0 <= x <= 1: the probability that a Beta(a, b) variable
 * is at most x, and so that the r-th smallest of n independent uniforms is, with a = r, b = n - r + 1 (real r and n are
 * fine). Absolute error below 1e-9 for a + b up to 1e5, below 1e-6 beyond. Source: continued fraction DLMF 8.17.22 by
the modified Lentz algorithm; for large a and b, where that needs too many terms, the normal approximation of Peizer and
 * Pratt (1968). */
double sn_beta_cdf(double x, double a, double b);

/* The p-quantile, 0 < p < 1, of the standard normal distribution; absolute error below 1e-9. */
double sn_normal_quantile(double p);

/* The p-quantile, 0 < p < 1, of Student's t with dof > 0 degrees of freedom (not necessarily whole). */
double sn_student_quantile(double p, double dof);

/* The probability that Student's t with dof degrees of freedom exceeds |t| on either side. */
double sn_student_two_sided(double t, double dof);

#endif
