/* Shared by the parts of the conformance runner. */
#ifndef SN_TESTS_CONFORMANCE_H
#define SN_TESTS_CONFORMANCE_H

#include "engine/engine.h"
#include <stdio.h>

enum { CASE_ID_MAX = 160, CASE_REASON_MAX = 240, CASE_PATH_MAX = 1024 };

/* One folder with a model.onnx and its test_data_set_* folders. */
typedef struct conformance_case {
    char id[CASE_ID_MAX];     /* "node/test_abs" */
    char path[CASE_PATH_MAX]; /* of the folder */
    bool shape_only;          /* outputs are random: only types and shapes are compared */
    bool ran, passed;
    char reason[CASE_REASON_MAX]; /* why it failed; one line */
} conformance_case;

/* Opens the model, runs every data set, compares (conformance_case.c). */
void conformance_case_run(conformance_case *c, const sn_model_options *options);

/* Runs cases in child processes, so that one that crashes or hangs does not end the run (conformance_isolate.c).
 * With in_process everything happens here, and each case is named on stderr first: for debuggers. */
void conformance_run(conformance_case *c, size_t n, const sn_model_options *options, bool in_process);

/* A list file: one case a line, "id" or "id reason"; '#' starts a comment line (conformance_lists.c). */
typedef struct conformance_list {
    struct conformance_entry {
        char id[CASE_ID_MAX], reason[CASE_REASON_MAX];
    } * entry;
    size_t n, cap;
} conformance_list;

/* false: the file cannot be read (a missing one is an empty list) or is malformed; says so on stderr. */
bool conformance_list_read(const char *path, conformance_list *out);
struct conformance_entry *conformance_list_find(const conformance_list *l, const char *id);
void conformance_list_add(conformance_list *l, const char *id, const char *reason);
void conformance_list_remove(conformance_list *l, const char *id);
/* Sorted; the comment lines at the head of an existing file are kept. */
bool conformance_list_write(const char *path, conformance_list *l);
void conformance_list_fini(conformance_list *l);

#endif
