/* assert_near(got, want, tolerance) in double, printing all three. Include after cmocka.h. */
#ifndef SN_TEST_PIPELINE_NEAR_H
#define SN_TEST_PIPELINE_NEAR_H

#include <math.h>

#define assert_near(got, want, tolerance)                                                                              \
    do {                                                                                                               \
        double near_got_ = (double)(got), near_want_ = (double)(want), near_tol_ = (double)(tolerance);                \
        if (!(fabs(near_got_ - near_want_) <= near_tol_))                                                              \
            fail_msg("%s = %.9g, want %.9g within %g", #got, near_got_, near_want_, near_tol_);                        \
    } while (0)

#endif
