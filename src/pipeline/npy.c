#include "pipeline/npy.h"
#include "base/checked.h"
#include "base/file.h"
#include "graph/tensor.h"
#include <stdio.h>
#include <string.h>

/* X(element type, NumPy's type string) */
#define NPY_TYPE_LIST(X)                                                                                               \
    X(BOOL, "|b1")                                                                                                     \
    X(I8, "|i1")                                                                                                       \
    X(U8, "|u1")                                                                                                       \
    X(I16, "<i2")                                                                                                      \
    X(U16, "<u2")                                                                                                      \
    X(I32, "<i4")                                                                                                      \
    X(U32, "<u4")                                                                                                      \
    X(I64, "<i8")                                                                                                      \
    X(U64, "<u8")                                                                                                      \
    X(F16, "<f2")                                                                                                      \
    X(F32, "<f4")                                                                                                      \
    X(F64, "<f8")                                                                                                      \
    X(C64, "<c8")                                                                                                      \
    X(C128, "<c16")                                                                                                    \
    X(BF16, "|V2")

static const struct npy_type {
    setsuna_dtype dtype;
    const char *text;
} npy_types[] = {
#define NPY_TYPE_ROW(name, text) {SETSUNA_##name, text},
    NPY_TYPE_LIST(NPY_TYPE_ROW)
#undef NPY_TYPE_ROW
};

static const uint8_t npy_magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

/* ---- header --------------------------------------------------------------------------------------------------- */

/* The header is a Python dictionary of three fixed keys: read as exactly that, not as Python. pos <= size. */
typedef struct npy_cursor {
    const char *text;
    size_t size, pos;
} npy_cursor;

static void npy_skip_space(npy_cursor *c)
{
    while (c->pos < c->size && (c->text[c->pos] == ' ' || c->text[c->pos] == '\n'))
        c->pos++;
}

/* Skips spaces, then the byte `want` if it is next. */
static bool npy_accept(npy_cursor *c, char want)
{
    npy_skip_space(c);
    if (c->pos == c->size || c->text[c->pos] != want)
        return false;
    c->pos++;
    return true;
}

/* A string in single or double quotes, without escapes, into buf. */
static bool npy_take_string(npy_cursor *c, char *buf, size_t cap)
{
    npy_skip_space(c);
    if (c->pos == c->size || (c->text[c->pos] != '\'' && c->text[c->pos] != '"'))
        return false;
    char quote = c->text[c->pos++];
    for (size_t n = 0; c->pos < c->size && n < cap; n++) {
        char ch = c->text[c->pos++];
        if (ch == quote) {
            buf[n] = '\0';
            return true;
        }
        if (ch < 0x20 || ch == '\\' || ch == 0x7f)
            return false;
        buf[n] = ch;
    }
    return false;
}

static bool npy_take_bool(npy_cursor *c, bool *out)
{
    npy_skip_space(c);
    size_t left = c->size - c->pos;
    bool yes = left >= 4 && memcmp(c->text + c->pos, "True", 4) == 0;
    if (!yes && !(left >= 5 && memcmp(c->text + c->pos, "False", 5) == 0))
        return false;
    c->pos += yes ? 4 : 5;
    *out = yes;
    return true;
}

static bool npy_take_int(npy_cursor *c, int64_t *out)
{
    npy_skip_space(c);
    size_t begin = c->pos;
    int64_t v = 0;
    for (; c->pos < c->size && c->text[c->pos] >= '0' && c->text[c->pos] <= '9'; c->pos++)
        if (!sn_mul_i64(v, 10, &v) || !sn_add_i64(v, c->text[c->pos] - '0', &v))
            return false;
    bool leading_zero = c->pos - begin > 1 && c->text[begin] == '0';
    if (c->pos == begin || leading_zero)
        return false;
    if (c->pos < c->size && c->text[c->pos] == 'L') /* as Python 2 wrote it */
        c->pos++;
    *out = v;
    return true;
}

