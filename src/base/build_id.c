#include "base/build_id.h"
#include "base/hash.h"
#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>

/* Whether the object has `address` in one of its segments. */
static bool build_id_holds(const struct dl_phdr_info *o, uintptr_t address)
{
    for (int i = 0; i < o->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &o->dlpi_phdr[i];
        if (p->p_type == PT_LOAD && address - (o->dlpi_addr + p->p_vaddr) < p->p_memsz)
            return true;
    }
    return false;
}

static uint64_t build_id_note(const char *at, size_t left)
{
    ElfW(Nhdr) note;
    while (left >= sizeof note) {
        memcpy(&note, at, sizeof note);
        size_t name = (note.n_namesz + 3u) & ~(size_t)3, desc = (note.n_descsz + 3u) & ~(size_t)3;
        at += sizeof note;
        left -= sizeof note;
        if (name > left || desc > left - name)
            return 0;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(at, "GNU", 4) == 0)
            return sn_hash_bytes(1, at + name, note.n_descsz) | 1;
        at += name + desc;
        left -= name + desc;
    }
    return 0;
}

static int build_id_visit(struct dl_phdr_info *o, size_t size, void *arg)
{
    (void)size;
    uint64_t *out = arg;
    if (!build_id_holds(o, (uintptr_t)out[0]))
        return 0;
    for (int i = 0; i < o->dlpi_phnum && !out[1]; i++)
        if (o->dlpi_phdr[i].p_type == PT_NOTE)
            out[1] = build_id_note((const char *)(o->dlpi_addr + o->dlpi_phdr[i].p_vaddr), o->dlpi_phdr[i].p_memsz);
    return 1;
}

uint64_t sn_build_id(void)
{
    static const char here = 0;
    uint64_t place_and_id[2] = {(uint64_t)(uintptr_t)&here, 0};
    dl_iterate_phdr(build_id_visit, place_and_id);
    return place_and_id[1];
}
