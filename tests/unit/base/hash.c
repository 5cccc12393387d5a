#include "base/hash.h"
#include "unit/unit.h"
#include <stdlib.h>
#include <string.h>

static int hash_compare(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, 8);
    memcpy(&y, b, 8);
    return (x > y) - (x < y);
}

static void check_distinct(uint64_t *h, size_t n)
{
    qsort(h, n, sizeof *h, hash_compare);
    for (size_t i = 1; i < n; i++)
        assert_true(h[i - 1] != h[i]);
}

/* All runs of zero bytes differ by their length only. */
static void test_length_counts(void **state)
{
    (void)state;
    static const unsigned char zero[1024];
    uint64_t h[1025];
    for (size_t n = 0; n <= 1024; n++)
        h[n] = sn_hash_bytes(0, zero, n);
    check_distinct(h, 1025);
}

/* A flip of any bit changes about half of the hash's bits: the mean over all flips within 2 of 32. */
static void test_avalanche(void **state)
{
    (void)state;
    unsigned char data[67];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 37);
    uint64_t base = sn_hash_bytes(1, data, sizeof data);
    double sum = 0;
    for (size_t bit = 0; bit < 8 * sizeof data; bit++) {
        data[bit / 8] ^= (unsigned char)(1u << bit % 8);
        uint64_t h = sn_hash_bytes(1, data, sizeof data);
        assert_true(h != base);
        sum += __builtin_popcountll(h ^ base);
        data[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    double mean = sum / (8 * sizeof data);
    assert_true(mean > 30 && mean < 34);
}

static void test_alignment_does_not_count(void **state)
{
    (void)state;
    unsigned char buf[64 + 8];
    uint64_t want = 0;
    for (size_t at = 0; at < 8; at++) {
        for (size_t i = 0; i < 64; i++)
            buf[at + i] = (unsigned char)i;
        uint64_t h = sn_hash_bytes(5, buf + at, 61);
        if (at == 0)
            want = h;
        assert_true(h == want);
    }
}

static void test_seed_and_words(void **state)
{
    (void)state;
    assert_true(sn_hash_bytes(0, "conv", 4) != sn_hash_bytes(1, "conv", 4));
    assert_true(sn_hash_str(3, "conv") == sn_hash_bytes(3, "conv", 4));
    enum { N = 64 * 64 };
    uint64_t *h = malloc(N * sizeof *h);
    for (uint64_t i = 0; i < N; i++)
        h[i] = sn_hash_u64(sn_hash_u64(0, i / 64), i % 64); /* order counts: (a, b) is not (b, a) */
    check_distinct(h, N);
    free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_length_counts),
        cmocka_unit_test(test_avalanche),
        cmocka_unit_test(test_alignment_does_not_count),
        cmocka_unit_test(test_seed_and_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
