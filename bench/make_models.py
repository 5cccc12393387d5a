#!/usr/bin/python3
"""make_models.py [--list] DIR [NAME[_batchN]...]: standard architectures with random weights, as ONNX files, for measuring speed.

The networks are as their authors published them, written the way PyTorch's exporter writes them at opset 13: batch norm
folded into the convolution before it; hard-swish, GELU and layer norm as the chains of simple operators that they are at
that opset. Weights are seeded noise, scaled so that activations neither vanish nor explode: right for time and memory,
without any meaning. Files that are there and were made by this version of this program are kept. Needs Debian's
python3-onnx and python3-numpy.
"""
import hashlib
import os
import re
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 13


class Net:
    """A graph that grows node by node; every method returns the name of what it made."""

    batch = 1  # of the networks that are made next

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.weights, self.inputs, self.outputs = [], [], [], []
        self.count = 0
        self.batch_norm = 0  # channels whose batch norm was folded: each has a weight fewer than it was trained with

    def op(self, kind, *inputs, outputs=1, **attributes):
        self.count += 1
        name = f"{kind}_{self.count}"
        made = [f"{name}_out{i or ''}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), made, name=name, **attributes))
        return made[0] if outputs == 1 else made

    def const(self, value, dtype=np.float32, name="const"):
        self.count += 1
        name = f"{name}_{self.count}"
        self.weights.append(numpy_helper.from_array(np.asarray(value, dtype=dtype), name))
        return name

    def weight(self, value):
        """What training would have made."""
        return self.const(value, name="weight")

    def ints(self, *value):
        return self.const(value, np.int64)

    def noise(self, shape, scale):
        value = self.rng.standard_normal(shape, dtype=np.float32)
        value *= np.float32(scale)
        return self.weight(value)

    def input(self, name, shape, dtype=TensorProto.FLOAT):
        self.inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def output(self, name, shape):
        self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def image(self, size=224):
        return self.input("x", [self.batch, 3, size, size])

    # ---- layers

    def conv(self, x, cin, cout, k, stride=1, groups=1, pad=None, gain=2.0, bn=True):
        pad = (k - 1) // 2 if pad is None else pad
        fan_in = cin // groups * k * k
        w, b = self.noise((cout, cin // groups, k, k), np.sqrt(gain / fan_in)), self.noise(cout, 0.1)
        self.batch_norm += cout if bn else 0
        return self.op("Conv", x, w, b, kernel_shape=[k, k], strides=[stride, stride], pads=[pad] * 4, group=groups,
                       dilations=[1, 1])

    def max_pool(self, x, k, stride, pad=0, ceil=0):
        return self.op("MaxPool", x, kernel_shape=[k, k], strides=[stride, stride], pads=[pad] * 4, ceil_mode=ceil)

    def gemm(self, x, cin, cout):
        """Linear on [batch, cin]."""
        return self.op("Gemm", x, self.noise((cout, cin), 1 / np.sqrt(cin)), self.noise(cout, 0.01), transB=1)

    def dense(self, x, cin, cout):
        """Linear on more than two dimensions."""
        return self.op("Add", self.noise(cout, 0.01), self.op("MatMul", x, self.noise((cin, cout), 1 / np.sqrt(cin))))

    def head(self, x, channels, classes=1000):
        x = self.op("Flatten", self.op("GlobalAveragePool", x), axis=1)
        self.output(self.gemm(x, channels, classes), [self.batch, classes])

    # ---- activations and norms

    def relu(self, x):
        return self.op("Relu", x)

    def relu6(self, x):
        return self.op("Clip", x, self.const(0.0), self.const(6.0))

    def swish(self, x):
        return self.op("Mul", x, self.op("Sigmoid", x))

    def hard_sigmoid(self, x):
        return self.op("Div", self.relu6(self.op("Add", x, self.const(3.0))), self.const(6.0))

    def hard_swish(self, x):
        return self.op("Mul", x, self.hard_sigmoid(x))

    def gelu(self, x):
        e = self.op("Add", self.op("Erf", self.op("Div", x, self.const(np.sqrt(2.0)))), self.const(1.0))
        return self.op("Mul", self.op("Mul", x, e), self.const(0.5))

    def layer_norm(self, x, width, epsilon):
        d = self.op("Sub", x, self.op("ReduceMean", x, axes=[-1]))
        v = self.op("ReduceMean", self.op("Pow", d, self.const(2.0)), axes=[-1])
        y = self.op("Div", d, self.op("Sqrt", self.op("Add", v, self.const(epsilon))))
        scale = self.weight(1 + 0.1 * self.rng.standard_normal(width, dtype=np.float32))
        return self.op("Add", self.op("Mul", y, scale), self.noise(width, 0.1))

    def model(self):
        graph = helper.make_graph(self.nodes, "setsuna-bench", self.inputs, self.outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="setsuna-bench")
        model.ir_version = 8
        return model


# ---- convolutional networks ---------------------------------------------------------------------------


def resnet(seed, depths, bottleneck):
    """He et al. 2015, with the stride of a bottleneck in its 3 x 3 convolution."""
    n = Net(seed)
    x = n.relu(n.conv(n.image(), 3, 64, 7, 2))
    x = n.max_pool(x, 3, 2, 1)
    cin, grow = 64, 4 if bottleneck else 1
    for width, blocks, stride in zip((64, 128, 256, 512), depths, (1, 2, 2, 2)):
        for i in range(blocks):
            s = stride if i == 0 else 1
            if bottleneck:
                y = n.relu(n.conv(x, cin, width, 1))
                y = n.relu(n.conv(y, width, width, 3, s))
                y = n.conv(y, width, 4 * width, 1, gain=0.2)
            else:
                y = n.conv(n.relu(n.conv(x, cin, width, 3, s)), width, width, 3, gain=0.2)
            if s != 1 or cin != grow * width:
                x = n.conv(x, cin, grow * width, 1, s, gain=1.0)
            x = n.relu(n.op("Add", y, x))
            cin = grow * width
    n.head(x, cin)
    return n


def mobilenet_v2():
    """Sandler et al. 2018."""
    n = Net(2)
    x, cin = n.relu6(n.conv(n.image(), 3, 32, 3, 2)), 32
    for t, c, blocks, stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                 (6, 160, 3, 2), (6, 320, 1, 1)):
        for i in range(blocks):
            s, wide = (stride if i == 0 else 1), cin * t
            y = n.relu6(n.conv(x, cin, wide, 1)) if t != 1 else x
            y = n.relu6(n.conv(y, wide, wide, 3, s, wide))
            y = n.conv(y, wide, c, 1, gain=0.5)
            x = n.op("Add", x, y) if s == 1 and cin == c else y
            cin = c
    n.head(n.relu6(n.conv(x, cin, 1280, 1)), 1280)
    return n


def squeeze(n, y, wide, squeezed, middle, gate):
    """Squeeze and excitation."""
    e = middle(n.conv(n.op("GlobalAveragePool", y), wide, squeezed, 1, bn=False))
    return n.op("Mul", gate(n.conv(e, squeezed, wide, 1, bn=False)), y)


def mobilenet_v3_large():
    """Howard et al. 2019."""

    def eighths(v):
        at_least = max(8, (v + 4) // 8 * 8)
        return at_least + 8 if at_least < 0.9 * v else at_least

    n = Net(3)
    x, cin = n.hard_swish(n.conv(n.image(), 3, 16, 3, 2)), 16
    for k, wide, c, excite, hard, s in (
            (3, 16, 16, 0, 0, 1), (3, 64, 24, 0, 0, 2), (3, 72, 24, 0, 0, 1), (5, 72, 40, 1, 0, 2),
            (5, 120, 40, 1, 0, 1), (5, 120, 40, 1, 0, 1), (3, 240, 80, 0, 1, 2), (3, 200, 80, 0, 1, 1),
            (3, 184, 80, 0, 1, 1), (3, 184, 80, 0, 1, 1), (3, 480, 112, 1, 1, 1), (3, 672, 112, 1, 1, 1),
            (5, 672, 160, 1, 1, 2), (5, 960, 160, 1, 1, 1), (5, 960, 160, 1, 1, 1)):
        act = n.hard_swish if hard else n.relu
        y = act(n.conv(x, cin, wide, 1)) if wide != cin else x
        y = act(n.conv(y, wide, wide, k, s, wide))
        if excite:
            y = squeeze(n, y, wide, eighths(wide // 4), n.relu, n.hard_sigmoid)
        y = n.conv(y, wide, c, 1, gain=1.0)
        x = n.op("Add", x, y) if s == 1 and cin == c else y
        cin = c
    x = n.hard_swish(n.conv(x, cin, 960, 1))
    x = n.op("Flatten", n.op("GlobalAveragePool", x), axis=1)
    n.output(n.gemm(n.hard_swish(n.gemm(x, 960, 1280)), 1280, 1000), [n.batch, 1000])
    return n


def efficientnet_b0():
    """Tan and Le 2019."""
    n = Net(10)
    x, cin = n.swish(n.conv(n.image(), 3, 32, 3, 2)), 32
    for t, c, blocks, stride, k in ((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3),
                                    (6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3)):
        for i in range(blocks):
            s, wide = (stride if i == 0 else 1), cin * t
            y = n.swish(n.conv(x, cin, wide, 1)) if t != 1 else x
            y = n.swish(n.conv(y, wide, wide, k, s, wide))
            y = squeeze(n, y, wide, cin // 4, n.swish, lambda v: n.op("Sigmoid", v))
            y = n.conv(y, wide, c, 1, gain=1.0)
            x = n.op("Add", y, x) if s == 1 and cin == c else y
            cin = c
    n.head(n.swish(n.conv(x, cin, 1280, 1)), 1280)
    return n


def squeezenet1_1():
    """Iandola et al. 2016, the later version."""
    n = Net(11)

    def fire(x, cin, squeezed, wide):
        x = n.relu(n.conv(x, cin, squeezed, 1, bn=False))
        a, b = n.conv(x, squeezed, wide, 1, bn=False), n.conv(x, squeezed, wide, 3, bn=False)
        return n.op("Concat", n.relu(a), n.relu(b), axis=1)

    x = n.relu(n.conv(n.image(), 3, 64, 3, 2, pad=0, bn=False))
    for cin, squeezed, wide, pool in ((64, 16, 64, 1), (128, 16, 64, 0), (128, 32, 128, 1), (256, 32, 128, 0),
                                      (256, 48, 192, 1), (384, 48, 192, 0), (384, 64, 256, 0), (512, 64, 256, 0)):
        x = fire(n.max_pool(x, 3, 2, ceil=1) if pool else x, cin, squeezed, wide)
    x = n.op("GlobalAveragePool", n.relu(n.conv(x, 512, 1000, 1, bn=False)))
    n.output(n.op("Flatten", x, axis=1), [n.batch, 1000])
    return n


def yolov8n(size):
    """Jocher et al. 2023, the smallest size, 80 classes, up to boxes and scores."""
    n = Net(8)

    def conv(x, cin, cout, k=1, s=1):
        return n.swish(n.conv(x, cin, cout, k, s))

    def split(x, axis, *sizes):
        return n.op("Split", x, n.ints(*sizes), axis=axis, outputs=len(sizes))

    def c2f(x, cin, cout, blocks, residual):
        half = cout // 2
        parts = split(conv(x, cin, cout), 1, half, half)
        for _ in range(blocks):
            y = conv(conv(parts[-1], half, half, 3), half, half, 3)
            parts.append(n.op("Add", parts[-1], y) if residual else y)
        return conv(n.op("Concat", *parts, axis=1), (2 + blocks) * half, cout)

    def up(x):
        scales = n.const([1, 1, 2, 2])
        return n.op("Resize", x, "", scales, coordinate_transformation_mode="asymmetric", mode="nearest",
                    nearest_mode="floor", cubic_coeff_a=-0.75)

    def concat(*x, axis=1):
        return n.op("Concat", *x, axis=axis)

    x = conv(conv(n.image(size), 3, 16, 3, 2), 16, 32, 3, 2)
    x = c2f(x, 32, 32, 1, True)
    p3 = c2f(conv(x, 32, 64, 3, 2), 64, 64, 2, True)
    p4 = c2f(conv(p3, 64, 128, 3, 2), 128, 128, 2, True)
    x = c2f(conv(p4, 128, 256, 3, 2), 256, 256, 1, True)
    pools = [conv(x, 256, 128)]
    for _ in range(3):
        pools.append(n.max_pool(pools[-1], 5, 1, 2))
    p5 = conv(concat(*pools), 512, 256)
    u4 = c2f(concat(up(p5), p4), 384, 128, 1, False)
    h3 = c2f(concat(up(u4), p3), 192, 64, 1, False)
    h4 = c2f(concat(conv(h3, 64, 64, 3, 2), u4), 192, 128, 1, False)
    h5 = c2f(concat(conv(h4, 128, 128, 3, 2), p5), 384, 256, 1, False)
    levels, anchors, strides = [], [], []
    for h, c, stride in ((h3, 64, 8), (h4, 128, 16), (h5, 256, 32)):
        box = n.conv(conv(conv(h, c, 64, 3), 64, 64, 3), 64, 64, 1, gain=1.0, bn=False)
        cls = n.conv(conv(conv(h, c, 80, 3), 80, 80, 3), 80, 80, 1, gain=1.0, bn=False)
        levels.append(n.op("Reshape", concat(box, cls), n.ints(n.batch, 144, -1)))
        cells = size // stride
        at = np.arange(cells) + 0.5
        anchors.append(np.stack([np.tile(at, cells), np.repeat(at, cells)]))
        strides.append(np.full(cells * cells, stride))
    boxes = sum(len(s) for s in strides)
    box, cls = split(concat(*levels, axis=2), 1, 64, 80)
    d = n.op("Transpose", n.op("Reshape", box, n.ints(n.batch, 4, 16, boxes)), perm=[0, 2, 1, 3])
    expect = n.weight(np.arange(16).reshape(1, 16, 1, 1))
    d = n.op("Conv", n.op("Softmax", d, axis=1), expect, kernel_shape=[1, 1], strides=[1, 1], pads=[0] * 4, group=1,
             dilations=[1, 1])
    before, behind = split(n.op("Reshape", d, n.ints(n.batch, 4, boxes)), 1, 2, 2)
    at = n.const(np.concatenate(anchors, axis=1)[None])
    low, high = n.op("Sub", at, before), n.op("Add", at, behind)
    centre = n.op("Div", n.op("Add", low, high), n.const(2.0))
    xywh = n.op("Mul", concat(centre, n.op("Sub", high, low)), n.const(np.concatenate(strides)[None]))
    n.output(concat(xywh, n.op("Sigmoid", cls)), [n.batch, 84, boxes])
    return n


# ---- transformers -------------------------------------------------------------------------------------


def vit_tiny(width=192, heads=3, layers=12, patches=196):
    """Dosovitskiy et al. 2020 in the size of Touvron et al. 2020: patches of 16 x 16, one class token."""
    n = Net(192)
    tokens = patches + 1
    x = n.conv(n.image(), 3, width, 16, 16, pad=0, gain=1.0, bn=False)
    x = n.op("Transpose", n.op("Reshape", x, n.ints(n.batch, width, patches)), perm=[0, 2, 1])
    token = n.noise((1, 1, width), 0.02)
    if n.batch > 1:
        token = n.op("Expand", token, n.ints(n.batch, 1, width))
    x = n.op("Concat", token, x, axis=1)
    x = n.op("Add", x, n.noise((1, tokens, width), 0.02))
    for _ in range(layers):
        y = n.dense(n.layer_norm(x, width, 1e-6), width, 3 * width)
        y = n.op("Reshape", y, n.ints(n.batch, tokens, 3, heads, width // heads))
        y = n.op("Transpose", y, perm=[2, 0, 3, 1, 4])
        q, k, v = (n.op("Gather", y, n.const(i, np.int64), axis=0) for i in range(3))
        a = n.op("MatMul", q, n.op("Transpose", k, perm=[0, 1, 3, 2]))
        a = n.op("Softmax", n.op("Mul", a, n.const(1 / np.sqrt(width / heads))), axis=-1)
        a = n.op("Transpose", n.op("MatMul", a, v), perm=[0, 2, 1, 3])
        x = n.op("Add", x, n.dense(n.op("Reshape", a, n.ints(n.batch, tokens, width)), width, width))
        y = n.gelu(n.dense(n.layer_norm(x, width, 1e-6), width, 4 * width))
        x = n.op("Add", x, n.dense(y, 4 * width, width))
    x = n.op("Gather", n.layer_norm(x, width, 1e-6), n.const(0, np.int64), axis=1)
    n.output(n.gemm(x, width, 1000), [n.batch, 1000])
    return n


def bert(width, heads, layers, tokens=128, vocabulary=30522, positions=512):
    """Devlin et al. 2018, uncased vocabulary, with the pooled output."""
    n = Net(width)
    inputs = [n.input(name, [n.batch, tokens], TensorProto.INT64) for name in ("input_ids", "attention_mask",
                                                                        "token_type_ids")]

    def split_heads(x, perm):
        return n.op("Transpose", n.op("Reshape", x, n.ints(n.batch, tokens, heads, width // heads)), perm=perm)

    def norm(x):
        return n.layer_norm(x, width, 1e-12)

    x = n.op("Gather", n.noise((vocabulary, width), 0.02), inputs[0])
    x = n.op("Add", x, n.op("Gather", n.noise((2, width), 0.02), inputs[2]))
    where = n.const(np.arange(tokens)[None], np.int64)
    x = norm(n.op("Add", x, n.op("Gather", n.noise((positions, width), 0.02), where)))
    mask = n.op("Unsqueeze", n.op("Unsqueeze", inputs[1], n.ints(1)), n.ints(2))
    mask = n.op("Sub", n.const(1.0), n.op("Cast", mask, to=TensorProto.FLOAT))
    mask = n.op("Mul", mask, n.const(-10000.0))
    for _ in range(layers):
        q, k, v = (split_heads(n.dense(x, width, width), perm)
                   for perm in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]))
        a = n.op("Div", n.op("MatMul", q, k), n.const(np.sqrt(width / heads)))
        a = n.op("MatMul", n.op("Softmax", n.op("Add", a, mask), axis=-1), v)
        a = n.op("Reshape", n.op("Transpose", a, perm=[0, 2, 1, 3]), n.ints(n.batch, tokens, width))
        x = norm(n.op("Add", n.dense(a, width, width), x))
        y = n.dense(n.gelu(n.dense(x, width, 4 * width)), 4 * width, width)
        x = norm(n.op("Add", y, x))
    n.output(x, [n.batch, tokens, width])
    first = n.op("Gather", x, n.const(0, np.int64), axis=1)
    n.output(n.op("Tanh", n.gemm(first, width, width)), [n.batch, width])
    return n


MODELS = {
    "resnet18": lambda: resnet(18, (2, 2, 2, 2), False),
    "resnet50": lambda: resnet(50, (3, 4, 6, 3), True),
    "mobilenet_v2": mobilenet_v2,
    "mobilenet_v3_large": mobilenet_v3_large,
    "efficientnet_b0": efficientnet_b0,
    "squeezenet1_1": squeezenet1_1,
    "yolov8n_320": lambda: yolov8n(320),
    "yolov8n_640": lambda: yolov8n(640),
    "vit_tiny": vit_tiny,
    "minilm_l6_128": lambda: bert(384, 12, 6),
    "bert_base_128": lambda: bert(768, 12, 12),
}


def version_of(program, *more):
    """Of a file that a program makes, from what else it depends on."""
    with open(os.path.abspath(program), "rb") as f:
        return hashlib.sha256(f.read() + "".join((onnx.__version__, *more)).encode()).hexdigest()


def write(folder, name, version, make):
    """make() is a model; it is asked for where folder/name.onnx has another version."""
    path, stamp = os.path.join(folder, name + ".onnx"), os.path.join(folder, name + ".version")
    if os.path.exists(path) and os.path.exists(stamp):
        with open(stamp, encoding="ascii") as f:
            if f.read() == version:
                return
    onnx.save(make(), path + ".part")
    os.rename(path + ".part", path)
    with open(stamp, "w", encoding="ascii") as f:
        f.write(version)
    print(f"{path}: {os.path.getsize(path) / 1e6:.1f} MB")


def make(name):
    """The model of a name, with what stands behind _batch: resnet50_batch8."""
    name, _, batch = name.partition("_batch")
    Net.batch = int(batch or 1)
    return MODELS[name]().model()


def main(words):
    if words == ["--list"]:
        print("\n".join(MODELS))
        return
    plain = {re.sub(r"_batch[1-9]\d{0,3}$", "", word) for word in words[1:]}
    if not words or words[0].startswith("-") or not plain <= MODELS.keys():
        sys.exit(__doc__)
    os.makedirs(words[0], exist_ok=True)
    for name in words[1:] or MODELS:
        write(words[0], name, version_of(__file__), lambda: make(name))  # noqa: B023


if __name__ == "__main__":
    main(sys.argv[1:])
