#include "base/pages.h"
#include "base/checked.h"
#include <stdint.h>
#include <sys/mman.h>

enum { PAGE_BYTES = 4096, PAGE_HUGE_BYTES = 2 << 20 };

static void *pages_map(size_t size_bytes, int flags)
{
    void *p = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* What size_bytes takes: huge pages, and small ones for a rest of less than a quarter of one. */
static bool pages_size(size_t size_bytes, size_t *mapped_out)
{
    size_t rest = size_bytes % PAGE_HUGE_BYTES;
    return sn_align_size(size_bytes, rest >= PAGE_HUGE_BYTES / 4 ? PAGE_HUGE_BYTES : PAGE_BYTES, mapped_out);
}

void *sn_pages_alloc(size_t size_bytes)
{
    size_t mapped, whole, spare = PAGE_HUGE_BYTES - PAGE_BYTES;
    if (!pages_size(size_bytes, &mapped))
        return NULL;
    if (mapped < PAGE_HUGE_BYTES)
        return pages_map(mapped, 0);
    if (!sn_add_size(mapped, spare, &whole))
        return NULL;
    char *p = pages_map(whole, 0);
    if (!p)
        return NULL;
    size_t before = -(uintptr_t)p & (PAGE_HUGE_BYTES - 1);
    if (before)
        munmap(p, before);
    if (before < spare)
        munmap(p + before + mapped, spare - before);
    p += before;
    madvise(p, mapped, MADV_HUGEPAGE);
    return p;
}

void *sn_pages_reserve(size_t size_bytes)
{
    void *p = pages_map(size_bytes, MAP_NORESERVE);
    if (p)
        madvise(p, size_bytes, MADV_NOHUGEPAGE);
    return p;
}

void *sn_pages_map(int fd, size_t size_bytes)
{
    void *p = mmap(NULL, size_bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return NULL;
    madvise(p, size_bytes, MADV_HUGEPAGE); /* what is still on disk is read, and then mapped, 2 MiB at a time */
    return p;
}

void sn_pages_free(void *p, size_t size_bytes)
{
    size_t mapped;
    if (p && pages_size(size_bytes, &mapped))
        munmap(p, mapped);
}

void sn_pages_unmap(void *p, size_t size_bytes)
{
    if (p)
        munmap(p, size_bytes);
}
