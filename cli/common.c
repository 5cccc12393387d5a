#include "cli/common.h"
#include "base/status.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

int sn_cli_error(const setsuna_error *err)
{
    const char *text = err->text[0] ? err->text : setsuna_status_text(err->status);
    if (err->where[0])
        fprintf(stderr, "setsuna: %s: %s\n", err->where, text);
    else
        fprintf(stderr, "setsuna: %s\n", text);
    return SN_EXIT_FAILED;
}

int sn_cli_fail(const char *where, const char *fmt, ...)
{
    setsuna_error err = {0};
    va_list ap;
    va_start(ap, fmt);
    sn_fail_va(&err, SETSUNA_EINVAL, where, fmt, ap);
    va_end(ap);
    return sn_cli_error(&err);
}

int sn_cli_usage_error(const sn_cli_command *command, const char *fmt, ...)
{
    setsuna_error err = {0}; /* only for its escaping of what the user typed */
    va_list ap;
    va_start(ap, fmt);
    sn_fail_va(&err, SETSUNA_EINVAL, NULL, fmt, ap);
    va_end(ap);
    fprintf(stderr, "setsuna %s: %s\nTry \"setsuna help %s\".\n", command->name, err.text, command->name);
    return SN_EXIT_USAGE;
}

static void args_print_help(const sn_cli_command *c)
{
    printf("setsuna %s%s%s\n\n%s\n", c->name, c->synopsis[0] ? " " : "", c->synopsis, c->summary);
    if (c->options && c->options[0].name) {
        printf("\nOptions:\n");
        for (const sn_cli_option *o = c->options; o->name; o++) {
            char left[64];
            snprintf(left, sizeof left, "%s%s%s%s", o->name[1] ? "--" : "-", o->name, o->metavar ? " " : "",
                     o->metavar ? o->metavar : "");
            printf("  %-26s %s\n", left, o->help);
        }
    }
    if (c->details)
        printf("%s", c->details);
}

sn_cli_args sn_cli_args_begin(const sn_cli_command *command, int argc, char **argv)
{
    return (sn_cli_args){.command = command, .argc = argc, .argv = argv, .next = 1};
}

static int args_stop(sn_cli_args *args, int exit_code)
{
    args->exit_code = exit_code;
    return SN_CLI_STOP;
}

/* `name` points behind "--"; a value may follow in the same word after '='. */
static int args_take_option(sn_cli_args *args, const char *name)
{
    const char *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    const sn_cli_option *options = args->command->options;
    for (int i = 0; options && options[i].name; i++) {
        if (strlen(options[i].name) != len || memcmp(options[i].name, name, len) != 0)
            continue;
        args->value = equals ? equals + 1 : NULL;
        if (!options[i].metavar && equals)
            return args_stop(args, sn_cli_usage_error(args->command, "--%s takes no value", options[i].name));
        if (options[i].metavar && !equals) {
            if (args->next == args->argc)
                return args_stop(args, sn_cli_usage_error(args->command, "--%s needs a value: --%s %s", options[i].name,
                                                          options[i].name, options[i].metavar));
            args->value = args->argv[args->next++];
        }
        return i;
    }
    return args_stop(args, sn_cli_usage_error(args->command, "unknown option \"--%.*s\"", (int)len, name));
}

int sn_cli_args_next(sn_cli_args *args)
{
    if (args->next < args->argc && !args->words_only && strcmp(args->argv[args->next], "--") == 0) {
        args->words_only = true;
        args->next++;
    }
    if (args->next >= args->argc)
        return SN_CLI_END;
    const char *word = args->argv[args->next++];
    if (args->words_only || word[0] != '-' || !word[1]) {
        args->value = word;
        return SN_CLI_WORD;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        args_print_help(args->command);
        return args_stop(args, SN_EXIT_OK);
    }
    if (word[1] == '-')
        return args_take_option(args, word + 2);
    for (const sn_cli_option *o = args->command->options; o && o->name; o++)
        if (strcmp(o->name, word + 1) == 0 && !word[2])
            return args_take_option(args, word + 1);
    return args_stop(args, sn_cli_usage_error(args->command, "unknown option \"%s\"", word));
}

bool sn_cli_args_u64(sn_cli_args *args, int id, uint64_t min, uint64_t max, uint64_t *out)
{
    const char *text = args->value;
    uint64_t n = 0;
    bool ok = *text != '\0';
    for (const char *p = text; ok && *p; p++)
        ok = isdigit((unsigned char)*p) && !__builtin_mul_overflow(n, 10, &n) &&
             !__builtin_add_overflow(n, (uint64_t)(*p - '0'), &n);
    if (!ok || n < min || n > max) {
        args->exit_code =
            sn_cli_usage_error(args->command, "--%s takes a whole number from %llu to %llu, not \"%s\"",
                               args->command->options[id].name, (unsigned long long)min, (unsigned long long)max, text);
        return false;
    }
    *out = n;
    return true;
}

/* Nanoseconds in one unit; 0 for an unknown one. */
static uint64_t duration_unit_ns(const char *unit)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"ns", 1},          {"us", 1000},         {"ms", 1000000},      {"s", 1000000000},
                 {"m", 60000000000}, {"h", 3600000000000}, {"d", 86400000000000}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(unit, units[i].name) == 0)
            return units[i].ns;
    return 0;
}

/* Digits, '.', digits: mantissa / scale. Returns what follows, or NULL. Independent of the locale, unlike strtod. */
static const char *duration_number(const char *p, uint64_t *mantissa, uint64_t *scale)
{
    const char *begin = p;
    *mantissa = 0;
    *scale = 1;
    bool fraction = false;
    for (; isdigit((unsigned char)*p) || (*p == '.' && !fraction && p > begin); p++) {
        if (*p == '.') {
            fraction = true;
        } else if (__builtin_mul_overflow(*mantissa, 10, mantissa) ||
                   __builtin_add_overflow(*mantissa, (uint64_t)(*p - '0'), mantissa) ||
                   (fraction && __builtin_mul_overflow(*scale, 10, scale))) {
            return NULL;
        }
    }
    return p > begin && p[-1] != '.' ? p : NULL;
}

bool sn_cli_args_duration_ns(sn_cli_args *args, int id, uint64_t *out)
{
    uint64_t mantissa, scale, unit;
    const char *rest = duration_number(args->value, &mantissa, &scale);
    if (rest && (unit = duration_unit_ns(rest)) != 0) {
        __uint128_t ns = (__uint128_t)mantissa * unit / scale;
        if (ns > 0 && ns <= (uint64_t)1 << 62) {
            *out = (uint64_t)ns;
            return true;
        }
    }
    args->exit_code = sn_cli_usage_error(args->command, "--%s takes a time such as 10s or 500ms, not \"%s\"",
                                         args->command->options[id].name, args->value);
    return false;
}
