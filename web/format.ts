// Numbers as people read them; the same rules as src/report/human.c.

function significant(value: number, digits: number): string {
  const whole = Math.max(1, Math.floor(Math.log10(Math.max(value, 1e-12))) + 1);
  return value.toFixed(Math.max(0, digits - whole));
}

/** "999 ns", "13.68 µs", "1.234 s". */
export function duration(ns: number | null | undefined, digits = 4): string {
  if (ns == null || !isFinite(ns)) return "–";
  const size = Math.abs(ns);
  const sign = ns < 0 ? "−" : "";
  if (size < 999.5) return sign + (size < 10 && size % 1 ? size.toFixed(1) : Math.round(size)) + " ns";
  for (const [unit, scale] of [["µs", 1e3], ["ms", 1e6]] as const) {
    if (size < scale * 999.95) return sign + significant(size / scale, digits) + " " + unit;
  }
  return sign + significant(size / 1e9, digits) + " s";
}

/** A label of an axis: without zeros that say nothing. */
export function tick(ns: number): string {
  if (ns === 0) return "0";
  for (const [unit, scale] of [["s", 1e9], ["ms", 1e6], ["µs", 1e3]] as const) {
    if (Math.abs(ns) >= scale) return +(ns / scale).toPrecision(6) + " " + unit;
  }
  return +ns.toPrecision(6) + " ns";
}

export function count(n: number): string {
  return Math.round(n).toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

export function share(part: number): string {
  if (!isFinite(part)) return "–";
  if (part > 0 && part < 0.0005) return "< 0.1 %";
  return (part * 100).toFixed(1) + " %";
}

/** "+3.2 %", "−0.4 %". */
export function change(part: number | null): string {
  if (part == null || !isFinite(part)) return "–";
  const text = Math.abs(part * 100).toFixed(1) + " %";
  return (part < 0 ? "−" : "+") + text;
}

export function bytes(n: number): string {
  let value = n;
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (value < 1000 || unit === "GiB") return (unit === "B" ? value : significant(value, 3)) + " " + unit;
    value /= 1024;
  }
  return "";
}

/** "282.8 G" with a unit behind it. */
export function metric(value: number, unit: string): string {
  for (const [prefix, scale] of [["T", 1e12], ["G", 1e9], ["M", 1e6], ["k", 1e3]] as const) {
    if (value >= scale) return significant(value / scale, 4) + " " + prefix + unit;
  }
  return significant(value, 4) + " " + unit;
}

/** "2.1", "41", "330": an estimate. */
export function factor(n: number): string {
  return n < 10 ? n.toFixed(1) : n < 100 ? n.toFixed(0) : count(Math.round(n / 10) * 10);
}

/** Local time, as ISO 8601 writes it but for the T. */
export function moment(unixNs: number): string {
  const d = new Date(unixNs / 1e6);
  const two = (n: number) => String(n).padStart(2, "0");
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ` +
    `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}
