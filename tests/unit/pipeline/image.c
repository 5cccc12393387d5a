/* Pictures in and out: exact round trips, every kind of PNG, EXIF, limits, and files damaged at every byte. */
#include "pipeline/image.h"
#include "pipeline/exif.h"
#include "unit/pipeline/mutate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>
#include <jpeglib.h>
#include <png.h>
#include <webp/encode.h>

static const sn_allocator *heap(void)
{
    return sn_allocator_default();
}

typedef struct file {
    uint8_t *data;
    size_t size;
} file;

/* A picture whose every pixel is different and whose corners tell the orientation. */
static sn_image picture(int32_t width, int32_t height, int32_t channels)
{
    sn_image image = {0};
    assert_int_equal(sn_image_reserve(heap(), &image, width, height, channels), SETSUNA_OK);
    for (int32_t y = 0; y < height; y++)
        for (int32_t x = 0; x < width; x++)
            for (int32_t c = 0; c < channels; c++)
                sn_image_row(&image, y)[x * channels + c] = (uint8_t)(x * 37 + y * 101 + c * 59);
    return image;
}

static void assert_images_equal(const sn_image *a, const sn_image *b)
{
    assert_int_equal(a->width, b->width);
    assert_int_equal(a->height, b->height);
    assert_int_equal(a->channels, b->channels);
    for (int32_t y = 0; y < a->height; y++)
        assert_memory_equal(sn_image_row(a, y), sn_image_row(b, y), (size_t)(a->width * a->channels));
}

/* ---- writers of test files: the libraries' own, so that every variant can be had ------------------------ */

static void append_png(png_structp codec, png_bytep data, size_t n)
{
    file *f = png_get_io_ptr(codec);
    f->data = realloc(f->data, f->size + n);
    memcpy(f->data + f->size, data, n);
    f->size += n;
}

typedef struct png_variant {
    int color, depth, interlace;
    int n_palette;           /* entries, all different */
    const png_byte *trns;    /* palette alpha */
    const png_color_16 *key; /* gray or RGB transparent colour */
} png_variant;

/* rows: packed as PNG stores them. */
static file encode_png(int32_t width, int32_t height, const png_variant *v, const uint8_t *rows, size_t row_bytes)
{
    file f = {0};
    png_structp codec = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(codec);
    assert_false(setjmp(png_jmpbuf(codec)));
    png_set_write_fn(codec, &f, append_png, NULL);
    png_set_IHDR(codec, info, (png_uint_32)width, (png_uint_32)height, v->depth, v->color, v->interlace,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_color palette[256];
    for (int i = 0; i < v->n_palette; i++)
        palette[i] = (png_color){(png_byte)(i * 3), (png_byte)(255 - i), (png_byte)(i * 7)};
    if (v->n_palette)
        png_set_PLTE(codec, info, palette, v->n_palette);
    if (v->trns)
        png_set_tRNS(codec, info, v->trns, v->n_palette, NULL);
    if (v->key)
        png_set_tRNS(codec, info, NULL, 0, v->key);
    png_write_info(codec, info);
    int passes = png_set_interlace_handling(codec);
    for (int pass = 0; pass < passes; pass++)
        for (int32_t y = 0; y < height; y++)
            png_write_row(codec, rows + (size_t)y * row_bytes);
    png_write_end(codec, NULL);
    png_destroy_write_struct(&codec, &info);
    return f;
}

typedef struct jpeg_variant {
    int quality;
    bool progressive;
    const uint8_t *app1;
    unsigned app1_size;
    const jpeg_scan_info *scan; /* NULL: the encoder's own order */
    int n_scans;
} jpeg_variant;

static file encode_jpeg_variant(const sn_image *image, const jpeg_variant *v)
{
    struct jpeg_compress_struct codec;
    struct jpeg_error_mgr errors;
    codec.err = jpeg_std_error(&errors);
    jpeg_create_compress(&codec);
    unsigned char *data = NULL;
    unsigned long size = 0;
    jpeg_mem_dest(&codec, &data, &size);
    codec.image_width = (JDIMENSION)image->width;
    codec.image_height = (JDIMENSION)image->height;
    codec.input_components = image->channels;
    codec.in_color_space = image->channels == 1 ? JCS_GRAYSCALE : image->channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&codec);
    jpeg_set_quality(&codec, v->quality, TRUE);
    codec.comp_info[0].h_samp_factor = codec.comp_info[0].v_samp_factor = 1; /* 4:4:4 */
    if (v->progressive)
        jpeg_simple_progression(&codec);
    if (v->scan) {
        codec.scan_info = v->scan;
        codec.num_scans = v->n_scans;
    }
    jpeg_start_compress(&codec, TRUE);
    if (v->app1)
        jpeg_write_marker(&codec, JPEG_APP0 + 1, v->app1, v->app1_size);
    while (codec.next_scanline < codec.image_height) {
        JSAMPROW row = sn_image_row(image, (int32_t)codec.next_scanline);
        jpeg_write_scanlines(&codec, &row, 1);
    }
    jpeg_finish_compress(&codec);
    jpeg_destroy_compress(&codec);
    return (file){data, size};
}

