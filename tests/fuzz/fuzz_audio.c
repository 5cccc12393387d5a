/* Sound files, as the step decode_audio reads them. Seeds of every kind: seed_audio DIR. */
#include "pipeline/audio.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
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
    return 0;
}
