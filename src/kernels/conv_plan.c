/* Tiling, splitting and packing of convolutions: everything about them that is not arithmetic on pixels. */
#include "kernels/conv.h"
#include <math.h>
#include <string.h>

enum {
    /* Cache shares of one thread, for a second level of 1 MiB a core: weights that stay while pixels pass over them,
     * pixels that stay while weights pass. */
    CONV_WEIGHTS_BYTES = 448 << 10,
    CONV_CHUNK_BYTES = 224 << 10,
    CONV_BAND_BYTES = 320 << 10,
    CONV_NEAR_BYTES = 20 << 10,        /* likewise, in a first level of 32 or 48 KiB */
    CONV_WINO_BYTES = 704 << 10,       /* transformed pixels and products */
    CONV_WINO_ONCE_BYTES = 1536 << 10, /* so much of them, if the weights then pass only once; and */
    CONV_WINO_FAR_BYTES = 3 << 20,     /* so much, if the weights do not stay in the second level */
    /* With fewer, parts share out the outputs instead, and each transforms all pixels. */
    CONV_WINO_TILES_PER_PART = 14,
    /* Below this a share is not worth the hand-over to another thread, which costs a fraction of a microsecond. */
    CONV_PART_FLOPS_DENSE = 800000,
    CONV_PART_FLOPS_DEPTHWISE = 200000
};

static int64_t conv_ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* Rows are walked in the inner loops, so a shape that can be seen as one long row is. */
static void conv_flatten(sn_conv_spec *s)
{
    bool whole = s->step_h == 1 && s->step_w == 1 && s->y_h == s->oh && s->y_w == s->ow;
    if (!whole)
        return;
    if (s->kh == 1 && s->kw == 1 && s->stride_h == 1 && s->stride_w == 1 && s->pad_top == 0 && s->pad_left == 0 &&
        s->ih == s->oh && s->iw == s->ow) {
        s->iw *= s->ih;
        s->ow *= s->oh;
        s->ih = s->oh = 1;
    } else if (s->kw == 1 && s->iw == 1 && s->ow == 1 && s->pad_left == 0) {
        s->iw = s->ih, s->ow = s->oh, s->kw = s->kh;
        s->stride_w = s->stride_h, s->dilation_w = s->dilation_h, s->pad_left = s->pad_top;
        s->ih = s->oh = s->kh = s->stride_h = s->dilation_h = 1;
        s->pad_top = 0;
    }
    s->y_h = s->oh;
    s->y_w = s->ow;
}

static void conv_set_strides(sn_conv *cv)
{
    const sn_conv_spec *s = &cv->s;
    int64_t b = cv->limits.block;
    if (s->plain_in) {
        cv->x_lanes = s->ic;
        cv->x_px = 1;
        cv->x_lane = s->ih * s->iw;
        cv->x_block = 0;
        cv->x_image = s->ic * cv->x_lane;
    } else {
        cv->x_lanes = b;
        cv->x_px = b;
        cv->x_lane = 1;
        cv->x_block = s->ih * s->iw * b;
        cv->x_image = conv_ceil_div(s->ic, b) * cv->x_block;
    }
    cv->x_row = s->iw * cv->x_px;
    cv->y_px = s->step_w * b;
    cv->y_row = s->step_h * s->y_w * b;
    cv->y_block = s->y_h * s->y_w * b;
    cv->out_blocks = conv_ceil_div(s->oc, b);
    cv->y_image = cv->out_blocks * cv->y_block;
}

static void conv_set_inner(sn_conv *cv)
{
    const sn_conv_spec *s = &cv->s;
    int64_t lo = conv_ceil_div(s->pad_left, s->stride_w);
    int64_t room = s->iw + s->pad_left - (s->kw - 1) * s->dilation_w;
    int64_t hi = room > 0 ? conv_ceil_div(room, s->stride_w) : 0;
    cv->inner_lo = lo < s->ow ? lo : s->ow;
    cv->inner_hi = hi < s->ow ? hi : s->ow;
    if (cv->inner_hi < cv->inner_lo)
        cv->inner_hi = cv->inner_lo;
}

