/* The two command lines that compare runs. */
#ifndef SN_CLI_COMPARE_WORDS_H
#define SN_CLI_COMPARE_WORDS_H

#include "base/alloc.h"
#include <setsuna/status.h>

enum { SN_COMPARE_WORDS_MAX = 256 };

typedef struct sn_compare_words {
    sn_arena *arena;
    char *arm[2][SN_COMPARE_WORDS_MAX + 1]; /* of A and B, NULL-terminated */
    char *text[2];                          /* the same as one line each, as a shell would read it */
} sn_compare_words;

/* Words of the long form, behind the first "--": A, "--", B. A first word "bench" stands for this program's own.
 * Returns OK; EINVAL with what is missing; ELIMIT; ENOMEM. fini is fine for a zeroed struct. */
setsuna_status sn_compare_words_long(sn_compare_words *w, char *const *word, int n, setsuna_error *err);

/* The short form: bench with the operands, a second each, and the options of a and b. Returns as above. */
setsuna_status sn_compare_words_short(sn_compare_words *w, char *const *operand, int n, const char *a, const char *b,
                                      setsuna_error *err);

void sn_compare_words_fini(sn_compare_words *w);

/* Splits text at blanks; blanks between quotation marks, single or double, stay. Words are in the arena; at most cap.
 * Returns OK; EINVAL (a quotation mark without its end, or too many words); ENOMEM. */
setsuna_status sn_compare_words_split(sn_arena *arena, const char *text, char **word, int cap, int *n_out,
                                      setsuna_error *err);

#endif
