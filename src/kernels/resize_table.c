#include "kernels/resize.h"

void sn_resize_table_init(sn_resize_table *t, sn_cpu_level level)
{
    *t = (sn_resize_table){sn_resize_f32_plane_ref, sn_resize_b32_pick_ref, "ref"};
#if defined(__x86_64__)
    if (level >= SN_CPU_AVX2)
        *t = (sn_resize_table){sn_resize_f32_plane_avx2, sn_resize_b32_pick_avx2, "avx2"};
    if (level >= SN_CPU_AVX512)
        *t = (sn_resize_table){sn_resize_f32_plane_avx512, sn_resize_b32_pick_avx512, "avx512"};
#elif defined(__aarch64__)
    if (level >= SN_CPU_NEON)
        *t = (sn_resize_table){sn_resize_f32_plane_neon, sn_resize_b32_pick_neon, "neon"};
#else
    (void)level;
#endif
}
