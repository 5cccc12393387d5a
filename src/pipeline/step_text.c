/* Steps from tensors to names: ctc, classify; and draw, which shows all of it. */
#include "graph/tensor.h"
#include "pipeline/ctc.h"
#include "pipeline/draw.h"
#include "pipeline/labels.h"
#include "pipeline/step_common.h"
#include <stdio.h>
#include <string.h>

/* ---- ctc
 * ------------------------------------------------------------------------------------------------------------- */

typedef struct step_ctc {
    sn_pipe_slot *from, *to;
    const char *dictionary;
    bool space;
    float min_score;
    sn_ctc_options options;
    sn_labels classes;
    sn_ctc_text text;
} step_ctc;

static const sn_pipe_field ctc_fields[] = {
    {"from", SN_FIELD_IN, offsetof(step_ctc, from), .kinds = SN_PIPE_TENSOR,
     .help = "f32 [1,T,C]: for each of T steps, how likely each of C classes is; class 0 is the blank"},
    {"to", SN_FIELD_OUT, offsetof(step_ctc, to), .kinds = SN_PIPE_TEXT, .help = "one line, or none"},
    {"dictionary", SN_FIELD_PATH, offsetof(step_ctc, dictionary), .help = "file with the characters, one a line"},
    {"space", SN_FIELD_BOOL, offsetof(step_ctc, space), .fallback = "true",
     .help = "the network knows the space as one more class, after the dictionary"},
    {"logits", SN_FIELD_BOOL, offsetof(step_ctc, options.logits), .fallback = "false",
     .help = "the values are not probabilities yet"},
    {"space_threshold", SN_FIELD_FLOAT, offsetof(step_ctc, options.space_threshold), .max = 1, .fallback = "0",
     .help = "a space is put between two characters where its probability reaches this, even if the blank's is higher; "
             "0: only where it is the highest"},
    {"min_score", SN_FIELD_FLOAT, offsetof(step_ctc, min_score), .max = 1, .fallback = "0",
     .help = "lines whose mean probability is below are dropped"},
};

static setsuna_status ctc_create(sn_pipe_step *step, sn_pipe_build *build, setsuna_error *err)
{
    step_ctc *s = step->self;
    sn_labels characters;
    SN_TRY(sn_labels_read(sn_pipe_build_arena(build), s->dictionary, &characters, err));
    if (!s->space && s->options.space_threshold > 0.0f)
        return sn_yaml_fail(err, SETSUNA_EINPUT, sn_yaml_get(step->node, "space_threshold"),
                            "needs a network that knows the space: remove it, or `space: false`");
    if (sn_ctc_classes(sn_pipe_build_arena(build), &characters, s->space, &s->classes) != SETSUNA_OK)
        return sn_yaml_fail(err, SETSUNA_ENOMEM, step->node, "out of memory");
    return SETSUNA_OK;
}

static setsuna_status ctc_run(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err)
{
    (void)pass;
    step_ctc *s = step->self;
    const setsuna_tensor *t = &s->from->tensor.t;
    SN_TRY(sn_pipe_step_need_f32(step, s->from, err));
    char text[SN_SHAPE_TEXT_MAX];
    int64_t n;
    bool fits = t->shape.rank >= 1 && t->shape.dim[t->shape.rank - 1] == (int64_t)s->classes.n &&
                sn_shape_numel(&t->shape, &n) && n / (int64_t)s->classes.n <= INT32_MAX;
    if (!fits)
        return sn_pipe_step_fail(
            step, SETSUNA_ESHAPE, err,
            "'%s' has shape %s, but blank, dictionary%s make %u classes; check dictionary and space", s->from->name,
            sn_shape_text(&t->shape, text, sizeof text), s->space ? " and space" : "", s->classes.n);
    setsuna_status status = sn_ctc_greedy(step->allocator, t->data, (int32_t)(n / (int64_t)s->classes.n), &s->classes,
                                          &s->options, &s->text);
    sn_pipe_slot_clear(s->to);
    if (status == SETSUNA_OK && s->text.n_chars && s->text.score >= s->min_score &&
        !sn_pipe_slot_text_add(s->to, s->text.bytes, s->text.n_bytes, s->text.score, -1))
        status = SETSUNA_ENOMEM;
    return status == SETSUNA_OK ? SETSUNA_OK : sn_pipe_step_fail(step, status, err, "%s", setsuna_status_text(status));
}

static void ctc_destroy(sn_pipe_step *step)
{
    sn_ctc_text_fini(step->allocator, &((step_ctc *)step->self)->text);
}

const sn_pipe_step_type sn_pipe_ctc = {
    .name = "ctc",
    .help = "reads a line of text from a recogniser trained with CTC",
    .stage = SN_STAGE_POSTPROCESS,
    SN_PIPE_FIELDS(ctc_fields),
    .self_bytes = sizeof(step_ctc),
    .create = ctc_create,
    .run = ctc_run,
    .destroy = ctc_destroy,
};

