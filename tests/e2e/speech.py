#!/usr/bin/python3
"""Speech detection, end to end: speech.py SETSUNA PIPELINE [--least-auc X]

Four minutes of sentences, some with noise or organ music under them, silence, noise and music alone between them. The
truth of a frame comes from the energy of the sentences before anything is mixed in: within 30 dB of the loudest frame
of its sentence is speech, 45 dB below it or outside a sentence is none, what lies between is left out.

Checked: the area under the ROC curve of the frame probabilities, at least X; with ONNX Runtime it is the same within
0.002; and the segments in the JSON are where the speech is.
"""
import argparse
import os
import subprocess
import tempfile

import numpy as np

import sound

RATE, FRAME = 8000, 256  # 32 ms, as the pipelines' 512 samples at 16 kHz


def frame_energy(samples):
    n = len(samples) // FRAME
    return np.mean(samples[: n * FRAME].reshape(n, FRAME) ** 2, axis=1)


def scene(rng, speech):
    """samples, truth per frame: 1 speech, 0 none, -1 left out."""
    parts, truth = [], []
    for i, sentence in enumerate(speech):
        n = len(sentence) // FRAME
        sentence = sentence[: n * FRAME]
        energy = frame_energy(sentence)
        level = 10 * np.log10(energy / energy.max() + 1e-12)
        loud = np.sqrt(energy.max())
        under = [0, 0, sound.noise(rng, n * FRAME, i % 3) * 0.03, sound.chords(rng, n * FRAME, RATE) * 0.05][i % 4]
        parts.append(sentence + under * loud)
        truth.append(np.where(level > -30, 1, np.where(level < -45, 0, -1)))
        n = int(rng.integers(20, 90))  # 0.6 to 2.9 s of something else
        between = [np.zeros(n * FRAME), sound.noise(rng, n * FRAME, i % 3), sound.chords(rng, n * FRAME, RATE)][i % 3]
        parts.append(between * [0.003, 0.03, 0.1][i // 3 % 3])
        truth.append(np.zeros(n, int))
    return np.concatenate(parts), np.concatenate(truth)


def has_onnxruntime(setsuna):
    """Can this build run a single Relu on it?"""
    relu = "/usr/share/libonnx-testdata/data/node/test_relu/model.onnx"
    command = [setsuna, "run", relu, "--shape", "x=3,4,5", "--engine", "onnxruntime"]
    return subprocess.run(command, capture_output=True).returncode == 0


def report(failed):
    for text in failed:
        print("FAILED:", text)
    if failed:
        raise SystemExit(1)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("setsuna")
    p.add_argument("pipeline")
    p.add_argument("--least-auc", type=float, default=0.0)
    o = p.parse_args()
    samples, truth = scene(np.random.default_rng(1), sound.prompts(RATE, 150))
    decided, is_speech = truth >= 0, truth == 1
    failed = []

    with tempfile.TemporaryDirectory() as tmp:
        wav = os.path.join(tmp, "scene.wav")
        sound.write_wav(wav, samples, RATE)

        def probabilities(engine):
            out = os.path.join(tmp, engine)
            result = sound.run(o.setsuna, o.pipeline, [wav], engine, out)[0]
            p = np.load(os.path.join(out, "probabilities.npy")).ravel()
            if len(p) != len(truth):
                raise SystemExit(f"FAILED: {len(p)} frames instead of {len(truth)}")
            return p, result["outputs"]["segments"]["items"]

        ours, segments = probabilities("native")
        area = sound.auc(ours[decided], is_speech[decided])
        print(f"{len(truth)} frames of 32 ms, {is_speech.sum()} with speech, {(~decided).sum()} left out")
        print(f"native: AUC {area:.5f}, accuracy {np.mean((ours > 0.5)[decided] == is_speech[decided]):.4f}")
        if area < o.least_auc:
            failed.append(f"AUC {area:.5f} is below {o.least_auc}")

        # Frames by their middle.
        inside = np.zeros(len(truth), bool)
        for i, s in enumerate(segments):
            middle = (np.arange(len(truth)) + 0.5) * FRAME / RATE
            inside |= (middle >= s["begin_s"]) & (middle < s["end_s"])
            if i and s["begin_s"] < segments[i - 1]["end_s"] or s["end_s"] - s["begin_s"] < 0.25:
                failed.append(f"segment {i} ({s['begin_s']:.3f} s to {s['end_s']:.3f} s) overlaps, or is too short")
        recall, precision = np.mean(inside[is_speech]), np.mean(truth[inside & decided])
        print(f"{len(segments)} segments hold {recall:.4f} of the speech; {precision:.4f} of their frames are speech")
        if recall < 0.9 or precision < 0.8:
            failed.append("the segments are not where the speech is")

        report(failed)
        if not has_onnxruntime(o.setsuna):
            print("not compared with ONNX Runtime: it is not there (scripts/deps --with-onnxruntime, then build again)")
            return
        theirs, other = probabilities("onnxruntime")
        other_area = sound.auc(theirs[decided], is_speech[decided])
        print(f"ONNX Runtime: AUC {other_area:.5f}; probabilities differ by at most {np.abs(ours - theirs).max():.2e}")
        if abs(area - other_area) > 0.002:
            failed.append(f"AUC {area:.5f}, but {other_area:.5f} with ONNX Runtime")
        if len(other) != len(segments):
            failed.append(f"{len(segments)} segments, but {len(other)} with ONNX Runtime")
    report(failed)


if __name__ == "__main__":
    main()
