#!/usr/bin/python3
"""quantise.py [--list] SETSUNA DIR [NAME...]: 8-bit copies of models that make_models.py wrote to DIR.

    NAME_int8            image networks: QuantizeLinear and DequantizeLinear around every operator (QDQ); transformers:
                         products with constants over DynamicQuantizeLinear and MatMulInteger
    NAME_int8_operators  image networks: QLinearConv, QLinearAdd and so on between tensors of bytes (QOperator)

as quantising tools write them: weights i8 with a scale for each output channel, biases i32, activations u8. The range of
each activation is what the command SETSUNA finds when the float model runs on its noise: right for speed, and close
enough to the float model for results to be compared, but no calibration for accuracy. Files that are there and were
made by this version of these programs are kept. Needs Debian's python3-onnx and python3-numpy.
"""
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import make_models

# Results that become bytes with a range of their own, and those that move an operand's bytes and keep its range.
RANGED = {"Conv", "Gemm", "Relu", "Clip", "Add", "Mul", "Sigmoid", "GlobalAveragePool", "Concat"}
MOVED = {"MaxPool", "Resize", "Flatten", "Split"}
CLAMPED = {"Conv", "Gemm", "Add"}  # take a Relu or Clip behind them as limits of the range


class Copy:
    """A model that is rewritten node by node. A value may have a float form, a form of bytes, or both; what is missing
    is made where it is asked for."""

    def __init__(self, model):
        self.model, self.nodes, self.forms = model, [], {}
        self.weights = {t.name: t for t in model.graph.initializer}
        self.inputs = [i.name for i in model.graph.input if i.type.tensor_type.elem_type == TensorProto.FLOAT]
        self.outputs = {o.name for o in model.graph.output}
        self.readers = {}
        for n in model.graph.node:
            for i in n.input:
                self.readers.setdefault(i, []).append(n)
        self.quantised = {}  # value: (scale, zero point)

    def const(self, name, value):
        if name not in self.weights:
            self.weights[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def array(self, name):
        return numpy_helper.to_array(self.weights[name])

    def node(self, kind, inputs, outputs, domain=None, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, outputs, name=f"{kind}_of_{outputs[0]}", domain=domain,
                                           **attributes))
        return outputs[0]

    def keep(self, n, inputs, outputs):
        """The node on other values."""
        made = helper.make_node(n.op_type, inputs, outputs, name=n.name)
        made.attribute.extend(n.attribute)
        self.nodes.append(made)

    # ---- ranges

    def is_clamped(self, n):
        after = self.readers.get(n.output[0], [])
        return n.op_type in CLAMPED and n.output[0] not in self.outputs and len(after) == 1 and \
            after[0].op_type in ("Relu", "Clip")

    def find_ranges(self, setsuna):
        ranged, moved = list(self.inputs), {}
        for n in self.model.graph.node:
            for y in n.output:
                if n.op_type in MOVED:
                    moved[y] = n.input[0]
                elif n.op_type in RANGED and y not in self.outputs and not self.is_clamped(n):
                    ranged.append(y)
        for v, (low, high) in zip(ranged, limits_of(self.model, ranged, setsuna)):
            # Three digits, so that a model does not depend on how the machine rounds.
            scale = np.float32(f"{max(high, 0) - min(low, 0) or 1:.2e}") / np.float32(255)
            self.quantised[v] = (scale, np.uint8(np.clip(np.rint(-min(low, 0) / scale), 0, 255)))
        for y, x in moved.items():
            if x in self.quantised and y not in self.outputs:
                self.quantised[y] = self.quantised[x]

    def scale_of(self, v):
        """Names of the scale and the zero point."""
        scale, zero = self.quantised[v]
        return [self.const(v + "_scale", scale), self.const(v + "_zero", zero)]

    # ---- forms of values

    def bytes_of(self, v):
        form = self.forms.setdefault(v, {})
        if "bytes" not in form:
            form["bytes"] = self.node("QuantizeLinear", [v] + self.scale_of(v), [v + "_bytes"])
        return form["bytes"]

    def floats_of(self, v, through_bytes):
        """A value as floats; a quantised one as its bytes say where the copy is to hold no other."""
        form = self.forms.setdefault(v, {})
        if v not in self.quantised or (not through_bytes and "bytes" not in form):
            return v
        if "floats" not in form:
            form["floats"] = self.node("DequantizeLinear", [self.bytes_of(v)] + self.scale_of(v), [v + "_floats"])
        return form["floats"]

    def weight_of(self, name, axis):
        """A weight as signed bytes, one scale along the axis: the names of bytes and scales, and the scales."""
        w = self.array(name)
        rest = tuple(i for i in range(w.ndim) if i != axis)
        scale = (np.maximum(np.abs(w).max(rest), 1e-8) / 127).astype(np.float32)
        narrow = np.rint(w / np.expand_dims(scale, rest)).astype(np.int8)
        return self.const(name + "_bytes", narrow), self.const(name + "_scale", scale), scale

    def bias_of(self, name, x, w_scale):
        """A bias as integers in units of the product."""
        scale = (self.quantised[x][0] * w_scale).astype(np.float32)
        return self.const(name + "_i32", np.rint(self.array(name) / scale).astype(np.int32)), scale

    def product_axis(self, n):
        """Where a product has its output channels in a constant matrix, or None: it stays in floats."""
        if n.op_type not in ("Conv", "Gemm") or n.input[1] not in self.weights or n.input[0] not in self.quantised:
            return None
        return 0  # Gemm: transB

    def finish(self, domains=()):
        graph = self.model.graph
        used = {i for n in self.nodes for i in n.input}
        del graph.node[:], graph.initializer[:]
        graph.node.extend(self.nodes)
        graph.initializer.extend(t for name, t in self.weights.items() if name in used)
        self.model.opset_import.extend(helper.make_opsetid(domain, 1) for domain in domains)
        return self.model


