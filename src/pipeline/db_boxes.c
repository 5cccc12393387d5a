#include "pipeline/db_boxes.h"
#include <math.h>
#include <string.h>

/* ---- connected components ------------------------------------------------------------------------------- */

/* A stretch of text pixels in one row. Runs that touch, diagonally too, are joined by union-find; afterwards `next`
 * chains the runs of a component in the order of rows. 24 bytes a run, at most one for every two pixels. */
typedef struct db_run {
    int32_t y, begin, end; /* pixels [begin, end) */
    uint32_t parent;       /* index <= own: the first run of a component is its root */
    uint32_t next, last;   /* next run of the component (0: none); for a root, the last one so far */
} db_run;

typedef struct db_work {
    const sn_allocator *allocator;
    const float *map;
    int32_t width, height;
    sn_db_scratch *scratch;
    db_run *runs;
    uint32_t n_runs;
} db_work;

void sn_db_scratch_fini(const sn_allocator *a, sn_db_scratch *scratch)
{
    sn_free(a, scratch->runs);
    sn_free(a, scratch->chain);
    *scratch = (sn_db_scratch){0};
}

static uint32_t db_find_root(db_run *runs, uint32_t i)
{
    while (runs[i].parent != i) {
        runs[i].parent = runs[runs[i].parent].parent; /* halve the path */
        i = runs[i].parent;
    }
    return i;
}

static void db_join(db_run *runs, uint32_t a, uint32_t b)
{
    a = db_find_root(runs, a);
    b = db_find_root(runs, b);
    if (a < b)
        runs[b].parent = a;
    else
        runs[a].parent = b;
}

static bool db_add_run(db_work *w, int32_t y, int32_t begin, int32_t end)
{
    if (w->n_runs == UINT32_MAX ||
        !sn_grow(w->allocator, &w->scratch->runs, &w->scratch->runs_capacity, (size_t)w->n_runs + 1, sizeof(db_run)))
        return false;
    w->runs = w->scratch->runs;
    w->runs[w->n_runs] = (db_run){y, begin, end, w->n_runs, 0, w->n_runs};
    w->n_runs++;
    return true;
}

/* Joins the runs [begin, end) of one row with those of the row above, [above, begin). Both are sorted by column. */
static void db_join_rows(db_run *runs, uint32_t above, uint32_t begin, uint32_t end)
{
    for (uint32_t i = above, k = begin; i < begin && k < end;) {
        if (runs[i].begin <= runs[k].end && runs[k].begin <= runs[i].end) /* ends are exclusive: corners touch */
            db_join(runs, i, k);
        if (runs[i].end < runs[k].end)
            i++;
        else
            k++;
    }
}

static setsuna_status db_find_components(db_work *w, float threshold)
{
    uint32_t above = 0, begin = 0; /* first run of the row above and of this one */
    for (int32_t y = 0; y < w->height; y++) {
        const float *row = w->map + (size_t)y * (size_t)w->width;
        begin = w->n_runs;
        for (int32_t x = 0; x < w->width; x++) {
            if (!(row[x] > threshold)) /* NaN is no text */
                continue;
            int32_t first = x;
            while (x < w->width && row[x] > threshold)
                x++;
            if (!db_add_run(w, y, first, x))
                return SETSUNA_ENOMEM;
        }
        if (y > 0)
            db_join_rows(w->runs, above, begin, w->n_runs);
        above = begin;
    }
    for (uint32_t i = 0; i < w->n_runs; i++) {
        uint32_t root = db_find_root(w->runs, i);
        if (root != i) {
            w->runs[w->runs[root].last].next = i;
            w->runs[root].last = i;
        }
    }
    return SETSUNA_OK;
}

/* ---- convex hull ------------------------------------------------------------------------------------------ */

/* A component has a run in every row between its first and its last, so its hull is that of the leftmost and rightmost
 * pixel corners on each grid line. side 0 is the left chain, side 1 the right one; a chain is a list of (x, y). */
typedef struct db_chain {
    int32_t *point;
    int32_t n;
} db_chain;

