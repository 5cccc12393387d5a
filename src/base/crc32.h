/* CRC-32 as in zlib, PNG and Ethernet: polynomial 0x04c11db7, bits reflected, all ones before and after. Finds what
 * happened to stored bytes by accident, not by intent. */
#ifndef SN_BASE_CRC32_H
#define SN_BASE_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Of size bytes behind those that crc is of already; crc 0: of none. */
uint32_t sn_crc32(uint32_t crc, const void *data, size_t size);

#endif
