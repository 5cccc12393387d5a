#include "history/history_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Step i brings a file from version i to i + 1 (PRAGMA user_version). Steps are never changed, only added to. */
static const char *const history_steps[] = {
    "CREATE TABLE run (id INTEGER PRIMARY KEY AUTOINCREMENT, time_ns INTEGER NOT NULL, command TEXT NOT NULL,"
    " target TEXT NOT NULL, engine TEXT NOT NULL, threads INTEGER NOT NULL, precision TEXT NOT NULL,"
    " n INTEGER NOT NULL, p50_ns INTEGER NOT NULL, p99_ns INTEGER NOT NULL, verdict TEXT NOT NULL,"
    " machine TEXT NOT NULL,"
    " partial INTEGER NOT NULL, result TEXT NOT NULL, passport TEXT NOT NULL, log BLOB) STRICT;"
    "CREATE TABLE tag (run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, text TEXT NOT NULL,"
    " PRIMARY KEY (run, text)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX tag_text ON tag (text);",
};
enum { HISTORY_VERSION = sizeof history_steps / sizeof history_steps[0] };

setsuna_status sn_history_fail(sn_history *h, int code, setsuna_error *err)
{
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return sn_fail(err, SETSUNA_EIO, h->path, "another program is using it, for more than %d s by now",
                       SN_HISTORY_WAIT_MS / 1000);
    case SQLITE_FULL: return sn_fail(err, SETSUNA_EIO, h->path, "no space left");
    case SQLITE_IOERR: /* by now errno is that of the roll-back */
        if (code == SQLITE_IOERR_WRITE || code == SQLITE_IOERR_TRUNCATE || code == SQLITE_IOERR_FSYNC)
            return sn_fail(err, SETSUNA_EIO, h->path,
                           "cannot be written: no space, a limit on the size of files, or a failing disk");
        break;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH: return sn_fail(err, SETSUNA_EIO, h->path, "cannot be written to");
    case SQLITE_NOMEM: return sn_fail(err, SETSUNA_ENOMEM, h->path, "out of memory");
    case SQLITE_TOOBIG: return sn_fail(err, SETSUNA_ELIMIT, h->path, "too large for the history");
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
    case SQLITE_CORRUPT: h->corrupt = true; return sn_fail(err, SETSUNA_EINPUT, h->path, "the history is corrupt");
    case SQLITE_NOTADB:
        h->corrupt = true;
        return sn_fail(err, SETSUNA_EINPUT, h->path, "no history of setsuna, or a corrupt one");
    default: break;
    }
    int system = h->db ? sqlite3_system_errno(h->db) : 0;
    return sn_fail(err, SETSUNA_EIO, h->path, "%s", system ? strerror(system) : sqlite3_errstr(code));
}

setsuna_status sn_history_prepare(sn_history *h, const char *sql, sqlite3_stmt **out, setsuna_error *err)
{
    *out = NULL;
    int code = sqlite3_prepare_v2(h->db, sql, -1, out, NULL);
    return code == SQLITE_OK ? SETSUNA_OK : sn_history_fail(h, code == SQLITE_ERROR ? SQLITE_CORRUPT : code, err);
}

setsuna_status sn_history_finish(sn_history *h, sqlite3_stmt *s, setsuna_error *err)
{
    int code = sqlite3_step(s);
    setsuna_status status = code == SQLITE_DONE ? SETSUNA_OK : sn_history_fail(h, code, err);
    sqlite3_finalize(s);
    return status;
}

