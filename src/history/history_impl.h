/* Shared by the files of this folder. */
#ifndef SN_HISTORY_HISTORY_IMPL_H
#define SN_HISTORY_HISTORY_IMPL_H

#include "base/status.h"
#include "history/history.h"
#include <sqlite3.h>

/* In the file's header (PRAGMA application_id), so that nobody else's database is taken for a history: "Stsn". */
#define SN_HISTORY_APPLICATION 0x5374736e

struct sn_history {
    sqlite3 *db;
    char path[SN_HISTORY_PATH_MAX];
    bool corrupt;  /* a call found it so */
    int folder_fd; /* a shared lock on the folder while the file is open; -1: no lock could be had */
};

/* Opens the folder that path lies in; -1 on failure. */
int sn_history_open_folder(const char *path);

/* What SQLite's code means to the user; a code of success stands for a value of the wrong type: a corrupt file. */
setsuna_status sn_history_fail(sn_history *h, int code, setsuna_error *err);

/* A statement, to be finalized by the caller, who may finalize NULL. SQL of ours that cannot be prepared is a file
 * without our tables: corrupt. */
setsuna_status sn_history_prepare(sn_history *h, const char *sql, sqlite3_stmt **out, setsuna_error *err);

/* Steps a statement that returns no rows, and finalizes it. */
setsuna_status sn_history_finish(sn_history *h, sqlite3_stmt *s, setsuna_error *err);

setsuna_status sn_history_execute(sn_history *h, const char *sql, setsuna_error *err);

/* COMMIT where status is OK and can be committed, otherwise ROLLBACK. Returns status, or why it was not committed. */
setsuna_status sn_history_end(sn_history *h, setsuna_status status, setsuna_error *err);

#endif
