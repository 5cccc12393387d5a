/* Waking on time. */
#ifndef SN_BASE_SLEEP_H
#define SN_BASE_SLEEP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* Returns at due_ns of sn_now_ns, at once when that is over: sleeps until shortly before and spins for the rest, since
 * a sleeper wakes 50 us late and more. *stop (NULL: none), which a signal handler sets, ends the wait. false: stopped.
 */
bool sn_sleep_until(uint64_t due_ns, const volatile sig_atomic_t *stop);

#endif
