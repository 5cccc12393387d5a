#include "passes/pass.h"
#include <stddef.h>

#define PASS(symbol) extern const sn_pass sn_pass_##symbol;
#include "passes/passes.inc"
#undef PASS

static const sn_pass *const all_passes[] = {
#define PASS(symbol) &sn_pass_##symbol,
#include "passes/passes.inc"
#undef PASS
    NULL,
};

const sn_pass *const *sn_passes(void)
{
    return all_passes;
}
