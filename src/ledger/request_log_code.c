/* Request logs as bytes: the encoding is in request_log.h. */
#include "base/checked.h"
#include "base/crc32.h"
#include "base/status.h"
#include "ledger/request_log.h"
#include <string.h>

enum { CODE_HEAD = 32, CODE_CRC = 4, CODE_NAME_MAX = 31, CODE_VARINT_MAX = 10 };
static const char code_magic[8] = {'S', 'N', 'R', 'E', 'Q', 'L', 'O', 'G'};

/* ---- writing ------------------------------------------------------------------------------------------- */

static void code_put(uint8_t **p, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *(*p)++ = (uint8_t)(value >> 8 * i);
}

static uint64_t code_zigzag(uint64_t difference)
{
    return difference << 1 ^ (0 - (difference >> 63));
}

/* p NULL: only counts. Returns the bytes of the column's values. */
static size_t code_values(const uint64_t *value, size_t n, uint8_t *p)
{
    size_t size = 0;
    uint64_t before = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t v = code_zigzag(value[i] - before);
        before = value[i];
        for (; v > 127; v >>= 7, size++)
            if (p)
                p[size] = (uint8_t)(v | 0x80);
        if (p)
            p[size] = (uint8_t)v;
        size++;
    }
    return size;
}

/* END is written where there are rows, whatever it holds. */
static bool code_is_written(const sn_request_log *log, int c)
{
    if (c == SN_REQUEST_END)
        return log->n > 0;
    for (size_t i = 0; log->column[c] && i < log->n; i++)
        if (log->column[c][i])
            return true;
    return false;
}

setsuna_status sn_request_log_encode(const sn_request_log *log, uint8_t **data_out, size_t *size_out)
{
    size_t values[SN_REQUEST_COLUMNS] = {0}, size = CODE_HEAD + CODE_CRC;
    uint32_t n_columns = 0;
    for (int c = 0; c < SN_REQUEST_COLUMNS; c++)
        if (code_is_written(log, c)) {
            values[c] = code_values(log->column[c], log->n, NULL);
            size += 1 + strlen(sn_request_column_name((sn_request_column)c)) + 8 + values[c];
            n_columns++;
        }
    uint8_t *data = sn_alloc(log->allocator, size), *p = data;
    if (!data)
        return SETSUNA_ENOMEM;
    memcpy(p, code_magic, sizeof code_magic);
    p += sizeof code_magic;
    code_put(&p, SN_REQUEST_LOG_VERSION, 4);
    code_put(&p, n_columns, 4);
    code_put(&p, log->n, 8);
    code_put(&p, log->n_all, 8);
    for (int c = 0; c < SN_REQUEST_COLUMNS; c++) {
        if (values[c] == 0)
            continue;
        const char *name = sn_request_column_name((sn_request_column)c);
        size_t len = strlen(name);
        code_put(&p, len, 1);
        memcpy(p, name, len);
        p += len;
        code_put(&p, values[c], 8);
        p += code_values(log->column[c], log->n, p);
    }
    code_put(&p, sn_crc32(0, data, size - CODE_CRC), CODE_CRC);
    *data_out = data;
    *size_out = size;
    return SETSUNA_OK;
}

/* ---- reading ------------------------------------------------------------------------------------------- */

typedef struct code_reader {
    const uint8_t *begin, *at, *end;
    setsuna_error *err;
} code_reader;

static setsuna_status code_refuse(const code_reader *r, const char *what)
{
    return sn_fail(r->err, SETSUNA_EINPUT, NULL, "a request log: %s, at offset %zu", what, (size_t)(r->at - r->begin));
}

static size_t code_left(const code_reader *r)
{
    return (size_t)(r->end - r->at);
}

/* The caller has seen that they are there. */
static uint64_t code_take(code_reader *r, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)*r->at++ << 8 * i;
    return value;
}

/* One varint of at most 64 bits; every number has one form: no zero byte at its end. */
static bool code_varint(code_reader *r, uint64_t *out)
{
    uint64_t value = 0;
    for (int i = 0; i < CODE_VARINT_MAX && r->at < r->end; i++) {
        uint8_t byte = *r->at++;
        if (i == CODE_VARINT_MAX - 1 && byte > 1)
            return false;
        value |= (uint64_t)(byte & 0x7f) << 7 * i;
        if (byte < 0x80) {
            *out = value;
            return byte > 0 || i == 0;
        }
    }
    return false;
}

/* The values of a column, which take size bytes. */
static setsuna_status code_read_values(code_reader *r, size_t size, sn_request_log *log, sn_request_column c)
{
    code_reader own = {.begin = r->begin, .at = r->at, .end = r->at + size, .err = r->err};
    uint64_t *value = sn_alloc(log->allocator, log->n * sizeof *value), v, before = 0, any = 0;
    if (!value)
        return sn_fail(r->err, SETSUNA_ENOMEM, NULL, "out of memory for a request log of %zu rows", log->n);
    log->column[c] = value;
    for (size_t i = 0; i < log->n; i++) {
        if (!code_varint(&own, &v))
            return code_refuse(&own, "not a number");
        before += v >> 1 ^ (0 - (v & 1));
        value[i] = before;
        any |= before;
    }
    if (own.at != own.end)
        return code_refuse(&own, "more numbers than rows");
    if (!any && c != SN_REQUEST_END) {
        sn_free(log->allocator, value);
        log->column[c] = NULL;
    }
    return SETSUNA_OK;
}

