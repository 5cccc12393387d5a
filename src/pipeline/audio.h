/* Sound in memory, and the files it comes from: WAV, FLAC and Ogg (Vorbis, Opus) through libsndfile, brought to one
 * channel and one rate.
 *
 * Files are hostile: only these three formats reach libsndfile, what the header says is checked before anything is
 * allocated for it, and memory grows with the samples that were really there, never with the number that was promised.
 */
#ifndef SN_PIPELINE_AUDIO_H
#define SN_PIPELINE_AUDIO_H

#include "base/alloc.h"
#include "base/status.h"
#include <stdint.h>

/* One channel. {0} is a valid empty sound. */
typedef struct sn_audio {
    float *sample; /* in [-1, 1] */
    size_t n, capacity;
    uint32_t rate_hz;
} sn_audio;

enum {
    SN_AUDIO_RATE_MIN = 4000, /* with the maximum, a ratio that libsamplerate converts (1/256 to 256) */
    SN_AUDIO_RATE_MAX = 384000,
    SN_AUDIO_CHANNELS_MAX = 64,
    SN_AUDIO_SAMPLES_DEFAULT = 1 << 28 /* 4.6 hours at 16 kHz, 1 GiB */
};

/* X(name, text): the converters of libsamplerate, by the noise that its documentation states for them. */
#define SN_AUDIO_QUALITY_LIST(X)                                                                                       \
    X(FAST, "fast")     /* -97 dB, keeps the lower 80 % of the band */                                                 \
    X(MEDIUM, "medium") /* -121 dB, 90 % */                                                                            \
    X(BEST, "best")     /* -144 dB, 97 % */

typedef enum sn_audio_quality {
#define SN_AUDIO_QUALITY_ENUM(name, text) SN_AUDIO_##name,
    SN_AUDIO_QUALITY_LIST(SN_AUDIO_QUALITY_ENUM)
#undef SN_AUDIO_QUALITY_ENUM
} sn_audio_quality;

typedef struct sn_audio_options {
    uint32_t rate_hz;         /* of the result, in [SN_AUDIO_RATE_MIN, SN_AUDIO_RATE_MAX]; 0: the file's own */
    sn_audio_quality quality; /* of the change of rate */
    uint64_t samples_max; /* of the file (frames) and of the result; more are refused. 0: SN_AUDIO_SAMPLES_DEFAULT */
} sn_audio_options;

/* Decodes the file `data` of size bytes into *audio, whose memory is reused; its contents are replaced. Channels are
 * averaged; samples beyond [-1, 1] (floating-point files, overshoot of the converter) are clipped. A change of rate
 * keeps time: sample k lies at k / rate_hz, without delay.
 *
 * Returns OK; EINPUT (not one of the formats, or damaged: data that ends before the header says it does, and samples
 * that are no numbers, count); ELIMIT (rate, channels or length); EUNSUPPORTED (Ogg of another codec or of
 * several streams); EINVAL (options); ENOMEM.
 * On failure the contents of *audio are undefined, but it may be reused and must be freed as before. */
setsuna_status sn_audio_decode(const sn_allocator *a, const void *data, size_t size, const sn_audio_options *options,
                               sn_audio *audio, setsuna_error *err);

/* Frees what audio owns and empties it. */
void sn_audio_fini(const sn_allocator *a, sn_audio *audio);

#endif
