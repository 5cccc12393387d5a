/* Writes the seeds of what pipelines read: seed_pipeline DIR makes DIR/npy/NAME.npy and DIR/image/NAME. Those of
 * DIR/yaml are written by hand. */
#include "base/file.h"
#include "pipeline/image.h"
#include "pipeline/npy.h"
/* jpeglib.h wants FILE */
#include <stdio.h>

#include <jpeglib.h>
#include <stdlib.h>
#include <string.h>
#include <webp/encode.h>

static int seed_write(const char *dir, const char *name, const void *data, size_t size)
{
    char path[4096];
    setsuna_error err = {0};
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int failed = sn_file_write(path, data, size, &err) != SETSUNA_OK;
    if (failed)
        fprintf(stderr, "%s: %s\n", path, err.text);
    return failed;
}

/* The file, and its first two thirds. */
static int seed_write_twice(const char *dir, const char *name, const void *data, size_t size)
{
    char cut[64];
    snprintf(cut, sizeof cut, "cut_%s", name);
    return seed_write(dir, name, data, size) | seed_write(dir, cut, data, size * 2 / 3);
}

/* ---- .npy --------------------------------------------------------------------------------------------- */

static int seed_npy_header(const char *dir, const char *name, int version, const char *header, size_t n_data)
{
    uint8_t file[512] = "\x93NUMPY";
    size_t n = strlen(header), at = version == 1 ? 10 : 12;
    file[6] = (uint8_t)version;
    file[8] = (uint8_t)n;
    memcpy(file + at, header, n);
    return seed_write(dir, name, file, at + n + n_data);
}

static int seed_npy(const char *dir)
{
    static uint8_t data[6 * 16] = {0, 1, 0, 1};
    int failed = 0;
    for (int type = 1; type <= 16; type++) {
        char name[32];
        uint8_t *file;
        size_t size;
        if (type == SETSUNA_STRING)
            continue;
        setsuna_tensor t = {(setsuna_dtype)type, {2, {2, 3}}, data, 6 * setsuna_dtype_size((setsuna_dtype)type)};
        snprintf(name, sizeof name, "%s.npy", setsuna_dtype_name(t.dtype));
        if (sn_npy_encode(sn_allocator_default(), &t, &file, &size, NULL) != SETSUNA_OK)
            return 1;
        failed |= type == SETSUNA_F32 ? seed_write_twice(dir, name, file, size) : seed_write(dir, name, file, size);
        sn_free(sn_allocator_default(), file);
    }
    static const struct {
        const char *name, *header;
        int version;
        size_t n_data;
    } odd[] = {
        {"fortran.npy", "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }\n", 1, 12},
        {"version_2.npy", "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }\n", 2, 3},
        {"version_3.npy", "{'shape': (), 'descr': \"<f8\", 'fortran_order': False}\n", 3, 8},
        {"empty.npy", "{'descr': '<f4', 'fortran_order': True, 'shape': (0, 9223372036854775807), }\n", 1, 0},
        {"wraps.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967297), }\n", 1, 4},
        {"rank_9.npy", "{'descr': '|i1', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1, 1, 1, 1), }\n", 1, 1},
        {"structured.npy", "{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1,), }\n", 1, 4},
        {"big_endian.npy", "{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }\n", 1, 4},
        {"negative.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }\n", 1, 4},
        {"key_twice.npy", "{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (1,), }\n", 1, 4},
    };
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        failed |= seed_npy_header(dir, odd[i].name, odd[i].version, odd[i].header, odd[i].n_data);
    return failed;
}

/* ---- pictures ----------------------------------------------------------------------------------------- */

enum { SEED_SIDE = 9 };

static void seed_paint(sn_image *image)
{
    for (int32_t y = 0; y < image->height; y++)
        for (int32_t x = 0; x < image->width * image->channels; x++)
            sn_image_row(image, y)[x] = (uint8_t)(x * 13 + y * 29);
}

/* Orientation: an EXIF block that turns the picture, or 0 for none. */
static int seed_jpeg(const char *dir, const char *name, const sn_image *image, int progressive, int orientation)
{
    struct jpeg_compress_struct codec;
    struct jpeg_error_mgr errors;
    unsigned char *data = NULL;
    unsigned long size = 0;
    codec.err = jpeg_std_error(&errors);
    jpeg_create_compress(&codec);
    jpeg_mem_dest(&codec, &data, &size);
    codec.image_width = (JDIMENSION)image->width;
    codec.image_height = (JDIMENSION)image->height;
    codec.input_components = image->channels;
    codec.in_color_space = image->channels == 1 ? JCS_GRAYSCALE : image->channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&codec);
    if (progressive)
        jpeg_simple_progression(&codec);
    jpeg_start_compress(&codec, TRUE);
    if (orientation) {
        uint8_t exif[] = "Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\0\0\0\0\0\0\0";
        exif[24] = (uint8_t)orientation;
        jpeg_write_marker(&codec, JPEG_APP0 + 1, exif, sizeof exif - 1);
    }
    while (codec.next_scanline < codec.image_height) {
        JSAMPROW row = sn_image_row(image, (int32_t)codec.next_scanline);
        jpeg_write_scanlines(&codec, &row, 1);
    }
    jpeg_finish_compress(&codec);
    jpeg_destroy_compress(&codec);
    int failed = seed_write_twice(dir, name, data, size);
    free(data);
    return failed;
}

static int seed_webp(const char *dir, const sn_image *image, int lossless)
{
    uint8_t *data = NULL;
    int stride = (int)image->stride_bytes;
    size_t size = lossless ? WebPEncodeLosslessRGBA(image->data, image->width, image->height, stride, &data)
                           : WebPEncodeRGBA(image->data, image->width, image->height, stride, 50.0f, &data);
    int failed = !size || seed_write_twice(dir, lossless ? "lossless.webp" : "lossy.webp", data, size);
    WebPFree(data);
    return failed;
}

static int seed_images(const char *dir)
{
    const sn_allocator *a = sn_allocator_default();
    int failed = 0;
    static const int32_t channels[] = {1, 3, 4};
    for (int i = 0; i < 3; i++) {
        sn_image image = {0};
        uint8_t *png;
        size_t size;
        char name[32];
        if (sn_image_reserve(a, &image, SEED_SIDE, SEED_SIDE + 4, channels[i]) != SETSUNA_OK)
            return 1;
        seed_paint(&image);
        snprintf(name, sizeof name, "channels_%d.png", channels[i]);
        if (sn_image_encode_png(a, &image, &png, &size, NULL) != SETSUNA_OK)
            return 1;
        failed |= seed_write_twice(dir, name, png, size);
        sn_free(a, png);
        snprintf(name, sizeof name, "channels_%d.jpg", channels[i]);
        failed |= seed_jpeg(dir, name, &image, 0, channels[i] == 3 ? 6 : 0);
        if (channels[i] == 3)
            failed |= seed_jpeg(dir, "progressive.jpg", &image, 1, 0);
        if (channels[i] == 4)
            failed |= seed_webp(dir, &image, 0) | seed_webp(dir, &image, 1);
        sn_image_fini(a, &image);
    }
    return failed;
}

int main(int argc, char **argv)
{
    char npy[2048], image[2048];
    if (argc != 2) {
        fprintf(stderr, "usage: seed_pipeline DIR\n");
        return 2;
    }
    snprintf(npy, sizeof npy, "%s/npy", argv[1]);
    snprintf(image, sizeof image, "%s/image", argv[1]);
    return seed_npy(npy) | seed_images(image);
}
