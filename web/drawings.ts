// The charts of a report.
import uPlot from "../deps/web/uPlot.esm.js";
import { chart, dots, join, stepped } from "./charts";
import { Log, Run, Step } from "./data";
import { color, el } from "./dom";
import { duration, metric, share, tick } from "./format";
import { t } from "./text";

export function runName(run: Run): string {
  return run.id ? `${t("run")} ${run.id}` : run.target;
}

const nsValue = (_u: uPlot, v: number | null) => (v == null ? "–" : duration(v));
const nsTicks = (_u: uPlot, values: (number | null)[]) => values.map((v) => (v == null ? null : tick(v)));

/** A tail of more than a factor of 20 is seen on a logarithmic scale only. */
function isLong(runs: Log[]): boolean {
  const least = Math.min(...runs.map((l) => l.distribution.ns[0]));
  const most = Math.max(...runs.map((l) => l.distribution.ns[l.distribution.ns.length - 1]));
  return least > 0 && most > 20 * least;
}

function runSeries(run: Run, i: number): uPlot.Series {
  return { label: runName(run), value: nsValue, stroke: () => color(`--run-${i}`), width: 2, spanGaps: true };
}

/** Of equal latencies the highest rank. */
function ecdfTable(log: Log): uPlot.AlignedData {
  const { rank, ns } = log.distribution;
  const x: number[] = [];
  const y: number[] = [];
  for (let i = 0; i < ns.length; i++) {
    if (i + 1 < ns.length && ns[i + 1] === ns[i]) continue;
    x.push(ns[i]);
    y.push(rank[i] / log.served);
  }
  return [x, y];
}

export function ecdf(runs: Run[], logs: Log[]): HTMLElement {
  const long = isLong(logs);
  return chart(
    {
      title: t("ecdf"),
      x: { values: nsTicks, label: t("latency"), space: 70 },
      y: { values: (_u, values) => values.map((v) => (v == null ? null : +(v * 100).toPrecision(5) + " %")) },
      logX: long,
      cursorX: { label: t("latency"), value: nsValue },
      series: runs.map((run, i) => ({
        ...runSeries(run, i),
        value: (_u: uPlot, v: number | null) => (v == null ? "–" : share(v)),
        paths: stepped,
      })),
    },
    join(logs.map(ecdfTable)),
  );
}

/** Nines: 1 is 90 %, 2 is 99 %. */
function ninesText(x: number): string {
  const percent = 100 * (1 - Math.pow(10, -x));
  return +percent.toPrecision(Math.max(2, Math.ceil(x) + 2)) + " %";
}

function ninesTicks(_u: uPlot, _i: number, min: number, max: number): number[] {
  const round = [0, Math.log10(2), 1, 2, 3, 4, 5, 6].filter((x) => x >= min && x <= max);
  if (round.length > 2) return round;
  return [0, 1, 2, 3, 4].map((i) => min + ((max - min) * i) / 4);
}

function ninesTable(log: Log): uPlot.AlignedData {
  const { rank, ns } = log.distribution;
  return [rank.map((k) => Math.log10(log.served / (log.served - k + 0.5))), ns];
}

export function percentiles(runs: Run[], logs: Log[]): HTMLElement {
  return chart(
    {
      title: t("percentiles"),
      x: { splits: ninesTicks, values: (_u, values) => values.map((v) => (v == null ? null : ninesText(v))), label: t("percentile"), space: 60 },
      y: { values: nsTicks },
      logY: isLong(logs),
      cursorX: { label: t("percentile"), value: (_u, v) => (v == null ? "–" : ninesText(v)) },
      series: runs.map((run, i) => runSeries(run, i)),
    },
    join(logs.map(ninesTable)),
  );
}

/** A colour a cause; undisturbed requests stay pale. */
export function timeline(run: Run, log: Log): HTMLElement {
  const { due_ns, ns, why, flags } = log.timeline;
  const order = due_ns.map((_, i) => i).sort((a, b) => due_ns[a] - due_ns[b]);
  const x = order.map((i) => due_ns[i] / 1e9);
  const names = [t("undisturbed"), ...log.waits, t("late"), t("warmup")];
  const kindOf = (i: number) =>
    why[i] >= 0 ? why[i] + 1 : flags[i] & 1 ? log.waits.length + 1 : flags[i] & 8 ? log.waits.length + 2 : 0;
  const kinds = [...new Set(order.map(kindOf))].sort((a, b) => a - b);
  const columns = kinds.map((kind) => order.map((i) => (kindOf(i) === kind ? ns[i] : null)));
  const size = ns.length > 3000 ? 3 : ns.length > 300 ? 4 : 6;
  return chart(
    {
      title: t("timeline"),
      x: { values: (_u, values) => values.map((v) => (v == null ? null : +v.toPrecision(6) + " s")), label: t("due"), space: 70 },
      y: { values: nsTicks },
      logY: isLong([log]),
      cursorX: { label: t("due"), value: (_u, v) => (v == null ? "–" : duration(v * 1e9)) },
      height: 340,
      series: kinds.map((kind) =>
        dots(names[kind], () => color(kind ? `--cause-${kind - 1}` : "--pale"), kind ? 6 : size, nsValue),
      ),
    },
    [x, ...columns] as uPlot.AlignedData,
  );
}

