#include "pipeline/image_resize.h"
#include <math.h>
#include <string.h>

/* Bilinear weights are 11-bit, so that a weighted sum of two 8-bit samples is exact in 19 bits; 4 are dropped before
 * the vertical pass, which leaves an i16 with 7 fractional bits there (255 * 128 < 2^15). */
enum { COEF_BITS = 11, COEF_ONE = 1 << COEF_BITS, ROW_DROP = 4, ROW_BITS = COEF_BITS - ROW_DROP };

void sn_resize_scratch_fini(const sn_allocator *a, sn_resize_scratch *scratch)
{
    sn_free(a, scratch->data);
    *scratch = (sn_resize_scratch){0};
}

static void *resize_scratch_get(const sn_allocator *a, sn_resize_scratch *scratch, size_t bytes)
{
    if (bytes > scratch->capacity_bytes) {
        void *fresh = sn_alloc(a, bytes);
        if (!fresh)
            return NULL;
        sn_free(a, scratch->data);
        scratch->data = fresh;
        scratch->capacity_bytes = bytes;
    }
    return scratch->data;
}

/* ---- bilinear ---------------------------------------------------------------------------------------- */

/* Two neighbouring samples and the weight of the second, for each output position along one axis. */
typedef struct resize_tap {
    int32_t first, second;
    int32_t weight; /* in [0, COEF_ONE] */
} resize_tap;

static resize_tap resize_tap_at(int32_t out, int32_t n_out, int32_t n_in)
{
    double at = ((double)out + 0.5) * (double)n_in / (double)n_out - 0.5;
    double whole = floor(at);
    int32_t i = (int32_t)whole;
    if (i < 0)
        return (resize_tap){0, 0, 0};
    if (i >= n_in - 1)
        return (resize_tap){n_in - 1, n_in - 1, 0};
    return (resize_tap){i, i + 1, (int32_t)lrint((at - whole) * COEF_ONE)};
}

/* One source row to output width. tap.first and .second count samples here, not pixels. */
static void resize_row_bilinear(const uint8_t *src, const resize_tap *taps, int32_t width, int32_t channels,
                                int16_t *out)
{
    const int32_t round = 1 << (ROW_DROP - 1);
    if (channels == 3) { /* the usual case, unrolled */
        for (int32_t x = 0; x < width; x++, out += 3) {
            const uint8_t *p = src + taps[x].first, *q = src + taps[x].second;
            int32_t w = taps[x].weight, v = COEF_ONE - w;
            out[0] = (int16_t)((p[0] * v + q[0] * w + round) >> ROW_DROP);
            out[1] = (int16_t)((p[1] * v + q[1] * w + round) >> ROW_DROP);
            out[2] = (int16_t)((p[2] * v + q[2] * w + round) >> ROW_DROP);
        }
        return;
    }
    for (int32_t x = 0; x < width; x++, out += channels) {
        const uint8_t *p = src + taps[x].first, *q = src + taps[x].second;
        int32_t w = taps[x].weight, v = COEF_ONE - w;
        for (int32_t c = 0; c < channels; c++)
            out[c] = (int16_t)((p[c] * v + q[c] * w + round) >> ROW_DROP);
    }
}

static void resize_blend_rows(const int16_t *restrict upper, const int16_t *restrict lower, int32_t weight, size_t n,
                              uint8_t *restrict out)
{
    const int16_t w = (int16_t)weight, v = (int16_t)(COEF_ONE - weight);
    const int32_t round = 1 << (ROW_BITS + COEF_BITS - 1);
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)((upper[i] * v + lower[i] * w + round) >> (ROW_BITS + COEF_BITS));
}

