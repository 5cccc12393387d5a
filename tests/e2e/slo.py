#!/usr/bin/env python3
"""slo.py SETSUNA: `bench --slo` by its exit codes and its JSON. Limits are so far from what any machine does that stalls of
a busy one change no verdict."""
import os
import subprocess
import sys
import time

SETSUNA = sys.argv[1]
SOURCE = os.environ["SETSUNA_SOURCE_DIR"]
sys.path.insert(0, os.path.join(SOURCE, "tests/unit/report"))
from json_schema import load, violations  # noqa: E402

MODEL = "/usr/share/libonnx-testdata/data/node/test_conv_with_strides_padding/model.onnx"
with open(os.path.join(SOURCE, "docs/bench.schema.json"), encoding="utf-8") as schema:
    SCHEMA = load(schema.read())


def bench(*words):
    done = subprocess.run([SETSUNA, "bench", MODEL, *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def verdict(code, *words):
    got, out, said = bench("--json", *words)
    assert got == code, (words, got, said, out[:2000])
    report = load(out)
    found = list(violations(report, SCHEMA))
    assert not found, (words, found)
    slo = report["slo"]
    assert slo["verdict"] == ["met", "missed", "undecided"][code], (words, slo)
    return report


# Met, missed, undecided; with and without a schedule; a fixed length and one that ends with the verdict.
verdict(0, "--slo", "p99=1000h,p50=500h,error=1%,goodput=1/min", "--duration", "1s")
verdict(1, "--slo", "p50=1ns", "--duration", "1s")
r = verdict(2, "--slo", "p99=10s", "--runs", "50")
assert r["slo"]["longer"] > 5 and r["runs"] == 50
verdict(1, "--slo", "goodput=1/s", "--deadline", "1ns", "--duration", "1s")
verdict(0, "--slo", "p90=1000h,attainment=50%", "--schedule", "poisson:2000/s", "--duration", "2s")
begin = time.monotonic()
verdict(0, "--slo", "p99=1000h", "--schedule", "constant:2000/s")
assert time.monotonic() - begin < 90
# Requests that are dropped, or have no turn, count against.
r = verdict(1, "--slo", "error=1%", "--schedule", "frames:30000000/s", "--duration", "500ms")
assert r["slo"]["lost"] == r["schedule"]["dropped"] + r["schedule"]["unserved"] > 0
r = verdict(1, "--slo", "p99=10s", "--schedule", "constant:50000000/s", "--duration", "200ms")
assert r["slo"]["overloaded"] and r["slo"]["requests"] > r["runs"]
code, out, _ = bench("--slo", "p99=1000h", "--duration", "1s")
assert code == 0 and "objective p99=1000h: met" in out

# The search: every rate is met that the server can do, so the interval is about its speed; the figures are of its lower end.
r = verdict(0, "--slo", "p99=1000h", "--search", "--duration", "2s", "--price", "0.36", "--watts", "50")
found, rates = r["search"], [k["rate_per_s"] for k in r["search"]["rates"]]
assert 0 < found["met_per_s"] < found["missed_per_s"], found
assert r["schedule"]["text"].startswith("poisson:") and found["met_per_s"] in rates
assert abs(r["schedule"]["offered_per_s"] / found["met_per_s"] - 1) < 0.2
cost = r["cost"]
assert cost["rate_per_s"] == found["met_per_s"] and cost["watts_source"] in ("declared", "measured")
assert abs(cost["per_million"] * cost["rate_per_s"] / 100 - 1) < 1e-9
code, out, _ = bench("--slo", "p50=1ns", "--search", "--duration", "1s", "--json")
r = load(out)
assert code in (1, 2) and "met_per_s" not in r["search"], r["search"] # undecided where the machine is busy enough
for words in (["--search"], ["--slo", "p99=1s", "--search", "--runs", "5"], ["--price", "free"]):
    code, _, said = bench(*words)
    assert code == 2 and said, words

# What is wrong is said before the model is opened.
for words, says in ((["--slo", "p99=33"], "at character 7: wants a time"), (["--slo", "fast"], "--slo help"),
                    (["--slo", "goodput=3/s"], "--deadline")):
    code, out, said = bench(*words)
    assert code == 1 and says in said and not out, (words, said)
code, out, _ = bench("--slo", "help")
assert code == 0 and "video-30fps" in out and "p99=33.3ms" in out
