/* Operators over words: StringNormalizer, and TfIdfVectorizer over integer tokens. */
#include "ops/op.h"
#include <string.h>

/* ---- StringNormalizer-10 ----------------------------------------------------------------------------- */

typedef enum text_case { TEXT_NONE, TEXT_LOWER, TEXT_UPPER } text_case;

typedef struct text_param {
    text_case change;
    bool case_sensitive;
    const sn_text *stop;
    size_t n_stop;
    setsuna_shape shape; /* of the input */
} text_param;

/* One code point of valid UTF-8; a stray byte is taken as it is. */
static uint32_t text_decode(const unsigned char *p, size_t left, size_t *len)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 1;
    *len = n <= left ? n : 1;
    if (*len == 1)
        return p[0];
    uint32_t c = p[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++)
        c = c << 6 | (p[i] & 0x3fu);
    return c;
}

/* Simple case mapping where upper and lower case lie a fixed distance apart and take the same number of bytes: ASCII,
 * Latin-1, Greek and Cyrillic. Everything else stays. Source: Unicode 15 UnicodeData.txt. */
static uint32_t text_map(uint32_t c, bool upper)
{
    static const struct {
        uint32_t upper_first, upper_last, distance;
    } ranges[] = {{'A', 'Z', 32},     {0xC0, 0xD6, 32},   {0xD8, 0xDE, 32},  {0x391, 0x3A1, 32},
                  {0x3A3, 0x3AB, 32}, {0x410, 0x42F, 32}, {0x400, 0x40F, 80}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        uint32_t first = ranges[i].upper_first + (upper ? ranges[i].distance : 0);
        uint32_t last = ranges[i].upper_last + (upper ? ranges[i].distance : 0);
        if (c >= first && c <= last)
            return upper ? c - ranges[i].distance : c + ranges[i].distance;
    }
    return c;
}

/* Maps src into dst (as many bytes). */
static void text_change(const sn_text *src, char *dst, bool upper)
{
    for (size_t i = 0, n; i < src->len; i += n) {
        uint32_t from = text_decode((const unsigned char *)src->data + i, src->len - i, &n), to = text_map(from, upper);
        if (to == from) {
            memcpy(dst + i, src->data + i, n);
            continue;
        }
        unsigned char out[2] = {(unsigned char)to, 0};
        if (n == 2) {
            out[0] = (unsigned char)(0xC0u | to >> 6);
            out[1] = (unsigned char)(0x80u | (to & 0x3fu));
        }
        memcpy(dst + i, out, n); /* the ranges above keep one byte one byte, and two bytes two */
    }
}

static bool text_equal(const sn_text *a, const sn_text *b, bool case_sensitive)
{
    if (a->len != b->len)
        return false;
    if (case_sensitive)
        return memcmp(a->data, b->data, a->len) == 0;
    for (size_t i = 0, n, m; i < a->len; i += n) {
        uint32_t x = text_decode((const unsigned char *)a->data + i, a->len - i, &n);
        uint32_t y = text_decode((const unsigned char *)b->data + i, b->len - i, &m);
        if (n != m || text_map(x, false) != text_map(y, false))
            return false;
    }
    return true;
}

static bool text_is_stop(const text_param *p, const sn_text *t)
{
    for (size_t i = 0; i < p->n_stop; i++)
        if (text_equal(t, &p->stop[i], p->case_sensitive))
            return true;
    return false;
}

/* The output has room for its elements and, behind them, for the characters whose case changed: it is first made as
 * large as both, then given its true shape, which keeps the memory. */
static setsuna_status text_normalize_run(const sn_step *s, sn_run *r)
{
    const text_param *p = s->param;
    const sn_text *in = sn_in(s, r, 0);
    int64_t n, kept = 0;
    if (!sn_shape_numel(&p->shape, &n))
        return sn_run_fail(s, r, SETSUNA_ESHAPE, "too many strings");
    size_t bytes = 0;
    for (int64_t i = 0; i < n; i++)
        if (!text_is_stop(p, &in[i])) {
            kept++;
            bytes += in[i].len;
        }
    setsuna_shape shape = p->shape, room = {.rank = 1};
    shape.dim[shape.rank - 1] = kept ? kept : 1;
    room.dim[0] = (kept ? kept : 1) + (int64_t)(bytes / sizeof(sn_text)) + 1;
    void *data;
    SN_TRY(sn_run_output(s, r, 0, SETSUNA_STRING, &room, &data));
    SN_TRY(sn_run_output(s, r, 0, SETSUNA_STRING, &shape, &data));
    sn_text *out = data;
    if (!out)
        return SETSUNA_OK;
    char *characters = (char *)(out + (kept ? kept : 1));
    out[0] = (sn_text){"", 0};
    for (int64_t i = 0, k = 0; i < n; i++) {
        if (text_is_stop(p, &in[i]))
            continue;
        out[k] = in[i];
        if (p->change != TEXT_NONE) {
            text_change(&in[i], characters, p->change == TEXT_UPPER);
            out[k].data = characters;
            characters += in[i].len;
        }
        k++;
    }
    return SETSUNA_OK;
}