static file encode_jpeg(const sn_image *image, int quality, bool progressive, const uint8_t *app1, unsigned app1_size)
{
    return encode_jpeg_variant(
        image, &(jpeg_variant){.quality = quality, .progressive = progressive, .app1 = app1, .app1_size = app1_size});
}

static file encode_webp(const sn_image *image)
{
    file f = {0};
    f.size = image->channels == 4
                 ? WebPEncodeLosslessRGBA(image->data, image->width, image->height, (int)image->stride_bytes, &f.data)
                 : WebPEncodeLosslessRGB(image->data, image->width, image->height, (int)image->stride_bytes, &f.data);
    assert_true(f.size > 0);
    return f;
}

static sn_image decode(const file *f)
{
    sn_image image = {0};
    setsuna_error err = {0};
    setsuna_status status = sn_image_decode(heap(), f->data, f->size, NULL, &image, &err);
    if (status != SETSUNA_OK)
        fail_msg("decode: %s", err.text);
    return image;
}

static setsuna_status decode_status(const file *f, const sn_image_limits *limits)
{
    sn_image image = {0};
    setsuna_error err = {0};
    setsuna_status status = sn_image_decode(heap(), f->data, f->size, limits, &image, &err);
    assert_true(status == SETSUNA_OK || err.text[0] != '\0');
    sn_image_fini(heap(), &image);
    return status;
}

/* ---- storage ------------------------------------------------------------------------------------------- */

static void test_reserve(void **state)
{
    (void)state;
    sn_image image = {0};
    assert_int_equal(sn_image_reserve(heap(), &image, 10, 20, 3), SETSUNA_OK);
    uint8_t *first = image.data;
    assert_int_equal(sn_image_reserve(heap(), &image, 20, 10, 1), SETSUNA_OK);
    assert_ptr_equal(image.data, first);
    assert_int_equal(image.stride_bytes, 20);
    assert_int_equal(sn_image_reserve(heap(), &image, 0, 10, 3), SETSUNA_EINVAL);
    assert_int_equal(sn_image_reserve(heap(), &image, 10, SN_IMAGE_SIDE_MAX + 1, 3), SETSUNA_EINVAL);
    assert_int_equal(sn_image_reserve(heap(), &image, 10, 10, 2), SETSUNA_EINVAL);
    assert_int_equal(image.width, 20);
    sn_image_fini(heap(), &image);
    sn_image_fini(heap(), &image);
}

/* ---- PNG ------------------------------------------------------------------------------------------------ */

static void test_png_round_trip(void **state)
{
    (void)state;
    sn_image source = picture(37, 21, 3), gray = picture(9, 5, 1);
    file f;
    assert_int_equal(sn_image_encode_png(heap(), &source, &f.data, &f.size, NULL), SETSUNA_OK);
    sn_image back = decode(&f);
    assert_images_equal(&back, &source);
    sn_free(heap(), f.data);
    assert_int_equal(sn_image_encode_png(heap(), &gray, &f.data, &f.size, NULL), SETSUNA_OK);
    sn_image_fini(heap(), &back);
    back = decode(&f);
    assert_int_equal(back.channels, 3);
    for (int32_t i = 0; i < 9 * 5 * 3; i++)
        assert_int_equal(back.data[i], gray.data[i / 3]);
    sn_free(heap(), f.data);
    sn_image empty = {0};
    assert_int_equal(sn_image_encode_png(heap(), &empty, &f.data, &f.size, NULL), SETSUNA_EINVAL);
    sn_image_fini(heap(), &back);
    sn_image_fini(heap(), &source);
    sn_image_fini(heap(), &gray);
}

