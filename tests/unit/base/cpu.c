#include "base/cpu.h"
#include "unit/unit.h"
#include <stdio.h>
#include <stdbool.h>
#include <string.h>

static void test_names_round_trip(void **state)
{
    (void)state;
    for (int i = 0; i < SN_CPU_LEVELS; i++) {
        sn_cpu_level level = SN_CPU_LEVELS;
        assert_int_equal(sn_cpu_level_parse(sn_cpu_level_name((sn_cpu_level)i), &level), SETSUNA_OK);
        assert_int_equal(level, i);
    }
    sn_cpu_level level = SN_CPU_REF;
    assert_int_equal(sn_cpu_level_parse("avx", &level), SETSUNA_ENOTFOUND);
    assert_int_equal(sn_cpu_level_parse("", &level), SETSUNA_ENOTFOUND);
    assert_int_equal(level, SN_CPU_REF);
    assert_string_equal(sn_cpu_level_name(SN_CPU_LEVELS), "?");
    assert_string_equal(sn_cpu_level_name((sn_cpu_level)-1), "?");
}

/* The kernel's own list of what the CPU has and it allows, as an independent opinion. */
static void test_detect_agrees_with_kernel(void **state)
{
    (void)state;
#if defined(__x86_64__)
    const char *title = "flags";
    static const char *const needs[SN_CPU_LEVELS] = {
        [SN_CPU_REF] = "",
        [SN_CPU_AVX2] = " avx2 fma f16c bmi2",
        [SN_CPU_AVX512] = " avx512f avx512bw avx512dq avx512vl",
        [SN_CPU_AVX512VNNI] = " avx512_vnni avx512vbmi",
        [SN_CPU_AVX512BF16] = " avx512_bf16",
    };
#elif defined(__aarch64__)
    const char *title = "Features";
    static const char *const needs[SN_CPU_LEVELS] = {
        [SN_CPU_REF] = "", [SN_CPU_NEON] = " asimd", [SN_CPU_NEONDOT] = " asimddp"};
#else
    const char *title = "nothing";
    static const char *const needs[SN_CPU_LEVELS] = {""};
#endif
    FILE *f = fopen("/proc/cpuinfo", "r");
    char line[16384] = "";
    while (f && fgets(line, sizeof line, f) && strncmp(line, title, strlen(title)) != 0)
        continue;
    if (f)
        fclose(f);
    if (strncmp(line, title, strlen(title)) != 0)
        skip(); /* an emulator shows the host's */
    line[strcspn(line, "\n")] = ' ';
    int want = SN_CPU_REF;
    for (int level = SN_CPU_REF + 1; level < SN_CPU_LEVELS && want == level - 1; level++) {
        bool has = true;
        char list[128], word[40];
        snprintf(list, sizeof list, "%s", needs[level]);
        for (char *save, *w = strtok_r(list, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
            snprintf(word, sizeof word, " %s ", w);
            has = has && strstr(line, word);
        }
        if (has)
            want = level;
    }
    assert_string_equal(sn_cpu_level_name(sn_cpu_detect()), sn_cpu_level_name((sn_cpu_level)want));
}

static void test_brand_and_count(void **state)
{
    (void)state;
    char brand[64];
    sn_cpu_brand(brand, sizeof brand);
    assert_true(strlen(brand) > 0);
    char small[5];
    memset(small, '#', sizeof small);
    sn_cpu_brand(small, 4);
    assert_true(strlen(small) <= 3);
    assert_int_equal(small[4], '#');
    assert_true(sn_cpu_count() >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_round_trip),
        cmocka_unit_test(test_detect_agrees_with_kernel),
        cmocka_unit_test(test_brand_and_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
