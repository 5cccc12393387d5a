/* What was seen of the requests that were disturbed most: who ran instead, which interrupts, who had stopped them. The
 * names are taken while their owners live. Memory is bounded; nothing is kept of a request that others outdid. */
#ifndef SN_CAUSES_WITNESS_H
#define SN_CAUSES_WITNESS_H

#include "causes/recorder.h"

enum { SN_WITNESSES = 64 };

typedef struct sn_witness_share {
    char name[SN_RECORDER_NAME];
    uint64_t ns;
} sn_witness_share;

typedef struct sn_witness {
    size_t index;                                                       /* of the request in its log */
    uint64_t disturbed_ns;                                              /* off the CPU, in interrupts, begun late */
    sn_witness_share who[SN_STORY_WHO], interrupt[SN_STORY_INTERRUPTS]; /* the largest first, ns 0 behind the last */
    char stopped_by[SN_RECORDER_NAME];                                  /* who sent SIGCONT; "" */
} sn_witness;

/* Zeroed: empty. */
typedef struct sn_witnesses {
    uint32_t n;
    sn_witness of[SN_WITNESSES];
} sn_witnesses;

/* A request so much disturbed would be kept. */
bool sn_witnesses_want(const sn_witnesses *s, uint64_t disturbed_ns);

/* Keeps w in place of the one disturbed least, if there is no room. */
void sn_witnesses_add(sn_witnesses *s, const sn_witness *w);

/* NULL: nothing was kept of this request. */
const sn_witness *sn_witnesses_find(const sn_witnesses *s, size_t index);

/* What is known of request r: of the time in it and of the time before it. Reads files. continued_by: process that sent
 * SIGCONT, 0: none. */
void sn_witness_take(const sn_recorder *rec, size_t index, const sn_cause_request *r, const sn_cause_evidence *in,
                     const sn_cause_evidence *gap, int32_t continued_by, sn_witness *out);

/* By what a request is ranked here. */
uint64_t sn_witness_disturbed_ns(const sn_cause_request *r);

#endif
