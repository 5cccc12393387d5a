/* A seal: a small file beside another one, which says that every byte of that one was checked already.
 *
 * It names the very file (device, inode, size, times of modification and of change) and the boot of the system. While
 * both hold, the bytes are those that were checked: whoever writes to a file changes its time of change, and what the
 * disk loses shows at the latest when the next boot checks anew. Sealing waits until the file has been left alone for
 * so long that a later change cannot fall into the same tick of the clock.
 */
#ifndef SN_ENGINE_PLAN_SEAL_H
#define SN_ENGINE_PLAN_SEAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

enum { SN_PLAN_SEAL_SETTLED_MS = 1000 }; /* many ticks of every clock that stamps files */

/* The name of a file's seal is the file's own and this. */
#define SN_PLAN_SEAL_SUFFIX ".seal"

/* Which file this is, and which boot; 0: the system does not say which boot, so that nothing can be sealed. st: of the
 * open file, from before its bytes were checked. */
uint64_t sn_plan_seal_of(const struct stat *st);

/* Whether path is sealed for `seal`. Not where the seal is one that other users can write to. */
bool sn_plan_seal_holds(const char *path, uint64_t seal);

/* Has the file been left alone for long enough? */
bool sn_plan_seal_settled(const struct stat *st);

/* Seals path, or does nothing where that cannot be: the next process checks once more, then. */
void sn_plan_seal_put(const char *path, uint64_t seal);

#endif
