/* PNG through libpng. Its errors leave by longjmp to the guarded function; everything that lives across the jump is
 * in the job struct, so no local variable can be clobbered. */
#include "base/checked.h"
#include "pipeline/image_codec.h"
#include <png.h>
#include <string.h>

enum {
    PNG_MAGIC_BYTES = 8,
    PNG_CHUNK_BYTES_MAX = 1 << 20, /* of an ancillary chunk */
    PNG_ANCILLARY_MAX = 64
};

typedef struct png_job {
    png_structp codec;
    png_infop info;
    setsuna_status status;
    setsuna_error *err;
    const sn_allocator *allocator;
    /* reading */
    const sn_image_limits *limits;
    sn_image *image;
    const uint8_t *data;
    size_t size, pos; /* pos <= size */
    /* writing */
    const sn_image *source;
    uint8_t *out;
    size_t out_size, out_capacity;
} png_job;

_Noreturn static void png_job_fail(png_job *job, setsuna_status status)
{
    job->status = status;
    png_longjmp(job->codec, 1);
}

_Noreturn static void png_on_error(png_structp codec, png_const_charp text)
{
    png_job *job = png_get_error_ptr(codec);
    job->status = sn_fail(job->err, SETSUNA_EINPUT, NULL, "damaged PNG: %s", text);
    png_longjmp(codec, 1);
}

/* ---- reading ----------------------------------------------------------------------------------------- */

/* Walks the chunk headers before libpng sees the file: a bounded number of ancillary chunks of bounded size, all of
 * them whole. Contents and checksums are libpng's to check. */
static setsuna_status png_check_chunks(const uint8_t *data, size_t size, setsuna_error *err)
{
    int ancillary = 0;
    for (size_t pos = PNG_MAGIC_BYTES;;) {
        if (size - pos < 12)
            return sn_fail(err, SETSUNA_EINPUT, NULL, "damaged PNG: the file ends at byte %zu without an IEND chunk",
                           size);
        const uint8_t *p = data + pos;
        uint32_t length = png_get_uint_32(p);
        if (length > size - pos - 12)
            return sn_fail(err, SETSUNA_EINPUT, NULL, "damaged PNG: the chunk at byte %zu is longer than the file",
                           pos);
        if (memcmp(p + 4, "IEND", 4) == 0)
            return SETSUNA_OK;
        if (p[4] & 0x20) { /* lower case: ancillary */
            if (length > PNG_CHUNK_BYTES_MAX || ++ancillary > PNG_ANCILLARY_MAX)
                return sn_fail(err, SETSUNA_ELIMIT, NULL,
                               "the PNG has more than %d ancillary chunks, or one of more than %d bytes; save it "
                               "without metadata",
                               PNG_ANCILLARY_MAX, PNG_CHUNK_BYTES_MAX);
        }
        pos += 12 + (size_t)length;
    }
}

static void png_on_read(png_structp codec, png_bytep dst, size_t n)
{
    png_job *job = png_get_io_ptr(codec);
    if (n > job->size - job->pos)
        png_error(codec, "the file is too short");
    memcpy(dst, job->data + job->pos, n);
    job->pos += n;
}

/* Everything becomes 8-bit RGB or RGBA. Returns the channels. */
static int32_t png_request_rgb(png_job *job)
{
    int color = png_get_color_type(job->codec, job->info);
    bool alpha = (color & PNG_COLOR_MASK_ALPHA) || png_get_valid(job->codec, job->info, PNG_INFO_tRNS);
    png_set_expand(job->codec);   /* palette and 1, 2, 4 bits to 8; tRNS to alpha */
    png_set_scale_16(job->codec); /* round(v * 255 / 65535) */
    if (!(color & PNG_COLOR_MASK_COLOR))
        png_set_gray_to_rgb(job->codec);
    return alpha ? 4 : 3;
}

