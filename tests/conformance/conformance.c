/* Runs ONNX's published operator cases and holds the result to two lists (a ratchet):
 *
 *   supported.txt     must pass
 *   unsupported.txt   must fail, each with its reason
 *   shape_only.txt    outputs are random: their types and shapes are compared, not their values
 *
 * A case that does otherwise, or that is in neither list, fails the run.
 */
#include "conformance/conformance.h"
#include <glob.h>
#include <stdlib.h>
#include <string.h>

typedef struct runner_options {
    bool list, update, in_process, verbose;
    const char *filter, *lists;
    sn_model_options model;
} runner_options;

typedef struct runner {
    conformance_case *c;
    size_t n;
    conformance_list supported, unsupported, shape_only;
    char path[3][CASE_PATH_MAX];
} runner;

static const char runner_usage[] =
    "usage: conformance [--list] [--filter SUBSTR] [--cpu LEVEL] [--threads N] [--update] [--in-process] [--verbose]\n"
    "                   [--lists FOLDER] FOLDER...\n"
    "FOLDER holds GROUP/CASE/model.onnx, for example /usr/share/libonnx-testdata/data\n";

static int runner_compare(const void *a, const void *b)
{
    return strcmp(((const conformance_case *)a)->id, ((const conformance_case *)b)->id);
}

/* "DIR/node/test_abs/model.onnx" is case "node/test_abs". */
static void runner_add(runner *r, size_t i, const char *path)
{
    conformance_case *c = &r->c[i];
    snprintf(c->path, sizeof c->path, "%s", path);
    *strrchr(c->path, '/') = '\0';
    const char *id = strrchr(c->path, '/');
    while (id > c->path && id[-1] != '/')
        id--;
    snprintf(c->id, sizeof c->id, "%s", id);
    c->shape_only = conformance_list_find(&r->shape_only, c->id) != NULL;
}

static bool runner_find_cases(runner *r, char **folder, int n_folder, const char *filter)
{
    glob_t found = {0};
    for (int i = 0; i < n_folder; i++) {
        char pattern[CASE_PATH_MAX];
        snprintf(pattern, sizeof pattern, "%s/*/*/model.onnx", folder[i]);
        glob(pattern, i ? GLOB_APPEND : 0, NULL, &found);
    }
    r->c = found.gl_pathc ? calloc(found.gl_pathc, sizeof *r->c) : NULL;
    for (size_t i = 0; r->c && i < found.gl_pathc; i++) {
        runner_add(r, r->n, found.gl_pathv[i]);
        if (!filter || strstr(r->c[r->n].id, filter))
            r->n++;
        else
            r->c[r->n] = (conformance_case){.ran = false};
    }
    globfree(&found);
    if (r->n)
        qsort(r->c, r->n, sizeof *r->c, runner_compare);
    return r->n > 0;
}

/* Rewrites the lists to what happened; cases that did not run stay where they are, and so do reasons. */
static bool runner_update(runner *r)
{
    for (size_t i = 0; i < r->n; i++) {
        const conformance_case *c = &r->c[i];
        bool was_supported = conformance_list_find(&r->supported, c->id) != NULL;
        bool was_unsupported = conformance_list_find(&r->unsupported, c->id) != NULL;
        if (c->passed && was_unsupported)
            conformance_list_remove(&r->unsupported, c->id);
        if (!c->passed && was_supported)
            conformance_list_remove(&r->supported, c->id);
        if (c->passed && !was_supported)
            conformance_list_add(&r->supported, c->id, "");
        if (!c->passed && !was_unsupported)
            conformance_list_add(&r->unsupported, c->id, c->reason);
    }
    return conformance_list_write(r->path[0], &r->supported) && conformance_list_write(r->path[1], &r->unsupported);
}

/* Every case against the lists; returns how many are not as listed. */
static size_t runner_judge(const runner *r, bool verbose)
{
    size_t passed = 0, expected = 0, wrong = 0;
    for (size_t i = 0; i < r->n; i++) {
        const conformance_case *c = &r->c[i];
        bool supported = conformance_list_find(&r->supported, c->id) != NULL;
        bool unsupported = conformance_list_find(&r->unsupported, c->id) != NULL;
        bool crashed = strncmp(c->reason, "crashed", 7) == 0;
        if (c->passed && supported && !unsupported) {
            passed++;
        } else if (!c->passed && unsupported && !supported && !crashed) {
            expected++;
            if (verbose)
                printf("as expected  %s: %s\n", c->id, c->reason);
        } else {
            wrong++;
            printf("%s  %s%s%s\n", c->passed ? "PASSED UNLISTED" : "FAILED", c->id, c->passed ? "" : ": ",
                   c->passed ? "" : c->reason);
        }
    }
    printf("%zu passed, %zu expected failures", passed, expected);
    printf(wrong ? ", %zu NOT AS LISTED\n" : "\n", wrong);
    return wrong;
}

