/* The one EXIF field that changes what a picture shows. */
#ifndef SN_PIPELINE_EXIF_H
#define SN_PIPELINE_EXIF_H

#include <stddef.h>
#include <stdint.h>

/* How stored rows and columns become the upright picture: 1 upright, 2 mirrored, 3 turned by 180 degrees, 4 upside
 * down mirror, 5 transposed, 6 to be turned 90 degrees clockwise, 7 transverse, 8 to be turned 90 degrees
 * counter-clockwise.
 *
 * data  the payload of a JPEG APP1 segment, from "Exif\0\0" on. Anything that is no valid orientation gives 1: a
 *       broken EXIF block does not make a picture unreadable.
 * Source: Exif 2.32, 4.6.4 tag 0x0112; TIFF 6.0, section 2. */
int sn_exif_orientation(const uint8_t *data, size_t size);

#endif
