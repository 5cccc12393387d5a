#include "pipeline/field.h"
#include "pipeline/step.h"
#include <stdio.h>
#include <string.h>

/* "from, to, width" into buf, for messages. */
static void field_list_names(const sn_pipe_field *fields, uint32_t n, char *buf, size_t cap)
{
    size_t at = 0;
    buf[0] = '\0';
    for (uint32_t i = 0; i < n && at < cap; i++) {
        int len = snprintf(buf + at, cap - at, "%s%s", i ? ", " : "", fields[i].name);
        at += len > 0 ? (size_t)len : 0;
    }
}

static setsuna_status field_read_choice(const sn_yaml *node, const sn_pipe_field *f, int32_t *out, setsuna_error *err)
{
    const char *text;
    SN_TRY(sn_yaml_text(node, &text, err));
    char all[256];
    size_t at = 0;
    for (int32_t i = 0; f->choices[i]; i++) {
        if (strcmp(f->choices[i], text) == 0) {
            *out = i;
            return SETSUNA_OK;
        }
        int len = at < sizeof all ? snprintf(all + at, sizeof all - at, "%s%s", i ? ", " : "", f->choices[i]) : 0;
        at += len > 0 ? (size_t)len : 0;
    }
    return sn_yaml_fail(err, SETSUNA_EINPUT, node, "is '%s'; choose one of: %s", text, all);
}

static setsuna_status field_read_floats(const sn_yaml *node, const sn_pipe_field *f, sn_floats *out, setsuna_error *err)
{
    const sn_yaml *one = node->kind == SN_YAML_LIST ? node->first : node;
    if (node->kind == SN_YAML_LIST && (node->n < 1 || node->n > SN_FLOATS_MAX))
        return sn_yaml_fail(err, SETSUNA_EINPUT, node, "has %u numbers; write from 1 to %d", node->n, SN_FLOATS_MAX);
    sn_floats v = {0};
    for (; one; one = node->kind == SN_YAML_LIST ? one->next : NULL) {
        double d;
        SN_TRY(sn_yaml_float(one, f->min, f->max, &d, err));
        v.v[v.n++] = (float)d;
    }
    *out = v;
    return SETSUNA_OK;
}

/* node is what the file says, or the fallback's text. */
static setsuna_status field_read_one(sn_pipe_build *build, const sn_yaml *node, const sn_pipe_field *f, void *member,
                                     setsuna_error *err)
{
    switch (f->type) {
    case SN_FIELD_BOOL: return sn_yaml_bool(node, member, err);
    case SN_FIELD_INT: {
        int64_t v;
        SN_TRY(sn_yaml_int(node, (int64_t)f->min, (int64_t)f->max, &v, err));
        *(int32_t *)member = (int32_t)v;
        return SETSUNA_OK;
    }
    case SN_FIELD_FLOAT: {
        double v;
        SN_TRY(sn_yaml_float(node, f->min, f->max, &v, err));
        *(float *)member = (float)v;
        return SETSUNA_OK;
    }
    case SN_FIELD_FLOATS: return field_read_floats(node, f, member, err);
    case SN_FIELD_CHOICE: return field_read_choice(node, f, member, err);
    case SN_FIELD_TEXT: return sn_yaml_text(node, member, err);
    case SN_FIELD_PATH: return sn_pipe_build_path(build, node, member, err);
    case SN_FIELD_IN: return sn_pipe_build_slot_in(build, node, f->kinds, member, err);
    case SN_FIELD_OUT: return sn_pipe_build_slot_out(build, node, (sn_pipe_kind)f->kinds, member, err);
    case SN_FIELD_NODE: *(const sn_yaml **)member = node; return SETSUNA_OK;
    }
    return SETSUNA_EINVAL;
}

/* The value of a field that the file leaves out; pointers stay NULL for a fallback of "". */
static setsuna_status field_read_fallback(sn_pipe_build *build, const sn_yaml *parent, const sn_pipe_field *f,
                                          void *member, setsuna_error *err)
{
    bool absent = !f->fallback[0] && (f->type == SN_FIELD_PATH || f->type == SN_FIELD_IN || f->type == SN_FIELD_OUT ||
                                      f->type == SN_FIELD_NODE);
    if (absent)
        return SETSUNA_OK;
    const sn_yaml node = {.kind = SN_YAML_SCALAR,
                          .line = parent->line,
                          .key = f->name,
                          .text = f->fallback,
                          .file = parent->file,
                          .parent = parent};
    return field_read_one(build, &node, f, member, err);
}

setsuna_status sn_pipe_fields_read(sn_pipe_build *build, const sn_yaml *node, const sn_pipe_field *fields,
                                   uint32_t n_fields, void *dst, setsuna_error *err)
{
    char names[512];
    if (node->kind != SN_YAML_MAP) {
        field_list_names(fields, n_fields, names, sizeof names);
        return sn_yaml_fail(err, SETSUNA_EINPUT, node, "write its fields as {name: value, ...}; there are: %s", names);
    }
    for (const sn_yaml *c = node->first; c; c = c->next) {
        bool known = false;
        for (uint32_t i = 0; i < n_fields && !known; i++)
            known = strcmp(fields[i].name, c->key) == 0;
        if (!known) {
            field_list_names(fields, n_fields, names, sizeof names);
            return sn_yaml_fail(err, SETSUNA_EINPUT, c, "there is no such field; there are: %s", names);
        }
    }
    /* In slots first: a step must not read the slot that it makes. */
    for (int outs = 0; outs < 2; outs++)
        for (uint32_t i = 0; i < n_fields; i++) {
            const sn_pipe_field *f = &fields[i];
            if ((f->type == SN_FIELD_OUT) != (outs == 1))
                continue;
            const sn_yaml *c = sn_yaml_get(node, f->name);
            void *member = (char *)dst + f->offset;
            if (c)
                SN_TRY(field_read_one(build, c, f, member, err));
            else if (f->fallback)
                SN_TRY(field_read_fallback(build, node, f, member, err));
            else
                return sn_yaml_fail(err, SETSUNA_EINPUT, node, "field '%s' is missing (%s)", f->name, f->help);
        }
    return SETSUNA_OK;
}
