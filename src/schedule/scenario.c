#include "schedule/scenario.h"
#include <stddef.h>

const sn_scenario_rules *sn_scenario_get(sn_scenario scenario)
{
    static const sn_scenario_rules rules[] = {
        [SN_SCENARIO_SINGLE_STREAM] = {"SingleStream", 0.90, UINT64_C(600000000000), 64, 1},
        [SN_SCENARIO_MULTI_STREAM] = {"MultiStream", 0.99, UINT64_C(600000000000), 662, 8},
        [SN_SCENARIO_SERVER] = {"Server", 0.99, UINT64_C(600000000000), 662, 1},
        [SN_SCENARIO_OFFLINE] = {"Offline", 0, UINT64_C(600000000000), 1, 24576},
    };
    return scenario == SN_SCENARIO_NONE ? NULL : &rules[scenario];
}
