#include "pipeline/exif.h"
#include <stdbool.h>
#include <string.h>

/* Reads beyond the end give 0, which no caller takes for anything valid. */
typedef struct exif_cursor {
    const uint8_t *tiff; /* offsets in the file count from here */
    size_t size;
    bool big_endian;
} exif_cursor;

static uint32_t exif_u16(const exif_cursor *c, size_t at)
{
    if (at > c->size || c->size - at < 2)
        return 0;
    const uint8_t *p = c->tiff + at;
    return c->big_endian ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static uint32_t exif_u32(const exif_cursor *c, size_t at)
{
    if (at > c->size || c->size - at < 4)
        return 0;
    uint32_t a = exif_u16(c, at), b = exif_u16(c, at + 2);
    return c->big_endian ? a << 16 | b : b << 16 | a;
}

int sn_exif_orientation(const uint8_t *data, size_t size)
{
    enum { HEAD = 6, ENTRY = 12, TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3 };
    if (size < HEAD + 8 || memcmp(data, "Exif\0\0", HEAD) != 0)
        return 1;
    exif_cursor c = {data + HEAD, size - HEAD, false};
    if (memcmp(c.tiff, "MM", 2) == 0)
        c.big_endian = true;
    else if (memcmp(c.tiff, "II", 2) != 0)
        return 1;
    if (exif_u16(&c, 2) != 42)
        return 1;
    size_t ifd = exif_u32(&c, 4);
    uint32_t n = exif_u16(&c, ifd);
    for (uint32_t i = 0; i < n; i++) {
        size_t entry = ifd + 2 + (size_t)i * ENTRY;
        if (entry > c.size || c.size - entry < ENTRY)
            return 1;
        if (exif_u16(&c, entry) != TAG_ORIENTATION)
            continue;
        uint32_t value = exif_u16(&c, entry + 8);
        bool valid = exif_u16(&c, entry + 2) == TYPE_SHORT && exif_u32(&c, entry + 4) == 1 && value >= 1 && value <= 8;
        return valid ? (int)value : 1;
    }
    return 1;
}
