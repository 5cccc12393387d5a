/* Writes well-formed seeds: seed_audio DIR makes NAME.wav, NAME.flac and NAME.ogg in DIR/audio, a few milliseconds of
 * sound in every kind of file that is read. */
#include "base/file.h"
#include "unit/pipeline/sounds.h"

static const struct seed_kind {
    const char *name;
    int format, rate, channels, frames;
} seed_kinds[] = {
    {"pcm16.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 1, 80},
    {"u8_stereo.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_U8, 8000, 2, 40},
    {"pcm24_5.wav", SF_FORMAT_WAVEX | SF_FORMAT_PCM_24, 48000, 5, 30},
    {"float.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 44100, 1, 60},
    {"double.wav", SF_FORMAT_WAV | SF_FORMAT_DOUBLE, 22050, 1, 40},
    {"alaw.wav", SF_FORMAT_WAV | SF_FORMAT_ALAW, 8000, 1, 80},
    {"ulaw.wav", SF_FORMAT_WAV | SF_FORMAT_ULAW, 8000, 1, 80},
    {"ima.wav", SF_FORMAT_WAV | SF_FORMAT_IMA_ADPCM, 8000, 1, 300},
    {"ms.wav", SF_FORMAT_WAV | SF_FORMAT_MS_ADPCM, 8000, 2, 300},
    {"gsm.wav", SF_FORMAT_WAV | SF_FORMAT_GSM610, 8000, 1, 320},
    {"rf64.wav", SF_FORMAT_RF64 | SF_FORMAT_PCM_16, 16000, 1, 40},
    {"mono16.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 16000, 1, 200},
    {"stereo24.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_24, 44100, 2, 100},
    {"vorbis.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 16000, 1, 300},
    {"opus.ogg", SF_FORMAT_OGG | SF_FORMAT_OPUS, 48000, 1, 960},
};

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: seed_audio DIR\n");
        return 2;
    }
    int failed = 0;
    for (size_t k = 0; k < sizeof seed_kinds / sizeof *seed_kinds; k++) {
        const struct seed_kind *kind = &seed_kinds[k];
        size_t n = (size_t)(kind->frames * kind->channels);
        float *sample = calloc(n, sizeof *sample);
        for (size_t i = 0; i < n; i++)
            sample[i] = (float)((int)(i * 7919 % 1021) - 510) / 1024.0f;
        sound_file f = sound_file_make(kind->format, kind->rate, kind->channels, sample, (size_t)kind->frames);
        char path[4096];
        setsuna_error err = {0};
        snprintf(path, sizeof path, "%s/audio/%s", argv[1], kind->name);
        if (!f.data || sn_file_write(path, f.data, f.size, &err) != SETSUNA_OK) {
            fprintf(stderr, "%s: %s\n", path, f.data ? err.text : "libsndfile does not write it");
            failed = 1;
        }
        free(f.data);
        free(sample);
    }
    return failed;
}
