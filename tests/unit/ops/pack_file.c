/* Files of packed constants: what is written is read, and nothing else is. */
#include "ops/pack_file.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "unit/unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ITEMS = 3, HEADER_BYTES = 64, ITEM_BYTES = 32 };

static const char pack_text[ITEMS][100] = {
    "first", "", "third, which is longer than a cache line, so that there is more than one block of it"};
static const size_t pack_size[ITEMS] = {5, 0, 100};
static const sn_pack_ident pack_ident = {11, 22, 33, 1};

/* A file as written, in aligned memory of exactly its size. */
static unsigned char *pack_bytes(size_t *size)
{
    char path[] = "/tmp/sn-pack-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    sn_pack_item item[ITEMS];
    const void *data[ITEMS];
    for (size_t i = 0; i < ITEMS; i++) {
        item[i] = (sn_pack_item){.key = 100 + i, .size_bytes = pack_size[i]};
        data[i] = pack_text[i];
    }
    assert_int_equal(sn_pack_file_write(path, &pack_ident, item, data, ITEMS, NULL), SETSUNA_OK);
    sn_bytes file;
    assert_int_equal(sn_file_read(path, 0, &file, NULL), SETSUNA_OK);
    unlink(path);
    unsigned char *copy = aligned_alloc(64, (file.size + 63) / 64 * 64);
    assert_non_null(copy);
    memcpy(copy, file.data, file.size);
    *size = file.size;
    sn_bytes_fini(&file);
    return copy;
}

/* The whole check of bytes that end where their heap block does, as far as alignment lets it. */
static setsuna_status pack_check(const unsigned char *bytes, size_t size)
{
    sn_pack_view view;
    setsuna_status status = sn_pack_file_parse(bytes, size, &view, NULL);
    return status == SETSUNA_OK ? sn_pack_file_verify(bytes, &view, NULL) : status;
}

static void test_what_is_written_is_read(void **state)
{
    (void)state;
    size_t size;
    unsigned char *file = pack_bytes(&size);
    sn_pack_view view;
    assert_int_equal(sn_pack_file_parse(file, size, &view, NULL), SETSUNA_OK);
    assert_int_equal(sn_pack_file_verify(file, &view, NULL), SETSUNA_OK);
    assert_memory_equal(&view.ident, &pack_ident, sizeof pack_ident);
    assert_int_equal(view.n_item, ITEMS);
    for (size_t i = 0; i < ITEMS; i++) {
        assert_int_equal(view.item[i].key, 100 + i);
        assert_int_equal(view.item[i].size_bytes, pack_size[i]);
        assert_int_equal(view.item[i].offset % 64, 0);
        assert_memory_equal(file + view.item[i].offset, pack_text[i], pack_size[i]);
    }
    free(file);
}

static void test_every_truncation_is_found(void **state)
{
    (void)state;
    size_t size;
    unsigned char *file = pack_bytes(&size);
    for (size_t n = 0; n < size; n++) {
        unsigned char *cut = aligned_alloc(64, (n + 64) / 64 * 64);
        assert_non_null(cut);
        memcpy(cut, file, n);
        assert_int_equal(pack_check(cut, n), SETSUNA_EINPUT);
        free(cut);
    }
    free(file);
}

/* Each bit that means something: what fills the places between items may be anything. */
static void test_every_flipped_bit_is_found(void **state)
{
    (void)state;
    size_t size, missed = 0;
    unsigned char *file = pack_bytes(&size);
    size_t filling = 0, at = HEADER_BYTES + ITEMS * ITEM_BYTES;
    for (size_t i = 0; i < ITEMS; i++) {
        size_t begin = (at + 63) / 64 * 64;
        filling += begin - at;
        at = begin + pack_size[i];
    }
    assert_int_equal(at, size);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        file[bit / 8] ^= (unsigned char)(1u << bit % 8);
        missed += pack_check(file, size) == SETSUNA_OK;
        file[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    assert_int_equal(missed, 8 * filling);
    free(file);
}

static void put_u64(unsigned char *at, uint64_t v)
{
    memcpy(at, &v, sizeof v);
}

/* Makes the checksum of header and table right again. */
static void pack_sign(unsigned char *file, uint64_t n_item)
{
    put_u64(file + 8, sn_hash_wide(sn_hash_bytes(0, file + 16, HEADER_BYTES - 16), file + HEADER_BYTES,
                                   (size_t)n_item * ITEM_BYTES));
}

/* Places that only a liar writes, under a checksum that is right. */
static void test_places_outside_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint64_t size, offset; /* of the last item */
    } lie[] = {{100, 0},          {100, 64},
               {100, 1},          {100, UINT64_MAX & ~UINT64_C(63)},
               {UINT64_MAX, 320}, {UINT64_MAX - 319, 320},
               {101, 320},        {1, 1 << 20},
               {0, 1 << 20}};
    size_t size;
    unsigned char *file = pack_bytes(&size);
    unsigned char *last = file + HEADER_BYTES + (ITEMS - 1) * ITEM_BYTES;
    assert_int_equal(size, 320 - 64 + 100);
    for (size_t i = 0; i < sizeof lie / sizeof lie[0]; i++) {
        put_u64(last + 8, lie[i].size);
        put_u64(last + 16, lie[i].offset);
        pack_sign(file, ITEMS);
        assert_int_equal(pack_check(file, size), SETSUNA_EINPUT);
    }
    free(file);
    file = pack_bytes(&size);
    static const uint64_t counts[] = {ITEMS + 40, UINT64_MAX, UINT64_MAX / ITEM_BYTES, (UINT64_C(1) << 59) + 1};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        put_u64(file + 24, counts[i]);
        assert_int_equal(pack_check(file, size), SETSUNA_EINPUT);
    }
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_every_truncation_is_found),
        cmocka_unit_test(test_every_flipped_bit_is_found),
        cmocka_unit_test(test_places_outside_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
