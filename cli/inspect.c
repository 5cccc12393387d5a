/* setsuna inspect */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/model_inputs.h"
#include "engine/native.h"
#include "report/human.h"
#include <stdlib.h>
#include <string.h>

static const sn_cli_option inspect_options[] = {
    {"shape", "NAME=DIMS", "fix the shape of an input: --shape x=1,3,640,640"},
    {"fill", "NAME=VALUE", "fill an input with a number, where a shape or a branch depends on it"},
    {"threads", "N", "plan for N threads"},
    {"cpu", "LEVEL", "plan for this CPU level: " SN_CPU_LEVEL_HELP},
    {"precision", "NAME", "how products are computed: f32 (default), or bf16 with sums in f32"},
    {"no-winograd", NULL, "plan convolutions as plain sums only"},
    {"steps", NULL, "list every step of the plan with its kernel"},
    {"dump", "FILE", "write the graph as text before and after each pass; - is standard output"},
    {"onnxruntime", "PATH", "where libonnxruntime.so is"},
    {.name = NULL},
};
enum {
    INSPECT_SHAPE,
    INSPECT_FILL,
    INSPECT_THREADS,
    INSPECT_CPU,
    INSPECT_PRECISION,
    INSPECT_NO_WINOGRAD,
    INSPECT_STEPS,
    INSPECT_DUMP,
    INSPECT_ORT
};

static const sn_cli_command inspect_command = {
    .name = "inspect",
    .synopsis = "MODEL",
    .summary = "Shows what a model is made of, what it costs, and which engines can run it.",
    .options = inspect_options,
    .details = "\nExamples:\n"
               "  setsuna inspect model.onnx\n"
               "  setsuna inspect models/cache/ppocr-v4-det.onnx --shape x=1,3,640,640 --steps\n"
               "  setsuna inspect model.onnx --dump passes.txt\n",
};

typedef struct inspect {
    const char *path;
    sn_cli_inputs inputs;
    sn_model_options options;
    bool steps;
    const char *dump;
} inspect;

/* ---- the model as the file has it ------------------------------------------------------------------- */

static void inspect_print_values(const char *title, const sn_graph *g, const uint32_t *v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const sn_value *x = &g->value[v[i]];
        printf("  %-8s %-32s %-5s", i ? "" : title, x->name, setsuna_dtype_name(x->dtype));
        for (int d = 0; x->has_shape && d < x->shape.rank; d++) {
            printf(d ? ", " : " [");
            if (x->shape.dim[d] >= 0)
                printf("%lld", (long long)x->shape.dim[d]);
            else
                printf("%s", x->sym && x->sym[d] ? x->sym[d] : "?");
        }
        printf(x->has_shape ? x->shape.rank ? "]\n" : " []\n" : " any shape\n");
    }
}

typedef struct inspect_op {
    const char *op, *domain;
    int32_t opset;
    uint32_t count, n_bad;
    char why[160];
} inspect_op;

typedef struct inspect_sum {
    inspect_op *op;
    size_t n_op, cap_op;
    uint64_t n_node, n_param, param_bytes;
} inspect_sum;

static int inspect_compare(const void *a, const void *b)
{
    const inspect_op *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count ? 1 : -1) : strcmp(x->op, y->op);
}

static bool inspect_count_node(inspect_sum *s, const sn_node *n)
{
    size_t k = 0;
    while (k < s->n_op && (strcmp(s->op[k].op, n->op) != 0 || strcmp(s->op[k].domain, n->domain) != 0))
        k++;
    if (k == s->n_op) {
        if (!sn_grow(sn_allocator_default(), &s->op, &s->cap_op, k + 1, sizeof *s->op))
            return false;
        s->op[s->n_op++] = (inspect_op){.op = n->op, .domain = n->domain, .opset = n->opset};
    }
    setsuna_error why = {0};
    const sn_op *op;
    s->op[k].count++;
    s->n_node++;
    if (sn_op_check(n, NULL, &op, &why) != SETSUNA_OK && !s->op[k].n_bad++)
        snprintf(s->op[k].why, sizeof s->op[k].why, "%.159s", why.text);
    return true;
}

