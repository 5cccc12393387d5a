/* Pipelines as a whole: mistakes in the file and what is said about them, the steps on tensors and pictures, models
 * with constants and state, for_each, ledgers, and an allocator that fails at every place. */
#include "pipeline/pipeline.h"
#include "base/file.h"
#include "onnx_write.h"
#include "unit/unit.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "unit/pipeline/near.h"

#define HEAD "setsuna: 1\nname: test\n"

static setsuna_status parse_with(const char *text, const sn_pipeline_options *o, sn_pipeline **out, setsuna_error *err)
{
    *out = NULL;
    return sn_pipeline_parse("test.yaml", text, strlen(text), o, out, err);
}

static sn_pipeline *open_text(const char *text)
{
    sn_pipeline *p;
    setsuna_error err = {0};
    if (parse_with(text, NULL, &p, &err) != SETSUNA_OK)
        fail_msg("%s: %s", err.where, err.text);
    return p;
}

static void run_ok(sn_pipeline *p)
{
    setsuna_error err = {0};
    if (sn_pipeline_run(p, NULL, &err) != SETSUNA_OK)
        fail_msg("%s: %s", err.where, err.text);
}

static setsuna_tensor tensor_f32(float *data, int rank, int64_t a, int64_t b, int64_t c)
{
    setsuna_tensor t = {.dtype = SETSUNA_F32, .shape = {rank, {a, b, c}}, .data = data};
    t.size_bytes = sizeof *data * (size_t)(a * (rank > 1 ? b : 1) * (rank > 2 ? c : 1));
    return t;
}

/* ---- mistakes in the file ------------------------------------------------------------------------------------- */

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *where, *says;
        setsuna_status status;
    } bad[] = {
        {"- x\n", "test.yaml:1", "write its fields", SETSUNA_EINPUT},
        {"name: x\n", "test.yaml:1", "field 'setsuna' is missing", SETSUNA_EINPUT},
        {"setsuna: 2\nname: x\ninputs: {a: bytes}\nsteps: []\noutputs: [a]\n", "test.yaml:1: setsuna", "from 1 to 1",
         SETSUNA_EINPUT},
        {HEAD "inputs: {a: bytes}\nsteps: []\noutputs: [a]\nstep: 1\n", "test.yaml:6: step", "there is no such field",
         SETSUNA_EINPUT},
        {HEAD "inputs: {a: image}\nsteps: []\noutputs: [a]\n", "test.yaml:3: inputs.a", "bytes (a file) or tensor",
         SETSUNA_EINPUT},
        {HEAD "inputs: {}\nsteps: []\noutputs: [a]\n", "test.yaml:3: inputs", "write the inputs", SETSUNA_EINPUT},
        {HEAD "inputs: {a/b: bytes}\nsteps: []\noutputs: [a]\n", "test.yaml:3: inputs.a/b", "is no name",
         SETSUNA_EINPUT},
        {HEAD "inputs: {a: bytes}\nsteps: []\noutputs: [a]\n", "test.yaml:4: steps", "as a list", SETSUNA_EINPUT},
        {HEAD "inputs: {a: bytes}\nsteps:\n  - decoed: {from: a, to: b}\noutputs: [b]\n",
         "test.yaml:5: steps[0].decoed", "there is no such step; there are: decode, resize", SETSUNA_EINPUT},
        {HEAD "inputs: {a: bytes}\nsteps:\n  - {decode: {from: a, to: b}, x: 1}\noutputs: [b]\n",
         "test.yaml:5: steps[0]", "a step is one name", SETSUNA_EINPUT},
        {HEAD "inputs: {a: bytes}\nsteps:\n  - decode: {from: a, to: b, form: 1}\noutputs: [b]\n",
         "test.yaml:5: steps[0].decode.form", "there are: from, to, shrink_to", SETSUNA_EINPUT},
        {HEAD "inputs: {a: bytes}\nsteps:\n  - decode: {to: b}\noutputs: [b]\n", "test.yaml:5: steps[0].decode",
         "field 'from' is missing", SETSUNA_EINPUT},
        {HEAD "inputs: {a: bytes}\nsteps:\n  - decode: {from: c, to: b}\noutputs: [b]\n",
         "test.yaml:5: steps[0].decode.from", "no earlier step makes 'c'; values that would fit here: a",
         SETSUNA_ENOTFOUND},
        {HEAD "inputs: {a: bytes}\nsteps:\n  - decode: {from: a, to: a}\noutputs: [a]\n",
         "test.yaml:5: steps[0].decode.to", "'a' is made already", SETSUNA_EINPUT},
        {HEAD "inputs: {a: tensor}\nsteps:\n  - decode: {from: a, to: b}\noutputs: [b]\n",
         "test.yaml:5: steps[0].decode.from", "'a' holds tensor, but bytes is needed here", SETSUNA_EINPUT},
        {HEAD "inputs: {a: bytes}\nsteps:\n  - decode: {from: a, to: b, shrink_to: -1}\noutputs: [b]\n",
         "test.yaml:5: steps[0].decode.shrink_to", "from 0 to 65535", SETSUNA_EINPUT},
        {HEAD "inputs: {a: bytes}\nsteps:\n  - decode: {from: a, to: b}\n  - resize: {from: b, to: c, fit: fill}\n"
              "outputs: [c]\n",
         "test.yaml:6: steps[1].resize.fit", "choose one of: stretch, letterbox, limit, height", SETSUNA_EINPUT},
        {HEAD "inputs: {a: bytes}\nsteps:\n  - decode: {from: a, to: b}\n  - resize: {from: b, to: c, fit: stretch}\n"
              "outputs: [c]\n",
         "test.yaml:6: steps[1].resize", "needs width and height", SETSUNA_EINPUT},
        {HEAD "inputs: {a: bytes}\nsteps:\n  - decode: {from: a, to: b}\n"
              "  - normalise: {from: b, to: c, mean: [1, 2]}\noutputs: [c]\n",
         "test.yaml:6: steps[1].normalise.mean", "has 2 numbers for 3 channels", SETSUNA_EINPUT},
        {HEAD "inputs: {a: bytes}\nsteps:\n  - decode: {from: a, to: b}\n"
              "  - normalise: {from: b, to: c, std: [1, 0, 1]}\noutputs: [c]\n",
         "test.yaml:6: steps[1].normalise.std[1]", "must be from", SETSUNA_EINPUT},
        {HEAD "inputs: {a: bytes}\nsteps:\n  - decode: {from: a, to: b}\noutputs: [c]\n", "test.yaml:6: outputs[0]",
         "no earlier step makes 'c'", SETSUNA_ENOTFOUND},
        {HEAD "inputs: {a: tensor}\nsteps:\n  - model: {file: nothing.onnx, from: a, to: b}\noutputs: [b]\n",
         "test.yaml:5: steps[0].model.file", "there is no file ./nothing.onnx", SETSUNA_ENOTFOUND},
        {HEAD "inputs: {a: tensor}\nsteps:\n  - transpose: {from: a, to: b, order: [0, 0]}\noutputs: [b]\n",
         "test.yaml:5: steps[0].transpose.order", "each of 0 to 1 once", SETSUNA_EINPUT},
        {HEAD "inputs: {a: tensor}\nsteps:\n  - reshape: {from: a, to: b, shape: [-1, -1]}\noutputs: [b]\n",
         "test.yaml:5: steps[0].reshape.shape", "only one", SETSUNA_EINPUT},
        {HEAD "inputs: {a: tensor}\nsteps:\n  - concat: {from: [a, b], axis: 0, to: b}\noutputs: [b]\n",
         "test.yaml:5: steps[0].concat.from[1]", "is what this step makes", SETSUNA_EINPUT},
        {HEAD "inputs: {a: tensor}\nsteps:\n  - classify: {from: a, to: b, labels: none.txt}\noutputs: [b]\n",
         "test.yaml:5: steps[0].classify.labels", "there is no file", SETSUNA_ENOTFOUND},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sn_pipeline *p;
        setsuna_error err = {0};
        setsuna_status status = parse_with(bad[i].text, NULL, &p, &err);
        if (status != bad[i].status || strcmp(err.where, bad[i].where) != 0 || !strstr(err.text, bad[i].says))
            fail_msg("%zu: %s, '%s': '%s'", i, setsuna_status_name(status), err.where, err.text);
        assert_null(p);
    }
}

