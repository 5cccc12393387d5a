/* A closer look at Ogg files, before libsndfile opens them. */
#ifndef SN_PIPELINE_AUDIO_OGG_H
#define SN_PIPELINE_AUDIO_OGG_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

/* Checks that the file is one stream of Vorbis or Opus whose headers are whole and valid. libsndfile 1.2 goes on after
 * headers that libvorbis refused, and loses memory where it stops.
 * Returns OK, EINPUT (damaged, with the reason), EUNSUPPORTED (another codec, or several streams at once), ELIMIT
 * (headers above 1 MiB), ENOMEM. */
setsuna_status sn_audio_check_ogg(const uint8_t *data, size_t size, setsuna_error *err);

#endif