typedef struct npy_header {
    char descr[16];
    bool fortran;
    setsuna_shape shape;
} npy_header;

/* "()", "(3,)", "(3, 4)", "(3, 4,)" */
static setsuna_status npy_take_shape(npy_cursor *c, setsuna_shape *out, setsuna_error *err)
{
    setsuna_shape s = {0};
    bool comma = true;
    if (!npy_accept(c, '('))
        return sn_fail(err, SETSUNA_EINPUT, NULL, "damaged .npy header: 'shape' is not a tuple");
    while (!npy_accept(c, ')')) {
        int64_t dim;
        if (!comma || !npy_take_int(c, &dim))
            return sn_fail(err, SETSUNA_EINPUT, NULL, "damaged .npy header: 'shape' is not a tuple of sizes");
        if (s.rank == SETSUNA_RANK_MAX)
            return sn_fail(err, SETSUNA_ELIMIT, NULL, "the array has more than %d dimensions", SETSUNA_RANK_MAX);
        s.dim[s.rank++] = dim;
        comma = npy_accept(c, ',');
    }
    if (s.rank == 1 && !comma)
        return sn_fail(err, SETSUNA_EINPUT, NULL, "damaged .npy header: 'shape' is not a tuple");
    *out = s;
    return SETSUNA_OK;
}

static setsuna_status npy_take_field(npy_cursor *c, npy_header *h, unsigned *seen, setsuna_error *err)
{
    char key[16];
    if (!npy_take_string(c, key, sizeof key) || !npy_accept(c, ':'))
        return sn_fail(err, SETSUNA_EINPUT, NULL, "damaged .npy header: expected a key at byte %zu of it", c->pos);
    unsigned bit = strcmp(key, "descr") == 0           ? 1u
                   : strcmp(key, "fortran_order") == 0 ? 2u
                   : strcmp(key, "shape") == 0         ? 4u
                                                       : 0u;
    if (bit == 0 || (*seen & bit))
        return sn_fail(err, SETSUNA_EINPUT, NULL, "damaged .npy header: unknown or repeated key '%s'", key);
    *seen |= bit;
    if (bit == 4u)
        return npy_take_shape(c, &h->shape, err);
    if (bit == 2u && !npy_take_bool(c, &h->fortran))
        return sn_fail(err, SETSUNA_EINPUT, NULL, "damaged .npy header: 'fortran_order' is neither True nor False");
    if (bit == 1u && !npy_take_string(c, h->descr, sizeof h->descr))
        return sn_fail(err, SETSUNA_EUNSUPPORTED, NULL,
                       "the array has a structured type; save each field as an array of its own");
    return SETSUNA_OK;
}

static setsuna_status npy_parse_header(const char *text, size_t size, npy_header *h, setsuna_error *err)
{
    npy_cursor c = {text, size, 0};
    unsigned seen = 0;
    if (!npy_accept(&c, '{'))
        return sn_fail(err, SETSUNA_EINPUT, NULL, "damaged .npy header: no dictionary");
    bool comma = true;
    while (!npy_accept(&c, '}')) {
        if (!comma)
            return sn_fail(err, SETSUNA_EINPUT, NULL, "damaged .npy header: no comma at byte %zu of it", c.pos);
        SN_TRY(npy_take_field(&c, h, &seen, err));
        comma = npy_accept(&c, ',');
    }
    npy_skip_space(&c);
    if (c.pos != c.size || seen != 7u)
        return sn_fail(err, SETSUNA_EINPUT, NULL,
                       "damaged .npy header: it must have 'descr', 'fortran_order' and 'shape', and nothing else");
    return SETSUNA_OK;
}

