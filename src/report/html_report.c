#include "report/html_report.h"
#include "base/status.h"
#include "report/run_json.h"
#include "report/sha256.h"
#include "report/web_asset.h"
#include <string.h>

bool sn_report_language_parse(const char *text, sn_report_language *out)
{
    bool english = strcmp(text, "en") == 0;
    if (!english && strcmp(text, "ja") != 0)
        return false;
    *out = english ? SN_REPORT_ENGLISH : SN_REPORT_JAPANESE;
    return true;
}

static uint8_t html_hex(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* The digest of an element's text as a content security policy names it: 'sha256-' and base64. */
static void html_digest(const void *text, size_t size, sn_sink *s)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char hex[SN_SHA256_TEXT_MAX], out[45];
    uint8_t sum[33] = {0}; /* 32 bytes are 42 2/3 digits */
    sn_sha256_text(text, size, hex);
    for (int i = 0; i < 32; i++)
        sum[i] = (uint8_t)(html_hex(hex[2 * i]) << 4 | html_hex(hex[2 * i + 1]));
    for (int i = 0; i < 11; i++) {
        uint32_t bits = (uint32_t)sum[3 * i] << 16 | (uint32_t)sum[3 * i + 1] << 8 | sum[3 * i + 2];
        for (int k = 0; k < 4; k++)
            out[4 * i + k] = digit[bits >> (18 - 6 * k) & 63];
    }
    out[43] = '=';
    out[44] = '\0';
    sn_sink_printf(s, "'sha256-%s'", out);
}

static void html_text(const char *text, sn_sink *s)
{
    for (; *text; text++)
        switch (*text) {
        case '<': sn_sink_puts(s, "&lt;"); break;
        case '>': sn_sink_puts(s, "&gt;"); break;
        case '&': sn_sink_puts(s, "&amp;"); break;
        default: sn_sink_write(s, text, 1); break;
        }
}

/* Inside JSON '<' stands in strings only; escaped, it cannot end the script element, nor begin a comment in it. */
static void html_json(const char *text, size_t size, sn_sink *s)
{
    const char *end = text + size;
    while (text < end) {
        const char *less = memchr(text, '<', (size_t)(end - text));
        sn_sink_write(s, text, (size_t)((less ? less : end) - text));
        if (!less)
            break;
        sn_sink_puts(s, "\\u003c");
        text = less + 1;
    }
}

static setsuna_status html_data(const sn_html_report *r, sn_sink *buffer)
{
    sn_json w;
    sn_json_init(&w, buffer, 0);
    sn_json_begin_object(&w);
    sn_json_key_string(&w, "setsuna", SETSUNA_VERSION);
    sn_json_key_string(&w, "lang", r->language == SN_REPORT_JAPANESE ? "ja" : "en");
    sn_json_key(&w, "runs");
    sn_json_begin_array(&w);
    for (size_t i = 0; i < r->n; i++)
        SN_TRY(sn_run_write_page_data(r->run[i], r->log[i], &w));
    sn_json_end_array(&w);
    if (r->n == 2 && r->log[0] && r->log[1] && r->log[0]->n && r->log[1]->n) {
        sn_json_key(&w, "comparison");
        SN_TRY(sn_run_write_comparison(r->log[0], r->log[1], &w));
    }
    sn_json_end_object(&w);
    return sn_json_finish(&w);
}

static void html_head(const sn_html_report *r, sn_sink *s)
{
    sn_sink_printf(s, "<!doctype html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n",
                   r->language == SN_REPORT_JAPANESE ? "ja" : "en");
    sn_sink_puts(s, "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; base-uri 'none'; "
                    "form-action 'none'; script-src ");
    html_digest(sn_web_script, sn_web_script_bytes, s);
    sn_sink_puts(s, "; style-src ");
    html_digest(sn_web_style, sn_web_style_bytes, s);
    sn_sink_puts(s, "\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                    "<meta name=\"referrer\" content=\"no-referrer\">\n<title>setsuna: ");
    html_text(r->run[0]->target, s);
    sn_sink_puts(s, "</title>\n<style>");
    sn_sink_write(s, sn_web_style, sn_web_style_bytes);
    sn_sink_puts(s, "</style>\n</head>\n");
}

setsuna_status sn_html_report_write(const sn_html_report *r, sn_sink *sink)
{
    sn_sink data;
    if (r->n == 0 || r->n > SN_HTML_REPORT_RUNS_MAX)
        return SETSUNA_EINVAL;
    sn_sink_init_buffer(&data, NULL);
    setsuna_status status = html_data(r, &data);
    if (status == SETSUNA_OK) {
        html_head(r, sink);
        sn_sink_puts(sink, "<body>\n<div id=\"page\"><noscript>This page draws itself with a script of its own."
                           "</noscript></div>\n<script type=\"application/json\" id=\"data\">");
        html_json(data.data, data.size, sink);
        sn_sink_puts(sink, "</script>\n<script>");
        sn_sink_write(sink, sn_web_script, sn_web_script_bytes);
        sn_sink_puts(sink, "</script>\n</body>\n</html>\n");
        status = sn_sink_flush(sink);
    }
    sn_sink_fini(&data);
    return status;
}
