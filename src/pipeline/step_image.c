/* Steps on pictures: decode, resize, crop, turn, normalise. */
#include "pipeline/step_common.h"
#include "pipeline/image_resize.h"
#include "pipeline/tensorize.h"
#include "pipeline/warp.h"
#include <string.h>

/* ---- decode ----------------------------------------------------------------------------------------------------- */

typedef struct step_decode {
    sn_pipe_slot *from, *to;
    int32_t shrink_to;
    sn_image_limits limits;
} step_decode;

static const sn_pipe_field decode_fields[] = {
    {"from", SN_FIELD_IN, offsetof(step_decode, from), .kinds = SN_PIPE_BYTES, .help = "a JPEG, PNG or WebP file"},
    {"to", SN_FIELD_OUT, offsetof(step_decode, to), .kinds = SN_PIPE_IMAGE, .help = "the picture, upright, in RGB"},
    {"shrink_to", SN_FIELD_INT, offsetof(step_decode, shrink_to), .max = SN_IMAGE_SIDE_MAX, .fallback = "0",
     .help = "decode JPEG at 1/2, 1/4 or 1/8 while its shorter side stays at least this; 0: never"},
};

static setsuna_status decode_create(sn_pipe_step *step, sn_pipe_build *build, setsuna_error *err)
{
    (void)err;
    step_decode *s = step->self;
    s->limits = (sn_image_limits){.pixels = sn_pipe_build_pixels_max(build), .shrink_min = s->shrink_to};
    return SETSUNA_OK;
}

static setsuna_status decode_run(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err)
{
    (void)pass;
    step_decode *s = step->self;
    sn_image *image = &s->to->image.pixels;
    setsuna_status status =
        sn_image_decode(step->allocator, s->from->bytes.data, s->from->bytes.size, &s->limits, image, err);
    if (status != SETSUNA_OK)
        return s->from->bytes.source ? sn_fail_at(err, status, "%s", s->from->bytes.source) : status;
    s->to->image.to_source = sn_transform_identity();
    s->to->image.source_width = image->width;
    s->to->image.source_height = image->height;
    s->to->image.valid_width = 0;
    return SETSUNA_OK;
}

const sn_pipe_step_type sn_pipe_decode = {
    .name = "decode",
    .help = "turns a JPEG, PNG or WebP file into a picture",
    .stage = SN_STAGE_PREPROCESS,
    SN_PIPE_FIELDS(decode_fields),
    .self_bytes = sizeof(step_decode),
    .create = decode_create,
    .run = decode_run,
};

/* ---- resize ------------------------------------------------------------------------------------------------------ */

typedef struct step_resize {
    sn_pipe_slot *from, *to;
    int32_t fit, method, width, height, limit_max, limit_min, multiple, min_width, max_width;
    bool cut;
    sn_floats fill;
    sn_fit_options options;
    sn_resize_scratch scratch;
} step_resize;

static const char *const resize_fits[] = {"stretch", "letterbox", "limit", "height", NULL};
static const char *const resize_methods[] = {"bilinear", "area", NULL};

static const sn_pipe_field resize_fields[] = {
    {"from", SN_FIELD_IN, offsetof(step_resize, from), .kinds = SN_PIPE_IMAGE, .help = "the picture"},
    {"to", SN_FIELD_OUT, offsetof(step_resize, to), .kinds = SN_PIPE_IMAGE, .help = "the resized picture"},
    {"fit", SN_FIELD_CHOICE, offsetof(step_resize, fit), .choices = resize_fits,
     .help =
         "stretch: to width x height. letterbox: the same with one scale, centred, the rest filled. limit: the longer "
         "side to limit_max or the shorter to limit_min, each rounded to a multiple. height: to height, filled on the "
         "right up to min_width and a multiple"},
    {"method", SN_FIELD_CHOICE, offsetof(step_resize, method), .choices = resize_methods, .fallback = "bilinear",
     .help = "bilinear: two samples a side, as most networks were trained. area: the mean of what is covered"},
    {"width", SN_FIELD_INT, offsetof(step_resize, width), .max = SN_IMAGE_SIDE_MAX, .fallback = "0",
     .help = "pixels (stretch, letterbox)"},
    {"height", SN_FIELD_INT, offsetof(step_resize, height), .max = SN_IMAGE_SIDE_MAX, .fallback = "0",
     .help = "pixels (stretch, letterbox, height)"},
    {"limit_max", SN_FIELD_INT, offsetof(step_resize, limit_max), .max = SN_IMAGE_SIDE_MAX, .fallback = "0",
     .help = "the longer side is made at most this (limit); 0: no limit"},
    {"limit_min", SN_FIELD_INT, offsetof(step_resize, limit_min), .max = SN_IMAGE_SIDE_MAX, .fallback = "0",
     .help = "the shorter side is made at least this (limit); 0: no limit"},
    {"multiple", SN_FIELD_INT, offsetof(step_resize, multiple), .min = 1, .max = 4096, .fallback = "1",
     .help = "sides become multiples of this (limit; the width for height)"},
    {"min_width", SN_FIELD_INT, offsetof(step_resize, min_width), .max = SN_IMAGE_SIDE_MAX, .fallback = "0",
     .help = "narrower pictures are filled up to this (height)"},
    {"max_width", SN_FIELD_INT, offsetof(step_resize, max_width), .max = SN_IMAGE_SIDE_MAX, .fallback = "0",
     .help = "wider pictures are squeezed into this, or cut (height); 0: no limit"},
    {"cut", SN_FIELD_BOOL, offsetof(step_resize, cut), .fallback = "false",
     .help = "cut off on the right what is wider than max_width (height)"},
    {"fill", SN_FIELD_FLOATS, offsetof(step_resize, fill), .max = 255, .fallback = "0",
     .help = "colour of the filling: [R, G, B] or one number"},
};

