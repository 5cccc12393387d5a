/* Memory straight from the system, in whole pages: for what is large, lives long, or must be known to be zero. */
#ifndef SN_BASE_PAGES_H
#define SN_BASE_PAGES_H

#include <stddef.h>

/* size_bytes > 0 of private zeroed memory, page-aligned; it takes room only where it is touched. From 4 MiB on it lies
 * so that the system can use pages of 2 MiB: filling 100 MB in pages of 4 KiB costs 25,000 faults, more time than the
 * copy itself. NULL: out of memory. */
void *sn_pages_alloc(size_t size_bytes);

/* As sn_pages_alloc, for a range of which only small parts will be touched: pages are small, and the system does not
 * set memory aside for the whole. */
void *sn_pages_reserve(size_t size_bytes);

/* The first size_bytes > 0 of an open file, read only and shared with all who map it. NULL: the system refuses. Whoever
 * makes the file shorter, or writes to it, does so to us: for files only that nobody but us has a reason to touch. */
void *sn_pages_map(int fd, size_t size_bytes);

/* p from any of these, with the size it was made with; NULL is fine. */
void sn_pages_free(void *p, size_t size_bytes);

#endif
