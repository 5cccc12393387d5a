// A report of one or several runs, from the JSON that stands in the page.
import { fitPaper, redrawAll } from "./charts";
import { Page } from "./data";
import { el } from "./dom";
import {
  bands, compared, course, definitions, distribution, explained, licences, objective, operators, passport, reproduce,
  stages, summary, worst,
} from "./sections";
import { setLanguage, t } from "./text";

type Scheme = "light" | "dark";

/** What the user chose, or what the system says. */
function setScheme(scheme: Scheme): void {
  document.documentElement.dataset.scheme = scheme;
  redrawAll();
}

function scheme(): Scheme {
  return document.documentElement.dataset.scheme === "dark" ? "dark" : "light";
}

function schemeButton(): HTMLElement {
  const button = el("button", { type: "button" });
  const say = () => (button.textContent = t(scheme() === "dark" ? "light" : "dark"));
  button.addEventListener("click", () => {
    setScheme(scheme() === "dark" ? "light" : "dark");
    say();
  });
  say();
  return button;
}

/** Paper is white. */
function followPaper(): void {
  let before: Scheme = "light";
  addEventListener("beforeprint", () => {
    before = scheme();
    setScheme("light");
    fitPaper(true);
  });
  addEventListener("afterprint", () => {
    setScheme(before);
    fitPaper(false);
  });
}

function followSystem(): void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const forced = /^#(light|dark)$/.exec(location.hash);
  setScheme(forced ? (forced[1] as Scheme) : dark.matches ? "dark" : "light");
  dark.addEventListener("change", () => setScheme(dark.matches ? "dark" : "light"));
}

/** What one section cannot draw (a result of another version) does not take the others with it. */
function drawAll(sections: (() => HTMLElement | null)[]): HTMLElement[] {
  return sections.flatMap((draw) => {
    try {
      const section = draw();
      return section ? [section] : [];
    } catch (problem) {
      console.error(problem);
      return [];
    }
  });
}

function main(): void {
  const page = JSON.parse(document.getElementById("data")!.textContent!) as Page;
  const runs = page.runs;
  setLanguage(page.lang);
  document.documentElement.lang = page.lang;
  followSystem();
  followPaper();
  const sections = drawAll([
    () => summary(runs),
    () => objective(runs),
    () => compared(page),
    () => distribution(runs),
    () => course(runs),
    () => stages(runs),
    () => bands(runs),
    () => worst(runs),
    () => operators(runs),
    () => definitions(runs),
    () => passport(runs),
    () => explained(),
    () => reproduce(runs),
  ]);
  const contents = el("nav", { "aria-label": t("title") },
    ...sections.map((s) => el("a", { href: "#" + s.id }, s.querySelector("h2")!.textContent)));
  const print = el("button", { type: "button" }, t("print"));
  print.addEventListener("click", () => window.print());
  const targets = [...new Set(runs.map((run) => run.target))].join(", ");
  document.getElementById("page")!.replaceChildren(
    el("header", {}, el("h1", {}, t("title")), el("p", { class: "target" }, targets),
      el("span", { class: "buttons screen" }, schemeButton(), print)),
    contents,
    ...sections,
    el("footer", {}, el("p", {}, `setsuna ${page.setsuna}`), licences()),
  );
  document.documentElement.dataset.ready = "yes";
}

main();
