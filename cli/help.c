/* setsuna help [COMMAND] */
#include "cli/commands.h"
#include "cli/common.h"
#include <stdio.h>

static const sn_cli_command help_command = {
    .name = "help",
    .synopsis = "[COMMAND]",
    .summary = "Lists the commands, or says what one of them does.",
};

static void help_print_all(void)
{
    printf("setsuna runs a trained model with the least delay and says where every microsecond went.\n\n"
           "usage: setsuna COMMAND [ARGUMENT...]\n\nCommands:\n");
#define HELP_LINE(name, text) printf("  %-10s %s\n", #name, text);
    SN_CLI_COMMAND_LIST(HELP_LINE)
#undef HELP_LINE
    printf("\n\"setsuna help COMMAND\" says more. Exit code: 0 done, 1 the job failed, 2 the command line is wrong.\n");
}

int sn_cli_help(int argc, char **argv)
{
    sn_cli_args args = sn_cli_args_begin(&help_command, argc, argv);
    char *topic = NULL;
    for (int word; (word = sn_cli_args_next(&args)) != SN_CLI_END;) {
        if (word == SN_CLI_STOP)
            return args.exit_code;
        if (topic)
            return sn_cli_usage_error(&help_command, "one command at a time");
        topic = argv[args.next - 1];
    }
    if (topic) {
        char option[] = "--help";
        char *words[] = {topic, option, NULL};
        return sn_cli_dispatch(2, words);
    }
    help_print_all();
    return SN_EXIT_OK;
}
