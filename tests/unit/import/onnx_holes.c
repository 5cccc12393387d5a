/* Models opened as files, whose large tensors are not loaded, beside the same models given as bytes. */
#include "import_check.h"
#include <stdio.h>
#include <unistd.h>

enum { LARGE = SN_ONNX_HOLE_BYTES / 4 + 1, SMALL = SN_ONNX_HOLE_BYTES / 4 };

static pb_write tensor_of(const char *name, size_t n, float first)
{
    float *v = malloc(n * sizeof *v);
    for (size_t i = 0; i < n; i++)
        v[i] = first + (float)i;
    pb_write t = onnx_tensor_f32(name, v, n);
    free(v);
    return t;
}

/* Too small for a hole if it were a vector. */
static pb_write matrix_of(const char *name, int64_t rows, int64_t columns, bool packed)
{
    const int64_t dim[] = {1, rows, columns};
    size_t n = (size_t)(rows * columns);
    float *v = malloc(n * sizeof *v);
    for (size_t i = 0; i < n; i++)
        v[i] = (float)i;
    pb_write t = {0};
    if (packed)
        pb_packed(&t, 1, dim, 3);
    for (int i = 0; i < 3 && !packed; i++)
        pb_int(&t, 1, dim[i]);
    pb_int(&t, 2, ONNX_F32);
    pb_text(&t, 8, name);
    pb_bytes(&t, 9, v, n * sizeof *v);
    free(v);
    return t;
}

/* raw_data before data_type, as no exporter writes it but protobuf allows. */
static pb_write bool_tensor(const char *name, uint8_t odd)
{
    int64_t n = SN_ONNX_HOLE_BYTES + 1;
    uint8_t *v = calloc((size_t)n, 1);
    v[n - 1] = odd;
    pb_write t = {0};
    pb_packed(&t, 1, &n, 1);
    pb_bytes(&t, 9, v, (size_t)n);
    pb_int(&t, 2, ONNX_BOOL);
    pb_text(&t, 8, name);
    free(v);
    return t;
}

/* Large tensors in every place where a model may have one. */
static pb_write model_with_holes(uint8_t odd)
{
    pb_write body = onnx_graph("body", "", "z");
    pb_message(&body, 5, tensor_of("inner", LARGE, 3));
    pb_message(&body, 1, onnx_node("Relu", "", "inner", "z"));
    enum { ROWS = 64, COLUMNS = SN_ONNX_HOLE_MATRIX_BYTES / 4 / ROWS };
    pb_write g = onnx_graph("main", "x", "y,a,b,c,d,e,f,h,i,j,k");
    pb_message(&g, 5, matrix_of("f", ROWS, COLUMNS + 1, false));
    pb_message(&g, 5, matrix_of("h", ROWS, COLUMNS, false));
    pb_message(&g, 5, matrix_of("i", 1, ROWS * (COLUMNS + 1), false));
    pb_message(&g, 5, matrix_of("j", ROWS, COLUMNS + 1, true));
    pb_message(&g, 5, matrix_of("k", ROWS * (COLUMNS + 1), 1, true));
    pb_message(&g, 5, tensor_of("a", LARGE, 1));
    pb_message(&g, 5, tensor_of("b", SMALL, 2));
    pb_message(&g, 5, bool_tensor("e", odd));
    pb_write constant = onnx_node("Constant", "", "", "c");
    pb_message(&constant, 5, onnx_attr_tensor("value", tensor_of("", LARGE + 7, 4)));
    pb_message(&g, 1, constant);
    pb_write attributed = onnx_node("Attributed", "", "", "d");
    pb_message(&attributed, 5, onnx_attr_tensor("value", tensor_of("", LARGE, 5)));
    pb_message(&attributed, 5, onnx_attr_graph("g", body));
    pb_message(&g, 1, attributed);
    pb_message(&g, 1, onnx_node("Relu", "", "x", "y"));
    return onnx_model(g);
}

typedef struct opened {
    sn_lazy_file file;
    setsuna_status status;
    setsuna_error err;
    sn_onnx_model *model;
} opened;

/* By way of a file without a name. */
static void open_model(opened *o, const uint8_t *data, size_t size)
{
    *o = (opened){.file = {.fd = -1}};
    char path[64];
    FILE *f = tmpfile();
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fflush(f), 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fileno(f));
    assert_int_equal(sn_lazy_file_open(path, 0, &o->file, NULL), SETSUNA_OK);
    o->status = sn_onnx_open(&o->file, NULL, &o->model, &o->err);
    fclose(f);
}

static void close_model(opened *o)
{
    sn_onnx_destroy(o->model);
    sn_lazy_file_fini(&o->file);
}

static void check_same_const(const sn_const *a, const sn_const *b)
{
    assert_int_equal(a->t.size_bytes, b->t.size_bytes);
    assert_int_equal(a->uid, b->uid);
    uint8_t *x = malloc(a->t.size_bytes + 1), *y = malloc(a->t.size_bytes + 1);
    setsuna_error err;
    if (sn_const_read(a, x, &err) != SETSUNA_OK)
        fail_msg("%s", err.text);
    assert_int_equal(sn_const_read(b, y, NULL), SETSUNA_OK);
    assert_memory_equal(x, y, a->t.size_bytes);
    free(x);
    free(y);
}