static void test_for_each_mistakes(void **state)
{
    (void)state;
#define FACES                                                                                                          \
    HEAD "inputs: {s: tensor, b: tensor, f: bytes}\nsteps:\n  - decode: {from: f, to: image}\n"                        \
         "  - ssd_boxes: {boxes: b, scores: s, image: image, to: found, width: 2, height: 2, strides: [1]}\n"
    static const struct {
        const char *text, *where, *says;
    } bad[] = {
        {FACES
         "  - for_each: {boxes: found, as: one, steps: [crop: {from: image, box: one, to: c}], collect: {c: all}}\n"
         "outputs: [all]\n",
         "test.yaml:7: steps[2].for_each.collect.c", "'c' holds image"},
        {FACES
         "  - for_each: {boxes: found, as: one, steps: [crop: {from: image, box: one, to: c}], collect: {d: all}}\n"
         "outputs: [all]\n",
         "test.yaml:7: steps[2].for_each.collect.d", "no earlier step makes 'd'"},
        {FACES
         "  - for_each: {boxes: found, as: one, steps: [crop: {from: image, box: one, to: c}], collect: {one: all}}\n"
         "  - turn: {from: c, to: d, angle: 90}\noutputs: [all]\n",
         "test.yaml:8: steps[3].turn.from", "no earlier step makes 'c'"}, /* the scope is closed */
        {FACES "  - for_each: {boxes: found, as: image, steps: [], collect: {one: all}}\noutputs: [all]\n",
         "test.yaml:7: steps[2].for_each.as", "'image' is made already"},
        {FACES "  - for_each: {boxes: found, as: one, steps: [], collect: [one]}\noutputs: [all]\n",
         "test.yaml:7: steps[2].for_each.collect", "write a mapping"},
        {FACES
         "  - for_each: {boxes: found, as: a, collect: {a: x}, steps: [for_each: {boxes: a, as: b1, collect: {b1: "
         "y}, steps: [for_each: {boxes: b1, as: c1, collect: {c1: z}, steps: [for_each: {boxes: c1, as: d1, "
         "collect: {d1: w}, steps: []}]}]}]}\noutputs: [x]\n",
         "test.yaml:7: steps[2].for_each.steps[0].for_each.steps[0].for_each.steps[0].for_each", "nested more than 3"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sn_pipeline *p;
        setsuna_error err = {0};
        setsuna_status status = parse_with(bad[i].text, NULL, &p, &err);
        if (status == SETSUNA_OK || strcmp(err.where, bad[i].where) != 0 || !strstr(err.text, bad[i].says))
            fail_msg("%zu: %s, '%s': '%s'", i, setsuna_status_name(status), err.where, err.text);
    }
}

/* ---- inputs and runs ------------------------------------------------------------------------------------------- */

static void test_inputs(void **state)
{
    (void)state;
    sn_pipeline *p = open_text(HEAD "description: d\ninputs: {a: bytes, t: tensor}\nsteps:\n"
                                    "  - cast: {from: t, to: u}\noutputs: [u, a]\n");
    setsuna_error err = {0};
    bool more;
    assert_string_equal(sn_pipeline_name(p), "test");
    assert_string_equal(sn_pipeline_engine(p), "none");
    assert_false(sn_pipeline_is_stream(p));
    assert_string_equal(sn_pipeline_input(p, 1)->name, "t");
    assert_null(sn_pipeline_input(p, 2));
    assert_string_equal(sn_pipeline_output(p, 0)->name, "u");
    assert_null(sn_pipeline_output(p, 2));
    assert_string_equal(sn_pipeline_step(p, 0)->type->name, "cast");
    assert_null(sn_pipeline_step(p, 1));
    assert_int_equal(sn_pipeline_next(p, NULL, &more, &err), SETSUNA_EINVAL);
    assert_int_equal(sn_pipeline_start(p, NULL, &err), SETSUNA_EINVAL);
    assert_string_equal(err.text, "input 'a' (bytes) was not given");
    float one = 1;
    setsuna_tensor t = tensor_f32(&one, 1, 1, 0, 0);
    assert_int_equal(sn_pipeline_set_tensor(p, 0, &t, &err), SETSUNA_EINVAL);
    assert_int_equal(sn_pipeline_set_bytes(p, 1, NULL, "x", 1, &err), SETSUNA_EINVAL);
    assert_int_equal(sn_pipeline_set_bytes(p, 2, NULL, "x", 1, &err), SETSUNA_EINVAL);
    assert_int_equal(sn_pipeline_set_tensor(p, 1, &t, &err), SETSUNA_OK);
    assert_int_equal(sn_pipeline_set_file(p, 0, "no-such-file", &err), SETSUNA_OK);
    assert_int_equal(sn_pipeline_run(p, NULL, &err), SETSUNA_ENOTFOUND);
    assert_string_equal(err.where, "no-such-file");
    assert_int_equal(sn_pipeline_set_bytes(p, 0, NULL, "abc", 3, &err), SETSUNA_OK);
    run_ok(p);
    assert_int_equal(sn_pipeline_output(p, 1)->bytes.size, 3);
    assert_int_equal(sn_pipeline_next(p, NULL, &more, &err), SETSUNA_EINVAL); /* the run is over */
    sn_pipeline_close(p);
    sn_pipeline_close(NULL);
}

static void test_file_input_is_read_each_run(void **state)
{
    (void)state;
    sn_pipeline *p =
        open_text(HEAD "inputs: {a: bytes, t: tensor}\nsteps:\n  - cast: {from: t, to: u}\noutputs: [a]\n");
    char path[] = "pipeline_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    float one = 1;
    setsuna_tensor t = tensor_f32(&one, 1, 1, 0, 0);
    assert_int_equal(sn_pipeline_set_file(p, 0, path, NULL), SETSUNA_OK);
    assert_int_equal(sn_pipeline_set_tensor(p, 1, &t, NULL), SETSUNA_OK);
    static const char *const texts[] = {"one", "two!", ""};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sn_file_write(path, texts[i], strlen(texts[i]), NULL), SETSUNA_OK);
        run_ok(p);
        assert_int_equal(sn_pipeline_output(p, 0)->bytes.size, strlen(texts[i]));
        if (texts[i][0])
            assert_memory_equal(sn_pipeline_output(p, 0)->bytes.data, texts[i], strlen(texts[i]));
    }
    unlink(path);
    sn_pipeline_close(p);
}

