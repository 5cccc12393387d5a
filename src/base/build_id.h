/* Which build of this code is running. */
#ifndef SN_BASE_BUILD_ID_H
#define SN_BASE_BUILD_ID_H

#include <stdint.h>

/* A hash of the build ID that the linker wrote into the program or library that this code is part of: two builds whose
 * code differs have different ones. 0: there is none. */
uint64_t sn_build_id(void);

#endif
