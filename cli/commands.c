#include "cli/commands.h"
#include "cli/common.h"
#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
#define COMMANDS_ENTRY(name, text) {#name, sn_cli_##name},
    SN_CLI_COMMAND_LIST(COMMANDS_ENTRY)
#undef COMMANDS_ENTRY
};

int sn_cli_dispatch(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(argv[0], commands[i].name) == 0)
            return commands[i].run(argc, argv);
    sn_cli_fail(NULL, "no command \"%s\"; \"setsuna help\" lists them", argv[0]);
    return SN_EXIT_USAGE;
}
