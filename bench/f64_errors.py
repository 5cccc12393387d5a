#!/usr/bin/env python3
"""How far each engine is from an evaluation of the model in f64, and how far f32 must be.

    bench/f64_errors.py MODEL NAME=DIMS [--noise normal|uniform] [--scale S] [--offset O] [--seed N] [--build DIR]

The model is evaluated on noise by numpy in f64, from ONNX's definitions and not from Setsuna's code, and once more with
the result of every operator rounded to f32: the least that any engine with f32 tensors and one step an operator must be
off. Then by `setsuna run`. Operators: those of networks of convolutions (PP-OCR detection, M-LSD).
"""
import argparse
import glob
import os
import subprocess
import tempfile

import numpy as np
import onnx
from onnx import helper, numpy_helper


def spatial(attrs, x, kernel):
    """Padding before and after, strides and dilations of both dims."""
    strides, dilations = attrs.get("strides", [1, 1]), attrs.get("dilations", [1, 1])
    auto = attrs.get("auto_pad", b"NOTSET").decode()
    pads = attrs.get("pads", [0] * 4)
    pairs = [(pads[0], pads[2]), (pads[1], pads[3])]
    if auto.startswith("SAME"):
        pairs = []
        for n, k, s, d in zip(x.shape[2:], kernel, strides, dilations):
            total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
            low = total // 2 if auto == "SAME_UPPER" else total - total // 2
            pairs.append((low, total - low))
    return pairs, strides, dilations


