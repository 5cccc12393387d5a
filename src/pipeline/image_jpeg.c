/* JPEG through libjpeg-turbo. Its errors leave by longjmp to jpeg_decode_guarded; everything that lives across the
 * jump is in jpeg_job, so no local variable can be clobbered. */
#include "pipeline/exif.h"
#include "pipeline/image_codec.h"
#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

enum { JPEG_SCANS_MAX = 64 /* a progressive file of a few KiB can ask for thousands of walks over 16 Mpx */ };

typedef struct jpeg_job {
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    struct jpeg_decompress_struct codec;
    jmp_buf escape;
    const sn_allocator *allocator;
    const sn_image_limits *limits;
    sn_image *image;
    setsuna_status status;
    setsuna_error *err;
    int orientation;
} jpeg_job;

_Noreturn static void jpeg_job_fail(jpeg_job *job, setsuna_status status)
{
    job->status = status;
    longjmp(job->escape, 1);
}

_Noreturn static void jpeg_on_error(j_common_ptr codec)
{
    jpeg_job *job = codec->client_data;
    char text[JMSG_LENGTH_MAX];
    codec->err->format_message(codec, text);
    jpeg_job_fail(job, sn_fail(job->err, SETSUNA_EINPUT, NULL, "damaged JPEG: %s", text));
}

/* level -1 is a warning: the decoder would go on with made-up pixels. 0 and above are trace messages. */
static void jpeg_on_message(j_common_ptr codec, int level)
{
    if (level < 0)
        jpeg_on_error(codec);
}

static void jpeg_on_output(j_common_ptr codec)
{
    (void)codec; /* the default prints */
}

static void jpeg_on_progress(j_common_ptr codec)
{
    jpeg_job *job = codec->client_data;
    if (codec->is_decompressor && job->codec.input_scan_number > JPEG_SCANS_MAX)
        jpeg_job_fail(job, sn_fail(job->err, SETSUNA_ELIMIT, NULL,
                                   "the JPEG has more than %d scans; save it as a baseline JPEG", JPEG_SCANS_MAX));
}

/* The smallest scaled decode that keeps the shorter side at shrink_min or above. */
static unsigned jpeg_pick_denominator(const struct jpeg_decompress_struct *codec, int32_t shrink_min)
{
    unsigned side = codec->image_width < codec->image_height ? codec->image_width : codec->image_height;
    unsigned denominator = 1;
    while (shrink_min > 0 && denominator < 8 && side / (denominator * 2) >= (unsigned)shrink_min)
        denominator *= 2;
    return denominator;
}

static void jpeg_read_header_checked(jpeg_job *job)
{
    struct jpeg_decompress_struct *codec = &job->codec;
    jpeg_save_markers(codec, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(codec, TRUE);
    if (codec->num_components != 1 && codec->num_components != 3)
        jpeg_job_fail(job, sn_fail(job->err, SETSUNA_EUNSUPPORTED, NULL,
                                   "JPEG with %d components (CMYK?); save the picture as RGB", codec->num_components));
    setsuna_status status = sn_image_check_size(codec->image_width, codec->image_height, job->limits->pixels, job->err);
    if (status != SETSUNA_OK)
        jpeg_job_fail(job, status);
    job->orientation = 1;
    for (jpeg_saved_marker_ptr m = codec->marker_list; m && job->orientation == 1; m = m->next)
        job->orientation = sn_exif_orientation(m->data, m->data_length);
}

static setsuna_status jpeg_decode_guarded(jpeg_job *job, const uint8_t *data, size_t size)
{
    struct jpeg_decompress_struct *codec = &job->codec;
    if (setjmp(job->escape))
        return job->status;
    jpeg_create_decompress(codec);
    codec->progress = &job->progress;
    jpeg_mem_src(codec, data, (unsigned long)size);
    jpeg_read_header_checked(job);
    codec->out_color_space = JCS_RGB;
    codec->scale_num = 1;
    codec->scale_denom = jpeg_pick_denominator(codec, job->limits->shrink_min);
    jpeg_calc_output_dimensions(codec);
    job->status =
        sn_image_reserve(job->allocator, job->image, (int32_t)codec->output_width, (int32_t)codec->output_height, 3);
    if (job->status != SETSUNA_OK)
        return sn_fail(job->err, job->status, NULL, "no memory for %u x %u pixels", codec->output_width,
                       codec->output_height);
    jpeg_start_decompress(codec);
    while (codec->output_scanline < codec->output_height) {
        JSAMPROW row = sn_image_row(job->image, (int32_t)codec->output_scanline);
        jpeg_read_scanlines(codec, &row, 1);
    }
    jpeg_finish_decompress(codec);
    return SETSUNA_OK;
}

setsuna_status sn_image_decode_jpeg(const sn_allocator *a, const uint8_t *data, size_t size,
                                    const sn_image_limits *limits, sn_image *image, setsuna_error *err)
{
    jpeg_job job = {.allocator = a, .limits = limits, .image = image, .err = err};
    job.codec.err = jpeg_std_error(&job.errors);
    job.codec.client_data = &job;
    job.errors.error_exit = jpeg_on_error;
    job.errors.emit_message = jpeg_on_message;
    job.errors.output_message = jpeg_on_output;
    job.progress.progress_monitor = jpeg_on_progress;
    setsuna_status status = jpeg_decode_guarded(&job, data, size);
    jpeg_destroy_decompress(&job.codec);
    if (status == SETSUNA_OK) {
        status = sn_image_orient(a, image, job.orientation);
        if (status != SETSUNA_OK)
            sn_fail(err, status, NULL, "no memory to turn the picture upright");
    }
    return status;
}