/* Cycles of one step over the inputs of a tile of p pixels and v blocks: two multiply-adds and two loads a cycle, and
 * four cycles until a sum can be added to again. */
static double conv_tile_cycles(int64_t p, int64_t v)
{
    double c = fmax(0.5 * (double)(p * v), 0.5 * (double)(p + v));
    return fmax(c, 4) + 0.5;
}

/* Nearly equal pieces: `more` of them are base + 1 long, the others base. */
typedef struct conv_cut {
    int64_t n, base, more;
} conv_cut;

static conv_cut conv_cut_into(int64_t extent, int64_t n)
{
    return (conv_cut){n, extent / n, extent % n};
}

static double conv_grid_cycles(conv_cut px, conv_cut blocks)
{
    double sum = 0;
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 2; k++) {
            int64_t n = (i ? px.more : px.n - px.more) * (k ? blocks.more : blocks.n - blocks.more);
            if (n)
                sum += (double)n * conv_tile_cycles(px.base + i, blocks.base + k);
        }
    return sum;
}

/* What a half block saves of the cycles of its bundle, the last one, over all tiles of a row: one product of two inputs
 * where there were two, each with pixels of its own to load. */
static double conv_half_saving(conv_cut px, conv_cut blocks)
{
    double sum = 0;
    for (int i = 0; i < 2; i++) {
        double p = (double)(px.base + i), v = (double)blocks.base, loads = v > 1 ? 1.5 * p : 0.5 * p;
        double cycles = fmax(0.5 * p * (v - 0.5), 0.5 * (loads + v - 0.5)) + 0.5;
        sum += (double)(i ? px.more : px.n - px.more) * (conv_tile_cycles(px.base + i, blocks.base) - cycles);
    }
    return sum;
}

static bool conv_has_half(const sn_conv *cv)
{
    const sn_conv_spec *s = &cv->s;
    int64_t b = cv->limits.block, last = s->oc % b;
    /* All inputs at once: sums that wait in y would have to be taken apart again. */
    bool stay = (double)(cv->out_blocks * b) * (double)s->ic * 4 <= CONV_WEIGHTS_BYTES;
    return cv->limits.halves && sn_conv_is_point(s) && last > 0 && last <= b / 2 && s->ic % 2 == 0 && stay;
}

static void conv_choose_tile(sn_conv *cv)
{
    const sn_conv_spec *s = &cv->s;
    int64_t b = cv->limits.block, group_oc = s->oc / s->group;
    /* Bundles do not cross groups; where a block does, it is a bundle by itself. */
    bool aligned = s->group == 1 || group_oc % b == 0;
    int64_t unit = s->group == 1 || !aligned ? cv->out_blocks : group_oc / b;
    double best = (double)INFINITY;
    for (int64_t v = 1; v <= SN_CONV_BUNDLE_MAX && v <= unit; v++) {
        if (cv->limits.px_max[v - 1] == 0 || (!aligned && v > 1))
            break;
        conv_cut blocks = conv_cut_into(cv->out_blocks, cv->out_blocks / unit * conv_ceil_div(unit, v));
        conv_cut px = conv_cut_into(s->ow, conv_ceil_div(s->ow, cv->limits.px_max[v - 1]));
        double cycles = conv_grid_cycles(px, blocks) - (cv->half ? conv_half_saving(px, blocks) : 0);
        if (cycles < best) {
            best = cycles;
            cv->n_bundle = blocks.n, cv->bundle_base = blocks.base, cv->bundle_more = blocks.more;
            cv->row_tiles = px.n, cv->tile_base = px.base, cv->tile_more = px.more;
        }
    }
}

