/* What every subcommand shares: exit codes, messages on standard error, walking the command line. */
#ifndef SN_CLI_COMMON_H
#define SN_CLI_COMMON_H

#include <setsuna/status.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    SN_EXIT_OK = 0,
    SN_EXIT_FAILED = 1, /* the job failed: bad input, no memory, disk full */
    SN_EXIT_USAGE = 2,  /* the command line was not understood */
};

/* ---- messages -------------------------------------------------------------------------------------- */

/* Prints "setsuna: WHERE: TEXT" (without "WHERE: " where there is none) to standard error. Returns SN_EXIT_FAILED. */
int sn_cli_error(const setsuna_error *err);

/* The same from pieces; where may be NULL. Bytes that could drive a terminal are escaped. */
int sn_cli_fail(const char *where, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- the command line ------------------------------------------------------------------------------ */

/* "--name" when metavar is NULL, otherwise "--name METAVAR" or "--name=METAVAR". A name of one letter is also
 * understood, and shown, with one dash. The list ends with name NULL. */
typedef struct sn_cli_option {
    const char *name;
    const char *metavar;
    const char *help; /* one line for --help */
} sn_cli_option;

/* What a subcommand says of itself; --help is printed from it. */
typedef struct sn_cli_command {
    const char *name;
    const char *synopsis;         /* what follows the name: "MODEL [INPUT...]"; may be "" */
    const char *summary;          /* one sentence */
    const sn_cli_option *options; /* may be NULL */
    const char *details;          /* more for --help: an empty line and lines, each ended by a newline; may be NULL */
} sn_cli_command;

/* A walk over the words behind the subcommand's name (argv[0]). */
typedef struct sn_cli_args {
    const sn_cli_command *command;
    int argc, next;
    char **argv;
    bool words_only; /* "--" was seen */
    int exit_code;   /* what to return after SN_CLI_STOP */
    const char *value;
} sn_cli_args;

enum {
    SN_CLI_END = -1,  /* no words left */
    SN_CLI_WORD = -2, /* args->value is an operand ("-" is one) */
    SN_CLI_STOP = -3, /* return args->exit_code: help was printed, or what is wrong was */
};

/* argc and argv as the subcommand got them. */
sn_cli_args sn_cli_args_begin(const sn_cli_command *command, int argc, char **argv);

/* The next word: an index into command->options with args->value set to the option's value (NULL for a flag), or one
 * of the codes above. --help and -h are known to every subcommand. */
int sn_cli_args_next(sn_cli_args *args);

/* Prints "setsuna NAME: TEXT" and how to get help to standard error. Returns SN_EXIT_USAGE. */
int sn_cli_usage_error(const sn_cli_command *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* args->value, given to option `id`, as a decimal number in [min, max], digits only. false: the usage error was
 * printed and args->exit_code is set. */
bool sn_cli_args_u64(sn_cli_args *args, int id, uint64_t min, uint64_t max, uint64_t *out);

/* A decimal number, possibly with a fraction, and its unit: "10s", "1.5ms", "250us", "2m", "90d". Larger than 0, at
 * most 2^62 ns. */
bool sn_cli_args_duration_ns(sn_cli_args *args, int id, uint64_t *out);

#endif
