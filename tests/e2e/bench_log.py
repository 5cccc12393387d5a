#!/usr/bin/env python3
"""bench_log.py SETSUNA: `bench --log` in both forms, read by other code than wrote it, against what bench itself says."""
import csv
import json
import math
import os
import struct
import subprocess
import sys
import zlib

SETSUNA = sys.argv[1]
MODEL = "/usr/share/libonnx-testdata/data/node/test_conv_with_strides_padding/model.onnx"
LATE, DROPPED, ERROR, WARMUP, UNSERVED = 1, 2, 4, 8, 16


def bench(log, *words, code=0):
    done = subprocess.run([SETSUNA, "bench", MODEL, "--json", "--log", log, *words], capture_output=True, text=True,
                          check=False)
    assert done.returncode == code, (words, done.returncode, done.stderr)
    return (json.loads(done.stdout) if done.stdout else None), done.stderr


def read_csv(path):
    with open(path, encoding="ascii") as f:
        return [{k: int(v) for k, v in row.items()} for row in csv.DictReader(f)]


def read_encoded(path):
    """After the comment in src/ledger/request_log.h."""
    with open(path, "rb") as f:
        data = f.read()
    assert data[:8] == b"SNREQLOG" and zlib.crc32(data[:-4]) == struct.unpack("<I", data[-4:])[0]
    version, n_columns, n_rows, n_all = struct.unpack_from("<IIQQ", data, 8)
    assert version == 1 and n_all >= n_rows
    at, columns = 32, {}
    for _ in range(n_columns):
        name = data[at + 1:at + 1 + data[at]].decode("ascii")
        at += 1 + data[at]
        end = at + 8 + struct.unpack_from("<Q", data, at)[0]
        at, value, values = at + 8, 0, []
        while at < end:
            number = shift = 0
            while True:
                number |= (data[at] & 127) << shift
                shift, at = shift + 7, at + 1
                if data[at - 1] < 128:
                    break
            value = (value + (number >> 1 ^ -(number & 1))) % 2**64
            values.append(value)
        columns[name] = values
        assert len(values) == n_rows
    assert at == len(data) - 4
    return [dict(zip(columns, row)) for row in zip(*columns.values())], n_all


def check(rows, report):
    """Rows by the rules, and the same figures as in the report."""
    begins = [r.get("begin_ns", 0) for r in rows]
    assert begins == sorted(begins)
    for r in rows:
        assert r.get("due_ns", 0) <= r.get("begin_ns", 0) <= r["end_ns"], r
    served = [r for r in rows if not r.get("flags", 0) & (DROPPED | UNSERVED)]
    latency = sorted(r["end_ns"] - r.get("due_ns", 0) for r in served)
    n = report["runs"]
    assert len(served) == n
    said = report["latency_ns"]
    for q, key in ((0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (1, "max")):
        assert latency[math.ceil(q * n - 1e-9) - 1] == said[key], key
    for stage, share in report["stages_ns"].items():
        mean = sum(r.get(stage + "_ns", 0) for r in served) / n
        assert math.isclose(mean, share["mean"], rel_tol=1e-9, abs_tol=1e-9), stage
    schedule = report.get("schedule")
    flags = [r.get("flags", 0) for r in rows]
    assert sum(f & WARMUP > 0 for f in flags) == report["intervals_ns"]["warmup"]
    if schedule:
        assert sum(f & LATE for f in flags) == schedule["late"]
        assert sum(f & DROPPED > 0 for f in flags) == schedule["dropped"]
        assert sum(f & UNSERVED > 0 for f in flags) == schedule["unserved"]


for words in (["--runs", "200"], ["--runs", "50", "--explain"],
              ["--schedule", "poisson:2000/s", "--duration", "100ms", "--deadline", "50us"],
              ["--schedule", "closed:3", "--runs", "500"], ["--schedule", "frames:1000000/s", "--duration", "10ms"],
              ["--schedule", "constant:3000000/s", "--duration", "5ms"], ["--schedule", "offline:500"]):
    report, _ = bench("log.csv", *words)
    check(read_csv("log.csv"), report)
    report, _ = bench("log.bin", *words)
    rows, n_all = read_encoded("log.bin")
    assert n_all == len(rows)
    check(rows, report)

# A log ends at its cap, and says so; the report does not.
report, said = bench("log.bin", "--schedule", "constant:400000000/s", "--duration", "4ms")
rows, n_all = read_encoded("log.bin")
assert len(rows) == 1000000 and n_all == report["runs"] + report["schedule"]["unserved"] > 1000000, n_all
assert "first 1000000 of" in said, said

# A log that cannot be written fails the job, after the report.
report, said = bench("/nowhere/log.bin", "--runs", "20", code=1)
assert report["runs"] == 20 and "/nowhere/log.bin" in said
os.makedirs("folder.csv", exist_ok=True)
report, said = bench("folder.csv", "--runs", "20", code=1)
assert "folder.csv" in said and os.listdir("folder.csv") == []
