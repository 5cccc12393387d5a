#include "base/alloc.h"
#include "conformance/conformance.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct conformance_entry *conformance_list_find(const conformance_list *l, const char *id)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->entry[i].id, id) == 0)
            return &l->entry[i];
    return NULL;
}

void conformance_list_add(conformance_list *l, const char *id, const char *reason)
{
    if (!sn_grow(sn_allocator_default(), &l->entry, &l->cap, l->n + 1, sizeof *l->entry)) {
        fprintf(stderr, "out of memory\n");
        exit(2);
    }
    snprintf(l->entry[l->n].id, CASE_ID_MAX, "%s", id);
    snprintf(l->entry[l->n].reason, CASE_REASON_MAX, "%s", reason);
    l->n++;
}

void conformance_list_remove(conformance_list *l, const char *id)
{
    struct conformance_entry *e = conformance_list_find(l, id);
    if (e)
        *e = l->entry[--l->n];
}

void conformance_list_fini(conformance_list *l)
{
    sn_free(sn_allocator_default(), l->entry);
    *l = (conformance_list){.n = 0};
}

bool conformance_list_read(const char *path, conformance_list *out)
{
    FILE *f = fopen(path, "r");
    char line[CASE_ID_MAX + CASE_REASON_MAX + 2];
    *out = (conformance_list){.n = 0};
    if (!f && errno == ENOENT)
        return true;
    if (!f) {
        perror(path);
        return false;
    }
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#' || line[0] == '\0')
            continue;
        char *reason = strchr(line, ' ');
        if (reason)
            *reason++ = '\0';
        if (conformance_list_find(out, line)) {
            fprintf(stderr, "%s: %s is listed twice\n", path, line);
            fclose(f);
            return false;
        }
        conformance_list_add(out, line, reason ? reason : "");
    }
    fclose(f);
    return true;
}

static int lists_compare(const void *a, const void *b)
{
    return strcmp(((const struct conformance_entry *)a)->id, ((const struct conformance_entry *)b)->id);
}

/* The comment lines that a file begins with; NULL when there are none. The caller frees. */
static char *lists_head(const char *path)
{
    FILE *f = fopen(path, "r");
    char line[1024], *head = NULL;
    size_t size = 0;
    if (!f)
        return NULL;
    FILE *out = open_memstream(&head, &size);
    while (out && fgets(line, sizeof line, f) && line[0] == '#')
        fputs(line, out);
    if (out)
        fclose(out);
    fclose(f);
    return head;
}

bool conformance_list_write(const char *path, conformance_list *l)
{
    char *head = lists_head(path);
    FILE *f = fopen(path, "w");
    if (!f) {
        perror(path);
        free(head);
        return false;
    }
    if (head)
        fputs(head, f);
    if (l->n)
        qsort(l->entry, l->n, sizeof *l->entry, lists_compare);
    for (size_t i = 0; i < l->n; i++)
        fprintf(f, l->entry[i].reason[0] ? "%s %s\n" : "%s\n", l->entry[i].id, l->entry[i].reason);
    free(head);
    return fclose(f) == 0;
}
