#include "pipeline/detect.h"
#include "base/checked.h"
#include <math.h>
#include <string.h>

/* ---- anchors ------------------------------------------------------------------------------------------------ */

enum { SHAPES_MAX = SN_ANCHOR_LAYERS_MAX * (SN_ANCHOR_RATIOS_MAX + 1) };

/* Widths and heights of the anchors of one cell. */
typedef struct anchor_shapes {
    uint32_t n;
    float w[SHAPES_MAX], h[SHAPES_MAX];
} anchor_shapes;

static float anchor_scale(const sn_anchor_options *o, int32_t layer)
{
    if (o->n_layers == 1)
        return (o->min_scale + o->max_scale) * 0.5f;
    return o->min_scale + (o->max_scale - o->min_scale) * (float)layer / (float)(o->n_layers - 1);
}

static void anchor_shape_add(anchor_shapes *s, float scale, float ratio)
{
    float root = sqrtf(ratio);
    s->w[s->n] = scale * root;
    s->h[s->n] = scale / root;
    s->n++;
}

static void anchor_shapes_of_layer(const sn_anchor_options *o, int32_t layer, anchor_shapes *s)
{
    if (layer == 0 && o->reduce_lowest) {
        anchor_shape_add(s, 0.1f, 1.0f);
        anchor_shape_add(s, anchor_scale(o, 0), 2.0f);
        anchor_shape_add(s, anchor_scale(o, 0), 0.5f);
        return;
    }
    float scale = anchor_scale(o, layer), next = layer == o->n_layers - 1 ? 1.0f : anchor_scale(o, layer + 1);
    for (int32_t i = 0; i < o->n_ratios; i++)
        anchor_shape_add(s, scale, o->ratio[i]);
    if (o->extra_ratio > 0.0f)
        anchor_shape_add(s, sqrtf(scale * next), o->extra_ratio);
}

static bool anchor_options_valid(const sn_anchor_options *o)
{
    bool ok = o->width >= 1 && o->height >= 1 && o->width <= 1 << 16 && o->height <= 1 << 16 && o->n_layers >= 1 &&
              o->n_layers <= SN_ANCHOR_LAYERS_MAX && o->n_ratios >= 1 && o->n_ratios <= SN_ANCHOR_RATIOS_MAX &&
              isfinite(o->min_scale) && isfinite(o->max_scale) && o->min_scale >= 0.0f && o->max_scale >= 0.0f &&
              o->extra_ratio >= 0.0f && isfinite(o->extra_ratio);
    for (int32_t i = 0; ok && i < o->n_layers; i++)
        ok = o->stride[i] >= 1;
    for (int32_t i = 0; ok && i < o->n_ratios; i++)
        ok = o->ratio[i] > 0.0f && isfinite(o->ratio[i]);
    return ok;
}

/* One past the last layer that shares the stride, and so the cells, of `layer`. */
static int32_t anchor_group_end(const sn_anchor_options *o, int32_t layer)
{
    int32_t end = layer + 1;
    while (end < o->n_layers && o->stride[end] == o->stride[layer])
        end++;
    return end;
}

static void anchors_fill_group(const sn_anchor_options *o, int32_t stride, const anchor_shapes *s, sn_anchor *out)
{
    int32_t columns = (o->width + stride - 1) / stride, rows = (o->height + stride - 1) / stride;
    for (int32_t y = 0; y < rows; y++)
        for (int32_t x = 0; x < columns; x++)
            for (uint32_t i = 0; i < s->n; i++)
                *out++ = (sn_anchor){((float)x + 0.5f) / (float)columns, ((float)y + 0.5f) / (float)rows,
                                     o->fixed_size ? 1.0f : s->w[i], o->fixed_size ? 1.0f : s->h[i]};
}