static setsuna_status resize_create(sn_pipe_step *step, sn_pipe_build *build, setsuna_error *err)
{
    step_resize *s = step->self;
    if (s->fill.n != 1 && s->fill.n != 3)
        return sn_yaml_fail(err, SETSUNA_EINPUT, sn_yaml_get(step->node, "fill"),
                            "has %u numbers; write one, or three for red, green and blue", s->fill.n);
    s->options = (sn_fit_options){.fit = (sn_fit)s->fit,
                                  .method = (sn_resize_method)s->method,
                                  .width = s->width,
                                  .height = s->height,
                                  .limit_max = s->limit_max,
                                  .limit_min = s->limit_min,
                                  .multiple = s->multiple,
                                  .min_width = s->min_width,
                                  .max_width = s->max_width,
                                  .cut = s->cut,
                                  .pixels_max = sn_pipe_build_pixels_max(build)};
    for (int i = 0; i < 3; i++)
        s->options.fill[i] = (uint8_t)s->fill.v[s->fill.n == 3 ? i : 0];
    if ((s->fit == SN_FIT_STRETCH || s->fit == SN_FIT_LETTERBOX) && (s->width < 1 || s->height < 1))
        return sn_yaml_fail(err, SETSUNA_EINPUT, step->node, "fit: %s needs width and height, both above 0",
                            resize_fits[s->fit]);
    if (s->fit == SN_FIT_HEIGHT && s->height < 1)
        return sn_yaml_fail(err, SETSUNA_EINPUT, step->node, "fit: height needs a height above 0");
    if (s->fit == SN_FIT_HEIGHT && s->max_width && s->max_width < s->min_width)
        return sn_yaml_fail(err, SETSUNA_EINPUT, step->node, "max_width is less than min_width");
    return SETSUNA_OK;
}

static setsuna_status resize_run(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err)
{
    (void)pass;
    step_resize *s = step->self;
    sn_fit_geometry g;
    SN_TRY(sn_resize_fit(step->allocator, &s->from->image.pixels, &s->options, &s->to->image.pixels, &s->scratch, &g,
                         err));
    s->to->image.to_source = sn_transform_then(&g.to_source, &s->from->image.to_source);
    s->to->image.source_width = s->from->image.source_width;
    s->to->image.source_height = s->from->image.source_height;
    s->to->image.valid_width = s->fit == SN_FIT_HEIGHT && g.width < g.canvas_width ? g.width : 0;
    return SETSUNA_OK;
}

static void resize_destroy(sn_pipe_step *step)
{
    sn_resize_scratch_fini(step->allocator, &((step_resize *)step->self)->scratch);
}

const sn_pipe_step_type sn_pipe_resize = {
    .name = "resize",
    .help = "makes a picture the size that a network takes",
    .stage = SN_STAGE_PREPROCESS,
    SN_PIPE_FIELDS(resize_fields),
    .self_bytes = sizeof(step_resize),
    .create = resize_create,
    .run = resize_run,
    .destroy = resize_destroy,
};

/* ---- crop ---------------------------------------------------------------------------------------------------------
 */

typedef struct step_crop {
    sn_pipe_slot *from, *box, *to;
} step_crop;

static const sn_pipe_field crop_fields[] = {
    {"from", SN_FIELD_IN, offsetof(step_crop, from), .kinds = SN_PIPE_IMAGE, .help = "the source picture"},
    {"box", SN_FIELD_IN, offsetof(step_crop, box), .kinds = SN_PIPE_BOXES, .help = "the first of these is cut out"},
    {"to", SN_FIELD_OUT, offsetof(step_crop, to), .kinds = SN_PIPE_IMAGE, .help = "the box, upright"},
};

