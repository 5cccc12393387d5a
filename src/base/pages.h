/* Memory straight from the system, in whole pages: for what is large, lives long, or must be known to be zero. */
#ifndef SN_BASE_PAGES_H
#define SN_BASE_PAGES_H

#include <stddef.h>

/* size_bytes > 0 of private zeroed memory, page-aligned; it takes room only where it is touched. From 512 KiB on it
 * lies so that the system can use pages of 2 MiB: a fault takes 1.2 us for 4 KiB and 60 us for 2 MiB, so that filling
 * 100 MB in small pages costs more time than the copy itself. NULL: out of memory. */
void *sn_pages_alloc(size_t size_bytes);

/* As sn_pages_alloc, for a range of which only small parts will be touched: pages are small, and the system does not
 * set memory aside for the whole. */
void *sn_pages_reserve(size_t size_bytes);

/* The first size_bytes > 0 of an open file, read only and shared with all who map it. NULL: the system refuses. Whoever
 * makes the file shorter, or writes to it, does so to us: for files only that nobody but us has a reason to touch. */
void *sn_pages_map(int fd, size_t size_bytes);

/* p from sn_pages_alloc, or, for the second, from the others, with the size it was made with; NULL is fine. */
void sn_pages_free(void *p, size_t size_bytes);
void sn_pages_unmap(void *p, size_t size_bytes);

#endif
