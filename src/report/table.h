/* Aligned text tables for terminals.
 *
 * Columns are as wide as their widest cell as a terminal shows it (report/utf8.h), two blanks apart, without blanks at
 * the end of a line. Cells may come from files: control characters are shown as \xNN and invalid UTF-8 as U+FFFD, so no
 * cell can move the cursor.
 */
#ifndef SN_REPORT_TABLE_H
#define SN_REPORT_TABLE_H

#include "base/alloc.h"
#include "report/sink.h"
#include <stdbool.h>

typedef enum sn_table_align { SN_TABLE_LEFT, SN_TABLE_RIGHT } sn_table_align;

enum { SN_TABLE_COLUMNS_MAX = 32, SN_TABLE_CELL_MAX = 512 /* bytes of a cell; longer ones end in "..." */ };

typedef struct sn_table sn_table;

/* NULL: out of memory. All other calls accept NULL, so that only sn_table_write need be checked. Owns its cells.
 * allocator NULL: the process heap. */
sn_table *sn_table_create(const sn_allocator *allocator);
void sn_table_destroy(sn_table *t);

/* Adds a column, before any cell. A table without one non-empty heading has no heading line. */
void sn_table_column(sn_table *t, const char *heading, sn_table_align align);

/* The next cell of the current row, which begins with its first cell. */
void sn_table_cell(sn_table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Ends the row; missing cells are empty. */
void sn_table_end_row(sn_table *t);

/* A horizontal line across the table. */
void sn_table_rule(sn_table *t);

/* ascii: rules of '-' instead of box-drawing characters. Returns OK, ENOMEM, EINVAL (more cells than columns, or too
 * many columns), EIO. */
setsuna_status sn_table_write(const sn_table *t, sn_sink *sink, bool ascii);

#endif
