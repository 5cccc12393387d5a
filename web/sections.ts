// The sections of a report, each an element or null where there is nothing to say.
import { Band, Comparison, Interval, Log, Page, Run, Slow } from "./data";
import { Part, el, stack, table } from "./dom";
import { ecdf, legend, percentiles, roofline, runName, timeline } from "./drawings";
import { bytes, change, count, duration, factor, metric, moment, share } from "./format";
import { Key, meaning, t, word } from "./text";
import licence from "../deps/web/uPlot.LICENSE.txt";

type Section = HTMLElement | null;

function section(id: Key, ...children: (Node | string | null | false)[]): HTMLElement {
  return el("section", { id }, el("h2", {}, t(id)), ...children);
}

function withLogs(runs: Run[]): { run: Run; log: Log }[] {
  return runs.flatMap((run) => (run.log && run.log.served > 0 ? [{ run, log: run.log }] : []));
}

/** A part of a section for each run; its name above it where there are several. */
function perRun(runs: { run: Run; log: Log }[], draw: (run: Run, log: Log) => (Node | string | null)[]): HTMLElement[] {
  return runs.map(({ run, log }) =>
    el("div", { class: "of-run" }, runs.length > 1 && el("h3", {}, runName(run)), ...draw(run, log)),
  );
}

// ---- summary -------------------------------------------------------------------------------------------

function intervalText(run: Run, key: string): string {
  const all = run.result.intervals_ns;
  const interval = all && (all[key] as Interval | undefined);
  if (!all || !interval || typeof interval !== "object") return "";
  if (interval.verdict === "certified")
    return t("interval", duration(interval.lo), duration(interval.hi), share(Number(all.confidence)));
  return interval.longer != null && interval.longer < 1e4
    ? t("refused", word(interval.verdict), factor(interval.longer))
    : t("refusedNever", word(interval.verdict));
}

const quantiles: [string, string][] = [
  ["p50", "p50"],
  ["p90", "p90"],
  ["p99", "p99"],
  ["p99_9", "p99.9"],
  ["mean", ""],
  ["max", ""],
];

function figures(run: Run): HTMLElement {
  const box = el("div", { class: "figures" });
  for (const [key, name] of quantiles) {
    const value = run.result.latency_ns ? run.result.latency_ns[key] : undefined;
    box.append(
      el("div", { class: "figure" },
        el("span", { class: "name" }, name || t(key as Key)),
        el("span", { class: "value" }, duration(value)),
        el("span", { class: "note" }, intervalText(run, key))),
    );
  }
  return box;
}

function facts(run: Run): HTMLElement {
  const r = run.result;
  const log = run.log;
  const counts = log
    ? (["late", "dropped", "unserved", "errors"] as const).filter((k) => log[k] > 0).map((k) => `${count(log[k])} ${t(k)}`)
    : [];
  const rows: [Key, string][] = [
    ["when", moment(run.time_ns)],
    ["target", run.target],
    ["engine", `${run.engine}, ${t(run.threads === 1 ? "oneThread" : "threads", run.threads)}, ${run.precision}`],
    ["requests", [count(run.requests), ...counts].join(", ")],
    ["throughput", r.throughput_per_s ? metric(r.throughput_per_s, "/s") : ""],
    ["load", r.load_ns ? duration(r.load_ns) : ""],
    ["first", r.first_ns ? duration(r.first_ns) : ""],
    ["memory", r.peak_rss_bytes ? bytes(r.peak_rss_bytes) : ""],
    ["tags", run.tags.join(", ")],
  ];
  const list = el("dl", { class: "facts" });
  for (const [key, text] of rows) if (text) list.append(el("div", {}, el("dt", {}, t(key)), el("dd", {}, text)));
  return list;
}

export function summary(runs: Run[]): Section {
  return section("summary",
    ...runs.map((run) =>
      el("div", { class: "of-run" },
        runs.length > 1 && el("h3", {}, runName(run), run.tags.length > 0 && ` · ${run.tags.join(", ")}`),
        run.partial && el("p", { class: "warning" }, t("interrupted")),
        !run.log && el("p", { class: "warning" }, t("noLog")),
        !!run.log && run.log.rows < run.log.requests &&
          el("p", { class: "warning" }, t("kept", count(run.log.rows), count(run.log.requests))),
        figures(run),
        facts(run))));
}

// ---- objective -----------------------------------------------------------------------------------------

