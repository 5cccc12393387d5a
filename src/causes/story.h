/* What happened to a thread, from the switches and interrupts of its machine: no kernel here, only the arithmetic.
 *
 * A scheduler's record says that a task left a CPU and which one came, or came and which one had left. Put together
 * they say when the thread was off the CPU, whether it had been pushed or went by itself, and who ran meanwhile.
 */
#ifndef SN_CAUSES_STORY_H
#define SN_CAUSES_STORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum sn_story_kind {
    SN_STORY_LEFT,   /* task left of its own accord: it waits for something */
    SN_STORY_PUSHED, /* task left while it could have run on */
    SN_STORY_CAME,   /* task got the CPU */
    SN_STORY_ENTER,  /* an interrupt's handler begins */
    SN_STORY_EXIT,
} sn_story_kind;

enum { SN_STORY_NOBODY = -1 /* of other: not known */, SN_STORY_IDLE = 0 };

typedef struct sn_story_event {
    uint64_t time_ns;
    uint32_t cpu;
    uint32_t kind; /* sn_story_kind */
    int32_t task,
        other; /* who left or came; who came instead or had left. ENTER and EXIT: which interrupt, its number */
} sn_story_event;

enum { SN_STORY_WHO = 6, SN_STORY_INTERRUPTS = 6 };

typedef struct sn_story_share {
    int32_t task, other; /* as in the event; of a task that ran, other is 0 */
    uint64_t ns;
} sn_story_share;

/* Between two times at which the thread was running. */
typedef struct sn_story {
    uint32_t n_pushed, n_left;
    uint64_t pushed_ns, left_ns;      /* off the CPU */
    uint64_t idle_ns;                 /* of pushed_ns, while the CPU it was pushed from was idle */
    uint64_t interrupt_ns;            /* on the CPU, but in handlers */
    int32_t woken_after;              /* who ran until the thread came back from its longest wait; NOBODY */
    sn_story_share who[SN_STORY_WHO]; /* of pushed_ns; the largest first, ns 0 behind the last */
    sn_story_share interrupt[SN_STORY_INTERRUPTS]; /* of interrupt_ns, exclusively: likewise */
} sn_story;

/* Sorts n events by time; those at one time stay in their order. scratch: room for n. */
void sn_story_sort(sn_story_event *e, size_t n, sn_story_event *scratch);

/* The story of a thread from from_ns to to_ns, of events in order of time, of all CPUs or of some. cpu: where the
 * thread was at to_ns. */
void sn_story_tell(const sn_story_event *e, size_t n, int32_t thread, uint32_t cpu, uint64_t from_ns, uint64_t to_ns,
                   sn_story *out);

#endif
