/* The plan cache: what a second start finds, and that nothing wrong is ever used. */
#include "base/file.h"
#include "engine/plan_seal.h"
#include "unit/engine/session_model.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct rig {
    char dir[32], model[64], cache[512];
} rig;

/* The model's file; factor changes its weights. */
static void rig_write_model(const rig *r, float factor)
{
    pb_write file = pb_exact(session_model());
    float first = session_weight(0), *w = NULL;
    for (size_t i = 0; i + sizeof(float) * 8 < file.size && !w; i++) {
        float v[8];
        memcpy(v, file.data + i, sizeof v);
        w = v[0] == first && v[1] == session_weight(1) && v[5] == session_weight(5) ? (void *)(file.data + i) : NULL;
    }
    assert_non_null(w);
    for (size_t i = 0; i < SESSION_K * SESSION_N; i++) {
        float v = session_weight(i) * factor;
        memcpy((char *)w + i * sizeof v, &v, sizeof v);
    }
    assert_int_equal(sn_file_write(r->model, file.data, file.size, NULL), SETSUNA_OK);
    free(file.data);
}

static void rig_open(rig *r)
{
    strcpy(r->dir, "/tmp/sn-plan-cache-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    snprintf(r->model, sizeof r->model, "%s/model.onnx", r->dir);
    rig_write_model(r, 1);
}

/* The name of the only cache file; "" when there is none. Fails where there is more, such as a temporary. */
static const char *rig_cache(rig *r)
{
    DIR *d = opendir(r->dir);
    assert_non_null(d);
    r->cache[0] = '\0';
    for (const struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.' && strcmp(e->d_name, "model.onnx") != 0 && !strstr(e->d_name, SN_PLAN_SEAL_SUFFIX)) {
            assert_int_equal(r->cache[0], '\0');
            snprintf(r->cache, sizeof r->cache, "%s/%s", r->dir, e->d_name);
        }
    closedir(d);
    return r->cache;
}

/* Whether the only cache file is sealed. */
static bool rig_is_sealed(rig *r)
{
    struct stat st;
    return stat(rig_cache(r), &st) == 0 && sn_plan_seal_holds(r->cache, sn_plan_seal_of(&st));
}

static void rig_close(rig *r)
{
    char seal[sizeof r->cache + sizeof SN_PLAN_SEAL_SUFFIX];
    if (rig_cache(r)[0])
        unlink(r->cache);
    snprintf(seal, sizeof seal, "%s" SN_PLAN_SEAL_SUFFIX, r->cache);
    unlink(seal);
    unlink(r->model);
    assert_int_equal(rmdir(r->dir), 0);
}

/* Opens, prepares and runs with x w; *y00: the first element of the product. Returns the status of what failed. */
static setsuna_status rig_start(const rig *r, const sn_allocator *a, const char *dir, float *y00, char note[512])
{
    enum { ROWS = 2 };
    static float x[ROWS * SESSION_K];
    sn_model_options o = {.allocator = a, .cpu_level = -1, .plan_cache = dir};
    uint8_t c = 1;
    for (size_t i = 0; i < ROWS * SESSION_K; i++)
        x[i] = session_x(i);
    const setsuna_tensor in[] = {{SETSUNA_BOOL, {0, {0}}, &c, 1}, {SETSUNA_F32, {2, {ROWS, SESSION_K}}, x, sizeof x}};
    sn_model *m = NULL;
    sn_session *s = NULL;
    setsuna_tensor out[2];
    setsuna_status status = sn_model_open(r->model, &o, &m, NULL);
    if (status == SETSUNA_OK)
        status = sn_session_create(m, &s, NULL);
    if (status == SETSUNA_OK)
        status = sn_session_prepare(s, in, NULL);
    if (status == SETSUNA_OK)
        status = sn_session_run(s, in, out, NULL);
    if (status == SETSUNA_OK)
        *y00 = *(const float *)out[0].data;
    if (m)
        snprintf(note, 512, "%s", sn_model_note(m));
    sn_session_destroy(s);
    sn_model_close(m);
    return status;
}

/* A start whose answer must be that of weights * factor, and whose note must contain `said` ("": no note). */
static void rig_is_right(const rig *r, float factor, const char *said)
{
    float y = 0, want = 0;
    char note[512] = "";
    for (size_t k = 0; k < SESSION_K; k++)
        want += session_x(k) * session_weight(k * SESSION_N) * factor;
    assert_int_equal(rig_start(r, NULL, r->dir, &y, note), SETSUNA_OK);
    if (y != want)
        fail_msg("%g, not %g; note: %s", (double)y, (double)want, note);
    if (said[0] ? !strstr(note, said) : note[0])
        fail_msg("the note is '%s', not '%s'", note, said);
}

static void rig_edit(rig *r, long offset, int flip)
{
    assert_int_equal(chmod(rig_cache(r), 0600), 0);
    FILE *f = fopen(r->cache, "r+b");
    assert_non_null(f);
    fseek(f, offset, offset < 0 ? SEEK_END : SEEK_SET);
    int was = fgetc(f);
    fseek(f, -1, SEEK_CUR);
    fputc(was ^ flip, f);
    assert_int_equal(fclose(f), 0);
}

static uint64_t rig_inode(rig *r)
{
    struct stat st;
    assert_int_equal(stat(rig_cache(r), &st), 0);
    return st.st_ino;
}

static void test_the_second_start_finds_it(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    rig_is_right(&r, 1, "");
    struct stat st;
    assert_int_equal(stat(rig_cache(&r), &st), 0);
    assert_true(S_ISREG(st.st_mode) && (st.st_mode & 0222) == 0);
    assert_true(st.st_size >= (off_t)(SESSION_K * SESSION_N * sizeof(float)));
    uint64_t first = rig_inode(&r);
    rig_is_right(&r, 1, "");
    assert_true(rig_inode(&r) == first); /* nothing to add: it is left alone */
    rig_close(&r);
}

/* The same name, the same length: other weights. */
static void test_a_changed_model_makes_it_stale(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    rig_is_right(&r, 1, "");
    rig_write_model(&r, 2);
    rig_is_right(&r, 2, "the model has changed");
    rig_is_right(&r, 2, "");
    rig_close(&r);
}

/* Another file with the same bytes: the contents decide. */
static void test_a_copied_model_keeps_it(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    rig_is_right(&r, 1, "");
    uint64_t first = rig_inode(&r);
    rig_write_model(&r, 1);
    rig_is_right(&r, 1, "");
    assert_true(rig_inode(&r) == first);
    rig_close(&r);
}

static void test_damage_is_found_and_mended(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    rig_is_right(&r, 1, "");
    rig_edit(&r, 0, 1);
    rig_is_right(&r, 1, "of this version");
    rig_edit(&r, 40, 1); /* within the identity */
    rig_is_right(&r, 1, "the checksum of its table");
    rig_edit(&r, -1, 128);
    rig_is_right(&r, 1, "the checksum of an item");
    assert_int_equal(chmod(rig_cache(&r), 0600), 0);
    assert_int_equal(truncate(r.cache, 1000), 0);
    rig_is_right(&r, 1, "not as long");
    assert_int_equal(chmod(rig_cache(&r), 0600), 0);
    assert_int_equal(truncate(r.cache, 0), 0);
    rig_is_right(&r, 1, "ends in its header");
    rig_is_right(&r, 1, "");
    rig_close(&r);
}

/* A checked file is sealed once it is old enough; a seal does not cover what was done to the file later. */
static void test_a_seal_holds_until_the_file_changes(void **state)
{
    (void)state;
    const struct timespec settled = {.tv_sec = 1 + SN_PLAN_SEAL_SETTLED_MS / 1000};
    rig r;
    rig_open(&r);
    rig_is_right(&r, 1, "");
    assert_false(rig_is_sealed(&r));
    nanosleep(&settled, NULL);
    assert_false(rig_is_sealed(&r));
    rig_is_right(&r, 1, "");
    assert_true(rig_is_sealed(&r));
    rig_is_right(&r, 1, "");
    rig_edit(&r, -1, 128);
    assert_false(rig_is_sealed(&r));
    rig_is_right(&r, 1, "the checksum of an item");
    rig_is_right(&r, 1, ""); /* too young for a seal */
    assert_false(rig_is_sealed(&r));
    rig_close(&r);
}

/* A file that somebody else could change under us is not used, whatever it holds. */
static void test_a_file_that_others_can_write_to_is_refused(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    rig_is_right(&r, 1, "");
    assert_int_equal(chmod(rig_cache(&r), 0666), 0);
    rig_is_right(&r, 1, "this user alone");
    char target[600];
    snprintf(target, sizeof target, "%s.real", rig_cache(&r));
    assert_int_equal(rename(r.cache, target), 0);
    assert_int_equal(symlink(target, r.cache), 0);
    char name[sizeof r.cache];
    strcpy(name, r.cache);
    float y;
    char note[512];
    assert_int_equal(rig_start(&r, NULL, r.dir, &y, note), SETSUNA_OK);
    assert_non_null(strstr(note, "made anew"));
    unlink(target);
    rig_close(&r);
}

static void test_a_folder_that_is_not_there(void **state)
{
    (void)state;
    rig r;
    float y;
    char note[512];
    rig_open(&r);
    assert_int_equal(rig_start(&r, NULL, "/nonexistent", &y, note), SETSUNA_ENOTFOUND);
    rig_close(&r);
}

/* Starts at the same time, half of which find damage: all answers are right, and one whole file stays. */
static void test_processes_at_once(void **state)
{
    (void)state;
    enum { PROCESSES = 6 };
    rig r;
    rig_open(&r);
    for (int turn = 0; turn < 3; turn++) {
        pid_t child[PROCESSES];
        for (int i = 0; i < PROCESSES; i++) {
            child[i] = fork();
            assert_true(child[i] >= 0);
            if (child[i] == 0) {
                float y = 0, want = 0;
                char note[512];
                for (size_t k = 0; k < SESSION_K; k++)
                    want += session_x(k) * session_weight(k * SESSION_N);
                _exit(rig_start(&r, NULL, r.dir, &y, note) == SETSUNA_OK && y == want ? 0 : 1);
            }
        }
        for (int i = 0; i < PROCESSES; i++) {
            int code;
            assert_int_equal(waitpid(child[i], &code, 0), child[i]);
            assert_int_equal(code, 0);
        }
        rig_is_right(&r, 1, "");
        rig_edit(&r, -1, 1);
    }
    rig_close(&r);
}

/* ---- memory ---------------------------------------------------------------------------------------------- */

typedef struct failing {
    long left, live;
} failing;

static void *failing_alloc(void *ctx, size_t size)
{
    failing *f = ctx;
    if (f->left-- <= 0)
        return NULL;
    void *p = sn_alloc(sn_allocator_default(), size);
    f->live += p != NULL;
    return p;
}

static void failing_free(void *ctx, void *p)
{
    ((failing *)ctx)->live--;
    sn_free(sn_allocator_default(), p);
}

/* Every allocation of a start fails once, with a cache to read and with one to write: nothing is lost or wrong. */
static void test_every_allocation_fails_once(void **state)
{
    (void)state;
    for (int cached = 0; cached < 2; cached++) {
        rig r;
        bool done = false;
        rig_open(&r);
        for (long n = 0; !done; n += n < 60 ? 1 : 7) {
            failing f = {.left = n};
            const sn_allocator a = {&f, failing_alloc, failing_free};
            float y = 0;
            char note[512];
            if (cached && n == 0)
                rig_is_right(&r, 1, "");
            if (!cached && rig_cache(&r)[0])
                unlink(r.cache);
            setsuna_status status = rig_start(&r, &a, r.dir, &y, note);
            done = status == SETSUNA_OK && f.left > 0;
            assert_true(status == SETSUNA_OK || status == SETSUNA_ENOMEM);
            assert_int_equal(f.live, 0);
        }
        rig_is_right(&r, 1, "");
        rig_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_second_start_finds_it),
        cmocka_unit_test(test_a_changed_model_makes_it_stale),
        cmocka_unit_test(test_a_copied_model_keeps_it),
        cmocka_unit_test(test_damage_is_found_and_mended),
        cmocka_unit_test(test_a_seal_holds_until_the_file_changes),
        cmocka_unit_test(test_a_file_that_others_can_write_to_is_refused),
        cmocka_unit_test(test_a_folder_that_is_not_there),
        cmocka_unit_test(test_processes_at_once),
        cmocka_unit_test(test_every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