static setsuna_status png_decode_guarded(png_job *job)
{
    if (setjmp(png_jmpbuf(job->codec)))
        return job->status;
    png_set_read_fn(job->codec, job, png_on_read);
    png_set_benign_errors(job->codec, 0);
    png_set_user_limits(job->codec, SN_IMAGE_SIDE_MAX, SN_IMAGE_SIDE_MAX);
    png_set_chunk_cache_max(job->codec, PNG_ANCILLARY_MAX);
    png_set_chunk_malloc_max(job->codec, PNG_CHUNK_BYTES_MAX);
    /* Colour profiles, gamma, text and the like do not change what we return, so they are skipped unread. */
    png_set_keep_unknown_chunks(job->codec, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(job->codec, job->info);
    uint32_t width = png_get_image_width(job->codec, job->info), height = png_get_image_height(job->codec, job->info);
    job->status = sn_image_check_size(width, height, job->limits->pixels, job->err);
    if (job->status != SETSUNA_OK)
        return job->status;
    int32_t channels = png_request_rgb(job);
    int passes = png_set_interlace_handling(job->codec);
    png_read_update_info(job->codec, job->info);
    job->status = sn_image_reserve(job->allocator, job->image, (int32_t)width, (int32_t)height, channels);
    if (job->status != SETSUNA_OK)
        return sn_fail(job->err, job->status, NULL, "no memory for %u x %u pixels", width, height);
    if (png_get_rowbytes(job->codec, job->info) != job->image->stride_bytes)
        png_error(job->codec, "unexpected pixel format");
    for (int pass = 0; pass < passes; pass++)
        for (int32_t y = 0; y < (int32_t)height; y++)
            png_read_row(job->codec, sn_image_row(job->image, y), NULL);
    png_read_end(job->codec, NULL);
    if (channels == 4)
        sn_image_flatten(job->image);
    return SETSUNA_OK;
}

setsuna_status sn_image_decode_png(const sn_allocator *a, const uint8_t *data, size_t size,
                                   const sn_image_limits *limits, sn_image *image, setsuna_error *err)
{
    SN_TRY(png_check_chunks(data, size, err));
    png_job job = {.allocator = a, .limits = limits, .image = image, .err = err, .data = data, .size = size};
    job.codec = png_create_read_struct(PNG_LIBPNG_VER_STRING, &job, png_on_error, png_on_error);
    job.info = job.codec ? png_create_info_struct(job.codec) : NULL;
    setsuna_status status =
        job.info ? png_decode_guarded(&job) : sn_fail(err, SETSUNA_ENOMEM, NULL, "no memory to decode a PNG");
    png_destroy_read_struct(&job.codec, &job.info, NULL);
    return status;
}

/* ---- writing ----------------------------------------------------------------------------------------- */

static void png_on_write(png_structp codec, png_bytep data, size_t n)
{
    png_job *job = png_get_io_ptr(codec);
    size_t need;
    if (!sn_add_size(job->out_size, n, &need) || !sn_grow(job->allocator, &job->out, &job->out_capacity, need, 1))
        png_job_fail(job, sn_fail(job->err, SETSUNA_ENOMEM, NULL, "no memory to encode a PNG"));
    memcpy(job->out + job->out_size, data, n);
    job->out_size = need;
}

static void png_on_flush(png_structp codec)
{
    (void)codec;
}

static setsuna_status png_encode_guarded(png_job *job)
{
    if (setjmp(png_jmpbuf(job->codec)))
        return job->status;
    const sn_image *image = job->source;
    int color = image->channels == 1   ? PNG_COLOR_TYPE_GRAY
                : image->channels == 3 ? PNG_COLOR_TYPE_RGB
                                       : PNG_COLOR_TYPE_RGB_ALPHA;
    png_set_write_fn(job->codec, job, png_on_write, png_on_flush);
    png_set_IHDR(job->codec, job->info, (uint32_t)image->width, (uint32_t)image->height, 8, color, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(job->codec, job->info);
    for (int32_t y = 0; y < image->height; y++)
        png_write_row(job->codec, sn_image_row(image, y));
    png_write_end(job->codec, NULL);
    return SETSUNA_OK;
}

setsuna_status sn_image_encode_png(const sn_allocator *a, const sn_image *image, uint8_t **data_out, size_t *size_out,
                                   setsuna_error *err)
{
    if (!image->data || image->width < 1 || image->height < 1)
        return sn_fail(err, SETSUNA_EINVAL, NULL, "an empty picture cannot be written");
    png_job job = {.allocator = a, .source = image, .err = err};
    job.codec = png_create_write_struct(PNG_LIBPNG_VER_STRING, &job, png_on_error, png_on_error);
    job.info = job.codec ? png_create_info_struct(job.codec) : NULL;
    setsuna_status status =
        job.info ? png_encode_guarded(&job) : sn_fail(err, SETSUNA_ENOMEM, NULL, "no memory to encode a PNG");
    png_destroy_write_struct(&job.codec, &job.info);
    if (status != SETSUNA_OK) {
        sn_free(a, job.out);
        return status;
    }
    *data_out = job.out;
    *size_out = job.out_size;
    return SETSUNA_OK;
}