static setsuna_status resize_bilinear(const sn_allocator *a, const sn_image *src, sn_image *dst,
                                      sn_resize_scratch *scratch)
{
    size_t width = (size_t)dst->width, channels = (size_t)dst->channels, row = width * channels;
    size_t taps_bytes = width * sizeof(resize_tap);
    uint8_t *memory = resize_scratch_get(a, scratch, taps_bytes + 2 * row * sizeof(int16_t));
    if (!memory)
        return SETSUNA_ENOMEM;
    resize_tap *taps = (resize_tap *)(void *)memory;
    int16_t *rows[2] = {(int16_t *)(void *)(memory + taps_bytes), (int16_t *)(void *)(memory + taps_bytes) + row};
    for (int32_t x = 0; x < dst->width; x++) {
        taps[x] = resize_tap_at(x, dst->width, src->width);
        taps[x].first *= src->channels;
        taps[x].second *= src->channels;
    }
    int32_t have[2] = {-1, -1}; /* source rows that rows[] hold; row y lives in slot y % 2 */
    for (int32_t y = 0; y < dst->height; y++) {
        resize_tap t = resize_tap_at(y, dst->height, src->height);
        const int32_t need[2] = {t.first, t.second};
        for (int i = 0; i < 2; i++) {
            if (have[need[i] % 2] == need[i])
                continue;
            resize_row_bilinear(sn_image_row(src, need[i]), taps, dst->width, dst->channels, rows[need[i] % 2]);
            have[need[i] % 2] = need[i];
        }
        resize_blend_rows(rows[t.first % 2], rows[t.second % 2], t.weight, row, sn_image_row(dst, y));
    }
    return SETSUNA_OK;
}

/* ---- area -------------------------------------------------------------------------------------------- */

/* Output position `out` of n_out covers [begin, end) of the n_in source positions; f32 is exact enough: sides are below
 * 2^16, so that a fraction keeps 8 bits. */
typedef struct resize_span {
    int32_t first, last; /* inclusive */
    float head, tail;    /* shares of first and last; inner positions count 1 */
    float scale;         /* 1 / (end - begin) */
} resize_span;

static resize_span resize_span_at(int32_t out, int32_t n_out, int32_t n_in)
{
    double step = (double)n_in / (double)n_out, begin = (double)out * step, end = begin + step;
    resize_span s;
    s.first = (int32_t)begin;
    s.last = (int32_t)ceil(end) - 1;
    if (s.last > n_in - 1)
        s.last = n_in - 1;
    if (s.last < s.first)
        s.last = s.first;
    s.head = (float)((double)s.first + 1.0 - begin);
    s.tail = (float)(end - (double)s.last);
    if (s.first == s.last)
        s.head = s.tail = (float)step;
    s.scale = (float)(1.0 / step);
    return s;
}

static void resize_row_area(const uint8_t *src, const resize_span *spans, int32_t width, int32_t channels, float *out)
{
    for (int32_t x = 0; x < width; x++) {
        const resize_span *s = &spans[x];
        for (int32_t c = 0; c < channels; c++) {
            const uint8_t *p = src + (size_t)s->first * (size_t)channels + (size_t)c;
            float sum = (float)*p * s->head;
            for (int32_t i = s->first + 1; i < s->last; i++)
                sum += (float)*(p += channels);
            if (s->last > s->first)
                sum += (float)p[channels] * s->tail;
            *out++ = sum * s->scale;
        }
    }
}

static setsuna_status resize_area(const sn_allocator *a, const sn_image *src, sn_image *dst, sn_resize_scratch *scratch)
{
    size_t width = (size_t)dst->width, row = width * (size_t)dst->channels, spans_bytes = width * sizeof(resize_span);
    uint8_t *memory = resize_scratch_get(a, scratch, spans_bytes + 2 * row * sizeof(float));
    if (!memory)
        return SETSUNA_ENOMEM;
    resize_span *spans = (resize_span *)(void *)memory;
    float *one = (float *)(void *)(memory + spans_bytes), *sum = one + row;
    for (int32_t x = 0; x < dst->width; x++)
        spans[x] = resize_span_at(x, dst->width, src->width);
    for (int32_t y = 0; y < dst->height; y++) {
        resize_span s = resize_span_at(y, dst->height, src->height);
        memset(sum, 0, row * sizeof *sum);
        for (int32_t i = s.first; i <= s.last; i++) {
            float share = i == s.first ? s.head : i == s.last ? s.tail : 1.0f;
            resize_row_area(sn_image_row(src, i), spans, dst->width, dst->channels, one);
            for (size_t k = 0; k < row; k++)
                sum[k] += one[k] * share;
        }
        uint8_t *out = sn_image_row(dst, y);
        for (size_t k = 0; k < row; k++) {
            float v = sum[k] * s.scale + 0.5f;
            out[k] = v < 255.0f ? (uint8_t)v : 255;
        }
    }
    return SETSUNA_OK;
}

