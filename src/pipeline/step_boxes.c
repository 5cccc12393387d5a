/* Steps from tensors to boxes, and for each box: db_boxes, ssd_boxes, for_each. */
#include "graph/tensor.h"
#include "pipeline/db_boxes.h"
#include "pipeline/detect.h"
#include "pipeline/step_common.h"
#include <string.h>

/* ---- db_boxes -------------------------------------------------------------------------------------------------------
 */

typedef struct step_db_boxes {
    sn_pipe_slot *map, *image, *to;
    sn_db_options options;
    sn_db_scratch scratch;
} step_db_boxes;

static const sn_pipe_field db_boxes_fields[] = {
    {"map", SN_FIELD_IN, offsetof(step_db_boxes, map), .kinds = SN_PIPE_TENSOR,
     .help = "f32 [1,1,H,W] or [H,W]: how likely each pixel is text"},
    {"image", SN_FIELD_IN, offsetof(step_db_boxes, image), .kinds = SN_PIPE_IMAGE,
     .help = "the picture that the network saw, for the way back to its source"},
    {"to", SN_FIELD_OUT, offsetof(step_db_boxes, to), .kinds = SN_PIPE_BOXES, .help = "boxes in reading order"},
    {"threshold", SN_FIELD_FLOAT, offsetof(step_db_boxes, options.threshold), .max = 1, .fallback = "0.3",
     .help = "a pixel is text above this"},
    {"box_threshold", SN_FIELD_FLOAT, offsetof(step_db_boxes, options.box_threshold), .max = 1, .fallback = "0.6",
     .help = "a box stays if the mean inside is at least this"},
    {"unclip_ratio", SN_FIELD_FLOAT, offsetof(step_db_boxes, options.unclip_ratio), .max = 10, .fallback = "1.5",
     .help = "boxes grow by area * ratio / perimeter on each side"},
    {"min_side", SN_FIELD_FLOAT, offsetof(step_db_boxes, options.min_side), .max = 1000, .fallback = "3",
     .help = "smaller boxes are dropped"},
    {"max_boxes", SN_FIELD_INT, offsetof(step_db_boxes, options.max_boxes), .min = 1, .max = 100000, .fallback = "1000",
     .help = "components that are looked at"},
};

/* The map's height and width: its last two dims, the others being 1. */
static setsuna_status db_boxes_map_size(const sn_pipe_step *step, const sn_pipe_slot *map, int32_t *h, int32_t *w,
                                        setsuna_error *err)
{
    const setsuna_shape *s = &map->tensor.t.shape;
    bool fits = s->rank >= 2;
    for (int32_t i = 0; fits && i < s->rank; i++)
        fits = i < s->rank - 2 ? s->dim[i] == 1 : s->dim[i] >= 1 && s->dim[i] <= SN_IMAGE_SIDE_MAX;
    char text[SN_SHAPE_TEXT_MAX];
    if (!fits)
        return sn_pipe_step_fail(step, SETSUNA_ESHAPE, err, "'%s' has shape %s, but a map is [1,1,H,W] or [H,W]",
                                 map->name, sn_shape_text(s, text, sizeof text));
    *h = (int32_t)s->dim[s->rank - 2];
    *w = (int32_t)s->dim[s->rank - 1];
    return SETSUNA_OK;
}

static setsuna_status db_boxes_run(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err)
{
    (void)pass;
    step_db_boxes *s = step->self;
    int32_t h = 0, w = 0;
    SN_TRY(sn_pipe_step_need_f32(step, s->map, err));
    SN_TRY(db_boxes_map_size(step, s->map, &h, &w, err));
    /* A map may be smaller than what the network saw: first to its pixels, then to the source. */
    const sn_image *seen = &s->image->image.pixels;
    sn_transform to_seen = {(float)seen->width / (float)w, (float)seen->height / (float)h, 0.0f, 0.0f};
    sn_transform t = sn_transform_then(&to_seen, &s->image->image.to_source);
    setsuna_status status =
        sn_db_boxes(step->allocator, s->map->tensor.t.data, w, h, &t, (float)s->image->image.source_width,
                    (float)s->image->image.source_height, &s->options, &s->scratch, &s->to->boxes);
    return status == SETSUNA_OK ? SETSUNA_OK : sn_pipe_step_fail(step, status, err, "%s", setsuna_status_text(status));
}

static void db_boxes_destroy(sn_pipe_step *step)
{
    sn_db_scratch_fini(step->allocator, &((step_db_boxes *)step->self)->scratch);
}

