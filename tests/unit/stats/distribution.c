#include "stats/distribution.h"
#include "unit/unit.h"
#include <math.h>

static void close_to(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("got %.17g, want %.17g", got, want);
}

/* P(Bin(n, p) >= a) summed up. */
static double binomial_tail(int n, double p, int a)
{
    double sum = 0;
    for (int k = a; k <= n; k++)
        sum += exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(p) + (n - k) * log1p(-p));
    return sum;
}

static void test_beta_is_the_binomial_tail(void **state)
{
    (void)state;
    static const double p[] = {0.01, 0.5, 0.9, 0.99, 0.999};
    for (int n = 1; n < 3000; n = n * 2 + 1)
        for (int i = 0; i < 5; i++)
            for (int a = 1; a <= n; a += 1 + n / 40)
                close_to(sn_beta_cdf(p[i], a, n - a + 1), binomial_tail(n, p[i], a), 1e-9);
}

static void test_beta_of_large_numbers(void **state)
{
    (void)state;
    /* Beta(a, a) is symmetric, and both ways of computing agree where they meet. */
    static const double a[] = {1, 1e3, 4.9e6, 5.1e6, 1e8};
    for (int i = 0; i < 5; i++) {
        close_to(sn_beta_cdf(0.5, a[i], a[i]), 0.5, 1e-6);
        close_to(sn_beta_cdf(0.5001, a[i], a[i]) + sn_beta_cdf(0.4999, a[i], a[i]), 1, 1e-6);
    }
    close_to(sn_beta_cdf(0.9, 8.991e6, 1e6 - 0.1e4), sn_beta_cdf(0.9, 8.991e6 + 20000, 1e6 - 0.1e4 + 2222.2), 0.02);
}

static void test_edges(void **state)
{
    (void)state;
    assert_true(sn_beta_cdf(0, 2, 3) == 0 && sn_beta_cdf(1, 2, 3) == 1);
    assert_true(isnan(sn_beta_cdf(1.1, 2, 3)) && isnan(sn_beta_cdf(0.5, 0, 3)) && isnan(sn_beta_cdf(0.5, 2, -1)));
    assert_true(isnan(sn_beta_cdf((double)NAN, 1, 1)));
    assert_true(isnan(sn_normal_quantile(0)) && isnan(sn_normal_quantile(1)) && isnan(sn_student_quantile(0.5, 0)));
}

static void test_quantiles_from_tables(void **state)
{
    (void)state;
    close_to(sn_normal_quantile(0.995), 2.5758293035, 1e-9);
    close_to(sn_normal_quantile(0.025), -1.9599639845, 1e-9);
    close_to(sn_student_quantile(0.975, 1), 12.706204736, 1e-6);
    close_to(sn_student_quantile(0.995, 15), 2.9467128835, 1e-8);
    close_to(sn_student_quantile(0.005, 15), -2.9467128835, 1e-8);
    close_to(sn_student_quantile(0.5, 7), 0, 1e-6);
    close_to(sn_student_two_sided(2.9467128835, 15), 0.01, 1e-10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beta_is_the_binomial_tail),
        cmocka_unit_test(test_beta_of_large_numbers),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_quantiles_from_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