static bool resize_is_empty(const sn_image *image)
{
    return !image->data || image->width < 1 || image->height < 1;
}

setsuna_status sn_resize(const sn_allocator *a, const sn_image *src, sn_image *dst, sn_resize_method method,
                         sn_resize_scratch *scratch)
{
    if (resize_is_empty(src) || resize_is_empty(dst) || src->channels != dst->channels)
        return SETSUNA_EINVAL;
    if (src->width == dst->width && src->height == dst->height) {
        for (int32_t y = 0; y < src->height; y++)
            memcpy(sn_image_row(dst, y), sn_image_row(src, y), (size_t)src->width * (size_t)src->channels);
        return SETSUNA_OK;
    }
    bool shrinks = dst->width <= src->width && dst->height <= src->height;
    return method == SN_RESIZE_AREA && shrinks ? resize_area(a, src, dst, scratch)
                                               : resize_bilinear(a, src, dst, scratch);
}

/* ---- fitting ------------------------------------------------------------------------------------------ */

static int32_t fit_round_at_least_1(double v)
{
    return v < 1.0 ? 1 : (int32_t)lrint(v);
}

static void fit_letterbox(const sn_fit_options *o, int32_t w, int32_t h, sn_fit_geometry *g)
{
    double scale = fmin((double)o->width / w, (double)o->height / h);
    g->canvas_width = o->width;
    g->canvas_height = o->height;
    g->width = fit_round_at_least_1(fmin(w * scale, o->width));
    g->height = fit_round_at_least_1(fmin(h * scale, o->height));
    g->x = (o->width - g->width) / 2;
    g->y = (o->height - g->height) / 2;
}

static void fit_limit(const sn_fit_options *o, int32_t w, int32_t h, sn_fit_geometry *g)
{
    int32_t longer = w > h ? w : h, shorter = w > h ? h : w;
    double ratio = 1.0;
    if (o->limit_max && longer > o->limit_max)
        ratio = (double)o->limit_max / longer;
    else if (o->limit_min && shorter < o->limit_min)
        ratio = (double)o->limit_min / shorter;
    double m = o->multiple;
    g->width = (int32_t)(fmax(rint(fmin(w * ratio, SN_IMAGE_SIDE_MAX * 2.0) / m), 1.0) * m);
    g->height = (int32_t)(fmax(rint(fmin(h * ratio, SN_IMAGE_SIDE_MAX * 2.0) / m), 1.0) * m);
    g->canvas_width = g->width;
    g->canvas_height = g->height;
}

static void fit_height(const sn_fit_options *o, int32_t w, int32_t h, sn_fit_geometry *g)
{
    int32_t max = o->max_width ? o->max_width : SN_IMAGE_SIDE_MAX;
    double wide = ceil((double)o->height * w / h);
    g->height = g->canvas_height = o->height;
    g->width = wide > max ? max : (int32_t)wide;
    if (o->cut && wide > max)
        g->src_width = fit_round_at_least_1((double)max * h / o->height);
    int32_t canvas = g->width > o->min_width ? g->width : o->min_width;
    canvas = (canvas + o->multiple - 1) / o->multiple * o->multiple;
    g->canvas_width = canvas;
}