def limits_of(model, values, setsuna):
    """The least and the greatest number in each of the values when the model runs: rows of two."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    graph = probe.graph
    del graph.output[:]
    one = helper.make_tensor("limits_shape", TensorProto.INT64, [1], [1])
    graph.initializer.append(one)
    ends = []
    for v in values:
        for kind in ("ReduceMin", "ReduceMax"):
            graph.node.append(helper.make_node(kind, [v], [f"{v}_{kind}"], keepdims=0))
            graph.node.append(helper.make_node("Reshape", [f"{v}_{kind}", one.name], [f"{v}_{kind}_1"]))
            ends.append(f"{v}_{kind}_1")
    joined = [ends[i:i + 64] for i in range(0, len(ends), 64)]
    for i, part in enumerate(joined):
        graph.node.append(helper.make_node("Concat", part, [f"limits_{i}"], axis=0))
        graph.output.append(helper.make_tensor_value_info(f"limits_{i}", TensorProto.FLOAT, [len(part)]))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "probe.onnx")
        onnx.save(probe, path)
        subprocess.run([setsuna, "run", path, "--output-dir", folder], check=True, stdout=subprocess.DEVNULL)
        found = [np.load(os.path.join(folder, f"limits_{i}.npy")) for i in range(len(joined))]
    return np.concatenate(found).reshape(-1, 2)


# ---- formats --------------------------------------------------------------------------------------------


def around_operators(model, setsuna):
    """QDQ."""
    c = Copy(model)
    c.find_ranges(setsuna)
    for n in list(model.graph.node):
        inputs = [c.floats_of(i, True) for i in n.input]
        axis = c.product_axis(n)
        if axis is not None:
            w, scale, values = c.weight_of(n.input[1], axis)
            inputs[1] = c.node("DequantizeLinear", [w, scale], [w + "_floats"], axis=axis)
            if len(n.input) > 2:
                bias, bias_scale = c.bias_of(n.input[2], n.input[0], values)
                inputs[2] = c.node("DequantizeLinear", [bias, c.const(bias + "_scale", bias_scale)], [bias + "_floats"],
                                   axis=0)
        c.keep(n, inputs, list(n.output))
    return c.finish()


MICROSOFT = "com.microsoft"


def with_operators(model, setsuna):
    """QOperator."""
    c = Copy(model)
    c.find_ranges(setsuna)
    clamped = set()
    for n in list(model.graph.node):
        x, y, axis = n.input[0], n.output[0], c.product_axis(n)
        if x in clamped:
            continue
        # What is clamped behind is rounded to the clamped range here.
        into = c.readers[y][0].output[0] if c.is_clamped(n) else y
        operands = n.input[:1] if n.op_type in ("Conv", "Gemm") else n.input
        known = into in c.quantised and all(i in c.quantised for i in operands)
        if axis is not None and (known or n.op_type == "Gemm"):
            operator_product(c, n, into)
        elif known and n.op_type in ("Add", "Mul", "Sigmoid", "GlobalAveragePool"):
            operator_bytes(c, "QLinear" + n.op_type, [name for i in operands for name in operator_operand(c, i)] +
                           c.scale_of(into), into)
        elif known and n.op_type == "Concat":
            operator_bytes(c, "QLinearConcat", c.scale_of(into) + [name for i in operands
                                                                   for name in operator_operand(c, i)],
                           into, axis=n.attribute[0].i)
        elif n.op_type in MOVED and x in c.quantised:
            outputs = [v + "_bytes" for v in n.output]
            c.keep(n, [c.bytes_of(x)] + list(n.input[1:]), outputs)
            for v, name in zip(n.output, outputs):
                c.quantised[v], c.forms[v] = c.quantised[x], {"bytes": name}
                if v in c.outputs:
                    c.node("DequantizeLinear", [name] + c.scale_of(v), [v])
        else:
            c.keep(n, [c.floats_of(i, False) for i in n.input], list(n.output))
            continue
        if into != y:
            clamped.add(y)
    return c.finish([MICROSOFT])


def operator_operand(c, v):
    return [c.bytes_of(v)] + c.scale_of(v)


def operator_bytes(c, kind, inputs, into, domain=MICROSOFT, **attributes):
    c.forms[into] = {"bytes": c.node(kind, inputs, [into + "_bytes"], domain=domain, **attributes)}


def operator_product(c, n, into):
    """QLinearConv or QGemm, whose result may be floats."""
    x = n.input[0]
    w, w_scale, values = c.weight_of(n.input[1], 0)
    w_zero = c.const(w + "_zero", np.zeros(len(values), np.int8))
    bias = [c.bias_of(n.input[2], x, values)[0]] if len(n.input) > 2 else []
    inputs = operator_operand(c, x) + [w, w_scale, w_zero]
    attributes = {a.name: helper.get_attribute_value(a) for a in n.attribute}
    if n.op_type == "Conv":
        operator_bytes(c, "QLinearConv", inputs + c.scale_of(into) + bias, into, None, **attributes)
    elif into in c.quantised:
        operator_bytes(c, "QGemm", inputs + bias + c.scale_of(into), into, **attributes)
    else:
        c.node("QGemm", inputs + bias, [into], MICROSOFT, **attributes)


def dynamic(model, _):
    """Products with constant matrices over bytes that are made at run time."""
    c = Copy(model)
    for n in list(model.graph.node):
        if n.op_type != "MatMul" or n.input[1] not in c.weights:
            c.nodes.append(n)
            continue
        x, y = n.input[0], n.output[0]
        w, scale, _ = c.weight_of(n.input[1], 1)
        if x not in c.forms:
            c.forms[x] = {"bytes": c.node("DynamicQuantizeLinear", [x], [x + "_bytes", x + "_scale", x + "_zero"])}
        product = c.node("MatMulInteger", [x + "_bytes", w, x + "_zero"], [y + "_i32"])
        product = c.node("Cast", [product], [y + "_floats"], to=TensorProto.FLOAT)
        c.node("Mul", [product, c.node("Mul", [x + "_scale", scale], [y + "_scale"])], [y])
    return c.finish()


COPIES = {}
for source in make_models.MODELS:
    transformer = source in ("vit_tiny", "minilm_l6_128", "bert_base_128")
    COPIES[source + "_int8"] = (source, dynamic if transformer else around_operators)
for source in ("resnet50", "mobilenet_v2", "efficientnet_b0", "squeezenet1_1"):
    COPIES[source + "_int8_operators"] = (source, with_operators)


def main(words):
    if words == ["--list"]:
        print("\n".join(COPIES))
        return
    if len(words) < 2 or not set(words[2:]) <= COPIES.keys():
        sys.exit(__doc__)
    setsuna, folder = words[:2]
    for name in words[2:] or COPIES:
        source, quantise = COPIES[name]
        with open(os.path.join(folder, source + ".version"), encoding="ascii") as f:
            version = make_models.version_of(__file__, f.read())
        make_models.write(folder, name, version,
                          lambda: quantise(onnx.load(os.path.join(folder, source + ".onnx")), setsuna))  # noqa: B023


if __name__ == "__main__":
    main(sys.argv[1:])
