/* .npy files: every type there and back, the three versions, both orders, and damage at every byte. */
#include "pipeline/npy.h"
#include "graph/tensor.h"
#include "unit/pipeline/mutate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static const sn_allocator *heap(void)
{
    return sn_allocator_default();
}

typedef struct file {
    uint8_t data[4096];
    size_t size;
} file;

/* A file of the given version with this header text, and n bytes 0, 1, 2, ... of data. */
static file make_file(int version, const char *header, size_t n)
{
    static const uint8_t magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
    file f = {0};
    size_t len = strlen(header);
    memcpy(f.data, magic, 6);
    f.data[6] = (uint8_t)version;
    f.data[8] = (uint8_t)len;
    f.data[9] = (uint8_t)(len >> 8);
    f.size = version == 1 ? 10 : 12;
    memcpy(f.data + f.size, header, len);
    f.size += len;
    for (size_t i = 0; i < n; i++)
        f.data[f.size++] = (uint8_t)i;
    return f;
}

/* Parsed from a heap block of exactly the file's size. */
static setsuna_status parse(const file *f, setsuna_tensor *out, setsuna_error *err)
{
    uint8_t *exact = malloc(f->size ? f->size : 1);
    memcpy(exact, f->data, f->size);
    setsuna_status status = sn_npy_parse(heap(), exact, f->size, out, err);
    free(exact);
    return status;
}

static void test_round_trip(void **state)
{
    (void)state;
    static const setsuna_dtype types[] = {SETSUNA_BOOL, SETSUNA_I8,  SETSUNA_U8,  SETSUNA_I16,  SETSUNA_U16,
                                          SETSUNA_I32,  SETSUNA_U32, SETSUNA_I64, SETSUNA_U64,  SETSUNA_F16,
                                          SETSUNA_F32,  SETSUNA_F64, SETSUNA_C64, SETSUNA_C128, SETSUNA_BF16};
    static const setsuna_shape shapes[] = {{0, {0}},          {1, {7}},    {2, {3, 5}},
                                           {4, {2, 1, 3, 4}}, {2, {0, 9}}, {8, {1, 2, 1, 2, 1, 2, 1, 2}}};
    uint8_t bytes[1024];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = i % 2; /* valid for bool as well */
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
            setsuna_tensor t = {.dtype = types[i], .shape = shapes[k], .data = bytes}, back;
            assert_true(sn_tensor_bytes(t.dtype, &t.shape, &t.size_bytes));
            uint8_t *data;
            size_t size;
            assert_int_equal(sn_npy_encode(heap(), &t, &data, &size, NULL), SETSUNA_OK);
            assert_int_equal((size - t.size_bytes) % 64, 0);
            assert_int_equal(sn_npy_parse(heap(), data, size, &back, NULL), SETSUNA_OK);
            assert_int_equal(back.dtype, t.dtype);
            assert_true(sn_shape_equal(&back.shape, &t.shape));
            assert_int_equal(back.size_bytes, t.size_bytes);
            if (t.size_bytes)
                assert_memory_equal(back.data, bytes, t.size_bytes);
            sn_free(heap(), back.data);
            sn_free(heap(), data);
        }
    setsuna_tensor text = {.dtype = SETSUNA_STRING};
    uint8_t *data;
    size_t size;
    assert_int_equal(sn_npy_encode(heap(), &text, &data, &size, NULL), SETSUNA_EUNSUPPORTED);
}

static void test_header_forms(void **state)
{
    (void)state;
    static const struct {
        int version;
        const char *header;
        setsuna_dtype dtype;
        int32_t rank;
    } good[] = {
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }            \n", SETSUNA_F32, 2},
        {2, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }\n", SETSUNA_F32, 2},
        {3, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }\n", SETSUNA_F32, 2},
        {1, "{'shape':(4,),'fortran_order':True,'descr':'<i4'}", SETSUNA_I32, 1},
        {1, "{\"descr\": \"|i1\", 'fortran_order': False, 'shape': (16L,)}", SETSUNA_I8, 1},
        {1, "{'descr': '<V2', 'fortran_order': False, 'shape': (8,)}", SETSUNA_BF16, 1},
        {1, "{'descr': '=f8', 'fortran_order': False, 'shape': (2,)}", SETSUNA_F64, 1},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        file f = make_file(good[i].version, good[i].header, 16);
        setsuna_tensor t;
        setsuna_error err = {0};
        if (parse(&f, &t, &err) != SETSUNA_OK)
            fail_msg("%s: %s", good[i].header, err.text);
        assert_int_equal(t.dtype, good[i].dtype);
        assert_int_equal(t.shape.rank, good[i].rank);
        for (size_t k = 0; k < 16; k++)
            assert_int_equal(((const uint8_t *)t.data)[k], k);
        sn_free(heap(), t.data);
    }
}