/* Nodes and parameters of the graph and all its subgraphs. */
static setsuna_status inspect_count(const sn_graph *graph, inspect_sum *s)
{
    const sn_allocator *a = sn_allocator_default();
    const sn_graph **stack = NULL;
    size_t top = 0, cap = 0;
    bool ok = sn_grow(a, &stack, &cap, 1, sizeof *stack);
    if (ok)
        stack[top++] = graph;
    while (ok && top) {
        const sn_graph *g = stack[--top];
        for (size_t v = 0; v < g->n_value; v++)
            if (g->value[v].cst) {
                int64_t n = 0;
                sn_shape_numel(&g->value[v].shape, &n);
                s->n_param += (uint64_t)n;
                s->param_bytes += g->value[v].cst->t.size_bytes;
            }
        for (size_t i = 0; ok && i < g->n_node; i++) {
            ok = inspect_count_node(s, &g->node[i]);
            for (uint32_t k = 0; ok && k < g->node[i].n_attr; k++)
                if (g->node[i].attr[k].kind == SN_ATTR_GRAPH) {
                    ok = sn_grow(a, &stack, &cap, top + 1, sizeof *stack);
                    if (ok)
                        stack[top++] = g->node[i].attr[k].g;
                }
        }
    }
    sn_free(a, stack);
    return ok ? SETSUNA_OK : SETSUNA_ENOMEM;
}

static void inspect_print_ops(inspect_sum *s)
{
    if (s->n_op)
        qsort(s->op, s->n_op, sizeof *s->op, inspect_compare);
    printf("\n  %-28s %6s  %s\n", "OPERATOR", "COUNT", "NATIVE ENGINE");
    for (size_t k = 0; k < s->n_op; k++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s%s-%d", s->op[k].domain, s->op[k].domain[0] ? "." : "", s->op[k].op,
                 s->op[k].opset);
        printf("  %-28s %6u  ", name, s->op[k].count);
        if (s->op[k].n_bad)
            printf("NO (%u): %s\n", s->op[k].n_bad, s->op[k].why);
        else
            printf("yes\n");
    }
}

static setsuna_status inspect_file(const inspect *in, setsuna_error *err)
{
    sn_lazy_file file;
    SN_TRY(sn_lazy_file_open(in->path, 0, &file, err));
    char dir[4096];
    const char *slash = strrchr(in->path, '/');
    snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - in->path + 1) : 1, slash ? in->path : ".");
    sn_onnx_model *onnx = NULL;
    setsuna_status status = sn_onnx_open(&file, &(sn_onnx_options){.dir = dir}, &onnx, err);
    inspect_sum sum = {0};
    if (status == SETSUNA_OK)
        status = inspect_count(onnx->graph, &sum);
    if (status == SETSUNA_OK) {
        char size[SN_HUMAN_MAX], params[SN_HUMAN_MAX], pbytes[SN_HUMAN_MAX];
        printf("%s: ONNX, IR %lld, %s", in->path, (long long)onnx->ir_version, sn_human_bytes(size, file.size));
        if (onnx->producer_name[0])
            printf(", made by %s %s", onnx->producer_name, onnx->producer_version);
        for (size_t i = 0; i < onnx->n_opset; i++)
            printf("%s%s %d", i ? ", " : "; opsets ", onnx->opset[i].domain[0] ? onnx->opset[i].domain : "ai.onnx",
                   onnx->opset[i].version);
        printf("\n");
        inspect_print_values("inputs", onnx->graph, onnx->graph->input, onnx->graph->n_input);
        inspect_print_values("outputs", onnx->graph, onnx->graph->output, onnx->graph->n_output);
        printf("  constants hold %s values in %s; %llu nodes\n", sn_human_count(params, sum.n_param),
               sn_human_bytes(pbytes, sum.param_bytes), (unsigned long long)sum.n_node);
        inspect_print_ops(&sum);
    }
    sn_free(sn_allocator_default(), sum.op);
    sn_onnx_destroy(onnx);
    sn_lazy_file_fini(&file);
    return status;
}

