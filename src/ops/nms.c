/* NonMaxSuppression: of boxes [N, S, 4] with scores [N, C, S], those that no better one of their class overlaps.
 * Candidates of a class come from a heap in the order of their scores (then of their indices), so nothing is sorted
 * beyond what is selected. */
#include "base/checked.h"
#include "ops/op.h"

typedef struct nms_param {
    int64_t images, classes, boxes;
    int64_t cap; /* selections of one class that scratch has room for */
    bool center;
} nms_param;

typedef struct nms_box {
    float y0, x0, y1, x1;
} nms_box;

typedef struct nms_call {
    const nms_param *p;
    const float *boxes, *scores;
    int64_t max;
    float iou, least;
    bool has_least;
    int32_t *heap;     /* [boxes] */
    int32_t *selected; /* [images][classes][cap] */
    int64_t *count;    /* [images][classes] */
} nms_call;

static setsuna_status nms_plan(sn_op_ctx *c, nms_param *p)
{
    const setsuna_shape *b = &c->in[0].shape, *s = &c->in[1].shape;
    SN_TRY(sn_op_want(c, 0, "f32"));
    SN_TRY(sn_op_want(c, 1, "f32"));
    SN_TRY(sn_op_want(c, 2, "i64"));
    SN_TRY(sn_op_want(c, 3, "f32"));
    SN_TRY(sn_op_want(c, 4, "f32"));
    if (b->rank != 3 || s->rank != 3 || b->dim[2] != 4 || b->dim[0] != s->dim[0] || b->dim[1] != s->dim[2] ||
        b->dim[1] > INT32_MAX)
        return sn_op_fail(c, SETSUNA_ESHAPE, "boxes must be [N, S, 4] and scores [N, C, S]");
    for (uint32_t i = 2; i < 5; i++) {
        int64_t n;
        if (sn_op_has(c, i) && (!sn_shape_numel(&c->in[i].shape, &n) || n != 1))
            return sn_op_fail(c, SETSUNA_ESHAPE, "input %u must be one value", i);
    }
    *p = (nms_param){.images = s->dim[0],
                     .classes = s->dim[1],
                     .boxes = s->dim[2],
                     .cap = sn_op_has(c, 2) ? s->dim[2] : 0,
                     .center = sn_node_int(c->node, "center_point_box", 0) != 0};
    if (sn_op_has(c, 2) && c->in[2].cst) {
        int64_t max = sn_tensor_get_i64(&c->in[2].cst->t, 0);
        p->cap = max < 0 ? 0 : max < p->cap ? max : p->cap;
    }
    const setsuna_shape any = {2, {-1, 3}};
    sn_op_out(c, 0, SETSUNA_I64, &any);
    return SETSUNA_OK;
}

static setsuna_status nms_infer(sn_op_ctx *c)
{
    nms_param p;
    SN_TRY(nms_plan(c, &p));
    return (setsuna_status)SN_INFER_DYNAMIC;
}

/* ---- run time ------------------------------------------------------------------------------------ */

static nms_box nms_box_at(const nms_call *q, int64_t image, int64_t i)
{
    const float *b = q->boxes + (image * q->p->boxes + i) * 4;
    if (q->p->center) /* x, y, width, height */
        return (nms_box){b[1] - b[3] / 2, b[0] - b[2] / 2, b[1] + b[3] / 2, b[0] + b[2] / 2};
    /* any two opposite corners */
    return (nms_box){b[0] < b[2] ? b[0] : b[2], b[1] < b[3] ? b[1] : b[3], b[0] < b[2] ? b[2] : b[0],
                     b[1] < b[3] ? b[3] : b[1]};
}

static bool nms_overlap(nms_box a, nms_box b, float iou)
{
    float y0 = a.y0 > b.y0 ? a.y0 : b.y0, x0 = a.x0 > b.x0 ? a.x0 : b.x0;
    float y1 = a.y1 < b.y1 ? a.y1 : b.y1, x1 = a.x1 < b.x1 ? a.x1 : b.x1;
    float both = y1 > y0 && x1 > x0 ? (y1 - y0) * (x1 - x0) : 0;
    float area_a = (a.y1 - a.y0) * (a.x1 - a.x0), area_b = (b.y1 - b.y0) * (b.x1 - b.x0), any = area_a + area_b - both;
    return area_a > 0 && area_b > 0 && any > 0 && both / any > iou;
}

