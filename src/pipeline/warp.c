#include "pipeline/warp.h"
#include <math.h>
#include <string.h>

/* ---- homography ------------------------------------------------------------------------------------------ */

enum { UNKNOWNS = 8 };

/* Gaussian elimination with partial pivoting on [A | b]; the solution replaces b. false: singular. */
static bool homography_solve(double m[UNKNOWNS][UNKNOWNS + 1])
{
    for (int col = 0; col < UNKNOWNS; col++) {
        int pivot = col;
        for (int row = col + 1; row < UNKNOWNS; row++)
            if (fabs(m[row][col]) > fabs(m[pivot][col]))
                pivot = row;
        if (!(fabs(m[pivot][col]) > 1e-12)) /* rows are scaled to about 1 by the caller; NaN is caught too */
            return false;
        for (int k = 0; pivot != col && k <= UNKNOWNS; k++) {
            double t = m[col][k];
            m[col][k] = m[pivot][k];
            m[pivot][k] = t;
        }
        for (int row = 0; row < UNKNOWNS; row++) {
            double f = m[row][col] / m[col][col];
            for (int k = col; row != col && k <= UNKNOWNS; k++)
                m[row][k] -= f * m[col][k];
        }
    }
    for (int row = 0; row < UNKNOWNS; row++)
        m[row][UNKNOWNS] /= m[row][row];
    return true;
}

setsuna_status sn_homography_from_quad(const sn_point quad[4], double width, double height, double m_out[9])
{
    /* Solved between unit squares, so that one pivot threshold fits pictures of every size: u in [0, 1] stands for
     * x / width, and quad coordinates are shifted to corner 0 and divided by the quad's extent. */
    double extent = 0.0;
    for (int i = 0; i < 4; i++) {
        if (!isfinite(quad[i].x) || !isfinite(quad[i].y))
            return SETSUNA_EINPUT;
        extent = fmax(extent, fabs((double)quad[i].x - (double)quad[0].x));
        extent = fmax(extent, fabs((double)quad[i].y - (double)quad[0].y));
    }
    if (!(extent > 0.0) || !(width > 0.0) || !(height > 0.0))
        return SETSUNA_EINPUT;
    static const double unit[4][2] = {{0, 0}, {1, 0}, {1, 1}, {0, 1}};
    double a[UNKNOWNS][UNKNOWNS + 1];
    for (int i = 0; i < 4; i++) {
        double u = unit[i][0], v = unit[i][1];
        double x = ((double)quad[i].x - (double)quad[0].x) / extent,
               y = ((double)quad[i].y - (double)quad[0].y) / extent;
        const double rows[2][UNKNOWNS + 1] = {{u, v, 1, 0, 0, 0, -u * x, -v * x, x},
                                              {0, 0, 0, u, v, 1, -u * y, -v * y, y}};
        memcpy(a[2 * i], rows, sizeof rows);
    }
    if (!homography_solve(a))
        return SETSUNA_EINPUT;
    double h[9];
    for (int i = 0; i < UNKNOWNS; i++)
        h[i] = a[i][UNKNOWNS];
    h[8] = 1.0;
    for (int i = 0; i < 3; i++) { /* back to pixels: scale by extent, shift by corner 0 */
        h[i] = h[i] * extent + (double)quad[0].x * h[6 + i];
        h[3 + i] = h[3 + i] * extent + (double)quad[0].y * h[6 + i];
    }
    for (int i = 0; i < 3; i++) {
        h[3 * i] /= width;
        h[3 * i + 1] /= height;
    }
    /* A quad folded over itself has its horizon inside the crop: the denominator changes sign between corners. */
    for (int i = 0; i < 4; i++)
        if (!(h[6] * unit[i][0] * width + h[7] * unit[i][1] * height + h[8] > 1e-9))
            return SETSUNA_EINPUT;
    memcpy(m_out, h, sizeof h);
    return SETSUNA_OK;
}

/* ---- warp ------------------------------------------------------------------------------------------------ */

/* Bilinear sample of src at index coordinates (pixel centres at whole numbers), edges repeated. Weights have 8 bits, as
 * much as the samples. */
