#!/usr/bin/python3
"""Holds bench/make_models.py to what was published of each architecture: bench_models.py SETSUNA.

Parameters are compared exactly, multiply-accumulates within what the published figure was rounded to; both are counted
here from the finished graph. The networks that are quick to run also give outputs that are finite and not flat, so that
no activation has vanished or exploded.
"""
import importlib.util
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
ROOT = os.environ["SETSUNA_SOURCE_DIR"]


def generator():
    spec = importlib.util.spec_from_file_location("make_models", os.path.join(ROOT, "bench", "make_models.py"))
    module = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    spec.loader.exec_module(module)
    return module


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


def check_outputs(setsuna, name, net, model):
    path = name + ".onnx"
    onnx.save(model, path)
    fill = ["--fill", "attention_mask=1"] if "attention_mask" in [i.name for i in net.inputs] else []
    subprocess.run([setsuna, "run", path, "--output-dir", name, *fill], check=True, stdout=subprocess.DEVNULL)
    os.remove(path)
    wrong = []
    for info in net.outputs:
        y = np.load(os.path.join(name, info.name + ".npy"))
        if not np.isfinite(y).all() or not 1e-3 < y.std() < 1e3:
            wrong.append(f"{name}: output {info.name} has a standard deviation of {y.std()}")
    return wrong


def main():
    wrong = []
    make = generator()
    if make.MODELS.keys() != PUBLISHED.keys():
        wrong.append("the generator's models are not those of this test")
    for name, (want, giga, unit) in PUBLISHED.items():
        net = make.MODELS[name]()
        model = net.model()
        onnx.checker.check_model(model)
        n, macs = parameters(net), multiply_accumulates(model)
        print(f"{name:20} {n:10} parameters, {macs / 1e9:.4f} billion multiply-accumulates")
        if n != want:
            wrong.append(f"{name}: {n} parameters, published are {want}")
        if abs(macs / 1e9 - giga) > unit:
            wrong.append(f"{name}: {macs} multiply-accumulates, published are {giga} billion")
        if name in QUICK:
            wrong += check_outputs(sys.argv[1], name, net, model)
    print("\n".join(wrong))
    return 1 if wrong else 0


sys.exit(main())