const sn_pipe_step_type sn_pipe_db_boxes = {
    .name = "db_boxes",
    .help = "finds the boxes of text in the map of a DB detector",
    .stage = SN_STAGE_POSTPROCESS,
    SN_PIPE_FIELDS(db_boxes_fields),
    .self_bytes = sizeof(step_db_boxes),
    .run = db_boxes_run,
    .destroy = db_boxes_destroy,
};

/* ---- ssd_boxes
 * ------------------------------------------------------------------------------------------------------- */

typedef struct step_ssd_boxes {
    sn_pipe_slot *boxes, *scores, *image, *to;
    sn_floats strides, ratios, box_scale;
    float min_scale, max_scale, extra_ratio, min_score, overlap;
    int32_t width, height, keypoints, classes, background, max_boxes;
    bool fixed_size, reduce_lowest, exponential_size, yx_order, sigmoid, weighted, across_classes;
    sn_ssd_options decode;
    sn_anchor *anchors;
    uint32_t n_anchors;
} step_ssd_boxes;

static const sn_pipe_field ssd_boxes_fields[] = {
    {"boxes", SN_FIELD_IN, offsetof(step_ssd_boxes, boxes), .kinds = SN_PIPE_TENSOR,
     .help = "f32 [1,N,4 or more]: raw boxes, then keypoints"},
    {"scores", SN_FIELD_IN, offsetof(step_ssd_boxes, scores), .kinds = SN_PIPE_TENSOR,
     .help = "f32 [1,N,classes]: raw scores"},
    {"image", SN_FIELD_IN, offsetof(step_ssd_boxes, image), .kinds = SN_PIPE_IMAGE,
     .help = "the picture that the network saw, for the way back to its source"},
    {"to", SN_FIELD_OUT, offsetof(step_ssd_boxes, to), .kinds = SN_PIPE_BOXES, .help = "boxes, best first"},
    {"width", SN_FIELD_INT, offsetof(step_ssd_boxes, width), .min = 1, .max = 65536, .help = "of the network's input"},
    {"height", SN_FIELD_INT, offsetof(step_ssd_boxes, height), .min = 1, .max = 65536,
     .help = "of the network's input"},
    {"strides", SN_FIELD_FLOATS, offsetof(step_ssd_boxes, strides), .min = 1, .max = 65536,
     .help = "of the anchor layers; consecutive equal ones share their cells"},
    {"ratios", SN_FIELD_FLOATS, offsetof(step_ssd_boxes, ratios), .min = 1e-3, .max = 1e3, .fallback = "1",
     .help = "width / height of the anchors of a cell"},
    {"min_scale", SN_FIELD_FLOAT, offsetof(step_ssd_boxes, min_scale), .max = 10, .fallback = "0.2",
     .help = "of the first layer's anchors"},
    {"max_scale", SN_FIELD_FLOAT, offsetof(step_ssd_boxes, max_scale), .max = 10, .fallback = "0.95",
     .help = "of the last layer's anchors"},
    {"extra_ratio", SN_FIELD_FLOAT, offsetof(step_ssd_boxes, extra_ratio), .max = 1e3, .fallback = "1",
     .help = "of one more anchor between two layers' scales; 0: none"},
    {"fixed_size", SN_FIELD_BOOL, offsetof(step_ssd_boxes, fixed_size), .fallback = "false",
     .help = "every anchor is 1 x 1"},
    {"reduce_lowest", SN_FIELD_BOOL, offsetof(step_ssd_boxes, reduce_lowest), .fallback = "false",
     .help = "three anchors only in the first layer"},
    {"box_scale", SN_FIELD_FLOATS, offsetof(step_ssd_boxes, box_scale), .min = 1e-3, .max = 1e6, .fallback = "1",
     .help = "divides raw x, y, width, height; one number or four"},
    {"exponential_size", SN_FIELD_BOOL, offsetof(step_ssd_boxes, exponential_size), .fallback = "false",
     .help = "raw sizes are logarithms"},
    {"yx_order", SN_FIELD_BOOL, offsetof(step_ssd_boxes, yx_order), .fallback = "false", .help = "raw is y, x, h, w"},
    {"keypoints", SN_FIELD_INT, offsetof(step_ssd_boxes, keypoints), .max = SN_BOX_KEYPOINTS_MAX, .fallback = "0",
     .help = "behind each box"},
    {"sigmoid", SN_FIELD_BOOL, offsetof(step_ssd_boxes, sigmoid), .fallback = "true", .help = "raw scores are logits"},
    {"classes", SN_FIELD_INT, offsetof(step_ssd_boxes, classes), .min = 1, .max = 65536, .fallback = "1",
     .help = "scores of each box"},
    {"background", SN_FIELD_INT, offsetof(step_ssd_boxes, background), .min = -1, .max = 65536, .fallback = "-1",
     .help = "class that is nothing; -1: there is none"},
    {"min_score", SN_FIELD_FLOAT, offsetof(step_ssd_boxes, min_score), .max = 1, .fallback = "0.5",
     .help = "boxes below are dropped"},
    {"overlap", SN_FIELD_FLOAT, offsetof(step_ssd_boxes, overlap), .max = 1, .fallback = "0.3",
     .help = "of two boxes whose intersection is more than this share of their union the better one stays"},
    {"weighted", SN_FIELD_BOOL, offsetof(step_ssd_boxes, weighted), .fallback = "false",
     .help = "the one that stays becomes the mean of both, weighted by score"},
    {"across_classes", SN_FIELD_BOOL, offsetof(step_ssd_boxes, across_classes), .fallback = "false",
     .help = "also between different classes"},
    {"max_boxes", SN_FIELD_INT, offsetof(step_ssd_boxes, max_boxes), .min = 1, .max = 100000, .fallback = "100",
     .help = "that stay"},
};

