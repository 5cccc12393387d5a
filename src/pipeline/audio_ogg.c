#include "pipeline/audio_ogg.h"
#include <ogg/ogg.h>
#include <stdbool.h>
#include <string.h>
#include <vorbis/codec.h>

enum {
    OGG_FEED = 4096, /* bytes given to libogg at a time */
    OGG_HEADERS_MAX = 1 << 20,
    OGG_VORBIS_HEADERS = 3, /* packets: identification, comment, setup */
    OGG_OPUS_HEADERS = 2    /* packets: OpusHead, OpusTags */
};

typedef struct ogg_check {
    setsuna_error *err;
    ogg_sync_state sync;
    ogg_stream_state stream;
    bool has_stream, is_vorbis;
    int n_headers, n_seen;
    vorbis_info info;
    vorbis_comment comment;
} ogg_check;

static setsuna_status ogg_fail(const ogg_check *c, const char *reason)
{
    return sn_fail(c->err, SETSUNA_EINPUT, NULL, "damaged Ogg: %s", reason);
}

/* The first packet says what the stream is. */
static setsuna_status ogg_take_first(ogg_check *c, ogg_packet *packet)
{
    c->is_vorbis = vorbis_synthesis_idheader(packet) == 1;
    c->n_headers = c->is_vorbis ? OGG_VORBIS_HEADERS : OGG_OPUS_HEADERS;
    if (!c->is_vorbis && (packet->bytes < 8 || memcmp(packet->packet, "OpusHead", 8) != 0))
        return sn_fail(c->err, SETSUNA_EUNSUPPORTED, NULL, "the Ogg holds neither Vorbis nor Opus; convert it to one");
    return SETSUNA_OK;
}

static setsuna_status ogg_take_packet(ogg_check *c, ogg_packet *packet)
{
    if (c->n_seen == 0)
        SN_TRY(ogg_take_first(c, packet));
    if (c->is_vorbis && vorbis_synthesis_headerin(&c->info, &c->comment, packet) != 0)
        return ogg_fail(c, "its Vorbis header is invalid");
    if (!c->is_vorbis && c->n_seen == 1 && (packet->bytes < 8 || memcmp(packet->packet, "OpusTags", 8) != 0))
        return ogg_fail(c, "its Opus header is invalid");
    c->n_seen++;
    return SETSUNA_OK;
}

static setsuna_status ogg_take_page(ogg_check *c, ogg_page *page)
{
    if (!c->has_stream) {
        if (!ogg_page_bos(page))
            return ogg_fail(c, "its begin is missing");
        if (ogg_stream_init(&c->stream, ogg_page_serialno(page)) != 0)
            return sn_fail(c->err, SETSUNA_ENOMEM, NULL, "out of memory");
        c->has_stream = true;
    } else if (ogg_page_serialno(page) != c->stream.serialno) {
        return sn_fail(c->err, SETSUNA_EUNSUPPORTED, NULL, "the Ogg holds several streams; extract the sound");
    }
    if (ogg_stream_pagein(&c->stream, page) != 0)
        return ogg_fail(c, "a page is invalid");
    ogg_packet packet;
    for (int got = 1; got != 0 && (c->n_seen == 0 || c->n_seen < c->n_headers);) {
        got = ogg_stream_packetout(&c->stream, &packet);
        if (got < 0)
            return ogg_fail(c, "a page of its headers is missing");
        if (got > 0)
            SN_TRY(ogg_take_packet(c, &packet));
    }
    return SETSUNA_OK;
}

static setsuna_status ogg_check_headers(ogg_check *c, const uint8_t *data, size_t size)
{
    size_t at = 0;
    while (c->n_seen == 0 || c->n_seen < c->n_headers) {
        ogg_page page;
        int got = ogg_sync_pageout(&c->sync, &page);
        if (got < 0)
            return ogg_fail(c, "a page of its headers has a wrong checksum or is no page");
        if (got > 0) {
            SN_TRY(ogg_take_page(c, &page));
            continue;
        }
        size_t n = size - at < OGG_FEED ? size - at : OGG_FEED;
        if (n == 0)
            return ogg_fail(c, "it ends inside its headers");
        if (at > OGG_HEADERS_MAX)
            return sn_fail(c->err, SETSUNA_ELIMIT, NULL, "the headers of the Ogg take more than %d bytes",
                           OGG_HEADERS_MAX);
        char *buffer = ogg_sync_buffer(&c->sync, (long)n);
        if (!buffer)
            return sn_fail(c->err, SETSUNA_ENOMEM, NULL, "out of memory");
        memcpy(buffer, data + at, n);
        ogg_sync_wrote(&c->sync, (long)n);
        at += n;
    }
    return SETSUNA_OK;
}

/* Headers can be valid one by one and still not make a decoder. */
static setsuna_status ogg_check_vorbis(ogg_check *c)
{
    vorbis_dsp_state dsp;
    bool valid = vorbis_synthesis_init(&dsp, &c->info) == 0;
    vorbis_dsp_clear(&dsp);
    return valid ? SETSUNA_OK : ogg_fail(c, "its Vorbis headers do not go together");
}

setsuna_status sn_audio_check_ogg(const uint8_t *data, size_t size, setsuna_error *err)
{
    ogg_check c = {.err = err};
    ogg_sync_init(&c.sync);
    vorbis_info_init(&c.info);
    vorbis_comment_init(&c.comment);
    setsuna_status status = ogg_check_headers(&c, data, size);
    if (status == SETSUNA_OK && c.is_vorbis)
        status = ogg_check_vorbis(&c);
    vorbis_comment_clear(&c.comment);
    vorbis_info_clear(&c.info);
    if (c.has_stream)
        ogg_stream_clear(&c.stream);
    ogg_sync_clear(&c.sync);
    return status;
}
