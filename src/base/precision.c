#include "base/precision.h"
#include <string.h>

static const char *const precision_names[SN_PRECISIONS] = {
#define PRECISION_NAME(name, text) [SN_PRECISION_##name] = text,
    SN_PRECISION_LIST(PRECISION_NAME)
#undef PRECISION_NAME
};

const char *sn_precision_name(sn_precision precision)
{
    return (unsigned)precision < SN_PRECISIONS ? precision_names[precision] : "?";
}

setsuna_status sn_precision_parse(const char *text, sn_precision *out)
{
    for (int i = 0; i < SN_PRECISIONS; i++)
        if (strcmp(text, precision_names[i]) == 0) {
            *out = (sn_precision)i;
            return SETSUNA_OK;
        }
    return SETSUNA_ENOTFOUND;
}
