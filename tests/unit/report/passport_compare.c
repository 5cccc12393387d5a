#include "report/passport_compare.h"
#include "report/passport_report.h"
#include "unit/unit.h"
#include <string.h>

/* As bench writes it: inside an object, indented by 2. */
static sn_sink json_of(const sn_passport *p)
{
    sn_sink s;
    sn_json w;
    sn_sink_init_buffer(&s, NULL);
    sn_json_init(&w, &s, 2);
    sn_json_begin_object(&w);
    sn_json_key_string(&w, "model", "a \"passport\": {\n of no worth");
    sn_json_key(&w, "passport");
    sn_passport_write_json(p, &w);
    sn_json_key_u64(&w, "runs", 7);
    sn_json_end_object(&w);
    assert_int_equal(sn_json_finish(&w), SETSUNA_OK);
    return s;
}

static void test_differences(void **state)
{
    (void)state;
    sn_passport p;
    sn_passport_text a, b;
    uint32_t machine = 9;
    sn_passport_read(&p);
    sn_sink s = json_of(&p), said;
    assert_true(sn_passport_text_find(s.data, s.size, &a));
    assert_int_equal(a.n_lines, 14);
    for (size_t cut = 0; cut < s.size; cut += 7) /* cut short anywhere: no read beyond the end */
        sn_passport_text_find(s.data, cut, &b);
    assert_int_equal(sn_passport_text_differ(&a, &a, &machine, NULL), 0);
    assert_int_equal(machine, 0);
    sn_sink_fini(&s);
    strcpy(p.governor, "powersave");
    strcpy(p.compiler, "gcc 1");
    s = json_of(&p);
    assert_true(sn_passport_text_find(s.data, s.size, &b));
    sn_sink_init_buffer(&said, NULL);
    assert_int_equal(sn_passport_text_differ(&a, &b, &machine, &said), 2);
    assert_int_equal(machine, 1);
    assert_non_null(strstr(said.data, "and \"powersave\""));
    sn_sink_fini(&said);
    sn_sink_fini(&s);
    b.n_lines = 3; /* missing fields differ */
    assert_true(sn_passport_text_differ(&a, &b, &machine, NULL) > 10);
}

static void test_none(void **state)
{
    (void)state;
    sn_passport_text t;
    assert_false(sn_passport_text_find(NULL, 0, &t));
    assert_false(sn_passport_text_find("{\n  \"passport\": {\n", 18, &t));
    assert_false(sn_passport_text_find("hello", 5, &t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_differences), cmocka_unit_test(test_none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