static setsuna_status text_normalize_infer(sn_op_ctx *c)
{
    const setsuna_shape *x = &c->in[0].shape;
    SN_TRY(sn_op_want(c, 0, "string"));
    if (x->rank < 1 || x->rank > 2 || (x->rank == 2 && x->dim[0] != 1))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input must be [C] or [1, C]");
    c->out[0].dtype = SETSUNA_STRING;
    return (setsuna_status)SN_INFER_DYNAMIC;
}

static setsuna_status text_normalize_bind(sn_op_ctx *c, sn_step *s)
{
    const char *change = sn_node_string(c->node, "case_change_action", "NONE");
    const sn_attr *stop = sn_node_attr(c->node, "stopwords");
    text_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    if (strcmp(change, "NONE") != 0 && strcmp(change, "LOWER") != 0 && strcmp(change, "UPPER") != 0)
        return sn_op_fail(c, SETSUNA_EMODEL, "case_change_action is '%.20s', not NONE, LOWER or UPPER", change);
    p->change = change[0] == 'L' ? TEXT_LOWER : change[0] == 'U' ? TEXT_UPPER : TEXT_NONE;
    p->case_sensitive = sn_node_int(c->node, "is_case_sensitive", 0) != 0;
    p->stop = stop ? stop->strings : NULL;
    p->n_stop = stop ? stop->n : 0;
    p->shape = c->in[0].shape;
    s->param = p;
    s->run = text_normalize_run;
    s->kernel = "string_normalizer";
    return SETSUNA_OK;
}

/* ---- TfIdfVectorizer-9 -------------------------------------------------------------------------------- */

typedef enum tfidf_mode { TFIDF_TF, TFIDF_IDF, TFIDF_TFIDF } tfidf_mode;

typedef struct tfidf_param {
    tfidf_mode mode;
    int64_t min_n, max_n, max_skip;
    const int64_t *pool, *count, *index;
    const float *weight; /* NULL: all ones */
    size_t n_pool, n_count, n_index;
    int64_t rows, columns, width;
    bool wide; /* tokens are i64, else i32 */
} tfidf_param;

static int64_t tfidf_token(const tfidf_param *p, const void *x, int64_t i)
{
    return p->wide ? ((const int64_t *)x)[i] : ((const int32_t *)x)[i];
}

/* Counts every occurrence of n-gram `gram` (n tokens) in a row, at one distance between its tokens. */
static int64_t tfidf_occurrences(const tfidf_param *p, const void *x, int64_t row, const int64_t *gram, int64_t n,
                                 int64_t step)
{
    int64_t found = 0;
    for (int64_t at = 0; at + (n - 1) * step < p->columns; at++) {
        int64_t k = 0;
        while (k < n && tfidf_token(p, x, row * p->columns + at + k * step) == gram[k])
            k++;
        found += k == n;
    }
    return found;
}

static setsuna_status tfidf_run(const sn_step *s, sn_run *r)
{
    const tfidf_param *p = s->param;
    const void *x = sn_in(s, r, 0);
    float *y = sn_out(s, r, 0);
    if (!y)
        return SETSUNA_OK;
    for (int64_t row = 0; row < p->rows; row++) {
        float *out = y + row * p->width;
        memset(out, 0, (size_t)p->width * sizeof *out);
        for (int64_t n = 1, gram = 0; n <= (int64_t)p->n_count; n++) {
            int64_t begin = p->count[n - 1], end = n < (int64_t)p->n_count ? p->count[n] : (int64_t)p->n_pool;
            for (int64_t at = begin; at + n <= end; at += n, gram++) {
                if (n < p->min_n || n > p->max_n)
                    continue;
                int64_t found = 0;
                /* A single token has no distance: it is counted once, whatever the skips. */
                for (int64_t skip = 0; skip <= (n == 1 ? 0 : p->max_skip); skip++)
                    found += tfidf_occurrences(p, x, row, p->pool + at, n, skip + 1);
                float w = p->weight ? p->weight[gram] : 1;
                float v = p->mode == TFIDF_TF    ? (float)found
                          : p->mode == TFIDF_IDF ? (found ? w : 0)
                                                 : (float)found * w;
                out[p->index[gram]] += v;
            }
        }
    }
    return SETSUNA_OK;
}