/* ---- tensors ------------------------------------------------------------------------------------------------------
 */

static void test_tensor_steps(void **state)
{
    (void)state;
    sn_pipeline *p = open_text(HEAD "inputs: {x: tensor}\nsteps:\n"
                                    "  - slice: {from: x, axis: -1, begin: 1, end: 3, to: part}\n"
                                    "  - slice: {from: x, axis: 0, begin: -1, to: last}\n"
                                    "  - slice: {from: x, axis: 1, begin: 3, end: 1, to: nothing}\n"
                                    "  - reshape: {from: x, shape: [4, -1], to: shaped}\n"
                                    "  - transpose: {from: x, order: [2, 0, 1], to: turned}\n"
                                    "  - concat: {from: [part, part, part], axis: 2, to: joined}\n"
                                    "  - cast: {from: x, type: i64, to: whole}\n"
                                    "outputs: [part, last, nothing, shaped, turned, joined, whole]\n");
    float v[24];
    for (int i = 0; i < 24; i++)
        v[i] = (float)i + 0.75f;
    setsuna_tensor x = tensor_f32(v, 3, 2, 3, 4);
    assert_int_equal(sn_pipeline_set_tensor(p, 0, &x, NULL), SETSUNA_OK);
    run_ok(p);
    const setsuna_tensor *part = &sn_pipeline_output(p, 0)->tensor.t, *last = &sn_pipeline_output(p, 1)->tensor.t,
                         *nothing = &sn_pipeline_output(p, 2)->tensor.t, *shaped = &sn_pipeline_output(p, 3)->tensor.t,
                         *turned = &sn_pipeline_output(p, 4)->tensor.t, *joined = &sn_pipeline_output(p, 5)->tensor.t,
                         *whole = &sn_pipeline_output(p, 6)->tensor.t;
    assert_int_equal(part->shape.dim[2], 2);
    assert_int_equal(last->shape.dim[0], 1);
    assert_int_equal(nothing->shape.dim[1], 0);
    assert_int_equal(shaped->shape.rank, 2);
    assert_int_equal(shaped->shape.dim[1], 6);
    assert_memory_equal(shaped->data, v, sizeof v);
    assert_int_equal(joined->shape.dim[2], 6);
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 3; j++)
            for (int k = 0; k < 4; k++) {
                int at = (i * 3 + j) * 4 + k;
                assert_true(((const float *)turned->data)[(k * 2 + i) * 3 + j] == v[at]);
                assert_int_equal(((const int64_t *)whole->data)[at], at);
                if (k >= 1 && k < 3) {
                    assert_true(((const float *)part->data)[(i * 3 + j) * 2 + k - 1] == v[at]);
                    assert_true(((const float *)joined->data)[(i * 3 + j) * 6 + 4 + k - 1] == v[at]);
                }
                if (i == 1)
                    assert_true(((const float *)last->data)[j * 4 + k] == v[at]);
            }
    sn_pipeline_close(p);
}

