/* setsuna: the only code that prints, exits or reads the environment is in this folder. */
#include "cli/commands.h"
#include "cli/common.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* Output that did not reach its file is a failure, also when the disk was full only at the last flush. */
static int main_flush_stdout(int code)
{
    int failed = ferror(stdout);
    if (fflush(stdout) == 0 && !failed)
        return code;
    return code == SN_EXIT_OK ? sn_cli_fail("standard output", "cannot write: %s", strerror(errno)) : code;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: setsuna COMMAND [ARGUMENT...]\nTry \"setsuna help\".\n");
        return SN_EXIT_USAGE;
    }
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow further is a failed write with a message, not a signal */
    static char help[] = "help", version[] = "version";
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        argv[1] = help;
    else if (strcmp(argv[1], "--version") == 0)
        argv[1] = version;
    return main_flush_stdout(sn_cli_dispatch(argc - 1, argv + 1));
}