/* Which of weights and pixels stays in cache while the other passes: the choice that moves fewer bytes. */
static void conv_choose_order(sn_conv *cv)
{
    const sn_conv_spec *s = &cv->s;
    double weights = 4.0 * (double)sn_conv_weights_size(cv), pixels = 4.0 * (double)cv->x_image * (double)s->n;
    if (weights <= CONV_WEIGHTS_BYTES) { /* all weights stay, and every pixel is fetched once */
        double tile = 4.0 * (double)(s->ic * s->stride_w * s->stride_h) * (double)(cv->tile_base + 1);
        cv->chunk = conv_ceil_div(s->ic, cv->x_lanes) * cv->x_lanes;
        cv->band_tiles = (int64_t)fmax(1, CONV_NEAR_BYTES / tile);
        return;
    }
    double blocks = (double)(cv->bundle_base + (cv->bundle_more > 0));
    double per_block = 4.0 * (double)(s->kh * s->kw * cv->x_lanes * cv->limits.block) * blocks;
    cv->chunk = (int64_t)fmax(1, CONV_CHUNK_BYTES / per_block) * cv->x_lanes;
    double bands = ceil(pixels / CONV_BAND_BYTES);
    bool weights_once = pixels * (double)cv->n_bundle <= weights * bands + pixels;
    cv->band_tiles = weights_once || bands <= 1 ? cv->n_tile : (int64_t)ceil((double)cv->n_tile / bands);
}

/* ---- Winograd ---- */

/* Cycles of all products of a chunk of n tiles, of its transforms, and of bringing the weights. */
static double conv_wino_cycles(const sn_conv *cv, int64_t n, bool weights_stay)
{
    const sn_conv_spec *s = &cv->s;
    double in_blocks = (double)conv_ceil_div(s->ic, cv->limits.block), out_blocks = (double)cv->out_blocks;
    conv_cut px = {cv->row_tiles, cv->tile_base, cv->tile_more};
    conv_cut blocks = {cv->n_bundle, cv->bundle_base, cv->bundle_more};
    double products = (double)(sn_conv_wino_products(cv) * s->ic) * conv_grid_cycles(px, blocks);
    bool line = cv->wino_h == 1 || cv->wino_w == 1;
    /* Measured: a tile of a block takes so many cycles to transform in, and out. */
    double in = line ? 20 : cv->wino_w == 2 ? 70 : 130, out = line ? 20 : cv->wino_w == 2 ? 50 : 110;
    double transforms = (double)n * (in * in_blocks + out * out_blocks);
    double weights = 4.0 * (double)sn_conv_weights_size(cv);
    /* From the second level, or from memory. Those of a line are twice what a direct sum has to bring as well. */
    double bytes_per_cycle = weights_stay ? 32 : line ? 18 : 9;
    return fmax(products, weights / bytes_per_cycle) + transforms;
}

/* The convolution as a Winograd product with `out` outputs a tile along each axis with three taps. Returns its cycles.
 */
static double conv_plan_winograd(sn_conv *w, int64_t out)
{
    sn_conv_spec *s = &w->s;
    int64_t b = w->limits.block, in_blocks = conv_ceil_div(s->ic, b), ow = s->ow;
    w->winograd = true;
    w->wino_h = s->kh == 3 ? out : 1, w->wino_w = s->kw == 3 ? out : 1;
    w->wino_rows = conv_ceil_div(s->oh, w->wino_h), w->wino_cols = conv_ceil_div(s->ow, w->wino_w);
    w->n_tile = s->n * w->wino_rows * w->wino_cols;
    double per_tile = 4.0 * (double)sn_conv_wino_products(w) * (double)((in_blocks + w->out_blocks) * b);
    int64_t most = w->limits.px_max[1] ? w->limits.px_max[1] : w->limits.px_max[0];
    int64_t chunk = (int64_t)fmax(CONV_WINO_BYTES / per_tile, (double)most);
    chunk = chunk > most ? chunk / most * most : chunk;
    double weights = 4.0 * (double)sn_conv_weights_size(w);
    double once = weights > 1 << 20 ? CONV_WINO_FAR_BYTES : CONV_WINO_ONCE_BYTES;
    w->band_tiles = w->n_tile < chunk || (double)w->n_tile * per_tile <= once ? w->n_tile : chunk;
    s->ow = w->band_tiles; /* what conv_choose_tile cuts */
    conv_choose_tile(w);
    s->ow = ow;
    double chunks = (double)w->n_tile / (double)w->band_tiles;
    return chunks * conv_wino_cycles(w, w->band_tiles, chunks > 1 && weights < 2e6);
}

