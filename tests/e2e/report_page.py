#!/usr/bin/env python3
"""The report page in a real browser: drawn, zoomed, printed, on a narrow screen, in the dark, in Japanese; no error, no
request to any network, and nothing of a hostile name or tag is run.

    report_page.py SETSUNA MODEL [--keep]      --keep leaves pictures behind, for people
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import browser

setsuna, model = sys.argv[1:3]
program = browser.find()
if not program:
    print("skipped: no chromium here (scripts/deps --with-checks installs it)")
    sys.exit(77)

HOSTILE = "</script><img src=x onerror=window.hacked=1><!--\u2028\"'&"
failed = []


def check(ok, what):
    if not ok:
        failed.append(what)
        print("FAILED:", what)


def run(*words):
    done = subprocess.run([setsuna, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        sys.exit(f"{words}: exit code {done.returncode}\n{done.stderr.decode()}")
    return done.stdout.decode()


# What all charts show, in numbers that change with every pixel.
DRAWN = """[...document.querySelectorAll('canvas')].map(c => {
    const copy = new OffscreenCanvas(c.width, c.height).getContext('2d', {willReadFrequently: true});
    copy.drawImage(c, 0, 0);
    const d = copy.getImageData(0, 0, c.width, c.height).data;
    let inked = 0, sum = 0;
    for (let i = 0; i < d.length; i += 4) if (d[i + 3]) { inked++; sum = (sum * 31 + d[i] + i) % 1000000007; }
    return [c.width, c.height, inked, sum];
})"""


def box(page, selector, index=0):
    return page.run(f"""(() => {{ const e = document.querySelectorAll('{selector}')[{index}];
        e.scrollIntoView({{block: 'center'}}); const b = e.getBoundingClientRect();
        return [b.left, b.top, b.width, b.height]; }})()""")


def check_drawn(page, n_charts, what):
    drawn = page.run(DRAWN)
    check(len(drawn) == n_charts and all(inked > 500 for _, _, inked, _ in drawn), f"{what}: charts {drawn}")
    check(not page.complaints, f"{what}: {page.complaints}")
    check(all(url.startswith("file://") for url in page.requests), f"{what}: asks for {page.requests}")
    check(not page.run("window.hacked"), f"{what}: the hostile text was run")
    check(not page.run("document.querySelector('#page img, #page script, #page iframe')"), f"{what}: elements of a text")


def check_zoom(page):
    """Each way to zoom changes the picture; the whole chart comes back."""
    whole = page.run(DRAWN)[0]
    left, top, width, height = box(page, ".u-over")
    page.settle()

    def changed(what, act):
        before = page.run(DRAWN)[0]
        act()
        page.settle()
        check(page.run(DRAWN)[0] != before, f"{what} does nothing")

    def back(what):
        page.settle()
        check(page.run(DRAWN)[0] == whole, f"after {what} it is not the whole chart")

    x, y = left + width / 2, top + height / 2
    changed("dragging", lambda: page.drag(x - 80, y - 40, x + 60, y + 40))
    changed("shift and drag", lambda: page.drag(x, y, x + 30, y + 20, modifiers=8))
    for count in (1, 2):
        page.mouse("mousePressed", x, y, button="left", clickCount=count)
        page.mouse("mouseReleased", x, y, button="left", clickCount=count)
    back("a double click")
    changed("the wheel with Ctrl", lambda: page.mouse("mouseWheel", x, y, deltaX=0, deltaY=-200, modifiers=2))
    page.run("document.querySelector('.plot').focus()")
    changed("the key +", lambda: page.call("Input.dispatchKeyEvent", type="keyDown", key="+", text="+"))
    changed("an arrow", lambda: page.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight"))
    page.call("Input.dispatchKeyEvent", type="keyDown", key="0", text="0")
    back("the key 0")
    changed("the button +", lambda: page.run("document.querySelector('figcaption button').click()"))
    page.run("document.querySelectorAll('figcaption button')[2].click()")
    back("the button for the whole chart")
    changed("the button log", lambda: page.run("document.querySelector('figcaption button[aria-pressed]').click()"))


def check_touch(page):
    page.call("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=2)
    left, top, width, height = box(page, ".u-over")
    before = page.run(DRAWN)[0]
    x, y = left + width / 2, top + height / 2
    for kind, apart in (("touchStart", 20), ("touchMove", 50), ("touchMove", 90), ("touchEnd", 0)):
        points = [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}] if apart else []
        page.call("Input.dispatchTouchEvent", type=kind, touchPoints=points)
    page.settle()
    check(page.run(DRAWN)[0] != before, "two fingers do nothing")
    page.call("Emulation.setTouchEmulationEnabled", enabled=False)


def check_numbers(page, db):
    kept = json.loads(run("history", "show", "1", "--db", db, "--json"))["runs"][0]
    shown = page.run("[...document.querySelectorAll('.figure')].map(f => f.textContent)")
    p50 = kept["result"]["latency_ns"]["p50"]
    number = re.search(r"p50([0-9.]+) (ns|µs|ms|s)", shown[0])
    scale = {"ns": 1, "µs": 1e3, "ms": 1e6, "s": 1e9}
    check(number and abs(float(number[1]) * scale[number[2]] - p50) <= 1e-3 * p50, f"p50 {p50} is shown as {shown[0]}")
    means = page.run("JSON.parse(document.getElementById('data').textContent).runs[0].log.mean")
    check(abs(sum(means["stages_ns"]) - means["mean_ns"]) < 1e-6 * means["mean_ns"], f"stages do not add up: {means}")
    check(kept["command"] == page.run("document.querySelector('#reproduce pre').textContent"), "the command")
    check(HOSTILE in page.run("document.getElementById('summary').textContent"), "the tag is not shown as it is")


def check_page(page, db, keep):
    page.scheme("light")
    page.size(1200, 900)
    page.open("one.html")
    check_drawn(page, 4, "one run")
    check_numbers(page, db)
    check_zoom(page)
    light = page.run("getComputedStyle(document.body).backgroundColor")
    page.scheme("dark")
    page.settle()
    check(page.run("getComputedStyle(document.body).backgroundColor") != light, "dark is as light")
    check_drawn(page, 4, "dark")
    if keep:
        page.picture("dark.png")
    page.scheme("light")
    page.size(390, 800, mobile=True)
    page.open("one.html")
    check_drawn(page, 4, "on a phone")
    check(page.run("document.scrollingElement.scrollWidth") <= 390, "wider than a phone")
    check_touch(page)
    if keep:
        page.picture("phone.png")
    page.size(1200, 900)
    page.scheme("dark")
    page.open("two.html")
    check_drawn(page, 5, "two runs")
    check(page.run("document.querySelectorAll('#compared tbody tr').length") == 6, "no comparison")
    check(page.run("document.querySelector('h1').textContent") == "レイテンシ報告", "not in Japanese")
    check(page.run("document.documentElement.lang") == "ja", "lang is not ja")
    if keep:
        page.picture("two.png")
    page.open("one.html")
    pdf = page.pdf("one.pdf")
    check(pdf[:5] == b"%PDF-" and len(pdf) > 20000, "printing")
    check(page.run("document.documentElement.dataset.scheme") == "dark", "printing left the light colours")
    check_drawn(page, 4, "after printing")


def main():
    keep = "--keep" in sys.argv
    shutil.copy(model, "<b>&'\".onnx")
    db = os.path.abspath("history.db")
    if os.path.exists(db):
        os.remove(db)
    run("bench", "<b>&'\".onnx", "--runs", "3000", "--explain", "--per-op", "--tag", HOSTILE, "--db", db)
    run("bench", "<b>&'\".onnx", "--schedule", "poisson:2000/s", "--duration", "500ms", "--deadline", "1ms", "--db", db)
    run("report", "1", "-o", "one.html", "--db", db)
    run("report", "1", "2", "--lang", "ja", "-o", "two.html", "--db", db)
    with tempfile.TemporaryDirectory() as folder:
        page = browser.Page(program, folder)
        try:
            check_page(page, db, keep)
        finally:
            page.close()
    return 1 if failed else 0


sys.exit(main())
