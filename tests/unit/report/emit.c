/* Writes what the JSON writer makes of given cases, for Python to read back.
 *
 *     emit strings|doubles N     lines of "<input in hex> TAB <JSON>"
 *     emit documents N           pairs of lines, each a random document; the second was indented and its lines joined
 *     emit bench CASE            one `setsuna bench --json` object
 */
#include "report/bench_result.h"
#include "unit/stats/series.h"
#include <locale.h>
#include <stdio.h>
#include <string.h>

static void emit_hex(const void *data, size_t size)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < size; i++)
        printf("%02x", p[i]);
    putchar('\t');
}

/* Texts that break naive writers: cut sequences, surrogates, overlongs, controls, line separators. */
static size_t random_text(uint64_t *seed, char *out, size_t cap)
{
    static const char *const pieces[] = {"\"",           "\\",           "/",       "\n",       "\x1b",     "\x7f",
                                         "\xe5\x88\xb9", "\xe9\x82",     "\xc3",    "\xa9",     "\xed\xa0", "\xc0\x80",
                                         "\xf0\x9f\x98", "\xe2\x80\xa8", "</html>", "\xf4\x90", "\xff",     "plain"};
    size_t n = 0;
    for (int i = (int)(series_random(seed) % 12); i > 0 && n + 16 < cap; i--) {
        if (series_random(seed) % 3 == 0) {
            out[n++] = (char)(series_random(seed) & 0xff);
        } else {
            const char *piece = pieces[series_random(seed) % (sizeof pieces / sizeof *pieces)];
            memcpy(out + n, piece, strlen(piece));
            n += strlen(piece);
        }
    }
    return n;
}