/* Appends (x, y), below all points so far, and drops those that are not corners any more. */
static void db_chain_add(db_chain *c, int side, int32_t x, int32_t y)
{
    while (c->n >= 2) {
        const int32_t *p = c->point + 2 * (c->n - 2), *q = p + 2;
        int64_t cross = (int64_t)(q[0] - p[0]) * (y - p[1]) - (int64_t)(q[1] - p[1]) * (x - p[0]);
        if (side == 0 ? cross < 0 : cross > 0)
            break;
        c->n--;
    }
    c->point[2 * c->n] = x;
    c->point[2 * c->n + 1] = y;
    c->n++;
}

/* The hull of the component of run `root`, clockwise on the screen, into *polygon (scratch memory).
 * Layout of the scratch, in int32_t, for a component of h rows:
 *
 *     left chain 2 (h + 1) | right chain 2 (h + 1) | extremes of each grid line 2 (h + 1) | polygon, as double */
static setsuna_status db_hull(db_work *w, uint32_t root, double (**polygon_out)[2], int32_t *n_out)
{
    const db_run *runs = w->runs;
    int32_t top = runs[root].y, lines = runs[runs[root].last].y - top + 2;
    size_t n = (size_t)lines;
    if (!sn_grow(w->allocator, &w->scratch->chain, &w->scratch->chain_capacity, 6 * n + 8 * n, sizeof(int32_t)))
        return SETSUNA_ENOMEM;
    db_chain left = {w->scratch->chain, 0}, right = {left.point + 2 * n, 0};
    int32_t *extreme = right.point + 2 * n;
    double(*polygon)[2] = (double(*)[2])(void *)(extreme + 2 * n); /* 6n ints of 4 bytes: 8-byte aligned */
    for (int32_t i = 0; i < lines; i++) {
        extreme[2 * i] = INT32_MAX;
        extreme[2 * i + 1] = INT32_MIN;
    }
    for (uint32_t i = root;; i = runs[i].next) {
        for (int32_t line = runs[i].y - top; line <= runs[i].y - top + 1; line++) {
            if (runs[i].begin < extreme[2 * line])
                extreme[2 * line] = runs[i].begin;
            if (runs[i].end > extreme[2 * line + 1])
                extreme[2 * line + 1] = runs[i].end;
        }
        if (!runs[i].next)
            break;
    }
    for (int32_t i = 0; i < lines; i++) {
        db_chain_add(&left, 0, extreme[2 * i], top + i);
        db_chain_add(&right, 1, extreme[2 * i + 1], top + i);
    }
    int32_t corners = 0;
    for (int32_t i = 0; i < right.n; i++, corners++)
        polygon[corners][0] = right.point[2 * i], polygon[corners][1] = right.point[2 * i + 1];
    for (int32_t i = left.n - 1; i >= 0; i--, corners++)
        polygon[corners][0] = left.point[2 * i], polygon[corners][1] = left.point[2 * i + 1];
    *polygon_out = polygon;
    *n_out = corners;
    return SETSUNA_OK;
}

/* ---- least rectangle --------------------------------------------------------------------------------------- */

static double rect_dot(const double p[2], double x, double y)
{
    return p[0] * x + p[1] * y;
}

sn_rect sn_rect_min_area(const double (*polygon)[2], int32_t n)
{
    sn_rect best = {0};
    double best_area = HUGE_VAL;
    /* For the side from corner i on, the farthest corners along it, across it and back along it. They only move forward
     * while i goes round once, so the whole is linear in n. */
    int32_t along = 1, across = 1, back = 1;
    for (int32_t i = 0; i < n; i++) {
        const double *p = polygon[i], *q = polygon[(i + 1) % n];
        double length = hypot(q[0] - p[0], q[1] - p[1]), ux = (q[0] - p[0]) / length, uy = (q[1] - p[1]) / length;
        for (int32_t k = 0; k < n && rect_dot(polygon[(along + 1) % n], ux, uy) > rect_dot(polygon[along], ux, uy); k++)
            along = (along + 1) % n;
        if (i == 0)
            across = along;
        for (int32_t k = 0; k < n && rect_dot(polygon[(across + 1) % n], -uy, ux) > rect_dot(polygon[across], -uy, ux);
             k++)
            across = (across + 1) % n;
        if (i == 0)
            back = across;
        for (int32_t k = 0; k < n && rect_dot(polygon[(back + 1) % n], ux, uy) < rect_dot(polygon[back], ux, uy); k++)
            back = (back + 1) % n;
        double u0 = rect_dot(polygon[back], ux, uy), u1 = rect_dot(polygon[along], ux, uy);
        double v0 = rect_dot(p, -uy, ux), v1 = rect_dot(polygon[across], -uy, ux);
        double area = (u1 - u0) * (v1 - v0);
        if (area < best_area) {
            double u = (u0 + u1) / 2, v = (v0 + v1) / 2;
            best_area = area;
            best = (sn_rect){u * ux - v * uy, u * uy + v * ux, ux, uy, u1 - u0, v1 - v0};
        }
    }
    return best;
}