setsuna_status sn_anchors_create(const sn_allocator *a, const sn_anchor_options *o, sn_anchor **anchors_out,
                                 uint32_t *n_out)
{
    if (!anchor_options_valid(o))
        return SETSUNA_EINVAL;
    sn_anchor *anchors = NULL;
    for (int filling = 0; filling < 2; filling++) { /* once to count, once to fill */
        uint64_t n = 0;
        for (int32_t layer = 0, end; layer < o->n_layers; layer = end) {
            anchor_shapes shapes = {0};
            end = anchor_group_end(o, layer);
            for (int32_t i = layer; i < end; i++)
                anchor_shapes_of_layer(o, i, &shapes);
            int32_t stride = o->stride[layer];
            if (filling)
                anchors_fill_group(o, stride, &shapes, anchors + n);
            n +=
                (uint64_t)((o->width + stride - 1) / stride) * (uint64_t)((o->height + stride - 1) / stride) * shapes.n;
        }
        if (n > SN_ANCHORS_MAX)
            return SETSUNA_ELIMIT;
        if (!filling && !(anchors = sn_alloc(a, (size_t)n * sizeof *anchors)))
            return SETSUNA_ENOMEM;
        *n_out = (uint32_t)n;
    }
    *anchors_out = anchors;
    return SETSUNA_OK;
}

/* ---- decoding ------------------------------------------------------------------------------------------------ */

static float ssd_best_class(const sn_ssd_options *o, const float *score, int32_t *class_out)
{
    float best = -INFINITY;
    *class_out = -1;
    for (int32_t c = 0; c < o->n_classes; c++)
        if (c != o->background && score[c] > best) {
            best = score[c];
            *class_out = c;
        }
    if (!o->sigmoid)
        return best;
    float clipped = best < -100.0f ? -100.0f : best > 100.0f ? 100.0f : best;
    return 1.0f / (1.0f + expf(-clipped));
}

static bool ssd_decode_box(const sn_ssd_options *o, const float *raw, const sn_anchor *anchor, sn_box *box)
{
    int ix = o->yx_order ? 1 : 0, iy = 1 - ix;
    float x = raw[ix] / o->x_scale * anchor->w + anchor->x, y = raw[iy] / o->y_scale * anchor->h + anchor->y;
    float rw = raw[2 + ix] / o->w_scale, rh = raw[2 + iy] / o->h_scale;
    float w = (o->exponential_size ? expf(rw) : rw) * anchor->w, h = (o->exponential_size ? expf(rh) : rh) * anchor->h;
    float x0 = x - w / 2, x1 = x + w / 2, y0 = y - h / 2, y1 = y + h / 2;
    bool finite = isfinite(x0) && isfinite(x1) && isfinite(y0) && isfinite(y1);
    const sn_point corner[4] = {{x0, y0}, {x1, y0}, {x1, y1}, {x0, y1}};
    memcpy(box->corner, corner, sizeof corner);
    box->n_keypoints = o->n_keypoints;
    for (int32_t k = 0; k < o->n_keypoints; k++) {
        const float *p = raw + 4 + 2 * k;
        box->keypoint[k] =
            (sn_point){p[ix] / o->x_scale * anchor->w + anchor->x, p[iy] / o->y_scale * anchor->h + anchor->y};
        finite = finite && isfinite(box->keypoint[k].x) && isfinite(box->keypoint[k].y);
    }
    return finite;
}

setsuna_status sn_ssd_decode(const sn_allocator *a, const float *coords, const float *scores, const sn_anchor *anchors,
                             uint32_t n, const sn_ssd_options *o, sn_box_list *boxes)
{
    for (uint32_t i = 0; i < n; i++) {
        sn_box box = {0};
        box.score = ssd_best_class(o, scores + (size_t)i * (size_t)o->n_classes, &box.class_id);
        if (box.class_id < 0 || !(box.score >= o->min_score) ||
            !ssd_decode_box(o, coords + (size_t)i * (size_t)o->n_coords, &anchors[i], &box))
            continue;
        if (!sn_grow(a, &boxes->item, &boxes->capacity, boxes->n + 1, sizeof box))
            return SETSUNA_ENOMEM;
        boxes->item[boxes->n++] = box;
    }
    return SETSUNA_OK;
}

/* ---- overlap -------------------------------------------------------------------------------------------------- */

