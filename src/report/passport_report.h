/* The passport as one line for people, and as a JSON object. */
#ifndef SN_REPORT_PASSPORT_REPORT_H
#define SN_REPORT_PASSPORT_REPORT_H

#include "ledger/passport.h"
#include "report/json.h"
#include "report/sink.h"

/* "setsuna 0.1.0 on AMD EPYC (avx512bf16), 2 of 2 CPUs, 23.5 GiB, Linux 6.1.0, clock tsc, governor unknown,
 * hypervisor yes" and a newline. */
void sn_passport_write_text(const sn_passport *p, sn_sink *sink);

/* The fields of SN_PASSPORT_LIST under their names, then the numbers under theirs; numbers not known are null. Writes
 * the writer's next value. */
void sn_passport_write_json(const sn_passport *p, sn_json *w);

#endif