static setsuna_status ssd_boxes_anchors(sn_pipe_step *step, setsuna_error *err)
{
    step_ssd_boxes *s = step->self;
    if (s->ratios.n > SN_ANCHOR_RATIOS_MAX)
        return sn_yaml_fail(err, SETSUNA_EINPUT, sn_yaml_get(step->node, "ratios"), "at most %d are possible",
                            SN_ANCHOR_RATIOS_MAX);
    sn_anchor_options o = {.width = s->width,
                           .height = s->height,
                           .n_layers = (int32_t)s->strides.n,
                           .n_ratios = (int32_t)s->ratios.n,
                           .min_scale = s->min_scale,
                           .max_scale = s->max_scale,
                           .extra_ratio = s->extra_ratio,
                           .fixed_size = s->fixed_size,
                           .reduce_lowest = s->reduce_lowest};
    for (uint32_t i = 0; i < s->strides.n; i++)
        o.stride[i] = (int32_t)s->strides.v[i];
    for (uint32_t i = 0; i < s->ratios.n; i++)
        o.ratio[i] = s->ratios.v[i];
    setsuna_status status = sn_anchors_create(step->allocator, &o, &s->anchors, &s->n_anchors);
    return status == SETSUNA_OK
               ? SETSUNA_OK
               : sn_yaml_fail(err, status, step->node, "cannot make the anchors: %s", setsuna_status_text(status));
}

static setsuna_status ssd_boxes_create(sn_pipe_step *step, sn_pipe_build *build, setsuna_error *err)
{
    (void)build;
    step_ssd_boxes *s = step->self;
    if (s->box_scale.n != 1 && s->box_scale.n != 4)
        return sn_yaml_fail(err, SETSUNA_EINPUT, sn_yaml_get(step->node, "box_scale"),
                            "has %u numbers; write one, or four for x, y, width and height", s->box_scale.n);
    const float *scale = s->box_scale.v;
    bool four = s->box_scale.n == 4;
    s->decode = (sn_ssd_options){.x_scale = scale[0],
                                 .y_scale = scale[four ? 1 : 0],
                                 .w_scale = scale[four ? 2 : 0],
                                 .h_scale = scale[four ? 3 : 0],
                                 .exponential_size = s->exponential_size,
                                 .yx_order = s->yx_order,
                                 .sigmoid = s->sigmoid,
                                 .n_classes = s->classes,
                                 .background = s->background,
                                 .n_keypoints = s->keypoints,
                                 .min_score = s->min_score};
    return ssd_boxes_anchors(step, err);
}

/* Checks that a tensor holds n rows of at least `columns` values, and gives the values a row. */
static setsuna_status ssd_boxes_columns(const sn_pipe_step *step, const sn_pipe_slot *slot, uint32_t n, int64_t columns,
                                        bool exact, int32_t *out, setsuna_error *err)
{
    SN_TRY(sn_pipe_step_need_f32(step, slot, err));
    int64_t all;
    char text[SN_SHAPE_TEXT_MAX];
    bool fits = sn_shape_numel(&slot->tensor.t.shape, &all) && all % n == 0 && all / n >= columns &&
                all / n <= (exact ? columns : INT32_MAX);
    if (!fits)
        return sn_pipe_step_fail(
            step, SETSUNA_ESHAPE, err,
            "'%s' has shape %s; %u anchors of %lld values%s are needed. Check width, height, strides, "
            "classes and keypoints",
            slot->name, sn_shape_text(&slot->tensor.t.shape, text, sizeof text), n, (long long)columns,
            exact ? "" : " or more");
    *out = (int32_t)(all / n);
    return SETSUNA_OK;
}

