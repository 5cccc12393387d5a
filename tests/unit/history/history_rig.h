/* A run to keep, and a fresh folder a test. */
#ifndef SN_TESTS_HISTORY_RIG_H
#define SN_TESTS_HISTORY_RIG_H

#include "history/history.h"
#include "unit/unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline sn_history_run rig_run(uint64_t n)
{
    static const char *const tags[] = {"nightly", "v1"};
    static const unsigned char log[] = {0, 1, 2, 255};
    return (sn_history_run){.time_ns = 1000 * n,
                            .command = "setsuna bench 'a b.onnx'",
                            .target = n % 2 ? "odd.onnx" : "even.yaml",
                            .engine = "native",
                            .threads = 2,
                            .precision = "f32",
                            .n = n,
                            .p50_ns = 10 * n,
                            .p99_ns = 20 * n,
                            .verdict = "certified",
                            .machine = "a machine\n",
                            .tags = tags,
                            .n_tags = 2,
                            .result = "{\"runs\":1}",
                            .passport = "{\"cpu\":\"x\"}",
                            .log = log,
                            .log_bytes = sizeof log};
}

static inline int rig_enter(void **state)
{
    (void)state;
    char dir[] = "history-test-XXXXXX";
    return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static inline int rig_leave(void **state)
{
    (void)state;
    char cwd[4096], command[4200];
    if (!getcwd(cwd, sizeof cwd) || chdir("..") != 0)
        return -1;
    snprintf(command, sizeof command, "rm -rf '%s'", cwd);
    return system(command);
}

static inline sn_history *rig_open(const char *path, sn_history_mode mode)
{
    sn_history *h = NULL;
    setsuna_error err = {0};
    if (sn_history_open(path, mode, &h, &err) != SETSUNA_OK)
        fail_msg("%s: %s", err.where, err.text);
    return h;
}

static inline void rig_add(const char *path, uint64_t first, uint64_t n)
{
    sn_history *h = rig_open(path, SN_HISTORY_WRITE);
    for (uint64_t i = 0; i < n; i++) {
        sn_history_run run = rig_run(first + i);
        int64_t id = 0;
        assert_int_equal(sn_history_add(h, &run, &id, NULL), SETSUNA_OK);
        assert_true(id > 0);
    }
    sn_history_close(h);
}

#endif