static void test_tensor_steps_refuse(void **state)
{
    (void)state;
    static const char *const steps[] = {
        "slice: {from: x, axis: 3, to: y}",
        "reshape: {from: x, shape: [5, -1], to: y}",
        "reshape: {from: x, shape: [0, -1], to: y}",
        "reshape: {from: x, shape: [23], to: y}",
        "transpose: {from: x, order: [1, 0], to: y}",
        "concat: {from: [x, z], axis: 0, to: y}",
        "classify: {from: x, to: y}",
        "classify: {from: z, to: y}",
    };
    float v[24] = {0};
    int64_t whole[4] = {0};
    setsuna_tensor x = tensor_f32(v, 3, 2, 3, 4), z = {SETSUNA_I64, {1, {4}}, whole, sizeof whole};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        char text[512];
        snprintf(text, sizeof text, HEAD "inputs: {x: tensor, z: tensor}\nsteps:\n  - %s\noutputs: [y]\n", steps[i]);
        sn_pipeline *p = open_text(text);
        setsuna_error err = {0};
        assert_int_equal(sn_pipeline_set_tensor(p, 0, &x, NULL), SETSUNA_OK);
        assert_int_equal(sn_pipeline_set_tensor(p, 1, &z, NULL), SETSUNA_OK);
        assert_int_equal(sn_pipeline_run(p, NULL, &err), SETSUNA_ESHAPE);
        assert_int_equal(strncmp(err.where, "test.yaml:5: ", 13), 0);
        sn_pipeline_close(p);
    }
}

