#include "report/sha256.h"
#include "unit/unit.h"
#include <string.h>

/* FIPS 180-2 appendix B and the NIST example of a million times 'a'. */
static void test_published_digests(void **state)
{
    (void)state;
    static const struct {
        const char *text, *digest;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    char text[SN_SHA256_TEXT_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sn_sha256_text(cases[i].text, strlen(cases[i].text), text);
        assert_string_equal(text, cases[i].digest);
    }
    sn_sha256_text(NULL, 0, text);
    assert_string_equal(text, cases[0].digest);
    sn_sha256 h;
    sn_sha256_init(&h);
    for (int i = 0; i < 1000; i++) {
        char block[1000];
        memset(block, 'a', sizeof block);
        sn_sha256_update(&h, block, sizeof block);
    }
    sn_sha256_finish(&h, text);
    assert_string_equal(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* Every length around the padding, in one piece and in every two pieces. */
static void test_pieces(void **state)
{
    (void)state;
    uint8_t data[200];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 37);
    for (size_t n = 0; n <= sizeof data; n++) {
        char whole[SN_SHA256_TEXT_MAX], parts[SN_SHA256_TEXT_MAX];
        sn_sha256_text(data, n, whole);
        for (size_t cut = 0; cut <= n; cut++) {
            sn_sha256 h;
            sn_sha256_init(&h);
            sn_sha256_update(&h, data, cut);
            sn_sha256_update(&h, data + cut, n - cut);
            sn_sha256_finish(&h, parts);
            assert_string_equal(parts, whole);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_digests),
        cmocka_unit_test(test_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