static setsuna_status ssd_boxes_run(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err)
{
    (void)pass;
    step_ssd_boxes *s = step->self;
    sn_ssd_options o = s->decode;
    int32_t classes;
    SN_TRY(ssd_boxes_columns(step, s->boxes, s->n_anchors, 4 + 2 * (int64_t)o.n_keypoints, false, &o.n_coords, err));
    SN_TRY(ssd_boxes_columns(step, s->scores, s->n_anchors, o.n_classes, true, &classes, err));
    s->to->boxes.n = 0;
    setsuna_status status = sn_ssd_decode(step->allocator, s->boxes->tensor.t.data, s->scores->tensor.t.data,
                                          s->anchors, s->n_anchors, &o, &s->to->boxes);
    if (status != SETSUNA_OK)
        return sn_pipe_step_fail(step, status, err, "%s", setsuna_status_text(status));
    const sn_nms_options nms = {
        .iou = s->overlap, .weighted = s->weighted, .across_classes = s->across_classes, .max_boxes = s->max_boxes};
    sn_boxes_suppress(&s->to->boxes, &nms);
    const sn_image *seen = &s->image->image.pixels;
    sn_boxes_to_source(&s->to->boxes, (float)seen->width, (float)seen->height, &s->image->image.to_source,
                       (float)s->image->image.source_width, (float)s->image->image.source_height);
    return SETSUNA_OK;
}

static void ssd_boxes_destroy(sn_pipe_step *step)
{
    sn_free(step->allocator, ((step_ssd_boxes *)step->self)->anchors);
}

const sn_pipe_step_type sn_pipe_ssd_boxes = {
    .name = "ssd_boxes",
    .help = "decodes the boxes of a single-shot detector and keeps the best of those that overlap",
    .stage = SN_STAGE_POSTPROCESS,
    SN_PIPE_FIELDS(ssd_boxes_fields),
    .self_bytes = sizeof(step_ssd_boxes),
    .create = ssd_boxes_create,
    .run = ssd_boxes_run,
    .destroy = ssd_boxes_destroy,
};

/* ---- for_each
 * ----------------------------------------------------------------------------------------------------------- */

typedef struct for_each_pair {
    sn_pipe_slot *inner, *outer;
} for_each_pair;

typedef struct step_for_each {
    sn_pipe_slot *boxes;
    const sn_yaml *as, *steps_node, *collect;
    sn_pipe_slot *item; /* boxes with the one that it is about */
    sn_pipe_step_list steps;
    for_each_pair *pair;
    uint32_t n_pairs;
} step_for_each;

static const sn_pipe_field for_each_fields[] = {
    {"boxes", SN_FIELD_IN, offsetof(step_for_each, boxes), .kinds = SN_PIPE_BOXES, .help = "to go through, in order"},
    {"as", SN_FIELD_NODE, offsetof(step_for_each, as), .help = "name of the one box inside the steps"},
    {"steps", SN_FIELD_NODE, offsetof(step_for_each, steps_node), .help = "run once for each box"},
    {"collect", SN_FIELD_NODE, offsetof(step_for_each, collect),
     .help = "{NAME INSIDE: NAME OUTSIDE}: lists of what the steps made, in the order of the boxes"},
};

/* Inner slots are looked up while the scope is open, outer ones made after it is left: two walks over `collect`. */
static setsuna_status for_each_collect(sn_pipe_step *step, sn_pipe_build *build, bool inner, setsuna_error *err)
{
    step_for_each *s = step->self;
    const unsigned lists = SN_PIPE_BOXES | SN_PIPE_TEXT | SN_PIPE_CLASSES | SN_PIPE_SEGMENTS;
    uint32_t i = 0;
    for (const sn_yaml *c = s->collect->first; c; c = c->next, i++) {
        if (inner) {
            const sn_yaml key = {.kind = SN_YAML_SCALAR,
                                 .line = c->line,
                                 .text = c->key,
                                 .key = c->key,
                                 .file = c->file,
                                 .parent = s->collect};
            SN_TRY(sn_pipe_build_slot_in(build, &key, lists, &s->pair[i].inner, err));
        } else {
            SN_TRY(sn_pipe_build_slot_out(build, c, s->pair[i].inner->kind, &s->pair[i].outer, err));
        }
    }
    return SETSUNA_OK;
}

