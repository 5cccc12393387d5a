/* Status codes and the caller-owned error detail.
 *
 * Every fallible call returns a setsuna_status: 0 or negative. A call that can say more also takes an
 * optional setsuna_error (may be NULL) and fills it on failure only.
 */
#ifndef SETSUNA_STATUS_H
#define SETSUNA_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SETSUNA_API __attribute__((visibility("default")))
#else
#define SETSUNA_API
#endif

/* X(name, value, text): the one list behind the enum, the names and the texts. */
#define SETSUNA_STATUS_LIST(X)                                                                                         \
    X(OK, 0, "success")                                                                                                \
    X(ENOMEM, -1, "out of memory")                                                                                     \
    X(EINVAL, -2, "invalid argument")                                                                                  \
    X(EMODEL, -3, "malformed model")                                                                                   \
    X(EUNSUPPORTED, -4, "unsupported")                                                                                 \
    X(ESHAPE, -5, "shape or type mismatch")                                                                            \
    X(EIO, -6, "input/output error")                                                                                   \
    X(ELIMIT, -7, "limit exceeded")                                                                                    \
    X(EINPUT, -8, "malformed input data")                                                                              \
    X(ENOTFOUND, -9, "not found")                                                                                      \
    X(ECANCELED, -10, "canceled")

typedef enum setsuna_status {
#define SETSUNA_STATUS_ENUM(name, value, text) SETSUNA_##name = (value),
    SETSUNA_STATUS_LIST(SETSUNA_STATUS_ENUM)
#undef SETSUNA_STATUS_ENUM
} setsuna_status;

/* What failed, where, and what to do about it. Texts are NUL-terminated and printable: control
 * characters that came from a file or a peer are escaped. */
typedef struct setsuna_error {
    setsuna_status status;
    char where[256]; /* file, node, field or option; may be empty */
    char text[2048]; /* one sentence or several lines, with the remedy */
} setsuna_error;

/* "EMODEL" for SETSUNA_EMODEL; "?" for a number that is no status. Never NULL. */
SETSUNA_API const char *setsuna_status_name(setsuna_status status);

/* "malformed model" for SETSUNA_EMODEL; "unknown status" otherwise. Never NULL. */
SETSUNA_API const char *setsuna_status_text(setsuna_status status);

#ifdef __cplusplus
}
#endif
#endif
