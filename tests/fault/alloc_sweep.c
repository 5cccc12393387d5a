/* alloc_sweep [STRIDE] MODEL [NAME=DIMS | NAME=VALUE.0 ...]: the n-th allocation fails, for every n (or every
 * STRIDE-th) until loading, planning and running pass; once with that allocation alone failing, once with all after it
 * failing too.
 *
 * Each time the answer must be ENOMEM (or success, where memory was only nice to have), nothing may stay allocated, and
 * the sanitizers must have nothing to say. Allocations are counted by the allocator that is handed in.
 */
#include "cli/model_inputs.h"
#include "e2e/test_input.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct faulty {
    long n, fail_at; /* fail_at 0: never */
    bool sticky;
    long live;
} faulty;

static void *faulty_alloc(void *ctx, size_t size)
{
    faulty *f = ctx;
    f->n++;
    if (f->fail_at && (f->sticky ? f->n >= f->fail_at : f->n == f->fail_at))
        return NULL;
    const sn_allocator *heap = sn_allocator_default();
    void *p = heap->alloc(heap->ctx, size);
    f->live += p != NULL;
    return p;
}

static void faulty_free(void *ctx, void *p)
{
    faulty *f = ctx;
    f->live--;
    sn_allocator_default()->free(NULL, p);
}

static setsuna_status sweep_once(faulty *f, const char *path, const sn_cli_inputs *in, setsuna_error *err)
{
    sn_allocator a = {f, faulty_alloc, faulty_free};
    sn_model_options o = {.allocator = &a, .cpu_level = -1, .n_threads = 2};
    sn_model *model = NULL;
    sn_session *session = NULL;
    static setsuna_tensor out[256];
    setsuna_status status = sn_model_open(path, &o, &model, err);
    if (status == SETSUNA_OK)
        status = sn_session_create(model, &session, err);
    if (status == SETSUNA_OK)
        status = sn_session_prepare(session, in->tensor, err);
    if (status == SETSUNA_OK)
        status = sn_session_run(session, in->tensor, out, err);
    sn_session_destroy(session);
    sn_model_close(model);
    return status;
}

int main(int argc, char **argv)
{
    setsuna_error err = {0};
    long stride = argc > 1 ? atol(argv[1]) : 0;
    int first = stride > 0 ? 2 : 1;
    if (stride <= 0)
        stride = 1;
    if (argc <= first)
        return 2;
    const char *path = argv[first];
    if (access(path, R_OK) != 0) {
        printf("skipped: %s is not there (scripts/deps fetches it)\n", path);
        return 77;
    }
    static sn_cli_inputs in;
    sn_model *model;
    for (int i = first + 1; i < argc; i++)
        sn_cli_inputs_add(&in, argv[i], test_input_kind(argv[i]));
    if (sn_model_open(path, NULL, &model, &err) || sn_cli_inputs_make(&in, model, true, &err)) {
        printf("FAILED: %s: %s\n", err.where, err.text);
        return 1;
    }
    sn_model_close(model);
    faulty clean = {0};
    if (sweep_once(&clean, path, &in, &err) != SETSUNA_OK || clean.live) {
        printf("FAILED: without faults: %s: %s, %ld allocations left\n", err.where, err.text, clean.live);
        return 1;
    }
    long bad = 0, tried = 0;
    for (int sticky = 0; sticky < 2; sticky++)
        for (long n = 1; n <= clean.n; n += stride, tried++) {
            faulty f = {.fail_at = n, .sticky = sticky};
            err = (setsuna_error){0};
            setsuna_status status = sweep_once(&f, path, &in, &err);
            if ((status != SETSUNA_OK && status != SETSUNA_ENOMEM) || (status == SETSUNA_OK && sticky) || f.live) {
                if (bad++ < 10)
                    printf("FAILED: allocation %ld%s: %s (%s: %s), %ld allocations left\n", n,
                           sticky ? " and later" : "", setsuna_status_name(status), err.where, err.text, f.live);
            }
        }
    sn_cli_inputs_fini(&in);
    printf("%ld allocations, %ld faults injected, %ld wrong answers\n", clean.n, tried, bad);
    return bad != 0;
}