static void test_png_strided_source(void **state)
{
    (void)state;
    sn_image whole = picture(12, 8, 3), back;
    sn_image view = whole; /* the 5 x 4 pixels from (3, 2) on */
    view.data = sn_image_row(&whole, 2) + 3 * 3;
    view.width = 5;
    view.height = 4;
    view.capacity_bytes = 0;
    file f;
    assert_int_equal(sn_image_encode_png(heap(), &view, &f.data, &f.size, NULL), SETSUNA_OK);
    back = decode(&f);
    assert_images_equal(&back, &view);
    sn_free(heap(), f.data);
    sn_image_fini(heap(), &back);
    sn_image_fini(heap(), &whole);
}

static void test_png_gray_depths(void **state)
{
    (void)state;
    /* Width 8: one row of depth-bit samples 0, 1, 2, ... (mod 2^depth), at every depth PNG knows. */
    for (int depth = 1; depth <= 16; depth *= 2) {
        uint8_t row[16] = {0};
        for (int x = 0; x < 8; x++) {
            int v = x & ((1 << depth) - 1);
            if (depth == 16)
                row[2 * x] = (uint8_t)(x * 30), row[2 * x + 1] = (uint8_t)(x * 77);
            else
                row[x * depth / 8] = (uint8_t)(row[x * depth / 8] | v << (8 - depth - x * depth % 8));
        }
        file f = encode_png(8, 1, &(png_variant){.color = PNG_COLOR_TYPE_GRAY, .depth = depth}, row, sizeof row);
        sn_image image = decode(&f);
        for (int x = 0; x < 8; x++) {
            int want = depth == 16 ? ((x * 30 * 256 + (x * 77 & 255)) * 255 + 32767) / 65535
                                   : (x & ((1 << depth) - 1)) * 255 / ((1 << depth) - 1);
            assert_int_equal(image.data[3 * x], want);
            assert_int_equal(image.data[3 * x + 2], want);
        }
        sn_image_fini(heap(), &image);
        free(f.data);
    }
}

static void test_png_palette_and_alpha(void **state)
{
    (void)state;
    static const png_byte alpha[4] = {255, 0, 128, 51};
    const uint8_t row[4] = {0, 1, 2, 3};
    file f = encode_png(
        4, 1, &(png_variant){.color = PNG_COLOR_TYPE_PALETTE, .depth = 8, .n_palette = 4, .trns = alpha}, row, 4);
    sn_image image = decode(&f);
    for (int i = 0; i < 4; i++) {
        const int rgb[3] = {i * 3, 255 - i, i * 7};
        for (int c = 0; c < 3; c++)
            assert_int_equal(image.data[3 * i + c], (rgb[c] * alpha[i] + 255 * (255 - alpha[i]) + 127) / 255);
    }
    sn_image_fini(heap(), &image);
    free(f.data);

    /* A gray transparent colour key: value 200 is see-through, 100 is not. */
    const uint8_t gray[2] = {200, 100};
    png_color_16 key = {.gray = 200};
    f = encode_png(2, 1, &(png_variant){.color = PNG_COLOR_TYPE_GRAY, .depth = 8, .key = &key}, gray, 2);
    image = decode(&f);
    assert_int_equal(image.data[0], 255);
    assert_int_equal(image.data[3], 100);
    sn_image_fini(heap(), &image);
    free(f.data);
}

static void test_png_interlaced(void **state)
{
    (void)state;
    sn_image source = picture(19, 13, 3);
    file f =
        encode_png(19, 13, &(png_variant){.color = PNG_COLOR_TYPE_RGB, .depth = 8, .interlace = PNG_INTERLACE_ADAM7},
                   source.data, source.stride_bytes);
    sn_image back = decode(&f);
    assert_images_equal(&back, &source);
    sn_image_fini(heap(), &back);
    sn_image_fini(heap(), &source);
    free(f.data);
}

static void put_u32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static uint32_t crc32_of(const uint8_t *p, size_t n)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1u)));
    }
    return ~crc;
}

