/* setsuna ops */
#include "cli/commands.h"
#include "cli/common.h"
#include "ops/op.h"
#include <stdio.h>
#include <string.h>

static const sn_cli_command ops_command = {
    .name = "ops",
    .synopsis = "[NAME]",
    .summary = "Lists the operators that the native engine runs, with the opsets and attributes each row stands for.",
    .details = "\nExamples:\n  setsuna ops\n  setsuna ops Conv\n",
};

typedef struct ops_filter {
    const char *name; /* NULL: all */
    unsigned n;
} ops_filter;

static void ops_print(const sn_op *op, void *arg)
{
    ops_filter *f = arg;
    if (f->name && strcmp(op->name, f->name) != 0)
        return;
    char range[32], name[96];
    if (op->until)
        snprintf(range, sizeof range, "%d-%d", op->since, op->until);
    else
        snprintf(range, sizeof range, "%d+", op->since);
    snprintf(name, sizeof name, "%s%s%s", op->domain, op->domain[0] ? "." : "", op->name);
    printf("%-40s %-8s %s\n", name, range, op->attrs ? op->attrs : "");
    f->n++;
}

int sn_cli_ops(int argc, char **argv)
{
    sn_cli_args args = sn_cli_args_begin(&ops_command, argc, argv);
    ops_filter f = {0};
    for (int word; (word = sn_cli_args_next(&args)) != SN_CLI_END;) {
        if (word == SN_CLI_STOP)
            return args.exit_code;
        if (f.name)
            return sn_cli_usage_error(&ops_command, "one name at most");
        f.name = args.value;
    }
    printf("%-40s %-8s %s\n", "OPERATOR", "OPSETS", "ATTRIBUTES");
    sn_op_each(ops_print, &f);
    if (f.name && !f.n)
        return sn_cli_fail(f.name, "the native engine has no operator of this name");
    return SN_EXIT_OK;
}
