#include "report/log_book.h"

/* The columns stand in the order of the stages and waits. */
_Static_assert(SN_REQUEST_OVERHEAD - SN_REQUEST_ACQUIRE + 1 == (int)SN_STAGES, "a column a stage");
_Static_assert(SN_REQUEST_INTERRUPT - SN_REQUEST_QUEUE + 1 == (int)SN_WAITS, "a column a wait");

void sn_log_ledger(const sn_request_log *log, size_t i, sn_ledger *out)
{
    *out = (sn_ledger){
        .id = i, .start_ns = sn_request_log_get(log, SN_REQUEST_DUE, i), .wall_ns = sn_request_log_latency_ns(log, i)};
    uint64_t explained = 0;
    for (int k = 0; k < (int)SN_STAGES; k++) {
        out->stage_ns[k] = sn_request_log_get(log, (sn_request_column)(SN_REQUEST_ACQUIRE + k), i);
        out->n_enters[k] = out->stage_ns[k] > 0;
        explained += out->stage_ns[k];
    }
    out->unexplained_ns = (int64_t)(out->wall_ns - explained);
    for (int k = 0; k < (int)SN_WAITS; k++) {
        sn_request_column column = (sn_request_column)(SN_REQUEST_QUEUE + k);
        out->wait_ns[k] = sn_request_log_get(log, column, i);
        out->known |= log->column[column] ? 1u << k : 0;
    }
    out->n_minor_faults = sn_request_log_get(log, SN_REQUEST_FAULTS, i);
    out->n_switches = sn_request_log_get(log, SN_REQUEST_SWITCHES, i);
    if (log->column[SN_REQUEST_FAULTS] || log->column[SN_REQUEST_SWITCHES])
        out->known |= SN_LEDGER_KNOWN_COUNTS;
}

setsuna_status sn_log_book(const sn_request_log *log, sn_book *book)
{
    for (size_t i = 0; i < log->n; i++) {
        sn_ledger l;
        if (!sn_log_is_served(log, i))
            continue;
        sn_log_ledger(log, i, &l);
        if (sn_book_add(book, &l) != SETSUNA_OK)
            return SETSUNA_ENOMEM;
    }
    return SETSUNA_OK;
}