/* Listed cases that are nowhere: a list must not outlive what it lists. Only known when nothing was filtered out. */
static size_t runner_judge_lists(const runner *r)
{
    const conformance_list *list[] = {&r->supported, &r->unsupported, &r->shape_only};
    size_t wrong = 0;
    for (int k = 0; k < 3; k++)
        for (size_t i = 0; i < list[k]->n; i++) {
            conformance_case key;
            memcpy(key.id, list[k]->entry[i].id, sizeof key.id);
            if (!bsearch(&key, r->c, r->n, sizeof key, runner_compare)) {
                printf("LISTED BUT MISSING  %s (%s)\n", key.id, r->path[k]);
                wrong++;
            }
        }
    return wrong;
}

static bool runner_parse_args(int argc, char **argv, runner_options *o, int *first)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        sn_cpu_level level;
        if (strcmp(argv[i], "--list") == 0)
            o->list = true;
        else if (strcmp(argv[i], "--update") == 0)
            o->update = true;
        else if (strcmp(argv[i], "--in-process") == 0)
            o->in_process = true;
        else if (strcmp(argv[i], "--verbose") == 0)
            o->verbose = true;
        else if (strcmp(argv[i], "--filter") == 0)
            o->filter = value, i++;
        else if (strcmp(argv[i], "--lists") == 0)
            o->lists = value, i++;
        else if (strcmp(argv[i], "--threads") == 0)
            o->model.n_threads = (uint32_t)strtoul(value, NULL, 10), i++;
        else if (strcmp(argv[i], "--cpu") == 0 && sn_cpu_level_parse(value, &level) == SETSUNA_OK)
            o->model.cpu_level = (int)level, i++;
        else
            return false;
    }
    *first = i;
    return i < argc;
}

int main(int argc, char **argv)
{
    runner_options o = {.model = {.cpu_level = -1, .memory_limit_bytes = (size_t)2 << 30}};
    runner r = {.n = 0};
    int first;
    if (!runner_parse_args(argc, argv, &o, &first)) {
        fputs(runner_usage, stderr);
        return 2;
    }
    if (o.model.cpu_level > (int)sn_cpu_detect()) {
        printf("this CPU has no %s\n", sn_cpu_level_name((sn_cpu_level)o.model.cpu_level));
        return 77;
    }
    const char *source = getenv("SETSUNA_SOURCE_DIR");
    static const char *const name[] = {"supported.txt", "unsupported.txt", "shape_only.txt"};
    for (int i = 0; i < 3; i++) {
        if (o.lists)
            snprintf(r.path[i], sizeof r.path[i], "%s/%s", o.lists, name[i]);
        else
            snprintf(r.path[i], sizeof r.path[i], "%s/tests/conformance/%s", source ? source : ".", name[i]);
    }
    if (!conformance_list_read(r.path[0], &r.supported) || !conformance_list_read(r.path[1], &r.unsupported) ||
        !conformance_list_read(r.path[2], &r.shape_only))
        return 2;
    int code = 0;
    if (!runner_find_cases(&r, argv + first, argc - first, o.filter)) {
        printf("no cases (Debian: libonnx-testdata)\n");
        code = 77;
    } else if (o.list) {
        for (size_t i = 0; i < r.n; i++)
            puts(r.c[i].id);
    } else {
        conformance_run(r.c, r.n, &o.model, o.in_process);
        if (o.update && !runner_update(&r))
            code = 2;
        size_t wrong = runner_judge(&r, o.verbose);
        if (!o.filter)
            wrong += runner_judge_lists(&r);
        if (code == 0 && wrong)
            code = 1;
    }
    free(r.c);
    conformance_list_fini(&r.supported);
    conformance_list_fini(&r.unsupported);
    conformance_list_fini(&r.shape_only);
    return code;
}
