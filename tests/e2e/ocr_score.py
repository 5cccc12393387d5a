#!/usr/bin/python3
"""Scores what `setsuna run --json` read against the truth of ocr_render.py.

    ocr_score.py TRUTH.json RESULT.json [--max-cer X] [--min-f1 X] [--show]

Prints the character error rate (edit distance / characters, over all lines), the share of exact lines, and the
precision, recall and F1 of the boxes at an intersection over union of 0.5 with the ink. Exits with 1 where a limit is
missed. The text of a line is that of the box that overlaps it most, by at least 0.2: a box that is too high is a miss
for F1, not for the text. A picture of one line needs no boxes.
"""
import argparse
import json
import os
import sys


def edit_distance(a, b):
    row = list(range(len(b) + 1))
    for i, ca in enumerate(a, 1):
        left, row[0] = row[0], i
        for j, cb in enumerate(b, 1):
            left, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, left + (ca != cb))
    return row[-1]


def extent(corners):
    xs, ys = [c[0] for c in corners], [c[1] for c in corners]
    return [min(xs), min(ys), max(xs), max(ys)]


def iou(a, b):
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    both = w * h
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def match(truth, found, least):
    """Greedy pairs (i_truth, i_found), best overlap first, at an overlap of `least` or more."""
    pairs = sorted(((iou(t, f), i, k) for i, t in enumerate(truth) for k, f in enumerate(found)), reverse=True)
    used_t, used_f, out = set(), set(), []
    for score, i, k in pairs:
        if score >= least and i not in used_t and k not in used_f:
            used_t.add(i)
            used_f.add(k)
            out.append((i, k))
    return out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("truth")
    p.add_argument("result")
    p.add_argument("--max-cer", type=float)
    p.add_argument("--min-f1", type=float)
    p.add_argument("--show", action="store_true")
    o = p.parse_args()
    with open(o.truth, encoding="utf-8") as f:
        truth = {t["file"]: t["lines"] for t in json.load(f)}
    with open(o.result, encoding="utf-8") as f:
        results = {os.path.basename(r["input"]): r["outputs"] for r in json.load(f)["results"]}
    missing = sorted(set(truth) - set(results))
    if missing:
        sys.exit(f"ocr_score: no result for {missing[0]}")
    errors = chars = exact = n_lines = hits = n_true = n_found = 0
    for name, lines in sorted(truth.items()):
        boxes = [extent(b["corners"]) for b in results[name].get("boxes", {"items": []})["items"]]
        text = {t.get("box"): t["text"] for t in results[name]["lines"]["items"]}
        ink = [t["box"] for t in lines]
        hits, n_true, n_found = hits + len(match(ink, boxes, 0.5)), n_true + len(lines), n_found + len(boxes)
        read = {i: text.get(k, "") for i, k in match(ink, boxes, 0.2)}
        if len(lines) == 1:
            read = {0: " ".join(t["text"] for t in results[name]["lines"]["items"])}
        for i, line in enumerate(lines):
            e = edit_distance(line["text"], read.get(i, ""))
            errors, chars, n_lines, exact = errors + e, chars + len(line["text"]), n_lines + 1, exact + (e == 0)
            if o.show and e:
                print(f"{e:3} {name} {line['font']} {line['size']}\n    {line['text']}\n    {read.get(i, '(not found)')}")
    precision, recall = hits / max(1, n_found), hits / max(1, n_true)
    f1 = 2 * precision * recall / max(1e-9, precision + recall)
    cer = errors / max(1, chars)
    print(f"pictures {len(truth)}, lines {n_lines}, characters {chars}")
    print(f"character error rate {cer:.4f}, exact lines {exact / max(1, n_lines):.3f}")
    print(f"boxes: precision {precision:.3f}, recall {recall:.3f}, F1 {f1:.3f}")
    if o.max_cer is not None and cer > o.max_cer:
        sys.exit(f"ocr_score: the character error rate is above {o.max_cer}")
    if o.min_f1 is not None and f1 < o.min_f1:
        sys.exit(f"ocr_score: F1 is below {o.min_f1}")


main()