static void test_cast_saturates(void **state)
{
    (void)state;
    static const float v[] = {-3e38f, -1.5f, 255.9f, 256, 3e38f, NAN};
    static const struct {
        const char *type;
        int64_t want[6];
    } cases[] = {
        {"u8", {0, 0, 255, 255, 255, 0}},
        {"i32", {INT32_MIN, -1, 255, 256, INT32_MAX, 0}},
        {"i64", {INT64_MIN, -1, 255, 256, 0x7ffffffffffffc00, 0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        snprintf(text, sizeof text,
                 HEAD "inputs: {x: tensor}\nsteps:\n  - cast: {from: x, type: %s, to: y}\noutputs: [y]\n",
                 cases[i].type);
        sn_pipeline *p = open_text(text);
        float copy[6];
        memcpy(copy, v, sizeof v);
        setsuna_tensor x = tensor_f32(copy, 1, 6, 0, 0);
        assert_int_equal(sn_pipeline_set_tensor(p, 0, &x, NULL), SETSUNA_OK);
        run_ok(p);
        const setsuna_tensor *y = &sn_pipeline_output(p, 0)->tensor.t;
        for (int k = 0; k < 6; k++) {
            int64_t got = i == 0   ? ((const uint8_t *)y->data)[k]
                          : i == 1 ? ((const int32_t *)y->data)[k]
                                   : ((const int64_t *)y->data)[k];
            assert_true(got == cases[i].want[k]);
        }
        sn_pipeline_close(p);
    }
}

/* ---- models ---------------------------------------------------------------------------------------------------------
 */

/* y = x * gain + state; next = state + step, all f32 [2]; gain is a scalar. */
static pb_write counter_model(void)
{
    const int64_t two = 2;
    pb_write g = {0};
    pb_text(&g, 2, "counter");
    pb_message(&g, 1, onnx_node("Mul", "mul", "x,gain", "scaled"));
    pb_message(&g, 1, onnx_node("Add", "add", "scaled,state", "y"));
    pb_message(&g, 1, onnx_node("Add", "count", "state,step", "next"));
    pb_message(&g, 11, onnx_value("x", ONNX_F32, &two, 1));
    pb_message(&g, 11, onnx_value("gain", ONNX_F32, NULL, 0));
    pb_message(&g, 11, onnx_value("state", ONNX_F32, &two, 1));
    pb_message(&g, 11, onnx_value("step", ONNX_F32, &two, 1));
    pb_message(&g, 12, onnx_value("y", ONNX_F32, &two, 1));
    pb_message(&g, 12, onnx_value("next", ONNX_F32, &two, 1));
    return onnx_model(g);
}

/* y = relu(x), any length. */
static pb_write relu_model(void)
{
    const int64_t any = -1;
    pb_write g = {0};
    pb_text(&g, 2, "relu");
    pb_message(&g, 1, onnx_node("Relu", "relu", "x", "y"));
    pb_message(&g, 11, onnx_value("x", ONNX_F32, &any, 1));
    pb_message(&g, 12, onnx_value("y", ONNX_F32, &any, 1));
    return onnx_model(g);
}

static void write_model(const char *path, pb_write model)
{
    assert_int_equal(sn_file_write(path, model.data, model.size, NULL), SETSUNA_OK);
    free(model.data);
}

static const char counter_text[] = HEAD "inputs: {x: tensor}\nsteps:\n"
                                        "  - model:\n"
                                        "      file: counter.onnx\n"
                                        "      from: x\n"
                                        "      outputs: {y: y}\n"
                                        "      constants: {gain: 10, step: [1, 2]}\n"
                                        "      state: {state: next}\n"
                                        "outputs: [y]\n";

static void test_model_constants_and_reset(void **state)
{
    (void)state;
    write_model("counter.onnx", counter_model());
    sn_pipeline *p = open_text(counter_text);
    assert_string_equal(sn_pipeline_engine(p), "native");
    float v[2] = {1, 2};
    setsuna_tensor x = tensor_f32(v, 1, 2, 0, 0);
    assert_int_equal(sn_pipeline_set_tensor(p, 0, &x, NULL), SETSUNA_OK);
    for (int i = 0; i < 3; i++) { /* every run is a new one: the state is zero again */
        run_ok(p);
        const float *y = sn_pipeline_output(p, 0)->tensor.t.data;
        assert_true(y[0] == 10 && y[1] == 20);
    }
    sn_pipeline_close(p);
    unlink("counter.onnx");
}

/* Two model steps on one file share the model, not the state. */
static void test_model_is_shared(void **state)
{
    (void)state;
    write_model("relu.onnx", relu_model());
    sn_model_options model = {.cpu_level = -1};
    sn_model_set *set = sn_model_set_create(sn_allocator_default(), &model);
    const sn_pipeline_options o = {.models = set};
    static const char text[] = HEAD "inputs: {x: tensor}\nsteps:\n"
                                    "  - model: {file: relu.onnx, from: x, to: y}\n"
                                    "  - model: {file: relu.onnx, from: y, to: z}\noutputs: [y, z]\n";
    sn_pipeline *p[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(parse_with(text, &o, &p[i], NULL), SETSUNA_OK);
    unlink("relu.onnx"); /* both have it already */
    for (int n = 1; n <= 5; n++) {
        float v[5] = {-1, 2, -3, 4, -5};
        setsuna_tensor x = tensor_f32(v, 1, n, 0, 0);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(sn_pipeline_set_tensor(p[i], 0, &x, NULL), SETSUNA_OK);
            run_ok(p[i]);
            const setsuna_tensor *z = &sn_pipeline_output(p[i], 1)->tensor.t;
            assert_int_equal(z->shape.dim[0], n);
            for (int k = 0; k < n; k++)
                assert_true(((const float *)z->data)[k] == (v[k] > 0 ? v[k] : 0));
        }
    }
    sn_pipeline_close(p[0]);
    sn_pipeline_close(p[1]);
    sn_model_set_destroy(set);
}

static void test_model_mistakes(void **state)
{
    (void)state;
    write_model("counter.onnx", counter_model());
    static const struct {
        const char *fields, *where, *says;
    } bad[] = {
        {"{file: counter.onnx, from: x, to: y}", "steps[0].model", "input 'gain' of the model gets no value"},
        {"{file: counter.onnx, inputs: {X: x}, outputs: {y: y}}", "steps[0].model.inputs.X",
         "the model has no input 'X'; it has: x, gain, state, step"},
        {"{file: counter.onnx, inputs: {x: x}, outputs: {z: y}}", "steps[0].model", "gets no value"},
        {"{file: counter.onnx, inputs: {x: x}, constants: {x: [1, 2]}, outputs: {y: y}}", "steps[0].model.constants.x",
         "has a value already"},
        {"{file: counter.onnx, from: x, constants: {gain: 1, step: 1}, state: {state: next}, outputs: {y: y}}",
         "steps[0].model.constants.step", "2 elements, but 1 are given"},
        {"{file: counter.onnx, from: x, constants: {gain: x, step: [1, 1]}, state: {state: next}, outputs: {y: y}}",
         "steps[0].model.constants.gain", "not a number"},
        {"{file: counter.onnx, from: x, constants: {gain: 1, step: [1, 1]}, state: {state: after}, outputs: {y: y}}",
         "steps[0].model.state.state", "no output 'after'"},
        {"{file: counter.onnx, from: x, constants: {gain: 1, step: [1, 1]}, state: {state: next}, to: y}",
         "steps[0].model.to", "the model has 2 outputs"},
        {"{file: counter.onnx, from: x, constants: {gain: 1, step: [1, 1]}, state: {state: next}}", "steps[0].model",
         "nothing takes what the model gives"},
        {"{file: counter.onnx, from: x, constants: {gain: 1, step: [1, 1], x: [1, 1]}, state: {state: next}, outputs: "
         "{y: y}}",
         "steps[0].model.from", "remove `from`"},
        {"{file: counter.onnx, constants: 5, outputs: {y: y}}", "steps[0].model.constants", "write a mapping"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[512], where[256];
        snprintf(text, sizeof text, HEAD "inputs: {x: tensor}\nsteps:\n  - model: %s\noutputs: [y]\n", bad[i].fields);
        snprintf(where, sizeof where, "test.yaml:5: %s", bad[i].where);
        sn_pipeline *p;
        setsuna_error err = {0};
        setsuna_status status = parse_with(text, NULL, &p, &err);
        if (status != SETSUNA_EINPUT || strcmp(err.where, where) != 0 || !strstr(err.text, bad[i].says))
            fail_msg("%zu: %s, '%s': '%s'", i, setsuna_status_name(status), err.where, err.text);
    }
    unlink("counter.onnx");
}

/* ---- pictures
 * --------------------------------------------------------------------------------------------------------- */

/* A 40 x 20 picture, PNG in *png_out: left half black, right half white, one red pixel at (3, 4). */
static void make_png(uint8_t **png_out, size_t *size_out)
{
    sn_image image = {0};
    assert_int_equal(sn_image_reserve(sn_allocator_default(), &image, 40, 20, 3), SETSUNA_OK);
    for (int y = 0; y < 20; y++)
        for (int x = 0; x < 120; x++)
            sn_image_row(&image, y)[x] = x < 60 ? 0 : 255;
    sn_image_row(&image, 4)[9] = 255;
    assert_int_equal(sn_image_encode_png(sn_allocator_default(), &image, png_out, size_out, NULL), SETSUNA_OK);
    sn_image_fini(sn_allocator_default(), &image);
}

/* One anchor a cell on a 2 x 1 grid; two boxes whose scores and places come in as tensors. */
static const char boxes_text[] =
    HEAD "inputs: {picture: bytes, raw: tensor, scores: tensor}\nsteps:\n"
         "  - decode: {from: picture, to: photo}\n"
         "  - resize: {from: photo, to: small, fit: stretch, width: 20, height: 10}\n"
         "  - ssd_boxes: {boxes: raw, scores: scores, image: small, to: found, width: 2, height: 1, strides: [1], "
         "extra_ratio: 0, fixed_size: true, sigmoid: false}\n"
         "  - for_each:\n"
         "      boxes: found\n"
         "      as: one\n"
         "      steps:\n"
         "        - crop: {from: photo, box: one, to: cut}\n"
         "        - resize: {from: cut, to: tiny, fit: stretch, width: 1, height: 1, method: area}\n"
         "        - normalise: {from: tiny, to: x, order: gray}\n"
         "        - slice: {from: x, axis: 1, to: one_value}\n"
         "        - classify: {from: one_value, to: brightness}\n"
         "      collect: {brightness: all, one: seen}\n"
         "  - draw: {from: photo, boxes: found, classes: all, to: drawn}\n"
         "outputs: [found, all, seen, drawn]\n";

static void set_boxes(sn_pipeline *p, const uint8_t *png, size_t size, float *raw, float *scores)
{
    setsuna_tensor r = tensor_f32(raw, 3, 1, 2, 4), s = tensor_f32(scores, 3, 1, 2, 1);
    assert_int_equal(sn_pipeline_set_bytes(p, 0, NULL, png, size, NULL), SETSUNA_OK);
    assert_int_equal(sn_pipeline_set_tensor(p, 1, &r, NULL), SETSUNA_OK);
    assert_int_equal(sn_pipeline_set_tensor(p, 2, &s, NULL), SETSUNA_OK);
}

static void test_for_each(void **state)
{
    (void)state;
    uint8_t *png;
    size_t size;
    make_png(&png, &size);
    sn_pipeline *p = open_text(boxes_text);
    float raw[8] = {0, 0, 0.25f, 0.5f, 0, 0, 0.25f, 0.5f}, scores[2] = {0.6f, 0.9f}; /* in the two halves */
    for (int round = 0; round < 3; round++) {
        set_boxes(p, png, size, raw, scores);
        sn_ledger l;
        sn_ledger_begin(&l, 0);
        assert_int_equal(sn_pipeline_run(p, &l, NULL), SETSUNA_OK);
        sn_ledger_close(&l);
        assert_int_equal(l.n_flaws, 0);
        assert_true(l.stage_ns[SN_STAGE_PREPROCESS] > 0 && l.stage_ns[SN_STAGE_FEATURIZE] > 0);
        assert_true(l.stage_ns[SN_STAGE_POSTPROCESS] > 0 && l.unexplained_ns >= 0);
        const sn_pipe_slot *found = sn_pipeline_output(p, 0), *all = sn_pipeline_output(p, 1);
        assert_int_equal(found->boxes.n, 2); /* best first: the right one */
        assert_near(found->boxes.item[0].corner[0].x, 30 - 5, 1e-4);
        assert_near(found->boxes.item[0].corner[2].y, 15, 1e-4);
        assert_int_equal(all->classes.n, 2);
        assert_near(all->classes.item[0].score, 1, 1e-6); /* white */
        assert_near(all->classes.item[1].score, 0, 0.01);
        assert_int_equal(sn_pipeline_output(p, 2)->boxes.n, 2);
        assert_near(sn_pipeline_output(p, 2)->boxes.item[1].score, 0.6, 1e-6);
    }
    scores[0] = scores[1] = 0; /* nothing found: lists are empty, the picture is drawn all the same */
    set_boxes(p, png, size, raw, scores);
    run_ok(p);
    assert_int_equal(sn_pipeline_output(p, 1)->classes.n, 0);
    assert_int_equal(sn_pipeline_output(p, 3)->image.pixels.width, 40);
    sn_pipeline_close(p);
    sn_free(sn_allocator_default(), png);
}

static void test_turn(void **state)
{
    (void)state;
    sn_pipeline *p = open_text(HEAD "inputs: {picture: bytes, x: tensor}\nsteps:\n"
                                    "  - decode: {from: picture, to: photo}\n"
                                    "  - classify: {from: x, to: c}\n"
                                    "  - turn: {from: photo, to: a, angle: 90}\n"
                                    "  - turn: {from: photo, to: b, angle: 90, taller: 1.5}\n"
                                    "  - turn: {from: a, to: d, angle: 270, taller: 1.5}\n"
                                    "  - turn: {from: photo, to: e, angle: 180, classes: c, class: 1, above: 0.9}\n"
                                    "outputs: [a, b, d, e, photo]\n");
    uint8_t *png;
    size_t size;
    make_png(&png, &size);
    for (int sure = 0; sure < 2; sure++) {
        float v[2] = {0.1f, sure ? 0.95f : 0.85f};
        setsuna_tensor x = tensor_f32(v, 1, 2, 0, 0);
        assert_int_equal(sn_pipeline_set_bytes(p, 0, NULL, png, size, NULL), SETSUNA_OK);
        assert_int_equal(sn_pipeline_set_tensor(p, 1, &x, NULL), SETSUNA_OK);
        run_ok(p);
        const sn_image *a = &sn_pipeline_output(p, 0)->image.pixels, *b = &sn_pipeline_output(p, 1)->image.pixels,
                       *d = &sn_pipeline_output(p, 2)->image.pixels, *e = &sn_pipeline_output(p, 3)->image.pixels,
                       *photo = &sn_pipeline_output(p, 4)->image.pixels;
        assert_int_equal(a->width, 20);
        assert_int_equal(sn_image_row(a, 39 - 3)[4 * 3],
                         255); /* counter-clockwise: x becomes the distance from below */
        assert_int_equal(sn_image_row(a, 39 - 3)[4 * 3 + 1], 0);
        assert_int_equal(b->width, 40); /* not tall: as it was */
        assert_memory_equal(b->data, photo->data, 40 * 20 * 3);
        assert_int_equal(d->width, 40); /* turned back */
        assert_memory_equal(d->data, photo->data, 40 * 20 * 3);
        assert_int_equal(sn_image_row(e, 0)[0], sure ? 255 : 0);
    }
    sn_pipeline_close(p);
    sn_free(sn_allocator_default(), png);
}

static void test_broken_picture_is_named(void **state)
{
    (void)state;
    sn_pipeline *p = open_text(HEAD "inputs: {a: bytes}\nsteps:\n  - decode: {from: a, to: b}\noutputs: [b]\n");
    char path[] = "broken_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "\x89PNG\r\n\x1a\nxx", 10), 10);
    close(fd);
    setsuna_error err = {0};
    assert_int_equal(sn_pipeline_set_file(p, 0, path, NULL), SETSUNA_OK);
    assert_int_equal(sn_pipeline_run(p, NULL, &err), SETSUNA_EINPUT);
    assert_string_equal(err.where, path);
    unlink(path);
    sn_pipeline_close(p);
}

static void test_pixel_limit(void **state)
{
    (void)state;
    uint8_t *png;
    size_t size;
    make_png(&png, &size);
    static const char text[] = HEAD "inputs: {a: bytes}\nsteps:\n  - decode: {from: a, to: b}\noutputs: [b]\n";
    for (int ok = 0; ok < 2; ok++) {
        sn_pipeline *p;
        const sn_pipeline_options o = {.pixels_max = ok ? 800 : 799};
        assert_int_equal(parse_with(text, &o, &p, NULL), SETSUNA_OK);
        assert_int_equal(sn_pipeline_set_bytes(p, 0, NULL, png, size, NULL), SETSUNA_OK);
        assert_int_equal(sn_pipeline_run(p, NULL, NULL), ok ? SETSUNA_OK : SETSUNA_ELIMIT);
        sn_pipeline_close(p);
    }
    sn_free(sn_allocator_default(), png);
}

/* ---- memory
 * ----------------------------------------------------------------------------------------------------------- */

typedef struct failing_heap {
    size_t left; /* allocations that succeed */
    size_t n, live;
} failing_heap;

static void *failing_alloc(void *ctx, size_t size)
{
    failing_heap *h = ctx;
    h->n++;
    if (h->left == 0)
        return NULL;
    h->left--;
    h->live++;
    return sn_alloc(sn_allocator_default(), size);
}

static void failing_free(void *ctx, void *p)
{
    ((failing_heap *)ctx)->live--;
    sn_free(sn_allocator_default(), p);
}

/* Opens and runs with at most `left` allocations. */
static setsuna_status run_with(failing_heap *h, const char *text, const uint8_t *png, size_t size)
{
    const sn_allocator a = {h, failing_alloc, failing_free};
    const sn_pipeline_options o = {.allocator = &a, .model = {.cpu_level = -1}};
    sn_pipeline *p;
    setsuna_error err = {0};
    setsuna_status status = parse_with(text, &o, &p, &err);
    if (status == SETSUNA_OK) {
        float raw[8] = {0, 0, 0.25f, 0.5f, 0, 0, 0.25f, 0.5f}, scores[2] = {0.6f, 0.9f}, v[2] = {1, 2};
        if (png) {
            set_boxes(p, png, size, raw, scores);
        } else {
            setsuna_tensor x = tensor_f32(v, 1, 2, 0, 0);
            assert_int_equal(sn_pipeline_set_tensor(p, 0, &x, NULL), SETSUNA_OK);
        }
        status = sn_pipeline_run(p, NULL, &err);
    }
    if (status != SETSUNA_OK)
        assert_true(status == SETSUNA_ENOMEM && err.text[0] != '\0');
    sn_pipeline_close(p);
    assert_int_equal(h->live, 0);
    return status;
}

/* Every single allocation fails once, from the first on: an error each time, no crash, no leak. */
static void test_every_allocation_fails(void **state)
{
    (void)state;
    uint8_t *png;
    size_t size;
    make_png(&png, &size);
    write_model("counter.onnx", counter_model());
    for (int with_model = 0; with_model < 2; with_model++) {
        size_t n = 0;
        for (;; n++) {
            failing_heap h = {.left = n};
            if (run_with(&h, with_model ? counter_text : boxes_text, with_model ? NULL : png, size) == SETSUNA_OK)
                break;
            assert_true(n < 10000);
        }
        assert_true(n > 10);
    }
    unlink("counter.onnx");
    sn_free(sn_allocator_default(), png);
}

/* Once it has seen its input, a pipeline allocates nothing more. */
static void test_warm_run_allocates_nothing(void **state)
{
    (void)state;
    uint8_t *png;
    size_t size;
    make_png(&png, &size);
    failing_heap h = {.left = SIZE_MAX};
    const sn_allocator a = {&h, failing_alloc, failing_free};
    const sn_pipeline_options o = {.allocator = &a};
    sn_pipeline *p;
    assert_int_equal(parse_with(boxes_text, &o, &p, NULL), SETSUNA_OK);
    float raw[8] = {0, 0, 0.25f, 0.5f, 0, 0, 0.25f, 0.5f}, scores[2] = {0.6f, 0.9f};
    set_boxes(p, png, size, raw, scores);
    run_ok(p);
    size_t before = h.n;
    for (int i = 0; i < 5; i++)
        run_ok(p);
    assert_int_equal(h.n, before);
    sn_pipeline_close(p);
    assert_int_equal(h.live, 0);
    sn_free(sn_allocator_default(), png);
}

/* ---- all steps
 * ---------------------------------------------------------------------------------------------------------- */

/* Names are unique, every fallback can be read, every field says what it is. */
static void test_step_tables(void **state)
{
    (void)state;
    const sn_pipe_step_type *t;
    for (uint32_t i = 0; (t = sn_pipe_step_type_at(i)); i++) {
        assert_ptr_equal(sn_pipe_step_type_find(t->name), t);
        assert_true(t->help && t->help[0] && t->run && t->stage < SN_STAGES);
        for (uint32_t k = 0; k < t->n_fields; k++) {
            const sn_pipe_field *f = &t->fields[k];
            assert_true(f->help && f->help[0]);
            assert_true(f->offset < t->self_bytes);
            for (uint32_t m = 0; m < k; m++)
                assert_string_not_equal(t->fields[m].name, f->name);
            if (f->type == SN_FIELD_INT)
                assert_true(f->min < f->max || f->max > 0);
            if (f->type == SN_FIELD_IN || f->type == SN_FIELD_OUT)
                assert_true(f->kinds != 0);
        }
    }
    assert_null(sn_pipe_step_type_find("no such step"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_for_each_mistakes),
        cmocka_unit_test(test_inputs),
        cmocka_unit_test(test_file_input_is_read_each_run),
        cmocka_unit_test(test_tensor_steps),
        cmocka_unit_test(test_tensor_steps_refuse),
        cmocka_unit_test(test_cast_saturates),
        cmocka_unit_test(test_model_constants_and_reset),
        cmocka_unit_test(test_model_is_shared),
        cmocka_unit_test(test_model_mistakes),
        cmocka_unit_test(test_for_each),
        cmocka_unit_test(test_turn),
        cmocka_unit_test(test_broken_picture_is_named),
        cmocka_unit_test(test_pixel_limit),
        cmocka_unit_test(test_every_allocation_fails),
        cmocka_unit_test(test_warm_run_allocates_nothing),
        cmocka_unit_test(test_step_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