setsuna_status sn_fit_geometry_compute(const sn_fit_options *o, int32_t src_width, int32_t src_height,
                                       sn_fit_geometry *out, setsuna_error *err)
{
    bool sized = o->fit == SN_FIT_STRETCH || o->fit == SN_FIT_LETTERBOX, high = sized || o->fit == SN_FIT_HEIGHT;
    if (src_width < 1 || src_height < 1 || src_width > SN_IMAGE_SIDE_MAX || src_height > SN_IMAGE_SIDE_MAX)
        return sn_fail(err, SETSUNA_EINVAL, NULL, "cannot resize a picture of %d x %d pixels", src_width, src_height);
    if ((sized && (o->width < 1 || o->width > SN_IMAGE_SIDE_MAX)) ||
        (high && (o->height < 1 || o->height > SN_IMAGE_SIDE_MAX)))
        return sn_fail(err, SETSUNA_EINVAL, NULL, "cannot resize to %d x %d pixels", o->width, o->height);
    if (!sized &&
        (o->multiple < 1 || o->multiple > SN_IMAGE_SIDE_MAX || o->limit_max < 0 || o->limit_min < 0 ||
         o->min_width < 0 || o->min_width > SN_IMAGE_SIDE_MAX || o->max_width < 0 || o->max_width > SN_IMAGE_SIDE_MAX))
        return sn_fail(err, SETSUNA_EINVAL, NULL, "a limit, width or multiple is outside [0, %d]", SN_IMAGE_SIDE_MAX);
    sn_fit_geometry g = {.src_width = src_width};
    switch (o->fit) {
    case SN_FIT_STRETCH:
        g.canvas_width = g.width = o->width;
        g.canvas_height = g.height = o->height;
        break;
    case SN_FIT_LETTERBOX: fit_letterbox(o, src_width, src_height, &g); break;
    case SN_FIT_LIMIT: fit_limit(o, src_width, src_height, &g); break;
    case SN_FIT_HEIGHT: fit_height(o, src_width, src_height, &g); break;
    }
    uint64_t pixels_max = o->pixels_max ? o->pixels_max : SN_IMAGE_PIXELS_DEFAULT;
    if (g.canvas_width > SN_IMAGE_SIDE_MAX || g.canvas_height > SN_IMAGE_SIDE_MAX ||
        (uint64_t)g.canvas_width * (uint64_t)g.canvas_height > pixels_max)
        return sn_fail(err, SETSUNA_ELIMIT, NULL, "resizing %d x %d pixels as asked gives %d x %d; set a smaller limit",
                       src_width, src_height, g.canvas_width, g.canvas_height);
    g.to_source = (sn_transform){(float)g.src_width / (float)g.width, (float)src_height / (float)g.height, (float)g.x,
                                 (float)g.y};
    *out = g;
    return SETSUNA_OK;
}

/* Fills what the resized picture leaves of the canvas. */
static void fit_fill_rest(sn_image *dst, const sn_fit_geometry *g, const uint8_t *fill)
{
    int32_t c = dst->channels;
    for (int32_t y = 0; y < dst->height; y++) {
        bool inside = y >= g->y && y < g->y + g->height;
        uint8_t *row = sn_image_row(dst, y);
        for (int32_t x = 0; x < dst->width; x++) {
            if (inside && x == g->x)
                x += g->width;
            if (x < dst->width)
                memcpy(row + (size_t)x * (size_t)c, fill, (size_t)c);
        }
    }
}

setsuna_status sn_resize_fit(const sn_allocator *a, const sn_image *src, const sn_fit_options *options, sn_image *dst,
                             sn_resize_scratch *scratch, sn_fit_geometry *geometry_out, setsuna_error *err)
{
    sn_fit_geometry g;
    SN_TRY(sn_fit_geometry_compute(options, src->width, src->height, &g, err));
    setsuna_status status = sn_image_reserve(a, dst, g.canvas_width, g.canvas_height, src->channels);
    if (status == SETSUNA_OK) {
        sn_image part = *dst, used = *src;
        used.width = g.src_width;
        part.data = sn_image_row(dst, g.y) + (size_t)g.x * (size_t)dst->channels;
        part.width = g.width;
        part.height = g.height;
        part.capacity_bytes = 0;
        if (g.width != g.canvas_width || g.height != g.canvas_height)
            fit_fill_rest(dst, &g, options->fill);
        status = sn_resize(a, &used, &part, options->method, scratch);
    }
    if (status != SETSUNA_OK)
        return sn_fail(err, status, NULL, "cannot resize %d x %d pixels to %d x %d: %s", src->width, src->height,
                       g.canvas_width, g.canvas_height, setsuna_status_text(status));
    if (geometry_out)
        *geometry_out = g;
    return SETSUNA_OK;
}