static void test_large_tensors_are_holes(void **state)
{
    (void)state;
    imported whole = import_ok(model_with_holes(1));
    opened o;
    open_model(&o, whole.bytes.data, whole.bytes.size);
    assert_int_equal(o.status, SETSUNA_OK);
    const sn_graph *g = o.model->graph;
    static const struct {
        const char *name;
        bool hole;
    } row[] = {{"a", true},  {"b", false}, {"c", true}, {"e", false}, {"f", true},
               {"h", false}, {"i", false}, {"j", true}, {"k", false}};
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        const sn_const *c = sn_graph_const(g, value_of(g, row[i].name));
        assert_true((c->file != NULL) == row[i].hole);
        check_same_const(c, sn_graph_const(whole.g, value_of(whole.g, row[i].name)));
    }
    const sn_node *n = &g->node[0], *m = &whole.g->node[0];
    assert_string_equal(n->op, "Attributed");
    assert_null(n->attr[0].t->file); /* operators read their attributes in place */
    check_same_const(n->attr[0].t, m->attr[0].t);
    const sn_const *inner = sn_graph_const(n->attr[1].g, value_of(n->attr[1].g, "inner"));
    assert_ptr_equal(inner->file, &o.file);
    check_same_const(inner, sn_graph_const(m->attr[1].g, value_of(m->attr[1].g, "inner")));
    close_model(&o);
    import_drop(&whole);
}

static void test_bytes_that_are_checked_are_loaded(void **state)
{
    (void)state;
    pb_write m = pb_exact(model_with_holes(2));
    opened o;
    open_model(&o, m.data, m.size);
    assert_int_equal(o.status, SETSUNA_EMODEL);
    assert_non_null(strstr(o.err.text, "neither 0 nor 1"));
    close_model(&o);
    free(m.data);
}

/* Both ways say the same of a damaged model. Only bytes outside the tensors' contents are damaged, and around them. */
static void test_damaged_models_fail_alike(void **state)
{
    (void)state;
    pb_write m = pb_exact(model_with_holes(1));
    size_t n = 0, n_failed = 0;
    for (size_t at = 0; at < m.size; at++) {
        bool structure = at < 64 || m.size - at < 200;
        for (size_t k = 0; k < 64 && !structure; k++) /* the head of a tensor: its name or its type follow soon */
            structure = at + k + 6 < m.size && (memcmp(m.data + at + k, "Constant", 6) == 0 ||
                                                memcmp(m.data + at + k, "\x4a\x84\x80\x04", 4) == 0 ||
                                                memcmp(m.data + at + k, "Attributed", 6) == 0);
        for (int bit = 0; bit < 8 && structure; bit++, n++) {
            m.data[at] ^= (uint8_t)(1 << bit);
            opened o;
            open_model(&o, m.data, m.size);
            setsuna_error err;
            sn_onnx_model *model = NULL;
            setsuna_status status = sn_onnx_parse(m.data, m.size, NULL, &model, &err);
            if (status != o.status || (status != SETSUNA_OK && strcmp(err.text, o.err.text) != 0))
                fail_msg("bit %d of byte %zu: %s (%s), as bytes %s (%s)", bit, at, setsuna_status_name(o.status),
                         o.err.text, setsuna_status_name(status), err.text);
            n_failed += status != SETSUNA_OK;
            sn_onnx_destroy(model);
            close_model(&o);
            m.data[at] ^= (uint8_t)(1 << bit);
        }
    }
    assert_true(n > 2000 && n_failed > 500);
    free(m.data);
}

static void test_truncated_models_fail_alike(void **state)
{
    (void)state;
    pb_write m = pb_exact(model_with_holes(1));
    for (size_t size = 0; size < m.size; size += size < 200 || m.size - size < 200 ? 1 : 997) {
        opened o;
        open_model(&o, m.data, size);
        setsuna_error err;
        sn_onnx_model *model = NULL;
        assert_int_equal(sn_onnx_parse(m.data, size, NULL, &model, &err), o.status);
        assert_int_not_equal(o.status, SETSUNA_OK);
        assert_string_equal(o.err.text, err.text);
        close_model(&o);
    }
    free(m.data);
}

/* Deeper than the importer allows graphs to be nested: what lies there is simply loaded. */
static void test_depth_is_bounded(void **state)
{
    (void)state;
    pb_write g = onnx_graph("g", "", "a");
    pb_message(&g, 5, tensor_of("a", LARGE, 1));
    for (int i = 0; i < 200; i++) {
        pb_write outer = onnx_graph("g", "", "y"), n = onnx_node("If", "", "", "y");
        pb_message(&n, 5, onnx_attr_graph("then_branch", g));
        pb_message(&outer, 1, n);
        g = outer;
    }
    pb_write m = pb_exact(onnx_model(g));
    opened o;
    open_model(&o, m.data, m.size);
    assert_int_equal(o.status, SETSUNA_ELIMIT);
    close_model(&o);
    free(m.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_tensors_are_holes),   cmocka_unit_test(test_bytes_that_are_checked_are_loaded),
        cmocka_unit_test(test_damaged_models_fail_alike), cmocka_unit_test(test_truncated_models_fail_alike),
        cmocka_unit_test(test_depth_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
