#include "import_check.h"
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[PATH_MAX];

static void write_file(const char *name, size_t size)
{
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    for (size_t i = 0; i < size; i++)
        fputc((int)(i & 0x3f), f);
    fclose(f);
}

/* model/ has weights.bin of 256 bytes and every kind of thing that must not be followed. */
static int make_folder(void **state)
{
    (void)state;
    char cwd[PATH_MAX - 64];
    if (!getcwd(cwd, sizeof cwd))
        return -1;
    snprintf(folder, sizeof folder, "%s/external-XXXXXX", cwd);
    if (!mkdtemp(folder) || chdir(folder) != 0 || mkdir("model", 0777) != 0 || mkdir("model/sub", 0777) != 0)
        return -1;
    write_file("secret.bin", 256);
    write_file("model/weights.bin", 256);
    write_file("model/sub/more.bin", 64);
    write_file("model/hard.bin", 64);
    return symlink("../secret.bin", "model/link.bin") || symlink("..", "model/up") || symlink("sub", "model/side") ||
           link("model/hard.bin", "model/hard2.bin") || mkfifo("model/fifo.bin", 0666);
}

static int drop_folder(void **state)
{
    (void)state;
    static const char *const file[] = {"secret.bin",      "model/weights.bin", "model/sub/more.bin", "model/hard.bin",
                                       "model/hard2.bin", "model/link.bin",    "model/large.bin",    "model/up",
                                       "model/side",      "model/fifo.bin"};
    for (size_t i = 0; i < sizeof file / sizeof file[0]; i++)
        unlink(file[i]);
    return rmdir("model/sub") || rmdir("model") || chdir("..") || rmdir(folder);
}

static void add_entry(pb_write *t, const char *key, const char *value, size_t len)
{
    pb_write e = {0};
    pb_text(&e, 1, key);
    pb_bytes(&e, 2, value, len);
    pb_message(t, 13, e);
}

/* An external u8 tensor; offset and length may be NULL. */
static pb_write external(const char *name, const char *location, const char *offset, const char *length, int64_t n)
{
    pb_write t = onnx_tensor(name, ONNX_U8, &n, 1);
    pb_int(&t, 14, 1);
    add_entry(&t, "location", location, strlen(location));
    if (offset)
        add_entry(&t, "offset", offset, strlen(offset));
    if (length)
        add_entry(&t, "length", length, strlen(length));
    return t;
}

static pb_write model_of(pb_write tensor)
{
    pb_write g = onnx_graph("main", "", "w");
    pb_message(&g, 5, tensor);
    return onnx_model(g);
}

static const sn_onnx_options in_folder = {.dir = "model"};

static void test_files_are_opened_once(void **state)
{
    (void)state;
    unit_need_openat2();
    pb_write g = onnx_graph("main", "", "a,b,c,d");
    pb_message(&g, 5, external("a", "weights.bin", NULL, NULL, 16));
    pb_message(&g, 5, external("b", "weights.bin", "64", "32", 32));
    pb_message(&g, 5, external("c", "sub/more.bin", "0", "64", 64));
    pb_message(&g, 5, external("d", "./weights.bin", "3", NULL, 0));
    imported i = import_model(onnx_model(g), &in_folder);
    if (i.status != SETSUNA_OK)
        fail_msg("%s", i.err.text);
    assert_int_equal(i.model->n_external, 3);
    assert_int_equal(i.model->external[0].size, 256);
    assert_int_equal(i.model->external[1].size, 64);
    assert_int_equal(i.model->external[2].size, 256); /* another way to write the name is another file */
    const sn_const *a = sn_graph_const(i.g, value_of(i.g, "a")), *b = sn_graph_const(i.g, value_of(i.g, "b"));
    assert_int_equal(((uint8_t *)a->t.data)[15], 15);
    assert_true((uint8_t *)b->t.data == i.model->external[0].data + 64);
    assert_int_equal(((uint8_t *)b->t.data)[1], 1);
    assert_true(a->uid != b->uid && !a->file);
    import_drop(&i);
}

/* Large constants stay in the file; those whose bytes the importer or an operator reads in place do not. */
static void test_large_data_stays_in_the_file(void **state)
{
    (void)state;
    unit_need_openat2();
    enum { N = SN_ONNX_HOLE_BYTES + 1 };
    write_file("model/large.bin", N + 1);
    pb_write g = onnx_graph("main", "", "a,y");
    pb_message(&g, 5, external("a", "large.bin", "1", NULL, N));
    pb_write node = onnx_node("Attributed", "", "", "y");
    pb_message(&node, 5, onnx_attr_tensor("value", external("b", "large.bin", "1", NULL, N)));
    pb_message(&g, 1, node);
    imported i = import_model(onnx_model(g), &in_folder);
    if (i.status != SETSUNA_OK)
        fail_msg("%s", i.err.text);
    const sn_const *a = sn_graph_const(i.g, value_of(i.g, "a")), *b = i.g->node[0].attr[0].t;
    assert_ptr_equal(a->file, &i.model->external[0]);
    assert_null(b->file);
    uint8_t *bytes = malloc(N);
    assert_int_equal(sn_const_read(a, bytes, NULL), SETSUNA_OK);
    assert_memory_equal(bytes, b->t.data, N);
    for (int k = 0; k < N; k++)
        assert_int_equal(bytes[k], (k + 1) & 0x3f);
    write_file("model/large.bin", N); /* somebody else's change is noticed, and nothing crashes */
    assert_int_equal(sn_const_read(a, bytes, NULL), SETSUNA_EIO);
    free(bytes);
    import_drop(&i);
}

