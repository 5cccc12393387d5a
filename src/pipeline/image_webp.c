/* WebP through libwebp, which reports by return value only. */
#include "pipeline/image_codec.h"
#include <webp/decode.h>

static const char *webp_status_text(VP8StatusCode code)
{
    switch (code) {
    case VP8_STATUS_OUT_OF_MEMORY: return "out of memory";
    case VP8_STATUS_BITSTREAM_ERROR: return "the bit stream is invalid";
    case VP8_STATUS_UNSUPPORTED_FEATURE: return "it uses an unknown feature";
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA: return "the file is too short";
    case VP8_STATUS_OK:
    case VP8_STATUS_INVALID_PARAM:
    case VP8_STATUS_USER_ABORT: break;
    }
    return "it cannot be decoded";
}

static setsuna_status webp_fail(setsuna_error *err, VP8StatusCode code)
{
    return sn_fail(err, code == VP8_STATUS_OUT_OF_MEMORY ? SETSUNA_ENOMEM : SETSUNA_EINPUT, NULL, "damaged WebP: %s",
                   webp_status_text(code));
}

setsuna_status sn_image_decode_webp(const sn_allocator *a, const uint8_t *data, size_t size,
                                    const sn_image_limits *limits, sn_image *image, setsuna_error *err)
{
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return sn_fail(err, SETSUNA_EUNSUPPORTED, NULL, "libwebp is older than its headers");
    VP8StatusCode code = WebPGetFeatures(data, size, &config.input);
    if (code != VP8_STATUS_OK)
        return webp_fail(err, code);
    if (config.input.has_animation)
        return sn_fail(err, SETSUNA_EUNSUPPORTED, NULL, "the WebP is an animation; save one frame of it");
    SN_TRY(sn_image_check_size((uint64_t)config.input.width, (uint64_t)config.input.height, limits->pixels, err));
    bool alpha = config.input.has_alpha;
    setsuna_status status = sn_image_reserve(a, image, config.input.width, config.input.height, alpha ? 4 : 3);
    if (status != SETSUNA_OK)
        return sn_fail(err, status, NULL, "no memory for %d x %d pixels", config.input.width, config.input.height);
    config.output.colorspace = alpha ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = image->data;
    config.output.u.RGBA.stride = (int)image->stride_bytes;
    config.output.u.RGBA.size = image->stride_bytes * (size_t)image->height;
    code = WebPDecode(data, size, &config);
    WebPFreeDecBuffer(&config.output);
    if (code != VP8_STATUS_OK)
        return webp_fail(err, code);
    if (alpha)
        sn_image_flatten(image);
    return SETSUNA_OK;
}
