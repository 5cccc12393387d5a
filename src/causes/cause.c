#include "causes/cause.h"
#include <string.h>

static const struct {
    const char *key, *text;
} cause_texts[SN_CAUSES] = {
#define CAUSE_TEXT(name, key, text) [SN_CAUSE_##name] = {key, text},
    SN_CAUSE_LIST(CAUSE_TEXT)
#undef CAUSE_TEXT
};

const char *sn_cause_key(sn_cause cause)
{
    return (unsigned)cause < SN_CAUSES ? cause_texts[cause].key : "?";
}

const char *sn_cause_text(sn_cause cause)
{
    return (unsigned)cause < SN_CAUSES ? cause_texts[cause].text : "?";
}

void sn_cause_log_init(sn_cause_log *log, const sn_allocator *allocator)
{
    memset(log, 0, sizeof *log);
    log->allocator = allocator ? allocator : sn_allocator_default();
}

void sn_cause_log_fini(sn_cause_log *log)
{
    for (size_t i = 0; i < sizeof log->chunk / sizeof *log->chunk && log->chunk[i]; i++)
        sn_free(log->allocator, log->chunk[i]);
    sn_cause_log_init(log, log->allocator);
}

setsuna_status sn_cause_log_add(sn_cause_log *log, const sn_cause_request *r)
{
    if (log->n == SN_CAUSE_LOG_MAX) {
        log->n_left_out++;
        return SETSUNA_OK;
    }
    sn_cause_request **chunk = &log->chunk[log->n / SN_CAUSE_LOG_CHUNK];
    if (!*chunk)
        *chunk = sn_alloc(log->allocator, SN_CAUSE_LOG_CHUNK * sizeof **chunk);
    if (!*chunk)
        return SETSUNA_ENOMEM;
    (*chunk)[log->n++ % SN_CAUSE_LOG_CHUNK] = *r;
    return SETSUNA_OK;
}
