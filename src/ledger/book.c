#include "ledger/book.h"
#include "base/status.h"
#include <string.h>

void sn_book_init(sn_book *b, const sn_allocator *allocator, size_t cap)
{
    memset(b, 0, sizeof *b);
    for (int i = 0; i < SN_BOOK_SERIES; i++)
        sn_samples_init(&b->series[i], allocator, cap);
}

void sn_book_fini(sn_book *b)
{
    const sn_allocator *allocator = b->series[0].allocator;
    size_t cap = b->series[0].cap;
    for (int i = 0; i < SN_BOOK_SERIES; i++)
        sn_samples_fini(&b->series[i]);
    sn_book_init(b, allocator, cap);
}

/* Series in which the requests before the first that met them count as zero. */
static bool book_is_padded(int i)
{
    return i <= SN_BOOK_OVERDRAWN;
}

/* Cannot fail where room was reserved. */
static void book_pad(sn_samples *s, uint64_t n)
{
    while (s->n < n)
        sn_samples_record(s, 0);
}

setsuna_status sn_book_reserve(sn_book *b, uint64_t n_total)
{
    for (int i = 0; i < SN_BOOK_SERIES; i++)
        if (i >= SN_BOOK_WALL || b->series[i].n > 0)
            SN_TRY(sn_samples_reserve(&b->series[i], n_total));
    return SETSUNA_OK;
}

static void book_keep_worst(sn_book *b, const sn_ledger *l)
{
    uint32_t at = b->n_worst;
    while (at > 0 && b->worst[at - 1].wall_ns < l->wall_ns)
        at--;
    if (at == SN_BOOK_WORST)
        return;
    if (b->n_worst < SN_BOOK_WORST)
        b->n_worst++;
    memmove(&b->worst[at + 1], &b->worst[at], (b->n_worst - at - 1) * sizeof *b->worst);
    b->worst[at] = *l;
}

/* What the ledger says to series i. false: nothing. */
static bool book_value(const sn_ledger *l, int i, uint64_t *out)
{
    int64_t u = l->unexplained_ns;
    if (i < SN_STAGES) {
        *out = l->stage_ns[i];
        return l->n_enters[i] > 0;
    }
    if (i == SN_BOOK_OVERDRAWN) {
        *out = u < 0 ? 0 - (uint64_t)u : 0;
        return u < 0;
    }
    if (i < SN_BOOK_WALL) {
        *out = l->wait_ns[i - SN_BOOK_WAIT];
        return l->known >> (i - SN_BOOK_WAIT) & 1;
    }
    *out = i == SN_BOOK_WALL ? l->wall_ns : u > 0 ? (uint64_t)u : 0;
    return true;
}

setsuna_status sn_book_add(sn_book *b, const sn_ledger *l)
{
    if (l->open)
        return SETSUNA_EINVAL;
    uint64_t value[SN_BOOK_SERIES];
    bool take[SN_BOOK_SERIES];
    for (int i = 0; i < SN_BOOK_SERIES; i++) { /* all the room first: then nothing can fail halfway */
        sn_samples *s = &b->series[i];
        take[i] = book_value(l, i, &value[i]) || (book_is_padded(i) && s->n > 0);
        if (take[i])
            SN_TRY(sn_samples_reserve(s, (book_is_padded(i) ? b->n : s->n) + 1));
    }
    for (int i = 0; i < SN_BOOK_SERIES; i++)
        if (take[i]) {
            if (book_is_padded(i))
                book_pad(&b->series[i], b->n);
            sn_samples_record(&b->series[i], value[i]);
        }
    b->n++;
    b->n_flawed += l->n_flaws > 0;
    if (l->known & SN_LEDGER_KNOWN_COUNTS) {
        b->n_counted++;
        b->n_minor_faults += l->n_minor_faults;
        b->n_major_faults += l->n_major_faults;
        b->n_switches += l->n_switches;
    }
    book_keep_worst(b, l);
    return SETSUNA_OK;
}

setsuna_status sn_book_merge(sn_book *dst, const sn_book *src)
{
    for (int i = 0; i < SN_BOOK_SERIES; i++) {
        sn_samples *into = &dst->series[i];
        const sn_samples *from = &src->series[i];
        bool met = into->n > 0 || from->n > 0;
        SN_TRY(sn_samples_reserve_merge(into, from, book_is_padded(i) && met ? dst->n + src->n : into->n + from->n));
    }
    for (int i = 0; i < SN_BOOK_SERIES; i++) {
        sn_samples *into = &dst->series[i];
        const sn_samples *from = &src->series[i];
        bool pad = book_is_padded(i) && (into->n > 0 || from->n > 0);
        if (pad)
            book_pad(into, dst->n);
        sn_samples_merge(into, from);
        if (pad)
            book_pad(into, dst->n + src->n);
    }
    dst->n += src->n;
    dst->n_flawed += src->n_flawed;
    dst->n_counted += src->n_counted;
    dst->n_minor_faults += src->n_minor_faults;
    dst->n_major_faults += src->n_major_faults;
    dst->n_switches += src->n_switches;
    for (uint32_t i = 0; i < src->n_worst; i++)
        book_keep_worst(dst, &src->worst[i]);
    return SETSUNA_OK;
}

static setsuna_status book_row(const sn_samples *s, const sn_summary *wall, sn_book_row *out)
{
    SN_TRY(sn_samples_summary(s, &out->ns));
    double wall_sum = wall->mean * (double)wall->n;
    out->share = wall_sum > 0 ? out->ns.mean * (double)out->ns.n / wall_sum : 0;
    return SETSUNA_OK;
}

setsuna_status sn_book_summarize(const sn_book *b, sn_book_summary *out)
{
    sn_book_summary s = {.n = b->n,
                         .n_flawed = b->n_flawed,
                         .n_counted = b->n_counted,
                         .n_minor_faults = b->n_minor_faults,
                         .n_major_faults = b->n_major_faults,
                         .n_switches = b->n_switches};
    SN_TRY(sn_samples_summary(&b->series[SN_BOOK_WALL], &s.wall));
    for (int i = 0; i < SN_STAGES; i++)
        SN_TRY(book_row(&b->series[SN_BOOK_STAGE + i], &s.wall, &s.stage[i]));
    for (int i = 0; i < SN_WAITS; i++)
        SN_TRY(book_row(&b->series[SN_BOOK_WAIT + i], &s.wall, &s.wait[i]));
    SN_TRY(book_row(&b->series[SN_BOOK_UNEXPLAINED], &s.wall, &s.unexplained));
    SN_TRY(book_row(&b->series[SN_BOOK_OVERDRAWN], &s.wall, &s.overdrawn));
    *out = s;
    return SETSUNA_OK;
}