/* A picture that is the source of its own coordinates. */
static void image_become_source(sn_pipe_slot *slot)
{
    slot->image.to_source = sn_transform_identity();
    slot->image.source_width = slot->image.pixels.width;
    slot->image.source_height = slot->image.pixels.height;
    slot->image.valid_width = 0;
}

static setsuna_status crop_run(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err)
{
    (void)pass;
    step_crop *s = step->self;
    if (s->box->boxes.n == 0)
        return sn_pipe_step_fail(step, SETSUNA_EINPUT, err, "there is no box to cut out; crop inside for_each");
    const sn_point *corner = s->box->boxes.item[0].corner;
    int32_t width, height;
    sn_quad_size(corner, &width, &height);
    setsuna_status status =
        sn_warp_quad(step->allocator, &s->from->image.pixels, corner, width, height, &s->to->image.pixels);
    if (status ==
        SETSUNA_EINPUT) { /* a box without area, after clipping for example: one pixel of it is still a picture */
        const sn_point at = corner[0], dot[4] = {at, {at.x + 1, at.y}, {at.x + 1, at.y + 1}, {at.x, at.y + 1}};
        status = sn_warp_quad(step->allocator, &s->from->image.pixels, dot, 1, 1, &s->to->image.pixels);
    }
    if (status != SETSUNA_OK)
        return sn_pipe_step_fail(step, status, err, "cannot cut out a box of %d x %d pixels: %s", width, height,
                                 setsuna_status_text(status));
    image_become_source(s->to);
    return SETSUNA_OK;
}

const sn_pipe_step_type sn_pipe_crop = {
    .name = "crop",
    .help = "cuts a box, tilted or not, out of a picture and makes it upright",
    .stage = SN_STAGE_FEATURIZE,
    SN_PIPE_FIELDS(crop_fields),
    .self_bytes = sizeof(step_crop),
    .run = crop_run,
};

/* ---- turn ---------------------------------------------------------------------------------------------------------
 */

typedef struct step_turn {
    sn_pipe_slot *from, *to, *classes;
    int32_t angle, class_id;
    float above, taller;
} step_turn;

static const char *const turn_angles[] = {"90", "180", "270", NULL};

static const sn_pipe_field turn_fields[] = {
    {"from", SN_FIELD_IN, offsetof(step_turn, from), .kinds = SN_PIPE_IMAGE, .help = "the picture"},
    {"to", SN_FIELD_OUT, offsetof(step_turn, to), .kinds = SN_PIPE_IMAGE, .help = "turned, or as it was"},
    {"angle", SN_FIELD_CHOICE, offsetof(step_turn, angle), .choices = turn_angles, .help = "degrees counter-clockwise"},
    {"classes", SN_FIELD_IN, offsetof(step_turn, classes), .kinds = SN_PIPE_CLASSES, .fallback = "",
     .help = "turn only if the best of these is `class` and its score is above `above`"},
    {"class", SN_FIELD_INT, offsetof(step_turn, class_id), .max = 1 << 20, .fallback = "1", .help = "see classes"},
    {"above", SN_FIELD_FLOAT, offsetof(step_turn, above), .max = 1, .fallback = "0.5", .help = "see classes"},
    {"taller", SN_FIELD_FLOAT, offsetof(step_turn, taller), .max = 1000, .fallback = "0",
     .help = "turn only if height / width is at least this"},
};

static setsuna_status turn_run(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err)
{
    (void)pass;
    step_turn *s = step->self;
    const sn_image *image = &s->from->image.pixels;
    bool turn = (float)image->height >= s->taller * (float)image->width;
    if (s->classes)
        turn = turn && s->classes->classes.n > 0 && s->classes->classes.item[0].index == s->class_id &&
               s->classes->classes.item[0].score > s->above;
    if (!turn) {
        setsuna_status status = sn_pipe_slot_collect(s->from, s->to);
        return status == SETSUNA_OK ? status : sn_pipe_step_fail(step, status, err, "%s", setsuna_status_text(status));
    }
    const sn_turn turns[] = {SN_TURN_90_CCW, SN_TURN_180, SN_TURN_90_CW};
    setsuna_status status = sn_image_turn(step->allocator, image, turns[s->angle], &s->to->image.pixels);
    if (status != SETSUNA_OK)
        return sn_pipe_step_fail(step, status, err, "cannot turn the picture: %s", setsuna_status_text(status));
    image_become_source(s->to);
    return SETSUNA_OK;
}

