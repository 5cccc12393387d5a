#include "pipeline/ctc.h"
#include <math.h>
#include <string.h>

setsuna_status sn_ctc_classes(sn_arena *arena, const sn_labels *characters, bool with_space, sn_labels *out)
{
    size_t n = (size_t)characters->n + 1 + (with_space ? 1 : 0);
    const char **item = sn_arena_array(arena, n, sizeof *item);
    if (!item)
        return SETSUNA_ENOMEM;
    item[0] = "";
    memcpy(item + 1, characters->item, characters->n * sizeof *item);
    if (with_space)
        item[n - 1] = " ";
    *out = (sn_labels){item, (uint32_t)n};
    return SETSUNA_OK;
}

void sn_ctc_text_fini(const sn_allocator *a, sn_ctc_text *text)
{
    sn_free(a, text->bytes);
    sn_free(a, text->step);
    *text = (sn_ctc_text){0};
}

/* Index of the first largest value, 0 where all are NaN or minus infinity. A row has thousands of classes: the maximum
 * is taken in independent lanes, which compilers turn into vectors without -ffast-math, and found again afterwards. */
static uint32_t ctc_argmax(const float *row, uint32_t n)
{
    enum { LANES = 16 };
    float lane[LANES];
    for (int i = 0; i < LANES; i++)
        lane[i] = -INFINITY;
    uint32_t k = 0;
    for (; k + LANES <= n; k += LANES)
        for (int i = 0; i < LANES; i++)
            lane[i] = row[k + (uint32_t)i] > lane[i] ? row[k + (uint32_t)i] : lane[i];
    float top = -INFINITY;
    for (; k < n; k++)
        top = row[k] > top ? row[k] : top;
    for (int i = 0; i < LANES; i++)
        top = lane[i] > top ? lane[i] : top;
    for (k = 0; k < n; k++)
        if (row[k] == top)
            return k;
    return 0;
}

/* softmax(row)[i] */
static float ctc_softmax_at(const float *row, uint32_t n, uint32_t i)
{
    double sum = 0.0;
    for (uint32_t k = 0; k < n; k++)
        if (row[k] == row[k])
            sum += exp((double)row[k] - (double)row[i]);
    return sum >= 1.0 ? (float)(1.0 / sum) : 1.0f; /* NaN: an infinite logit, which is certain */
}

static bool ctc_append(const sn_allocator *a, sn_ctc_text *text, const char *character, int32_t step)
{
    size_t len = strlen(character);
    if (!sn_grow(a, &text->bytes, &text->bytes_capacity, text->n_bytes + len + 1, 1) ||
        !sn_grow(a, &text->step, &text->step_capacity, text->n_chars + 1, sizeof *text->step))
        return false;
    memcpy(text->bytes + text->n_bytes, character, len + 1);
    text->n_bytes += len;
    text->step[text->n_chars++] = step;
    return true;
}

/* Whether the row's space reaches the threshold. */
static bool ctc_shows_space(const float *row, uint32_t n, uint32_t best, const sn_ctc_options *o)
{
    float space = row[n - 1];
    if (!o->logits)
        return space >= o->space_threshold;
    /* exp(space - best) bounds the probability from above, and spares most rows the sum. */
    return expf(space - row[best]) >= o->space_threshold && ctc_softmax_at(row, n, n - 1) >= o->space_threshold;
}

setsuna_status sn_ctc_greedy(const sn_allocator *a, const float *value, int32_t steps, const sn_labels *classes,
                             const sn_ctc_options *options, sn_ctc_text *text)
{
    if (steps < 0 || classes->n == 0)
        return SETSUNA_EINVAL;
    if (!sn_grow(a, &text->bytes, &text->bytes_capacity, 1, 1))
        return SETSUNA_ENOMEM;
    text->bytes[0] = '\0';
    text->n_bytes = text->n_chars = 0;
    text->score = 0.0f;
    uint32_t before = 0, kept = 0, kept_class = 0; /* best class one step ago; number and class of the kept ones */
    int32_t space_at = -1;                         /* step since the last kept one that shows a space */
    double sum = 0.0;
    for (int32_t t = 0; t < steps; t++) {
        const float *row = value + (size_t)t * classes->n;
        uint32_t best = ctc_argmax(row, classes->n), space = classes->n - 1;
        if (options->space_threshold > 0.0f && space_at < 0 && ctc_shows_space(row, classes->n, best, options))
            space_at = t;
        if (best != 0 && best != before) {
            bool gap = space_at >= 0 && kept > 0 && best != space && kept_class != space;
            if ((gap && !ctc_append(a, text, classes->item[space], space_at)) ||
                !ctc_append(a, text, classes->item[best], t))
                return SETSUNA_ENOMEM;
            sum += (double)(options->logits ? ctc_softmax_at(row, classes->n, best) : row[best]);
            kept++;
            kept_class = best;
            space_at = -1;
        }
        before = best;
    }
    if (kept)
        text->score = (float)(sum / kept);
    return SETSUNA_OK;
}
