/* The passport in the object that `setsuna bench --json` writes, and in what two of them differ. */
#ifndef SN_REPORT_PASSPORT_COMPARE_H
#define SN_REPORT_PASSPORT_COMPARE_H

#include "report/sink.h"
#include <stdbool.h>

enum { SN_PASSPORT_LINES_MAX = 32, SN_PASSPORT_LINE_MAX = 192 };

/* A line a field, as it stands in the JSON: "cpu": "...". */
typedef struct sn_passport_text {
    uint32_t n_lines;
    char line[SN_PASSPORT_LINES_MAX][SN_PASSPORT_LINE_MAX];
} sn_passport_text;

/* Finds the key passport in JSON as sn_json writes it with an indent of 2. false: there is none. */
bool sn_passport_text_find(const char *json, size_t size, sn_passport_text *out);

/* How many fields differ. What tells machines apart is counted in *machine_out, what tells builds apart (setsuna,
 * compiler) only in the result. sink, if not NULL, gets a line a difference. */
uint32_t sn_passport_text_differ(const sn_passport_text *a, const sn_passport_text *b, uint32_t *machine_out,
                                 sn_sink *sink);

#endif