function quantity(value: number | null | undefined, unit: string): string {
  if (value == null) return "–";
  return unit === "ns" ? duration(value) : unit === "of 1" ? +(value * 100).toPrecision(4) + " %" : metric(value, unit.replace(/^1/, ""));
}

function judged(text: string): HTMLElement {
  const kind: Record<string, string> = { met: "faster", missed: "slower", undecided: "cannot-tell" };
  return el("span", { class: `verdict ${kind[text] || ""}` }, word(text));
}

export function objective(runs: Run[]): Section {
  const drawn = runs.filter((run) => run.result.slo);
  if (drawn.length === 0) return null;
  return section("objective",
    ...drawn.map((run) => {
      const slo = run.result.slo!;
      const rows = slo.terms.map((term) => [term.name, quantity(term.limit, term.unit), quantity(term.measured, term.unit),
        judged(term.verdict)]);
      return el("div", { class: "of-run" }, runs.length > 1 && el("h3", {}, runName(run)),
        el("p", {}, t("judged", slo.text, word(slo.verdict), share(slo.confidence))),
        table([t("term"), t("limit"), t("measured"), t("verdict")], rows, [1, 2], t("objective")),
        slo.lost > 0 && el("p", { class: "warning" }, t("lost", count(slo.lost), count(slo.requests))));
    }));
}

// ---- comparison ----------------------------------------------------------------------------------------

function verdictText(c: Comparison): string {
  if (c.verdict === "same") return t("same", share(c.margin));
  if (c.verdict === "cannot tell" && c.longer != null && c.longer > 1 && c.longer < 1e4)
    return t("longer", factor(c.longer));
  return word(c.verdict);
}

function passportDifference(a: Run, b: Run): string[] {
  const keys = new Set([...Object.keys(a.passport), ...Object.keys(b.passport)]);
  return [...keys].filter((key) => a.passport[key] !== b.passport[key]);
}

export function compared(page: Page): Section {
  const [a, b] = page.runs;
  if (page.runs.length !== 2 || !page.comparison) return null;
  const differ = passportDifference(a, b);
  const rows = page.comparison.map((c) => [
    c.quantity === "mean" ? t("mean") : c.quantity,
    duration(c.a_ns),
    duration(c.b_ns),
    change(c.change),
    c.lo != null && c.hi != null ? `${change(c.lo)} … ${change(c.hi)}` : "–",
    el("span", { class: `verdict ${c.verdict.replace(" ", "-")}` }, verdictText(c)),
    c.detectable != null ? share(c.detectable) : "–",
  ]);
  return section("compared",
    differ.length > 0 ? el("p", { class: "warning" }, t("differ", differ.join(", "))) : el("p", {}, t("sameMachine")),
    table([t("quantity"), t("before", a.id), t("before", b.id), t("changeHead"),
           t("intervalHead", share(page.comparison[0].confidence)), t("verdict"), t("detectable")],
      rows, [1, 2, 3, 4, 6], t("compared")),
    el("p", { class: "note" }, t("onceEach")));
}

// ---- charts --------------------------------------------------------------------------------------------

export function distribution(runs: Run[]): Section {
  const drawn = withLogs(runs);
  if (drawn.length === 0) return null;
  const logs = drawn.map((d) => d.log);
  const those = drawn.map((d) => d.run);
  return section("distribution", el("div", { class: "pair" }, percentiles(those, logs), ecdf(those, logs)),
    el("p", { class: "note screen" }, t("chartHelp")));
}

export function course(runs: Run[]): Section {
  const drawn = withLogs(runs);
  if (drawn.length === 0) return null;
  return section("course",
    ...perRun(drawn, (run, log) => {
      const disturbed = log.timeline.why.some((w) => w >= 0);
      const probed = log.worst.some((s) => "run_queue_ns" in s || "switches" in s || "faults" in s);
      const notes = [disturbed ? t("disturbed") : "", probed ? "" : t("unprobed"),
                     log.timeline.ns.length < log.served ? t("decimated") : ""];
      return [timeline(run, log), el("p", { class: "note" }, notes.filter((n) => n).join(" "))];
    }));
}

// ---- composition ---------------------------------------------------------------------------------------

function parts(band: Band, log: Log): Part[] {
  return band.stages_ns.map((ns, kind) => ({
    share: Math.max(0, ns) / band.mean_ns,
    kind,
    text: `${log.stages[kind]} ${duration(ns)} (${share(ns / band.mean_ns)})`,
  }));
}

/** What was taken from the requests of a band while they ran. */
function waitParts(band: Band, log: Log): Part[] {
  return band.waits_ns.map((ns, kind) => ({
    share: ns / band.mean_ns,
    kind,
    text: `${log.waits[kind]} ${duration(ns)} (${share(ns / band.mean_ns)})`,
  }));
}

