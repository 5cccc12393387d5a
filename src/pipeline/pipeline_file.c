#include "pipeline/pipeline_file.h"
#include "base/checked.h"
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#ifdef __clang_analyzer__ /* here it is defined */
#undef sn_yaml_fail
#endif

/* ---- messages -------------------------------------------------------------------------------------------- */

/* Appends "steps[3].resize.width" to buf, from the root down. Returns the length so far. */
static size_t file_write_path(const sn_yaml *node, char *buf, size_t cap, size_t n)
{
    const sn_yaml *chain[SN_FILE_DEPTH_MAX + 2];
    int depth = 0;
    for (; node && node->parent && depth < SN_FILE_DEPTH_MAX + 2; node = node->parent)
        chain[depth++] = node;
    for (bool first = true; depth-- > 0 && n < cap; first = false) {
        const sn_yaml *at = chain[depth];
        int len = at->key ? snprintf(buf + n, cap - n, "%s%s", first ? "" : ".", at->key)
                          : snprintf(buf + n, cap - n, "[%u]", at->index);
        n += len > 0 ? (size_t)len : 0;
    }
    return n;
}

setsuna_status sn_yaml_fail(setsuna_error *err, setsuna_status status, const sn_yaml *node, const char *fmt, ...)
{
    char where[sizeof err->where];
    int n = snprintf(where, sizeof where, "%s:%u", node->file, node->line);
    if (node->parent && n > 0 && (size_t)n + 2 < sizeof where) {
        memcpy(where + n, ": ", 3);
        file_write_path(node, where, sizeof where, (size_t)n + 2);
    }
    va_list ap;
    va_start(ap, fmt);
    sn_fail_va(err, status, where, fmt, ap);
    va_end(ap);
    return status;
}

/* ---- building --------------------------------------------------------------------------------------------- */

/* A list or mapping that is being filled. */
typedef struct file_level {
    sn_yaml *node;
    sn_yaml *last;   /* child */
    const char *key; /* in a mapping: read, its value is not yet */
} file_level;

typedef struct file_build {
    sn_arena *arena;
    const char *name;
    setsuna_error *err;
    sn_yaml *root;
    uint32_t n_nodes;
    int depth; /* levels open */
    file_level level[SN_FILE_DEPTH_MAX];
} file_build;

__attribute__((format(printf, 4, 5))) static setsuna_status file_fail(const file_build *b, setsuna_status status,
                                                                      size_t line, const char *fmt, ...)
{
    char where[sizeof b->err->where];
    snprintf(where, sizeof where, "%s:%zu", b->name, line);
    va_list ap;
    va_start(ap, fmt);
    sn_fail_va(b->err, status, where, fmt, ap);
    va_end(ap);
    return status;
}

static setsuna_status file_no_memory(const file_build *b)
{
    return sn_fail(b->err, SETSUNA_ENOMEM, b->name, "out of memory");
}

/* Adds a node where the parser is: as root, as the next item of a list or as the value of the pending key. */
static setsuna_status file_add(file_build *b, sn_yaml_kind kind, size_t line, sn_yaml **out)
{
    if (b->n_nodes == SN_FILE_NODES_MAX)
        return file_fail(b, SETSUNA_ELIMIT, line, "more than %d values; split the pipeline", SN_FILE_NODES_MAX);
    sn_yaml *node = sn_arena_alloc(b->arena, sizeof *node);
    if (!node)
        return file_no_memory(b);
    b->n_nodes++;
    *node = (sn_yaml){.kind = kind, .line = (uint32_t)line, .file = b->name};
    if (b->depth == 0) {
        b->root = node;
    } else {
        file_level *l = &b->level[b->depth - 1];
        node->parent = l->node;
        node->index = l->node->n++; // NOLINT(clang-analyzer-core.NullDereference): a level is made with its node
        node->key = l->key;
        l->key = NULL;
        if (l->last)
            l->last->next = node;
        else
            l->node->first = node;
        l->last = node;
    }
    *out = node;
    return SETSUNA_OK;
}

static setsuna_status file_take_key(file_build *b, const char *text, size_t line)
{
    file_level *l = &b->level[b->depth - 1];
    if (l->node->n == SN_FILE_KEYS_MAX)
        return file_fail(b, SETSUNA_ELIMIT, line, "a mapping of more than %d keys", SN_FILE_KEYS_MAX);
    const sn_yaml *same = sn_yaml_get(l->node, text);
    if (same)
        return file_fail(b, SETSUNA_EINPUT, line, "'%s' is given twice, the first time on line %u; remove one", text,
                         same->line);
    l->key = text;
    return SETSUNA_OK;
}

