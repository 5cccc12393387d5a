/* Where the command's own files are: pipelines, the table of models, fetched models, the history. */
#ifndef SN_CLI_SHARE_H
#define SN_CLI_SHARE_H

#include <stdbool.h>
#include <stddef.h>

/* The folder with the pipeline files: beside the command in a build tree (build/setsuna -> models/), or
 * PREFIX/share/setsuna/models when installed. false: neither is there. */
bool sn_cli_models_dir(char *buf, size_t cap);

/* The user's own: $XDG_DATA_HOME/setsuna/models or ~/.local/share/setsuna/models. Models are fetched there when the
 * folder above cannot be written to, and looked for there. false: no home. */
bool sn_cli_user_models_dir(char *buf, size_t cap);

/* Where runs are kept unless told otherwise: $XDG_DATA_HOME/setsuna/history.db or ~/.local/share/setsuna/history.db.
 * false: no home. */
bool sn_cli_user_history(char *buf, size_t cap);

#endif