static void test_fortran_order(void **state)
{
    (void)state;
    file f = make_file(1, "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3, 4), }", 24);
    setsuna_tensor t;
    assert_int_equal(parse(&f, &t, NULL), SETSUNA_OK);
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 3; j++)
            for (int k = 0; k < 4; k++)
                assert_int_equal(((const uint8_t *)t.data)[(i * 3 + j) * 4 + k], i + 2 * j + 6 * k);
    sn_free(heap(), t.data);
}

static void test_bool_is_normalised(void **state)
{
    (void)state;
    file f = make_file(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }", 3);
    setsuna_tensor t;
    assert_int_equal(parse(&f, &t, NULL), SETSUNA_OK);
    assert_memory_equal(t.data, "\0\1\1", 3);
    sn_free(heap(), t.data);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        int version;
        const char *header;
        setsuna_status status;
    } bad[] = {
        {4, "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }", SETSUNA_EUNSUPPORTED},
        {1, "{'descr': '>f4', 'fortran_order': False, 'shape': (4,), }", SETSUNA_EUNSUPPORTED},
        {1, "{'descr': '|O', 'fortran_order': False, 'shape': (4,), }", SETSUNA_EUNSUPPORTED},
        {1, "{'descr': '<U4', 'fortran_order': False, 'shape': (1,), }", SETSUNA_EUNSUPPORTED},
        {1, "{'descr': '', 'fortran_order': False, 'shape': (1,), }", SETSUNA_EUNSUPPORTED},
        {1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,), }", SETSUNA_EUNSUPPORTED},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (5,), }", SETSUNA_EINPUT},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", SETSUNA_EINPUT},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (-4,), }", SETSUNA_EINPUT},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (4), }", SETSUNA_EINPUT},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2 2), }", SETSUNA_EINPUT},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,4), }", SETSUNA_ELIMIT},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", SETSUNA_EINPUT},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551617,), }", SETSUNA_EINPUT},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (04,), }", SETSUNA_EINPUT},
        {1, "{'descr': '<f4', 'fortran_order': 0, 'shape': (4,), }", SETSUNA_EINPUT},
        {1, "{'descr': '<f4', 'fortran_order': False, }", SETSUNA_EINPUT},
        {1, "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (4,), }", SETSUNA_EINPUT},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), 'x': 1}", SETSUNA_EINPUT},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), } x", SETSUNA_EINPUT},
        {1, "{'descr': '<f4' 'fortran_order': False, 'shape': (4,), }", SETSUNA_EINPUT},
        {1, "", SETSUNA_EINPUT},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        file f = make_file(bad[i].version, bad[i].header, 16);
        setsuna_tensor t = {.dtype = SETSUNA_F64};
        setsuna_error err = {0};
        setsuna_status status = parse(&f, &t, &err);
        if (status != bad[i].status)
            fail_msg("%s: %s", bad[i].header, setsuna_status_name(status));
        assert_true(err.text[0] != '\0');
        assert_int_equal(t.dtype, SETSUNA_F64); /* untouched */
    }
    file f = make_file(2, "{", 0);
    f.data[10] = f.data[11] = 0xff; /* a header of 4 GiB */
    setsuna_tensor t;
    assert_int_equal(parse(&f, &t, NULL), SETSUNA_ELIMIT);
}

static void parse_damaged(void *ctx, const uint8_t *data, size_t size)
{
    setsuna_tensor t;
    setsuna_error err = {0};
    if (sn_npy_parse(heap(), data, size, &t, &err) == SETSUNA_OK) {
        if (ctx)
            *(int *)ctx += 1;
        sn_free(heap(), t.data);
    } else {
        assert_true(err.text[0] != '\0');
    }
}

static void test_damaged(void **state)
{
    (void)state;
    for (int version = 1; version <= 3; version++) {
        file f = make_file(version, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }  \n", 24);
        int accepted = 0;
        mutate_truncate_all(f.data, f.size, parse_damaged, &accepted);
        assert_int_equal(accepted, 0);
        mutate_flip_all(f.data, f.size, parse_damaged, NULL);
    }
}

static void test_files(void **state)
{
    (void)state;
    char path[] = "npy_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    float values[6] = {1, 2, 3, 4, 5, 6};
    setsuna_tensor t = {SETSUNA_F32, {2, {2, 3}}, values, sizeof values}, back;
    assert_int_equal(sn_npy_write(path, &t, NULL), SETSUNA_OK);
    assert_int_equal(sn_npy_read(heap(), path, 0, &back, NULL), SETSUNA_OK);
    assert_memory_equal(back.data, values, sizeof values);
    sn_free(heap(), back.data);
    assert_int_equal(sn_npy_read(heap(), path, 100, &back, NULL), SETSUNA_ELIMIT);
    assert_int_equal(truncate(path, 20), 0);
    setsuna_error err = {0};
    assert_int_equal(sn_npy_read(heap(), path, 0, &back, &err), SETSUNA_EINPUT);
    assert_string_equal(err.where, path);
    unlink(path);
    assert_int_equal(sn_npy_read(heap(), path, 0, &back, NULL), SETSUNA_ENOTFOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_header_forms),
        cmocka_unit_test(test_fortran_order), cmocka_unit_test(test_bool_is_normalised),
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
