"""What the tests of sound pipelines share: sounds out of Debian packages and out of numpy, and `setsuna run` on them."""
import glob
import json
import os
import shutil
import subprocess
import sys
import wave

import numpy as np

PROMPTS = "/usr/share/asterisk/sounds/en_US_f_Allison"  # asterisk-core-sounds-en-wav: a woman, 8 kHz, a sentence a file
SKIP = 77


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIP)


def read_wav(path):
    """Mono 16-bit -> samples in [-1, 1], rate."""
    with wave.open(path) as w:
        assert w.getnchannels() == 1 and w.getsampwidth() == 2, path
        return np.frombuffer(w.readframes(w.getnframes()), "<i2").astype(np.float64) / 32768, w.getframerate()


def write_wav(path, samples, rate):
    with wave.open(path, "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(rate)
        w.writeframes(np.round(np.clip(samples, -1, 32767 / 32768) * 32768).astype("<i2").tobytes())


def prompts(rate, seconds):
    """Spoken sentences of a second or longer, as many as make up this time, the same ones every time."""
    paths = sorted(glob.glob(PROMPTS + "/*.wav"))
    if not paths:
        skip("there are no sentences; install asterisk-core-sounds-en-wav")
    np.random.default_rng(7).shuffle(paths)
    out, total = [], 0
    for path in paths:
        samples, have = read_wav(path)
        if have == rate and len(samples) >= rate:
            out.append(samples)
            total += len(samples)
        if total >= seconds * rate:
            break
    return out


def noise(rng, n, colour):
    """White (0), pink (1) or brown (2) noise of level 1 (root mean square)."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    f = np.arange(len(spectrum), dtype=np.float64)
    f[0] = np.inf  # no constant part
    x = np.fft.irfft(spectrum / f ** (colour / 2), n)
    return x / np.sqrt(np.mean(x**2))


def chords(rng, n, rate):
    """Something like an organ: three tones with overtones, changing every half second, of level 1."""
    out = np.zeros(n)
    for begin in range(0, n, rate // 2):
        t = np.arange(min(rate // 2, n - begin)) / rate
        fade = np.minimum(1, np.minimum(t, t[::-1]) / 0.02)
        root = 110 * 2 ** (rng.integers(0, 24) / 12)
        for interval in (0, 4, 7):
            for overtone in (1, 2, 3):
                f = root * 2 ** (interval / 12) * overtone
                out[begin : begin + len(t)] += fade * np.sin(2 * np.pi * f * t) / overtone
    return out / np.sqrt(np.mean(out**2))


def say(path, text, voice, speed, pitch):
    """Speech of espeak-ng -> samples, rate."""
    if not shutil.which("espeak-ng"):
        skip("nothing can speak; install espeak-ng")
    subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "-w", path, text], check=True)
    return read_wav(path)


def run(setsuna, pipeline, files, engine="native", out_dir=None):
    """`setsuna run --json` -> its results. Skips the test where the engine is not there."""
    words = [setsuna, "run", pipeline, *files, "--json", "--engine", engine]
    words += ["--output-dir", out_dir] if out_dir else []
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode and "shared library could not be loaded" in done.stderr:
        skip(done.stderr.strip())
    if done.returncode:
        sys.exit(f"FAILED: {' '.join(words)}: {done.stderr}")
    return json.loads(done.stdout)["results"]


def auc(score, truth):
    """Probability that a frame with truth scores above one without (ties count half)."""
    order = np.argsort(score, kind="stable")
    ranked = score[order]
    # Equal scores share their mean rank.
    _, first, count = np.unique(ranked, return_index=True, return_counts=True)
    rank = np.empty(len(score))
    rank[order] = np.repeat(first + (count + 1) / 2, count)
    positive = truth.sum()
    return (rank[truth].sum() - positive * (positive + 1) / 2) / (positive * (len(truth) - positive))
