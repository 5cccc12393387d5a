// Elements. Text goes in as text: nothing from the data is ever parsed as HTML.

type Child = Node | string | number | null | undefined | false;

export function el(name: string, attributes: Record<string, string> = {}, ...children: Child[]): HTMLElement {
  const e = document.createElement(name);
  for (const key of Object.keys(attributes)) e.setAttribute(key, attributes[key]);
  for (const child of children) {
    if (child != null && child !== false) e.append(typeof child === "number" ? String(child) : child);
  }
  return e;
}

/** A table that scrolls sideways on a narrow screen. Columns named in `numbers` are aligned to the right. */
export function table(head: Child[], rows: Child[][], numbers: number[] = [], name = ""): HTMLElement {
  const cell = (tag: string) => (child: Child, i: number) =>
    el(tag, numbers.includes(i) ? { class: "number" } : {}, child);
  const body = rows.map((row) => el("tr", {}, ...row.map((c, i) => cell(i === 0 ? "th" : "td")(c, i))));
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": name },
    el("table", {}, el("thead", {}, el("tr", {}, ...head.map(cell("th")))), el("tbody", {}, ...body)));
}

/** The value of a custom property of the page. */
export function color(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export interface Part {
  share: number;
  kind: number;
  text: string;
}

/** A bar of parts, each a share of the whole in a colour of its palette, "stage" or "cause"; what they leave stays empty.
 * Its text is for those who do not see it. */
export function stack(parts: Part[], width = 1, palette = "stage"): HTMLElement {
  const bar = el("div", { class: `stack ${palette}`, role: "img", "aria-label": parts.map((p) => p.text).join(", ") });
  bar.style.width = 100 * width + "%";
  for (const p of parts) {
    if (!(p.share > 0)) continue;
    const piece = el("span", { class: "part", title: p.text });
    piece.style.flexGrow = String(p.share);
    piece.style.background = `var(--${palette}-${p.kind})`;
    bar.append(piece);
  }
  const rest = 1 - parts.reduce((sum, p) => sum + Math.max(0, p.share), 0);
  if (rest > 1e-3) {
    const piece = el("span", { class: "part" });
    piece.style.flexGrow = String(rest);
    bar.append(piece);
  }
  return bar;
}