/* The n-grams of the pool in whole, and the width of the output. */
static setsuna_status tfidf_read(sn_op_ctx *c, tfidf_param *p)
{
    const sn_node *n = c->node;
    const char *mode = sn_node_string(n, "mode", "");
    p->n_pool = sn_node_ints(n, "pool_int64s", &p->pool);
    p->n_count = sn_node_ints(n, "ngram_counts", &p->count);
    p->n_index = sn_node_ints(n, "ngram_indexes", &p->index);
    size_t n_weight = sn_node_floats(n, "weights", &p->weight), grams = 0;
    if (n_weight == 0)
        p->weight = NULL;
    p->min_n = sn_node_int(n, "min_gram_length", 1);
    p->max_n = sn_node_int(n, "max_gram_length", 1);
    p->max_skip = sn_node_int(n, "max_skip_count", 0);
    p->mode = strcmp(mode, "TFIDF") == 0 ? TFIDF_TFIDF : strcmp(mode, "IDF") == 0 ? TFIDF_IDF : TFIDF_TF;
    if (p->mode == TFIDF_TF && strcmp(mode, "TF") != 0)
        return sn_op_fail(c, SETSUNA_EMODEL, "mode is '%.20s', not TF, IDF or TFIDF", mode);
    for (size_t k = 0; k < p->n_count; k++) {
        int64_t end = k + 1 < p->n_count ? p->count[k + 1] : (int64_t)p->n_pool;
        if (p->count[k] < 0 || end < p->count[k] || end > (int64_t)p->n_pool)
            return sn_op_fail(c, SETSUNA_EMODEL, "ngram_counts do not fit the pool");
        grams += (size_t)(end - p->count[k]) / (k + 1);
    }
    if (grams != p->n_index || (n_weight && n_weight != grams) || p->max_skip < 0)
        return sn_op_fail(c, SETSUNA_EMODEL, "%zu n-grams, but %zu indexes and %zu weights", grams, p->n_index,
                          n_weight);
    p->width = 0;
    for (size_t k = 0; k < p->n_index; k++) {
        if (p->index[k] < 0 || p->index[k] > INT32_MAX)
            return sn_op_fail(c, SETSUNA_EMODEL, "ngram_indexes: %lld", (long long)p->index[k]);
        p->width = p->index[k] >= p->width ? p->index[k] + 1 : p->width;
    }
    return SETSUNA_OK;
}

static setsuna_status tfidf_infer(sn_op_ctx *c)
{
    tfidf_param p = {0};
    const setsuna_shape *x = &c->in[0].shape;
    SN_TRY(sn_op_want(c, 0, "i32 i64"));
    SN_TRY(tfidf_read(c, &p));
    if (x->rank < 1 || x->rank > 2)
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input must be [C] or [N, C]");
    setsuna_shape y = *x;
    y.dim[y.rank - 1] = p.width;
    sn_op_out(c, 0, SETSUNA_F32, &y);
    return SETSUNA_OK;
}

static setsuna_status tfidf_bind(sn_op_ctx *c, sn_step *s)
{
    tfidf_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(tfidf_read(c, p));
    const setsuna_shape *x = &c->in[0].shape;
    p->rows = x->rank == 2 ? x->dim[0] : 1;
    p->columns = x->dim[x->rank - 1];
    p->wide = c->in[0].dtype == SETSUNA_I64;
    s->param = p;
    s->run = tfidf_run;
    s->kernel = "tfidf";
    return SETSUNA_OK;
}

const sn_op sn_ops_text[] = {
    {"", "StringNormalizer", 10, 0, 1, 1, 1, 1, 0, "case_change_action:s is_case_sensitive:i locale:s stopwords:S",
     text_normalize_infer, text_normalize_bind},
    {"", "TfIdfVectorizer", 9, 0, 1, 1, 1, 1, 0,
     "max_gram_length:i max_skip_count:i min_gram_length:i mode:s ngram_counts:I ngram_indexes:I pool_int64s:I "
     "weights:F",
     tfidf_infer, tfidf_bind},
    {.name = NULL},
};