static setsuna_status for_each_create(sn_pipe_step *step, sn_pipe_build *build, setsuna_error *err)
{
    step_for_each *s = step->self;
    if (s->collect->kind != SN_YAML_MAP || s->collect->n == 0)
        return sn_yaml_fail(err, SETSUNA_EINPUT, s->collect, "write a mapping: {NAME INSIDE: NAME OUTSIDE}");
    s->n_pairs = s->collect->n;
    s->pair = sn_arena_array(sn_pipe_build_arena(build), s->n_pairs, sizeof *s->pair);
    if (!s->pair)
        return sn_yaml_fail(err, SETSUNA_ENOMEM, step->node, "out of memory");
    SN_TRY(sn_pipe_build_enter(build, step->node, err));
    setsuna_status status = sn_pipe_build_slot_own(build, s->as, SN_PIPE_BOXES, &s->item, err);
    if (status == SETSUNA_OK)
        status = sn_pipe_build_steps(build, s->steps_node, &s->steps, err);
    if (status == SETSUNA_OK)
        status = for_each_collect(step, build, true, err);
    sn_pipe_build_leave(build);
    return status == SETSUNA_OK ? for_each_collect(step, build, false, err) : status;
}

static void for_each_reset(sn_pipe_step *step)
{
    sn_pipe_step_list_reset(&((step_for_each *)step->self)->steps);
}

/* Segments are no box's own: their step adds to one list, and revises it, over all boxes and passes. */
static bool for_each_pair_is_of_run(const for_each_pair *pair)
{
    return pair->inner->kind == SN_PIPE_SEGMENTS;
}

static setsuna_status for_each_join(const sn_pipe_step *step, const for_each_pair *pair, setsuna_error *err)
{
    setsuna_status status = sn_pipe_slot_collect(pair->inner, pair->outer);
    return status == SETSUNA_OK ? SETSUNA_OK
                                : sn_pipe_step_fail(step, status, err, "cannot collect '%s': %s", pair->inner->name,
                                                    setsuna_status_text(status));
}

/* What the steps made for box i joins the lists outside. */
static setsuna_status for_each_gather(const sn_pipe_step *step, int32_t i, setsuna_error *err)
{
    const step_for_each *s = step->self;
    for (uint32_t k = 0; k < s->n_pairs; k++) {
        sn_pipe_slot *inner = s->pair[k].inner;
        if (for_each_pair_is_of_run(&s->pair[k]) || (!inner->filled && inner != s->item))
            continue;
        for (size_t l = 0; inner->kind == SN_PIPE_TEXT && l < inner->text.n; l++)
            inner->text.item[l].box = i;
        SN_TRY(for_each_join(step, &s->pair[k], err));
    }
    return SETSUNA_OK;
}

static setsuna_status for_each_run(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err)
{
    step_for_each *s = step->self;
    for (uint32_t k = 0; k < s->n_pairs; k++)
        sn_pipe_slot_clear(s->pair[k].outer);
    for (size_t i = 0; i < s->boxes->boxes.n; i++) {
        s->item->boxes.n = 0;
        if (!sn_pipe_slot_box_add(s->item, &s->boxes->boxes.item[i]))
            return sn_pipe_step_fail(step, SETSUNA_ENOMEM, err, "out of memory");
        for (uint32_t k = 0; k < s->n_pairs; k++)
            if (s->pair[k].inner != s->item)
                s->pair[k].inner->filled = false;
        sn_pipe_pass inner = {.ledger = pass->ledger, .index = i};
        SN_TRY(sn_pipe_step_list_run(&s->steps, 0, s->steps.n, &inner, err));
        SN_TRY(for_each_gather(step, (int32_t)i, err));
    }
    return SETSUNA_OK;
}

static setsuna_status for_each_finish(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err)
{
    step_for_each *s = step->self;
    SN_TRY(sn_pipe_step_list_finish(&s->steps, pass, err));
    for (uint32_t k = 0; k < s->n_pairs; k++)
        if (for_each_pair_is_of_run(&s->pair[k]))
            SN_TRY(for_each_join(step, &s->pair[k], err));
    return SETSUNA_OK;
}

static void for_each_destroy(sn_pipe_step *step)
{
    sn_pipe_step_list_destroy(&((step_for_each *)step->self)->steps, step->allocator);
}

const sn_pipe_step_type sn_pipe_for_each = {
    .name = "for_each",
    .help = "runs steps once for each box and collects what they make",
    .stage = SN_STAGE_OVERHEAD,
    SN_PIPE_FIELDS(for_each_fields),
    .self_bytes = sizeof(step_for_each),
    .create = for_each_create,
    .reset = for_each_reset,
    .run = for_each_run,
    .finish = for_each_finish,
    .destroy = for_each_destroy,
};
