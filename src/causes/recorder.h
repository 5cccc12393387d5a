/* A flight recorder: the machine's last switches and interrupts, looked at when a request had trouble.
 *
 * The kernel writes them into rings of bounded size; nothing is read, and no system call made, until somebody looks.
 * What can be seen depends on permissions:
 *
 *     MACHINE  (CAP_PERFMON, or kernel.perf_event_paranoid below 1)   who ran instead, on every CPU; interrupts
 *     THREAD   (any user, unless perf events are forbidden)           when the own thread left and came back
 *     NONE                                                            nothing: the readings of os_probe.h only
 *
 * Interrupts want readable tracepoint numbers too (tracefs mounted, readable).
 */
#ifndef SN_CAUSES_RECORDER_H
#define SN_CAUSES_RECORDER_H

#include "causes/account.h"
#include <setsuna/status.h>

typedef enum sn_recorder_level { SN_RECORDER_NONE, SN_RECORDER_THREAD, SN_RECORDER_MACHINE } sn_recorder_level;

typedef struct sn_recorder sn_recorder;

/* Of the calling thread, which alone may look. Takes the highest level up to max_level that is permitted. Returns OK,
 * also where nothing is; ENOMEM. close: NULL is fine. */
setsuna_status sn_recorder_open(sn_recorder_level max_level, sn_recorder **out);
void sn_recorder_close(sn_recorder *r);

sn_recorder_level sn_recorder_get_level(const sn_recorder *r);
bool sn_recorder_has_interrupts(const sn_recorder *r);

/* Looks for the threads that the process has now: from here on those that work for the looking one are looked at too.
 * Reads files. */
void sn_recorder_find_threads(sn_recorder *r);

/* Whether the thread has left the CPU since this was asked last; true where nobody can tell. One load from memory. */
bool sn_recorder_has_left(sn_recorder *r);

/* Fills e with what happened from from_ns to to_ns (of sn_now_ns, at both of which the thread ran). switched: whether
 * it left the CPU at all; where it did not, only interrupts are looked for. What the rings no longer hold is not
 * claimed: the flags of e say what is. Reads memory only. */
void sn_recorder_look(sn_recorder *r, uint64_t from_ns, uint64_t to_ns, bool switched, sn_cause_evidence *e);

enum { SN_RECORDER_NAME = 32 };

/* The name of a task that ran: "cc1plus (1234)", "idle", "(1234)" when it is gone; printable ASCII. Reads a file. */
void sn_recorder_task_name(const sn_recorder *r, int32_t task, char out[SN_RECORDER_NAME]);

/* The name of an interrupt of a story: "softirq RCU", "timer interrupt", "interrupt 36 virtio1-req.0". Reads a file. */
void sn_recorder_interrupt_name(int32_t source, int32_t number, char out[SN_RECORDER_NAME]);

/* Mean time in ns of a page fault that gives a thread a fresh page of memory, measured here and now. 0: not known. */
uint64_t sn_recorder_fault_ns(void);

#endif
