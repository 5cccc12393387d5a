#!/usr/bin/env python3
"""The tables that scripts/bench writes: means, the best peer, rows of another commit, reasons that stay."""
import importlib.machinery
import importlib.util
import os
import sys

sys.dont_write_bytecode = True
path = os.path.join(os.environ["SETSUNA_SOURCE_DIR"], "scripts", "bench")
loader = importlib.machinery.SourceFileLoader("bench", path)
bench = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench", loader))
loader.exec_module(bench)


def row(model, threads, speedup, commit="abc"):
    cold = {"answer_ns": {"p50": 10e6}, "peak_bytes": {"min": 2**20, "max": 2**21}}
    slow = {"answer_ns": {"p50": 90e6}, "peak_bytes": {"min": 2**23, "max": 2**24}}
    ratio = {"median": speedup, "low": speedup - 0.1, "high": speedup + 0.1}
    return {"model": model, "threads": threads, "commit": commit, "machine": "m", "date": "d", "onnxruntime": "o",
            "speedup_min": ratio, "speedup_p50": ratio, "native_ns": {"min": 1e6 / threads, "p50": 1e6},
            "onnxruntime_ns": {"min": 1e6 * speedup, "p50": 1e6 * speedup}, "native_cold": cold,
            "onnxruntime_cold": slow}


rows = [row("resnet18", 1, 2.0), row("silero-vad-v5", 1, 4.5), row("resnet18", 2, 0.5, "older")]
text = bench.table(rows, "f32")
# The published 12.09 ms of MNN beside ORT's 16.22 on one thread; on two, XNNPACK's 8.10 beside 8.36. Slower rows stay.
assert f"| mnn† | {2 * 12.09 / 16.22:.2f} |" in text, text
assert f"| xnnpack† | {0.5 * 8.10 / 8.36:.2f} |" in text, text
assert "| ORT | 4.50 |" in text, text
assert "**geometric mean of 2** | | | **3.00** |" in text, text
assert "| 10.0 | 90.0 | 9.0 | - | - | 2 | 8 | 0.25 |" in text, text
kept = [dict(r, cached_cold={"answer_ns": {"p50": 5e6}}) for r in rows]
assert "| 10.0 | 90.0 | 9.0 | 5.0 | 18.0 | 2 | 8 | 0.25 |" in bench.table(kept, "f32"), bench.table(kept, "f32")
assert "commit abc; older for resnet18 2" in text, text
assert "| resnet18 | 1.00 | 0.5000 | 2.00 |" in text, text

step = {"step": 0, "name": "a|b", "op": "Conv", "kernel": "sn_conv_dense_avx512", "shape": [1, 2], "p50_ns": 2000,
        "min_ns": 1500, "share": 0.5, "flops_per_s": 1e9, "bytes_per_s": 2e9, "bound_ns": 500.0, "bound": "compute"}
per_op = {"timed_runs": 3, "timed_p50_ns": 5000, "plain_p50_ns": 4900, "steps": [dict(step, step=1, name="c"), step],
          "roofline": {"flops_per_s": 1e11, "touched_bytes": 1e6,
                       "bandwidth": [{"bytes": 16384, "bytes_per_s": 1e11}, {"bytes": 2**26, "bytes_per_s": 4e10}]}}
first = bench.steps_table("m", 1, "said", per_op, {})
assert "100 GB/s of 16 KiB, 40 GB/s of 64 MiB" in first and "ratio 4.00" in first, first
assert first.index("| 0 | a\\|b |") < first.index("| 1 | c |"), first
with open("m.md", "w", encoding="utf-8") as f:
    f.write(first.replace("| 1.50 |  |", "| 1.50 | too few channels |", 1))
kept = bench.reasons("m.md")
assert kept == {"a\\|b": "too few channels"}, kept
assert bench.steps_table("m", 1, "said", per_op, kept).count("| too few channels |") == 1
assert bench.reasons("nothing.md") == {}

full = [row(name, threads, 2.0) for name in bench.SUITES["f32"] for threads in (1, 2)]
short = bench.short_table(full, "f32")
assert short.count("\n") == len(bench.SUITES["f32"]) + 2 and "| resnet18 | 1.00 | 2.00 | 2.00 | mnn† |" in short, short

# Quantised models beside their float form: 1.5 times faster than it; oneDNN's 4.23 ms beside ORT's 4.80.
narrow = [dict(row(name, threads, 2.0), float_ns={"min": 1.5e6, "p50": 1.6e6},
               over_float_min={"median": 1.5, "low": 1.4, "high": 1.6})
          for name in bench.SUITES["int8"] for threads in (1, 2)]
text = bench.table(narrow, "int8")
assert f"| onednn-convolutions† | {2 * 4.23 / 4.80:.2f} | 1.50 | 1.50 (1.40-1.60) | 10.0 |" in text, text
assert f"**geometric mean of {len(bench.SUITES['int8'])}** | | | **2.00** |" in text and "| | **1.50** | | |" in text, text
short = bench.short_table(narrow, "int8")
lines = short.splitlines()
assert len({line.count("|") for line in lines}) == 1, short
assert lines[-1].startswith("| **geometric mean** | | | **2.00** | |") and lines[-1].count("**1.50**") == 2, short
assert bench.float_form("resnet50-int8-operators") == "resnet50" and bench.suite_of("resnet50") == "f32"

# Latencies alone: of one item of a batch; of AVX2 beside the best level.
batches = [row("resnet18-batch8", 1, 2.0), row("resnet18-batch32", 1, 4.0)]
lines = bench.table(batches, "batch").splitlines()
assert any(line.startswith("| resnet18-batch8 | 0.1250 | 0.2500 | 2.00 (") for line in lines), lines
assert "| **geometric mean of 2** | | | **2.83** | | | **2.83** |" in lines, lines
held = bench.table([row("resnet18-avx2", 1, 2.0), row("vit-tiny-avx2", 1, 2.0)], "avx2", [row("resnet18", 1, 2.0)])
assert [line.split(" | ")[-1] for line in held.splitlines() if "-avx2 |" in line] == ["1.00 |", "- |"], held
bf16 = bench.table([dict(row("resnet18-bf16", 1, 2.0), float_ns={"min": 3e6, "p50": 3e6},
                         over_float_min={"median": 3.0, "low": 2.9, "high": 3.1})], "bf16")
assert "| 3.00 | 3.00 (2.90-3.10) |" in bf16 and bf16.rstrip().endswith("**2.00** | | **3.00** |"), bf16
assert [bench.batch_of(name) for name in ("resnet50", "vit-tiny-batch32")] == [1, 32]
assert bench.float_form("vit-tiny-batch32") == "vit-tiny" and bench.suite_of("vit-tiny-avx2") == "avx2"

marked = "<!-- make bench writes this: f32 -->\nold\n<!-- until here -->\n" \
         "<!-- make bench writes this: int8 -->\nold8\n<!-- until here -->\nafter"
assert bench.between_marks(marked, "f32", "new") == marked.replace("old\n", "new\n")
assert bench.between_marks(marked, "int8", "new") == marked.replace("old8", "new")
assert bench.between_marks("no marks", "f32", "new") == "no marks"
with open(os.path.join(os.environ["SETSUNA_SOURCE_DIR"], "README.md"), encoding="utf-8") as f:
    readme = f.read()
for suite in set(bench.SUITES) - set(bench.LATENCY_ONLY):
    assert bench.between_marks(readme, suite, "new") != readme
unknown = {model for model, _ in bench.published()} - set(bench.NAMES)
assert not unknown, unknown
