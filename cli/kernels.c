/* setsuna kernels */
#include "cli/commands.h"
#include "cli/common.h"
#include "kernels/kernel.h"
#include <stdio.h>

static const sn_cli_command kernels_command = {
    .name = "kernels",
    .synopsis = "",
    .summary = "Lists every compute kernel with the CPU level it needs; '*' marks those this machine can use.",
    .details = "\nNUMERICS: exact = the bits of the reference; sum = the order of additions differs, bounded by\n"
               "(K+2) u sum|a||b|; ulp:N = at most N units in the last place. See docs/numerics.md.\n",
};

int sn_cli_kernels(int argc, char **argv)
{
    sn_cli_args args = sn_cli_args_begin(&kernels_command, argc, argv);
    for (int word; (word = sn_cli_args_next(&args)) != SN_CLI_END;) {
        if (word == SN_CLI_STOP)
            return args.exit_code;
        return sn_cli_usage_error(&kernels_command, "it takes no argument, and got \"%s\"", args.value);
    }
    unsigned n;
    const sn_kernel_info *k = sn_kernels(&n);
    sn_cpu_level here = sn_cpu_detect();
    printf("  %-12s %-20s %-11s %-9s %s\n", "FAMILY", "ENTRY", "LEVEL", "NUMERICS", "SYMBOL");
    for (unsigned i = 0; i < n; i++)
        printf("%c %-12s %-20s %-11s %-9s %s\n", k[i].level <= here ? '*' : ' ', k[i].family, k[i].entry,
               sn_cpu_level_name(k[i].level), k[i].numerics, k[i].symbol);
    return SN_EXIT_OK;
}
