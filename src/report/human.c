#include "report/human.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct {
    uint64_t ns;
    const char *name, *ascii;
} human_units[] = {{1, "ns", "ns"}, {1000, "µs", "us"}, {1000000, "ms", "ms"}, {1000000000, "s", "s"}};

enum { HUMAN_UNITS = sizeof human_units / sizeof *human_units };

static const uint64_t human_pow10[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000};

/* value / divisor with `decimals` decimals, rounded half up, as an integer of 10^-decimals. */
static __uint128_t human_scale(uint64_t value, uint64_t divisor, unsigned decimals)
{
    return ((__uint128_t)value * human_pow10[decimals] + divisor / 2) / divisor;
}

static char *human_fixed(char *buf, __uint128_t scaled, unsigned decimals, const char *unit)
{
    uint64_t whole = (uint64_t)(scaled / human_pow10[decimals]);
    uint64_t part = (uint64_t)(scaled % human_pow10[decimals]);
    if (decimals == 0)
        snprintf(buf, SN_HUMAN_MAX, "%llu%s", (unsigned long long)whole, unit);
    else
        snprintf(buf, SN_HUMAN_MAX, "%llu.%0*llu%s", (unsigned long long)whole, (int)decimals, (unsigned long long)part,
                 unit);
    return buf;
}

static char *human_duration_fixed(char *buf, uint64_t ns, unsigned unit, unsigned decimals, bool ascii)
{
    char name[8];
    snprintf(name, sizeof name, " %s", ascii ? human_units[unit].ascii : human_units[unit].name);
    return human_fixed(buf, human_scale(ns, human_units[unit].ns, decimals), decimals, name);
}

char *sn_human_duration(char *buf, uint64_t ns, bool ascii)
{
    if (ns < 1000)
        return human_duration_fixed(buf, ns, 0, 0, ascii);
    for (unsigned unit = 1; unit < HUMAN_UNITS; unit++)
        for (unsigned decimals = 3; decimals > 0; decimals--)
            if (human_scale(ns, human_units[unit].ns, decimals) < 10000)
                return human_duration_fixed(buf, ns, unit, decimals, ascii);
    return human_duration_fixed(buf, ns, HUMAN_UNITS - 1, 0, ascii);
}

char *sn_human_align(char *duration)
{
    size_t n = strlen(duration);
    if (n >= 2 && n + 2 <= SN_HUMAN_MAX && strcmp(duration + n - 2, " s") == 0)
        memcpy(duration + n, " ", 2);
    return duration;
}

char *sn_human_duration_scaled(char *buf, uint64_t ns, uint64_t max_ns, uint64_t step_ns, bool ascii)
{
    unsigned unit = 0, decimals = 0;
    while (unit + 1 < HUMAN_UNITS && max_ns >= human_units[unit + 1].ns)
        unit++;
    while (decimals < 9 && (__uint128_t)step_ns * human_pow10[decimals] % human_units[unit].ns != 0)
        decimals++;
    return human_duration_fixed(buf, ns, unit, decimals, ascii);
}

char *sn_human_bytes(char *buf, uint64_t bytes)
{
    static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"};
    if (bytes < 1024)
        return human_fixed(buf, bytes, 0, units[0]);
    for (unsigned unit = 1; unit < sizeof units / sizeof *units; unit++) {
        uint64_t size = (uint64_t)1 << 10 * unit;
        for (unsigned decimals = 3; decimals-- > 0;)
            if (human_scale(bytes, size, decimals) < 1000)
                return human_fixed(buf, human_scale(bytes, size, decimals), decimals, units[unit]);
        if (human_scale(bytes, size, 0) < 1024) /* 1000 .. 1023 of a unit have four digits */
            return human_fixed(buf, human_scale(bytes, size, 0), 0, units[unit]);
    }
    return human_fixed(buf, bytes >> 60, 0, units[6]);
}

char *sn_human_count(char *buf, uint64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n), out = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            buf[out++] = ',';
        buf[out++] = digits[i];
    }
    buf[out] = '\0';
    return buf;
}

char *sn_human_share(char *buf, double share)
{
    double permille = round(fabs(share) * 1000);
    if (!(permille < 1e15)) {
        snprintf(buf, SN_HUMAN_MAX, "-");
        return buf;
    }
    if (permille < 1) {
        snprintf(buf, SN_HUMAN_MAX, share == 0 ? "0.0 %%" : "< 0.1 %%");
        return buf;
    }
    char *at = buf;
    if (share < 0)
        *at++ = '-';
    uint64_t n = (uint64_t)permille;
    snprintf(at, SN_HUMAN_MAX - 1, "%llu.%llu %%", (unsigned long long)(n / 10), (unsigned long long)(n % 10));
    return buf;
}

char *sn_human_number(char *buf, double value)
{
    double size = fabs(value);
    char *at = buf;
    if (!(size < 1e15)) {
        snprintf(buf, SN_HUMAN_MAX, "-");
        return buf;
    }
    unsigned decimals = 4;
    while (decimals > 0 && round(size * (double)human_pow10[decimals]) >= 10000)
        decimals--;
    uint64_t scaled = (uint64_t)round(size * (double)human_pow10[decimals]);
    if (value < 0 && scaled > 0)
        *at++ = '-';
    if (decimals == 0)
        sn_human_count(at, scaled);
    else
        human_fixed(at, scaled, decimals, "");
    return buf;
}
