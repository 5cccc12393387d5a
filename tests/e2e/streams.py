#!/usr/bin/python3
"""Streams under `setsuna bench` and `setsuna run`: streams.py SETSUNA PIPELINE

Every frame is a request with a ledger of its own that closes; what is done once a file is in none of them; and frames
remember nothing of the warm-up or of the time before: the outputs are those of one run over the file, to the bit.
PIPELINE is one with a recurrent model; where its weights are not there, a pipeline without a model has to do.
"""
import hashlib
import json
import os
import subprocess
import sys

import numpy as np

import sound

SOURCE = os.environ["SETSUNA_SOURCE_DIR"]
sys.path.insert(0, os.path.join(SOURCE, "tests/unit/report"))
from json_schema import load, violations  # noqa: E402

SETSUNA, RECURRENT = sys.argv[1:]
RATE, LENGTH, HOP = 16000, 512, 256
STEPS = f"""setsuna: 1
name: frames and the ones before them
inputs: {{sound: bytes}}
steps:
  - decode_audio: {{from: sound, to: audio, rate: {RATE}}}
  - frames: {{from: audio, to: frame, length: {LENGTH}, hop: {HOP}}}
  - window: {{from: frame, to: pair, rows: 2, fill: -1}}
  - collect: {{from: pair, to: pairs}}
outputs: [pairs]
"""
failed = []


def check(truth, text):
    if not truth:
        failed.append(text)


def setsuna(*words, code=0):
    done = subprocess.run([SETSUNA, *map(str, words)], capture_output=True, text=True)
    check(done.returncode == code, f"{words}: exit code {done.returncode}, not {code}: {done.stderr}")
    return done.stderr if code else done.stdout


def checked_json(schema, *words):
    document = load(setsuna(*words, "--json"))
    with open(os.path.join(SOURCE, "docs", schema), encoding="utf-8") as f:
        for problem in violations(document, load(f.read())):
            failed.append(f"{words}: {problem}")
    return document


def bench(*words):
    return checked_json("bench.schema.json", "bench", *words)


def write_sound(name, n):
    samples = np.random.default_rng(n).integers(-32768, 32768, n) / 32768
    sound.write_wav(name, samples, RATE)
    return name, samples.astype(np.float32)