/* f with a chunk of `size` zero bytes put in `count` times after IHDR. */
static file insert_chunks(const file *f, const char *name, uint32_t size, int count)
{
    enum { AFTER_IHDR = 8 + 25 };
    size_t each = 12 + (size_t)size;
    file g = {calloc(1, f->size + each * (size_t)count), f->size + each * (size_t)count};
    memcpy(g.data, f->data, AFTER_IHDR);
    for (int i = 0; i < count; i++) {
        uint8_t *p = g.data + AFTER_IHDR + each * (size_t)i;
        put_u32(p, size);
        memcpy(p + 4, name, 4);
        put_u32(p + 8 + size, crc32_of(p + 4, 4 + (size_t)size));
    }
    memcpy(g.data + AFTER_IHDR + each * (size_t)count, f->data + AFTER_IHDR, f->size - AFTER_IHDR);
    return g;
}

static void test_png_bombs(void **state)
{
    (void)state;
    sn_image source = picture(4, 4, 3);
    file f;
    assert_int_equal(sn_image_encode_png(heap(), &source, &f.data, &f.size, NULL), SETSUNA_OK);

    /* The header claims more pixels than allowed, or more than a side may have. */
    static const uint32_t claim[][2] = {{60000, 60000}, {65536, 1}, {1, 0x7fffffff}, {0x7fffffff, 0x7fffffff}};
    for (size_t i = 0; i < sizeof claim / sizeof *claim; i++) {
        file g = {malloc(f.size), f.size};
        memcpy(g.data, f.data, f.size);
        put_u32(g.data + 16, claim[i][0]);
        put_u32(g.data + 20, claim[i][1]);
        put_u32(g.data + 29, crc32_of(g.data + 12, 17));
        setsuna_status status = decode_status(&g, NULL);
        assert_true(status == SETSUNA_ELIMIT || status == SETSUNA_EINPUT);
        free(g.data);
    }
    assert_int_equal(decode_status(&f, &(sn_image_limits){.pixels = 15}), SETSUNA_ELIMIT);
    assert_int_equal(decode_status(&f, &(sn_image_limits){.pixels = 16}), SETSUNA_OK);

    /* Ancillary chunks: 64 are fine, 65 are not, nor is one beyond 1 MiB; a text chunk of 1 MiB is. */
    file g = insert_chunks(&f, "teSt", 3, 64), h = insert_chunks(&f, "teSt", 3, 65);
    file big = insert_chunks(&f, "tEXt", (1 << 20) + 1, 1), ok = insert_chunks(&f, "tEXt", 1 << 20, 1);
    assert_int_equal(decode_status(&g, NULL), SETSUNA_OK);
    assert_int_equal(decode_status(&h, NULL), SETSUNA_ELIMIT);
    assert_int_equal(decode_status(&big, NULL), SETSUNA_ELIMIT);
    assert_int_equal(decode_status(&ok, NULL), SETSUNA_OK);
    free(g.data);
    free(h.data);
    free(big.data);
    free(ok.data);
    sn_free(heap(), f.data);
    sn_image_fini(heap(), &source);
}

static void test_write_png(void **state)
{
    (void)state;
    char path[] = "write_png_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    sn_image source = picture(5, 7, 3);
    assert_int_equal(sn_image_write_png(path, &source, NULL), SETSUNA_OK);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    uint8_t buf[4096];
    file f = {buf, fread(buf, 1, sizeof buf, in)};
    fclose(in);
    unlink(path);
    sn_image back = decode(&f);
    assert_images_equal(&back, &source);
    setsuna_error err = {0};
    assert_int_not_equal(sn_image_write_png("no/such/folder/x.png", &source, &err), SETSUNA_OK);
    assert_true(err.text[0] != '\0');
    sn_image_fini(heap(), &back);
    sn_image_fini(heap(), &source);
}

/* ---- JPEG ----------------------------------------------------------------------------------------------- */

/* A smooth picture: at quality 100 a JPEG of it is within 2 levels (the quantiser's step is 1; one more level from each
 * colour conversion). */
static sn_image ramp(int32_t width, int32_t height, int32_t channels)
{
    sn_image image = {0};
    assert_int_equal(sn_image_reserve(heap(), &image, width, height, channels), SETSUNA_OK);
    for (int32_t y = 0; y < height; y++)
        for (int32_t x = 0; x < width; x++)
            for (int32_t c = 0; c < channels; c++)
                sn_image_row(&image, y)[x * channels + c] = (uint8_t)(c == 0   ? 255 * x / width
                                                                      : c == 1 ? 255 * y / height
                                                                               : 128);
    return image;
}

