#include "report/table.h"
#include "report/utf8.h"
#include <stdarg.h>
#include <string.h>

typedef struct table_row {
    struct table_row *next;
    bool is_rule;
    uint32_t n_cells;
    const char *cell[SN_TABLE_COLUMNS_MAX];
} table_row;

struct sn_table {
    sn_arena *arena;
    setsuna_status status;
    uint32_t n_columns;
    const char *heading[SN_TABLE_COLUMNS_MAX];
    sn_table_align align[SN_TABLE_COLUMNS_MAX];
    size_t width[SN_TABLE_COLUMNS_MAX];
    table_row *first, **end;
    table_row *current; /* NULL between rows */
};

sn_table *sn_table_create(const sn_allocator *allocator)
{
    sn_arena *arena = sn_arena_create(allocator ? allocator : sn_allocator_default());
    sn_table *t = arena ? sn_arena_alloc(arena, sizeof *t) : NULL;
    if (!t) {
        sn_arena_destroy(arena);
        return NULL;
    }
    t->arena = arena;
    t->end = &t->first;
    return t;
}

void sn_table_destroy(sn_table *t)
{
    if (t)
        sn_arena_destroy(t->arena);
}

static void table_fail(sn_table *t, setsuna_status status)
{
    if (t->status == SETSUNA_OK)
        t->status = status;
}

/* Copies text so that it is printable and valid; what does not fit is replaced by "...". */
static void table_clean(char dst[SN_TABLE_CELL_MAX], const char *text, size_t size)
{
    static const char hex[] = "0123456789abcdef";
    enum { ROOM = SN_TABLE_CELL_MAX - 4 }; /* for "..." and the NUL */
    size_t n = 0, length;
    for (size_t at = 0; at < size; at += length) {
        uint32_t code = sn_utf8_decode(text + at, size - at, &length);
        char escape[12];
        const char *piece = text + at;
        size_t piece_size = length;
        if (code == SN_UTF8_INVALID) {
            piece = "\xef\xbf\xbd";
            piece_size = 3;
        } else if (code < 0x20 || (code >= 0x7f && code < 0xa0)) {
            escape[0] = '\\';
            escape[1] = 'x';
            escape[2] = hex[code >> 4];
            escape[3] = hex[code & 15];
            piece = escape;
            piece_size = 4;
        }
        if (n + piece_size > ROOM) {
            memcpy(dst + n, "...", 3);
            n += 3;
            break;
        }
        memcpy(dst + n, piece, piece_size);
        n += piece_size;
    }
    dst[n] = '\0';
}

static const char *table_keep(sn_table *t, const char *text)
{
    char clean[SN_TABLE_CELL_MAX];
    table_clean(clean, text, strlen(text));
    const char *kept = sn_arena_strndup(t->arena, clean, strlen(clean));
    if (!kept)
        table_fail(t, SETSUNA_ENOMEM);
    return kept ? kept : "";
}

static void table_widen(sn_table *t, uint32_t column, const char *text)
{
    size_t width = sn_text_width(text);
    if (width > t->width[column])
        t->width[column] = width;
}

void sn_table_column(sn_table *t, const char *heading, sn_table_align align)
{
    if (!t)
        return;
    if (t->n_columns == SN_TABLE_COLUMNS_MAX || t->first) {
        table_fail(t, SETSUNA_EINVAL);
        return;
    }
    t->heading[t->n_columns] = table_keep(t, heading);
    t->align[t->n_columns] = align;
    table_widen(t, t->n_columns, t->heading[t->n_columns]);
    t->n_columns++;
}

static table_row *table_add_row(sn_table *t)
{
    table_row *row = sn_arena_alloc(t->arena, sizeof *row);
    if (!row) {
        table_fail(t, SETSUNA_ENOMEM);
        return NULL;
    }
    *t->end = row;
    t->end = &row->next;
    return row;
}

void sn_table_cell(sn_table *t, const char *fmt, ...)
{
    if (!t || t->status != SETSUNA_OK)
        return;
    if (!t->current && !(t->current = table_add_row(t)))
        return;
    if (t->current->n_cells == t->n_columns) {
        table_fail(t, SETSUNA_EINVAL);
        return;
    }
    char text[SN_TABLE_CELL_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n < 0)
        text[0] = '\0';
    const char *kept = table_keep(t, text);
    table_widen(t, t->current->n_cells, kept);
    t->current->cell[t->current->n_cells++] = kept;
}

void sn_table_end_row(sn_table *t)
{
    if (!t || t->status != SETSUNA_OK)
        return;
    if (t->current || table_add_row(t))
        t->current = NULL;
}

void sn_table_rule(sn_table *t)
{
    if (!t || t->status != SETSUNA_OK)
        return;
    t->current = NULL;
    table_row *row = table_add_row(t);
    if (row)
        row->is_rule = true;
}

static void table_write_cells(const sn_table *t, sn_sink *sink, const char *const *cell, uint32_t n_cells)
{
    size_t pending = 0; /* blanks owed, written only when something visible follows */
    for (uint32_t i = 0; i < n_cells; i++) {
        size_t size = strlen(cell[i]), blanks = t->width[i] - sn_text_width(cell[i]);
        bool right = t->align[i] == SN_TABLE_RIGHT;
        pending += (i > 0 ? 2 : 0) + (right ? blanks : 0);
        while (size > 0 && cell[i][size - 1] == ' ')
            size--;
        if (size > 0) {
            sn_sink_repeat(sink, " ", pending);
            sn_sink_write(sink, cell[i], size);
            pending = 0;
        }
        pending += strlen(cell[i]) - size + (right ? 0 : blanks);
    }
    sn_sink_puts(sink, "\n");
}

static void table_write_rule(const sn_table *t, sn_sink *sink, bool ascii)
{
    size_t width = 0;
    for (uint32_t i = 0; i < t->n_columns; i++)
        width += t->width[i] + (i > 0 ? 2 : 0);
    sn_sink_repeat(sink, ascii ? "-" : "─", width);
    sn_sink_puts(sink, "\n");
}

setsuna_status sn_table_write(const sn_table *t, sn_sink *sink, bool ascii)
{
    if (!t)
        return SETSUNA_ENOMEM;
    if (t->status != SETSUNA_OK)
        return t->status;
    bool has_heading = false;
    for (uint32_t i = 0; i < t->n_columns; i++)
        has_heading |= t->heading[i][0] != '\0';
    if (has_heading) {
        table_write_cells(t, sink, t->heading, t->n_columns);
        table_write_rule(t, sink, ascii);
    }
    for (const table_row *row = t->first; row; row = row->next)
        if (row->is_rule)
            table_write_rule(t, sink, ascii);
        else
            table_write_cells(t, sink, row->cell, row->n_cells);
    return sink->status;
}