/* ---- classify
 * -------------------------------------------------------------------------------------------------------- */

enum { CLASSIFY_TOP_MAX = 1000 };

typedef struct step_classify {
    sn_pipe_slot *from, *to;
    const char *labels_path;
    bool softmax;
    int32_t top;
    float min_score;
    sn_labels labels;
    float *share; /* softmax of the scores */
    size_t share_capacity;
    int32_t best[CLASSIFY_TOP_MAX];
} step_classify;

static const sn_pipe_field classify_fields[] = {
    {"from", SN_FIELD_IN, offsetof(step_classify, from), .kinds = SN_PIPE_TENSOR,
     .help = "f32: one score a class, as [C] or [1,C]"},
    {"to", SN_FIELD_OUT, offsetof(step_classify, to), .kinds = SN_PIPE_CLASSES, .help = "the best classes, best first"},
    {"labels", SN_FIELD_PATH, offsetof(step_classify, labels_path), .fallback = "",
     .help = "file with the names of the classes, one a line"},
    {"softmax", SN_FIELD_BOOL, offsetof(step_classify, softmax), .fallback = "false",
     .help = "the scores are logits: make probabilities of them"},
    {"top", SN_FIELD_INT, offsetof(step_classify, top), .min = 1, .max = CLASSIFY_TOP_MAX, .fallback = "5",
     .help = "how many"},
    {"min_score", SN_FIELD_FLOAT, offsetof(step_classify, min_score), .min = -1e9, .max = 1e9,
     .fallback = "-1000000000", .help = "classes below are left out"},
};

static setsuna_status classify_create(sn_pipe_step *step, sn_pipe_build *build, setsuna_error *err)
{
    step_classify *s = step->self;
    return s->labels_path ? sn_labels_read(sn_pipe_build_arena(build), s->labels_path, &s->labels, err) : SETSUNA_OK;
}

static setsuna_status classify_run(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err)
{
    (void)pass;
    step_classify *s = step->self;
    const setsuna_tensor *t = &s->from->tensor.t;
    SN_TRY(sn_pipe_step_need_f32(step, s->from, err));
    char text[SN_SHAPE_TEXT_MAX];
    int64_t n;
    bool flat = sn_shape_numel(&t->shape, &n) && n >= 1 && n <= INT32_MAX;
    for (int32_t i = 0; flat && i < t->shape.rank; i++) /* one dim may be larger than 1: [1,C,1,1] is fine too */
        flat = t->shape.dim[i] == 1 || t->shape.dim[i] == n;
    if (!flat || (s->labels.n && (int64_t)s->labels.n != n))
        return sn_pipe_step_fail(step, SETSUNA_ESHAPE, err, "'%s' has shape %s; %s", s->from->name,
                                 sn_shape_text(&t->shape, text, sizeof text),
                                 flat ? "that is not the number of labels" : "[C] or [1,C] is needed");
    const float *score = t->data;
    if (s->softmax) {
        if (!sn_grow(step->allocator, &s->share, &s->share_capacity, (size_t)n, sizeof *s->share))
            return sn_pipe_step_fail(step, SETSUNA_ENOMEM, err, "out of memory");
        sn_softmax(score, (size_t)n, s->share);
        score = s->share;
    }
    uint32_t have = sn_top_k(score, (size_t)n, (uint32_t)s->top, s->best);
    sn_pipe_slot_clear(s->to);
    for (uint32_t i = 0; i < have && score[s->best[i]] >= s->min_score; i++) {
        const sn_class c = {s->best[i], score[s->best[i]], s->labels.n ? s->labels.item[s->best[i]] : NULL};
        if (!sn_pipe_slot_class_add(s->to, &c))
            return sn_pipe_step_fail(step, SETSUNA_ENOMEM, err, "out of memory");
    }
    return SETSUNA_OK;
}

static void classify_destroy(sn_pipe_step *step)
{
    sn_free(step->allocator, ((step_classify *)step->self)->share);
}

const sn_pipe_step_type sn_pipe_classify = {
    .name = "classify",
    .help = "ranks the classes of a classifier and names them",
    .stage = SN_STAGE_POSTPROCESS,
    SN_PIPE_FIELDS(classify_fields),
    .self_bytes = sizeof(step_classify),
    .create = classify_create,
    .run = classify_run,
    .destroy = classify_destroy,
};

/* ---- draw
 * -------------------------------------------------------------------------------------------------------------- */

typedef struct step_draw {
    sn_pipe_slot *from, *to, *boxes, *text, *classes;
    const char *labels_path;
    bool scores;
    sn_labels labels;
} step_draw;

