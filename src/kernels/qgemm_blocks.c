/* Products of integers cut into tiles, and their packed operand. */
#include "base/pool.h"
#include "kernels/qgemm.h"
#include <string.h>

/* Of a that all panels pass over before more of it is read: together with a panel of b it stays in the second-level
 * cache. */
enum { QGEMM_BAND_BYTES = 192 << 10 };

/* Groups of k from which on a panel is long enough to be waited for. */
enum { QGEMM_AHEAD_STEPS = 64 };

static int64_t qgemm_groups(const sn_qgemm_limits *l, int64_t k)
{
    return (k + l->group - 1) / l->group;
}

static size_t qgemm_panel_bytes(const sn_qgemm_limits *l, int64_t n_tap, int64_t k)
{
    return (size_t)(n_tap * qgemm_groups(l, k) * l->nr * l->group * l->bytes);
}

size_t sn_qgemm_packed_bytes(const sn_qgemm_limits *l, int64_t n, int64_t n_tap, int64_t k)
{
    return (size_t)((n + l->nr - 1) / l->nr) * qgemm_panel_bytes(l, n_tap, k);
}

static int32_t qgemm_value(const sn_qgemm_source *s, int64_t at)
{
    uint8_t b = s->w[at];
    return (s->is_signed ? (int32_t)(int8_t)b : (int32_t)b) - s->base;
}

/* Column n of one tap. */
static int32_t qgemm_pack_column(const sn_qgemm_limits *l, const sn_qgemm_source *s, int64_t at, char *dst)
{
    int32_t sum = 0;
    for (int64_t x = 0; x < s->xs; x++)
        for (int64_t i = 0; i < s->c; i++) {
            int64_t k = x * s->c + i, to = (k / l->group * l->nr * l->group + k % l->group) * l->bytes;
            int32_t v = qgemm_value(s, at + x * s->at_x + i * s->at_i);
            int16_t wide = (int16_t)v;
            if (l->bytes == 1)
                dst[to] = (char)v;
            else
                memcpy(dst + to, &wide, sizeof wide);
            sum = (int32_t)((uint32_t)sum + (uint32_t)v);
        }
    return sum;
}

void sn_qgemm_pack(const sn_qgemm_limits *l, int64_t n, int64_t n_tap, const sn_qgemm_source *from, void *dst,
                   int32_t *col_sum)
{
    int64_t k = from->xs * from->c, tap_bytes = qgemm_groups(l, k) * l->nr * l->group * l->bytes;
    for (int64_t j = 0; j < n; j++) {
        char *column =
            (char *)dst + (size_t)(j / l->nr) * qgemm_panel_bytes(l, n_tap, k) + j % l->nr * l->group * l->bytes;
        uint32_t sum = 0;
        for (int64_t t = 0; t < n_tap; t++)
            sum += (uint32_t)qgemm_pack_column(l, from, j * from->at_n + t * from->at_tap, column + t * tap_bytes);
        if (col_sum)
            col_sum[j] = (int32_t)sum;
    }
}

/* Tiles of a row have tile_px or one less pixels. */
typedef struct qgemm_cut {
    int64_t row_tiles, band; /* tiles of a row; tiles in a band */
    int64_t panels;
} qgemm_cut;

static qgemm_cut qgemm_cut_of(const sn_qgemm_table *t, const sn_qgemm *g)
{
    qgemm_cut c = {.row_tiles = (g->pixels + t->limits.mr - 1) / t->limits.mr,
                   .panels = (g->n + t->limits.nr - 1) / t->limits.nr};
    int64_t tile_bytes = (g->pixels / c.row_tiles + 1) * g->px_step_bytes;
    c.band = tile_bytes < QGEMM_BAND_BYTES ? QGEMM_BAND_BYTES / (tile_bytes ? tile_bytes : 1) : 1;
    if (c.band > g->rows * c.row_tiles)
        c.band = g->rows * c.row_tiles;
    return c;
}

/* Pixels [*from, *to) of tile i of a row. */
static void qgemm_tile_range(const sn_qgemm *g, const qgemm_cut *c, int64_t i, int64_t *from, int64_t *to)
{
    int64_t base = g->pixels / c->row_tiles, more = g->pixels % c->row_tiles;
    *from = i * base + (i < more ? i : more);
    *to = *from + base + (i < more);
}

/* Sum of the values that one pixel multiplies: unsigned bytes, or the same widened. */
static int32_t qgemm_pixel_sum(const sn_qgemm_limits *l, const sn_qgemm *g, const char *a)
{
    uint32_t sum = 0;
    for (int64_t t = 0; t < g->n_tap; t++) {
        const char *from = a + g->tap[t];
        for (int64_t k = 0; k < g->k; k++) {
            int16_t wide;
            if (l->bytes == 1) {
                sum += (unsigned char)from[k];
                continue;
            }
            memcpy(&wide, from + 2 * k, sizeof wide);
            sum += (uint16_t)wide; /* was a byte */
        }
    }
    return (int32_t)sum;
}

