#include "cli/run_output.h"
#include "base/status.h"
#include "cli/tensor_file.h"
#include "graph/tensor.h"
#include "report/human.h"
#include "report/ledger_json.h"
#include "report/stream_report.h"
#include <stdio.h>
#include <string.h>

enum { RUN_OUTPUT_TENSORS_MAX = 64 };

void sn_run_output_begin(sn_run_output *o, bool as_json, const char *dir, const char *target, const char *engine,
                         uint64_t load_ns)
{
    char load[SN_HUMAN_MAX];
    *o = (sn_run_output){.as_json = as_json, .dir = dir};
    sn_sink_init_file(&o->sink, stdout);
    if (!as_json) {
        sn_sink_printf(&o->sink, "%s on %s, loaded in %s\n", target, engine, sn_human_duration(load, load_ns, false));
        return;
    }
    sn_json *w = &o->json;
    sn_json_init(w, &o->sink, 2);
    sn_json_begin_object(w);
    sn_json_key_string(w, "setsuna", SETSUNA_VERSION);
    sn_json_key_string(w, "target", target);
    sn_json_key_string(w, "engine", engine);
    sn_json_key_u64(w, "load_ns", load_ns);
    sn_json_key(w, "results");
    sn_json_begin_array(w);
}

/* ---- JSON ------------------------------------------------------------------------------------------ */

static void json_point(sn_json *w, sn_point p)
{
    sn_json_begin_array_inline(w);
    sn_json_f64(w, (double)p.x);
    sn_json_f64(w, (double)p.y);
    sn_json_end_array(w);
}

static void json_box(sn_json *w, const sn_box *b)
{
    sn_json_begin_object(w);
    sn_json_key(w, "corners");
    sn_json_begin_array_inline(w);
    for (int k = 0; k < 4; k++)
        json_point(w, b->corner[k]);
    sn_json_end_array(w);
    sn_json_key_f64(w, "score", (double)b->score);
    if (b->class_id >= 0)
        sn_json_key_u64(w, "class", (uint64_t)b->class_id);
    if (b->n_keypoints) {
        sn_json_key(w, "keypoints");
        sn_json_begin_array_inline(w);
        for (int k = 0; k < b->n_keypoints; k++)
            json_point(w, b->keypoint[k]);
        sn_json_end_array(w);
    }
    sn_json_end_object(w);
}

static void json_tensor(sn_json *w, const setsuna_tensor *t)
{
    sn_json_key_string(w, "dtype", setsuna_dtype_name(t->dtype));
    sn_json_key(w, "shape");
    sn_json_begin_array_inline(w);
    for (int d = 0; d < t->shape.rank; d++)
        sn_json_i64(w, t->shape.dim[d]);
    sn_json_end_array(w);
}

static void json_list_item(sn_json *w, const sn_pipe_slot *s, size_t i)
{
    if (s->kind == SN_PIPE_BOXES) {
        json_box(w, &s->boxes.item[i]);
        return;
    }
    sn_json_begin_object(w);
    if (s->kind == SN_PIPE_TEXT) {
        const sn_text_line *t = &s->text.item[i];
        sn_json_key(w, "text");
        sn_json_string_n(w, s->text.bytes + t->begin, t->len);
        sn_json_key_f64(w, "score", (double)t->score);
        if (t->box >= 0)
            sn_json_key_u64(w, "box", (uint64_t)t->box);
    } else if (s->kind == SN_PIPE_CLASSES) {
        const sn_class *c = &s->classes.item[i];
        sn_json_key_u64(w, "index", (uint64_t)c->index);
        if (c->label)
            sn_json_key_string(w, "label", c->label);
        sn_json_key_f64(w, "score", (double)c->score);
    } else {
        const sn_segment *g = &s->segments.item[i];
        sn_json_key_f64(w, "begin_s", g->begin_s);
        sn_json_key_f64(w, "end_s", g->end_s);
        if (g->label)
            sn_json_key_string(w, "label", g->label);
        sn_json_key_f64(w, "score", (double)g->score);
    }
    sn_json_end_object(w);
}

static size_t slot_items(const sn_pipe_slot *s)
{
    switch (s->kind) {
    case SN_PIPE_BOXES: return s->boxes.n;
    case SN_PIPE_TEXT: return s->text.n;
    case SN_PIPE_CLASSES: return s->classes.n;
    case SN_PIPE_SEGMENTS: return s->segments.n;
    default: return 0;
    }
}

