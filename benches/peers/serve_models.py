#!/usr/bin/env python3
"""Exports the served packages to ONNX, so that all servers compute the same network.

    serve_models.py PACKAGE.. OUT      MLPs or CNNs on one image, from the weights of the packages
    serve_models.py --minilm DIR OUT   a Hugging Face folder; needs torch and transformers

Needs: numpy, onnx, safetensors. Prints the files it wrote.
"""
import json
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file


def image_model(package: pathlib.Path, out: pathlib.Path):
    weights, nodes, initial = load_file(package / "model.safetensors"), [], []
    plan, config = (json.loads((package / name).read_text()) for name in ("plan.json", "config.json"))
    image = plan["inputs"][0]
    at = "pixels"

    def constant(name, value):
        initial.append(numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
        return name

    def node(kind, inputs, **attributes):
        nonlocal at
        at = f"{kind.lower()}_{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [at], **attributes))

    node("Sub", [at, constant("shift", image["shift"])])
    node("Mul", [at, constant("factor", image["factor"])])
    flat = False
    layers = [("trunk." + str(i), layer) for i, layer in enumerate(config["trunk"])] + [("head", {"type": "linear"})]
    for name, layer in layers:
        own = {k.rsplit(".", 1)[1]: v for k, v in weights.items() if k.rsplit(".", 1)[0] == name}
        for key, value in own.items():
            constant(f"{name}.{key}", value)
        kind = layer["type"]
        if kind == "linear":
            if not flat:
                node("Flatten", [at])
                flat = True
            node("Gemm", [at, f"{name}.weight"] + ([f"{name}.bias"] if "bias" in own else []), transB=1)
        elif kind == "conv2d":
            k = own["weight"].shape[2]
            node("Conv", [at, f"{name}.weight"] + ([f"{name}.bias"] if "bias" in own else []), kernel_shape=[k, k], pads=[k // 2] * 4)
        elif kind == "batch_norm":
            node("BatchNormalization", [at] + [f"{name}.{p}" for p in ("weight", "bias", "running_mean", "running_var")])
        elif kind == "activation":
            node({"relu": "Relu", "tanh": "Tanh"}[layer["function"]], [at])
        elif kind == "max_pool":
            k = layer["kernel"]
            node("MaxPool", [at], kernel_shape=[k, k], strides=[k, k])
        elif kind == "flatten":
            node("Flatten", [at])
            flat = True
        elif kind != "dropout":
            raise SystemExit(f"layers of type {kind} are not supported")
    nodes.append(helper.make_node("Softmax", [at], ["probabilities"], axis=1))
    shape = ["n", *image["shape"]]
    graph = helper.make_graph(
        nodes, package.parent.name,
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 10])], initial)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.checker.check_model(model)
    onnx.save(model, out)
    print(out)


def minilm(folder: pathlib.Path, out: pathlib.Path):
    import torch
    from transformers import AutoModel

    class Embedder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bert = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()

        def forward(self, ids, mask):
            hidden = self.bert(input_ids=ids, attention_mask=mask, token_type_ids=torch.zeros_like(ids)).last_hidden_state
            weight = mask.unsqueeze(-1).to(hidden.dtype)
            return torch.nn.functional.normalize((hidden * weight).sum(1) / weight.sum(1), dim=1)

    ids = torch.ones(2, 16, dtype=torch.long)
    axes = {"ids": {0: "n", 1: "t"}, "mask": {0: "n", 1: "t"}, "embedding": {0: "n"}}
    torch.onnx.export(Embedder(), (ids, ids), out, input_names=["ids", "mask"], output_names=["embedding"],
                      dynamic_axes=axes, dynamo=False, opset_version=17)
    print(out)


if sys.argv[1] == "--minilm":
    minilm(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
else:
    for package in sys.argv[1:-1]:
        package = pathlib.Path(package)
        image_model(package, pathlib.Path(sys.argv[-1]) / f"{package.parent.name}.onnx")
