/* Sound files, as the step decode_audio reads them. Seeds of every kind: seed_audio DIR. */
#include "pipeline/audio.h"
#include "unit/pipeline/sounds.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void decode_both_ways(const unsigned char *data, size_t size)
{
    sn_audio audio = {0};
    const sn_audio_options kinds[] = {
        {.samples_max = 1 << 16},
        {.samples_max = 1 << 16, .rate_hz = 16000, .quality = SN_AUDIO_FAST},
    };
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        setsuna_status status = sn_audio_decode(sn_allocator_default(), data, size, &kinds[k], &audio, NULL);
        for (size_t i = 0; status == SETSUNA_OK && i < audio.n; i++)
            if (!(audio.sample[i] >= -1.0f && audio.sample[i] <= 1.0f)) /* NaN too */
                abort();
    }
    sn_audio_fini(sn_allocator_default(), &audio);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    decode_both_ways(data, size);
    if (size >= 4 && memcmp(data, "OggS", 4) == 0) { /* no mutation finds the right checksums */
        unsigned char *copy = malloc(size);
        memcpy(copy, data, size);
        sound_mend_ogg(copy, size);
        decode_both_ways(copy, size);
        free(copy);
    }
    return 0;
}