static void json_slot(sn_json *w, const sn_pipe_slot *s)
{
    sn_json_key(w, s->name);
    sn_json_begin_object(w);
    sn_json_key_string(w, "kind", sn_pipe_kind_name(s->kind));
    switch (s->kind) {
    case SN_PIPE_BYTES: sn_json_key_u64(w, "size", s->bytes.size); break;
    case SN_PIPE_IMAGE:
        sn_json_key_u64(w, "width", (uint64_t)s->image.pixels.width);
        sn_json_key_u64(w, "height", (uint64_t)s->image.pixels.height);
        break;
    case SN_PIPE_TENSOR: json_tensor(w, &s->tensor.t); break;
    case SN_PIPE_AUDIO:
        sn_json_key_u64(w, "samples", s->audio.n);
        sn_json_key_u64(w, "rate_hz", s->audio.rate_hz);
        break;
    case SN_PIPE_NUMBER: sn_json_key_f64(w, "value", s->number); break;
    default:
        sn_json_key(w, "items");
        sn_json_begin_array(w);
        for (size_t i = 0; i < slot_items(s); i++)
            json_list_item(w, s, i);
        sn_json_end_array(w);
    }
    sn_json_end_object(w);
}

static void json_stream(sn_json *w, const sn_run_times *t)
{
    sn_json_key(w, "stream");
    sn_json_begin_object(w);
    sn_json_key_f64(w, "frame_s", t->frame_s);
    sn_json_key_f64(w, "real_time_factor", sn_stream_real_time_factor(&t->frames, t->frame_s));
    sn_json_key_u64(w, "frames", t->frames.n);
    sn_ledger_json_write(&t->frames, w);
    sn_json_end_object(w);
}

static void json_result(sn_json *w, const sn_workload *work, const char *file, const sn_run_times *t)
{
    const sn_ledger *l = &t->whole;
    sn_json_begin_object(w);
    if (file)
        sn_json_key_string(w, "input", file);
    sn_json_key_u64(w, "wall_ns", l->wall_ns);
    sn_json_key(w, "stages_ns");
    sn_json_begin_object(w);
    for (int i = 0; i < SN_STAGES; i++)
        sn_json_key_u64(w, sn_stage_name((sn_stage)i), l->stage_ns[i]);
    sn_json_end_object(w);
    sn_json_key(w, "unexplained_ns");
    sn_json_i64(w, l->unexplained_ns);
    if (t->is_stream)
        json_stream(w, t);
    sn_json_key(w, "outputs");
    sn_json_begin_object(w);
    sn_pipeline *p = sn_workload_pipeline(work);
    const sn_pipe_slot *slot;
    for (uint32_t i = 0; p && (slot = sn_pipeline_output(p, i)); i++)
        json_slot(w, slot);
    const char *name[RUN_OUTPUT_TENSORS_MAX];
    setsuna_tensor tensor[RUN_OUTPUT_TENSORS_MAX];
    uint32_t n = p ? 0 : sn_workload_outputs(work, name, tensor, RUN_OUTPUT_TENSORS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        sn_json_key(w, name[i]);
        sn_json_begin_object(w);
        sn_json_key_string(w, "kind", "tensor");
        json_tensor(w, &tensor[i]);
        sn_json_end_object(w);
    }
    sn_json_end_object(w);
    sn_json_end_object(w);
}

/* ---- text ------------------------------------------------------------------------------------------ */

static void text_tensor(sn_sink *o, const char *name, const setsuna_tensor *t)
{
    char shape[SN_SHAPE_TEXT_MAX];
    int64_t n = 0;
    sn_shape_numel(&t->shape, &n);
    sn_sink_printf(o, "  %-16s %s%s", name, setsuna_dtype_name(t->dtype),
                   sn_shape_text(&t->shape, shape, sizeof shape));
    for (int64_t i = 0; t->dtype != SETSUNA_STRING && i < n && i < 8; i++)
        sn_sink_printf(o, "%s%.6g", i ? " " : " = ", sn_tensor_get_f64(t, i));
    sn_sink_puts(o, n > 8 ? " ...\n" : "\n");
}

static void text_list_item(sn_sink *o, const sn_pipe_slot *s, size_t i)
{
    if (s->kind == SN_PIPE_TEXT) {
        const sn_text_line *t = &s->text.item[i];
        sn_sink_printf(o, "    %.3f  %.*s\n", (double)t->score, (int)t->len, s->text.bytes + t->begin);
    } else if (s->kind == SN_PIPE_CLASSES) {
        const sn_class *c = &s->classes.item[i];
        sn_sink_printf(o, "    %.3f  %-5d %s\n", (double)c->score, c->index, c->label ? c->label : "");
    } else if (s->kind == SN_PIPE_SEGMENTS) {
        const sn_segment *g = &s->segments.item[i];
        sn_sink_printf(o, "    %8.2f s - %8.2f s  %.3f%s%s\n", g->begin_s, g->end_s, (double)g->score,
                       g->label ? "  " : "", g->label ? g->label : "");
    } else {
        const sn_box *b = &s->boxes.item[i];
        sn_sink_printf(o, "    %.3f ", (double)b->score);
        for (int k = 0; k < 4; k++)
            sn_sink_printf(o, " (%.0f,%.0f)", (double)b->corner[k].x, (double)b->corner[k].y);
        sn_sink_puts(o, "\n");
    }
}

