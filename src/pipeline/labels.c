#include "pipeline/labels.h"
#include "base/file.h"
#include <math.h>
#include <string.h>

/* Length of the well-formed character at p, 0 if it is not well-formed. Source: RFC 3629, section 4. */
static size_t labels_utf8_length(const uint8_t *p, size_t left)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    if (n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool surrogate = p[0] == 0xed && p[1] > 0x9f, beyond = p[0] == 0xf4 && p[1] > 0x8f;
    return overlong || surrogate || beyond ? 0 : n;
}

static setsuna_status labels_check_line(const char *name, uint32_t line, const uint8_t *p, size_t len,
                                        setsuna_error *err)
{
    if (len == 0)
        return sn_fail(err, SETSUNA_EINPUT, name, "line %u is empty; every line must name a class", line);
    if (len > SN_LABEL_LENGTH_MAX)
        return sn_fail(err, SETSUNA_ELIMIT, name, "line %u has %zu bytes; a label may have %d", line, len,
                       SN_LABEL_LENGTH_MAX);
    for (size_t i = 0, n; i < len; i += n) {
        n = labels_utf8_length(p + i, len - i);
        if (n == 0)
            return sn_fail(err, SETSUNA_EINPUT, name, "line %u is not valid UTF-8; convert the file", line);
        if (p[i] < 0x20 || p[i] == 0x7f)
            return sn_fail(err, SETSUNA_EINPUT, name, "line %u has a control character (0x%02x); remove it", line,
                           p[i]);
    }
    return SETSUNA_OK;
}

setsuna_status sn_labels_parse(sn_arena *arena, const char *name, const void *data, size_t size, sn_labels *out,
                               setsuna_error *err)
{
    const uint8_t *p = data, *end = p + size;
    if (size > SN_LABELS_BYTES_MAX)
        return sn_fail(err, SETSUNA_ELIMIT, name, "%zu bytes; a label file may have %d", size, SN_LABELS_BYTES_MAX);
    if (size >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
        p += 3;
    size_t lines = 0;
    for (const uint8_t *q = p; q < end; q++)
        lines += *q == '\n';
    lines += p < end && end[-1] != '\n';
    if (lines == 0)
        return sn_fail(err, SETSUNA_EINPUT, name, "no labels; write one a line");
    if (lines > SN_LABELS_MAX)
        return sn_fail(err, SETSUNA_ELIMIT, name, "%zu lines; a label file may have %d", lines, SN_LABELS_MAX);
    const char **item = sn_arena_array(arena, lines, sizeof *item);
    if (!item)
        return sn_fail(err, SETSUNA_ENOMEM, name, "no memory for %zu labels", lines);
    for (uint32_t i = 0; i < lines; i++) {
        const uint8_t *stop = memchr(p, '\n', (size_t)(end - p));
        size_t whole = stop ? (size_t)(stop - p) : (size_t)(end - p), len = whole;
        if (len && p[len - 1] == '\r')
            len--;
        SN_TRY(labels_check_line(name, i + 1, p, len, err));
        item[i] = sn_arena_strndup(arena, (const char *)p, len);
        if (!item[i])
            return sn_fail(err, SETSUNA_ENOMEM, name, "no memory for %zu labels", lines);
        p += stop ? whole + 1 : whole;
    }
    *out = (sn_labels){item, (uint32_t)lines};
    return SETSUNA_OK;
}

setsuna_status sn_labels_read(sn_arena *arena, const char *path, sn_labels *out, setsuna_error *err)
{
    sn_bytes bytes;
    SN_TRY(sn_file_read(path, SN_LABELS_BYTES_MAX, &bytes, err));
    setsuna_status status = sn_labels_parse(arena, path, bytes.data, bytes.size, out, err);
    sn_bytes_fini(&bytes);
    return status;
}

void sn_softmax(const float *in, size_t n, float *out)
{
    float top = -INFINITY;
    for (size_t i = 0; i < n; i++)
        top = in[i] > top ? in[i] : top;
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        /* Infinite tops would give inf - inf: only they count then. */
        float e = isfinite(top) ? (in[i] == in[i] ? expf(in[i] - top) : 0.0f) : in[i] == top ? 1.0f : 0.0f;
        out[i] = e;
        sum += (double)e;
    }
    for (size_t i = 0; sum > 0.0 && i < n; i++)
        out[i] = (float)((double)out[i] / sum);
}

uint32_t sn_top_k(const float *score, size_t n, uint32_t k, int32_t *index_out)
{
    uint32_t have = 0;
    for (size_t i = 0; i < n; i++) {
        float s = score[i];
        if (s != s || (have == k && (k == 0 || !(s > score[index_out[k - 1]]))))
            continue;
        uint32_t at = have < k ? have++ : k - 1;
        for (; at > 0 && s > score[index_out[at - 1]]; at--)
            index_out[at] = index_out[at - 1];
        index_out[at] = (int32_t)i;
    }
    return have;
}
