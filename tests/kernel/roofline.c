/* The kernels that the machine is measured with do the work that they are counted for: bits as the reference's, every
 * float read once and none beyond. */
#include "kernels/roofline.h"
#include "parity.h"

static void roofline_multiply_add(parity *t, const sn_roofline_table *ref, const sn_roofline_table *table)
{
    for (int64_t rounds = 0; rounds <= 40; rounds += rounds < 4 ? 1 : 12) {
        parity_floats want = parity_floats_noise(t, SN_ROOFLINE_CHAINS),
                      got = parity_floats_make(SN_ROOFLINE_CHAINS, parity_coin(t));
        memcpy(got.data, want.data, SN_ROOFLINE_CHAINS * sizeof *got.data);
        ref->multiply_add(rounds, want.data);
        table->multiply_add(rounds, got.data);
        parity_require(t, memcmp(want.data, got.data, SN_ROOFLINE_CHAINS * sizeof *got.data) == 0, table->level,
                       "multiply_add", "not the reference's bits");
        parity_require(t, parity_floats_done(&want) && parity_floats_done(&got), table->level, "multiply_add",
                       "wrote out of bounds");
    }
}

/* Small whole numbers, whose sums are exact in any order. */
static void roofline_read(parity *t, const sn_roofline_table *table)
{
    for (int64_t n = 0; n <= 8 * SN_ROOFLINE_READ; n += SN_ROOFLINE_READ) {
        parity_floats x = parity_floats_make(n, parity_coin(t)),
                      y = parity_floats_make(SN_ROOFLINE_READ, parity_coin(t));
        float want[SN_ROOFLINE_READ] = {0};
        for (int64_t i = 0; i < n; i++) {
            x.data[i] = (float)parity_between(t, -1000, 1000);
            want[i % SN_ROOFLINE_READ] += x.data[i];
        }
        table->read(x.data, n, y.data);
        bool same = true;
        for (int i = 0; i < SN_ROOFLINE_READ; i++)
            same &= y.data[i] == want[i];
        parity_require(t, same, table->level, "read", "not the sums of what is there");
        parity_require(t, parity_floats_done(&x) && parity_floats_done(&y), table->level, "read",
                       "wrote out of bounds");
    }
}

int main(int argc, char **argv)
{
    parity t = parity_begin("kernel_roofline", 20, argc, argv);
    parity_cap_f32(&t);
    sn_roofline_table ref, table;
    sn_roofline_table_init(&ref, SN_CPU_REF);
    for (int64_t i = 0; i < t.repeat; i++)
        for (int level = (int)t.lowest; level <= (int)t.highest; level++) {
            sn_roofline_table_init(&table, (sn_cpu_level)level);
            roofline_multiply_add(&t, &ref, &table);
            roofline_read(&t, &table);
        }
    return parity_end(&t);
}
