/* Index tensors: i32 or i64 elements that point into an axis of n, negative ones from its end. */
#ifndef SN_OPS_INDICES_H
#define SN_OPS_INDICES_H

#include "ops/op.h"

/* Element k of `data` (i64 when wide, else i32) as an index in [0, n), or -1 when it is out of [-n, n). */
static inline int64_t sn_index_at(const void *data, bool wide, int64_t k, int64_t n)
{
    int64_t i = wide ? ((const int64_t *)data)[k] : ((const int32_t *)data)[k];
    i += i < 0 ? n : 0;
    return i >= 0 && i < n ? i : -1;
}

/* All of `count` elements are valid; otherwise fails with EINPUT and names the first bad one. */
static inline setsuna_status sn_index_check(const sn_step *s, sn_run *r, const void *data, bool wide, int64_t count,
                                            int64_t n)
{
    for (int64_t k = 0; k < count; k++)
        if (sn_index_at(data, wide, k, n) < 0)
            return sn_run_fail(s, r, SETSUNA_EINPUT, "index %lld is outside [-%lld, %lld)",
                               (long long)(wide ? ((const int64_t *)data)[k] : ((const int32_t *)data)[k]),
                               (long long)n, (long long)n);
    return SETSUNA_OK;
}

#endif
