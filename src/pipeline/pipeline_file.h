/* The text of a pipeline as a tree: a strict subset of YAML 1.1.
 *
 * Scalars, lists and mappings; no aliases, anchors, tags, directives, merge keys, second documents or duplicate keys.
 * Bounded in bytes, nodes and nesting before anything is built. Every node knows its line, so that whoever finds a
 * mistake in it can say where it is.
 */
#ifndef SN_PIPELINE_PIPELINE_FILE_H
#define SN_PIPELINE_PIPELINE_FILE_H

#include "base/alloc.h"
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

enum {
    SN_FILE_BYTES_MAX = 1 << 20,
    SN_FILE_NODES_MAX = 1 << 16,
    SN_FILE_KEYS_MAX = 1024, /* of one mapping */
    SN_FILE_DEPTH_MAX = 24,
    SN_FILE_SCALAR_MAX = 4096, /* bytes */
};

typedef enum sn_yaml_kind { SN_YAML_SCALAR, SN_YAML_LIST, SN_YAML_MAP } sn_yaml_kind;

typedef struct sn_yaml sn_yaml;
struct sn_yaml {
    sn_yaml_kind kind;
    uint32_t line;    /* from 1 */
    uint32_t index;   /* among its siblings, from 0 */
    uint32_t n;       /* children */
    bool quoted;      /* a scalar in quotes: text even where it looks like a number */
    const char *key;  /* in a mapping; NULL in a list and for the root */
    const char *text; /* scalar: valid UTF-8 without NUL; otherwise NULL */
    const char *file; /* as given to sn_yaml_parse */
    const sn_yaml *parent, *first, *next;
};

/* Builds the tree in arena; it lives as long as the arena. name (copied) stands for the file in messages.
 * Returns OK, EINPUT (not the subset, with line and remedy), ELIMIT, ENOMEM. */
setsuna_status sn_yaml_parse(sn_arena *arena, const char *name, const void *data, size_t size, const sn_yaml **out,
                             setsuna_error *err);

/* Child of a mapping by key; NULL: absent, or node is NULL or no mapping. */
const sn_yaml *sn_yaml_get(const sn_yaml *node, const char *key);

/* Fails with where = "FILE:LINE: steps[3].resize.width" and the sentence given, which should end with the remedy. */
setsuna_status sn_yaml_fail(setsuna_error *err, setsuna_status status, const sn_yaml *node, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Strict readers of one scalar: the whole text must be the value; numbers are decimal, finite and within
 * [min, max]. Return OK or EINPUT with place, reason and what is accepted. */
setsuna_status sn_yaml_int(const sn_yaml *node, int64_t min, int64_t max, int64_t *out, setsuna_error *err);
setsuna_status sn_yaml_float(const sn_yaml *node, double min, double max, double *out, setsuna_error *err);
setsuna_status sn_yaml_bool(const sn_yaml *node, bool *out, setsuna_error *err); /* true or false */
setsuna_status sn_yaml_text(const sn_yaml *node, const char **out, setsuna_error *err);

#ifdef __clang_analyzer__ /* see base/status.h */
#define sn_yaml_fail(err, status, node, ...) (sn_yaml_fail(err, status, node, __VA_ARGS__), (status))
#endif

#endif