/* Three taps along one axis or both. */
static bool conv_wino_taps(int64_t kh, int64_t kw)
{
    return (kh == 3 || kh == 1) && (kw == 3 || kw == 1) && kh * kw > 1;
}

/* Tries the convolution as a Winograd product; otherwise *cv stays as it is. */
static void conv_try_winograd(sn_conv *cv, double direct_cycles)
{
    const sn_conv_spec *s = &cv->s;
    sn_conv_wino_use use = cv->limits.winograd;
    if (use == SN_CONV_WINO_NEVER || !conv_wino_taps(s->kh, s->kw) || s->stride_h != 1 || s->stride_w != 1 ||
        s->dilation_h != 1 || s->dilation_w != 1 || s->group != 1 || s->plain_in || s->step_h != 1 || s->step_w != 1)
        return;
    sn_conv best = *cv, small = *cv;
    double cycles = conv_plan_winograd(&best, 4);
    if (s->kh == 3 && s->kw == 3 && use != SN_CONV_WINO_ALWAYS4) {
        double small_cycles = conv_plan_winograd(&small, 2);
        if (use == SN_CONV_WINO_ALWAYS2 || small_cycles < 0.95 * cycles) {
            best = small;
            cycles = small_cycles;
        }
    }
    if (use != SN_CONV_WINO_FAST || cycles <= 0.8 * direct_cycles)
        *cv = best;
}

void sn_conv_plan(const sn_conv_spec *spec, const sn_conv_limits *limits, sn_conv *out)
{
    sn_conv *cv = out;
    *cv = (sn_conv){.s = *spec, .limits = *limits, .depthwise = sn_conv_is_depthwise(spec)};
    sn_conv_spec *s = &cv->s;
    double outputs = (double)s->n * (double)s->oh * (double)s->ow * (double)s->oc;
    cv->flops = 2 * outputs * (double)s->ic / (double)s->group * (double)s->kh * (double)s->kw;
    conv_flatten(s);
    conv_set_strides(cv);
    conv_set_inner(cv);
    cv->n_bundle = cv->out_blocks, cv->bundle_base = 1;
    cv->row_tiles = 1, cv->tile_base = s->ow;
    cv->band_tiles = cv->chunk = cv->bundle_k = 1;
    if (cv->depthwise) {
        cv->n_tile = s->n * cv->out_blocks * s->oh;
        return;
    }
    cv->half = conv_has_half(cv);
    if (s->ow > 0)
        conv_choose_tile(cv);
    cv->n_tile = s->ow > 0 ? s->n * s->oh * cv->row_tiles : 0;
    for (int64_t i = 0; i < cv->n_bundle; i++) {
        int64_t c0, c1;
        sn_conv_bundle_inputs(cv, i, &c0, &c1);
        cv->bundle_k = c1 - c0 > cv->bundle_k ? c1 - c0 : cv->bundle_k;
    }
    conv_choose_order(cv);
    conv_cut px = {cv->row_tiles, cv->tile_base, cv->tile_more};
    conv_cut blocks = {cv->n_bundle, cv->bundle_base, cv->bundle_more};
    double taps = (double)s->ic * (double)(s->kh * s->kw);
    if (cv->n_tile > 0)
        conv_try_winograd(cv, (double)(s->n * s->oh) * taps * conv_grid_cycles(px, blocks));
}

size_t sn_conv_scratch_bytes(const sn_conv *cv, uint32_t n_parts)
{
    return cv->winograd ? (size_t)sn_conv_wino_part_floats(cv) * sizeof(float) * n_parts : 0;
}