/** Stages that any request met; unexplained is always told. */
function usedStages(log: Log): boolean[] {
  return log.stages.map((_, i) => i === log.stages.length - 1 || log.bands.some((b) => b.stages_ns[i] > 0));
}

export function stages(runs: Run[]): Section {
  const drawn = withLogs(runs);
  if (drawn.length === 0) return null;
  const longest = Math.max(...drawn.map(({ log }) => log.mean.mean_ns));
  return section("stages",
    ...perRun(drawn, (_run, log) => {
      const used = usedStages(log);
      const rows = log.stages.flatMap((name, i) =>
        used[i] ? [[name, duration(log.mean.stages_ns[i]), share(log.mean.stages_ns[i] / log.mean.mean_ns)]] : []);
      rows.push([t("latency"), duration(log.mean.mean_ns), share(1)]);
      return [stack(parts(log.mean, log), log.mean.mean_ns / longest), legend(log.stages, used),
              table([t("stage"), t("stageMean"), t("stageShare")], rows, [1, 2], t("stages"))];
    }));
}

function bandName(band: Band): string {
  const name = (q: number) => "p" + +(q * 100).toFixed(1);
  return band.to === 1 ? t("above") : `${name(band.from)} – ${name(band.to)}`;
}

export function bands(runs: Run[]): Section {
  const drawn = withLogs(runs);
  if (drawn.length === 0) return null;
  return section("bands",
    ...perRun(drawn, (_run, log) => {
      const used = usedStages(log);
      const waits = log.waits.map((_, i) => log.bands.some((b) => b.waits_ns[i] > 0));
      const counted = log.bands.some((b) => b.faults > 0 || b.switches > 0);
      const present = log.bands.filter((b) => b.n > 0);
      const bars = present.map((b) =>
        el("div", { class: "band" }, el("span", { class: "name" }, bandName(b)),
          el("div", {}, stack(parts(b, log)), waits.some((w) => w) && stack(waitParts(b, log), 1, "cause")),
          el("span", { class: "value" }, duration(b.mean_ns))));
      const rows = present.map((b) => [
        bandName(b), count(b.n), duration(b.mean_ns),
        ...b.stages_ns.filter((_, i) => used[i]).map((ns) => duration(ns)),
        ...b.waits_ns.filter((_, i) => waits[i]).map((ns) => duration(ns)),
        ...(counted ? [b.faults.toFixed(2), b.switches.toFixed(2)] : []),
      ]);
      const head = [t("band"), t("requests"), t("latency"), ...log.stages.filter((_, i) => used[i]),
                    ...log.waits.filter((_, i) => waits[i]), ...(counted ? [t("faults"), t("switches")] : [])];
      return [...bars, legend(log.stages, used), waits.some((w) => w) ? legend(log.waits, waits, "cause") : null, table(head, rows, head.map((_, i) => i).slice(1), t("bands")),
              el("p", { class: "note" }, t("meanNote"))];
    }));
}

// ---- the slowest ---------------------------------------------------------------------------------------

/** What the log says of a slow request, the largest first. */
function evidence(slow: Slow, log: Log): string {
  const waits = log.waits.map((name, i): [string, number] => [name, slow[log.wait_columns[i]] || 0]);
  const said = waits
    .filter(([, ns]) => ns > slow.ns / 100)
    .sort((x, y) => y[1] - x[1])
    .map(([name, ns]) => `${name} ${duration(ns, 3)}` + (ns <= slow.ns ? ` (${share(ns / slow.ns)})` : ""));
  if (slow.switches > 0) said.push(`${t("switches")}: ${slow.switches}`);
  if (slow.faults > 0) said.push(`${t("faults")}: ${slow.faults}`);
  for (const [bit, key] of [[1, "late"], [4, "errors"], [8, "warmup"]] as const) {
    if (slow.flags & bit) said.push(t(key));
  }
  return said.join(" · ") || t("noEvidence");
}

function slowParts(slow: Slow, log: Log): Part[] {
  const ns = log.stages.slice(0, -1).map((name) => slow[`${name}_ns`] || 0);
  ns.push(slow.ns - ns.reduce((sum, x) => sum + x, 0));
  return ns.map((part, kind) => ({ share: Math.max(0, part) / slow.ns, kind, text: `${log.stages[kind]} ${duration(part)}` }));
}