static void test_paths_that_are_refused(void **state)
{
    (void)state;
    unit_need_openat2();
    static const struct {
        const char *location;
        setsuna_status status;
    } row[] = {
        {"../secret.bin", SETSUNA_EMODEL},
        {"sub/../../secret.bin", SETSUNA_EMODEL},
        {"/etc/passwd", SETSUNA_EMODEL},
        {"link.bin", SETSUNA_EMODEL},
        {"up/secret.bin", SETSUNA_EMODEL},
        {"side/more.bin", SETSUNA_EMODEL},
        {"hard.bin", SETSUNA_EMODEL},
        {"hard2.bin", SETSUNA_EMODEL},
        {"fifo.bin", SETSUNA_EMODEL},
        {"sub", SETSUNA_EMODEL},
        {".", SETSUNA_EMODEL},
        {"..", SETSUNA_EMODEL},
        {"/dev/zero", SETSUNA_EMODEL},
        {"/proc/self/mem", SETSUNA_EMODEL},
        {"missing.bin", SETSUNA_ENOTFOUND},
        {"weights.bin/x", SETSUNA_ENOTFOUND},
        {"", SETSUNA_EMODEL},
    };
    for (size_t k = 0; k < sizeof row / sizeof row[0]; k++) {
        imported i = import_model(model_of(external("w", row[k].location, NULL, NULL, 16)), &in_folder);
        if (i.status != row[k].status)
            fail_msg("'%s': %s %s", row[k].location, setsuna_status_name(i.status), i.err.text);
        import_drop(&i);
    }
    char longest[1200];
    memset(longest, 'a', sizeof longest);
    longest[1100] = '\0';
    import_fails_with(model_of(external("w", longest, NULL, NULL, 16)), &in_folder, SETSUNA_ELIMIT, "", "data file");
    int64_t n = 4;
    pb_write t = onnx_tensor("w", ONNX_U8, &n, 1);
    pb_int(&t, 14, 1);
    add_entry(&t, "location", "weights.bin\0x", 13);
    import_fails_with(model_of(t), &in_folder, SETSUNA_EMODEL, "", "NUL");
}

static void test_ranges_that_are_refused(void **state)
{
    (void)state;
    unit_need_openat2();
    static const struct {
        const char *offset, *length;
        int64_t n;
        setsuna_status status;
    } row[] = {
        {"0", "257", 257, SETSUNA_EMODEL},
        {"256", NULL, 1, SETSUNA_EMODEL},
        {"241", "16", 16, SETSUNA_EMODEL},
        {"18446744073709551615", "16", 16, SETSUNA_EMODEL},
        {"18446744073709551600", "16", 16, SETSUNA_EMODEL},
        {"18446744073709551616", "16", 16, SETSUNA_EMODEL},
        {"-1", "16", 16, SETSUNA_EMODEL},
        {"+1", "16", 16, SETSUNA_EMODEL},
        {"0x1", "16", 16, SETSUNA_EMODEL},
        {" 1", "16", 16, SETSUNA_EMODEL},
        {"", "16", 16, SETSUNA_EMODEL},
        {"0", "15", 16, SETSUNA_EMODEL},
        {"0", "17", 16, SETSUNA_EMODEL},
        {"0", "x", 16, SETSUNA_EMODEL},
        {"0", NULL, 1LL << 50, SETSUNA_ELIMIT},
        {"1125899906842624", NULL, 16, SETSUNA_ELIMIT},
    };
    for (size_t k = 0; k < sizeof row / sizeof row[0]; k++) {
        imported i =
            import_model(model_of(external("w", "weights.bin", row[k].offset, row[k].length, row[k].n)), &in_folder);
        if (i.status != row[k].status)
            fail_msg("row %zu: %s %s", k, setsuna_status_name(i.status), i.err.text);
        import_drop(&i);
    }
    imported i = import_model(model_of(external("w", "weights.bin", "240", "16", 16)), &in_folder);
    assert_int_equal(i.status, SETSUNA_OK);
    import_drop(&i);
}

static void test_models_given_as_bytes_have_no_folder(void **state)
{
    (void)state;
    import_fails(model_of(external("w", "weights.bin", NULL, NULL, 16)), SETSUNA_EUNSUPPORTED, "main",
                 "may not refer to files");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_are_opened_once),
        cmocka_unit_test(test_large_data_stays_in_the_file),
        cmocka_unit_test(test_paths_that_are_refused),
        cmocka_unit_test(test_ranges_that_are_refused),
        cmocka_unit_test(test_models_given_as_bytes_have_no_folder),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