void sn_conv_spec_open(sn_conv_spec *s)
{
    s->act = SN_CONV_CLAMP;
    s->alpha = -INFINITY;
    s->beta = INFINITY;
    s->scale = 1;
    s->shift = 0;
}

uint32_t sn_conv_parts(const sn_conv *cv, uint32_t n_threads)
{
    double worth = cv->flops / (cv->depthwise ? CONV_PART_FLOPS_DEPTHWISE : CONV_PART_FLOPS_DENSE);
    if (worth < 2)
        return 1;
    return worth < (double)n_threads ? (uint32_t)worth : n_threads;
}

void sn_conv_bundle_inputs(const sn_conv *cv, int64_t bundle, int64_t *c0, int64_t *c1)
{
    const sn_conv_spec *s = &cv->s;
    int64_t b = cv->limits.block, group_oc = s->oc / s->group, group_ic = s->ic / s->group;
    int64_t first = sn_conv_bundle_begin(cv, bundle) * b;
    int64_t end = sn_conv_bundle_begin(cv, bundle + 1) * b;
    end = end < s->oc ? end : s->oc;
    *c0 = first / group_oc * group_ic;
    *c1 = ((end - 1) / group_oc + 1) * group_ic;
}

sn_conv_share sn_conv_part(const sn_conv *cv, uint32_t part, uint32_t n_parts)
{
    if (cv->depthwise)
        return (sn_conv_share){0, 1, cv->n_tile * part / n_parts, cv->n_tile * (part + 1) / n_parts};
    if (cv->winograd && cv->n_tile < CONV_WINO_TILES_PER_PART * (int64_t)n_parts && cv->n_bundle >= n_parts)
        return (sn_conv_share){cv->n_bundle * part / n_parts, cv->n_bundle * (part + 1) / n_parts, 0, cv->n_tile};
    /* A grid of by_bundle x by_tile parts whose largest part is smallest. On a tie, split what is larger. */
    double weights = (double)sn_conv_weights_size(cv), pixels = (double)cv->x_image * (double)cv->s.n;
    int64_t best = INT64_MAX, grid = 1;
    for (int64_t k = 1; k <= n_parts; k++) {
        int64_t by = weights > pixels ? (int64_t)n_parts + 1 - k : k;
        if (n_parts % by)
            continue;
        int64_t load = conv_ceil_div(cv->n_bundle, by) * conv_ceil_div(cv->n_tile, n_parts / by);
        if (load < best) {
            best = load;
            grid = by;
        }
    }
    /* grid and rows are at least 1: grid divides n_parts. NOLINTBEGIN(clang-analyzer-core.DivideZero) */
    int64_t rows = n_parts / grid, i = part / rows, k = part % rows;
    /* NOLINTEND(clang-analyzer-core.DivideZero) */
    return (sn_conv_share){cv->n_bundle * i / grid, cv->n_bundle * (i + 1) / grid, cv->n_tile * k / rows,
                           cv->n_tile * (k + 1) / rows};
}

size_t sn_conv_weights_size(const sn_conv *cv)
{
    int64_t taps = cv->winograd ? sn_conv_wino_products(cv) : cv->s.kh * cv->s.kw;
    return (size_t)(cv->out_blocks * cv->limits.block * cv->bundle_k * taps);
}

size_t sn_conv_bias_size(const sn_conv *cv)
{
    return (size_t)(cv->out_blocks * cv->limits.block);
}

static float conv_load(const void *base, int64_t index)
{
    float v;
    memcpy(&v, (const char *)base + index * 4, 4);
    return v;
}

/* Weights of the output channels [o, o + n), all of one group or each its own, for input channel i of the group:
 * outputs side by side, taps at distance dst_tap. */