export function worst(runs: Run[]): Section {
  const drawn = withLogs(runs);
  if (drawn.length === 0) return null;
  return section("worst",
    ...perRun(drawn, (_run, log) => {
      const slowest = log.worst[0].ns;
      const median = log.quantiles_ns[0][0] || 1;
      const list = el("ol", { class: "gallery" });
      for (const slow of log.worst) {
        list.append(
          el("li", {},
            el("div", { class: "head" },
              el("b", {}, duration(slow.ns)),
              el("span", {}, t("times", factor(slow.ns / median))),
              el("span", { class: "note" }, `${t("request")} ${count(slow.request)}, ${t("at")} ${duration(slow.due_ns || 0)}`)),
            stack(slowParts(slow, log), slow.ns / slowest),
            el("div", { class: "evidence" }, evidence(slow, log))));
      }
      return [list, legend(log.stages, usedStages(log))];
    }));
}

// ---- operators -----------------------------------------------------------------------------------------

export function operators(runs: Run[]): Section {
  const drawn = runs.filter((run) => run.result.per_op && run.result.per_op.steps.length > 0);
  if (drawn.length === 0) return null;
  const most = 25;
  return section("operators",
    ...drawn.map((run) => {
      const all = run.result.per_op!.steps;
      const steps = [...all].sort((a, b) => b.p50_ns - a.p50_ns).slice(0, most);
      const rows = steps.map((s) => [`${s.op} ${s.name}`, s.kernel, duration(s.p50_ns), share(s.share),
        s.bound_ns > 0 ? `${duration(s.bound_ns)} (${s.bound})` : "–", s.ratio > 0 ? s.ratio.toFixed(2) : "–",
        s.flops_per_s > 0 ? metric(s.flops_per_s, "") : "–"]);
      return el("div", { class: "of-run" }, drawn.length > 1 && el("h3", {}, runName(run)), roofline(run),
        table([t("step"), t("kernel"), t("time"), t("share"), t("bound"), t("ratio"), t("rate")], rows,
          [2, 3, 4, 5, 6], t("operators")),
        all.length > most && el("p", { class: "note" }, t("moreSteps", most, all.length)));
    }));
}

// ---- definitions, machine, meaning ---------------------------------------------------------------------

const columns = ["p50", "p90", "p95", "p99", "p99.9"];

/** Rows of methods; a value that is not the first row's is marked. */
function methodTable(log: Log, values: number[][], name: string): HTMLElement {
  const rows = log.methods.map((m, i) => [
    el("span", { title: m.formula }, m.text, el("br"), el("code", {}, m.formula)),
    ...values[i].map((ns, k) => (Math.abs(ns - values[0][k]) < 1e-9 ? duration(ns) : el("mark", {}, duration(ns)))),
    m.tools,
  ]);
  return el("div", {}, el("h4", {}, name),
    table([t("method"), ...columns, t("tools")], rows, columns.map((_, i) => i + 1), name));
}

export function definitions(runs: Run[]): Section {
  const drawn = withLogs(runs);
  if (drawn.length === 0) return null;
  return section("definitions", el("p", {}, t("definitionsNote")),
    ...perRun(drawn, (_run, log) => [
      methodTable(log, log.quantiles_ns, t("fromDue")),
      log.service_quantiles_ns ? methodTable(log, log.service_quantiles_ns, t("fromBegin")) : null,
    ]));
}

export function passport(runs: Run[]): Section {
  const keys = [...new Set(runs.flatMap((run) => Object.keys(run.passport)))];
  const text = (run: Run, key: string) => {
    const value = run.passport[key];
    if (value == null) return t("not there");
    return key.endsWith("_bytes") && typeof value === "number" ? bytes(value) : String(value);
  };
  const rows = keys.map((key) => {
    const values = runs.map((run) => text(run, key));
    const differ = values.some((v) => v !== values[0]);
    return [key, ...values.map((v) => (differ ? el("mark", {}, v) : v))];
  });
  return section("passport", table(["", ...runs.map(runName)], rows, [], t("passport")));
}

export function explained(): Section {
  const list = el("dl", { class: "meaning" });
  for (const [name, text] of meaning()) list.append(el("dt", {}, name), el("dd", {}, text));
  return section("meaning", list);
}

export function reproduce(runs: Run[]): Section {
  return section("reproduce", ...runs.map((run) => el("pre", { tabindex: "0" }, run.command)));
}

export function licences(): HTMLElement {
  return el("details", {}, el("summary", {}, t("licences")), el("pre", {}, "uPlot\n\n" + licence));
}