typedef struct detect_extent {
    float x0, y0, x1, y1;
} detect_extent;

static detect_extent detect_extent_of(const sn_box *b)
{
    detect_extent e = {b->corner[0].x, b->corner[0].y, b->corner[0].x, b->corner[0].y};
    for (int i = 1; i < 4; i++) {
        e.x0 = fminf(e.x0, b->corner[i].x);
        e.y0 = fminf(e.y0, b->corner[i].y);
        e.x1 = fmaxf(e.x1, b->corner[i].x);
        e.y1 = fmaxf(e.y1, b->corner[i].y);
    }
    return e;
}

float sn_box_iou(const sn_box *a, const sn_box *b)
{
    detect_extent p = detect_extent_of(a), q = detect_extent_of(b);
    float w = fminf(p.x1, q.x1) - fmaxf(p.x0, q.x0), h = fminf(p.y1, q.y1) - fmaxf(p.y0, q.y0);
    if (!(w > 0.0f) || !(h > 0.0f))
        return 0.0f;
    float common = w * h, all = (p.x1 - p.x0) * (p.y1 - p.y0) + (q.x1 - q.x0) * (q.y1 - q.y0) - common;
    return all > 0.0f ? common / all : 0.0f;
}

enum { CLIP_MAX = 16 /* a quadrilateral cut by four lines has at most 8 corners */ };

typedef struct quad_polygon {
    int n;
    double p[CLIP_MAX][2];
} quad_polygon;

static double quad_side_of(const double a[2], const double b[2], const double p[2])
{
    return (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]);
}

/* The part of in on the inner side of the line a -> b. Source: Sutherland & Hodgman 1974. */
static void quad_clip(const quad_polygon *in, const double a[2], const double b[2], quad_polygon *out)
{
    out->n = 0;
    for (int i = 0; i < in->n; i++) {
        const double *p = in->p[i], *q = in->p[(i + 1) % in->n];
        double sp = quad_side_of(a, b, p), sq = quad_side_of(a, b, q);
        if (sp >= 0.0 && out->n < CLIP_MAX) {
            memcpy(out->p[out->n], p, sizeof out->p[0]);
            out->n++;
        }
        if ((sp > 0.0) != (sq > 0.0) && sp != sq && out->n < CLIP_MAX) {
            double t = sp / (sp - sq);
            out->p[out->n][0] = p[0] + t * (q[0] - p[0]);
            out->p[out->n][1] = p[1] + t * (q[1] - p[1]);
            out->n++;
        }
    }
}

static double quad_area(const quad_polygon *g) /* signed */
{
    double sum = 0.0;
    for (int i = 0; i < g->n; i++) {
        const double *p = g->p[i], *q = g->p[(i + 1) % g->n];
        sum += p[0] * q[1] - p[1] * q[0];
    }
    return sum / 2.0;
}

/* Corners relative to `origin`, turning the way that makes the area positive. */
static quad_polygon quad_from(const sn_point c[4], const sn_point *origin)
{
    quad_polygon g = {.n = 4};
    for (int i = 0; i < 4; i++) {
        g.p[i][0] = (double)c[i].x - (double)origin->x;
        g.p[i][1] = (double)c[i].y - (double)origin->y;
    }
    if (quad_area(&g) < 0.0) {
        double t[2] = {g.p[1][0], g.p[1][1]};
        memcpy(g.p[1], g.p[3], sizeof t);
        memcpy(g.p[3], t, sizeof t);
    }
    return g;
}

float sn_quad_iou(const sn_point a[4], const sn_point b[4])
{
    quad_polygon p = quad_from(a, &a[0]), q = quad_from(b, &a[0]), part = p, cut;
    for (int i = 0; i < 4; i++) {
        quad_clip(&part, q.p[i], q.p[(i + 1) % 4], &cut);
        part = cut;
    }
    double common = quad_area(&part), all = quad_area(&p) + quad_area(&q) - common;
    return common > 0.0 && all > 0.0 ? (float)(common / all) : 0.0f;
}

/* ---- suppression ---------------------------------------------------------------------------------------------- */

