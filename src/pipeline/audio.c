#include "pipeline/audio.h"
#include "pipeline/audio_ogg.h"
#include <math.h>
#include <samplerate.h>
#include <sndfile.h>
#include <string.h>

/* ---- telling formats apart ----------------------------------------------------------------------------------------
 */

static uint32_t audio_u32le(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static bool audio_is_wav(const uint8_t *data, size_t size)
{
    return size >= 12 && (memcmp(data, "RIFF", 4) == 0 || memcmp(data, "RF64", 4) == 0) &&
           memcmp(data + 8, "WAVE", 4) == 0;
}

/* Fails if the chunk of samples is longer than the file. libsndfile would hand out what is there and say nothing.
 * Lengths from WAV_UNKNOWN up are what programs write that cannot go back and fill in the true one (RF64 too). */
static setsuna_status audio_check_wav(const uint8_t *data, size_t size, setsuna_error *err)
{
    const uint32_t WAV_UNKNOWN = 0x7ffff000;
    for (size_t at = 12; size - at >= 8;) {
        uint32_t length = audio_u32le(data + at + 4);
        size_t left = size - at - 8;
        if (memcmp(data + at, "data", 4) == 0) {
            if (length <= left || length >= WAV_UNKNOWN)
                return SETSUNA_OK;
            return sn_fail(err, SETSUNA_EINPUT, NULL,
                           "the WAV is cut short: its header promises %u bytes of samples, %zu are there", length,
                           left);
        }
        size_t skip = (size_t)length + (length & 1); /* chunks are padded to even lengths */
        if (skip > left)
            break;
        at += 8 + skip;
    }
    return sn_fail(err, SETSUNA_EINPUT, NULL, "damaged WAV: it has no samples");
}

static setsuna_status audio_sniff(const uint8_t *data, size_t size, setsuna_error *err)
{
    if (audio_is_wav(data, size))
        return audio_check_wav(data, size, err);
    if (size >= 4 && memcmp(data, "OggS", 4) == 0)
        return sn_audio_check_ogg(data, size, err);
    if (size >= 4 && memcmp(data, "fLaC", 4) == 0)
        return SETSUNA_OK;
    return sn_fail(err, SETSUNA_EINPUT, NULL, "not a WAV, FLAC or Ogg file; convert it to one of these");
}

/* ---- the file in memory, as libsndfile wants to see it
 * --------------------------------------------------------------- */

typedef struct audio_memory {
    const uint8_t *data;
    sf_count_t size, at;
} audio_memory;

static sf_count_t memory_length(void *user)
{
    return ((const audio_memory *)user)->size;
}

static sf_count_t memory_tell(void *user)
{
    return ((const audio_memory *)user)->at;
}

/* Offsets come from the file; a target outside it leaves the position alone, as lseek would refuse it. */
static sf_count_t memory_seek(sf_count_t offset, int whence, void *user)
{
    audio_memory *m = user;
    sf_count_t base = whence == SEEK_CUR ? m->at : whence == SEEK_END ? m->size : 0, target;
    if (__builtin_add_overflow(base, offset, &target) || target < 0 || target > m->size)
        return -1;
    m->at = target;
    return target;
}

static sf_count_t memory_read(void *dst, sf_count_t count, void *user)
{
    audio_memory *m = user;
    sf_count_t n = count < m->size - m->at ? count : m->size - m->at;
    if (n <= 0)
        return 0;
    memcpy(dst, m->data + m->at, (size_t)n);
    m->at += n;
    return n;
}

static sf_count_t memory_write(const void *src, sf_count_t count, void *user)
{
    (void)src, (void)count, (void)user;
    return 0;
}

static const SF_VIRTUAL_IO memory_io = {memory_length, memory_seek, memory_read, memory_write, memory_tell};

/* ---- decoding
 * ---------------------------------------------------------------------------------------------------------- */

enum { READER_BLOCK = 4096 /* samples of all channels decoded at a time */ };

/* file -> interleaved block -> mono block -> (converter ->) audio */
typedef struct audio_reader {
    const sn_allocator *allocator;
    setsuna_error *err;
    audio_memory memory;
    SNDFILE *file;
    SF_INFO info;
    SRC_STATE *converter; /* NULL: the rate stays */
    double ratio;
    uint64_t samples_max;
    uint64_t n_read; /* frames decoded so far */
    /* In this order: libsamplerate takes an input that begins where its output does for an overlap, even if the input
     * is used up. */
    float mono[READER_BLOCK], interleaved[READER_BLOCK], converted[READER_BLOCK];
} audio_reader;

static setsuna_status reader_check_limits(const audio_reader *r)
{
    const SF_INFO *i = &r->info;
    int major = i->format & SF_FORMAT_TYPEMASK;
    if (major != SF_FORMAT_WAV && major != SF_FORMAT_WAVEX && major != SF_FORMAT_RF64 && major != SF_FORMAT_FLAC &&
        major != SF_FORMAT_OGG)
        return sn_fail(r->err, SETSUNA_EINPUT, NULL, "not a WAV, FLAC or Ogg file; convert it to one of these");
    if (i->samplerate < SN_AUDIO_RATE_MIN || i->samplerate > SN_AUDIO_RATE_MAX)
        return sn_fail(r->err, SETSUNA_ELIMIT, NULL, "%d samples a second; from %d to %d are read", i->samplerate,
                       SN_AUDIO_RATE_MIN, SN_AUDIO_RATE_MAX);
    if (i->channels < 1 || i->channels > SN_AUDIO_CHANNELS_MAX)
        return sn_fail(r->err, SETSUNA_ELIMIT, NULL, "%d channels; from 1 to %d are read", i->channels,
                       SN_AUDIO_CHANNELS_MAX);
    /* SF_COUNT_MAX stands for a stream that does not say how long it is. */
    if (i->frames != SF_COUNT_MAX && (i->frames < 0 || (uint64_t)i->frames > r->samples_max))
        return sn_fail(r->err, SETSUNA_ELIMIT, NULL, "%lld samples; at most %llu are read", (long long)i->frames,
                       (unsigned long long)r->samples_max);
    return SETSUNA_OK;
}

static setsuna_status reader_append(audio_reader *r, const float *sample, size_t n, sn_audio *audio)
{
    if (n > r->samples_max - audio->n)
        return sn_fail(r->err, SETSUNA_ELIMIT, NULL, "more than %llu samples at %u a second; cut the file into parts",
                       (unsigned long long)r->samples_max, audio->rate_hz);
    if (!sn_grow(r->allocator, &audio->sample, &audio->capacity, audio->n + n, sizeof *audio->sample))
        return sn_fail(r->err, SETSUNA_ENOMEM, NULL, "no memory for %zu samples", audio->n + n);
    for (size_t i = 0; i < n; i++)
        audio->sample[audio->n + i] = fminf(fmaxf(sample[i], -1.0f), 1.0f);
    audio->n += n;
    return SETSUNA_OK;
}

/* n samples of r->mono, the last of all if `last`. */
static setsuna_status reader_convert(audio_reader *r, size_t n, bool last, sn_audio *audio)
{
    SRC_DATA d = {.data_in = r->mono,
                  .data_out = r->converted,
                  .input_frames = (long)n,
                  .output_frames = READER_BLOCK,
                  .src_ratio = r->ratio,
                  .end_of_input = last};
    do {
        int code = src_process(r->converter, &d);
        if (code)
            return sn_fail(r->err, SETSUNA_EINPUT, NULL, "the rate cannot be changed: %s", src_strerror(code));
        SN_TRY(reader_append(r, r->converted, (size_t)d.output_frames_gen, audio));
        d.data_in += d.input_frames_used;
        d.input_frames -= d.input_frames_used;
    } while (d.input_frames_used > 0 || d.output_frames_gen > 0);
    return SETSUNA_OK;
}

/* Averages the channels of n frames into r->mono. */
static setsuna_status reader_mix(audio_reader *r, size_t n)
{
    size_t channels = (size_t)r->info.channels;
    const float *in = r->interleaved;
    for (size_t i = 0; i < n; i++, in += channels) {
        float sum = 0.0f;
        for (size_t c = 0; c < channels; c++)
            sum += in[c];
        if (!isfinite(sum))
            return sn_fail(r->err, SETSUNA_EINPUT, NULL, "sample %llu is not a finite number",
                           (unsigned long long)(r->n_read + i));
        r->mono[i] = sum / (float)channels;
    }
    return SETSUNA_OK;
}

static setsuna_status reader_read_all(audio_reader *r, sn_audio *audio)
{
    const sf_count_t block = READER_BLOCK / r->info.channels;
    for (sf_count_t n = block; n > 0;) {
        n = sf_readf_float(r->file, r->interleaved, block);
        if (n < 0 || n > block || sf_error(r->file))
            return sn_fail(r->err, SETSUNA_EINPUT, NULL, "damaged after %llu samples: %s",
                           (unsigned long long)r->n_read, sf_strerror(r->file));
        SN_TRY(reader_mix(r, (size_t)n));
        r->n_read += (uint64_t)n;
        if (r->converter)
            SN_TRY(reader_convert(r, (size_t)n, n == 0, audio));
        else
            SN_TRY(reader_append(r, r->mono, (size_t)n, audio));
    }
    if (r->info.frames != SF_COUNT_MAX && r->n_read < (uint64_t)r->info.frames)
        return sn_fail(r->err, SETSUNA_EINPUT, NULL, "cut short or damaged: %llu of %lld samples can be read",
                       (unsigned long long)r->n_read, (long long)r->info.frames);
    return SETSUNA_OK;
}

static setsuna_status reader_open(audio_reader *r, const sn_audio_options *o, sn_audio *audio)
{
    static const int converters[] = {
        [SN_AUDIO_FAST] = SRC_SINC_FASTEST,
        [SN_AUDIO_MEDIUM] = SRC_SINC_MEDIUM_QUALITY,
        [SN_AUDIO_BEST] = SRC_SINC_BEST_QUALITY,
    };
    SF_VIRTUAL_IO io = memory_io; /* the parameter is not const */
    r->file = sf_open_virtual(&io, SFM_READ, &r->info, &r->memory);
    if (!r->file)
        return sn_fail(r->err, SETSUNA_EINPUT, NULL, "cannot be read as sound: %s", sf_strerror(NULL));
    SN_TRY(reader_check_limits(r));
    audio->rate_hz = o->rate_hz ? o->rate_hz : (uint32_t)r->info.samplerate;
    if (audio->rate_hz == (uint32_t)r->info.samplerate)
        return SETSUNA_OK;
    int code = 0;
    r->ratio = (double)audio->rate_hz / r->info.samplerate;
    r->converter = src_new(converters[o->quality], 1, &code);
    return r->converter ? SETSUNA_OK
                        : sn_fail(r->err, SETSUNA_ENOMEM, NULL, "the rate cannot be changed: %s", src_strerror(code));
}

static void reader_destroy(audio_reader *r)
{
    if (r->converter)
        src_delete(r->converter);
    if (r->file)
        sf_close(r->file);
    sn_free(r->allocator, r);
}

setsuna_status sn_audio_decode(const sn_allocator *a, const void *data, size_t size, const sn_audio_options *options,
                               sn_audio *audio, setsuna_error *err)
{
    const sn_audio_options o = options ? *options : (sn_audio_options){0};
    if ((o.rate_hz && (o.rate_hz < SN_AUDIO_RATE_MIN || o.rate_hz > SN_AUDIO_RATE_MAX)) ||
        (unsigned)o.quality > SN_AUDIO_BEST)
        return sn_fail(err, SETSUNA_EINVAL, NULL, "%u samples a second; from %d to %d can be made", o.rate_hz,
                       SN_AUDIO_RATE_MIN, SN_AUDIO_RATE_MAX);
    SN_TRY(audio_sniff(data, size, err));
    audio_reader *r = sn_alloc_zero(a, sizeof *r);
    if (!r)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory");
    r->allocator = a;
    r->err = err;
    r->memory = (audio_memory){.data = data, .size = (sf_count_t)size};
    r->samples_max = o.samples_max ? o.samples_max : SN_AUDIO_SAMPLES_DEFAULT;
    audio->n = 0;
    setsuna_status status = reader_open(r, &o, audio);
    if (status == SETSUNA_OK)
        status = reader_read_all(r, audio);
    reader_destroy(r);
    return status;
}

void sn_audio_fini(const sn_allocator *a, sn_audio *audio)
{
    sn_free(a, audio->sample);
    *audio = (sn_audio){0};
}
