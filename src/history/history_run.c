#include "history/history_impl.h"
#include <stdio.h>
#include <string.h>

/* The columns of a run but the large ones, in the order of run_read. */
#define RUN_COLUMNS                                                                                                    \
    "id, time_ns, command, target, engine, threads, precision, n, p50_ns, p99_ns, verdict, machine, partial"
enum {
    RUN_ID,
    RUN_TIME,
    RUN_COMMAND,
    RUN_TARGET,
    RUN_ENGINE,
    RUN_THREADS,
    RUN_PRECISION,
    RUN_N,
    RUN_P50,
    RUN_P99,
    RUN_VERDICT,
    RUN_MACHINE,
    RUN_PARTIAL,
    RUN_RESULT,
    RUN_PASSPORT,
    RUN_LOG
};
enum { RUN_TEXT_MAX = 1 << 20, RUN_TAGS_MAX = 1000 };

/* ---- adding ---------------------------------------------------------------------------------------- */

static int run_bind_text(sqlite3_stmt *s, int column, const char *text)
{
    return sqlite3_bind_text64(s, column, text, strlen(text), SQLITE_STATIC, SQLITE_UTF8);
}

/* SQLite's integers have a sign. */
static int run_bind_u64(sqlite3_stmt *s, int column, uint64_t value)
{
    return sqlite3_bind_int64(s, column, value > INT64_MAX ? INT64_MAX : (int64_t)value);
}

static int run_bind(sqlite3_stmt *s, const sn_history_run *r)
{
    int code = SQLITE_OK;
    code |= run_bind_u64(s, RUN_TIME, r->time_ns);
    code |= run_bind_text(s, RUN_COMMAND, r->command);
    code |= run_bind_text(s, RUN_TARGET, r->target);
    code |= run_bind_text(s, RUN_ENGINE, r->engine);
    code |= run_bind_u64(s, RUN_THREADS, r->threads);
    code |= run_bind_text(s, RUN_PRECISION, r->precision);
    code |= run_bind_u64(s, RUN_N, r->n);
    code |= run_bind_u64(s, RUN_P50, r->p50_ns);
    code |= run_bind_u64(s, RUN_P99, r->p99_ns);
    code |= run_bind_text(s, RUN_VERDICT, r->verdict);
    code |= run_bind_text(s, RUN_MACHINE, r->machine);
    code |= run_bind_u64(s, RUN_PARTIAL, r->partial);
    code |= run_bind_text(s, RUN_RESULT, r->result);
    code |= run_bind_text(s, RUN_PASSPORT, r->passport);
    code |=
        r->log ? sqlite3_bind_blob64(s, RUN_LOG, r->log, r->log_bytes, SQLITE_STATIC) : sqlite3_bind_null(s, RUN_LOG);
    return code;
}

static setsuna_status run_insert_tag(sn_history *h, int64_t id, const char *tag, setsuna_error *err)
{
    sqlite3_stmt *s;
    SN_TRY(sn_history_prepare(h, "INSERT OR IGNORE INTO tag (run, text) VALUES (?, ?)", &s, err));
    if ((sqlite3_bind_int64(s, 1, id) | run_bind_text(s, 2, tag)) != SQLITE_OK) {
        sqlite3_finalize(s);
        return sn_history_fail(h, SQLITE_NOMEM, err);
    }
    return sn_history_finish(h, s, err);
}