def frames_of(samples):
    """What the pipeline has to collect, from the definition of its steps."""
    n = 1 + -(-(len(samples) - LENGTH) // HOP)
    padded = np.concatenate([samples, np.zeros(LENGTH, np.float32)])
    frames = np.stack([padded[k * HOP : k * HOP + LENGTH] for k in range(n)])
    before = np.concatenate([np.full((1, LENGTH), -1, np.float32), frames[:-1]])
    return np.stack([before, frames], axis=1)


def sha(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def closes(what, ledger):
    parts = sum(s["mean"] for s in ledger["stages_ns"].values()) + ledger["unexplained_ns"]["mean"]
    wall = ledger["latency_ns"]["mean"]
    check(abs(parts - ledger["unexplained_ns"]["overdrawn_mean"] - wall) <= 1e-9 * wall, f"{what} does not close")


def check_bench(pipeline, wavs, runs, files, want, *words):
    r = bench(pipeline, *[name for name, _ in wavs], "--runs", runs, *words)
    what, stream = f"{words}, {runs} frames", r["stream"]
    check(r["runs"] == runs and stream["files"] == files, f"{what}: {r['runs']} runs, {stream['files']} files")
    check(stream["frame_s"] == HOP / RATE, f"{what}: a frame of {stream['frame_s']} s")
    factor = r["latency_ns"]["mean"] * 1e-9 / stream["frame_s"]
    check(abs(stream["real_time_factor"] - factor) <= 1e-9 * factor, f"{what}: real-time factor {factor}")
    closes(f"{what}: a frame's ledger", r)
    closes(f"{what}: an opening's ledger", stream["opening"])
    for stage in ("acquire", "preprocess"):
        check(r["stages_ns"][stage]["mean"] == 0, f"{what}: {stage} is in the frames")
        check(stream["opening"]["stages_ns"][stage]["mean"] > 0, f"{what}: {stage} is not in the opening")
    check(r["stages_ns"]["prepare"]["p50"] > 0, f"{what}: no frame was prepared")
    got = [o["sha256"] for o in r["outputs"]]
    check(got == ([sha(want)] if want is not None else []), f"{what}: the outputs are others")


def check_frames():
    with open("pairs.yaml", "w", encoding="utf-8") as f:
        f.write(STEPS)
    long, short = write_sound("long.wav", 9001), write_sound("short.wav", 700)
    pairs, few = frames_of(long[1]), frames_of(short[1])
    n, m = len(pairs), len(few)
    check_bench("pairs.yaml", [long], 2 * n + 1, 3, pairs, "--warmup", n // 2)
    check_bench("pairs.yaml", [long], 2 * n, 2, pairs, "--warmup", 0, "--explain")
    check_bench("pairs.yaml", [long], 3, 1, pairs)  # the warm-up went to the end
    check_bench("pairs.yaml", [long], n - 1, 1, None, "--warmup", 0)  # nothing did
    check_bench("pairs.yaml", [long, short], n + m, 2, few, "--warmup", 2)
    check_bench("pairs.yaml", [long, short], n + m + n, 3, pairs, "--warmup", 2)
    r = bench("pairs.yaml", "long.wav", "--duration", "100ms")
    check(r["runs"] >= 10 and r["outputs"][0]["sha256"] == sha(pairs), "--duration 100ms")
    check_bench("pairs.yaml", [], n, 1, pairs, "--input", "sound=long.wav")

    results = checked_json("run.schema.json", "run", "pairs.yaml", "long.wav", "short.wav")["results"]
    for r, want in zip(results, (pairs, few), strict=True):
        check(sum(r["stages_ns"].values()) + r["unexplained_ns"] == r["wall_ns"], "a file's ledger does not close")
        stream = r["stream"]
        closes("run: a frame's ledger", stream)
        check(stream["frames"] == len(want), f"{stream['frames']} frames instead of {len(want)}")
        check(r["wall_ns"] > stream["latency_ns"]["mean"] * stream["frames"], "frames took longer than their file")
        check(r["stages_ns"]["preprocess"] > 0, "decoding is not in the file's ledger")
        check(r["outputs"]["pairs"]["shape"] == list(want.shape), "the outputs are others")
    text = setsuna("run", "pairs.yaml", "long.wav", "short.wav", "--ledger")
    for line in (f"; {n} frames of 16.00 ms in ", f"\nper frame: {n + m} frames of 16.00 ms in ", f"\n{n + m} requests;",
                 "\nopening a file, before its frames: "):
        check(line in text, f"run --ledger: no '{line.strip()}' in\n{text}")
    text = setsuna("bench", "pairs.yaml", "long.wav", "--runs", 1000)
    for line in (" frames/s\n", "\nper frame: 1,000 frames of 16.00 ms in ", " each: real-time factor ", " times real time)\n", "\n1,000 requests;",
                 "\nopening a file, before its frames: "):
        check(line in text, f"bench: no '{line.strip()}' in\n{text}")


def check_no_frames():
    write_sound("empty.wav", 0)
    text = setsuna("bench", "pairs.yaml", "short.wav", "empty.wav", code=1)
    check("empty.wav" in text and "without a single frame" in text, f"an empty sound under bench: {text}")
    check("no frames" in setsuna("run", "pairs.yaml", "empty.wav", "--ledger"), "an empty sound under run")
    r = checked_json("run.schema.json", "run", "pairs.yaml", "empty.wav")["results"][0]
    check(r["stream"]["frames"] == 0 and r["stream"]["real_time_factor"] == 0, "an empty sound under run --json")
    check("absent.wav" in setsuna("bench", "pairs.yaml", "absent.wav", code=1), "a missing sound under bench")


def check_recurrent():
    """State does not outlive a file."""
    if not os.path.exists(os.path.join(SOURCE, "models/cache/silero-vad-v5.onnx")):
        print("not tried with a recurrent model: it is not there")
        return
    name, _ = write_sound("noise.wav", 20000)
    setsuna("run", RECURRENT, name, "--output-dir", "out")
    want = sha(np.load("out/probabilities.npy"))
    for words in (["--warmup", 0, "--runs", 40], ["--warmup", 7, "--runs", 80], ["--warmup", 45, "--runs", 100]):
        r = bench(RECURRENT, name, *words)
        check([o["sha256"] for o in r["outputs"]] == [want], f"{words}: the probabilities are others than run's")
        check(r["stages_ns"]["load"]["mean"] == 0, f"{words}: a measured frame planned")


check_frames()
check_no_frames()
check_recurrent()
for text in failed:
    print("FAILED:", text)
sys.exit(bool(failed))