static void conv_pack_channel(const sn_conv *cv, const sn_conv_weights *from, int64_t o, int64_t n, int64_t i,
                              float *dst, int64_t dst_tap)
{
    const char *w = (const char *)from->w + (o * from->w_out + i * from->w_in) * 4;
    const char *factor = from->factor ? (const char *)from->factor + o * 4 : NULL;
    const int64_t taps = cv->s.kh * cv->s.kw, next = from->w_out * 4;
    for (int64_t k = 0; k < taps; k++, w += from->w_tap * 4, dst += dst_tap) {
        const char *at = w;
        for (int64_t lane = 0; lane < n; lane++, at += next)
            memcpy(dst + lane, at, sizeof *dst);
        for (int64_t lane = 0; factor && lane < n; lane++)
            dst[lane] *= conv_load(factor, lane);
    }
}

static void conv_pack_bundle(const sn_conv *cv, const sn_conv_weights *from, int64_t bundle, float *dst)
{
    const sn_conv_spec *s = &cv->s;
    int64_t b = cv->limits.block, group_oc = s->oc / s->group, group_ic = s->ic / s->group, c0, c1;
    int64_t block = sn_conv_bundle_begin(cv, bundle), width = (sn_conv_bundle_begin(cv, bundle + 1) - block) * b;
    float *base = dst + sn_conv_bundle_weights(cv, block);
    sn_conv_bundle_inputs(cv, bundle, &c0, &c1);
    for (int64_t c = c0; c < c1; c++) {
        int64_t begin = c / cv->x_lanes * cv->x_lanes, end = begin + cv->x_lanes; /* c's block of x... */
        begin = begin > c0 ? begin : c0;                                          /* ...as far as it is read */
        end = end < c1 ? end : c1;
        /* The outputs of c's group that this bundle makes. */
        int64_t o0 = c / group_ic * group_oc, o1 = o0 + group_oc, first = block * b;
        o0 = o0 > first ? o0 : first;
        o1 = o1 < first + width ? o1 : first + width;
        float *at = base + ((begin - c0) * s->kh * s->kw + (c - begin)) * width + (o0 - first);
        conv_pack_channel(cv, from, o0, o1 - o0, c % group_ic, at, (end - begin) * width);
    }
}

/* The bundle that ends with a half block. */
static void conv_pack_half(const sn_conv *cv, const sn_conv_weights *from, int64_t bundle, float *dst)
{
    float lane[64];
    int64_t b = cv->limits.block, block = sn_conv_bundle_begin(cv, bundle), first = block * b;
    int64_t whole = (cv->out_blocks - 1) * b, rest = cv->s.oc - whole;
    dst += sn_conv_bundle_weights(cv, block);
    for (int64_t c = 0; c < cv->s.ic; c += 2) {
        for (int64_t i = 0; i < 2; i++, dst += whole - first)
            conv_pack_channel(cv, from, first, whole - first, c + i, dst, 0);
        for (int64_t i = 0; i < 2; i++) {
            conv_pack_channel(cv, from, whole, rest, c + i, lane, 0);
            for (int64_t k = 0; k < rest; k++)
                dst[2 * k + i] = lane[k];
        }
        dst += b;
    }
}

void sn_conv_pack_weights(const sn_conv *cv, const sn_conv_weights *from, float *dst)
{
    int64_t b = cv->limits.block;
    for (int64_t i = 0; !cv->depthwise && i < cv->n_bundle - cv->half; i++)
        conv_pack_bundle(cv, from, i, dst);
    if (cv->half)
        conv_pack_half(cv, from, cv->n_bundle - 1, dst);
    for (int64_t o = 0; cv->depthwise && o < cv->s.oc; o += b)
        conv_pack_channel(cv, from, o, cv->s.oc - o < b ? cv->s.oc - o : b, 0, dst + o * cv->s.kh * cv->s.kw, b);
}

void sn_conv_pack_bias(const sn_conv *cv, const void *bias, float *dst)
{
    for (int64_t o = 0; bias && o < cv->s.oc; o++)
        dst[o] = conv_load(bias, o);
}

double sn_conv_winograd_flops(const sn_conv *cv)
{
    double products = (double)sn_conv_wino_products(cv) * (double)cv->n_tile;
    return cv->winograd ? 2 * products * (double)cv->s.ic * (double)cv->s.oc : 0;
}
