/* Sound files for tests, written by libsndfile into memory, so that every kind can be had. */
#ifndef SN_TEST_PIPELINE_SOUNDS_H
#define SN_TEST_PIPELINE_SOUNDS_H

#include <ogg/ogg.h>
#include <sndfile.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct sound_file {
    uint8_t *data; /* the caller frees it */
    size_t size, capacity, at;
} sound_file;

static inline sf_count_t sound_file_length(void *user)
{
    return (sf_count_t)((sound_file *)user)->size;
}

static inline sf_count_t sound_file_tell(void *user)
{
    return (sf_count_t)((sound_file *)user)->at;
}

static inline sf_count_t sound_file_seek(sf_count_t offset, int whence, void *user)
{
    sound_file *f = user;
    sf_count_t base = whence == SEEK_CUR ? (sf_count_t)f->at : whence == SEEK_END ? (sf_count_t)f->size : 0;
    f->at = (size_t)(base + offset);
    return (sf_count_t)f->at;
}

static inline sf_count_t sound_file_read(void *dst, sf_count_t count, void *user)
{
    sound_file *f = user;
    size_t left = f->at < f->size ? f->size - f->at : 0, n = (size_t)count < left ? (size_t)count : left;
    if (n)
        memcpy(dst, f->data + f->at, n);
    f->at += n;
    return (sf_count_t)n;
}

static inline sf_count_t sound_file_write(const void *src, sf_count_t count, void *user)
{
    sound_file *f = user;
    size_t end = f->at + (size_t)count;
    if (end > f->capacity) {
        f->capacity = end * 2;
        f->data = realloc(f->data, f->capacity);
    }
    if (end > f->size) {
        memset(f->data + f->size, 0, end - f->size);
        f->size = end;
    }
    memcpy(f->data + f->at, src, (size_t)count);
    f->at = end;
    return count;
}

/* frames x channels samples as a file of this libsndfile format; data NULL: libsndfile refused. */
static inline sound_file sound_file_make(int format, int rate, int channels, const float *sample, size_t frames)
{
    sound_file f = {0};
    SF_VIRTUAL_IO io = {sound_file_length, sound_file_seek, sound_file_read, sound_file_write, sound_file_tell};
    SF_INFO info = {.samplerate = rate, .channels = channels, .format = format};
    SNDFILE *file = sf_open_virtual(&io, SFM_WRITE, &info, &f);
    if (!file)
        return f;
    sf_writef_float(file, sample, (sf_count_t)frames);
    sf_close(file);
    return f;
}

/* Gives every page of an Ogg the checksum that fits, so that damage reaches the codec. */
static inline void sound_mend_ogg(uint8_t *data, size_t size)
{
    for (size_t at = 0; at + 27 <= size && memcmp(data + at, "OggS", 4) == 0;) {
        size_t segments = data[at + 26], body = 0;
        if (at + 27 + segments > size)
            return;
        for (size_t i = 0; i < segments; i++)
            body += data[at + 27 + i];
        if (at + 27 + segments + body > size)
            return;
        ogg_page page = {data + at, (long)(27 + segments), data + at + 27 + segments, (long)body};
        ogg_page_checksum_set(&page);
        at += 27 + segments + body;
    }
}

#endif
