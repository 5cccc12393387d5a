#include "report/passport_report.h"
#include "report/human.h"

void sn_passport_write_text(const sn_passport *p, sn_sink *sink)
{
    char memory[SN_HUMAN_MAX];
    sn_sink_printf(sink, "setsuna %s on %s (%s), %u of %u CPUs, %s, %s, clock %s, governor %s, hypervisor %s\n",
                   p->setsuna, p->cpu, p->cpu_level, p->n_cpus_usable, p->n_cpus_online,
                   p->memory_bytes ? sn_human_bytes(memory, p->memory_bytes) : "memory unknown", p->kernel,
                   p->clock_source, p->governor, p->hypervisor);
}

static void passport_number(sn_json *w, const char *key, uint64_t value)
{
    sn_json_key(w, key);
    if (value)
        sn_json_u64(w, value);
    else
        sn_json_null(w);
}

void sn_passport_write_json(const sn_passport *p, sn_json *w)
{
    sn_json_begin_object(w);
#define PASSPORT_KEY(field, what) sn_json_key_string(w, #field, p->field);
    SN_PASSPORT_LIST(PASSPORT_KEY)
#undef PASSPORT_KEY
    passport_number(w, "n_cpus_usable", p->n_cpus_usable);
    passport_number(w, "n_cpus_online", p->n_cpus_online);
    passport_number(w, "memory_bytes", p->memory_bytes);
    passport_number(w, "page_bytes", p->page_bytes);
    sn_json_end_object(w);
}
