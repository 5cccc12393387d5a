/* GFLOP/s of convolution kernels, in shapes of real networks, one thread.
 *
 *   conv_bench [--level NAME] [--precision NAME] [TEXT]     the shapes whose name contains TEXT
 */
#include "base/clock.h"
#include "base/precision.h"
#include "kernels/bf16.h"
#include "kernels/conv_bf16.h"
#include "conv_case.h"

typedef struct bench_shape {
    const char *name;
    int32_t ic, oc, group, h, w, k, stride; /* pads of k / 2 */
    bool plain;
    sn_conv_act act; /* a clamp to [0, 6], or a swish with alpha 1 */
} bench_shape;

static const bench_shape bench_shapes[] = {
    {"resnet stem 7x7", 3, 64, 1, 224, 224, 7, 2, true, SN_CONV_CLAMP},
    {"mobilenet stem", 3, 32, 1, 224, 224, 3, 2, true, SN_CONV_CLAMP},
    {"ppocr stem", 3, 16, 1, 640, 640, 3, 2, true, SN_CONV_CLAMP},
    {"resnet 3x3 64 56", 64, 64, 1, 56, 56, 3, 1, false, SN_CONV_CLAMP},
    {"resnet 3x3 128 28", 128, 128, 1, 28, 28, 3, 1, false, SN_CONV_CLAMP},
    {"resnet 3x3 256 14", 256, 256, 1, 14, 14, 3, 1, false, SN_CONV_CLAMP},
    {"resnet 3x3 512 7", 512, 512, 1, 7, 7, 3, 1, false, SN_CONV_CLAMP},
    {"resnet 3x3 128 s2", 128, 128, 1, 56, 56, 3, 2, false, SN_CONV_CLAMP},
    {"ppocr 3x3 96-32 160", 96, 32, 1, 160, 160, 3, 1, false, SN_CONV_CLAMP},
    {"resnet 1x1 64-256 56", 64, 256, 1, 56, 56, 1, 1, false, SN_CONV_CLAMP},
    {"resnet 1x1 256-64 56", 256, 64, 1, 56, 56, 1, 1, false, SN_CONV_CLAMP},
    {"resnet 1x1 512-128 28", 512, 128, 1, 28, 28, 1, 1, false, SN_CONV_CLAMP},
    {"resnet 1x1 1024-256 14", 1024, 256, 1, 14, 14, 1, 1, false, SN_CONV_CLAMP},
    {"resnet 1x1 256-1024 14", 256, 1024, 1, 14, 14, 1, 1, false, SN_CONV_CLAMP},
    {"resnet 1x1 2048-512 7", 2048, 512, 1, 7, 7, 1, 1, false, SN_CONV_CLAMP},
    {"resnet 1x1 512-2048 7", 512, 2048, 1, 7, 7, 1, 1, false, SN_CONV_CLAMP},
    {"resnet 1x1 s2 256-512", 256, 512, 1, 56, 56, 1, 2, false, SN_CONV_CLAMP},
    {"mobilenet 1x1 16-96 112", 16, 96, 1, 112, 112, 1, 1, false, SN_CONV_CLAMP},
    {"mobilenet 1x1 96-24 56", 96, 24, 1, 56, 56, 1, 1, false, SN_CONV_CLAMP},
    {"mobilenet 1x1 24-144 56", 24, 144, 1, 56, 56, 1, 1, false, SN_CONV_CLAMP},
    {"mobilenet 1x1 384-64 14", 384, 64, 1, 14, 14, 1, 1, false, SN_CONV_CLAMP},
    {"mobilenet 1x1 160-960 7", 160, 960, 1, 7, 7, 1, 1, false, SN_CONV_CLAMP},
    {"ppocr 1x1 12-96 160", 12, 96, 1, 160, 160, 1, 1, false, SN_CONV_CLAMP},
    {"ppocr 1x1 48-16 160", 48, 16, 1, 160, 160, 1, 1, false, SN_CONV_CLAMP},
    {"se 1x1 240-10 1", 240, 10, 1, 1, 1, 1, 1, false, SN_CONV_CLAMP},
    {"dw 3x3 16 320", 16, 16, 16, 320, 320, 3, 1, false, SN_CONV_CLAMP},
    {"dw 3x3 32 320 s2", 32, 32, 32, 320, 320, 3, 2, false, SN_CONV_CLAMP},
    {"ppocr 1x1 16-32 320", 16, 32, 1, 320, 320, 1, 1, false, SN_CONV_CLAMP},
    {"dw 3x3 32 112", 32, 32, 32, 112, 112, 3, 1, false, SN_CONV_CLAMP},
    {"dw 3x3 96 112 s2", 96, 96, 96, 112, 112, 3, 2, false, SN_CONV_CLAMP},
    {"dw 3x3 144 56", 144, 144, 144, 56, 56, 3, 1, false, SN_CONV_CLAMP},
    {"dw 3x3 384 14", 384, 384, 384, 14, 14, 3, 1, false, SN_CONV_CLAMP},
    {"dw 3x3 960 7", 960, 960, 960, 7, 7, 3, 1, false, SN_CONV_CLAMP},
    {"dw 5x5 240 28", 240, 240, 240, 28, 28, 5, 1, false, SN_CONV_CLAMP},
    {"dw 5x5 672 14", 672, 672, 672, 14, 14, 5, 1, false, SN_CONV_CLAMP},
    {"dw 3x3 192 28", 192, 192, 192, 28, 28, 3, 1, false, SN_CONV_CLAMP},
    {"dw 5x5 672 14 s2", 672, 672, 672, 14, 14, 5, 2, false, SN_CONV_CLAMP},
    {"dw 5x5 1152 7", 1152, 1152, 1152, 7, 7, 5, 1, false, SN_CONV_CLAMP},
    {"dw 3x3 144 56 swish", 144, 144, 144, 56, 56, 3, 1, false, SN_CONV_SWISH},
    {"dw 3x3 480 14 swish", 480, 480, 480, 14, 14, 3, 1, false, SN_CONV_SWISH},
    {"dw 5x5 672 14 swish", 672, 672, 672, 14, 14, 5, 1, false, SN_CONV_SWISH},
    {"dw 5x5 1152 7 swish", 1152, 1152, 1152, 7, 7, 5, 1, false, SN_CONV_SWISH},
};