static void qgemm_band_sums(const sn_qgemm_table *t, const sn_qgemm *g, const qgemm_cut *c, int64_t t0, int64_t t1,
                            int32_t *sum)
{
    for (int64_t i = t0; i < t1; i++) {
        int64_t r = i / c->row_tiles, from, to;
        qgemm_tile_range(g, c, i % c->row_tiles, &from, &to);
        for (int64_t p = from; p < to; p++)
            sum[(i - t0) * t->limits.mr + p - from] =
                qgemm_pixel_sum(&t->limits, g, (const char *)g->a + r * g->row_step_bytes + p * g->px_step_bytes);
    }
}

size_t sn_qgemm_scratch_bytes(const sn_qgemm_table *t, const sn_qgemm *g)
{
    if (!g->rq.b_zero || !g->rows || !g->pixels || !g->n)
        return 0;
    qgemm_cut c = qgemm_cut_of(t, g);
    return ((size_t)(c.band * t->limits.mr) * sizeof(int32_t) + 63) & ~(size_t)63;
}

/* The panel that follows comes from memory meanwhile, a share of it with every tile: where weights are used once a run,
 * the first tile of a panel would otherwise wait for each line. */
static void qgemm_band(const sn_qgemm_table *t, const sn_qgemm *g, const qgemm_cut *c, int64_t t0, int64_t t1,
                       int64_t n0, int64_t n1, int32_t *sums)
{
    const sn_qgemm_limits *l = &t->limits;
    size_t panel_bytes = qgemm_panel_bytes(l, g->n_tap, g->k), y_bytes = g->rq.kind == SN_REQUANT_U8 ? 1 : 4;
    sn_requant rq = g->rq;
    sn_qgemm_tile tile = {
        .lda_bytes = g->px_step_bytes, .tap = g->tap, .n_tap = g->n_tap, .k = qgemm_groups(l, g->k), .rq = &rq};
    tile.ldy = g->ldy;
    const int64_t steps = g->n_tap * tile.k, line = (int64_t)l->nr * l->group * l->bytes;
    const int64_t share = (line + t1 - t0 - 1) / (t1 - t0); /* of each group of the next panel, with each tile */
    const bool after = rq.kind == SN_REQUANT_F32 && (rq.act.kind != SN_ACT_NONE || rq.has_residual);
    if (rq.b_zero)
        qgemm_band_sums(t, g, c, t0, t1, sums);
    rq.row = sums;
    for (int64_t panel = n0; panel < n1; panel++) {
        tile.b = (const char *)g->b + (size_t)panel * panel_bytes;
        tile.col = panel * l->nr;
        tile.n = (int32_t)(g->n - tile.col < l->nr ? g->n - tile.col : l->nr);
        const char *ahead = panel + 1 < n1 && steps >= QGEMM_AHEAD_STEPS ? (const char *)tile.b + panel_bytes : NULL;
        tile.ahead = NULL;
        for (int64_t i = t0; i < t1; i++) {
            int64_t r = i / c->row_tiles, from, to;
            qgemm_tile_range(g, c, i % c->row_tiles, &from, &to);
            int64_t y = (r * g->pixels + from) * g->ldy + tile.col;
            if (ahead) {
                int64_t fetched = (i - t0) * share;
                tile.ahead = fetched < line ? ahead + fetched * steps : NULL;
                tile.ahead_step = line - fetched < share ? line - fetched : share;
            }
            tile.a = (const char *)g->a + r * g->row_step_bytes + from * g->px_step_bytes;
            tile.m = (int32_t)(to - from);
            tile.row = (i - t0) * l->mr;
            tile.y = (char *)g->y + (size_t)y * y_bytes;
            tile.residual = rq.has_residual ? (const char *)g->residual + (size_t)y * y_bytes : NULL;
            t->tile(&tile);
            if (after)
                t->after(&tile);
        }
    }
}

void sn_qgemm_part(const sn_qgemm_table *t, const sn_qgemm *g, uint32_t part, uint32_t n_parts, void *scratch)
{
    if (!g->rows || !g->pixels || !g->n)
        return;
    qgemm_cut c = qgemm_cut_of(t, g);
    int64_t tiles = g->rows * c.row_tiles, t0 = 0, t1 = tiles, n0 = 0, n1 = c.panels;
    if (tiles >= 4 * (int64_t)n_parts || tiles >= c.panels) /* columns of few tiles: each thread streams its own of b */
        sn_pool_range(tiles, 1, part, n_parts, &t0, &t1);
    else
        sn_pool_range(c.panels, 1, part, n_parts, &n0, &n1);
    for (int64_t i = t0; i < t1; i += c.band)
        qgemm_band(t, g, &c, i, i + c.band < t1 ? i + c.band : t1, n0, n1, scratch);
}