static const sn_pipe_field draw_fields[] = {
    {"from", SN_FIELD_IN, offsetof(step_draw, from), .kinds = SN_PIPE_IMAGE, .help = "the source picture"},
    {"to", SN_FIELD_OUT, offsetof(step_draw, to), .kinds = SN_PIPE_IMAGE, .help = "a copy of it, drawn on"},
    {"boxes", SN_FIELD_IN, offsetof(step_draw, boxes), .kinds = SN_PIPE_BOXES, .fallback = "",
     .help = "boxes and their keypoints"},
    {"text", SN_FIELD_IN, offsetof(step_draw, text), .kinds = SN_PIPE_TEXT, .fallback = "",
     .help = "lines, each at its box"},
    {"classes", SN_FIELD_IN, offsetof(step_draw, classes), .kinds = SN_PIPE_CLASSES, .fallback = "",
     .help = "classes, in the upper left corner"},
    {"labels", SN_FIELD_PATH, offsetof(step_draw, labels_path), .fallback = "", .help = "names of the boxes' classes"},
    {"scores", SN_FIELD_BOOL, offsetof(step_draw, scores), .fallback = "true", .help = "write scores too"},
};

static setsuna_status draw_create(sn_pipe_step *step, sn_pipe_build *build, setsuna_error *err)
{
    step_draw *s = step->self;
    return s->labels_path ? sn_labels_read(sn_pipe_build_arena(build), s->labels_path, &s->labels, err) : SETSUNA_OK;
}

/* "name 97 %", without what is not there. */
static void draw_caption(const step_draw *s, const char *name, float score, char *buf, size_t cap)
{
    int len = snprintf(buf, cap, "%s", name ? name : "");
    if (s->scores && len >= 0 && (size_t)len < cap)
        snprintf(buf + len, cap - (size_t)len, "%s%.0f %%", len ? " " : "", (double)(score * 100.0f));
}

/* A label above the upper edge of a box, tilted or not. */
static void draw_caption_at(sn_image *image, const sn_box *b, const char *caption, int32_t scale, sn_color color)
{
    sn_point at = b->corner[0];
    float width = (float)(sn_draw_text_length(caption) * SN_FONT_WIDTH * scale), edge = b->corner[1].x - at.x;
    float rise = edge > 0.0f ? (b->corner[1].y - at.y) * (width < edge ? width / edge : 1.0f) : 0.0f;
    if (rise < 0.0f)
        at.y += rise;
    at.y -= (float)scale;
    sn_draw_label(image, at, caption, scale, color);
}

static void draw_box(const step_draw *s, sn_image *image, const sn_box *b, int32_t scale)
{
    sn_color color = sn_draw_palette(b->class_id < 0 ? 0 : b->class_id);
    sn_draw_quad(image, b->corner, 2.0f * (float)scale, color);
    for (int32_t k = 0; k < b->n_keypoints; k++)
        sn_draw_disc(image, b->keypoint[k], 2.5f * (float)scale, sn_draw_palette(b->class_id + 1 + k));
    if (s->text)
        return; /* the text is what the box says */
    char caption[256];
    bool named = b->class_id >= 0 && (uint32_t)b->class_id < s->labels.n;
    draw_caption(s, named ? s->labels.item[b->class_id] : NULL, b->score, caption, sizeof caption);
    if (caption[0])
        draw_caption_at(image, b, caption, scale, color);
}

static setsuna_status draw_run(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err)
{
    (void)pass;
    step_draw *s = step->self;
    setsuna_status status = sn_pipe_slot_collect(s->from, s->to);
    sn_image *image = &s->to->image.pixels;
    if (status != SETSUNA_OK || image->channels != 3)
        return sn_pipe_step_fail(step, status != SETSUNA_OK ? status : SETSUNA_ESHAPE, err,
                                 "the picture cannot be drawn on");
    int32_t scale = sn_draw_scale(image);
    for (size_t i = 0; s->boxes && i < s->boxes->boxes.n; i++)
        draw_box(s, image, &s->boxes->boxes.item[i], scale);
    for (size_t i = 0; s->text && s->boxes && i < s->text->text.n; i++) {
        const sn_text_line *l = &s->text->text.item[i];
        if (l->box >= 0 && (size_t)l->box < s->boxes->boxes.n)
            draw_caption_at(image, &s->boxes->boxes.item[l->box], s->text->text.bytes + l->begin, scale,
                            sn_draw_palette(1));
    }
    for (size_t i = 0; s->classes && i < s->classes->classes.n; i++) {
        const sn_class *c = &s->classes->classes.item[i];
        char caption[256], number[16];
        snprintf(number, sizeof number, "%d", c->index);
        draw_caption(s, c->label ? c->label : number, c->score, caption, sizeof caption);
        sn_draw_label(image, (sn_point){0.0f, (float)((int32_t)(i + 1) * SN_FONT_HEIGHT * scale)}, caption, scale,
                      sn_draw_palette(1));
    }
    return SETSUNA_OK;
}

const sn_pipe_step_type sn_pipe_draw = {
    .name = "draw",
    .help = "draws boxes, text and classes onto a copy of a picture",
    .stage = SN_STAGE_POSTPROCESS,
    SN_PIPE_FIELDS(draw_fields),
    .self_bytes = sizeof(step_draw),
    .create = draw_create,
    .run = draw_run,
};
