#ifndef COLA_CSQLITE_SHIM_H
#define COLA_CSQLITE_SHIM_H

#include <sqlite3.h>

/* SQLITE_STATIC and SQLITE_TRANSIENT are casts of integers to function pointers, which Swift does not import. */
static inline int cola_bind_static_blob(sqlite3_stmt *statement, int index, const void *bytes, sqlite3_uint64 count) {
    return sqlite3_bind_blob64(statement, index, bytes, count, SQLITE_STATIC);
}

static inline int cola_bind_text(sqlite3_stmt *statement, int index, const char *text, int count) {
    return sqlite3_bind_text(statement, index, text, count, SQLITE_TRANSIENT);
}

/* sqlite3_db_config is variadic, which Swift does not import. */
static inline int cola_no_checkpoint_on_close(sqlite3 *connection, int on) {
    return sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, on, (int *)0);
}

/* Extended result codes are sums of a kind that Swift does not import either. */
static const int cola_ioerr_fsync = SQLITE_IOERR_FSYNC;
static const int cola_ioerr_dir_fsync = SQLITE_IOERR_DIR_FSYNC;

#endif