/* ---- the plan -------------------------------------------------------------------------------------- */

static void inspect_print_steps(const sn_plan *p)
{
    printf("\n  %-4s %-26s %-34s %10s %10s  %s\n", "STEP", "OPERATOR", "KERNEL", "MFLOP", "TRAFFIC", "OUTPUT");
    for (size_t i = 0; i < p->n_step; i++) {
        const sn_step *s = &p->step[i];
        char shape[SN_SHAPE_TEXT_MAX] = "", bytes[SN_HUMAN_MAX];
        if (s->n_out && s->out[0] != SN_NONE)
            sn_shape_text(&p->slot[s->out[0]].desc.shape, shape, sizeof shape);
        printf("  %-4zu %-26.26s %-34.34s %10.2f %10s  %s\n", i, s->op, s->kernel, s->flops * 1e-6,
               sn_human_bytes(bytes, (uint64_t)s->bytes), shape);
    }
}

static void inspect_print_plan(const inspect *in, const sn_plan *p, const sn_plan_env *env, uint64_t load_ns,
                               uint64_t plan_ns)
{
    double flops = 0, bytes = 0;
    for (size_t i = 0; i < p->n_step; i++) {
        flops += p->step[i].flops;
        bytes += p->step[i].bytes;
    }
    char a[SN_HUMAN_MAX], b[SN_HUMAN_MAX], c[SN_HUMAN_MAX], d[SN_HUMAN_MAX], e[SN_HUMAN_MAX];
    printf("\n  plan     %zu steps at level %s, %s, %u thread%s%s\n", p->n_step, sn_cpu_level_name(env->cpu),
           sn_precision_name(env->precision), env->n_threads, env->n_threads == 1 ? "" : "s",
           p->rest ? "; further segments are planned when their shapes are known" : "");
    printf("  compute  %.4g GFLOP, %s moved between memory and steps\n", flops * 1e-9,
           sn_human_bytes(a, (uint64_t)bytes));
    printf("  memory   %s workspace (%s live at once) + %s scratch + %s packed weights\n",
           sn_human_bytes(a, p->arena_bytes), sn_human_bytes(b, p->live_bytes), sn_human_bytes(c, p->scratch_bytes),
           sn_human_bytes(d, sn_pack_store_size_bytes(env->store)));
    printf("  time     load %s, plan %s\n", sn_human_duration(d, load_ns, false), sn_human_duration(e, plan_ns, false));
    if (in->steps)
        inspect_print_steps(p);
}

static setsuna_status inspect_plan_model(inspect *in, sn_model *model, uint64_t load_ns, FILE *dump, setsuna_error *err)
{
    SN_TRY(sn_cli_inputs_make(&in->inputs, model, true, err));
    sn_session *session;
    SN_TRY(sn_session_create(model, &session, err));
    sn_native_env(model)->dump = dump;
    uint64_t begin = sn_now_ns();
    setsuna_status status = sn_session_prepare(session, in->inputs.tensor, err);
    uint64_t plan_ns = sn_now_ns() - begin;
    if (status == SETSUNA_OK)
        inspect_print_plan(in, sn_exec_last_plan(sn_native_exec(session)), sn_native_env(model), load_ns, plan_ns);
    sn_session_destroy(session);
    return status;
}

