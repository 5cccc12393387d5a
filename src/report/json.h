/* Streaming JSON writer (RFC 8259). Values go to a sink as they are told; nothing is kept but the nesting.
 *
 *     sn_json w;
 *     sn_json_init(&w, &sink, 2);
 *     sn_json_begin_object(&w);
 *     sn_json_key(&w, "p99");
 *     sn_json_u64(&w, 1234);
 *     sn_json_end_object(&w);
 *     status = sn_json_finish(&w);
 *
 * Errors are sticky: after the first one nothing is written, and finish returns it.
 *   EINVAL  calls that do not make a JSON text (a value without its key, an end without its begin, two roots)
 *   ELIMIT  nested deeper than SN_JSON_DEPTH_MAX
 *   EIO, ENOMEM  from the sink
 */
#ifndef SN_REPORT_JSON_H
#define SN_REPORT_JSON_H

#include "report/sink.h"
#include <stdbool.h>
#include <stdint.h>

enum { SN_JSON_DEPTH_MAX = 64 };

typedef struct sn_json {
    sn_sink *sink;
    setsuna_status status;
    uint32_t indent;
    uint32_t depth;
    bool has_root;
    bool has_key; /* a key was told, and its value is due */
    struct sn_json_level {
        bool is_object, is_inline, has_items;
    } level[SN_JSON_DEPTH_MAX];
} sn_json;

/* Borrows the sink until finish. indent: spaces a level; 0 writes one line without spaces. */
void sn_json_init(sn_json *w, sn_sink *sink, uint32_t indent);

void sn_json_begin_object(sn_json *w);
void sn_json_end_object(sn_json *w);
void sn_json_begin_array(sn_json *w);
void sn_json_begin_array_inline(sn_json *w); /* on one line, whatever the indent; so is all inside it */
void sn_json_end_array(sn_json *w);

/* The key of the next value. Duplicates are the caller's business. */
void sn_json_key(sn_json *w, const char *key);

/* Bytes that are not UTF-8 become U+FFFD, one for each maximal subpart. Escaped: quotation mark, backslash, controls
 * (C0, DEL, C1), and U+2028 and U+2029, which break JavaScript and line-oriented readers. text NULL writes null. */
void sn_json_string(sn_json *w, const char *text);
void sn_json_string_n(sn_json *w, const char *text, size_t size);

void sn_json_u64(sn_json *w, uint64_t value); /* exact */
void sn_json_i64(sn_json *w, int64_t value);  /* exact */

/* The shortest decimal that reads back as the same double, whatever the locale; NaN and infinities become null. */
void sn_json_f64(sn_json *w, double value);
void sn_json_bool(sn_json *w, bool value);
void sn_json_null(sn_json *w);

/* A value that is JSON text already, which the caller answers for; it keeps its own layout. */
void sn_json_raw(sn_json *w, const char *text);

/* Ends the text with a newline and flushes the sink. Returns OK, EINVAL (also when the root is incomplete), ELIMIT,
 * EIO, ENOMEM. */
setsuna_status sn_json_finish(sn_json *w);

/* Key and value in one call. */
void sn_json_key_string(sn_json *w, const char *key, const char *text);
void sn_json_key_u64(sn_json *w, const char *key, uint64_t value);
void sn_json_key_f64(sn_json *w, const char *key, double value);

#endif