/* SN_REQUEST_COLUMNS: none of ours. */
static sn_request_column code_find(const uint8_t *name, size_t len)
{
    for (int c = 0; c < SN_REQUEST_COLUMNS; c++) {
        const char *own = sn_request_column_name((sn_request_column)c);
        if (strlen(own) == len && memcmp(own, name, len) == 0)
            return (sn_request_column)c;
    }
    return SN_REQUEST_COLUMNS;
}

static bool code_is_name(const uint8_t *name, size_t len)
{
    bool ok = len >= 1 && len <= CODE_NAME_MAX;
    for (size_t i = 0; ok && i < len; i++)
        ok = (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9') || name[i] == '_';
    return ok;
}

/* *seen: bits of the columns that were there before. */
static setsuna_status code_read_column(code_reader *r, sn_request_log *log, uint64_t *seen)
{
    size_t len = code_left(r) ? (size_t)code_take(r, 1) : 0;
    if (code_left(r) < len + 8 || !code_is_name(r->at, len))
        return code_refuse(r, "no column where one should be");
    sn_request_column c = code_find(r->at, len);
    r->at += len;
    uint64_t size = code_take(r, 8);
    if (size > code_left(r) || size < log->n || (size > 0 && log->n == 0))
        return code_refuse(r, "a column's size does not fit");
    if (c == SN_REQUEST_COLUMNS) {
        r->at += size;
        return SETSUNA_OK;
    }
    if (*seen & 1u << c)
        return code_refuse(r, "a column that was there before");
    *seen |= 1u << c;
    if (size > 0)
        SN_TRY(code_read_values(r, (size_t)size, log, c));
    r->at += size;
    return SETSUNA_OK;
}
_Static_assert(SN_REQUEST_COLUMNS <= 31, "a bit a column");

static setsuna_status code_check_rows(const code_reader *r, const sn_request_log *log)
{
    if (log->n > 0 && !log->column[SN_REQUEST_END])
        return code_refuse(r, "no column end_ns");
    for (size_t i = 0; i < log->n; i++) {
        uint64_t begin = sn_request_log_get(log, SN_REQUEST_BEGIN, i);
        if (sn_request_log_get(log, SN_REQUEST_DUE, i) > begin || begin > log->column[SN_REQUEST_END][i])
            return code_refuse(r, "a request that ends before it begins, or begins before it is due");
    }
    return SETSUNA_OK;
}

static setsuna_status code_read_head(code_reader *r, size_t max_rows, uint32_t *columns_out, sn_request_log *log)
{
    if (code_left(r) < CODE_HEAD + CODE_CRC || memcmp(r->at, code_magic, sizeof code_magic) != 0)
        return code_refuse(r, "not one, or cut short");
    r->at += sizeof code_magic;
    if (code_take(r, 4) != SN_REQUEST_LOG_VERSION)
        return code_refuse(r, "of a version that this one does not know");
    code_reader crc = {.at = r->end - CODE_CRC, .end = r->end};
    if (sn_crc32(0, r->begin, (size_t)(crc.at - r->begin)) != code_take(&crc, CODE_CRC))
        return code_refuse(r, "its checksum is wrong: bytes have changed");
    r->end -= CODE_CRC;
    *columns_out = (uint32_t)code_take(r, 4);
    uint64_t rows = code_take(r, 8);
    log->n_all = code_take(r, 8);
    if (log->n_all < rows || rows > code_left(r)) /* a value is a byte at least */
        return code_refuse(r, "more rows than it can have");
    if (rows > max_rows)
        return sn_fail(r->err, SETSUNA_ELIMIT, NULL, "a request log of %llu rows; at most %zu are read",
                       (unsigned long long)rows, max_rows);
    log->n = log->room = (size_t)rows;
    return SETSUNA_OK;
}

setsuna_status sn_request_log_parse(const void *data, size_t size, const sn_allocator *allocator, size_t max_rows,
                                    sn_request_log *out, setsuna_error *err)
{
    const uint8_t *bytes = data;
    code_reader r = {.begin = bytes, .at = bytes, .end = size ? bytes + size : bytes, .err = err};
    uint32_t n_columns = 0;
    uint64_t seen = 0;
    sn_request_log log;
    sn_request_log_init(&log, allocator, max_rows);
    setsuna_status status = code_read_head(&r, log.cap, &n_columns, &log);
    for (uint32_t i = 0; status == SETSUNA_OK && i < n_columns; i++)
        status = code_read_column(&r, &log, &seen);
    if (status == SETSUNA_OK && r.at != r.end)
        status = code_refuse(&r, "bytes behind the last column");
    if (status == SETSUNA_OK)
        status = code_check_rows(&r, &log);
    if (status != SETSUNA_OK)
        sn_request_log_fini(&log);
    else
        *out = log;
    return status;
}