static void test_jpeg_pixels(void **state)
{
    (void)state;
    for (int progressive = 0; progressive < 2; progressive++) {
        sn_image source = ramp(48, 40, 3);
        file f = encode_jpeg(&source, 100, progressive, NULL, 0);
        sn_image back = decode(&f);
        assert_int_equal(back.width, 48);
        assert_int_equal(back.height, 40);
        for (int32_t i = 0; i < 48 * 40 * 3; i++)
            assert_in_range(back.data[i] - source.data[i] + 3, 0, 6);
        sn_image_fini(heap(), &back);
        sn_image_fini(heap(), &source);
        free(f.data);
    }
    sn_image gray = ramp(16, 16, 1);
    file f = encode_jpeg(&gray, 100, false, NULL, 0);
    sn_image back = decode(&f);
    assert_int_equal(back.channels, 3);
    for (int32_t i = 0; i < 16 * 16; i++) {
        assert_in_range(back.data[3 * i] - gray.data[i] + 2, 0, 4);
        assert_int_equal(back.data[3 * i], back.data[3 * i + 2]);
    }
    sn_image_fini(heap(), &back);
    sn_image_fini(heap(), &gray);
    free(f.data);
}

static void test_jpeg_shrink(void **state)
{
    (void)state;
    sn_image source = ramp(640, 480, 3);
    file f = encode_jpeg(&source, 95, false, NULL, 0);
    static const struct {
        int32_t min, width, height;
    } want[] = {{0, 640, 480}, {241, 640, 480}, {240, 320, 240}, {120, 160, 120}, {60, 80, 60}, {1, 80, 60}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        sn_image image = {0};
        assert_int_equal(
            sn_image_decode(heap(), f.data, f.size, &(sn_image_limits){.shrink_min = want[i].min}, &image, NULL),
            SETSUNA_OK);
        assert_int_equal(image.width, want[i].width);
        assert_int_equal(image.height, want[i].height);
        sn_image_fini(heap(), &image);
    }
    sn_image_fini(heap(), &source);
    free(f.data);
}

static void test_jpeg_refused(void **state)
{
    (void)state;
    sn_image cmyk = ramp(16, 16, 4), source = ramp(32, 32, 3);
    file f = encode_jpeg(&cmyk, 90, false, NULL, 0);
    assert_int_equal(decode_status(&f, NULL), SETSUNA_EUNSUPPORTED);
    free(f.data);
    f = encode_jpeg(&source, 90, false, NULL, 0);
    assert_int_equal(decode_status(&f, &(sn_image_limits){.pixels = 32 * 32 - 1}), SETSUNA_ELIMIT);
    free(f.data);
    sn_image_fini(heap(), &cmyk);
    sn_image_fini(heap(), &source);
}

/* Every coefficient in a scan of its own is a valid way to ask for many walks over the picture: 64 scans for the first
 * bits of the 64 coefficients are taken, another 64 for the last bits are not. */
static void test_jpeg_scan_bomb(void **state)
{
    (void)state;
    sn_image gray = ramp(8, 8, 1);
    jpeg_scan_info scan[128];
    for (int i = 0; i < 128; i++)
        scan[i] = (jpeg_scan_info){.comps_in_scan = 1, .Ss = i % 64, .Se = i % 64, .Ah = i / 64, .Al = 1 - i / 64};
    for (int n = 64; n <= 128; n += 64) {
        file f = encode_jpeg_variant(&gray, &(jpeg_variant){.quality = 50, .scan = scan, .n_scans = n});
        assert_int_equal(decode_status(&f, NULL), n == 64 ? SETSUNA_OK : SETSUNA_ELIMIT);
        free(f.data);
    }
    sn_image_fini(heap(), &gray);
}

/* ---- EXIF ----------------------------------------------------------------------------------------------- */

