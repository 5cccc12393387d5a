#!/usr/bin/python3
"""Holds bench/make_models.py to what was published of each architecture: bench_models.py SETSUNA.

Parameters are compared exactly, multiply-accumulates within what the published figure was rounded to; both are counted
here from the finished graph. The networks that are quick to run also give outputs that are finite and not flat, so that
no activation has vanished or exploded, and their quantised copies (bench/quantise.py) nearly the same ones.
"""
import math
import os
import subprocess
import sys

try:
    import numpy as np
    import onnx
    from onnx import shape_inference
except ImportError:
    print("python3-onnx or python3-numpy is not installed")
    sys.exit(77)

# Parameters with batch norms as trained (torchvision's documentation of its models; timm's vit_tiny_patch16_224;
# Hugging Face's all-MiniLM-L6-v2 and bert-base-uncased with pooler) and 10^9 multiply-accumulates with their unit in the
# last place. YOLOv8n: as Ultralytics prints it, which counts 10^9 operations at 640 pixels: 8.7. The language models':
# layers (12 w^2 + 2 t w) t from their published sizes, w = 384 and 768 wide, t = 128 tokens.
PUBLISHED = {
    "resnet18": (11689512, 1.814, 0.001),
    "resnet50": (25557032, 4.089, 0.001),
    "mobilenet_v2": (3504872, 0.301, 0.001),
    "mobilenet_v3_large": (5483032, 0.217, 0.001),
    "efficientnet_b0": (5288548, 0.386, 0.001),
    "squeezenet1_1": (1235496, 0.349, 0.001),
    "yolov8n_320": (3157200, 8.7 / 8, 0.1 / 8),
    "yolov8n_640": (3157200, 8.7 / 2, 0.1 / 2),
    "vit_tiny": (5717416, 1.254, 0.001),
    "minilm_l6_128": (22713216, 1.434, 0.001),
    "bert_base_128": (109482240, 11.17, 0.01),
}
QUICK = ("resnet18", "mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0", "squeezenet1_1", "yolov8n_320", "vit_tiny",
         "minilm_l6_128")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.environ["SETSUNA_SOURCE_DIR"], "bench"))
import make_models  # noqa: E402
import quantise  # noqa: E402


def parameters(net):
    """As trained: a folded batch norm had one parameter more for each of its channels."""
    return sum(math.prod(t.dims) for t in net.weights if t.name.startswith("weight")) + net.batch_norm


def multiply_accumulates(model):
    inferred = shape_inference.infer_shapes(model, strict_mode=True).graph
    shape = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
             for v in list(inferred.value_info) + list(inferred.input) + list(inferred.output)}
    shape.update({t.name: list(t.dims) for t in inferred.initializer})
    total = 0
    for node in inferred.node:
        out = math.prod(shape[node.output[0]])
        if node.op_type == "Conv":
            total += out * math.prod(shape[node.input[1]][1:])
        elif node.op_type == "Gemm":
            total += out * shape[node.input[1]][1]
        elif node.op_type == "MatMul":
            total += out * shape[node.input[0]][-1]
    return total


def outputs(setsuna, name, model):
    """What the model makes of the command's noise."""
    path = name + ".onnx"
    onnx.save(model, path)
    fill = ["--fill", "attention_mask=1"] if "attention_mask" in [i.name for i in model.graph.input] else []
    subprocess.run([setsuna, "run", path, "--output-dir", name, *fill], check=True, stdout=subprocess.DEVNULL)
    os.remove(path)
    return [np.load(os.path.join(name, info.name + ".npy")) for info in model.graph.output]


def check_outputs(name, net, found):
    return [f"{name}: output {info.name} has a standard deviation of {y.std()}" for info, y in zip(net.outputs, found)
            if not np.isfinite(y).all() or not 1e-3 < y.std() < 1e3]


def check_copies(setsuna, name, net, found):
    """The quantised copies of a model, against its own outputs: 8 bits a layer leave three digits of correlation."""
    wrong = []
    for copy, (source, make) in quantise.COPIES.items():
        if source != name:
            continue
        model = make(net.model(), setsuna)
        onnx.checker.check_model(model)
        if onnx.TensorProto.INT8 not in {t.data_type for t in model.graph.initializer}:
            wrong.append(f"{copy}: no weights of 8 bits")
        for y, want in zip(outputs(setsuna, copy, model), found):
            near = np.corrcoef(y.ravel(), want.ravel())[0, 1]
            print(f"{copy:28} correlation {near:.6f}")
            if not near > 0.999:
                wrong.append(f"{copy}: a correlation of {near} with {name}")
    return wrong


def main():
    wrong = []
    if make_models.MODELS.keys() != PUBLISHED.keys():
        wrong.append("the generator's models are not those of this test")
    for name, (want, giga, unit) in PUBLISHED.items():
        net = make_models.MODELS[name]()
        model = net.model()
        onnx.checker.check_model(model)
        n, macs = parameters(net), multiply_accumulates(model)
        print(f"{name:20} {n:10} parameters, {macs / 1e9:.4f} billion multiply-accumulates")
        if n != want:
            wrong.append(f"{name}: {n} parameters, published are {want}")
        if abs(macs / 1e9 - giga) > unit:
            wrong.append(f"{name}: {macs} multiply-accumulates, published are {giga} billion")
        if name in QUICK:
            found = outputs(sys.argv[1], name, model)
            wrong += check_outputs(name, net, found) + check_copies(sys.argv[1], name, net, found)
    print("\n".join(wrong))
    return 1 if wrong else 0


sys.exit(main())