static setsuna_status npy_find_type(const char *descr, setsuna_dtype *out, setsuna_error *err)
{
    for (size_t i = 0; i < sizeof npy_types / sizeof *npy_types; i++) {
        const char *text = npy_types[i].text;
        bool any_order = text[0] == '|' && strcmp(text + 1, descr + 1) == 0 &&
                         (descr[0] == '<' || descr[0] == '=' || descr[0] == '|');
        bool native = descr[0] == '=' && strcmp(text + 1, descr + 1) == 0;
        if (strcmp(text, descr) == 0 || any_order || native) {
            *out = npy_types[i].dtype;
            return SETSUNA_OK;
        }
    }
    if (descr[0] == '>')
        return sn_fail(err, SETSUNA_EUNSUPPORTED, NULL,
                       "elements '%s' are big-endian; save as x.astype(x.dtype.newbyteorder('<'))", descr);
    return sn_fail(err, SETSUNA_EUNSUPPORTED, NULL, "element type '%s'; use bool, int, uint, float or complex", descr);
}

/* ---- data ------------------------------------------------------------------------------------------------------ */

/* Column-major to row-major. Walks the destination in order; index[] counts its position in each dimension. */
static void npy_reorder(const uint8_t *src, uint8_t *dst, const setsuna_shape *s, size_t elem, int64_t n)
{
    int64_t stride[SETSUNA_RANK_MAX] = {0}, index[SETSUNA_RANK_MAX] = {0}, step = 1, at = 0;
    for (int32_t i = 0; i < s->rank; i++) {
        stride[i] = step;
        step *= s->dim[i];
    }
    for (int64_t k = 0; k < n; k++) {
        memcpy(dst + (size_t)k * elem, src + (size_t)at * elem, elem);
        for (int32_t i = s->rank - 1; i >= 0; i--) {
            at += stride[i];
            if (++index[i] < s->dim[i])
                break;
            at -= stride[i] * s->dim[i];
            index[i] = 0;
        }
    }
}

/* The place and size of the header's text. */
static setsuna_status npy_split(const uint8_t *p, size_t size, size_t *begin_out, size_t *len_out, setsuna_error *err)
{
    if (size < 10 || memcmp(p, npy_magic, sizeof npy_magic) != 0)
        return sn_fail(err, SETSUNA_EINPUT, NULL, "not an .npy file; write it with numpy.save");
    size_t begin = 10, len = (size_t)p[8] | (size_t)p[9] << 8;
    if (p[6] == 2 || p[6] == 3) {
        begin = 12;
        if (size < begin)
            return sn_fail(err, SETSUNA_EINPUT, NULL, "damaged .npy: the file ends in its header");
        len |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
    } else if (p[6] != 1) {
        return sn_fail(err, SETSUNA_EUNSUPPORTED, NULL, ".npy version %d.%d; versions 1 to 3 can be read", p[6], p[7]);
    }
    if (len > SN_NPY_HEADER_MAX)
        return sn_fail(err, SETSUNA_ELIMIT, NULL, "an .npy header of %zu bytes; %d are allowed", len,
                       SN_NPY_HEADER_MAX);
    if (len > size - begin)
        return sn_fail(err, SETSUNA_EINPUT, NULL, "damaged .npy: the file ends in its header");
    *begin_out = begin;
    *len_out = len;
    return SETSUNA_OK;
}

