#include "cli/bench_log.h"
#include "base/file.h"
#include "base/status.h"
#include "cli/common.h"
#include "report/request_log_csv.h"
#include <string.h>

setsuna_status sn_bench_log_finish(sn_request_log *log, const sn_bench_log_facts *f, setsuna_error *err)
{
    uint64_t served = 0;
    setsuna_status status = sn_request_log_set_origin(log, f->begin_ns);
    for (size_t i = 0; status == SETSUNA_OK && i < log->n; i++) {
        uint64_t flags = sn_request_log_get(log, SN_REQUEST_FLAGS, i);
        if (flags & (SN_REQUEST_IS_DROPPED | SN_REQUEST_IS_UNSERVED))
            continue;
        uint64_t more = f->deadline_ns && sn_request_log_latency_ns(log, i) > f->deadline_ns ? SN_REQUEST_IS_LATE : 0;
        more |= served++ < f->warmup ? SN_REQUEST_IS_WARMUP : 0;
        status = sn_request_log_mark(log, i, more);
    }
    return status == SETSUNA_OK ? SETSUNA_OK : sn_fail(err, status, "--log", "%s", setsuna_status_text(status));
}

static setsuna_status log_write_csv(const sn_request_log *log, const char *path, setsuna_error *err)
{
    sn_sink s;
    sn_sink_init_buffer(&s, NULL);
    setsuna_status status = sn_request_log_write_csv(log, &s) == SETSUNA_OK
                                ? sn_file_write(path, s.data, s.size, err)
                                : sn_fail(err, SETSUNA_ENOMEM, path, "out of memory for the text of the log");
    sn_sink_fini(&s);
    return status;
}

static setsuna_status log_write_encoded(const sn_request_log *log, const char *path, setsuna_error *err)
{
    uint8_t *data;
    size_t size;
    if (sn_request_log_encode(log, &data, &size) != SETSUNA_OK)
        return sn_fail(err, SETSUNA_ENOMEM, path, "out of memory for the encoded log");
    setsuna_status status = sn_file_write(path, data, size, err);
    sn_free(log->allocator, data);
    return status;
}

setsuna_status sn_bench_log_write(const sn_request_log *log, const char *path, setsuna_error *err)
{
    const char *dot = strrchr(path, '.');
    bool csv = dot && strcmp(dot, ".csv") == 0;
    SN_TRY(csv ? log_write_csv(log, path, err) : log_write_encoded(log, path, err));
    if (log->n < log->n_all)
        sn_cli_fail(path, "has the first %zu of %llu requests: a log stops there", log->n,
                    (unsigned long long)log->n_all);
    return SETSUNA_OK;
}
