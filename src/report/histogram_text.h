/* A latency distribution as text: one line a bin, with a bar, and the lines that hold p50 and p99 marked. */
#ifndef SN_REPORT_HISTOGRAM_TEXT_H
#define SN_REPORT_HISTOGRAM_TEXT_H

#include "report/sink.h"
#include "stats/samples.h"
#include <stdbool.h>

enum { SN_HISTOGRAM_TEXT_ROWS = 16 }; /* at most */

/* The bins of a picture: bin i holds edge[i - 1] < value <= edge[i], bin 0 begins at the minimum, and the last edge is
 * not below the maximum. */
typedef struct sn_histogram_bins {
    size_t n; /* 1..SN_HISTOGRAM_TEXT_ROWS, 0 for no samples */
    bool is_log;
    uint64_t step;   /* width of the linear bins; 1 when is_log */
    size_t n_linear; /* the bins after these are the tail above p99, on a coarser scale */
    uint64_t edge[SN_HISTOGRAM_TEXT_ROWS];
} sn_histogram_bins;

/* Chooses about 10 to 16 bins, fewer where samples are only some nanoseconds apart. When p99 is within 4 times the
 * minimum: equal bins with round edges up to p99, then at most two for the tail, so that one outlier does not squeeze
 * the body into one line. Otherwise: bins of equal ratio from minimum to maximum. */
void sn_histogram_text_bins(const sn_summary *s, sn_histogram_bins *out);

/* Writes the picture of samples in nanoseconds; s is their summary. ascii: no characters beyond ASCII. Returns
 * OK, ENOMEM, EIO. */
setsuna_status sn_histogram_text_write(const sn_samples *samples, const sn_summary *s, sn_sink *sink, bool ascii);

#endif