static double random_double(uint64_t *seed)
{
    uint64_t bits = series_random(seed);
    switch (series_random(seed) % 5) {
    case 0: bits &= 0x800fffffffffffffu; break; /* subnormal */
    case 1: return (double)(bits >> 40) / 1000; /* short decimals */
    case 2: return (double)(int64_t)bits;
    case 3: return series_unit(seed);
    default: break;
    }
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void emit_strings(sn_sink *sink, int n)
{
    uint64_t seed = 1;
    for (int i = 0; i < n; i++) {
        char text[256];
        size_t size = random_text(&seed, text, sizeof text);
        sn_json w;
        emit_hex(text, size);
        sn_json_init(&w, sink, 0);
        sn_json_string_n(&w, text, size);
        sn_json_finish(&w);
    }
}

static void emit_doubles(sn_sink *sink, int n)
{
    uint64_t seed = 2;
    for (int i = 0; i < n; i++) {
        double value = random_double(&seed);
        sn_json w;
        emit_hex(&value, sizeof value);
        sn_json_init(&w, sink, 0);
        sn_json_f64(&w, value);
        sn_json_finish(&w);
    }
}

/* A random walk over the calls: `is_object` says of each open level what may come next. */
static void write_document(sn_json *w, uint64_t seed)
{
    bool is_object[SN_JSON_DEPTH_MAX];
    int depth = 0, key = 0;
    for (int steps = 0; steps < 200 || depth > 0; steps++) {
        bool wind_down = steps >= 150;
        if (depth > 0 && (wind_down || series_random(&seed) % 4 == 0)) {
            if (is_object[--depth])
                sn_json_end_object(w);
            else
                sn_json_end_array(w);
            if (depth == 0)
                return;
            continue;
        }
        if (depth > 0 && is_object[depth - 1]) {
            char name[32];
            snprintf(name, sizeof name, "k%d", key++);
            sn_json_key(w, name);
        }
        char text[256];
        switch (depth == 0 ? series_random(&seed) % 3 : depth == SN_JSON_DEPTH_MAX ? 3 : series_random(&seed) % 8) {
        case 0:
            sn_json_begin_object(w);
            is_object[depth++] = true;
            break;
        case 1:
            sn_json_begin_array(w);
            is_object[depth++] = false;
            break;
        case 2:
            sn_json_begin_array_inline(w);
            is_object[depth++] = false;
            break;
        case 3: sn_json_u64(w, series_random(&seed)); break;
        case 4: sn_json_i64(w, (int64_t)series_random(&seed)); break;
        case 5: sn_json_string_n(w, text, random_text(&seed, text, sizeof text)); break;
        case 6: sn_json_f64(w, random_double(&seed)); break;
        default: sn_json_bool(w, series_random(&seed) & 1); break;
        }
    }
}

static void emit_documents(sn_sink *out, int n)
{
    for (int i = 0; i < n; i++)
        for (uint32_t indent = 0; indent <= 3; indent += 3) {
            sn_sink text;
            sn_json w;
            sn_sink_init_buffer(&text, NULL);
            sn_json_init(&w, &text, indent);
            write_document(&w, (uint64_t)i);
            if (sn_json_finish(&w) != SETSUNA_OK)
                abort();
            for (size_t k = 0; k + 1 < text.size; k++)
                if (text.data[k] == '\n')
                    text.data[k] = ' ';
            sn_sink_write(out, text.data, text.size);
            sn_sink_fini(&text);
        }
}

static void fill_book(sn_book *b, int n, bool overdrawn)
{
    uint64_t seed = 9;
    for (int i = 0; i < n; i++) {
        uint64_t now = 0;
        sn_ledger l;
        sn_ledger_begin_at(&l, (uint64_t)i, 0);
        for (int stage = 0; stage < SN_STAGES - 2; stage++) {
            sn_ledger_enter_at(&l, (sn_stage)stage, now += series_random(&seed) % 100);
            sn_ledger_leave_at(&l, (sn_stage)stage, now += series_random(&seed) % 100000);
        }
        if (overdrawn && i % 3 == 0)
            sn_ledger_add_at(&l, SN_STAGE_EXECUTE, 2000000, now);
        sn_ledger_close_at(&l, now);
        if (sn_book_add(b, &l) != SETSUNA_OK)
            abort();
    }
}

/* Steps of every kind: bound by arithmetic, by memory, by nothing known, and with a hostile name. */
static void fill_steps(sn_step_report *r, sn_step_row *row, size_t n)
{
    static const char *const name[] = {"conv1", "\xff\n\x1b[31m", "", "Add_7"};
    *r = (sn_step_report){.runs = 100,
                          .clock_ns = 20,
                          .p50_ns = 1020,
                          .plain_p50_ns = 1000,
                          .flops_per_ns = 250,
                          .n_point = 2,
                          .point = {{16384, 400}, {1 << 26, 40}},
                          .touched_bytes = 123456,
                          .row = row,
                          .n_row = n};
    for (size_t i = 0; i < n; i++) {
        double flops = i % 4 == 2 ? 0 : 1e5 * (double)(i + 1);
        row[i] = (sn_step_row){.segment = (uint32_t)(i / 4),
                               .step = (uint32_t)i,
                               .name = name[i % 4],
                               .op = "Conv",
                               .kernel = "sn_conv_dense_avx512",
                               .threads = 1 + (uint32_t)(i % 2),
                               .shape = {.rank = 2, .dim = {1, 10}},
                               .min_ns = 300 + 10 * i,
                               .p50_ns = 1000 + (i * 7919) % 500,
                               .flops = flops,
                               .work = flops / 2,
                               .weight_bytes = i % 4 == 2 ? 0 : 1000,
                               .operand_bytes = i % 4 == 2 ? 0 : 2000,
                               .compute_ns = flops / 2 / 250,
                               .memory_ns = i % 4 == 2   ? 0
                                            : i % 4 == 3 ? 5000
                                                         : 30};
    }
    sn_step_report_sort(r, SN_STEP_BY_GAP);
}

static void fill_schedule(const char *text, const sn_summary *wall, sn_schedule *s, sn_schedule_result *out)
{
    if (sn_schedule_parse(text, 1, s, NULL) != SETSUNA_OK)
        abort();
    *out = (sn_schedule_result){.text = text,
                                .seed = UINT64_MAX,
                                .schedule = s,
                                .offered_per_s = 199.5,
                                .busy = 0.7,
                                .n_dropped = 1,
                                .n_unserved = 2,
                                .deadline_ns = 1000000,
                                .n_late = 3,
                                .service = *wall,
                                .point = {*wall, *wall},
                                .scenario_queries = wall->n,
                                .scenario_ns = wall->p99};
}

typedef struct causes_rig {
    sn_cause_log log;
    sn_cause_model model;
    sn_cause_summary summary;
    sn_witnesses witnesses;
    sn_cause_report report;
} causes_rig;

/* 40 requests, every 4th stolen from; the last one also lost 5 ms to a compiler. */
static causes_rig *fill_causes(void)
{
    causes_rig *c = calloc(1, sizeof *c);
    uint64_t at = 1000;
    if (!c)
        abort();
    sn_cause_log_init(&c->log, NULL);
    for (uint64_t i = 0; i < 40; i++) {
        sn_cause_request r = {.due_ns = at, .free_ns = at, .begin_ns = at, .cpu_ns = 300000 + i, .known = 15};
        r.steal_ns = i % 4 == 0 ? 200000 : 0;
        r.runqueue_ns = i == 39 ? 5000000 : 0;
        r.end_ns = at + r.cpu_ns + r.steal_ns + r.runqueue_ns + 100;
        r.due = SN_CAUSE_DUE_AFTER;
        at += 25000000;
        if (sn_cause_log_add(&c->log, &r) != SETSUNA_OK)
            abort();
    }
    sn_witnesses_add(&c->witnesses, &(sn_witness){.index = 39,
                                                  .disturbed_ns = 1,
                                                  .who = {{"cc1 (7)", 4000000}, {"make (6)", 10}},
                                                  .interrupt = {{"softirq RCU", 5}}});
    sn_cause_report *r = &c->report;
    *r = (sn_cause_report){.level = SN_RECORDER_MACHINE,
                           .has_interrupts = true,
                           .has_cpu = true,
                           .has_runqueue = true,
                           .fault_ns = 1200,
                           .begin_ns = 1000,
                           .log = &c->log,
                           .model = &c->model,
                           .summary = &c->summary,
                           .witnesses = &c->witnesses,
                           .quota_before = {.known = true},
                           .quota_after = {.known = true}};
    if (sn_cause_model_make(&c->log, 1200, &c->model) != SETSUNA_OK ||
        sn_cause_attribute(&c->log, &c->model, &c->summary) != SETSUNA_OK ||
        sn_period_search(&c->log, r->period, &r->n_period) != SETSUNA_OK)
        abort();
    return c;
}

/* Of 4,000 requests, 80 are never answered. */
static void fill_slo(const char *text, sn_objective *o, sn_objective_result *result)
{
    sn_samples s;
    sn_samples_init(&s, NULL, 0);
    if (sn_objective_parse(text, o, NULL) != SETSUNA_OK)
        abort();
    for (uint64_t i = 0; i < 4000; i++)
        if (sn_samples_record(&s, i % 50 == 7 ? SN_OBJECTIVE_LOST : 5000000 + i * 7919 % 1000000) != SETSUNA_OK)
            abort();
    if (sn_objective_judge(o, &(sn_objective_run){.latency = &s, .open = true, .rate_per_s = 100}, 0.99, result) !=
        SETSUNA_OK)
        abort();
    sn_samples_fini(&s);
}

static int emit_bench(sn_sink *sink, const char *name)
{
    static const struct {
        const char *name;
        int n;
        size_t cap;
        bool overdrawn, stream;
        size_t n_outputs;
        const char *model;
    } cases[] = {
        {"empty", 0, 0, false, false, 0, ""},
        {"one", 1, 0, false, false, 1, "model.onnx"},
        {"typical", 1000, 0, false, false, 3, "models/ocr.yaml"},
        {"stream", 200, 0, false, true, 1, "models/vad.yaml"},
        {"histogram", 3000, 1000, false, false, 2, "m.onnx"},
        {"overdrawn", 500, 0, true, false, 1, "m.onnx"},
        {"per_op", 1, 0, false, false, 1, "model.onnx"},
        {"schedule", 900, 0, false, false, 1, "model.onnx"},
        {"slo", 900, 0, false, false, 1, "model.onnx"},
        {"curve", 30, 0, false, false, 1, "model.onnx"},
        {"causes", 40, 0, false, false, 1, "model.onnx"},
        {"hostile", 10, 0, false, false, 3, "\x1b[31m\"\\\n\xff\xed\xa0\x80/model.onnx"},
    };
    sn_bench_output outputs[] = {
        {.name = "boxes", .dtype = SETSUNA_F32, .shape = {.rank = 3, .dim = {1, 100, 4}}},
        {.name = "", .dtype = SETSUNA_I64, .shape = {.rank = 0}},
        {.name = "\xff\n", .dtype = SETSUNA_BOOL, .shape = {.rank = 2, .dim = {0, INT64_MAX}}},
    };
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++)
        sn_sha256_text(&i, sizeof i, outputs[i].sha256);
    outputs[0].has_error = strcmp(name, "typical") == 0;
    outputs[0].error = (sn_output_error){0.25, 1e-3, 5e-4, 2};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (strcmp(cases[i].name, name) != 0)
            continue;
        sn_book b, openings;
        sn_book_init(&b, NULL, cases[i].cap);
        sn_book_init(&openings, NULL, 0);
        fill_book(&b, cases[i].n, cases[i].overdrawn);
        fill_book(&openings, cases[i].stream ? 7 : 0, false);
        sn_passport passport;
        sn_passport_read(&passport);
        sn_bench_result r = {.setsuna = "0.1.0",
                             .passport = &passport,
                             .model = cases[i].model,
                             .engine = "native",
                             .threads = 2,
                             .cpu_level = "avx512vnni",
                             .precision = strcmp(name, "typical") == 0 ? "bf16" : "f32",
                             .throughput_per_s = cases[i].n * 1.7,
                             .load_ns = 123456,
                             .first_ns = 98765,
                             .peak_rss_bytes = 1 << 26,
                             .is_stream = cases[i].stream,
                             .frame_s = 0.032,
                             .outputs = outputs,
                             .n_outputs = cases[i].n_outputs};
        if (sn_book_summarize(&b, &r.ledger) != SETSUNA_OK || sn_book_summarize(&openings, &r.openings) != SETSUNA_OK)
            abort();
        sn_step_row row[9];
        sn_step_report steps;
        if (strcmp(name, "per_op") == 0) {
            fill_steps(&steps, row, sizeof row / sizeof *row);
            r.per_op = &steps;
        }
        causes_rig *causes = NULL;
        if (strcmp(name, "causes") == 0) {
            causes = fill_causes();
            r.causes = &causes->report;
        }
        sn_interval_report intervals;
        if (cases[i].n > 0) {
            if (sn_interval_report_make(&b.series[SN_BOOK_WALL], true, &intervals) != SETSUNA_OK)
                abort();
            r.intervals = &intervals;
        }
        sn_schedule schedule;
        sn_schedule_result scheduled;
        const char *text = strcmp(name, "schedule") == 0 ? "server:200/s"
                           : strcmp(name, "curve") == 0  ? "idle:0,1ms"
                                                         : NULL;
        if (text) {
            fill_schedule(text, &r.ledger.wall, &schedule, &scheduled);
            r.schedule = &scheduled;
        }
        sn_objective objective;
        sn_objective_result judged;
        sn_objective_report slo = {"p50=6ms,p99=10ms,goodput=90/s,error=5%,attainment=50%", &objective, &judged};
        sn_search_report search = {.confidence = 0.99,
                                   .met = 100,
                                   .missed = 105.5,
                                   .n = 2,
                                   .rate = {{.rate_per_s = 200, .verdict = SN_OBJECTIVE_MISSED, .n = 200, .seconds = 1},
                                            {.rate_per_s = 100, .n = 2000, .seconds = 20.5, .attained = 0.999}}};
        sn_cost_report cost = {.rate_per_s = 100, .price_per_hour = 0.36, .watts = 50, .watts_declared = true};
        if (strcmp(name, "slo") == 0) {
            fill_slo(slo.text, &objective, &judged);
            r.slo = &slo;
            r.search = &search;
            r.cost = &cost;
        }
        sn_json w;
        sn_json_init(&w, sink, 2);
        sn_bench_result_write_json(&r, &w);
        setsuna_status status = sn_json_finish(&w);
        if (text)
            sn_schedule_fini(&schedule);
        if (causes)
            sn_cause_log_fini(&causes->log);
        free(causes);
        sn_book_fini(&b);
        sn_book_fini(&openings);
        return status == SETSUNA_OK ? 0 : 1;
    }
    return 2;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    setlocale(LC_ALL, ""); /* the decimal point of the environment must not matter */
    sn_sink sink;
    sn_sink_init_file(&sink, stdout);
    if (strcmp(argv[1], "bench") == 0)
        return emit_bench(&sink, argv[2]);
    int n = atoi(argv[2]);
    if (strcmp(argv[1], "strings") == 0)
        emit_strings(&sink, n);
    else if (strcmp(argv[1], "doubles") == 0)
        emit_doubles(&sink, n);
    else if (strcmp(argv[1], "documents") == 0)
        emit_documents(&sink, n);
    else
        return 2;
    return sn_sink_flush(&sink) == SETSUNA_OK ? 0 : 1;
}