static setsuna_status run_insert(sn_history *h, const sn_history_run *run, int64_t *id_out, setsuna_error *err)
{
    sqlite3_stmt *s;
    SN_TRY(sn_history_prepare(h,
                              "INSERT INTO run (time_ns, command, target, engine, threads, precision, n, p50_ns,"
                              " p99_ns, verdict, machine, partial, result, passport, log)"
                              " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                              &s, err));
    if (run_bind(s, run) != SQLITE_OK) {
        sqlite3_finalize(s);
        return sn_history_fail(h, SQLITE_NOMEM, err);
    }
    SN_TRY(sn_history_finish(h, s, err));
    int64_t id = sqlite3_last_insert_rowid(h->db);
    for (size_t i = 0; i < run->n_tags; i++)
        SN_TRY(run_insert_tag(h, id, run->tags[i], err));
    *id_out = id;
    return SETSUNA_OK;
}

static setsuna_status run_check_tag(const char *tag, setsuna_error *err)
{
    size_t n = strlen(tag);
    if (n == 0 || n > SN_HISTORY_TAG_MAX)
        return sn_fail(err, SETSUNA_EINVAL, "tag", "a tag has 1 to %d bytes", SN_HISTORY_TAG_MAX);
    return SETSUNA_OK;
}

setsuna_status sn_history_add(sn_history *h, const sn_history_run *run, int64_t *id_out, setsuna_error *err)
{
    int64_t id = 0;
    if (strlen(run->result) > SN_HISTORY_JSON_MAX || strlen(run->passport) > SN_HISTORY_JSON_MAX ||
        strlen(run->command) > RUN_TEXT_MAX || strlen(run->target) > RUN_TEXT_MAX ||
        run->log_bytes > SN_HISTORY_LOG_MAX)
        return sn_fail(err, SETSUNA_ELIMIT, h->path, "the run is too large for the history");
    for (size_t i = 0; i < run->n_tags; i++)
        SN_TRY(run_check_tag(run->tags[i], err));
    SN_TRY(sn_history_execute(h, "BEGIN IMMEDIATE", err));
    SN_TRY(sn_history_end(h, run_insert(h, run, &id, err), err));
    *id_out = id;
    return SETSUNA_OK;
}

setsuna_status sn_history_tag(sn_history *h, int64_t id, const char *tag, setsuna_error *err)
{
    char name[32];
    SN_TRY(run_check_tag(tag, err));
    SN_TRY(sn_history_execute(h, "BEGIN IMMEDIATE", err));
    snprintf(name, sizeof name, "%lld", (long long)id);
    setsuna_status status = sn_history_find(h, name, &id, err);
    if (status == SETSUNA_OK)
        status = run_insert_tag(h, id, tag, err);
    return sn_history_end(h, status, err);
}

/* ---- reading --------------------------------------------------------------------------------------- */

/* A text into the arena: of the right type, not longer than max, without NUL. */
static setsuna_status run_text(sn_history *h, sqlite3_stmt *s, int column, size_t max, sn_arena *arena,
                               const char **out, setsuna_error *err)
{
    if (sqlite3_column_type(s, column) != SQLITE_TEXT)
        return sn_history_fail(h, SQLITE_CORRUPT, err);
    const char *text = (const char *)sqlite3_column_text(s, column);
    size_t n = (size_t)sqlite3_column_bytes(s, column);
    if (!text)
        return sn_history_fail(h, SQLITE_NOMEM, err);
    if (n > max || memchr(text, '\0', n))
        return sn_history_fail(h, SQLITE_CORRUPT, err);
    *out = sn_arena_strndup(arena, text, n);
    return *out ? SETSUNA_OK : sn_history_fail(h, SQLITE_NOMEM, err);
}

static setsuna_status run_u64(sn_history *h, sqlite3_stmt *s, int column, uint64_t max, uint64_t *out,
                              setsuna_error *err)
{
    int64_t value = sqlite3_column_int64(s, column);
    if (sqlite3_column_type(s, column) != SQLITE_INTEGER || value < 0 || (uint64_t)value > max)
        return sn_history_fail(h, SQLITE_CORRUPT, err);
    *out = (uint64_t)value;
    return SETSUNA_OK;
}

static setsuna_status run_tags(sn_history *h, sn_arena *arena, sn_history_run *r, setsuna_error *err)
{
    sqlite3_stmt *s;
    const char *tag[RUN_TAGS_MAX];
    int code;
    SN_TRY(sn_history_prepare(h, "SELECT text FROM tag WHERE run = ? ORDER BY text", &s, err));
    setsuna_status status = SETSUNA_OK;
    sqlite3_bind_int64(s, 1, r->id);
    while (status == SETSUNA_OK && (code = sqlite3_step(s)) != SQLITE_DONE) {
        if (code != SQLITE_ROW || r->n_tags == RUN_TAGS_MAX)
            status = sn_history_fail(h, code == SQLITE_ROW ? SQLITE_TOOBIG : code, err);
        else
            status = run_text(h, s, 0, SN_HISTORY_TAG_MAX, arena, &tag[r->n_tags++], err);
    }
    sqlite3_finalize(s);
    SN_TRY(status);
    const char **tags = sn_arena_array(arena, r->n_tags, sizeof *tags);
    if (!tags)
        return sn_history_fail(h, SQLITE_NOMEM, err);
    memcpy(tags, tag, r->n_tags * sizeof *tags);
    r->tags = tags;
    return SETSUNA_OK;
}

static setsuna_status run_read(sn_history *h, sqlite3_stmt *s, sn_arena *arena, sn_history_run *r, setsuna_error *err)
{
    uint64_t id = 0, threads = 0, partial = 0;
    *r = (sn_history_run){.result = "", .passport = ""};
    SN_TRY(run_u64(h, s, RUN_ID, INT64_MAX, &id, err));
    SN_TRY(run_u64(h, s, RUN_TIME, INT64_MAX, &r->time_ns, err));
    SN_TRY(run_text(h, s, RUN_COMMAND, RUN_TEXT_MAX, arena, &r->command, err));
    SN_TRY(run_text(h, s, RUN_TARGET, RUN_TEXT_MAX, arena, &r->target, err));
    SN_TRY(run_text(h, s, RUN_ENGINE, RUN_TEXT_MAX, arena, &r->engine, err));
    SN_TRY(run_u64(h, s, RUN_THREADS, UINT32_MAX, &threads, err));
    SN_TRY(run_text(h, s, RUN_PRECISION, RUN_TEXT_MAX, arena, &r->precision, err));
    SN_TRY(run_u64(h, s, RUN_N, INT64_MAX, &r->n, err));
    SN_TRY(run_u64(h, s, RUN_P50, INT64_MAX, &r->p50_ns, err));
    SN_TRY(run_u64(h, s, RUN_P99, INT64_MAX, &r->p99_ns, err));
    SN_TRY(run_text(h, s, RUN_VERDICT, RUN_TEXT_MAX, arena, &r->verdict, err));
    SN_TRY(run_text(h, s, RUN_MACHINE, RUN_TEXT_MAX, arena, &r->machine, err));
    SN_TRY(run_u64(h, s, RUN_PARTIAL, 1, &partial, err));
    r->id = (int64_t)id;
    r->threads = (uint32_t)threads;
    r->partial = partial != 0;
    return run_tags(h, arena, r, err);
}

/* The large columns. SQLite has looked whether the texts are JSON objects: the two columns behind the
 * log. */
static setsuna_status run_read_whole(sn_history *h, sqlite3_stmt *s, sn_arena *arena, sn_history_run *r,
                                     setsuna_error *err)
{
    SN_TRY(run_read(h, s, arena, r, err));
    SN_TRY(run_text(h, s, RUN_RESULT, SN_HISTORY_JSON_MAX, arena, &r->result, err));
    SN_TRY(run_text(h, s, RUN_PASSPORT, SN_HISTORY_JSON_MAX, arena, &r->passport, err));
    if (sqlite3_column_int(s, RUN_LOG + 1) != 1 || sqlite3_column_int(s, RUN_LOG + 2) != 1)
        return sn_fail(err, SETSUNA_EINPUT, h->path, "run %lld has a result that is no JSON object", (long long)r->id);
    int type = sqlite3_column_type(s, RUN_LOG);
    if (type == SQLITE_NULL)
        return SETSUNA_OK;
    const void *log = sqlite3_column_blob(s, RUN_LOG);
    r->log_bytes = (size_t)sqlite3_column_bytes(s, RUN_LOG);
    if (type != SQLITE_BLOB || !log || r->log_bytes > SN_HISTORY_LOG_MAX)
        return sn_history_fail(h, SQLITE_CORRUPT, err);
    void *copy = sn_arena_alloc(arena, r->log_bytes);
    if (!copy)
        return sn_history_fail(h, SQLITE_NOMEM, err);
    memcpy(copy, log, r->log_bytes);
    r->log = copy;
    return SETSUNA_OK;
}

/* A loaded run, and the arena that it lies in. */
typedef struct run_owned {
    sn_history_run run;
    sn_arena *arena;
} run_owned;

setsuna_status sn_history_load(sn_history *h, int64_t id, sn_history_run **out, setsuna_error *err)
{
    sqlite3_stmt *s;
    sn_arena *arena = sn_arena_create(sn_allocator_default());
    run_owned *owned = arena ? sn_arena_alloc(arena, sizeof *owned) : NULL;
    setsuna_status status = owned ? sn_history_prepare(h,
                                                       "SELECT " RUN_COLUMNS ", result, passport, log,"
                                                       " iif(json_valid(result), json_type(result) = 'object', 0),"
                                                       " iif(json_valid(passport), json_type(passport) = 'object', 0)"
                                                       " FROM run WHERE id = ?",
                                                       &s, err)
                                  : sn_history_fail(h, SQLITE_NOMEM, err);
    if (status != SETSUNA_OK) {
        sn_arena_destroy(arena);
        return status;
    }
    sqlite3_bind_int64(s, 1, id);
    int code = sqlite3_step(s);
    if (code == SQLITE_ROW)
        status = run_read_whole(h, s, arena, &owned->run, err);
    else if (code == SQLITE_DONE)
        status = sn_fail(err, SETSUNA_ENOTFOUND, h->path, "no run %lld", (long long)id);
    else
        status = sn_history_fail(h, code, err);
    sqlite3_finalize(s);
    if (status != SETSUNA_OK) {
        sn_arena_destroy(arena);
        return status;
    }
    owned->arena = arena;
    *out = &owned->run;
    return SETSUNA_OK;
}

void sn_history_run_destroy(sn_history_run *run)
{
    if (run)
        sn_arena_destroy(((run_owned *)run)->arena);
}

setsuna_status sn_history_list(sn_history *h, const sn_history_filter *f, sn_history_visit *visit, void *ctx,
                               setsuna_error *err)
{
    sqlite3_stmt *s;
    setsuna_status status = SETSUNA_OK;
    SN_TRY(sn_history_prepare(h,
                              "SELECT " RUN_COLUMNS " FROM run WHERE (?1 IS NULL OR instr(target, ?1))"
                              " AND (?2 IS NULL OR id IN (SELECT run FROM tag WHERE text = ?2)) AND time_ns >= ?3"
                              " ORDER BY id DESC LIMIT ?4",
                              &s, err));
    int code = f->target ? run_bind_text(s, 1, f->target) : SQLITE_OK;
    code |= f->tag ? run_bind_text(s, 2, f->tag) : SQLITE_OK;
    code |= run_bind_u64(s, 3, f->since_ns);
    code |= run_bind_u64(s, 4, f->limit ? f->limit : INT64_MAX);
    if (code != SQLITE_OK)
        status = sn_history_fail(h, SQLITE_NOMEM, err);
    while (status == SETSUNA_OK && (code = sqlite3_step(s)) != SQLITE_DONE) {
        sn_history_run r;
        sn_arena *arena = code == SQLITE_ROW ? sn_arena_create(sn_allocator_default()) : NULL;
        if (!arena)
            status = sn_history_fail(h, code == SQLITE_ROW ? SQLITE_NOMEM : code, err);
        else
            status = run_read(h, s, arena, &r, err);
        if (status == SETSUNA_OK)
            status = visit(ctx, &r);
        sn_arena_destroy(arena);
    }
    sqlite3_finalize(s);
    return status;
}

/* ---- names ----------------------------------------------------------------------------------------- */

/* Digits only, at most 18 of them: below 2^63. */
static bool run_parse_number(const char *text, int64_t *out)
{
    int64_t n = 0;
    size_t len = strspn(text, "0123456789");
    if (len == 0 || len > 18 || text[len])
        return false;
    for (; *text; text++)
        n = 10 * n + (*text - '0');
    *out = n;
    return true;
}

setsuna_status sn_history_find(sn_history *h, const char *name, int64_t *id_out, setsuna_error *err)
{
    sqlite3_stmt *s;
    int64_t number = 0;
    bool last = strncmp(name, "last", 4) == 0;
    if (last ? name[4] != '\0' && (name[4] != '-' || !run_parse_number(name + 5, &number))
             : !run_parse_number(name, &number))
        return sn_fail(err, SETSUNA_EINVAL, name, "a run is named by its number, by last, or last-1 and so on");
    SN_TRY(sn_history_prepare(
        h, last ? "SELECT id FROM run ORDER BY id DESC LIMIT 1 OFFSET ?" : "SELECT id FROM run WHERE id = ?", &s, err));
    sqlite3_bind_int64(s, 1, number);
    int code = sqlite3_step(s);
    setsuna_status status = SETSUNA_OK;
    if (code == SQLITE_ROW)
        *id_out = sqlite3_column_int64(s, 0);
    else if (code == SQLITE_DONE)
        status = sn_fail(err, SETSUNA_ENOTFOUND, name, "no such run in %s", h->path);
    else
        status = sn_history_fail(h, code, err);
    sqlite3_finalize(s);
    return status;
}

/* ---- removing -------------------------------------------------------------------------------------- */

/* Runs a DELETE on table run with two numbers bound; the tags go with the runs. */
static setsuna_status run_delete(sn_history *h, const char *sql, int64_t a, int64_t b, uint64_t *n_out,
                                 setsuna_error *err)
{
    sqlite3_stmt *s;
    SN_TRY(sn_history_prepare(h, sql, &s, err));
    sqlite3_bind_int64(s, 1, a);
    sqlite3_bind_int64(s, 2, b);
    SN_TRY(sn_history_finish(h, s, err));
    *n_out = (uint64_t)sqlite3_changes64(h->db);
    return SETSUNA_OK;
}

setsuna_status sn_history_remove(sn_history *h, int64_t id, setsuna_error *err)
{
    uint64_t n;
    SN_TRY(run_delete(h, "DELETE FROM run WHERE id = ?1 AND ?2 = 0", id, 0, &n, err));
    return n ? SETSUNA_OK : sn_fail(err, SETSUNA_ENOTFOUND, h->path, "no run %lld", (long long)id);
}

setsuna_status sn_history_prune(sn_history *h, uint64_t keep, uint64_t before_ns, uint64_t *n_removed_out,
                                setsuna_error *err)
{
    uint64_t n;
    int64_t limit = keep > INT64_MAX ? INT64_MAX : (int64_t)keep;
    int64_t before = before_ns > INT64_MAX ? INT64_MAX : (int64_t)before_ns;
    SN_TRY(run_delete(h,
                      "DELETE FROM run WHERE time_ns < ?2 OR id NOT IN (SELECT id FROM run ORDER BY id DESC LIMIT ?1)",
                      limit, before, &n, err));
    *n_removed_out = n;
    /* What is gone is gone, whether or not there is room for the smaller copy that VACUUM makes. */
    if (n)
        sqlite3_exec(h->db, "VACUUM", NULL, NULL, NULL);
    return SETSUNA_OK;
}
