#include "report/bars.h"
#include <math.h>
#include <string.h>

char *sn_bar(char *buf, double fraction, size_t columns, bool ascii)
{
    /* U+2588 is the full block; U+2589 .. U+258F go down to one eighth. */
    static const char *const part[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    double cut = !(fraction > 0) ? 0 : fraction < 1 ? fraction : 1;
    size_t eighths = (size_t)round(cut * (double)columns * 8);
    if (eighths == 0 && cut > 0)
        eighths = 1;
    char *at = buf;
    size_t whole = ascii ? (eighths + 4) / 8 : eighths / 8;
    for (size_t i = 0; i < whole; i++)
        at = stpcpy(at, ascii ? "#" : "█");
    if (!ascii)
        at = stpcpy(at, part[eighths % 8]);
    else if (whole == 0 && eighths > 0)
        at = stpcpy(at, ".");
    *at = '\0';
    return buf;
}
