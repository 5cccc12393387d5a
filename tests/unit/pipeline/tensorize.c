/* Pixels to tensors, against the formula in double. */
#include "pipeline/tensorize.h"
#include "unit/pipeline/pictures.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static double reference(const sn_image *image, const sn_tensorize_options *o, int32_t x, int32_t y, int32_t c)
{
    const uint8_t *p = sn_image_row(image, y) + x * image->channels;
    double v;
    if (image->channels == 1)
        v = p[0];
    else if (o->order == SN_ORDER_GRAY)
        v = 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
    else
        v = p[o->order == SN_ORDER_BGR ? 2 - c : c];
    return (v * (double)o->scale - (double)o->mean[c]) / (double)o->std[c];
}

static void test_all_orders_and_layouts(void **state)
{
    (void)state;
    static const sn_tensorize_options base = {
        .scale = 1.0f / 255, .mean = {0.485f, 0.456f, 0.406f}, .std = {0.229f, 0.224f, 0.225f}};
    for (int channels = 1; channels <= 3; channels += 2)
        for (int order = 0; order < 3; order++)
            for (int layout = 0; layout < 2; layout++) {
                sn_tensorize_options o = base;
                o.order = (sn_channel_order)order;
                o.layout = (sn_image_layout)layout;
                sn_image image = picture_noise(13, 7, channels, 21);
                int32_t n = sn_tensorize_channels(&o);
                assert_int_equal(n, order == SN_ORDER_GRAY ? 1 : 3);
                float *out = malloc(sizeof *out * (size_t)(13 * 7 * n)); /* exactly: ASan watches */
                sn_tensorize(&image, &o, out);
                for (int32_t y = 0; y < 7; y++)
                    for (int32_t x = 0; x < 13; x++)
                        for (int32_t c = 0; c < n; c++) {
                            double got = (double)out[layout ? (y * 13 + x) * n + c : (c * 7 + y) * 13 + x];
                            double want = reference(&image, &o, x, y, c);
                            /* Terms are below 255 * scale / std < 4.5; a gray sum adds three more roundings. */
                            assert_true(fabs(got - want) <= 8 * (double)FLT_EPSILON * 4.5);
                        }
                free(out);
                free(image.data);
            }
}

static void test_padding(void **state)
{
    (void)state;
    sn_image image = picture_noise(10, 3, 3, 2);
    for (int layout = 0; layout < 2; layout++) {
        sn_tensorize_options o = {
            .scale = 1, .std = {1, 1, 1}, .layout = (sn_image_layout)layout, .valid_width = 6, .pad = -5};
        float out[90];
        sn_tensorize(&image, &o, out);
        for (int y = 0; y < 3; y++)
            for (int x = 0; x < 10; x++)
                for (int c = 0; c < 3; c++) {
                    float got = out[layout ? (y * 10 + x) * 3 + c : (c * 3 + y) * 10 + x];
                    assert_true(got == (x < 6 ? (float)sn_image_row(&image, y)[x * 3 + c] : -5.0f));
                }
    }
    free(image.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_orders_and_layouts),
        cmocka_unit_test(test_padding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
