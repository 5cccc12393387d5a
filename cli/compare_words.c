#include "cli/compare_words.h"
#include "base/status.h"
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static char compare_bench[] = "bench", compare_duration[] = "--duration", compare_second[] = "1s";

static setsuna_status words_memory(setsuna_error *err)
{
    return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory for the command lines");
}

setsuna_status sn_compare_words_split(sn_arena *arena, const char *text, char **word, int cap, int *n_out,
                                      setsuna_error *err)
{
    int n = 0;
    for (const char *p = text;;) {
        p += strspn(p, " \t\n");
        if (!*p) {
            *n_out = n;
            return SETSUNA_OK;
        }
        char *out = sn_arena_strndup(arena, p, strlen(p)), quote = '\0';
        if (!out)
            return words_memory(err);
        if (n == cap)
            return sn_fail(err, SETSUNA_EINVAL, NULL, "more than %d words in \"%s\"", cap, text);
        word[n++] = out;
        for (; *p && (quote || !strchr(" \t\n", *p)); p++) {
            if (quote ? *p == quote : *p == '\'' || *p == '"')
                quote = quote ? '\0' : *p;
            else
                *out++ = *p;
        }
        *out = '\0';
        if (quote)
            return sn_fail(err, SETSUNA_EINVAL, NULL, "a quotation mark without its end in \"%s\"", text);
    }
}

/* Words as one line: those with other than plain characters in single quotation marks. */
static char *words_join(sn_arena *arena, char *const *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
    size_t size = 1;
    for (int i = 0; word[i]; i++)
        size += 4 * strlen(word[i]) + 3;
    char *text = sn_arena_alloc(arena, size), *p = text;
    for (int i = 0; text && word[i]; i++) {
        bool quoted = !word[i][0] || word[i][strspn(word[i], plain)];
        if (i)
            *p++ = ' ';
        if (quoted)
            *p++ = '\'';
        for (const char *c = word[i]; *c; c++) {
            if (*c == '\'') {
                *p++ = '\''; /* out of the quotation, a mark by itself, and in again */
                *p++ = '\\';
                *p++ = '\'';
            }
            *p++ = *c;
        }
        if (quoted)
            *p++ = '\'';
    }
    return text;
}

static char *words_self(sn_arena *arena)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path);
    return n > 0 && (size_t)n < sizeof path ? sn_arena_strndup(arena, path, (size_t)n) : NULL;
}

static setsuna_status words_finish(sn_compare_words *w, setsuna_error *err)
{
    for (int arm = 0; arm < 2; arm++) {
        w->text[arm] = words_join(w->arena, w->arm[arm]);
        if (!w->text[arm])
            return words_memory(err);
    }
    return SETSUNA_OK;
}

static setsuna_status words_arm(sn_compare_words *w, int arm, char *const *word, int n, setsuna_error *err)
{
    if (n == 0)
        return sn_fail(err, SETSUNA_EINVAL, NULL, "%c has no command line: -- BENCH A... -- BENCH B...", 'A' + arm);
    bool own = strcmp(word[0], "bench") == 0;
    if (n + 2 > SN_COMPARE_WORDS_MAX)
        return sn_fail(err, SETSUNA_ELIMIT, NULL, "more than %d words", SN_COMPARE_WORDS_MAX);
    if (own && !(w->arm[arm][0] = words_self(w->arena)))
        return sn_fail(err, SETSUNA_EIO, NULL, "this program does not know its own path: name one before bench");
    int at = own;
    for (int i = 0; i < n; i++)
        w->arm[arm][at++] = word[i];
    w->arm[arm][at] = NULL;
    return SETSUNA_OK;
}

static setsuna_status words_init(sn_compare_words *w, setsuna_error *err)
{
    *w = (sn_compare_words){.arena = sn_arena_create(sn_allocator_default())};
    return w->arena ? SETSUNA_OK : words_memory(err);
}

setsuna_status sn_compare_words_long(sn_compare_words *w, char *const *word, int n, setsuna_error *err)
{
    int cut = 0;
    SN_TRY(words_init(w, err));
    while (cut < n && strcmp(word[cut], "--") != 0)
        cut++;
    setsuna_status status = words_arm(w, 0, word, cut, err);
    if (status == SETSUNA_OK)
        status = words_arm(w, 1, word + (cut < n ? cut + 1 : n), cut < n ? n - cut - 1 : 0, err);
    return status == SETSUNA_OK ? words_finish(w, err) : status;
}

setsuna_status sn_compare_words_short(sn_compare_words *w, char *const *operand, int n, const char *a, const char *b,
                                      setsuna_error *err)
{
    const char *own[2] = {a, b};
    SN_TRY(words_init(w, err));
    if (n == 0 || !a || !b)
        return sn_fail(err, SETSUNA_EINVAL, NULL,
                       "a model with --a OPTIONS and --b OPTIONS, or two command lines: -- BENCH A... -- BENCH B...");
    for (int arm = 0; arm < 2; arm++) {
        char *word[SN_COMPARE_WORDS_MAX];
        int used = 0, more;
        if (n + 3 > SN_COMPARE_WORDS_MAX - 2)
            return sn_fail(err, SETSUNA_ELIMIT, NULL, "more than %d words", SN_COMPARE_WORDS_MAX);
        word[used++] = compare_bench;
        word[used++] = compare_duration;
        word[used++] = compare_second;
        for (int i = 0; i < n; i++)
            word[used++] = operand[i];
        SN_TRY(sn_compare_words_split(w->arena, own[arm], word + used, SN_COMPARE_WORDS_MAX - 2 - used, &more, err));
        SN_TRY(words_arm(w, arm, word, used + more, err));
    }
    return words_finish(w, err);
}

void sn_compare_words_fini(sn_compare_words *w)
{
    if (w->arena)
        sn_arena_destroy(w->arena);
    w->arena = NULL;
}
