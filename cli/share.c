#include "cli/share.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool sn_cli_models_dir(char *buf, size_t cap)
{
    static const char *const places[] = {"../models", "../share/setsuna/models"};
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n <= 0)
        return false;
    exe[n] = '\0';
    char *slash = strrchr(exe, '/');
    if (!slash)
        return false;
    *slash = '\0';
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char table[4352];
        snprintf(table, sizeof table, "%s/%s/packages.tsv", exe, places[i]);
        if (access(table, R_OK) == 0)
            return (size_t)snprintf(buf, cap, "%s/%s", exe, places[i]) < cap;
    }
    return false;
}

/* name in the folder of the user's data that is ours. */
static bool share_user_data(const char *name, char *buf, size_t cap)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (data && data[0] == '/')
        return (size_t)snprintf(buf, cap, "%s/setsuna/%s", data, name) < cap;
    return home && home[0] == '/' && (size_t)snprintf(buf, cap, "%s/.local/share/setsuna/%s", home, name) < cap;
}

bool sn_cli_user_models_dir(char *buf, size_t cap)
{
    return share_user_data("models", buf, cap);
}

bool sn_cli_user_history(char *buf, size_t cap)
{
    return share_user_data("history.db", buf, cap);
}