const intensity = (s: Step) => s.flops / (s.weight_bytes + s.operand_bytes);

/** The index of the step nearest to the cursor: the other points of x belong to the roofs. */
function nearest(points: (Step | null)[]): NonNullable<uPlot.Cursor["dataIdx"]> {
  return (u, series, index) => {
    if (series !== 1) return index;
    const at = u.valToPos(u.posToVal(u.cursor.left || 0, "x"), "x");
    let best = index;
    let distance = Infinity;
    points.forEach((p, i) => {
      if (!p) return;
      const dx = u.valToPos(u.data[0][i], "x") - at;
      const dy = u.valToPos(p.flops_per_s, "y") - (u.cursor.top || 0);
      const d = dx * dx + dy * dy;
      if (d < distance) [best, distance] = [i, d];
    });
    return best;
  };
}

export function roofline(run: Run): HTMLElement | null {
  const per = run.result.per_op!;
  const steps = per.steps.filter((s) => s.flops_per_s > 0 && s.weight_bytes + s.operand_bytes > 0);
  if (steps.length === 0) return null;
  const slowest = per.roofline.bandwidth.filter((b) => b.bytes >= per.roofline.touched_bytes)[0] ||
    per.roofline.bandwidth[per.roofline.bandwidth.length - 1];
  const fastest = per.roofline.bandwidth[0];
  const low = Math.min(...steps.map(intensity), 0.1) / 2;
  const high = Math.max(...steps.map(intensity), (2 * per.roofline.flops_per_s) / slowest.bytes_per_s) * 2;
  const grid = Array.from({ length: 200 }, (_, i) => low * Math.pow(high / low, i / 199));
  const points: { x: number; step: Step | null }[] = [
    ...steps.map((step) => ({ x: intensity(step), step })),
    ...grid.map((x) => ({ x, step: null })),
  ].sort((a, b) => a.x - b.x);
  const roof = (rate: number) => points.map((p) => Math.min(per.roofline.flops_per_s, p.x * rate));
  const at = points.map((p) => p.step);
  const rateValue = (_u: uPlot, v: number | null) => (v == null ? "–" : metric(v, "FLOP/s"));
  return chart(
    {
      title: t("roofline"),
      x: { values: (_u, values) => values.map((v) => (v == null ? null : +v.toPrecision(2) + "")), label: t("intensity"), space: 50 },
      y: { values: (_u, values) => values.map((v) => (v == null ? null : metric(v, "").replace(/\.0+ /, " "))), label: t("rate"), size: 60 },
      logX: true,
      logY: true,
      cursorX: { label: t("intensity"), value: (_u, v) => (v == null ? "–" : v.toPrecision(3)) },
      height: 360,
      cursor: { dataIdx: nearest(at) },
      series: [
        dots(t("step"), () => color("--run-0"), 8, (_u: uPlot, v: number | null, _s: number, i: number | null) => {
          const step = i == null ? null : at[i];
          return step && v != null ? `${step.op} ${step.name}: ${metric(v, "FLOP/s")}, ${duration(step.p50_ns)}` : "–";
        }),
        { label: t("memoryRoof", metric(slowest.bytes_per_s, "B/s")), stroke: () => color("--run-1"), width: 2, value: rateValue },
        { label: t("cacheRoof"), stroke: () => color("--run-2"), width: 1, dash: [6, 4], value: rateValue },
      ],
    },
    [points.map((p) => p.x), at.map((s) => (s ? s.flops_per_s : null)), roof(slowest.bytes_per_s), roof(fastest.bytes_per_s)],
  );
}

/** Coloured names for bars that have no chart. palette: "stage" or "cause". */
export function legend(names: string[], used: boolean[], palette = "stage"): HTMLElement {
  const list = el("ul", { class: "legend" });
  names.forEach((name, i) => {
    if (!used[i]) return;
    const mark = el("span", { class: "mark" });
    mark.style.background = `var(--${palette}-${i})`;
    list.append(el("li", {}, mark, name));
  });
  return list;
}
