/* Pipeline files: the YAML subset, then every step's fields, as far as no model is opened (its folder does not exist).
 */
#include "pipeline/pipeline.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

enum { FUZZ_MEMORY_BYTES = 8 << 20 };

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    sn_pipeline_options options = {.model = {.cpu_level = -1, .memory_limit_bytes = FUZZ_MEMORY_BYTES}};
    sn_pipeline *pipeline = NULL;
    setsuna_error err = {0};
    setsuna_status status = sn_pipeline_parse("no-such-folder/fuzz.yaml", data, size, &options, &pipeline, &err);
    if (status != SETSUNA_OK && (err.status != status || !err.text[0] || pipeline))
        __builtin_trap(); /* refused without words, or not refused whole */
    sn_pipeline_close(pipeline);
    return 0;
}
