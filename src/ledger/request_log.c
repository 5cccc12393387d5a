#include "ledger/request_log.h"
#include "base/status.h"
#include <string.h>

static const struct {
    const char *name, *what;
} request_columns[] = {
#define REQUEST_COLUMN_ENTRY(name, text, what) {text, what},
    SN_REQUEST_COLUMN_LIST(REQUEST_COLUMN_ENTRY)
#undef REQUEST_COLUMN_ENTRY
};

const char *sn_request_column_name(sn_request_column column)
{
    return (unsigned)column < SN_REQUEST_COLUMNS ? request_columns[column].name : "?";
}

const char *sn_request_column_what(sn_request_column column)
{
    return (unsigned)column < SN_REQUEST_COLUMNS ? request_columns[column].what : "?";
}

void sn_request_log_init(sn_request_log *log, const sn_allocator *allocator, size_t cap)
{
    *log = (sn_request_log){.allocator = allocator ? allocator : sn_allocator_default(),
                            .cap = cap ? cap : SN_REQUEST_LOG_ROWS_DEFAULT};
}

void sn_request_log_fini(sn_request_log *log)
{
    for (int c = 0; c < SN_REQUEST_COLUMNS; c++)
        if (log->column[c])
            sn_free(log->allocator, log->column[c]);
    sn_request_log_init(log, log->allocator, log->cap);
}

void sn_request_row(const sn_ledger *l, uint64_t begin_ns, uint64_t flags, uint64_t row[SN_REQUEST_COLUMNS])
{
    uint64_t end = l->start_ns + l->wall_ns;
    memset(row, 0, SN_REQUEST_COLUMNS * sizeof *row);
    row[SN_REQUEST_DUE] = l->start_ns;
    row[SN_REQUEST_BEGIN] = begin_ns < l->start_ns ? l->start_ns : begin_ns > end ? end : begin_ns;
    row[SN_REQUEST_END] = end;
    row[SN_REQUEST_FLAGS] = flags;
    for (int i = 0; i < SN_STAGES; i++)
        row[SN_REQUEST_ACQUIRE + i] = l->stage_ns[i];
    for (int i = 0; i < SN_WAITS; i++)
        row[SN_REQUEST_QUEUE + i] = l->known & 1u << i ? l->wait_ns[i] : 0;
    if (l->known & SN_LEDGER_KNOWN_COUNTS) {
        row[SN_REQUEST_FAULTS] = l->n_minor_faults + l->n_major_faults;
        row[SN_REQUEST_SWITCHES] = l->n_switches;
    }
}
_Static_assert(SN_REQUEST_QUEUE - SN_REQUEST_ACQUIRE == SN_STAGES, "a column a stage");
_Static_assert(SN_REQUEST_FAULTS - SN_REQUEST_QUEUE == SN_WAITS, "a column a wait");

/* Room for one more row in every column that is there. */
static bool request_log_grow(sn_request_log *log)
{
    if (log->n < log->room)
        return true;
    size_t room = log->room ? 2 * log->room : 1024;
    uint64_t *grown[SN_REQUEST_COLUMNS] = {NULL};
    bool ok = room > log->room && room <= SIZE_MAX / sizeof **grown;
    for (int c = 0; ok && c < SN_REQUEST_COLUMNS; c++)
        if (log->column[c]) {
            grown[c] = sn_alloc(log->allocator, room * sizeof **grown);
            ok = grown[c] != NULL;
        }
    for (int c = 0; c < SN_REQUEST_COLUMNS; c++)
        if (ok && grown[c]) {
            memcpy(grown[c], log->column[c], log->n * sizeof **grown);
            sn_free(log->allocator, log->column[c]);
            log->column[c] = grown[c];
        } else {
            sn_free(log->allocator, grown[c]);
        }
    log->room = ok ? room : log->room;
    return ok;
}

/* The column, there from now on: the rows so far are zero in it. */
static bool request_log_need(sn_request_log *log, sn_request_column c)
{
    if (!log->column[c])
        log->column[c] = sn_alloc_zero(log->allocator, log->room * sizeof **log->column);
    return log->column[c] != NULL;
}

setsuna_status sn_request_log_add(sn_request_log *log, const uint64_t row[SN_REQUEST_COLUMNS])
{
    if (row[SN_REQUEST_DUE] > row[SN_REQUEST_BEGIN] || row[SN_REQUEST_BEGIN] > row[SN_REQUEST_END])
        return SETSUNA_EINVAL;
    if (log->n >= log->cap) {
        log->n_all++;
        return SETSUNA_OK;
    }
    if (!request_log_grow(log))
        return SETSUNA_ENOMEM;
    for (int c = 0; c < SN_REQUEST_COLUMNS; c++)
        if ((row[c] || c == SN_REQUEST_END) && !request_log_need(log, (sn_request_column)c))
            return SETSUNA_ENOMEM;
    for (int c = 0; c < SN_REQUEST_COLUMNS; c++)
        if (log->column[c])
            log->column[c][log->n] = row[c];
    log->n++;
    log->n_all++;
    return SETSUNA_OK;
}

static void request_log_read_row(const sn_request_log *log, size_t i, uint64_t row[SN_REQUEST_COLUMNS])
{
    for (int c = 0; c < SN_REQUEST_COLUMNS; c++)
        row[c] = sn_request_log_get(log, (sn_request_column)c, i);
}

setsuna_status sn_request_log_join(sn_request_log *dst, const sn_request_log *const *src, size_t n_src)
{
    uint64_t row[SN_REQUEST_COLUMNS], all = dst->n_all;
    size_t *at = sn_alloc_zero(dst->allocator, (n_src + 1) * sizeof *at);
    setsuna_status status = at ? SETSUNA_OK : SETSUNA_ENOMEM;
    while (status == SETSUNA_OK && dst->n < dst->cap) {
        size_t first = n_src;
        for (size_t k = 0; k < n_src; k++)
            if (at[k] < src[k]->n &&
                (first == n_src || sn_request_log_get(src[k], SN_REQUEST_BEGIN, at[k]) <
                                       sn_request_log_get(src[first], SN_REQUEST_BEGIN, at[first])))
                first = k;
        if (first == n_src)
            break;
        request_log_read_row(src[first], at[first]++, row);
        status = sn_request_log_add(dst, row);
    }
    sn_free(dst->allocator, at);
    for (size_t k = 0; status == SETSUNA_OK && k < n_src; k++)
        all += src[k]->n_all;
    dst->n_all = status == SETSUNA_OK ? all : dst->n_all;
    return status;
}

setsuna_status sn_request_log_set_origin(sn_request_log *log, uint64_t origin_ns)
{
    for (size_t i = 0; i < log->n; i++)
        if (sn_request_log_get(log, SN_REQUEST_DUE, i) < origin_ns)
            return SETSUNA_EINVAL;
    for (int c = SN_REQUEST_DUE; c <= SN_REQUEST_END; c++)
        for (size_t i = 0; log->column[c] && i < log->n; i++)
            log->column[c][i] -= origin_ns;
    return SETSUNA_OK;
}

setsuna_status sn_request_log_mark(sn_request_log *log, size_t i, uint64_t flags)
{
    if (flags && !request_log_need(log, SN_REQUEST_FLAGS))
        return SETSUNA_ENOMEM;
    if (flags)
        log->column[SN_REQUEST_FLAGS][i] |= flags;
    return SETSUNA_OK;
}
