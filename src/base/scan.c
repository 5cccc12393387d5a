#include "base/scan.h"
#include <stddef.h>
#include <string.h>

enum { SCAN_DIGITS_MAX = 15 }; /* so that mantissa and power of ten are exact */

bool sn_scan_number(const char **text, double *out)
{
    double mantissa = 0, scale = 1;
    int digits = 0;
    bool fraction = false;
    const char *p = *text;
    for (;; p++) {
        if (*p >= '0' && *p <= '9') {
            if (++digits > SCAN_DIGITS_MAX)
                return false;
            mantissa = mantissa * 10 + (*p - '0');
            scale *= fraction ? 10 : 1;
        } else if (*p == '.' && !fraction && digits && p[1] >= '0' && p[1] <= '9') {
            fraction = true;
        } else {
            break;
        }
    }
    if (!digits)
        return false;
    *text = p;
    *out = mantissa / scale;
    return true;
}

bool sn_scan_literal(const char **p, const char *literal)
{
    size_t n = strlen(literal);
    if (strncmp(*p, literal, n) != 0)
        return false;
    *p += n;
    return true;
}

bool sn_scan_time_unit(const char **p, double *ns_out)
{
    static const struct {
        const char *unit;
        double ns;
    } units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 6e10}, {"h", 3.6e12}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (sn_scan_literal(p, units[i].unit)) {
            *ns_out = units[i].ns;
            return true;
        }
    return false;
}