setsuna_status sn_npy_parse(const sn_allocator *a, const void *data, size_t size, setsuna_tensor *out,
                            setsuna_error *err)
{
    const uint8_t *p = data;
    size_t begin = 0, len = 0, bytes = 0;
    npy_header h = {0};
    SN_TRY(npy_split(p, size, &begin, &len, err));
    SN_TRY(npy_parse_header((const char *)p + begin, len, &h, err));
    setsuna_tensor t = {.shape = h.shape};
    SN_TRY(npy_find_type(h.descr, &t.dtype, err));
    if (!sn_tensor_bytes(t.dtype, &t.shape, &bytes))
        return sn_fail(err, SETSUNA_EINPUT, NULL, "damaged .npy: the product of its sizes overflows");
    const uint8_t *body = p + begin + len;
    size_t have = size - begin - len;
    if (bytes != have)
        return sn_fail(err, SETSUNA_EINPUT, NULL, "damaged .npy: %zu bytes of data, but type and shape need %zu", have,
                       bytes);
    t.size_bytes = bytes;
    if (bytes) {
        t.data = sn_alloc(a, bytes);
        if (!t.data)
            return sn_fail(err, SETSUNA_ENOMEM, NULL, "no memory for an array of %zu bytes", bytes);
        size_t elem = setsuna_dtype_size(t.dtype);
        if (h.fortran && t.shape.rank > 1)
            npy_reorder(body, t.data, &t.shape, elem, (int64_t)(bytes / elem));
        else
            memcpy(t.data, body, bytes);
        if (t.dtype == SETSUNA_BOOL) /* any other byte than 0 and 1 would be a value that no kernel expects */
            for (size_t i = 0; i < bytes; i++)
                ((uint8_t *)t.data)[i] = ((const uint8_t *)t.data)[i] != 0;
    }
    *out = t;
    return SETSUNA_OK;
}

setsuna_status sn_npy_read(const sn_allocator *a, const char *path, size_t limit_bytes, setsuna_tensor *out,
                           setsuna_error *err)
{
    sn_bytes bytes;
    SN_TRY(sn_file_read(path, limit_bytes, &bytes, err));
    setsuna_status status = sn_npy_parse(a, bytes.data, bytes.size, out, err);
    sn_bytes_fini(&bytes);
    return status == SETSUNA_OK ? SETSUNA_OK : sn_fail_at(err, status, "%s", path);
}

setsuna_status sn_npy_encode(const sn_allocator *a, const setsuna_tensor *t, uint8_t **data_out, size_t *size_out,
                             setsuna_error *err)
{
    const char *descr = NULL;
    for (size_t i = 0; i < sizeof npy_types / sizeof *npy_types; i++)
        if (npy_types[i].dtype == t->dtype)
            descr = npy_types[i].text;
    if (!descr)
        return sn_fail(err, SETSUNA_EUNSUPPORTED, NULL, "elements of type %s cannot be written as .npy",
                       setsuna_dtype_name(t->dtype));
    char dims[SETSUNA_RANK_MAX * 22 + 1] = "";
    size_t n = 0;
    for (int32_t i = 0; i < t->shape.rank; i++)
        n += (size_t)snprintf(dims + n, sizeof dims - n, "%lld%s", (long long)t->shape.dim[i],
                              i + 1 < t->shape.rank ? ", "
                              : t->shape.rank == 1  ? ","
                                                    : "");
    char header[320];
    int len = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, dims);
    /* NumPy pads with spaces and a line feed so that the data is aligned. */
    size_t whole = ((size_t)len + 11 + SN_ALIGN - 1) / SN_ALIGN * SN_ALIGN, text = whole - 10, size;
    if (!sn_add_size(whole, t->size_bytes, &size))
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "no memory for %zu bytes", t->size_bytes);
    uint8_t *p = sn_alloc(a, size);
    if (!p)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "no memory for %zu bytes", size);
    memset(p, ' ', whole);
    memcpy(p, npy_magic, sizeof npy_magic);
    p[6] = 1;
    p[7] = 0;
    p[8] = (uint8_t)(text & 0xff);
    p[9] = (uint8_t)(text >> 8);
    memcpy(p + 10, header, (size_t)len);
    p[whole - 1] = '\n';
    if (t->size_bytes)
        memcpy(p + whole, t->data, t->size_bytes);
    *data_out = p;
    *size_out = size;
    return SETSUNA_OK;
}

setsuna_status sn_npy_write(const char *path, const setsuna_tensor *t, setsuna_error *err)
{
    uint8_t *data;
    size_t size;
    SN_TRY(sn_npy_encode(sn_allocator_default(), t, &data, &size, err));
    setsuna_status status = sn_file_write(path, data, size, err);
    sn_free(sn_allocator_default(), data);
    return status;
}
