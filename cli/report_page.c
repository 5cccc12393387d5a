#include "cli/report_page.h"
#include "base/file.h"
#include "base/status.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static setsuna_status page_to_file(const sn_html_report *r, const char *output, setsuna_error *err)
{
    sn_sink page;
    bool standard = strcmp(output, "-") == 0;
    if (standard)
        sn_sink_init_file(&page, stdout);
    else
        sn_sink_init_buffer(&page, NULL);
    setsuna_status status = sn_html_report_write(r, &page);
    if (status != SETSUNA_OK)
        sn_fail(err, status, standard ? "standard output" : output, "%s",
                status == SETSUNA_EIO ? strerror(errno) : setsuna_status_text(status));
    else if (!standard)
        status = sn_file_write(output, page.data, page.size, err);
    if (!standard)
        sn_sink_fini(&page);
    return status;
}

setsuna_status sn_report_page_write(const sn_history_run *const *run, size_t n, sn_report_language language,
                                    const char *output, setsuna_error *err)
{
    sn_request_log log[SN_HTML_REPORT_RUNS_MAX] = {{.allocator = NULL}};
    sn_html_report r = {.language = language, .n = n};
    setsuna_status status = SETSUNA_OK;
    for (size_t i = 0; i < n && status == SETSUNA_OK; i++) {
        char where[64];
        r.run[i] = run[i];
        if (!run[i]->log)
            continue;
        snprintf(where, sizeof where, "the log of run %lld", (long long)run[i]->id);
        status = sn_request_log_parse(run[i]->log, run[i]->log_bytes, NULL, 0, &log[i], err);
        if (status == SETSUNA_OK)
            r.log[i] = &log[i];
        else
            sn_fail_at(err, status, "%s", where);
    }
    if (status == SETSUNA_OK)
        status = page_to_file(&r, output, err);
    for (size_t i = 0; i < n; i++)
        sn_request_log_fini(&log[i]);
    return status;
}
