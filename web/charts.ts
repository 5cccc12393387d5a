// Charts: uPlot with the page's colours, and zooming and panning by mouse, finger, keyboard and button.
import uPlot from "../deps/web/uPlot.esm.js";
import { color, el } from "./dom";
import { t } from "./text";

const charts: uPlot[] = [];

/** After the colours of the page have changed. */
export function redrawAll(): void {
  for (const u of charts) u.redraw(false, true);
}

/** As wide as a page of paper (A4 or letter, with margins), or as the screen again. */
export function fitPaper(paper: boolean): void {
  for (const u of charts) {
    const width = paper ? 660 : Math.max(280, u.root.parentElement!.clientWidth);
    u.setSize({ width, height: u.height });
  }
}

export interface ChartOptions {
  title: string;
  x: uPlot.Axis;
  y: uPlot.Axis;
  series: uPlot.Series[];
  /** Label and text of x under the cursor. */
  cursorX: uPlot.Series;
  logX?: boolean;
  logY?: boolean;
  height?: number;
  cursor?: uPlot.Cursor;
}

/** The value `part` of the width or height beyond the left or lower edge: linear or logarithmic as the scale is. */
function valueAt(u: uPlot, scale: string, part: number): number {
  const horizontal = scale === "x";
  const size = horizontal ? u.over.clientWidth : u.over.clientHeight;
  return u.posToVal((horizontal ? part : 1 - part) * size, scale);
}

/** Shows from `a` to `b` of what is visible of a scale: 0..1 is what is shown now. */
function show(u: uPlot, scale: string, a: number, b: number): void {
  const min = valueAt(u, scale, a);
  const max = valueAt(u, scale, b);
  if (isFinite(min) && isFinite(max) && max > min) u.setScale(scale, { min, max });
}

function zoom(u: uPlot, factor: number, x = 0.5, y = 0.5): void {
  u.batch(() => {
    show(u, "x", x - x * factor, x + (1 - x) * factor);
    show(u, "y", y - y * factor, y + (1 - y) * factor);
  });
}

function pan(u: uPlot, dx: number, dy: number): void {
  u.batch(() => {
    show(u, "x", dx, 1 + dx);
    show(u, "y", dy, 1 + dy);
  });
}

function whole(u: uPlot): void {
  u.setData(u.data, true);
}

function onWheel(u: uPlot, e: WheelEvent): void {
  if (!e.ctrlKey && !e.metaKey && !e.shiftKey) return; // the page scrolls
  e.preventDefault();
  const box = u.over.getBoundingClientRect();
  const move = e.deltaY || e.deltaX;
  if (e.shiftKey) pan(u, move / 1000, 0);
  else zoom(u, Math.exp(move / 500), (e.clientX - box.left) / box.width, 1 - (e.clientY - box.top) / box.height);
}

function onKey(u: uPlot, e: KeyboardEvent): void {
  const actions: Record<string, () => void> = {
    "+": () => zoom(u, 0.7),
    "=": () => zoom(u, 0.7),
    "-": () => zoom(u, 1 / 0.7),
    "0": () => whole(u),
    ArrowLeft: () => pan(u, -0.1, 0),
    ArrowRight: () => pan(u, 0.1, 0),
    ArrowUp: () => pan(u, 0, 0.1),
    ArrowDown: () => pan(u, 0, -0.1),
  };
  if (e.ctrlKey || e.metaKey || e.altKey || !actions[e.key]) return;
  e.preventDefault();
  actions[e.key]();
}

/** One finger pans sideways (upwards and downwards the page scrolls), two zoom and pan. */
function onTouch(u: uPlot): void {
  const fingers = new Map<number, PointerEvent>();
  const centre = () => {
    const all = [...fingers.values()];
    const x = all.reduce((sum, e) => sum + e.clientX, 0) / all.length;
    const spread = all.length > 1 ? Math.abs(all[0].clientX - all[1].clientX) : 0;
    return { x, spread };
  };
  u.over.addEventListener("pointerdown", (e) => {
    if (e.pointerType === "touch") fingers.set(e.pointerId, e);
  });
  u.over.addEventListener("pointermove", (e) => {
    if (!fingers.has(e.pointerId)) return;
    const box = u.over.getBoundingClientRect();
    const before = centre();
    fingers.set(e.pointerId, e);
    const after = centre();
    const factor = before.spread > 20 && after.spread > 20 ? before.spread / after.spread : 1;
    const at = (after.x - box.left) / box.width;
    const moved = (before.x - after.x) / box.width;
    show(u, "x", at - at * factor + moved, at + (1 - at) * factor + moved);
  });
  for (const name of ["pointerup", "pointercancel"] as const) {
    u.over.addEventListener(name, (e) => fingers.delete(e.pointerId));
  }
}

/** Shift and drag. The drag that uPlot knows selects what to zoom to. */
function dragToPan(u: uPlot, e: MouseEvent): void {
  let last = e;
  const box = u.over.getBoundingClientRect();
  const move = (now: MouseEvent) => {
    pan(u, (last.clientX - now.clientX) / box.width, (now.clientY - last.clientY) / box.height);
    last = now;
  };
  const end = () => {
    document.removeEventListener("mousemove", move);
    document.removeEventListener("mouseup", end);
  };
  document.addEventListener("mousemove", move);
  document.addEventListener("mouseup", end);
}

function interaction(): uPlot.Plugin {
  return {
    hooks: {
      ready: (u: uPlot) => {
        u.over.addEventListener("wheel", (e) => onWheel(u, e), { passive: false });
        onTouch(u);
      },
    },
  };
}