static setsuna_status inspect_native(inspect *in, setsuna_error *err)
{
    sn_model *model;
    uint64_t begin = sn_now_ns();
    SN_TRY(sn_model_open(in->path, &in->options, &model, err));
    uint64_t load_ns = sn_now_ns() - begin;
    FILE *dump = !in->dump ? NULL : strcmp(in->dump, "-") == 0 ? stdout : fopen(in->dump, "w");
    setsuna_status status = in->dump && !dump ? sn_fail(err, SETSUNA_EIO, in->dump, "cannot be written")
                                              : inspect_plan_model(in, model, load_ns, dump, err);
    if (dump && dump != stdout && fclose(dump) != 0 && status == SETSUNA_OK)
        status = sn_fail(err, SETSUNA_EIO, in->dump, "cannot be written");
    sn_model_close(model);
    return status;
}

/* One line an engine: runs it, or why not. */
static void inspect_engines(const inspect *in)
{
    static const char *const engines[] = {"native", "onnxruntime"};
    printf("\n");
    for (size_t i = 0; i < sizeof engines / sizeof engines[0]; i++) {
        sn_model_options o = in->options;
        sn_model *model;
        setsuna_error why = {0};
        o.engine = engines[i];
        if (sn_model_open(in->path, &o, &model, &why) == SETSUNA_OK) {
            printf("  engine   %s: runs it\n", sn_model_engine(model));
            sn_model_close(model);
        } else {
            printf("  engine   %s: cannot run it: %.*s\n", engines[i], (int)strcspn(why.text, "\n"), why.text);
        }
    }
}

int sn_cli_inspect(int argc, char **argv)
{
    sn_cli_args args = sn_cli_args_begin(&inspect_command, argc, argv);
    inspect in = {.options = {.cpu_level = -1}};
    uint64_t n;
    for (int word; (word = sn_cli_args_next(&args)) != SN_CLI_END;) {
        sn_cpu_level level;
        switch (word) {
        case SN_CLI_STOP: return args.exit_code;
        case INSPECT_SHAPE:
        case INSPECT_FILL:
            if (!sn_cli_inputs_add(&in.inputs, args.value,
                                   word == INSPECT_FILL ? SN_CLI_INPUT_FILL : SN_CLI_INPUT_SHAPE))
                return sn_cli_usage_error(&inspect_command, "--%s wants %s, got \"%s\"", inspect_options[word].name,
                                          inspect_options[word].metavar, args.value);
            break;
        case INSPECT_THREADS:
            if (!sn_cli_args_u64(&args, word, 1, 1024, &n))
                return args.exit_code;
            in.options.n_threads = (uint32_t)n;
            break;
        case INSPECT_CPU:
            if (sn_cpu_level_parse(args.value, &level) != SETSUNA_OK)
                return sn_cli_usage_error(&inspect_command, "--cpu: no level \"%s\"", args.value);
            in.options.cpu_level = (int)level;
            break;
        case INSPECT_PRECISION:
            if (sn_precision_parse(args.value, &in.options.precision) != SETSUNA_OK)
                return sn_cli_usage_error(&inspect_command, "--precision: neither f32 nor bf16: \"%s\"", args.value);
            break;
        case INSPECT_NO_WINOGRAD: in.options.no_winograd = true; break;
        case INSPECT_STEPS: in.steps = true; break;
        case INSPECT_DUMP: in.dump = args.value; break;
        case INSPECT_ORT: in.options.onnxruntime_library = args.value; break;
        default:
            if (in.path)
                return sn_cli_usage_error(&inspect_command, "one model at a time");
            in.path = args.value;
        }
    }
    if (!in.path)
        return sn_cli_usage_error(&inspect_command, "which model?");
    setsuna_error err = {0};
    setsuna_status status = inspect_file(&in, &err);
    if (status == SETSUNA_OK) {
        inspect_engines(&in);
        status = inspect_native(&in, &err);
    }
    sn_cli_inputs_fini(&in.inputs);
    return status == SETSUNA_OK ? SN_EXIT_OK : sn_cli_error(&err);
}
