/* The conversion and quantisation kernels: every level against the reference, bit for bit. */
#include "kernels/convert.h"
#include "kernels/qlinear.h"
#include "parity.h"

static const int64_t test_lengths[] = {0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 1000};
enum { TEST_LENGTHS = sizeof test_lengths / sizeof test_lengths[0] };

/* ---- convert ----------------------------------------------------------------------------------------- */

typedef struct test_pair {
    sn_convert_kernel kernel;
    sn_convert_fn *ref;
    size_t from_bytes, to_bytes;
} test_pair;

static bool test_same(const unsigned char *a, const unsigned char *b, size_t bytes, bool bf16)
{
    if (memcmp(a, b, bytes) == 0)
        return true;
    if (bytes == 4) {
        float x, y;
        memcpy(&x, a, 4);
        memcpy(&y, b, 4);
        return x != x && y != y;
    }
    uint16_t x, y;
    memcpy(&x, a, 2);
    memcpy(&y, b, 2);
    float fx = bf16 ? sn_bf16_to_f32(x) : sn_f16_to_f32(x), fy = bf16 ? sn_bf16_to_f32(y) : sn_f16_to_f32(y);
    return fx != fx && fy != fy;
}

static void test_convert_block(parity *t, const test_pair *p, const unsigned char *x, int64_t n)
{
    size_t skew = p->to_bytes * (parity_random(t) % 3);
    parity_block in = parity_block_make((size_t)n * p->from_bytes, p->from_bytes * (parity_random(t) % 3), false);
    parity_block y = parity_block_make((size_t)n * p->to_bytes, skew, true), want = parity_block_make(y.size, 0, true);
    if (in.size)
        memcpy(in.data, x, in.size);
    p->kernel.fn(y.data, in.data, n);
    p->ref(want.data, in.data, n);
    if (!parity_block_intact(&y) || !parity_block_intact(&in))
        parity_fail(t, p->kernel.name, "%" PRId64 " elements: wrote outside of its output", n);
    bool bf16 = strstr(p->kernel.name, "bf16") != NULL;
    for (int64_t i = 0; i < n; i++)
        if (!test_same(y.data + (size_t)i * p->to_bytes, want.data + (size_t)i * p->to_bytes, p->to_bytes, bf16)) {
            parity_fail(t, p->kernel.name, "%" PRId64 " elements: element %" PRId64 " differs", n, i);
            break;
        }
    free(in.base), free(y.base), free(want.base);
}

/* All 16-bit patterns; for f32 those that matter to rounding: the upper half is every pattern, the lower half random or
 * exactly half way. */
static void test_convert(parity *t, const test_pair *p)
{
    enum { N = 1 << 16 };
    unsigned char *x = malloc(N * p->from_bytes);
    if (!x || !parity_wants(t, p->kernel.name)) {
        free(x);
        return;
    }
    for (uint32_t i = 0; i < N; i++) {
        uint16_t half = (uint16_t)i;
        uint32_t r = (uint32_t)parity_random(t), low = r % 3 == 0   ? 0x8000u
                                                       : r % 3 == 1 ? 0x1000u * (r >> 8 & 15)
                                                                    : r >> 8 & 0xffffu;
        uint32_t wide = i << 16 | low;
        memcpy(x + i * p->from_bytes, p->from_bytes == 2 ? (const void *)&half : &wide, p->from_bytes);
    }
    test_convert_block(t, p, x, N);
    for (int i = 0; i < TEST_LENGTHS; i++)
        test_convert_block(t, p, x + p->from_bytes * (parity_random(t) % 60000), test_lengths[i]);
    free(x);
}

static void test_convert_level(parity *t, sn_cpu_level level)
{
    sn_convert_table table, ref;
    sn_convert_table_init(&table, level);
    sn_convert_table_init(&ref, SN_CPU_REF);
    test_convert(t, &(test_pair){table.f16_f32, ref.f16_f32.fn, 2, 4});
    test_convert(t, &(test_pair){table.f32_f16, ref.f32_f16.fn, 4, 2});
    test_convert(t, &(test_pair){table.bf16_f32, ref.bf16_f32.fn, 2, 4});
    test_convert(t, &(test_pair){table.f32_bf16, ref.f32_bf16.fn, 4, 2});
}

/* ---- qlinear ----------------------------------------------------------------------------------------- */

typedef struct test_qlinear {
    sn_qlinear_kernel kernel;
    sn_qlinear_fn *ref;
    bool quantize;
} test_qlinear;

