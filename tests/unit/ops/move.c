#include "ops/move.h"
#include "unit/unit.h"
#include <stdlib.h>
#include <string.h>

static uint64_t move_seed = 7;

static int64_t move_random(int64_t lo, int64_t hi)
{
    move_seed = move_seed * 6364136223846793005u + 1442695040888963407u;
    return lo + (int64_t)((move_seed >> 33) % (uint64_t)(hi - lo + 1));
}

/* The definition, one element at a time. */
static void move_plainly(const sn_move_view *v, size_t size, uint8_t *dst, const uint8_t *src)
{
    int64_t i[SN_MOVE_RANK_MAX] = {0}, total = sn_move_view_numel(v);
    for (int64_t k = 0; k < total; k++) {
        int64_t d = v->dst_at, s = v->src_at;
        for (int32_t a = 0; a < v->rank; a++) {
            d += i[a] * v->dst[a];
            s += i[a] * v->src[a];
        }
        memcpy(dst + (size_t)d * size, src + (size_t)s * size, size);
        for (int32_t a = v->rank - 1; a >= 0 && ++i[a] == v->n[a]; a--)
            i[a] = 0;
    }
}

/* A random dense dst; src axes permuted, reversed, stepped, broadcast. *n_src: elements of src. */
static sn_move_view move_make(int64_t *n_src, int64_t *n_dst)
{
    sn_move_view v = {.rank = (int32_t)move_random(0, 5)};
    int32_t order[SN_MOVE_RANK_MAX];
    for (int32_t a = 0; a < v.rank; a++) {
        static const int64_t extent[] = {1, 2, 3, 4, 5, 7, 8, 16, 17, 33};
        v.n[a] = extent[move_random(0, v.rank > 3 ? 5 : 9)];
        order[a] = a;
    }
    *n_dst = 1;
    for (int32_t a = v.rank - 1; a >= 0; a--) {
        v.dst[a] = *n_dst;
        *n_dst *= v.n[a];
    }
    for (int32_t a = v.rank - 1; a > 0 && move_random(0, 3); a--) {
        int32_t b = (int32_t)move_random(0, a), t = order[a];
        order[a] = order[b];
        order[b] = t;
    }
    int64_t stride = 1;
    for (int32_t k = v.rank - 1; k >= 0; k--) {
        int32_t a = order[k];
        int64_t how = move_random(0, 9), step = how == 0 ? move_random(2, 3) : 1;
        v.src[a] = stride * step;
        if (how == 1) {
            v.src[a] = 0; /* broadcast */
            continue;
        }
        if (how == 2) { /* backwards */
            v.src_at += (v.n[a] - 1) * stride;
            v.src[a] = -stride;
        }
        stride *= v.n[a] * step;
    }
    *n_src = stride;
    return v;
}

static void check_view(const sn_move_view *v, int64_t n_src, int64_t n_dst, size_t size, sn_cpu_level level)
{
    sn_transpose_table t;
    sn_transpose_table_init(&t, level);
    size_t ns = (size_t)n_src * size, nd = (size_t)n_dst * size;
    /* One byte off alignment: views are by size and know nothing of types. */
    uint8_t *src = malloc(ns + 1), *want = malloc(nd + 1), *got = malloc(nd + 1);
    assert_true(src && want && got);
    for (size_t i = 0; i < ns; i++)
        src[1 + i] = (uint8_t)move_random(0, 255);
    memset(want, 0xee, nd + 1);
    move_plainly(v, size, want + 1, src + 1);
    for (uint32_t parts = 1; parts <= 3; parts += 2) {
        sn_move m;
        memset(got, 0xee, nd + 1);
        sn_move_init(&m, v, size, &t);
        for (uint32_t p = 0; p < parts; p++)
            sn_move_run(&m, got + 1, src + 1, p, parts);
        assert_memory_equal(got, want, nd + 1);
    }
    free(src);
    free(want);
    free(got);
}

static void test_random_views(void **state)
{
    (void)state;
    for (int k = 0; k < 600; k++) {
        int64_t n_src, n_dst;
        sn_move_view v = move_make(&n_src, &n_dst);
        for (size_t size = 1; size <= 16; size *= 2)
            for (int level = 0; level <= (int)sn_cpu_detect(); level++)
                check_view(&v, n_src, n_dst, size, (sn_cpu_level)level);
    }
}

static sn_move move_of_transpose(int rank, const int64_t *dim, const int *perm, size_t size)
{
    sn_transpose_table t;
    sn_move m;
    setsuna_shape x = {.rank = rank}, y = {.rank = rank};
    int64_t stride[SETSUNA_RANK_MAX];
    for (int i = 0; i < rank; i++)
        x.dim[i] = dim[i];
    for (int i = 0; i < rank; i++)
        y.dim[i] = dim[perm[i]];
    sn_move_strides(&x, stride);
    sn_move_view v = sn_move_view_of(&y);
    for (int i = 0; i < rank; i++)
        v.src[i] = stride[perm[i]];
    sn_transpose_table_init(&t, SN_CPU_REF);
    sn_move_init(&m, &v, size, &t);
    return m;
}

/* The shapes that models have must take the fast ways. */
static void test_known_shapes(void **state)
{
    (void)state;
    /* Heads of a transformer: rows of 64 floats. */
    sn_move m = move_of_transpose(4, (int64_t[]){1, 128, 12, 64}, (int[]){0, 2, 1, 3}, 4);
    assert_int_equal(m.kind, SN_MOVE_RUNS);
    assert_int_equal(m.v.rank, 3);
    assert_int_equal(m.v.n[2], 64);
    /* NCHW to NHWC and back: one plain transpose an image. */
    m = move_of_transpose(4, (int64_t[]){2, 24, 7, 5}, (int[]){0, 2, 3, 1}, 4);
    assert_int_equal(m.kind, SN_MOVE_BLOCKS);
    assert_int_equal(m.v.rank, 3);
    assert_int_equal(m.v.n[1], 35);
    assert_int_equal(m.v.n[2], 24);
    m = move_of_transpose(4, (int64_t[]){2, 7, 5, 24}, (int[]){0, 3, 1, 2}, 4);
    assert_int_equal(m.kind, SN_MOVE_BLOCKS);
    assert_int_equal(m.v.rank, 3);
    /* Unit axes and whole tensors are one memcpy. */
    m = move_of_transpose(4, (int64_t[]){1, 96, 1, 40}, (int[]){0, 2, 1, 3}, 4);
    assert_int_equal(m.kind, SN_MOVE_RUNS);
    assert_int_equal(m.v.rank, 1);
    /* Pairs of floats are moved as one. */
    m = move_of_transpose(3, (int64_t[]){9, 6, 2}, (int[]){1, 0, 2}, 4);
    assert_int_equal(m.kind, SN_MOVE_BLOCKS);
    assert_int_equal(m.unit_bytes, 8);
    /* Nothing. */
    m = move_of_transpose(3, (int64_t[]){INT64_MAX, 0, INT64_MAX}, (int[]){2, 1, 0}, 4);
    assert_int_equal(m.kind, SN_MOVE_NOTHING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_views),
        cmocka_unit_test(test_known_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