/* "Exif\0\0", a TIFF header and one directory: an unrelated entry, then orientation. Returns its size. */
static unsigned make_exif(uint8_t out[64], bool big_endian, uint16_t orientation)
{
    static const uint8_t little[] = {'E', 'x',  'i',  'f', 0, 0, 'I', 'I', 42, 0, 8, 0, 0, 0,    2,
                                     0,   0x00, 0x01, 4,   0, 1, 0,   0,   0,  9, 0, 0, 0, 0x12, 0x01,
                                     3,   0,    1,    0,   0, 0, 0,   0,   0,  0, 0, 0, 0, 0};
    static const uint8_t big[] = {'E', 'x',  'i',  'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8,    0,
                                  2,   0x01, 0x00, 0,   4, 0, 0,   0,   1, 0,  0, 0, 9, 0x01, 0x12,
                                  0,   3,    0,    0,   0, 1, 0,   0,   0, 0,  0, 0, 0, 0};
    memcpy(out, big_endian ? big : little, sizeof little);
    out[36] = (uint8_t)(big_endian ? orientation >> 8 : orientation & 255);
    out[37] = (uint8_t)(big_endian ? orientation & 255 : orientation >> 8);
    return sizeof little;
}

static void exif_must_be_in_range(void *ctx, const uint8_t *data, size_t size)
{
    (void)ctx;
    assert_in_range(sn_exif_orientation(data, size), 1, 8);
}

static void test_exif_parse(void **state)
{
    (void)state;
    uint8_t exif[64];
    for (int big = 0; big < 2; big++) {
        for (uint16_t o = 0; o < 12; o++) {
            unsigned n = make_exif(exif, big, o);
            assert_int_equal(sn_exif_orientation(exif, n), o >= 1 && o <= 8 ? o : 1);
        }
        unsigned n = make_exif(exif, big, 6);
        mutate_truncate_all(exif, n, exif_must_be_in_range, NULL);
        mutate_flip_all(exif, n, exif_must_be_in_range, NULL);
    }
}

static void test_exif_applied(void **state)
{
    (void)state;
    /* Four 16 x 16 quadrants A B / C D in the stored picture; where each goes, by definition of the tag. */
    static const uint8_t level[4] = {0, 80, 160, 240};
    static const char *const upright[9] = {NULL, "ABCD", "BADC", "DCBA", "CDAB", "ACBD", "CADB", "DBCA", "BDAC"};
    sn_image source = {0};
    assert_int_equal(sn_image_reserve(heap(), &source, 32, 32, 3), SETSUNA_OK);
    for (int32_t i = 0; i < 32 * 32 * 3; i++)
        source.data[i] = level[(i / 96 >= 16) * 2 + (i % 96 >= 48)];
    for (uint16_t o = 1; o <= 8; o++) {
        uint8_t exif[64];
        unsigned n = make_exif(exif, o % 2, o);
        file f = encode_jpeg(&source, 100, false, exif, n);
        sn_image image = decode(&f);
        for (int q = 0; q < 4; q++) {
            int got = sn_image_row(&image, q / 2 * 16 + 8)[(q % 2 * 16 + 8) * 3];
            assert_in_range(got - level[upright[o][q] - 'A'] + 2, 0, 4);
        }
        sn_image_fini(heap(), &image);
        free(f.data);
    }
    /* Sides are swapped where the picture is turned. */
    sn_image wide = ramp(48, 16, 3);
    uint8_t exif[64];
    file f = encode_jpeg(&wide, 90, false, exif, make_exif(exif, false, 6));
    sn_image image = decode(&f);
    assert_int_equal(image.width, 16);
    assert_int_equal(image.height, 48);
    sn_image_fini(heap(), &image);
    sn_image_fini(heap(), &wide);
    sn_image_fini(heap(), &source);
    free(f.data);
}

/* ---- WebP ----------------------------------------------------------------------------------------------- */

static void test_webp(void **state)
{
    (void)state;
    sn_image source = picture(23, 11, 3), alpha = picture(6, 5, 4);
    file f = encode_webp(&source);
    sn_image back = decode(&f);
    assert_images_equal(&back, &source);
    assert_int_equal(decode_status(&f, &(sn_image_limits){.pixels = 252}), SETSUNA_ELIMIT);
    sn_image_fini(heap(), &back);
    WebPFree(f.data);
    for (int32_t i = 0; i < 30; i++)
        alpha.data[4 * i + 3] = (uint8_t)(i * 8 + 1); /* alpha 0 would let the encoder drop the colour */
    f = encode_webp(&alpha);
    back = decode(&f);
    for (int32_t i = 0; i < 30; i++)
        for (int c = 0; c < 3; c++) {
            int a = alpha.data[4 * i + 3], v = alpha.data[4 * i + c];
            assert_int_equal(back.data[3 * i + c], (v * a + 255 * (255 - a) + 127) / 255);
        }
    sn_image_fini(heap(), &back);
    sn_image_fini(heap(), &source);
    sn_image_fini(heap(), &alpha);
    WebPFree(f.data);
}

