/* Pipeline files: parsed, built and, where no model is needed, run on a small picture, sound and tensor. */
#include "pipeline/pipeline.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* An input of every kind; what does not fit fails, which is as good. */
static void give_inputs(sn_pipeline *p)
{
    static const uint8_t picture[] = {
        /* a gray PNG of 6 x 4 */
        0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52,
        0x00, 0x00, 0x00, 0x06, 0x00, 0x00, 0x00, 0x04, 0x08, 0x00, 0x00, 0x00, 0x00, 0x88, 0x6f, 0x11,
        0x9f, 0x00, 0x00, 0x00, 0x24, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0x60, 0x60, 0xe3, 0x11,
        0x92, 0x90, 0x63, 0xd0, 0xd0, 0x33, 0xb1, 0x72, 0x70, 0x63, 0x08, 0x08, 0x8b, 0x49, 0xca, 0xc8,
        0x63, 0xa8, 0xa8, 0x6b, 0xe9, 0x9a, 0x30, 0x0d, 0x00, 0x40, 0x18, 0x07, 0x09, 0xfc, 0xf7, 0xa5,
        0x9f, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
    static float values[24];
    const setsuna_tensor t = {SETSUNA_F32, {3, {2, 3, 4}}, values, sizeof values};
    for (uint32_t i = 0; sn_pipeline_input(p, i); i++) {
        if (sn_pipeline_input(p, i)->kind == SN_PIPE_BYTES)
            (void)sn_pipeline_set_bytes(p, i, picture, sizeof picture, NULL);
        else
            (void)sn_pipeline_set_tensor(p, i, &t, NULL);
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    enum { PASSES_MAX = 50 };
    sn_pipeline *p;
    setsuna_error err;
    const sn_pipeline_options o = {.pixels_max = 1 << 16};
    if (sn_pipeline_parse("/no/such/folder/fuzz.yaml", data, size, &o, &p, &err) != SETSUNA_OK)
        return 0;
    give_inputs(p);
    bool more = sn_pipeline_start(p, &err) == SETSUNA_OK;
    for (int i = 0; more && i < PASSES_MAX; i++)
        if (sn_pipeline_next(p, NULL, &more, &err) != SETSUNA_OK)
            break;
    sn_pipeline_close(p);
    return 0;
}