static void text_slot(sn_sink *o, const sn_pipe_slot *s)
{
    switch (s->kind) {
    case SN_PIPE_BYTES: sn_sink_printf(o, "  %-16s %zu bytes\n", s->name, s->bytes.size); break;
    case SN_PIPE_IMAGE:
        sn_sink_printf(o, "  %-16s picture of %dx%d pixels\n", s->name, (int)s->image.pixels.width,
                       (int)s->image.pixels.height);
        break;
    case SN_PIPE_TENSOR: text_tensor(o, s->name, &s->tensor.t); break;
    case SN_PIPE_AUDIO:
        sn_sink_printf(o, "  %-16s %zu samples at %u Hz\n", s->name, s->audio.n, s->audio.rate_hz);
        break;
    case SN_PIPE_NUMBER: sn_sink_printf(o, "  %-16s %.6g\n", s->name, s->number); break;
    default:
        sn_sink_printf(o, "  %s: %zu\n", s->name, slot_items(s));
        for (size_t i = 0; i < slot_items(s); i++)
            text_list_item(o, s, i);
    }
}

static void text_result(sn_sink *o, const sn_workload *work, const char *file, const sn_run_times *t)
{
    char wall[SN_HUMAN_MAX];
    sn_sink_printf(o, "%s%s%s", file ? file : "", file ? ": " : "", sn_human_duration(wall, t->whole.wall_ns, false));
    if (t->is_stream) {
        sn_sink_puts(o, "; ");
        sn_stream_write_frames(&t->frames, t->frame_s, o, false);
    }
    sn_sink_puts(o, "\n");
    sn_pipeline *p = sn_workload_pipeline(work);
    const sn_pipe_slot *slot;
    for (uint32_t i = 0; p && (slot = sn_pipeline_output(p, i)); i++)
        text_slot(o, slot);
    const char *name[RUN_OUTPUT_TENSORS_MAX];
    setsuna_tensor tensor[RUN_OUTPUT_TENSORS_MAX];
    uint32_t n = p ? 0 : sn_workload_outputs(work, name, tensor, RUN_OUTPUT_TENSORS_MAX);
    for (uint32_t i = 0; i < n; i++)
        text_tensor(o, name[i], &tensor[i]);
}

/* ---- files ------------------------------------------------------------------------------------------ */

static setsuna_status run_write_image(const char *dir, const char *name, const sn_image *image, setsuna_error *err)
{
    char path[4096];
    if ((size_t)snprintf(path, sizeof path, "%s/%s.png", dir, name) >= sizeof path)
        return sn_fail(err, SETSUNA_EIO, dir, "the path of the output file would be too long");
    return sn_image_write_png(path, image, err);
}

/* "page" for "some/folder/page.jpg", and "" when files are not named after their input. */
static void run_stem(const char *file, bool prefix, char *stem, size_t cap)
{
    const char *slash = file ? strrchr(file, '/') : NULL, *base = slash ? slash + 1 : file;
    stem[0] = '\0';
    if (!file || !prefix)
        return;
    const char *dot = strrchr(base, '.');
    snprintf(stem, cap, "%.*s.", dot && dot != base ? (int)(dot - base) : (int)strlen(base), base);
}

static setsuna_status run_write_files(const char *dir, const sn_workload *w, const char *file, bool prefix,
                                      setsuna_error *err)
{
    char stem[512], full[1024];
    const char *name[RUN_OUTPUT_TENSORS_MAX];
    setsuna_tensor tensor[RUN_OUTPUT_TENSORS_MAX];
    run_stem(file, prefix, stem, sizeof stem);
    uint32_t n = sn_workload_outputs(w, name, tensor, RUN_OUTPUT_TENSORS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        snprintf(full, sizeof full, "%s%s", stem, name[i]);
        SN_TRY(sn_cli_tensor_write(dir, full, &tensor[i], err));
    }
    sn_pipeline *p = sn_workload_pipeline(w);
    const sn_pipe_slot *slot;
    for (uint32_t i = 0; p && (slot = sn_pipeline_output(p, i)); i++)
        if (slot->kind == SN_PIPE_IMAGE) {
            snprintf(full, sizeof full, "%s%s", stem, slot->name);
            SN_TRY(run_write_image(dir, full, &slot->image.pixels, err));
        }
    return SETSUNA_OK;
}

setsuna_status sn_run_output_add(sn_run_output *o, const sn_workload *w, const char *file, bool prefix,
                                 const sn_run_times *t, setsuna_error *err)
{
    if (o->as_json)
        json_result(&o->json, w, file, t);
    else
        text_result(&o->sink, w, file, t);
    return o->dir ? run_write_files(o->dir, w, file, prefix, err) : SETSUNA_OK;
}

setsuna_status sn_run_output_end(sn_run_output *o, bool complete)
{
    if (!o->as_json || !complete)
        return sn_sink_flush(&o->sink);
    sn_json_end_array(&o->json);
    sn_json_end_object(&o->json);
    return sn_json_finish(&o->json);
}
