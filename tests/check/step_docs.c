/* The reference of the pipeline steps in docs/pipelines.md is what their field tables say.
 *
 *     step_docs FILE          exits with 1 where the part of FILE between the two markers is not up to date
 *     step_docs FILE --write  makes it so
 */
#include "base/file.h"
#include "pipeline/step.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char begin_mark[] = "<!-- steps: written by step_docs --write -->\n",
                  end_mark[] = "<!-- end of steps -->\n";

static void print_kinds(FILE *out, unsigned kinds)
{
    const char *between = "";
    for (unsigned bit = 1; bit && bit <= kinds; bit <<= 1)
        if (kinds & bit) {
            fprintf(out, "%s%s", between, sn_pipe_kind_name((sn_pipe_kind)bit));
            between = " or ";
        }
}

static void print_range(FILE *out, const sn_pipe_field *f)
{
    if (f->max > 1e8 && f->min < -1e8)
        return;
    fprintf(out, ", %.15g to %.15g", f->min, f->max);
}

static void print_type(FILE *out, const sn_pipe_field *f)
{
    switch (f->type) {
    case SN_FIELD_BOOL: fprintf(out, "`true` or `false`"); break;
    case SN_FIELD_INT:
        fprintf(out, "whole number");
        print_range(out, f);
        break;
    case SN_FIELD_FLOAT:
        fprintf(out, "number");
        print_range(out, f);
        break;
    case SN_FIELD_FLOATS:
        fprintf(out, "number or list of numbers");
        print_range(out, f);
        break;
    case SN_FIELD_CHOICE:
        for (int i = 0; f->choices[i]; i++)
            fprintf(out, "%s`%s`", i ? ", " : "", f->choices[i]);
        break;
    case SN_FIELD_TEXT: fprintf(out, "text"); break;
    case SN_FIELD_PATH: fprintf(out, "path"); break;
    case SN_FIELD_IN:
        fprintf(out, "takes ");
        print_kinds(out, f->kinds);
        break;
    case SN_FIELD_OUT:
        fprintf(out, "makes ");
        print_kinds(out, f->kinds);
        break;
    case SN_FIELD_NODE: fprintf(out, "see there"); break;
    }
}

/* A table cell must not hold the character that ends it. */
static void print_cell(FILE *out, const char *text)
{
    for (; *text; text++)
        fprintf(out, *text == '|' ? "\\|" : "%c", *text);
}

static void print_step(FILE *out, const sn_pipe_step_type *t)
{
    fprintf(out, "\n### `%s`\n\n", t->name);
    fprintf(out, "%c", t->help[0] >= 'a' && t->help[0] <= 'z' ? t->help[0] - 'a' + 'A' : t->help[0]);
    fprintf(out, "%s. Its time belongs to stage `%s`.%s\n\n", t->help + 1, sn_stage_name(t->stage),
            t->source ? " It makes the pipeline a stream: one pass a frame." : "");
    fprintf(out, "| field | value | default | meaning |\n|---|---|---|---|\n");
    for (uint32_t i = 0; i < t->n_fields; i++) {
        const sn_pipe_field *f = &t->fields[i];
        fprintf(out, "| `%s` | ", f->name);
        print_type(out, f);
        fprintf(out, " | %s%s%s | ",
                !f->fallback     ? "required"
                : f->fallback[0] ? "`"
                                 : "none",
                f->fallback && f->fallback[0] ? f->fallback : "", f->fallback && f->fallback[0] ? "`" : "");
        print_cell(out, f->help);
        fprintf(out, " |\n");
    }
}

/* Everything between the markers. */
static char *make_section(size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    if (!out)
        return NULL;
    for (uint32_t i = 0; sn_pipe_step_type_at(i); i++)
        print_step(out, sn_pipe_step_type_at(i));
    fprintf(out, "\n");
    fclose(out);
    return text;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: step_docs FILE [--write]\n");
        return 2;
    }
    sn_bytes file;
    setsuna_error err;
    if (sn_file_read(argv[1], 0, &file, &err) != SETSUNA_OK) {
        fprintf(stderr, "step_docs: %s: %s\n", err.where, err.text);
        return 1;
    }
    const char *text = (const char *)file.data, *end = text + file.size;
    const char *begin = memmem(text, file.size, begin_mark, strlen(begin_mark));
    const char *stop = begin ? memmem(begin, (size_t)(end - begin), end_mark, strlen(end_mark)) : NULL;
    size_t size;
    char *section = make_section(&size);
    if (!stop || !section) {
        fprintf(stderr, "step_docs: %s has not both markers\n", argv[1]);
        return 1;
    }
    begin += strlen(begin_mark);
    int failed = 0;
    if (argc > 2) {
        size_t head = (size_t)(begin - text), tail = (size_t)(end - stop);
        char *whole = malloc(head + size + tail);
        if (!whole)
            return 1;
        memcpy(whole, text, head);
        memcpy(whole + head, section, size);
        memcpy(whole + head + size, stop, tail);
        failed = sn_file_write(argv[1], whole, head + size + tail, &err) != SETSUNA_OK;
        free(whole);
    } else if ((size_t)(stop - begin) != size || memcmp(begin, section, size) != 0) {
        fprintf(stderr, "step_docs: the steps in %s are not what the code says; run step_docs %s --write\n", argv[1],
                argv[1]);
        failed = 1;
    }
    free(section);
    sn_bytes_fini(&file);
    return failed;
}