static void test_qlinear_case(parity *t, const test_qlinear *q, int64_t n, int64_t step, bool has_zero)
{
    size_t in_bytes = q->quantize ? 4 : 1, out_bytes = q->quantize ? 1 : 4, n_scale = (size_t)(step ? n : 1);
    parity_block x = parity_block_make((size_t)n * in_bytes, in_bytes * (parity_random(t) % 3), false);
    parity_block scale = parity_block_make(n_scale * 4, 0, false), zero = parity_block_make(n_scale, 1, false);
    parity_block y = parity_block_make((size_t)n * out_bytes, out_bytes * (parity_random(t) % 3), true);
    parity_block want = parity_block_make(y.size, 0, true);
    for (size_t i = 0; i < n_scale; i++) {
        static const float scales[] = {1.0f, 0.5f, 0.0173f, 3.0f, 0.0f, INFINITY};
        memcpy(scale.data + 4 * i, &scales[parity_random(t) % 16 % 6], 4);
        zero.data[i] = (unsigned char)parity_random(t);
    }
    for (int64_t i = 0; i < n; i++) {
        float f = parity_random(t) % 4 ? (float)(int64_t)(parity_random(t) % 1001 - 500u) * 0.5f : parity_f32(t);
        unsigned char b = (unsigned char)parity_random(t);
        memcpy(x.data + (size_t)i * in_bytes, q->quantize ? (const void *)&f : &b, in_bytes);
    }
    const float *s = (const float *)(const void *)scale.data;
    q->kernel.fn(y.data, x.data, s, has_zero ? zero.data : NULL, step, n);
    q->ref(want.data, x.data, s, has_zero ? zero.data : NULL, step, n);
    if (!parity_block_intact(&y))
        parity_fail(t, q->kernel.name, "%" PRId64 " elements: wrote outside of its output", n);
    for (int64_t i = 0; i < n; i++)
        if (!test_same(y.data + (size_t)i * out_bytes, want.data + (size_t)i * out_bytes, out_bytes == 1 ? 1 : 4,
                       false)) {
            parity_fail(t, q->kernel.name, "%" PRId64 " elements, step %" PRId64 ": element %" PRId64 " differs", n,
                        step, i);
            break;
        }
    free(x.base), free(scale.base), free(zero.base), free(y.base), free(want.base);
}

/* The least and the greatest of noise with NaN and infinities in it. */
static void test_range(parity *t, const sn_qlinear_table *table, const sn_qlinear_table *ref, int64_t n)
{
    parity_block x = parity_block_make((size_t)n * 4, 4 * (parity_random(t) % 3), false);
    float is[2], want[2];
    for (int64_t i = 0; i < n; i++) {
        float f = parity_f32(t);
        memcpy(x.data + 4 * i, &f, 4);
    }
    table->f32_range.fn((const float *)(const void *)x.data, n, &is[0], &is[1]);
    ref->f32_range.fn((const float *)(const void *)x.data, n, &want[0], &want[1]);
    if (memcmp(is, want, sizeof is) != 0)
        parity_fail(t, table->f32_range.name, "%" PRId64 " elements: %g..%g, not %g..%g", n, (double)is[0],
                    (double)is[1], (double)want[0], (double)want[1]);
    free(x.base);
}

static void test_qlinear_level(parity *t, sn_cpu_level level)
{
    sn_qlinear_table table, ref;
    sn_qlinear_table_init(&table, level);
    sn_qlinear_table_init(&ref, SN_CPU_REF);
    for (int64_t n = 0; n < 200; n += 1 + n / 8)
        test_range(t, &table, &ref, n);
    const test_qlinear all[] = {{table.f32_u8, ref.f32_u8.fn, true},
                                {table.f32_i8, ref.f32_i8.fn, true},
                                {table.u8_f32, ref.u8_f32.fn, false},
                                {table.i8_f32, ref.i8_f32.fn, false}};
    for (size_t k = 0; k < sizeof all / sizeof all[0]; k++)
        for (int i = 0; i < TEST_LENGTHS && parity_wants(t, all[k].kernel.name); i++)
            for (int form = 0; form < 4; form++)
                test_qlinear_case(t, &all[k], test_lengths[i], form / 2, form % 2);
}

/* What the reference itself must be, on values known by hand. */
static void test_qlinear_known(parity *t)
{
    static const float x[] = {0.5f, 1.5f, 2.5f, -0.5f, 300.0f, -300.0f, NAN, INFINITY};
    static const uint8_t want[] = {10, 12, 12, 10, 255, 0, 0, 255};
    const float scale = 1;
    const uint8_t zero = 10;
    uint8_t y[8];
    sn_qlinear_f32_u8_ref(y, x, &scale, &zero, 0, 8);
    if (memcmp(y, want, sizeof want) != 0)
        parity_fail(t, "sn_qlinear_f32_u8_ref", "differs from the values by hand");
    float low, high;
    sn_qlinear_f32_range_ref(x, 8, &low, &high);
    if (low != -300.0f || !isinf(high))
        parity_fail(t, "sn_qlinear_f32_range_ref", "%g..%g", (double)low, (double)high);
}

int main(int argc, char **argv)
{
    parity t = parity_begin("kernel_convert", 1, argc, argv);
    for (sn_cpu_level level = t.lowest; level <= t.highest; level++) {
        test_convert_level(&t, level);
        test_qlinear_level(&t, level);
    }
    test_qlinear_known(&t);
    return parity_end(&t);
}
