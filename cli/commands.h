/* The subcommands. One file each: cli/NAME.c defines sn_cli_NAME, a line here makes `setsuna NAME` and its line in
 * `setsuna help`. argv[0] is the subcommand's name; the result is the exit code. */
#ifndef SN_CLI_COMMANDS_H
#define SN_CLI_COMMANDS_H

/* X(name, one line) */
#define SN_CLI_COMMAND_LIST(X)                                                                                         \
    X(run, "run a pipeline or a model and print what comes out")                                                       \
    X(bench, "measure the latency of a model or pipeline, with its ledger")                                            \
    X(compare, "say which of two benches is faster, or that nobody can tell")                                          \
    X(history, "list the runs that bench kept, show them again, export, remove them")                                  \
    X(report, "make one page of HTML of kept runs: charts, slowest requests, comparison")                              \
    X(inspect, "show what a model is made of, its cost and its plan")                                                  \
    X(ops, "list the operators of the native engine")                                                                  \
    X(kernels, "list the compute kernels and the CPU levels they need")                                                \
    X(models, "list the models of the shipped pipelines, or fetch them")                                               \
    X(help, "say what the command can do")                                                                             \
    X(version, "print the version, the CPU and its level")

#define SN_CLI_COMMAND_DECLARE(name, text) int sn_cli_##name(int argc, char **argv);
SN_CLI_COMMAND_LIST(SN_CLI_COMMAND_DECLARE)
#undef SN_CLI_COMMAND_DECLARE

/* Runs the subcommand argv[0]. Returns its exit code; SN_EXIT_USAGE, with a message, when there is none of that name.
 */
int sn_cli_dispatch(int argc, char **argv);

#endif