static sn_conv_spec bench_spec(const bench_shape *b)
{
    int64_t pad = b->k / 2;
    sn_conv_spec s = {.n = 1, .ic = b->ic, .ih = b->h, .iw = b->w, .oc = b->oc, .kh = b->k, .kw = b->k};
    s.stride_h = s.stride_w = b->stride;
    s.dilation_h = s.dilation_w = s.step_h = s.step_w = 1;
    s.pad_top = s.pad_left = pad;
    s.group = b->group;
    s.plain_in = b->plain;
    s.act = b->act, s.alpha = b->act == SN_CONV_SWISH, s.beta = 6, s.scale = 1;
    s.oh = s.y_h = conv_extent(s.ih, 2 * pad, s.kh, 1, s.stride_h);
    s.ow = s.y_w = conv_extent(s.iw, 2 * pad, s.kw, 1, s.stride_w);
    return s;
}

static void bench_run(const bench_shape *b, sn_cpu_level level, sn_precision precision)
{
    const sn_conv_spec s = bench_spec(b);
    sn_conv_table t;
    sn_conv_table_init(&t, level);
    sn_conv cv;
    bool bf16 = precision == SN_PRECISION_BF16 && sn_conv_bf16_can(&s, t.limits.block) && !sn_conv_is_depthwise(&s);
    (bf16 ? sn_conv_bf16_plan : sn_conv_plan)(&s, &t.limits, &cv);
    size_t in = ((size_t)cv.x_image + 15) / 16 * 16, n_w = sn_conv_weights_size(&cv), n_b = sn_conv_bias_size(&cv);
    size_t total = (in + (size_t)cv.y_image + n_w + n_b + 15) / 16 * 16;
    float *mem = aligned_alloc(64, total * sizeof *mem);
    void *scratch = aligned_alloc(64, sn_conv_scratch_bytes(&cv, 1) + 64);
    if (!mem || !scratch)
        parity_die("out of memory");
    parity noise = {.state = 1};
    for (size_t i = 0; i < total; i++) {
        float v = parity_noise(&noise);
        mem[i] = bf16 ? sn_f32_from_bits(sn_bf16_pair(v, v)) : v;
    }
    float *x = mem, *w = x + in, *bias = w + n_w, *y = bias + n_b;
    sn_conv_io io = {x, w, bias, NULL, y, scratch};
    sn_conv_bf16_io io16 = {(uint16_t *)(void *)x, (uint32_t *)(void *)w, bias, NULL, y, false, true};
    const sn_conv_bf16_kernel kernel = sn_conv_bf16_find(level);
    double best = 1e9;
    for (int i = 0; i < 25; i++) {
        uint64_t t0 = sn_now_ns();
        if (bf16)
            kernel.fn(&cv, &io16, 0, 1);
        else
            sn_conv_kernel(&t, &cv)(&cv, &io, 0, 1);
        double ns = (double)(sn_now_ns() - t0);
        best = ns < best ? ns : best;
    }
    printf("%-10s %-4s %-24s %9.1f us %7.1f GFLOP/s  tile %" PRId64 "x%" PRId64 " band %" PRId64 "/%" PRId64
           " chunk %" PRId64 "\n",
           sn_cpu_level_name(level), bf16 ? "bf16" : "f32", b->name, best / 1e3, cv.flops / best,
           cv.tile_base + (cv.tile_more > 0), cv.bundle_base + (cv.bundle_more > 0), cv.band_tiles, cv.n_tile,
           cv.chunk);
    free(mem);
    free(scratch);
}

int main(int argc, char **argv)
{
    sn_cpu_level level = sn_cpu_detect(), wanted;
    sn_precision precision = SN_PRECISION_F32;
    const char *text = "";
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (more && strcmp(argv[i], "--level") == 0 && sn_cpu_level_parse(argv[i + 1], &wanted) == SETSUNA_OK &&
            wanted <= level) {
            level = wanted;
            i++;
        } else if (more && strcmp(argv[i], "--precision") == 0 &&
                   sn_precision_parse(argv[i + 1], &precision) == SETSUNA_OK) {
            i++;
        } else if (argv[i][0] != '-') {
            text = argv[i];
        } else {
            parity_die("usage: conv_bench [--level NAME] [--precision NAME] [TEXT]");
        }
    }
    if (!sn_precision_supported(precision, level))
        parity_die("this level has no such precision");
    for (size_t i = 0; i < sizeof bench_shapes / sizeof bench_shapes[0]; i++)
        if (strstr(bench_shapes[i].name, text))
            bench_run(&bench_shapes[i], level, precision);
    return 0;
}