void sn_rect_corners(const sn_rect *r, sn_point corner_out[4])
{
    double ax = r->ux * r->along / 2, ay = r->uy * r->along / 2, bx = -r->uy * r->across / 2,
           by = r->ux * r->across / 2;
    double p[4][2] = {{r->x - ax - bx, r->y - ay - by},
                      {r->x + ax - bx, r->y + ay - by},
                      {r->x + ax + bx, r->y + ay + by},
                      {r->x - ax + bx, r->y - ay + by}};
    for (int i = 1; i < 4; i++) /* by x, then y, so that an upright rectangle is unambiguous */
        for (int k = i; k > 0 && (p[k][0] < p[k - 1][0] || (p[k][0] == p[k - 1][0] && p[k][1] < p[k - 1][1])); k--) {
            double t[2] = {p[k][0], p[k][1]};
            memcpy(p[k], p[k - 1], sizeof t);
            memcpy(p[k - 1], t, sizeof t);
        }
    int left = p[0][1] <= p[1][1] ? 0 : 1, right = p[2][1] <= p[3][1] ? 2 : 3;
    const int order[4] = {left, right, 5 - right, 1 - left};
    for (int i = 0; i < 4; i++)
        corner_out[i] = (sn_point){(float)p[order[i]][0], (float)p[order[i]][1]};
}

/* ---- boxes --------------------------------------------------------------------------------------------------- */

/* Mean of the map over the pixels whose centres are in the rectangle. */
static float db_score(const db_work *w, const sn_rect *r)
{
    sn_point c[4];
    sn_rect_corners(r, c);
    double top = HUGE_VAL, bottom = -HUGE_VAL;
    for (int i = 0; i < 4; i++) {
        top = fmin(top, (double)c[i].y);
        bottom = fmax(bottom, (double)c[i].y);
    }
    int32_t first = (int32_t)fmax(ceil(top - 0.5), 0.0), last = (int32_t)fmin(floor(bottom - 0.5), w->height - 1);
    double sum = 0.0, count = 0.0;
    for (int32_t y = first; y <= last; y++) {
        double at = y + 0.5, x0 = HUGE_VAL, x1 = -HUGE_VAL;
        for (int i = 0; i < 4; i++) {
            double ax = (double)c[i].x, ay = (double)c[i].y, bx = (double)c[(i + 1) % 4].x,
                   by = (double)c[(i + 1) % 4].y;
            if ((ay <= at) == (by <= at))
                continue;
            double x = ax + (at - ay) / (by - ay) * (bx - ax);
            x0 = fmin(x0, x);
            x1 = fmax(x1, x);
        }
        if (!(x0 <= x1))
            continue;
        int32_t begin = (int32_t)fmax(ceil(x0 - 0.5), 0.0), end = (int32_t)fmin(floor(x1 - 0.5), w->width - 1);
        const float *row = w->map + (size_t)y * (size_t)w->width;
        for (int32_t x = begin; x <= end; x++, count += 1.0)
            if (row[x] > 0.0f)
                sum += row[x] < 1.0f ? (double)row[x] : 1.0;
    }
    return count > 0.0 ? (float)(sum / count) : 0.0f;
}

static float db_clip(float v, float limit)
{
    return v > 0.0f ? (v < limit ? v : limit) : 0.0f;
}

