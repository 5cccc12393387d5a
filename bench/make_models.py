#!/usr/bin/python3
"""make_models.py DIR: standard architectures with random weights, as ONNX files, for measuring speed.

ResNet-50, MobileNetV2, EfficientNet-B0 (224 x 224, batch norm folded into the convolutions) and BERT-base (128 tokens),
as exporters write them. The weights are seeded noise, scaled so that activations neither vanish nor explode: right for
time and memory, without any meaning. NAME_int8.onnx are quantised copies: of the image networks with QuantizeLinear and
DequantizeLinear around every operator (weights i8 per channel, activations u8 of a fixed range), of BERT with its
products over DynamicQuantizeLinear. Needs Debian's python3-onnx and python3-numpy.
"""
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Net:
    """A graph that grows node by node; every method returns the name of what it made."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.weights, self.count = [], [], 0

    def op(self, kind, *inputs, **attributes):
        self.count += 1
        name = f"{kind}_{self.count}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name + "_out"], name=name, **attributes))
        return name + "_out"

    def const(self, value, dtype=np.float32):
        self.count += 1
        name = f"const_{self.count}"
        self.weights.append(numpy_helper.from_array(np.asarray(value, dtype=dtype), name))
        return name

    def noise(self, shape, fan_in, gain=2.0):
        return self.const(self.rng.standard_normal(shape) * np.sqrt(gain / fan_in))

    def conv(self, x, cin, cout, k, stride=1, groups=1, gain=2.0):
        pad = (k - 1) // 2
        w = self.noise((cout, cin // groups, k, k), cin // groups * k * k, gain)
        b = self.const(self.rng.standard_normal(cout) * 0.1)
        return self.op("Conv", x, w, b, kernel_shape=[k, k], strides=[stride, stride], pads=[pad] * 4, group=groups,
                       dilations=[1, 1])

    def relu6(self, x):
        return self.op("Clip", x, self.const(0.0), self.const(6.0))

    def swish(self, x):
        return self.op("Mul", x, self.op("Sigmoid", x))

    def head(self, x, channels, classes=1000):
        x = self.op("Flatten", self.op("GlobalAveragePool", x), axis=1)
        w, b = self.noise((classes, channels), channels, 1.0), self.const(np.zeros(classes))
        return self.op("Gemm", x, w, b, transB=1)

    def save(self, path, inputs, output, shape):
        graph = helper.make_graph(self.nodes, "setsuna-bench", inputs,
                                  [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="setsuna-bench")
        model.ir_version = 8
        onnx.save(model, path)
        print(f"{path}: {os.path.getsize(path) / 1e6:.1f} MB")


def image():
    return [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 224, 224])]


def resnet50(path):
    n = Net(50)
    x = n.op("Relu", n.conv("x", 3, 64, 7, 2))
    x = n.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    cin = 64
    for width, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for i in range(blocks):
            s = stride if i == 0 else 1
            y = n.op("Relu", n.conv(x, cin, width, 1))
            y = n.op("Relu", n.conv(y, width, width, 3, s))
            y = n.conv(y, width, 4 * width, 1, gain=0.2)
            x = n.conv(x, cin, 4 * width, 1, s, gain=1.0) if i == 0 else x
            x = n.op("Relu", n.op("Add", y, x))
            cin = 4 * width
    n.save(path, image(), n.head(x, cin), [1, 1000])


def mobilenet_v2(path):
    n = Net(2)
    x, cin = n.relu6(n.conv("x", 3, 32, 3, 2)), 32
    for t, c, blocks, stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                 (6, 160, 3, 2), (6, 320, 1, 1)):
        for i in range(blocks):
            s, wide = (stride if i == 0 else 1), cin * t
            y = n.relu6(n.conv(x, cin, wide, 1)) if t != 1 else x
            y = n.relu6(n.conv(y, wide, wide, 3, s, wide))
            y = n.conv(y, wide, c, 1, gain=0.5)
            x = n.op("Add", x, y) if s == 1 and cin == c else y
            cin = c
    x = n.relu6(n.conv(x, cin, 1280, 1))
    n.save(path, image(), n.head(x, 1280), [1, 1000])


def efficientnet_b0(path):
    n = Net(10)
    x, cin = n.swish(n.conv("x", 3, 32, 3, 2)), 32
    for t, c, blocks, stride, k in ((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3),
                                    (6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3)):
        for i in range(blocks):
            s, wide, squeezed = (stride if i == 0 else 1), cin * t, max(1, cin // 4)
            y = n.swish(n.conv(x, cin, wide, 1)) if t != 1 else x
            y = n.swish(n.conv(y, wide, wide, k, s, wide))
            e = n.swish(n.conv(n.op("GlobalAveragePool", y), wide, squeezed, 1))
            y = n.op("Mul", y, n.op("Sigmoid", n.conv(e, squeezed, wide, 1)))
            y = n.conv(y, wide, c, 1, gain=1.0)
            x = n.op("Add", x, y) if s == 1 and cin == c else y
            cin = c
    x = n.swish(n.conv(x, cin, 1280, 1))
    n.save(path, image(), n.head(x, 1280), [1, 1000])


def bert_base(path, tokens=128, width=768, heads=12, layers=12, vocabulary=30522):
    n = Net(768)

    def dense(x, a, b, gain=1.0):
        return n.op("Add", n.op("MatMul", x, n.noise((a, b), a, gain)), n.const(np.zeros(b)))

    def layer_norm(x):
        d = n.op("Sub", x, n.op("ReduceMean", x, axes=[-1]))
        v = n.op("ReduceMean", n.op("Pow", d, n.const(2.0)), axes=[-1])
        y = n.op("Div", d, n.op("Sqrt", n.op("Add", v, n.const(1e-12))))
        return n.op("Add", n.op("Mul", y, n.const(np.ones(width))), n.const(np.zeros(width)))

    def split_heads(x, perm):
        x = n.op("Reshape", x, n.const([1, tokens, heads, width // heads], np.int64))
        return n.op("Transpose", x, perm=perm)

    def gelu(x):
        e = n.op("Erf", n.op("Div", x, n.const(np.sqrt(2.0))))
        return n.op("Mul", n.op("Mul", x, n.op("Add", e, n.const(1.0))), n.const(0.5))

    words = n.const(n.rng.standard_normal((vocabulary, width)) * 0.02)
    x = n.op("Gather", words, "input_ids", axis=0)
    x = layer_norm(n.op("Add", x, n.const(n.rng.standard_normal((1, tokens, width)) * 0.02)))
    mask = n.op("Cast", n.op("Unsqueeze", "attention_mask", n.const([1, 2], np.int64)), to=TensorProto.FLOAT)
    mask = n.op("Mul", n.op("Sub", n.const(1.0), mask), n.const(-10000.0))
    for _ in range(layers):
        q = split_heads(dense(x, width, width), [0, 2, 1, 3])
        k = split_heads(dense(x, width, width), [0, 2, 3, 1])
        v = split_heads(dense(x, width, width), [0, 2, 1, 3])
        a = n.op("Div", n.op("MatMul", q, k), n.const(np.sqrt(width / heads)))
        a = n.op("MatMul", n.op("Softmax", n.op("Add", a, mask), axis=-1), v)
        a = n.op("Reshape", n.op("Transpose", a, perm=[0, 2, 1, 3]), n.const([1, tokens, width], np.int64))
        x = layer_norm(n.op("Add", dense(a, width, width), x))
        y = dense(gelu(dense(x, width, 4 * width)), 4 * width, width)
        x = layer_norm(n.op("Add", y, x))
    ids = [helper.make_tensor_value_info(name, TensorProto.INT64, [1, tokens]) for name in ("input_ids",
                                                                                           "attention_mask")]
    n.save(path, ids, x, [1, tokens, width])


# Operators whose results are quantised, and the range of each: activations of these networks are of unit size.
RANGES = {"Conv": (-8, 8), "Add": (-8, 8), "Relu": (0, 8), "Clip": (0, 6), "Sigmoid": (0, 1), "Mul": (-2, 6),
          "GlobalAveragePool": (-4, 4), "MaxPool": (0, 8), "Flatten": (-4, 4), "Gemm": (-8, 8)}


class Quantiser:
    """Rewrites a float model; constants are added to it, nodes are collected in a new list."""

    def __init__(self, model):
        self.graph, self.nodes = model.graph, []
        self.weights = {t.name: t for t in model.graph.initializer}

    def const(self, name, value):
        if name not in self.weights:
            self.weights[name] = numpy_helper.from_array(value, name)
            self.graph.initializer.append(self.weights[name])
        return name

    def node(self, kind, inputs, outputs, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, outputs, **attributes))
        return outputs[0]

    def through(self, x, low, high):
        """x as unsigned bytes and back."""
        s = self.const(x + "_scale", np.float32((high - low) / 255))
        z = self.const(x + "_zero", np.uint8(round(-low * 255 / (high - low))))
        return self.node("DequantizeLinear", [self.node("QuantizeLinear", [x, s, z], [x + "_q"]), s, z], [x + "_dq"])

    def bytes_of(self, name, axis):
        """A weight as signed bytes, one scale along the axis: names of the bytes and of the scales, and the scales."""
        w = numpy_helper.to_array(self.weights[name])
        scale = np.maximum(np.abs(w).max(tuple(i for i in range(w.ndim) if i != axis)), 1e-8).astype(np.float32) / 127
        shaped = scale.reshape([-1 if i == axis else 1 for i in range(w.ndim)])
        return (self.const(name + "_i8", np.rint(w / shaped).astype(np.int8)), self.const(name + "_scale", scale), scale)

    def finish(self, model, path):
        used = {i for n in self.nodes for i in n.input}
        kept = [t for t in self.graph.initializer if t.name in used]
        del self.graph.node[:], self.graph.initializer[:]
        self.graph.node.extend(self.nodes)
        self.graph.initializer.extend(kept)
        onnx.save(model, path)
        print(f"{path}: {os.path.getsize(path) / 1e6:.1f} MB")


def quantise_static(source, path):
    model = onnx.load(source)
    q = Quantiser(model)
    readers = {}
    for n in model.graph.node:
        for i in n.input:
            readers.setdefault(i, []).append(n)
    names = {"x": q.through("x", -2, 2)}
    scales = {"x": np.float32(4 / 255)}
    for n in model.graph.node:
        inputs = [names.get(i, i) for i in n.input]
        if n.op_type in ("Conv", "Gemm"):
            w, s, values = q.bytes_of(n.input[1], 0)
            b = numpy_helper.to_array(q.weights[n.input[2]])
            bs = (scales[n.input[0]] * values).astype(np.float32)
            inputs[1] = q.node("DequantizeLinear", [w, s], [w + "_dq"], axis=0)
            bias = [q.const(n.input[2] + "_i32", np.rint(b / bs).astype(np.int32)), q.const(n.input[2] + "_bs", bs)]
            inputs[2] = q.node("DequantizeLinear", bias, [bias[0] + "_dq"], axis=0)
        made = helper.make_node(n.op_type, inputs, list(n.output), name=n.name)
        made.attribute.extend(n.attribute)
        q.nodes.append(made)
        y, after = n.output[0], readers.get(n.output[0], [])
        clamped = len(after) == 1 and after[0].op_type in ("Relu", "Clip") and n.op_type in ("Conv", "Add")
        if after and not clamped:
            low, high = RANGES[n.op_type]
            names[y] = q.through(y, low, high)
            scales[y] = np.float32((high - low) / 255)
    q.finish(model, path)


def quantise_dynamic(source, path):
    model = onnx.load(source)
    q = Quantiser(model)
    quantised = set()
    for n in model.graph.node:
        if n.op_type != "MatMul" or n.input[1] not in q.weights:
            q.nodes.append(n)
            continue
        x, y = n.input[0], n.output[0]
        w, s, _ = q.bytes_of(n.input[1], 1)
        if x not in quantised:
            q.node("DynamicQuantizeLinear", [x], [x + "_q", x + "_scale", x + "_zero"])
            quantised.add(x)
        product = q.node("MatMulInteger", [x + "_q", w, x + "_zero"], [y + "_i32"])
        scale = q.node("Mul", [x + "_scale", s], [y + "_scales"])
        q.node("Mul", [q.node("Cast", [product], [y + "_f32"], to=TensorProto.FLOAT), scale], [y])
    q.finish(model, path)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    os.makedirs(sys.argv[1], exist_ok=True)
    for name, make in (("resnet50", resnet50), ("mobilenet_v2", mobilenet_v2), ("efficientnet_b0", efficientnet_b0),
                       ("bert_base_128", bert_base)):
        path = os.path.join(sys.argv[1], name + ".onnx")
        if not os.path.exists(path):
            make(path + ".part")
            os.rename(path + ".part", path)
        small = os.path.join(sys.argv[1], name + "_int8.onnx")
        if not os.path.exists(small):
            (quantise_dynamic if name.startswith("bert") else quantise_static)(path, small + ".part")
            os.rename(small + ".part", small)


main()
