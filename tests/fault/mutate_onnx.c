/* Every truncation and every flipped bit of many small models: each must be answered, none may crash, leak or hang.
 *
 *   mutate_onnx [--part I/N] [--all] [--parse-only] FOLDER
 *
 * FOLDER holds GROUP/CASE/model.onnx. Of all models up to 4 KiB the smallest of each distinct set of operators is
 * taken (with --all: every one). Each model is mutated in a child process of its own, so a crash is reported with the
 * model and the mutation; the sanitizer's report is on stderr.
 */
#include "base/file.h"
#include "onnx_drive.h"
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MUTATE_SIZE_MAX = 4096, MUTATE_SECONDS_PER_MODEL = 120 };

typedef struct mutate_model {
    char *path;
    uint8_t *data;
    size_t size;
    uint64_t operators; /* hash of its set of operators */
} mutate_model;

/* What the child is doing, in memory that it shares with its parent. */
typedef struct mutate_state {
    size_t cut;                 /* truncated to this many bytes, or SIZE_MAX */
    size_t bit;                 /* this bit flipped, or SIZE_MAX */
    size_t done[DRIVE_RAN + 1]; /* mutations, by how far they came */
} mutate_state;

static uint64_t mutate_hash_text(const char *s)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (; *s; s++)
        h = (h ^ (uint8_t)*s) * 1099511628211u;
    return h;
}

/* Order and number of nodes do not matter, the subgraphs' nodes do; 0: not importable, those share one place. */
static uint64_t mutate_operators(const uint8_t *data, size_t size)
{
    sn_onnx_model *m = NULL;
    const sn_graph *stack[64];
    size_t n = 0;
    uint64_t seen[256], sum = 1;
    size_t n_seen = 0;
    if (sn_onnx_parse(data, size, NULL, &m, NULL) != SETSUNA_OK)
        return 0;
    stack[n++] = m->graph;
    while (n) {
        const sn_graph *g = stack[--n];
        for (size_t i = 0; i < g->n_node; i++) {
            uint64_t h = mutate_hash_text(g->node[i].op);
            size_t k = 0;
            while (k < n_seen && seen[k] != h)
                k++;
            if (k == n_seen && n_seen < 256) {
                seen[n_seen++] = h;
                sum += h;
            }
            for (uint32_t a = 0; a < g->node[i].n_attr; a++)
                if (g->node[i].attr[a].kind == SN_ATTR_GRAPH && n < 64)
                    stack[n++] = g->node[i].attr[a].g;
        }
    }
    sn_onnx_destroy(m);
    return sum;
}

static bool mutate_load(const char *path, mutate_model *m)
{
    sn_bytes b;
    if (sn_file_read(path, MUTATE_SIZE_MAX, &b, NULL) != SETSUNA_OK)
        return false;
    *m = (mutate_model){.path = strdup(path), .data = malloc(b.size ? b.size : 1), .size = b.size};
    if (!m->path || !m->data)
        abort();
    if (b.size)
        memcpy(m->data, b.data, b.size);
    m->operators = mutate_operators(b.data, b.size);
    sn_bytes_fini(&b);
    return true;
}

static int mutate_by_operators(const void *a, const void *b)
{
    const mutate_model *x = a, *y = b;
    if (x->operators != y->operators)
        return x->operators < y->operators ? -1 : 1;
    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    return strcmp(x->path, y->path);
}

static void mutate_model_free(mutate_model *m)
{
    free(m->path);
    free(m->data);
}

static size_t mutate_find(const char *folder, bool all, mutate_model **out)
{
    char pattern[4096];
    glob_t found = {0};
    snprintf(pattern, sizeof pattern, "%s/*/*/model.onnx", folder);
    glob(pattern, 0, NULL, &found);
    mutate_model *m = calloc(found.gl_pathc + 1, sizeof *m);
    size_t n = 0, kept = 0;
    for (size_t i = 0; m && i < found.gl_pathc; i++)
        n += mutate_load(found.gl_pathv[i], &m[n]);
    globfree(&found);
    if (n)
        qsort(m, n, sizeof *m, mutate_by_operators);
    for (size_t i = 0; i < n; i++)
        if (all || kept == 0 || m[kept - 1].operators != m[i].operators)
            m[kept++] = m[i];
        else
            mutate_model_free(&m[i]);
    *out = m;
    return kept;
}

static void mutate_child(const mutate_model *m, bool run, mutate_state *at)
{
    for (size_t cut = 0; cut < m->size; cut++) {
        uint8_t *part = malloc(cut ? cut : 1); /* exactly as long: reads past it are seen */
        if (!part)
            _exit(2);
        memcpy(part, m->data, cut);
        at->cut = cut;
        at->done[drive_onnx(part, cut, run)]++;
        free(part);
    }
    at->cut = SIZE_MAX;
    for (size_t bit = 0; bit < m->size * 8; bit++) {
        m->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        at->bit = bit;
        at->done[drive_onnx(m->data, m->size, run)]++;
        m->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    at->bit = SIZE_MAX;
}

/* true: every mutation was answered. */
static bool mutate_one(const mutate_model *m, bool run, mutate_state *at)
{
    *at = (mutate_state){SIZE_MAX, SIZE_MAX, {0}};
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        perror("fork");
        return false;
    }
    if (pid == 0) {
        alarm(MUTATE_SECONDS_PER_MODEL);
        mutate_child(m, run, at);
        exit(0); /* not _exit: a leak checker reports here */
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    printf("FAILED %s ", m->path);
    if (at->cut != SIZE_MAX)
        printf("cut to %zu bytes: ", at->cut);
    else if (at->bit != SIZE_MAX)
        printf("with bit %zu of byte %zu flipped: ", at->bit % 8, at->bit / 8);
    if (WIFSIGNALED(status))
        printf("%s\n", WTERMSIG(status) == SIGALRM ? "too slow" : strsignal(WTERMSIG(status)));
    else
        printf("exit status %d\n", WEXITSTATUS(status));
    return false;
}

int main(int argc, char **argv)
{
    unsigned part = 0, parts = 1;
    bool all = false, run = true;
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--all") == 0)
            all = true;
        else if (strcmp(argv[i], "--parse-only") == 0)
            run = false;
        else if (strcmp(argv[i], "--part") != 0 || i + 1 == argc || sscanf(argv[++i], "%u/%u", &part, &parts) != 2 ||
                 parts == 0)
            break;
    }
    if (i != argc - 1) {
        fprintf(stderr, "usage: mutate_onnx [--part I/N] [--all] [--parse-only] FOLDER\n");
        return 2;
    }
    mutate_model *m;
    size_t n = mutate_find(argv[i], all, &m), models = 0, failed = 0, done[DRIVE_RAN + 1] = {0};
    mutate_state *at = mmap(NULL, sizeof *at, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return 2;
    for (size_t k = 0; k < n; k++) {
        if (k % parts == part) {
            failed += !mutate_one(&m[k], run, at);
            for (int r = 0; r <= DRIVE_RAN; r++)
                done[r] += at->done[r];
            models++;
        }
        mutate_model_free(&m[k]);
    }
    free(m);
    printf("%zu models; mutations: %zu refused at import, %zu at planning, %zu opened, %zu ran; %zu models failed\n",
           models, done[DRIVE_REFUSED], done[DRIVE_IMPORTED], done[DRIVE_OPENED], done[DRIVE_RAN], failed);
    if (n == 0)
        printf("no models (Debian: libonnx-testdata)\n");
    return n == 0 ? 77 : failed != 0;
}
