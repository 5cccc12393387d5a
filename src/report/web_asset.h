/* The script and the style sheet of the report page: made from web/ when the library is built. */
#ifndef SN_REPORT_WEB_ASSET_H
#define SN_REPORT_WEB_ASSET_H

#include <stddef.h>

/* UTF-8, with a NUL behind the bytes counted; neither contains what would end its element. */
extern const unsigned char sn_web_script[];
extern const size_t sn_web_script_bytes;
extern const unsigned char sn_web_style[];
extern const size_t sn_web_style_bytes;

#endif