static bool detect_ranks_below(const sn_box *a, const sn_box *b)
{
    return a->score < b->score;
}

static void detect_sift_down(sn_box *box, size_t root, size_t n)
{
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && detect_ranks_below(&box[child + 1], &box[child]))
            child++;
        if (!detect_ranks_below(&box[child], &box[root]))
            return;
        sn_box t = box[root];
        box[root] = box[child];
        box[child] = t;
    }
}

/* Heap sort, best first: in place, and n log n whatever the scores are. */
static void detect_sort_by_score(sn_box *box, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        detect_sift_down(box, i, n);
    for (size_t end = n; end > 1; end--) {
        sn_box t = box[0];
        box[0] = box[end - 1];
        box[end - 1] = t;
        detect_sift_down(box, 0, end - 1);
    }
}

typedef struct detect_mean {
    double weight, corner[4][2], keypoint[SN_BOX_KEYPOINTS_MAX][2];
} detect_mean;

static void detect_mean_add(detect_mean *m, const sn_box *b)
{
    double w = (double)b->score;
    m->weight += w;
    for (int i = 0; i < 4; i++) {
        m->corner[i][0] += w * (double)b->corner[i].x;
        m->corner[i][1] += w * (double)b->corner[i].y;
    }
    for (int i = 0; i < b->n_keypoints; i++) {
        m->keypoint[i][0] += w * (double)b->keypoint[i].x;
        m->keypoint[i][1] += w * (double)b->keypoint[i].y;
    }
}

static void detect_mean_store(const detect_mean *m, sn_box *b)
{
    if (!(m->weight > 0.0))
        return;
    for (int i = 0; i < 4; i++)
        b->corner[i] = (sn_point){(float)(m->corner[i][0] / m->weight), (float)(m->corner[i][1] / m->weight)};
    for (int i = 0; i < b->n_keypoints; i++)
        b->keypoint[i] = (sn_point){(float)(m->keypoint[i][0] / m->weight), (float)(m->keypoint[i][1] / m->weight)};
}

/* Survivors move to the front as they are found: box[0, kept) are final, box[kept, left) are still to be judged, in the
 * order of their scores. */
void sn_boxes_suppress(sn_box_list *boxes, const sn_nms_options *o)
{
    detect_sort_by_score(boxes->item, boxes->n);
    size_t kept = 0, left = boxes->n;
    while (kept < left && (o->max_boxes <= 0 || kept < (size_t)o->max_boxes)) {
        sn_box top = boxes->item[kept];
        detect_mean mean = {0};
        detect_mean_add(&mean, &top);
        size_t rest = kept + 1;
        for (size_t i = kept + 1; i < left; i++) {
            const sn_box *b = &boxes->item[i];
            bool rivals = o->across_classes || b->class_id == top.class_id;
            if (rivals && sn_box_iou(&top, b) > o->iou)
                detect_mean_add(&mean, b);
            else
                boxes->item[rest++] = *b;
        }
        if (o->weighted)
            detect_mean_store(&mean, &boxes->item[kept]);
        left = rest;
        kept++;
    }
    boxes->n = kept;
}

static float detect_clip(float v, float limit)
{
    return v > 0.0f ? (v < limit ? v : limit) : 0.0f;
}

void sn_boxes_to_source(sn_box_list *boxes, float scale_x, float scale_y, const sn_transform *to_source,
                        float src_width, float src_height)
{
    for (size_t i = 0; i < boxes->n; i++) {
        sn_box *b = &boxes->item[i];
        for (int k = 0; k < 4; k++) {
            sn_point p = sn_transform_point(to_source, (sn_point){b->corner[k].x * scale_x, b->corner[k].y * scale_y});
            b->corner[k] = (sn_point){detect_clip(p.x, src_width), detect_clip(p.y, src_height)};
        }
        for (int k = 0; k < b->n_keypoints; k++)
            b->keypoint[k] =
                sn_transform_point(to_source, (sn_point){b->keypoint[k].x * scale_x, b->keypoint[k].y * scale_y});
    }
}