static setsuna_status file_on_scalar(file_build *b, const yaml_event_t *e)
{
    size_t line = e->start_mark.line + 1, len = e->data.scalar.length;
    const char *value = (const char *)e->data.scalar.value;
    if (len > SN_FILE_SCALAR_MAX)
        return file_fail(b, SETSUNA_ELIMIT, line, "a value of %zu bytes; at most %d are read", len, SN_FILE_SCALAR_MAX);
    if (memchr(value, 0, len))
        return file_fail(b, SETSUNA_EINPUT, line, "a NUL character; remove it");
    char *text = sn_arena_strndup(b->arena, value, len);
    if (!text)
        return file_no_memory(b);
    if (b->depth > 0 && b->level[b->depth - 1].node->kind == SN_YAML_MAP && !b->level[b->depth - 1].key)
        return file_take_key(b, text, line);
    sn_yaml *node;
    SN_TRY(file_add(b, SN_YAML_SCALAR, line, &node));
    node->text = text;
    node->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return SETSUNA_OK;
}

static setsuna_status file_on_begin(file_build *b, const yaml_event_t *e, sn_yaml_kind kind)
{
    size_t line = e->start_mark.line + 1;
    if (b->depth == SN_FILE_DEPTH_MAX)
        return file_fail(b, SETSUNA_ELIMIT, line, "nested more than %d deep", SN_FILE_DEPTH_MAX);
    if (b->depth > 0 && b->level[b->depth - 1].node->kind == SN_YAML_MAP && !b->level[b->depth - 1].key)
        return file_fail(b, SETSUNA_EINPUT, line, "a key must be a word, not a list or mapping");
    sn_yaml *node;
    SN_TRY(file_add(b, kind, line, &node));
    b->level[b->depth++] = (file_level){.node = node};
    return SETSUNA_OK;
}

static setsuna_status file_on_event(file_build *b, const yaml_event_t *e)
{
    size_t line = e->start_mark.line + 1;
    const yaml_char_t *anchor = NULL, *tag = NULL;
    switch (e->type) {
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT: return SETSUNA_OK;
    case YAML_DOCUMENT_START_EVENT:
        if (b->root)
            return file_fail(b, SETSUNA_EINPUT, line, "a second document; put each pipeline into a file of its own");
        if (e->data.document_start.version_directive ||
            e->data.document_start.tag_directives.start != e->data.document_start.tag_directives.end)
            return file_fail(b, SETSUNA_EINPUT, line, "directives (%%) are not read; remove them");
        return SETSUNA_OK;
    case YAML_ALIAS_EVENT: return file_fail(b, SETSUNA_EINPUT, line, "aliases (*) are not read; write the value out");
    case YAML_SCALAR_EVENT:
        anchor = e->data.scalar.anchor;
        tag = e->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = e->data.sequence_start.anchor;
        tag = e->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = e->data.mapping_start.anchor;
        tag = e->data.mapping_start.tag;
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: b->depth--; return SETSUNA_OK;
    }
    if (anchor || tag)
        return file_fail(b, SETSUNA_EINPUT, line, "anchors (&) and tags (!) are not read; remove them");
    if (e->type == YAML_SCALAR_EVENT)
        return file_on_scalar(b, e);
    return file_on_begin(b, e, e->type == YAML_SEQUENCE_START_EVENT ? SN_YAML_LIST : SN_YAML_MAP);
}

/* libyaml's event parser keeps its own bounded state; nothing here or there recurses into the file's nesting. */
static setsuna_status file_parse_events(file_build *b, yaml_parser_t *parser)
{
    for (bool done = false; !done;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) {
            if (parser->error == YAML_MEMORY_ERROR)
                return file_no_memory(b);
            return file_fail(b, SETSUNA_EINPUT, parser->problem_mark.line + 1, "not valid YAML: %s%s%s",
                             parser->problem ? parser->problem : "it cannot be read", parser->context ? ", " : "",
                             parser->context ? parser->context : "");
        }
        done = event.type == YAML_STREAM_END_EVENT;
        setsuna_status status = file_on_event(b, &event);
        yaml_event_delete(&event);
        SN_TRY(status);
    }
    return SETSUNA_OK;
}

setsuna_status sn_yaml_parse(sn_arena *arena, const char *name, const void *data, size_t size, const sn_yaml **out,
                             setsuna_error *err)
{
    if (size > SN_FILE_BYTES_MAX)
        return sn_fail(err, SETSUNA_ELIMIT, name, "%zu bytes; a pipeline file may have %d", size, SN_FILE_BYTES_MAX);
    file_build b = {.arena = arena, .err = err, .name = sn_arena_strndup(arena, name, strlen(name))};
    if (!b.name)
        return sn_fail(err, SETSUNA_ENOMEM, name, "out of memory");
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return file_no_memory(&b);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, data ? data : (const unsigned char *)"", size);
    setsuna_status status = file_parse_events(&b, &parser);
    yaml_parser_delete(&parser);
    SN_TRY(status);
    if (!b.root)
        return sn_fail(err, SETSUNA_EINPUT, name, "the file is empty");
    *out = b.root;
    return SETSUNA_OK;
}

