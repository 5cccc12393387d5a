/* From what the kernel says at both ends of a request to the columns of its record. */
#ifndef SN_CAUSES_ACCOUNT_H
#define SN_CAUSES_ACCOUNT_H

#include "causes/cause.h"
#include "causes/story.h"
#include "ledger/ledger.h"
#include "ledger/os_probe.h"

/* What is known of the time between two readings beyond them. All zero: nothing. */
typedef struct sn_cause_evidence {
    bool has_switches, has_who, has_interrupts; /* of story: the times off the CPU; who ran; interrupt_ns */
    bool stopped;                               /* a signal had stopped the process */
    uint64_t outside_ns; /* off the CPU between the readings, but before or after what the story is about */
    sn_story story;      /* of the request; of a gap, of all of it */
    sn_story other;      /* of another thread of the process, the one that was pushed from its CPU for longest */
} sn_cause_evidence;

/* Fills the measured columns of r, whose begin_ns and end_ns lie between the readings:
 *
 *   off the CPU     wall time - CPU time between the readings, less what was outside the request: by the switches, or
 *                   else as much as there was room for. Schedulers like to push a thread from the CPU at the end of a
 *                   system call, and such are the readings
 *   switched off    by the switches, where they were recorded
 *   run-queue wait  by the kernel's statistics, otherwise the time after having been pushed from the CPU; of that,
 *                   throttled where the CPU was idle meanwhile
 *   blocked         switched off - run-queue wait; where switches were not recorded: the rest, if the thread went by
 *                   itself at all (steal is then not told apart)
 *   steal           off the CPU - switched off. Below SN_OS_PROBE_RESOLUTION_NS it is the clocks' difference.
 *
 * Time between the readings and outside the request is taken to be spent on the CPU: it is the measurement's own. */
void sn_cause_account(const sn_os_reading *before, const sn_os_reading *after, const sn_cause_evidence *e,
                      sn_cause_request *r);

/* Fills the columns of an open ledger with what the record knows: waits, and the numbers of faults and switches.
 * Throttled is part of run-queue wait there, stopped part of blocked. */
void sn_cause_enter_ledger(const sn_cause_request *r, sn_ledger *l);

/* Adds to the gap's columns of r, from the readings at the end of the request before it and at its own beginning. */
void sn_cause_account_gap(const sn_os_reading *last, const sn_os_reading *before, const sn_cause_evidence *e,
                          sn_cause_request *r);

#endif
