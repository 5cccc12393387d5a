#include "stats/quantile.h"
#include <math.h>
#include <string.h>

const char *sn_summary_method_text(sn_summary_method method)
{
    return method == SN_SUMMARY_EXACT ? "exact" : "histogram, 3 digits";
}

uint64_t sn_quantile_rank(uint64_t n, double q)
{
    if (!(q > 0))
        return 1;
    if (q >= 1)
        return n;
    /* q is off its decimal by at most 2^-53 of itself, and the product by as much again. Taking 2^-51 off brings a
     * whole number back below itself, and cannot pass the next lower one while q n < 2^50. */
    double r = q * (double)n;
    r -= r * 0x1p-51;
    uint64_t k = (uint64_t)r;
    if ((double)k < r)
        k++;
    return k < 1 ? 1 : k > n ? n : k;
}

/* ---- sorting --------------------------------------------------------------------------------------- */

/* Below this an insertion sort beats a pass over 256 counters. */
enum { SORT_SMALL = 48 };

static void sort_insertion(uint64_t *v, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        uint64_t x = v[i];
        size_t j = i;
        for (; j > 0 && v[j - 1] > x; j--)
            v[j] = v[j - 1];
        v[j] = x;
    }
}

/* Permutes v so that the bytes at `shift` ascend: each element is swapped into its own bucket until the element at hand
 * belongs where it lies (the "American flag" sort of McIlroy, Bostic and McIlroy 1993). */
static void sort_by_byte(uint64_t *v, size_t n, unsigned shift)
{
    size_t next[256] = {0}, end[256];
    for (size_t i = 0; i < n; i++)
        next[v[i] >> shift & 255]++;
    size_t sum = 0;
    for (int b = 0; b < 256; b++) {
        size_t count = next[b];
        next[b] = sum;
        end[b] = sum += count;
    }
    for (size_t b = 0; b < 256; b++)
        while (next[b] < end[b]) {
            uint64_t x = v[next[b]];
            for (size_t home; (home = x >> shift & 255) != b;) {
                uint64_t y = v[next[home]];
                v[next[home]++] = x;
                x = y;
            }
            v[next[b]++] = x;
        }
}

void sn_sort_u64(uint64_t *v, size_t n)
{
    uint64_t differ = 0;
    for (size_t i = 1; i < n; i++)
        differ |= v[i] ^ v[0];
    if (!differ)
        return;

    /* frame[d] walks the buckets of one byte: [pos, end) is sorted down to `shift`, and each run of equal
     * prefixes in it goes one byte deeper. One frame a byte, so the stack cannot overflow. */
    struct {
        size_t pos, end;
        unsigned shift;
    } frame[8];
    unsigned depth = 0, shift = (63u - (unsigned)__builtin_clzll(differ)) / 8 * 8;
    size_t begin = 0, end = n;
    for (;;) {
        if (end - begin <= SORT_SMALL) {
            sort_insertion(v + begin, end - begin);
        } else {
            sort_by_byte(v + begin, end - begin, shift);
            if (shift > 0) {
                frame[depth].pos = begin;
                frame[depth].end = end;
                frame[depth++].shift = shift;
            }
        }
        while (depth > 0 && frame[depth - 1].pos == frame[depth - 1].end)
            depth--;
        if (depth == 0)
            return;
        begin = end = frame[depth - 1].pos;
        shift = frame[depth - 1].shift;
        while (end < frame[depth - 1].end && v[end] >> shift == v[begin] >> shift)
            end++;
        frame[depth - 1].pos = end;
        shift -= 8;
    }
}

/* ---- summary --------------------------------------------------------------------------------------- */

uint64_t sn_quantile_sorted(const uint64_t *sorted, size_t n, double q)
{
    return n ? sorted[sn_quantile_rank(n, q) - 1] : 0;
}

void sn_summary_exact(const uint64_t *samples, size_t n, uint64_t *scratch, sn_summary *out)
{
    *out = (sn_summary){.n = n, .method = SN_SUMMARY_EXACT};
    if (n == 0)
        return;
    if (scratch != samples)
        memcpy(scratch, samples, n * sizeof *samples);
    sn_sort_u64(scratch, n);

    __uint128_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += scratch[i];
    out->mean = (double)sum / (double)n;
    double squares = 0; /* ascending order adds the small terms of the body before the large ones of the tail */
    for (size_t i = 0; i < n; i++) {
        double d = (double)scratch[i] - out->mean;
        squares += d * d;
    }
    out->stddev = n > 1 ? sqrt(squares / (double)(n - 1)) : 0;
    out->min = scratch[0];
    out->p50 = sn_quantile_sorted(scratch, n, 0.50);
    out->p90 = sn_quantile_sorted(scratch, n, 0.90);
    out->p95 = sn_quantile_sorted(scratch, n, 0.95);
    out->p99 = sn_quantile_sorted(scratch, n, 0.99);
    out->p99_9 = sn_quantile_sorted(scratch, n, 0.999);
    out->max = scratch[n - 1];
}