const sn_pipe_step_type sn_pipe_turn = {
    .name = "turn",
    .help = "turns a picture by a right angle, always or if a class or its shape says so",
    .stage = SN_STAGE_PREPROCESS,
    SN_PIPE_FIELDS(turn_fields),
    .self_bytes = sizeof(step_turn),
    .run = turn_run,
};

/* ---- normalise -----------------------------------------------------------------------------------------------------
 */

typedef struct step_normalise {
    sn_pipe_slot *from, *to;
    float scale, pad;
    sn_floats mean, std;
    int32_t order, layout;
    sn_tensorize_options options;
} step_normalise;

static const char *const normalise_orders[] = {"rgb", "bgr", "gray", NULL};
static const char *const normalise_layouts[] = {"nchw", "nhwc", NULL};

static const sn_pipe_field normalise_fields[] = {
    {"from", SN_FIELD_IN, offsetof(step_normalise, from), .kinds = SN_PIPE_IMAGE, .help = "the picture"},
    {"to", SN_FIELD_OUT, offsetof(step_normalise, to), .kinds = SN_PIPE_TENSOR,
     .help = "f32 [1,C,H,W] or [1,H,W,C]: (pixel * scale - mean) / std"},
    {"scale", SN_FIELD_FLOAT, offsetof(step_normalise, scale), .min = -1e6, .max = 1e6,
     .fallback = "0.00392156862745098", .help = "of the pixels, which are 0 to 255; the default is 1/255"},
    {"mean", SN_FIELD_FLOATS, offsetof(step_normalise, mean), .min = -1e6, .max = 1e6, .fallback = "0",
     .help = "one for each channel in `order`, or one for all"},
    {"std", SN_FIELD_FLOATS, offsetof(step_normalise, std), .min = 1e-6, .max = 1e6, .fallback = "1",
     .help = "one for each channel in `order`, or one for all"},
    {"order", SN_FIELD_CHOICE, offsetof(step_normalise, order), .choices = normalise_orders, .fallback = "rgb",
     .help = "of the channels; gray has one"},
    {"layout", SN_FIELD_CHOICE, offsetof(step_normalise, layout), .choices = normalise_layouts, .fallback = "nchw",
     .help = "channels first or last"},
    {"pad", SN_FIELD_FLOAT, offsetof(step_normalise, pad), .min = -1e6, .max = 1e6, .fallback = "0",
     .help = "the value of what `resize: {fit: height}` filled, after normalisation"},
};

static setsuna_status normalise_create(sn_pipe_step *step, sn_pipe_build *build, setsuna_error *err)
{
    (void)build;
    step_normalise *s = step->self;
    s->options = (sn_tensorize_options){
        .scale = s->scale, .order = (sn_channel_order)s->order, .layout = (sn_image_layout)s->layout, .pad = s->pad};
    uint32_t channels = (uint32_t)sn_tensorize_channels(&s->options);
    const sn_floats *lists[2] = {&s->mean, &s->std};
    for (int i = 0; i < 2; i++)
        if (lists[i]->n != 1 && lists[i]->n != channels)
            return sn_yaml_fail(err, SETSUNA_EINPUT, sn_yaml_get(step->node, i ? "std" : "mean"),
                                "has %u numbers for %u channels; write one, or one for each", lists[i]->n, channels);
    for (uint32_t c = 0; c < channels; c++) {
        s->options.mean[c] = s->mean.v[s->mean.n == 1 ? 0 : c];
        s->options.std[c] = s->std.v[s->std.n == 1 ? 0 : c];
    }
    return SETSUNA_OK;
}

static setsuna_status normalise_run(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err)
{
    (void)pass;
    step_normalise *s = step->self;
    const sn_image *image = &s->from->image.pixels;
    int64_t c = sn_tensorize_channels(&s->options), h = image->height, w = image->width;
    setsuna_shape shape = {4, {1, c, h, w}};
    if (s->layout == SN_LAYOUT_NHWC)
        shape = (setsuna_shape){4, {1, h, w, c}};
    setsuna_status status = sn_pipe_slot_tensor_reserve(s->to, SETSUNA_F32, &shape);
    if (status != SETSUNA_OK)
        return sn_pipe_step_fail(step, status, err, "no memory for a tensor of %d x %d pixels", image->width,
                                 image->height);
    sn_tensorize_options o = s->options;
    o.valid_width = s->from->image.valid_width;
    sn_tensorize(image, &o, s->to->tensor.t.data);
    return SETSUNA_OK;
}

const sn_pipe_step_type sn_pipe_normalise = {
    .name = "normalise",
    .help = "turns pixels into the numbers that a network was trained on",
    .stage = SN_STAGE_PREPROCESS,
    SN_PIPE_FIELDS(normalise_fields),
    .self_bytes = sizeof(step_normalise),
    .create = normalise_create,
    .run = normalise_run,
};