static void warp_sample(const sn_image *src, float x, float y, uint8_t *out)
{
    float max_x = (float)(src->width - 1), max_y = (float)(src->height - 1);
    x = x > 0.0f ? (x < max_x ? x : max_x) : 0.0f; /* NaN gives 0 */
    y = y > 0.0f ? (y < max_y ? y : max_y) : 0.0f;
    int32_t x0 = (int32_t)x, y0 = (int32_t)y;
    int32_t wx = (int32_t)((x - (float)x0) * 256.0f + 0.5f), wy = (int32_t)((y - (float)y0) * 256.0f + 0.5f);
    int32_t c = src->channels, right = x0 < src->width - 1 ? c : 0;
    const uint8_t *p = sn_image_row(src, y0) + (size_t)x0 * (size_t)c;
    const uint8_t *q = y0 < src->height - 1 ? p + src->stride_bytes : p;
    for (int32_t i = 0; i < c; i++) {
        int32_t top = p[i] * (256 - wx) + p[i + right] * wx, bottom = q[i] * (256 - wx) + q[i + right] * wx;
        out[i] = (uint8_t)((top * (256 - wy) + bottom * wy + (1 << 15)) >> 16);
    }
}

setsuna_status sn_warp_quad(const sn_allocator *a, const sn_image *src, const sn_point quad[4], int32_t width,
                            int32_t height, sn_image *dst)
{
    if (!src->data || src->width < 1 || src->height < 1)
        return SETSUNA_EINVAL;
    double m[9];
    SN_TRY(sn_homography_from_quad(quad, width, height, m));
    SN_TRY(sn_image_reserve(a, dst, width, height, src->channels));
    for (int32_t y = 0; y < height; y++) {
        uint8_t *out = sn_image_row(dst, y);
        double v = y + 0.5;
        for (int32_t x = 0; x < width; x++, out += src->channels) {
            double u = x + 0.5, w = 1.0 / (m[6] * u + m[7] * v + m[8]);
            float sx = (float)((m[0] * u + m[1] * v + m[2]) * w - 0.5);
            float sy = (float)((m[3] * u + m[4] * v + m[5]) * w - 0.5);
            warp_sample(src, sx, sy, out);
        }
    }
    return SETSUNA_OK;
}

static float quad_edge(const sn_point *a, const sn_point *b)
{
    return hypotf(b->x - a->x, b->y - a->y);
}

static int32_t quad_side(float a, float b)
{
    float side = a > b ? a : b;
    if (!(side >= 1.0f)) /* NaN too */
        return 1;
    return side < (float)SN_IMAGE_SIDE_MAX ? (int32_t)side : SN_IMAGE_SIDE_MAX;
}

void sn_quad_size(const sn_point quad[4], int32_t *width_out, int32_t *height_out)
{
    *width_out = quad_side(quad_edge(&quad[0], &quad[1]), quad_edge(&quad[3], &quad[2]));
    *height_out = quad_side(quad_edge(&quad[0], &quad[3]), quad_edge(&quad[1], &quad[2]));
}

/* ---- right angles ----------------------------------------------------------------------------------------- */

setsuna_status sn_image_turn(const sn_allocator *a, const sn_image *src, sn_turn turn, sn_image *dst)
{
    if (!src->data || src->width < 1 || src->height < 1)
        return SETSUNA_EINVAL;
    if (turn == SN_TURN_180) {
        SN_TRY(sn_image_copy(a, src, dst));
        sn_image_turn_180(dst);
        return SETSUNA_OK;
    }
    SN_TRY(sn_image_reserve(a, dst, src->height, src->width, src->channels));
    size_t c = (size_t)src->channels;
    for (int32_t y = 0; y < dst->height; y++) {
        uint8_t *out = sn_image_row(dst, y);
        int32_t sx = turn == SN_TURN_90_CCW ? src->width - 1 - y : y;
        for (int32_t x = 0; x < dst->width; x++, out += c) {
            int32_t sy = turn == SN_TURN_90_CCW ? x : src->height - 1 - x;
            memcpy(out, sn_image_row(src, sy) + (size_t)sx * c, c);
        }
    }
    return SETSUNA_OK;
}

void sn_image_turn_180(sn_image *image)
{
    int32_t c = image->channels, w = image->width, h = image->height;
    for (int32_t y = 0; y < (h + 1) / 2; y++) {
        uint8_t *p = sn_image_row(image, y), *q = sn_image_row(image, h - 1 - y);
        int32_t n = y == h - 1 - y ? w / 2 : w; /* the middle row is turned onto itself */
        for (int32_t x = 0; x < n; x++)
            for (int32_t i = 0; i < c; i++) {
                uint8_t *u = p + x * c + i, *v = q + (w - 1 - x) * c + i, t = *u;
                *u = *v;
                *v = t;
            }
    }
}
