/* Request logs. The checksum is put right first, so that what lies behind it is met. What is accepted obeys the rules,
 * and is the same after it was written and read again. */
#include "base/crc32.h"
#include "ledger/request_log.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void fuzz_same(const sn_request_log *a, const sn_request_log *b)
{
    if (a->n != b->n || a->n_all != b->n_all)
        __builtin_trap();
    for (size_t i = 0; i < a->n; i++)
        for (int c = 0; c < SN_REQUEST_COLUMNS; c++)
            if (sn_request_log_get(a, (sn_request_column)c, i) != sn_request_log_get(b, (sn_request_column)c, i))
                __builtin_trap();
}

static void fuzz_again(const sn_request_log *log)
{
    uint8_t *data;
    size_t size;
    sn_request_log again;
    if (sn_request_log_encode(log, &data, &size) != SETSUNA_OK)
        return;
    if (sn_request_log_parse(data, size, NULL, 0, &again, NULL) != SETSUNA_OK)
        __builtin_trap();
    fuzz_same(log, &again);
    sn_request_log_fini(&again);
    sn_free(sn_allocator_default(), data);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    unsigned char *copy = malloc(size ? size : 1);
    if (!copy)
        return 0;
    if (size)
        memcpy(copy, data, size);
    if (size >= 4) {
        uint32_t crc = sn_crc32(0, copy, size - 4);
        for (int i = 0; i < 4; i++)
            copy[size - 4 + (size_t)i] = (unsigned char)(crc >> 8 * i);
    }
    sn_request_log log;
    setsuna_error err;
    if (sn_request_log_parse(copy, size, NULL, 0, &log, &err) == SETSUNA_OK) {
        for (size_t i = 0; i < log.n; i++)
            if (sn_request_log_get(&log, SN_REQUEST_DUE, i) > sn_request_log_get(&log, SN_REQUEST_END, i))
                __builtin_trap();
        fuzz_again(&log);
        sn_request_log_fini(&log);
    }
    free(copy);
    return 0;
}