/* ---- reading ----------------------------------------------------------------------------------------------- */

const sn_yaml *sn_yaml_get(const sn_yaml *node, const char *key)
{
    if (!node || node->kind != SN_YAML_MAP)
        return NULL;
    for (const sn_yaml *c = node->first; c; c = c->next)
        if (strcmp(c->key, key) == 0)
            return c;
    return NULL;
}

static const char *file_kind_text(const sn_yaml *node)
{
    return node->kind == SN_YAML_LIST ? "a list" : node->kind == SN_YAML_MAP ? "a mapping" : "text";
}

setsuna_status sn_yaml_text(const sn_yaml *node, const char **out, setsuna_error *err)
{
    if (node->kind != SN_YAML_SCALAR)
        return sn_yaml_fail(err, SETSUNA_EINPUT, node, "is %s; write one value", file_kind_text(node));
    *out = node->text;
    return SETSUNA_OK;
}

setsuna_status sn_yaml_bool(const sn_yaml *node, bool *out, setsuna_error *err)
{
    bool yes = node->kind == SN_YAML_SCALAR && !node->quoted && strcmp(node->text, "true") == 0;
    if (!yes && !(node->kind == SN_YAML_SCALAR && !node->quoted && strcmp(node->text, "false") == 0))
        return sn_yaml_fail(err, SETSUNA_EINPUT, node, "is %s%s%s; write true or false",
                            node->kind == SN_YAML_SCALAR ? "'" : file_kind_text(node),
                            node->kind == SN_YAML_SCALAR ? node->text : "", node->kind == SN_YAML_SCALAR ? "'" : "");
    *out = yes;
    return SETSUNA_OK;
}

/* [-]digits. false: anything else, or it does not fit. */
static bool file_parse_int(const char *text, int64_t *out)
{
    bool negative = *text == '-';
    const char *p = text + negative;
    int64_t v = 0;
    if (!*p)
        return false;
    for (; *p; p++)
        if (*p < '0' || *p > '9' || !sn_mul_i64(v, 10, &v) || !sn_add_i64(v, negative ? '0' - *p : *p - '0', &v))
            return false;
    *out = v;
    return true;
}

setsuna_status sn_yaml_int(const sn_yaml *node, int64_t min, int64_t max, int64_t *out, setsuna_error *err)
{
    int64_t v = 0;
    bool valid = node->kind == SN_YAML_SCALAR && !node->quoted && file_parse_int(node->text, &v);
    if (!valid)
        return sn_yaml_fail(err, SETSUNA_EINPUT, node, "is %s, not a whole number; write one from %lld to %lld",
                            node->kind == SN_YAML_SCALAR ? node->text : file_kind_text(node), (long long)min,
                            (long long)max);
    if (v < min || v > max)
        return sn_yaml_fail(err, SETSUNA_EINPUT, node, "is %lld; it must be from %lld to %lld", (long long)v,
                            (long long)min, (long long)max);
    *out = v;
    return SETSUNA_OK;
}

/* [-]digits[.digits][e[+-]digits], nothing else: no hexadecimal, nan or inf. */
static bool file_is_float(const char *text)
{
    const char *p = text + (*text == '-');
    size_t digits = strspn(p, "0123456789");
    p += digits;
    if (*p == '.') {
        size_t fraction = strspn(++p, "0123456789");
        digits += fraction;
        p += fraction;
    }
    if (*p == 'e' || *p == 'E') {
        p += p[1] == '+' || p[1] == '-' ? 2 : 1;
        size_t exponent = strspn(p, "0123456789");
        if (exponent == 0)
            return false;
        p += exponent;
    }
    return digits > 0 && *p == '\0';
}

/* The value whatever the caller's locale takes for a decimal point. */
static bool file_parse_float(const char *text, double *out)
{
    locale_t c = file_is_float(text) ? newlocale(LC_NUMERIC_MASK, "C", (locale_t)0) : (locale_t)0;
    if (!c)
        return false;
    *out = strtod_l(text, NULL, c);
    freelocale(c);
    return true;
}

setsuna_status sn_yaml_float(const sn_yaml *node, double min, double max, double *out, setsuna_error *err)
{
    double v = 0.0;
    bool valid = node->kind == SN_YAML_SCALAR && !node->quoted && file_parse_float(node->text, &v);
    if (!valid)
        return sn_yaml_fail(err, SETSUNA_EINPUT, node, "is %s, not a number; write one from %g to %g",
                            node->kind == SN_YAML_SCALAR ? node->text : file_kind_text(node), min, max);
    if (!(v >= min && v <= max))
        return sn_yaml_fail(err, SETSUNA_EINPUT, node, "is %g; it must be from %g to %g", v, min, max);
    *out = v;
    return SETSUNA_OK;
}