/* The box of one component; false: a rule drops it. */
static bool db_make_box(const db_work *w, const sn_db_options *o, const double (*hull)[2], int32_t n_hull,
                        const sn_transform *to_source, float src_width, float src_height, sn_box *box)
{
    sn_rect r = sn_rect_min_area(hull, n_hull);
    if (fmin(r.along, r.across) < (double)o->min_side)
        return false;
    float score = db_score(w, &r);
    if (!(score >= o->box_threshold))
        return false;
    /* Growing a rectangle by d with round joins and taking the least rectangle around that is adding d to each side. */
    double grow = r.along * r.across * (double)o->unclip_ratio / (2.0 * (r.along + r.across));
    r.along += 2.0 * grow;
    r.across += 2.0 * grow;
    if (fmin(r.along, r.across) < (double)o->min_side + 2.0)
        return false;
    *box = (sn_box){.score = score, .class_id = -1};
    sn_rect_corners(&r, box->corner);
    for (int i = 0; i < 4; i++) {
        sn_point p = sn_transform_point(to_source, box->corner[i]);
        box->corner[i] = (sn_point){db_clip(p.x, src_width), db_clip(p.y, src_height)};
    }
    const sn_point *c = box->corner;
    return hypotf(c[1].x - c[0].x, c[1].y - c[0].y) > o->min_side &&
           hypotf(c[3].x - c[0].x, c[3].y - c[0].y) > o->min_side;
}

setsuna_status sn_db_boxes(const sn_allocator *a, const float *map, int32_t width, int32_t height,
                           const sn_transform *to_source, float src_width, float src_height,
                           const sn_db_options *options, sn_db_scratch *scratch, sn_box_list *boxes)
{
    if (width < 1 || height < 1)
        return SETSUNA_EINVAL;
    boxes->n = 0;
    db_work w = {
        .allocator = a, .map = map, .width = width, .height = height, .scratch = scratch, .runs = scratch->runs};
    SN_TRY(db_find_components(&w, options->threshold));
    int32_t seen = 0;
    for (uint32_t i = 0; i < w.n_runs && seen < options->max_boxes; i++) {
        if (w.runs[i].parent != i)
            continue;
        seen++;
        double(*hull)[2];
        int32_t n_hull;
        SN_TRY(db_hull(&w, i, &hull, &n_hull));
        sn_box box;
        if (!db_make_box(&w, options, (const double(*)[2])hull, n_hull, to_source, src_width, src_height, &box))
            continue;
        if (!sn_grow(a, &boxes->item, &boxes->capacity, boxes->n + 1, sizeof(sn_box)))
            return SETSUNA_ENOMEM;
        boxes->item[boxes->n++] = box;
    }
    sn_boxes_sort_reading(boxes->item, boxes->n);
    return SETSUNA_OK;
}

/* ---- reading order ------------------------------------------------------------------------------------------- */

static bool reading_is_before(const sn_box *a, const sn_box *b)
{
    return a->corner[0].y < b->corner[0].y || (a->corner[0].y == b->corner[0].y && a->corner[0].x < b->corner[0].x);
}

static bool reading_is_left_on_line(const sn_box *a, const sn_box *b)
{
    float ha = fabsf(a->corner[3].y - a->corner[0].y), hb = fabsf(b->corner[3].y - b->corner[0].y);
    return a->corner[0].x < b->corner[0].x && fabsf(a->corner[0].y - b->corner[0].y) < 0.5f * (ha < hb ? ha : hb);
}

/* "On one line" is not transitive, so no sorting routine may be handed it: first by the top edge, then each box moves
 * left past its neighbours on the line. Insertion both times: there are at most max_boxes. */
void sn_boxes_sort_reading(sn_box *boxes, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        sn_box b = boxes[i];
        size_t k = i;
        for (; k > 0 && reading_is_before(&b, &boxes[k - 1]); k--)
            boxes[k] = boxes[k - 1];
        boxes[k] = b;
    }
    for (size_t i = 1; i < n; i++) {
        sn_box b = boxes[i];
        size_t k = i;
        for (; k > 0 && reading_is_left_on_line(&b, &boxes[k - 1]); k--)
            boxes[k] = boxes[k - 1];
        boxes[k] = b;
    }
}