/* ---- damage --------------------------------------------------------------------------------------------- */

typedef struct damage {
    sn_image image; /* reused, as a pipeline does */
    int accepted;
} damage;

static void decode_damaged(void *ctx, const uint8_t *data, size_t size)
{
    damage *d = ctx;
    setsuna_error err = {0};
    setsuna_status status = sn_image_decode(heap(), data, size, &(sn_image_limits){.pixels = 1 << 16}, &d->image, &err);
    if (status == SETSUNA_OK) {
        d->accepted++;
        assert_int_equal(d->image.channels, 3);
    } else {
        assert_true(err.text[0] != '\0');
    }
}

static void check_damage(const file *f)
{
    damage d = {0};
    mutate_truncate_all(f->data, f->size, decode_damaged, &d);
    assert_int_equal(d.accepted, 0);
    mutate_flip_all(f->data, f->size, decode_damaged, &d);
    sn_image_fini(heap(), &d.image);
}

static void test_damaged_png(void **state)
{
    (void)state;
    sn_image source = picture(6, 4, 3);
    file f;
    assert_int_equal(sn_image_encode_png(heap(), &source, &f.data, &f.size, NULL), SETSUNA_OK);
    check_damage(&f);
    sn_free(heap(), f.data);
    const uint8_t row[2] = {0x01, 0x23};
    static const png_byte alpha[4] = {255, 0, 128, 51};
    f = encode_png(4, 1, &(png_variant){PNG_COLOR_TYPE_PALETTE, 4, PNG_INTERLACE_ADAM7, 4, alpha, NULL}, row, 2);
    check_damage(&f);
    free(f.data);
    sn_image_fini(heap(), &source);
}

static void test_damaged_jpeg(void **state)
{
    (void)state;
    sn_image source = ramp(16, 16, 3);
    uint8_t exif[64];
    unsigned n = make_exif(exif, true, 6);
    for (int progressive = 0; progressive < 2; progressive++) {
        file f = encode_jpeg(&source, 30, progressive, exif, n);
        check_damage(&f);
        free(f.data);
    }
    sn_image_fini(heap(), &source);
}

static void test_damaged_webp(void **state)
{
    (void)state;
    sn_image source = picture(6, 4, 4);
    file f = encode_webp(&source);
    check_damage(&f);
    WebPFree(f.data);
    f.size = WebPEncodeRGBA(source.data, 6, 4, (int)source.stride_bytes, 50.0f, &f.data); /* lossy, with alpha plane */
    assert_true(f.size > 0);
    check_damage(&f);
    WebPFree(f.data);
    sn_image_fini(heap(), &source);
}

static void test_not_a_picture(void **state)
{
    (void)state;
    static const char *const text[] = {"", "\xff\xd8", "\xff\xd8\xff", "GIF89a", "RIFF....WEBP", "\x89PNG\r\n\x1a\n"};
    static const size_t size[] = {0, 2, 3, 6, 12, 8};
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        file f = {malloc(size[i] ? size[i] : 1), size[i]};
        memcpy(f.data, text[i], size[i]);
        assert_int_equal(decode_status(&f, NULL), SETSUNA_EINPUT);
        free(f.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_png_round_trip),
        cmocka_unit_test(test_png_strided_source),
        cmocka_unit_test(test_png_gray_depths),
        cmocka_unit_test(test_png_palette_and_alpha),
        cmocka_unit_test(test_png_interlaced),
        cmocka_unit_test(test_png_bombs),
        cmocka_unit_test(test_write_png),
        cmocka_unit_test(test_jpeg_pixels),
        cmocka_unit_test(test_jpeg_shrink),
        cmocka_unit_test(test_jpeg_refused),
        cmocka_unit_test(test_jpeg_scan_bomb),
        cmocka_unit_test(test_exif_parse),
        cmocka_unit_test(test_exif_applied),
        cmocka_unit_test(test_webp),
        cmocka_unit_test(test_damaged_png),
        cmocka_unit_test(test_damaged_jpeg),
        cmocka_unit_test(test_damaged_webp),
        cmocka_unit_test(test_not_a_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
