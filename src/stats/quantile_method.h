/* The quantile as other tools define it: the same samples, and other answers. Reports say which one they print; this is
 * for saying what another tool would have printed.
 *
 * With samples v[0] <= ... <= v[n - 1] and 0 <= q <= 1; indices are cut to 0..n - 1. Of 1..100, p99 is 99, 100, 99.01,
 * 99, 100, 99, 99 in the order below.
 */
#ifndef SN_STATS_QUANTILE_METHOD_H
#define SN_STATS_QUANTILE_METHOD_H

#include <stddef.h>
#include <stdint.h>

/* X(name, text, formula, tools that use it, as read in their sources) */
#define SN_QUANTILE_METHOD_LIST(X)                                                                                     \
    X(NEAREST, "nearest rank", "v[ceil(q n) - 1]", "setsuna, guidellm")                                                \
    X(FLOOR, "floor(n q)", "v[floor(q n)]", "MLPerf LoadGen, onnxruntime_perf_test, OpenVINO benchmark_app, oha")      \
    X(LINEAR, "linear", "between v[floor(q (n - 1))] and the next",                                                    \
      "vLLM, AIPerf, GenAI-Perf, inference-perf (NumPy)")                                                              \
    X(ROUND, "rounded index", "v[floor(q (n - 1) + 0.5)]", "Triton perf_analyzer")                                     \
    X(EXCLUDE, "excluded from the top", "v[n - 1 - floor((1 - q) n)], in float", "TensorRT trtexec")                   \
    X(HDR, "HdrHistogram", "upper edge of the bucket of v[floor(q n + 0.5) - 1], 3 digits", "wrk2")                    \
    X(LOWER, "lower", "v[floor(q (n - 1))]", "MLPerf Endpoints (NumPy, method lower)")

typedef enum sn_quantile_method {
#define SN_QUANTILE_METHOD_ENUM(name, text, formula, tools) SN_QUANTILE_##name,
    SN_QUANTILE_METHOD_LIST(SN_QUANTILE_METHOD_ENUM)
#undef SN_QUANTILE_METHOD_ENUM
        SN_QUANTILE_METHODS
} sn_quantile_method;

/* "?" for other numbers. */
const char *sn_quantile_method_text(sn_quantile_method m);
const char *sn_quantile_method_formula(sn_quantile_method m);
const char *sn_quantile_method_tools(sn_quantile_method m);

/* Of n ascending samples; 0 where n is 0. */
double sn_quantile_as(sn_quantile_method m, const uint64_t *sorted, size_t n, double q);

#endif