/* Does box i come before box j? Scores are no NaNs here. */
static bool nms_before(const float *score, int32_t i, int32_t j)
{
    return score[i] > score[j] || (!(score[i] < score[j]) && i < j);
}

static void nms_sift(const float *score, int32_t *heap, int64_t n, int64_t i)
{
    for (;;) {
        int64_t best = i;
        for (int64_t k = 2 * i + 1; k <= 2 * i + 2 && k < n; k++)
            if (nms_before(score, heap[k], heap[best]))
                best = k;
        if (best == i)
            return;
        int32_t t = heap[i];
        heap[i] = heap[best];
        heap[best] = t;
        i = best;
    }
}

static int64_t nms_class(const nms_call *q, int64_t image, int64_t class_index, int32_t *selected)
{
    const nms_param *p = q->p;
    const float *score = q->scores + (image * p->classes + class_index) * p->boxes;
    int64_t n = 0, count = 0, most = q->max < p->cap ? q->max : p->cap;
    for (int64_t i = 0; i < p->boxes; i++)
        if (q->has_least ? score[i] > q->least : score[i] == score[i]) /* never a NaN */
            q->heap[n++] = (int32_t)i;
    for (int64_t i = n / 2 - 1; i >= 0; i--)
        nms_sift(score, q->heap, n, i);
    while (n > 0 && count < most) {
        int32_t best = q->heap[0];
        q->heap[0] = q->heap[--n];
        nms_sift(score, q->heap, n, 0);
        nms_box box = nms_box_at(q, image, best);
        bool keep = true;
        for (int64_t i = 0; i < count && keep; i++)
            keep = !nms_overlap(box, nms_box_at(q, image, selected[i]), q->iou);
        if (keep)
            selected[count++] = best;
    }
    return count;
}

static setsuna_status nms_run(const sn_step *s, sn_run *r)
{
    const nms_param *p = s->param;
    const int64_t *max = sn_in(s, r, 2);
    const float *iou = sn_in(s, r, 3), *least = sn_in(s, r, 4);
    int64_t groups = p->images * p->classes, total = 0, *out;
    nms_call q = {.p = p,
                  .boxes = sn_in(s, r, 0),
                  .scores = sn_in(s, r, 1),
                  .max = max ? *max : 0,
                  .iou = iou ? *iou : 0,
                  .least = least ? *least : 0,
                  .has_least = least != NULL,
                  .count = r->scratch};
    q.heap = (int32_t *)(q.count + groups);
    q.selected = q.heap + p->boxes;
    for (int64_t g = 0; g < groups; g++)
        total += q.count[g] = nms_class(&q, g / p->classes, g % p->classes, q.selected + g * p->cap);
    const setsuna_shape shape = {2, {total, 3}};
    void *data;
    SN_TRY(sn_run_output(s, r, 0, SETSUNA_I64, &shape, &data));
    out = data;
    for (int64_t g = 0; g < groups && out; g++)
        for (int64_t i = 0; i < q.count[g]; i++, out += 3) {
            out[0] = g / p->classes;
            out[1] = g % p->classes;
            out[2] = q.selected[g * p->cap + i];
        }
    return SETSUNA_OK;
}

static setsuna_status nms_bind(sn_op_ctx *c, sn_step *s)
{
    nms_param *p = sn_op_param(c, sizeof *p);
    size_t groups, room, heap;
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(nms_plan(c, p));
    if (!p->boxes) /* then groups may be anything */
        p->images = 0;
    if (!sn_mul_size((size_t)p->images, (size_t)p->classes, &groups) || !sn_mul_size(groups, (size_t)p->cap, &room) ||
        !sn_add_size(room, (size_t)p->boxes, &heap) || !sn_mul_size(heap, sizeof(int32_t), &heap) ||
        !sn_mul_size(groups, sizeof(int64_t), &groups) || !sn_add_size(groups, heap, &s->scratch_bytes))
        return sn_op_fail(c, SETSUNA_ELIMIT, "there are too many boxes");
    s->run = nms_run;
    s->param = p;
    s->kernel = "nms";
    s->n_parts = 1;
    return SETSUNA_OK;
}

const sn_op sn_ops_nms[] = {
    {"", "NonMaxSuppression", 10, 0, 2, 5, 1, 1, 0, "center_point_box:i", nms_infer, nms_bind},
    {.name = NULL},
};