/** A little air around what is shown, on either kind of scale. */
function range(log: boolean): uPlot.Range.Function {
  return (_u, min, max) => {
    if (min == null || max == null || !isFinite(min)) return log ? [1, 10] : [0, 1];
    if (min === max) return log ? [min / 2, max * 2] : [min * 0.9, max * 1.1 || 1];
    const air = log ? Math.pow(max / min, 0.02) : (max - min) * 0.02;
    return log ? [min / air, max * air] : [min - air, max + air];
  };
}

/** Ticks of a logarithmic scale: decades, with 2 and 5 between them where there is room, or even steps within one. */
function logSplits(min: number, max: number): number[] {
  const within = (digits: number[]) => {
    const found: number[] = [];
    for (let decade = Math.floor(Math.log10(min)); decade <= Math.ceil(Math.log10(max)); decade++)
      for (const digit of digits) {
        const v = digit * Math.pow(10, decade);
        if (v >= min && v <= max) found.push(v);
      }
    return found;
  };
  const fine = within([1, 2, 5]);
  if (fine.length > 9) return within([1]);
  return fine.length > 2 ? fine : evenSplits(min, max);
}

/** Round numbers, about five of them. */
export function evenSplits(min: number, max: number): number[] {
  const rough = (max - min) / 5;
  const decade = Math.pow(10, Math.floor(Math.log10(rough)));
  const step = decade * ([1, 2, 5].find((d) => d * decade >= rough) || 10);
  const found: number[] = [];
  for (let i = Math.ceil(min / step); i * step <= max && found.length < 20; i++) found.push(i * step);
  return found;
}

/** Labels that would touch the one before them are left out. */
function thin(u: uPlot, splits: number[], axisIndex: number): (number | null)[] {
  const horizontal = axisIndex === 0;
  let last = -Infinity;
  return splits.map((v) => {
    const at = u.valToPos(v, horizontal ? "x" : "y") * (horizontal ? 1 : -1);
    if (at - last < (horizontal ? 58 : 18)) return null;
    last = at;
    return v;
  });
}

function axis(given: uPlot.Axis, log: boolean): uPlot.Axis {
  return {
    ...(log && { splits: (_u: uPlot, _i: number, min: number, max: number) => logSplits(min, max) }),
    filter: thin,
    stroke: () => color("--quiet"),
    grid: { stroke: () => color("--grid"), width: 1 },
    ticks: { stroke: () => color("--grid"), width: 1 },
    font: "12px system-ui, sans-serif",
    labelFont: "12px system-ui, sans-serif",
    ...given,
  };
}

/** A chart with its heading and buttons. The data of x ascends. */
export function chart(o: ChartOptions, data: uPlot.AlignedData): HTMLElement {
  const place = el("div", { class: "plot", tabindex: "0", role: "group", "aria-label": o.title, title: t("chartHelp") });
  const buttons = el("span", { class: "buttons" });
  const figure = el("figure", {}, el("figcaption", {}, o.title, buttons), place);
  const build = (logY: boolean) =>
    new uPlot(
      {
        width: Math.max(280, place.clientWidth || 600),
        height: o.height || 300,
        series: [o.cursorX, ...o.series],
        axes: [axis(o.x, !!o.logX), axis({ size: 70, ...o.y }, logY)],
        scales: {
          x: { time: false, distr: o.logX ? 3 : 1, range: range(!!o.logX) },
          y: { distr: logY ? 3 : 1, range: range(logY) },
        },
        cursor: {
          drag: { x: true, y: true, uni: 24 },
          bind: {
            mousedown: (u: uPlot, _target: HTMLElement, handler: (e: MouseEvent) => null) => (e: MouseEvent) =>
              e.shiftKey ? (dragToPan(u, e), null) : handler(e),
          },
          ...o.cursor,
        },
        plugins: [interaction()],
      } as uPlot.Options,
      data,
      place,
    );
  let current: uPlot | undefined;
  let logY = !!o.logY;
  const rebuild = () => {
    if (current) {
      charts.splice(charts.indexOf(current), 1);
      current.destroy();
    }
    current = build(logY);
    charts.push(current);
  };
  const button = (text: string, name: string, act: () => void) => {
    const b = el("button", { type: "button", title: name, "aria-label": name }, text);
    b.addEventListener("click", act);
    buttons.append(b);
    return b;
  };
  place.addEventListener("keydown", (e) => current && onKey(current, e));
  button("+", t("zoomIn"), () => current && zoom(current, 0.7));
  button("−", t("zoomOut"), () => current && zoom(current, 1 / 0.7));
  button("⤢", t("reset"), () => current && whole(current));
  if (o.logY !== undefined) {
    const toggle = button("log", t("logarithmic"), () => {
      logY = !logY;
      toggle.setAttribute("aria-pressed", String(logY));
      rebuild();
    });
    toggle.setAttribute("aria-pressed", String(logY));
  }
  /* Its width is known when it is on the page, and changes with the window and for paper. */
  new ResizeObserver(() => {
    const width = Math.max(280, place.clientWidth);
    if (!current) rebuild();
    else if (current.width !== width) current.setSize({ width, height: o.height || 300 });
  }).observe(place);
  return figure;
}

/** Tables with x of their own side by side; a missing value is null. */
export function join(tables: uPlot.AlignedData[]): uPlot.AlignedData {
  return tables.length === 1 ? tables[0] : uPlot.join(tables);
}

export const stepped = uPlot.paths.stepped!({ align: 1 });

/** Dots without a line. */
export function dots(label: string, paint: () => string, size: number, value: uPlot.Series.Value): uPlot.Series {
  return {
    label,
    value,
    stroke: paint,
    paths: () => null,
    points: { show: true, size, stroke: paint, fill: paint, width: 0 },
  };
}
