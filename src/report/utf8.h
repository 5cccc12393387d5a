/* UTF-8 as far as reports need it: validity, and how many columns a terminal gives to a text. */
#ifndef SN_REPORT_UTF8_H
#define SN_REPORT_UTF8_H

#include <stddef.h>
#include <stdint.h>

#define SN_UTF8_INVALID UINT32_MAX

/* The code point at text (size >= 1 bytes), and its length in *length_out. For invalid bytes (overlong forms,
 * surrogates, above U+10FFFF, stray or missing continuation) returns SN_UTF8_INVALID and the length of the maximal
 * subpart, 1..3, which one U+FFFD stands for. Source: Unicode 15, section 3.9, table 3-7 and "maximal subparts". */
uint32_t sn_utf8_decode(const char *text, size_t size, size_t *length_out);

/* Columns of a code point: 0 for combining marks and format characters, 2 for wide and fullwidth East Asian characters
 * and emoji, else 1. Source: Unicode 14 General_Category and East_Asian_Width. */
uint32_t sn_utf8_width(uint32_t code_point);

/* Columns of a NUL-terminated text; an invalid sequence counts as one. */
size_t sn_text_width(const char *text);

#endif