def windows(x, kernel, pairs, strides, dilations, fill):
    """For each tap: (row, column, the pixels that it meets)."""
    x = np.pad(x, ((0, 0), (0, 0), *pairs), constant_values=fill)
    out = [(n - (k - 1) * d - 1) // s + 1 for n, k, s, d in zip(x.shape[2:], kernel, strides, dilations)]
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            y0, x0 = i * dilations[0], j * dilations[1]
            yield i, j, x[:, :, y0:y0 + (out[0] - 1) * strides[0] + 1:strides[0],
                          x0:x0 + (out[1] - 1) * strides[1] + 1:strides[1]]


def conv(attrs, x, w, bias=None):
    group, y = attrs.get("group", 1), 0
    per_in, per_out = x.shape[1] // group, w.shape[0] // group
    for i, j, px in windows(x, w.shape[2:], *spatial(attrs, x, w.shape[2:]), 0):
        if per_in == 1 and per_out == 1:
            y = y + w[:, 0, i, j][None, :, None, None] * px
            continue
        parts = [np.einsum("oc,nchw->nohw", w[k * per_out:(k + 1) * per_out, :, i, j],
                           px[:, k * per_in:(k + 1) * per_in], optimize=True) for k in range(group)]
        y = y + np.concatenate(parts, 1)
    return y if bias is None else y + bias[None, :, None, None]


def conv_transpose(attrs, x, w, bias=None):
    kernel, strides = w.shape[2:], attrs.get("strides", [1, 1])
    if attrs.get("group", 1) != 1 or list(kernel) != list(strides) or any(attrs.get("pads", [0])):
        raise SystemExit("ConvTranspose: only with patches that do not overlap")
    n, _, h, width = x.shape
    y = np.zeros((n, w.shape[1], h * kernel[0], width * kernel[1]))
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            y[:, :, i::kernel[0], j::kernel[1]] = np.einsum("co,nchw->nohw", w[:, :, i, j], x, optimize=True)
    return y if bias is None else y + bias[None, :, None, None]


def max_pool(attrs, x):
    kernel = attrs["kernel_shape"]
    return np.max([px for _, _, px in windows(x, kernel, *spatial(attrs, x, kernel), -np.inf)], 0)


def resize(attrs, x, roi=None, scales=None, sizes=None):
    del roi
    linear = attrs["mode"] == b"linear"
    transform = attrs.get("coordinate_transformation_mode", b"half_pixel")
    if not linear and (transform != b"asymmetric" or attrs.get("nearest_mode") != b"floor"):
        raise SystemExit("Resize: nearest only as asymmetric, floor")
    if linear and transform != b"half_pixel":
        raise SystemExit("Resize: linear only as half_pixel")
    for axis, n in enumerate(x.shape):
        size = int(sizes[axis]) if sizes is not None and len(sizes) else int(np.floor(n * float(scales[axis])))
        if size == n:
            continue
        if not linear:
            at = np.floor(np.arange(size) * n / size).astype(int)
            x = np.take(x, np.minimum(at, n - 1), axis)
            continue
        at = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
        low = np.floor(at).astype(int)
        share = (at - low).reshape([-1 if a == axis else 1 for a in range(x.ndim)])
        x = np.take(x, low, axis) * (1 - share) + np.take(x, np.minimum(low + 1, n - 1), axis) * share
    return x


def pad(attrs, x, pads, value=None):
    if attrs.get("mode", b"constant") != b"constant":
        raise SystemExit("Pad: only constant")
    p = [int(v) for v in pads]
    return np.pad(x, list(zip(p[:x.ndim], p[x.ndim:])), constant_values=0 if value is None else float(value))


def slices(attrs, x, starts, ends, axes=None, steps=None):
    del attrs
    at = [slice(None)] * x.ndim
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    for low, high, axis, step in zip(starts, ends, axes, steps):
        at[int(axis)] = slice(int(low), int(high), int(step))
    return x[tuple(at)]


def clip(attrs, x, low=None, high=None):
    low = attrs.get("min", -np.inf) if low is None else low
    high = attrs.get("max", np.inf) if high is None else high
    return np.minimum(np.maximum(x, low), high)


def batch_norm(attrs, x, *stats):
    scale, bias, mean, var = (s[None, :, None, None] for s in stats)
    return (x - mean) / np.sqrt(var + attrs.get("epsilon", 1e-5)) * scale + bias


def reshape(attrs, x, shape):
    del attrs
    return x.reshape([x.shape[k] if d == 0 else int(d) for k, d in enumerate(shape)])


def cast(attrs, x):
    kind = helper.mapping.TENSOR_TYPE_TO_NP_TYPE[attrs["to"]]
    return x.astype(np.float64 if kind == np.float32 else kind)


OPS = {
    "Add": lambda a, x, y: x + y, "Sub": lambda a, x, y: x - y, "Mul": lambda a, x, y: x * y,
    "Div": lambda a, x, y: x / y, "Equal": lambda a, x, y: x == y, "Relu": lambda a, x: np.maximum(x, 0),
    "Sigmoid": lambda a, x: 1 / (1 + np.exp(-np.clip(x, -700, 700))),
    "HardSigmoid": lambda a, x: np.clip(a.get("alpha", 0.2) * x + a.get("beta", 0.5), 0, 1),
    "GlobalAveragePool": lambda a, x: x.mean((2, 3), keepdims=True),
    "Concat": lambda a, *x: np.concatenate(x, a["axis"]), "Shape": lambda a, x: np.array(x.shape, np.int64),
    "Transpose": lambda a, x: x.transpose(a["perm"]), "Conv": conv, "ConvTranspose": conv_transpose,
    "MaxPool": max_pool, "Resize": resize, "Pad": pad, "Slice": slices, "Clip": clip,
    "BatchNormalization": batch_norm, "Reshape": reshape, "Cast": cast,
}


def widen(x):
    return x.astype(np.float64) if x.dtype == np.float32 else x


def evaluate(model, feeds, round_results):
    graph = model.graph
    value = {"": None, **{t.name: widen(numpy_helper.to_array(t)) for t in graph.initializer}}
    value.update({name: widen(x) for name, x in feeds.items()})
    for node in graph.node:
        attrs = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        args = [value[name] for name in node.input]
        if node.op_type == "Constant":
            results = [widen(numpy_helper.to_array(attrs["value"]))]
        elif node.op_type == "Split":
            n, axis = len(node.output), attrs.get("axis", 0)
            sizes = attrs.get("split", [args[0].shape[axis] // n] * n)
            results = np.split(args[0], np.cumsum(sizes)[:-1], axis)
        elif node.op_type in OPS:
            results = [OPS[node.op_type](attrs, *args)]
        else:
            raise SystemExit(f"{node.op_type}: not an operator that is evaluated here")
        for name, x in zip(node.output, results):
            value[name] = x.astype(np.float32).astype(np.float64) if round_results and x.dtype == np.float64 else x
    return [value[o.name] for o in graph.output]


def run(setsuna, path, name, x, options):
    with tempfile.TemporaryDirectory() as folder:
        np.save(os.path.join(folder, "x.npy"), x)
        out = os.path.join(folder, "out")
        done = subprocess.run([setsuna, "run", path, "--input", f"{name}={folder}/x.npy", "--output-dir", out, *options],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        # in the order of the outputs' names, as files are sorted
        return [np.load(f).astype(np.float64) for f in sorted(glob.glob(os.path.join(out, "*.npy")))]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("input", metavar="NAME=DIMS")
    p.add_argument("--noise", choices=["normal", "uniform"], default="uniform")
    p.add_argument("--scale", type=float, default=1)
    p.add_argument("--offset", type=float, default=0)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--build", default=os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "build"))
    a = p.parse_args()
    name, dims = a.input.rsplit("=", 1)
    rng, shape = np.random.default_rng(a.seed), tuple(int(d) for d in dims.split(","))
    noise = rng.standard_normal(shape) if a.noise == "normal" else rng.random(shape)
    x = (noise * a.scale + a.offset).astype(np.float32)

    model = onnx.load(a.model)
    order = np.argsort([o.name for o in model.graph.output])
    exact = evaluate(model, {name: x}, False)
    rows = [("f64, results rounded to f32", [evaluate(model, {name: x}, True)[i] for i in order])]
    for label, options in (("ONNX Runtime", ["--engine", "onnxruntime"]), ("native", []),
                           ("native, no Winograd", ["--no-winograd"]), ("native, level avx2", ["--cpu", "avx2"]),
                           ("native, level ref", ["--cpu", "ref"])):
        rows.append((label, run(os.path.join(a.build, "setsuna"), a.model, name, x, options)))
    for k, i in enumerate(order):
        print(f"{model.graph.output[i].name}: largest {np.abs(exact[i]).max():.3g}")
        for label, got in rows:
            d = np.abs(got[k].reshape(exact[i].shape) - exact[i])
            print(f"  {label:28s} largest error {d.max():8.2g}   root mean square {np.sqrt((d * d).mean()):8.2g}")


if __name__ == "__main__":
    main()
