#!/usr/bin/env python3
"""compare.py SETSUNA: `setsuna compare` with real processes, by its exit codes, its JSON and what it leaves behind.

A difference is made that no busy machine hides: programs that stand in for bench write the log of a run whose latencies
are known. Where bench itself runs, only what does not depend on the day is asked for.
"""
import os
import re
import signal
import stat
import subprocess
import sys
import time

SETSUNA = os.path.abspath(sys.argv[1])
SOURCE = os.environ["SETSUNA_SOURCE_DIR"]
sys.path.insert(0, os.path.join(SOURCE, "tests/unit/report"))
from json_schema import load, violations  # noqa: E402

MODEL = "/usr/share/libonnx-testdata/data/node/test_conv_with_strides_padding/model.onnx"
with open(os.path.join(SOURCE, "docs/compare.schema.json"), encoding="utf-8") as schema:
    SCHEMA = load(schema.read())
os.environ["TMPDIR"] = os.path.join(os.getcwd(), "tmp")
os.makedirs(os.environ["TMPDIR"], exist_ok=True)

# stand_in.py SCALE CPU ... --json --log FILE: 500 latencies around SCALE us, another start in each run.
STAND_IN = os.path.join(os.getcwd(), "stand_in.py")
with open(STAND_IN, "w", encoding="utf-8") as f:
    f.write(f"#!{sys.executable}\n" + r'''
import os, random, signal, struct, sys, zlib
assert sys.argv[-3:-1] == ["--json", "--log"] and "SETSUNA_NO_HISTORY" in os.environ
assert not signal.pthread_sigmask(signal.SIG_BLOCK, [])
fds = sorted(int(fd) for fd in os.listdir("/proc/self/fd"))
assert fds[:3] == [0, 1, 2] and len(fds) <= 4, fds  # and the listing's own
assert not sys.stdin.read()
def column(name, values):
    out, before = b"", 0
    for value in values:
        number = (value - before) << 1 if value >= before else ((before - value) << 1) - 1
        before = value
        while number > 127:
            out += bytes([number & 127 | 128])
            number >>= 7
        out += bytes([number])
    return bytes([len(name)]) + name.encode() + struct.pack("<Q", len(out)) + out
start = random.gauss(1, 0.002)
end = [int(float(sys.argv[1]) * 1000 * start * random.uniform(0.99, 1.01)) for _ in range(500)]
log = b"SNREQLOG" + struct.pack("<IIQQ", 1, 1, 500, 500) + column("end_ns", end)
with open(sys.argv[-1], "wb") as f:
    f.write(log + struct.pack("<I", zlib.crc32(log)))
print('{\n  "passport": {\n    "setsuna": "0.1.0",\n    "cpu": "' + sys.argv[2] + '"\n  },\n  "outputs": []\n}')
''')
os.chmod(STAND_IN, stat.S_IRWXU)


def compare(*words, code=0):
    done = subprocess.run([SETSUNA, "compare", *words], capture_output=True, text=True, check=False)
    assert done.returncode == code, (words, done.returncode, done.stderr, done.stdout)
    assert not os.listdir(os.environ["TMPDIR"]), "something was left behind"
    return done.stdout, done.stderr


def judged(*words, code=0):
    out, said = compare("--json", *words, code=code)
    report = load(out)
    found = list(violations(report, SCHEMA))
    assert not found, (words, found)
    return report, said


def two(a, b, cpu_b="x"):
    return ["--", STAND_IN, a, "x", "--", STAND_IN, b, cpu_b]


# The schema knows every key that json.md has in its part about compare, and no others.
with open(os.path.join(SOURCE, "docs/json.md"), encoding="utf-8") as f:
    part = f.read().split("## `setsuna compare --json`")[1].split("\n## ")[0]
keys = set(SCHEMA["properties"]) | set(SCHEMA["$defs"]["figure"]["properties"])
assert keys == set(re.findall(r"^\| `([a-z0-9_]+)` \|", part, re.M)), keys

# What is known to be faster, slower, or the same is said to be; equal systems end early.
report, said = judged("--rounds", "8", *two("1000", "1200"))
assert all(f["verdict"] == "slower" and abs(f["change"] - 0.2) < 0.05 for f in report["figures"].values()), report
assert "after 4 rounds" in said and report["requests_a"] == 500 * report["rounds"]
report, _ = judged("--rounds", "8", *two("1000", "800"))
assert all(f["verdict"] == "faster" and f["lo"] < f["change"] < f["hi"] < 0 for f in report["figures"].values())
report, _ = judged("--rounds", "40", *two("1000", "1000"))
assert all(f["verdict"] == "same" for f in report["figures"].values()) and 6 <= report["rounds"] < 40, report
out, _ = compare("--rounds", "6", *two("1000", "1000"))
assert "no difference larger than 3 %" in out and "6 rounds" in out
compare("--fail-if-slower", "3%", "--rounds", "6", *two("1000", "1200"), code=1)
compare("--fail-if-slower", "50%", "--rounds", "6", *two("1000", "1200"))

# Passports: another machine refuses, and is said.
report, _ = judged("--rounds", "6", *two("1000", "1200", "y"))
assert report["refused"] and report["passport_differences"] == 1
assert all(f["verdict"] == "cannot tell" for f in report["figures"].values())
out, _ = compare("--rounds", "6", "--any-machine", *two("1000", "1200", "y"))
assert 'passports differ: "cpu": "x" and "y"' in out.replace("and  ", "and ") and "slower" in out, out

# bench itself, in both forms.
report, _ = judged("--rounds", "6", MODEL, "--a", "--runs 50", "--b", "--runs 60 --no-winograd")
assert report["requests_a"] == 6 * 50 and report["requests_b"] == 6 * 60 and report["b"].endswith("60 --no-winograd")
report, _ = judged("--rounds", "6", "--", "bench", MODEL, "--runs", "20", "--", SETSUNA, "bench", MODEL, "--runs", "20")
assert report["passport_differences"] == 0

# What fails says why, with the child's own words.
for words, code, says in (
        (["--", "bench", "/gone.onnx", "--", "bench", MODEL], 1, "setsuna: /gone.onnx: cannot open"),
        (["--", "true", "--", "true"], 1, "is it a `setsuna bench` command"),
        (["--", "/no/such/program", "--", "true"], 1, "cannot be started"),
        (["--", "bench", MODEL], 2, "B has no command line"), ([], 2, "--a OPTIONS"), ([MODEL, "--a", ""], 2, "--b"),
        ([MODEL, "--a", "", "--b", "", "--margin", "3"], 2, "percentage"),
        ([MODEL, "--a", "", "--b", "", "--", "bench"], 2, "has no command line"),
        ([MODEL, "--rounds", "5"], 2, "from 6 to")):
    _, said = compare(*words, code=code)
    assert says in said, (words, said)

# Ctrl-C keeps the rounds that are complete, says so, and leaves nothing behind.
with subprocess.Popen([SETSUNA, "compare", "--json", "--rounds", "1000", "--precision", "0%", *two("1000", "1000")],
                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
    while "after 4 rounds" not in child.stderr.readline():
        assert child.poll() is None
    time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    report = load(child.stdout.read())
assert child.returncode == 0 and report["interrupted"] and 4 <= report["rounds"] < 1000
assert not os.listdir(os.environ["TMPDIR"])