setsuna_status sn_history_execute(sn_history *h, const char *sql, setsuna_error *err)
{
    int code = sqlite3_exec(h->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? SETSUNA_OK : sn_history_fail(h, code == SQLITE_ERROR ? SQLITE_CORRUPT : code, err);
}

setsuna_status sn_history_end(sn_history *h, setsuna_status status, setsuna_error *err)
{
    if (status == SETSUNA_OK)
        status = sn_history_execute(h, "COMMIT", err);
    if (status != SETSUNA_OK && !sqlite3_get_autocommit(h->db)) /* a failure may have ended it already */
        sqlite3_exec(h->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

/* One number of one row. */
static setsuna_status history_number(sn_history *h, const char *sql, int64_t *out, setsuna_error *err)
{
    sqlite3_stmt *s;
    SN_TRY(sn_history_prepare(h, sql, &s, err));
    int code = sqlite3_step(s);
    setsuna_status status = code == SQLITE_ROW ? SETSUNA_OK : sn_history_fail(h, code, err);
    if (status == SETSUNA_OK)
        *out = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return status;
}

/* Inside a transaction, so that the three numbers belong together. *version_out: 0 for an empty file. A file with
 * tables of somebody else is refused before anything is written. */
static setsuna_status history_version(sn_history *h, int64_t *version_out, setsuna_error *err)
{
    int64_t application = 0, version = 0, n_tables = 0;
    SN_TRY(history_number(h, "PRAGMA application_id", &application, err));
    SN_TRY(history_number(h, "PRAGMA user_version", &version, err));
    SN_TRY(history_number(h, "SELECT count(*) FROM sqlite_schema", &n_tables, err));
    bool empty = application == 0 && version == 0 && n_tables == 0;
    if (!empty && (application != SN_HISTORY_APPLICATION || version < 1))
        return sn_fail(err, SETSUNA_EINVAL, h->path, "a database, but no history of setsuna");
    if (version > HISTORY_VERSION)
        return sn_fail(err, SETSUNA_EUNSUPPORTED, h->path,
                       "made by a newer version of setsuna (format %lld, this one knows %d)", (long long)version,
                       HISTORY_VERSION);
    *version_out = version;
    return SETSUNA_OK;
}

/* Under the write lock, since another process may be doing the same. */
static setsuna_status history_migrate(sn_history *h, setsuna_error *err)
{
    int64_t version = 0;
    char set[96];
    SN_TRY(sn_history_execute(h, "BEGIN IMMEDIATE", err));
    setsuna_status status = history_version(h, &version, err);
    for (int64_t i = version; status == SETSUNA_OK && i < HISTORY_VERSION; i++)
        status = sn_history_execute(h, history_steps[i], err);
    snprintf(set, sizeof set, "PRAGMA application_id = %d; PRAGMA user_version = %d", SN_HISTORY_APPLICATION,
             HISTORY_VERSION);
    if (status == SETSUNA_OK)
        status = sn_history_execute(h, set, err);
    return sn_history_end(h, status, err);
}

/* The file's own code is not run, its pages are not taken at their word, and no value is larger than one of ours. */
static setsuna_status history_guard(sn_history *h, setsuna_error *err)
{
    sqlite3_limit(h->db, SQLITE_LIMIT_LENGTH, (int)(SN_HISTORY_LOG_MAX + SN_HISTORY_JSON_MAX));
    sqlite3_limit(h->db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_db_config(h->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(h->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(h->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(h->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_db_config(h->db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
    sqlite3_busy_timeout(h->db, SN_HISTORY_WAIT_MS);
    return sn_history_execute(h, "PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0", err);
}

/* As a URI that says that nobody writes to the file: the only way to read one in WAL mode where neither the file nor
 * its folder can be written to. false: does not fit. */
static bool history_uri(const char *path, char *buf, size_t cap)
{
    int n = snprintf(buf, cap, "file:");
    size_t at = (size_t)n;
    for (; *path; path++) {
        bool plain = *path != '%' && *path != '?' && *path != '#';
        if (at + 32 > cap)
            return false;
        at += (size_t)snprintf(buf + at, cap - at, plain ? "%c" : "%%%02X", (unsigned char)*path);
    }
    snprintf(buf + at, cap - at, "?immutable=1");
    return true;
}

int sn_history_open_folder(const char *path)
{
    char folder[SN_HISTORY_PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder ? 1 : 0] = '\0';
    return open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Nobody moves the file aside while it is open (history_keep.c). A file system without locks has nobody who waits. */
static void history_lock_folder(sn_history *h)
{
    h->folder_fd = sn_history_open_folder(h->path);
    if (h->folder_fd >= 0)
        flock(h->folder_fd, LOCK_SH);
}

static setsuna_status history_connect(sn_history *h, const char *path, int flags, int64_t *version_out,
                                      setsuna_error *err)
{
    int code = sqlite3_open_v2(path, &h->db, flags | SQLITE_OPEN_EXRESCODE, NULL);
    setsuna_status status = code == SQLITE_OK ? history_guard(h, err) : sn_history_fail(h, code, err);
    if (status == SETSUNA_OK)
        status = sn_history_execute(h, "BEGIN", err);
    if (status == SETSUNA_OK)
        status = sn_history_end(h, history_version(h, version_out, err), err);
    if (status != SETSUNA_OK) {
        sqlite3_close(h->db);
        h->db = NULL;
    }
    return status;
}

static setsuna_status history_open_read(sn_history *h, setsuna_error *err)
{
    char uri[3 * SN_HISTORY_PATH_MAX + 64];
    int64_t version = 0;
    if (access(h->path, F_OK) != 0)
        return sn_fail(err, SETSUNA_ENOTFOUND, h->path, "no history there");
    if (access(h->path, R_OK) != 0)
        return sn_fail(err, SETSUNA_EIO, h->path, "%s", strerror(errno));
    history_lock_folder(h);
    setsuna_status status = history_connect(h, h->path, SQLITE_OPEN_READWRITE, &version, err);
    if (status == SETSUNA_EIO)
        status = history_connect(h, h->path, SQLITE_OPEN_READONLY, &version, err);
    if (status == SETSUNA_EIO && access(h->path, W_OK) != 0 && history_uri(h->path, uri, sizeof uri))
        status = history_connect(h, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, &version, err);
    if (status == SETSUNA_OK && version == 0) /* empty: begun, and nothing kept yet */
        status = sn_fail(err, SETSUNA_ENOTFOUND, h->path, "no run was kept yet");
    if (status == SETSUNA_OK && version < HISTORY_VERSION)
        status = history_migrate(h, err);
    return status;
}

/* The folders on the way to path, for the user only, as XDG's base directory specification has it. */
static setsuna_status history_make_folders(const char *path, setsuna_error *err)
{
    char folder[SN_HISTORY_PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash = strchr(folder + 1, '/'); folder[0] && slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(folder, 0700) != 0 && errno != EEXIST && access(folder, F_OK) != 0)
            return sn_fail(err, SETSUNA_EIO, folder, "cannot make the folder: %s", strerror(errno));
        *slash = '/';
    }
    return SETSUNA_OK;
}

static setsuna_status history_open_write(sn_history *h, setsuna_error *err)
{
    int64_t version = 0;
    SN_TRY(history_make_folders(h->path, err));
    history_lock_folder(h);
    SN_TRY(history_connect(h, h->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &version, err));
    /* Readers then do not stop writers. Where it cannot be had (network file systems) the older journal does. */
    sqlite3_exec(h->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
    return version < HISTORY_VERSION ? history_migrate(h, err) : SETSUNA_OK;
}

setsuna_status sn_history_open(const char *path, sn_history_mode mode, sn_history **out, setsuna_error *err)
{
    if (strlen(path) >= SN_HISTORY_PATH_MAX - 64) /* room for what SQLite and moving aside append */
        return sn_fail(err, SETSUNA_EINVAL, path, "the path is too long");
    sn_history *h = sn_alloc_zero(sn_allocator_default(), sizeof *h);
    if (!h)
        return sn_fail(err, SETSUNA_ENOMEM, path, "out of memory");
    snprintf(h->path, sizeof h->path, "%s", path);
    h->folder_fd = -1;
    setsuna_status status = mode == SN_HISTORY_READ ? history_open_read(h, err) : history_open_write(h, err);
    if (status == SETSUNA_OK)
        *out = h;
    else
        sn_history_close(h);
    return status;
}

void sn_history_close(sn_history *h)
{
    if (!h)
        return;
    sqlite3_close(h->db);
    if (h->folder_fd >= 0)
        close(h->folder_fd);
    sn_free(sn_allocator_default(), h);
}
