/* A ring of Linux perf events that the kernel writes backwards and overwrites: the newest records are always there, and
 * keeping them costs the observed thread nothing but the kernel's writing.
 *
 * Source: perf_event_open(2), "write_backward", PERF_RECORD_SWITCH, PERF_RECORD_SWITCH_CPU_WIDE, PERF_RECORD_SAMPLE.
 */
#ifndef SN_CAUSES_PERF_RING_H
#define SN_CAUSES_PERF_RING_H

#include "causes/story.h"

/* X(name, group, enter, exit, text): interrupts that have tracepoints on entry and exit, whose first field is a number.
 */
#define SN_PERF_INTERRUPT_LIST(X)                                                                                      \
    X(IRQ, "irq", "irq_handler_entry", "irq_handler_exit", "interrupt")                                                \
    X(SOFTIRQ, "irq", "softirq_entry", "softirq_exit", "softirq")                                                      \
    X(TIMER, "irq_vectors", "local_timer_entry", "local_timer_exit", "timer interrupt")                                \
    X(RESCHEDULE, "irq_vectors", "reschedule_entry", "reschedule_exit", "reschedule interrupt")                        \
    X(CALL, "irq_vectors", "call_function_entry", "call_function_exit", "call-function interrupt")                     \
    X(CALL_SINGLE, "irq_vectors", "call_function_single_entry", "call_function_single_exit", "call-function interrupt")

typedef enum sn_perf_interrupt {
#define SN_PERF_INTERRUPT_ENUM(name, group, enter, exit, text) SN_PERF_##name,
    SN_PERF_INTERRUPT_LIST(SN_PERF_INTERRUPT_ENUM)
#undef SN_PERF_INTERRUPT_ENUM
        SN_PERF_INTERRUPTS
} sn_perf_interrupt;

/* What a sample's identifier stands for. The task of an event is then the sn_perf_interrupt. */
typedef struct sn_perf_id {
    uint64_t id;
    int32_t source;
    uint32_t kind; /* SN_STORY_ENTER or EXIT */
} sn_perf_id;

#define SN_PERF_NO_CPU UINT32_MAX

typedef struct sn_perf_ring {
    const void *control; /* struct perf_event_mmap_page */
    const uint8_t *data; /* a power of two of bytes */
    uint64_t data_bytes;
    uint32_t cpu; /* of all events; SN_PERF_NO_CPU where it is not known, of a ring of one thread */
    const sn_perf_id *id;
    size_t n_id;
} sn_perf_ring;

/* Another number whenever something was written. */
uint64_t sn_perf_ring_head(const sn_perf_ring *r);

/* Appends the ring's events from from_ns on to out, the newest first, of which *n are there and cap fit. false: some of
 * them are missing, overwritten or beyond cap. */
bool sn_perf_ring_collect(const sn_perf_ring *r, uint64_t from_ns, sn_story_event *out, size_t *n, size_t cap);

/* The newest name that the ring has of a task, NUL-terminated. false: none. */
bool sn_perf_ring_comm(const sn_perf_ring *r, int32_t task, char out[16]);

/* One record, whole at p: as an event. false: it is of another kind. Never reads beyond size_bytes. */
bool sn_perf_parse(const uint8_t *p, size_t size_bytes, const sn_perf_ring *r, sn_story_event *out);

#endif
