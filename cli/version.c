/* setsuna version */
#include "base/cpu.h"
#include "cli/commands.h"
#include "cli/common.h"
#include <stdio.h>

#if defined(__clang__)
#define VERSION_COMPILER "clang " __clang_version__
#else
#define VERSION_COMPILER "gcc " __VERSION__
#endif

static const sn_cli_command version_command = {
    .name = "version",
    .synopsis = "",
    .summary = "Prints Setsuna's version, the compiler that built it, and what this CPU offers.",
};

int sn_cli_version(int argc, char **argv)
{
    sn_cli_args args = sn_cli_args_begin(&version_command, argc, argv);
    for (int word; (word = sn_cli_args_next(&args)) != SN_CLI_END;) {
        if (word == SN_CLI_STOP)
            return args.exit_code;
        return sn_cli_usage_error(&version_command, "it takes no argument, and got \"%s\"", args.value);
    }
    char brand[64];
    sn_cpu_brand(brand, sizeof brand);
    printf("setsuna %s\ncompiler   %s\ncpu        %s\ncpu level  %s\ncpus       %u\n", SETSUNA_VERSION,
           VERSION_COMPILER, brand, sn_cpu_level_name(sn_cpu_detect()), sn_cpu_count());
    return SN_EXIT_OK;
}
