/* Text from the per-step class probabilities of a recogniser trained with connectionist temporal classification.
 *
 * Source: Graves et al. 2006, section 3.2, best path decoding.
 */
#ifndef SN_PIPELINE_CTC_H
#define SN_PIPELINE_CTC_H

#include "pipeline/labels.h"

/* The classes of a recogniser whose dictionary file lists characters only: class 0 is the blank, then the characters,
 * then the space if the network was trained with one. Lives in arena. Returns OK, ENOMEM. */
setsuna_status sn_ctc_classes(sn_arena *arena, const sn_labels *characters, bool with_space, sn_labels *out);

/* A decoded line, reused between calls; {0} is empty. */
typedef struct sn_ctc_text {
    char *bytes; /* UTF-8, followed by a NUL */
    size_t n_bytes, bytes_capacity;
    int32_t *step; /* of each character: the first step that shows it */
    size_t n_chars, step_capacity;
    float score; /* mean probability of the kept steps, inserted spaces left out; 0 for an empty text */
} sn_ctc_text;

void sn_ctc_text_fini(const sn_allocator *a, sn_ctc_text *text);

typedef struct sn_ctc_options {
    bool logits; /* the values are not probabilities yet; scores are softmax values then */
    /* Recognisers see a narrow gap between two words, but are often not sure enough to say so: the best class stays the
     * blank. Where this is above 0, a space (the last class) is put between two characters if its probability reaches
     * this at any step after the one that first shows the first, up to the one that shows the second. */
    float space_threshold;
} sn_ctc_options;

/* Greedy decoding of `steps` rows of `classes->n` values: the best class of each step, repeats merged, blanks (class 0)
 * dropped.
 *
 * NaN is never the best class; a row of nothing else is a blank.
 * Returns OK, EINVAL (steps < 0 or no classes), ENOMEM. */
setsuna_status sn_ctc_greedy(const sn_allocator *a, const float *value, int32_t steps, const sn_labels *classes,
                             const sn_ctc_options *options, sn_ctc_text *text);

#endif
