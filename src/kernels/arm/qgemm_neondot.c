#define QGEMM_DOT(acc, b, a, lane) vdotq_laneq_s32(acc, b, a, lane)
#define QGEMM_NAME sn_qgemm_8x8_neondot
#include "kernels/arm/qgemm_neon.inc"
