#!/usr/bin/env python3
"""Compares the RealMLP of torch_network.py with pytabkit's own layers, on the cases realmlp and realmlp_classes.

scripts/golden/networks.py computes the golden numbers from torch_network.py; this checks that its layers are pytabkit's: PBLD
embeddings, front scale, weights with the factor 1 / sqrt(inputs), biases and parametric activations. It also prints the schedules
coslog4, flat_cos and the transform of columns, whose numbers stand in tests.

Needs: torch 2.15, numpy, safetensors 0.8, and pytabkit 1.7.3 (`pip download --no-deps pytabkit==1.7.3`, unpacked) as the first argument.
"""
import importlib
import json
import math
import pathlib
import sys
import types

import torch
from safetensors.torch import load_file


class Absent:
    """Stands in for packages that pytabkit imports and these layers do not need."""

    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in ("pytabkit", "torch", "numpy"):
            return None
        return importlib.machinery.ModuleSpec(name, self)

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.__path__ = []
        module.__getattr__ = lambda name: type(name, (), {})
        return module

    def exec_module(self, module):
        pass


sys.path.insert(0, sys.argv[1])

sys.meta_path.append(Absent())
# Its top module imports every model.
sys.modules["pytabkit"] = types.ModuleType("pytabkit")
sys.modules["pytabkit"].__path__ = [str(pathlib.Path(sys.argv[1]) / "pytabkit")]
from pytabkit.models.nn_models.activations import ParametricActivationLayer, mish
from pytabkit.models.nn_models.base import BiasLayer, ScaleLayer, Variable, WeightLayer
from pytabkit.models.data.data import DictDataset, TensorInfo
from pytabkit.models.nn_models.models import smooth_clip_func
from pytabkit.models.nn_models.pipeline import MedianCenterFactory, RobustScaleFactory
from pytabkit.models.nn_models.nn import PLREmbeddingsLayerCosBias
from pytabkit.models.training.scheduling import get_schedule

OUT = pathlib.Path(__file__).parents[2] / "crates/nn/src/golden"


def variable(x):
    return Variable(x, trainable=False)


def forward(weights, dense, numbers, function, indices):
    """The network by pytabkit's layers, with its order of the embedded numbers: mapped waves first, then the numbers."""
    x = dense
    if "numbers.0.weight_1" in weights:
        w = {name: weights[f"numbers.0.{name}"] for name in ("weight_1", "bias_1", "weight_2", "bias_2")}
        layer = PLREmbeddingsLayerCosBias(None, variable(w["weight_1"].unsqueeze(1)), variable(w["bias_1"].unsqueeze(1)),
                                          variable(w["weight_2"]), variable(w["bias_2"].unsqueeze(1)), "linear", True)
        mapped = layer.forward_cont(dense[:, :numbers])
        width = w["bias_2"].shape[1] + 1
        waves = mapped[:, :-numbers].reshape(len(dense), numbers, width - 1)
        own = torch.cat([waves, mapped[:, -numbers:].unsqueeze(2)], 2).flatten(1)
        x = torch.cat([own, dense[:, numbers:]], 1)
    if "embeddings.0.weight" in weights:
        x = torch.cat([x, weights["embeddings.0.weight"][indices[:, 0]]], 1)
    x = ScaleLayer(variable(weights["trunk.0.scale"])).forward_cont(x)
    place = 1
    while f"trunk.{place}.weight" in weights:
        x = linear(weights, f"trunk.{place}", x)
        x = ParametricActivationLayer(function, variable(weights[f"trunk.{place + 1}.mix"])).forward_cont(x)
        place += 2
    return linear(weights, "head", x)


def linear(weights, name, x):
    """A weight layer in the NTK parametrisation and a bias layer."""
    weight, inputs = weights[f"{name}.weight"].T, x.shape[1]
    x = WeightLayer(variable(weight * math.sqrt(inputs)), factor=math.sqrt(1 / inputs)).forward_cont(x)
    return BiasLayer(variable(weights[f"{name}.bias"]), factor=1.0).forward_cont(x)


for name, function in (("realmlp", mish), ("realmlp_classes", torch.selu)):
    config = json.loads((OUT / f"{name}.json").read_text())["architecture"]
    golden = load_file(OUT / f"{name}.safetensors")
    weights = {key.removeprefix("weight/"): value for key, value in golden.items() if key.startswith("weight/")}
    numbers = config["sources"][0]["block"]["numbers"]
    found = forward(weights, golden["dense"], numbers, function, golden["indices"].long())
    distance = (found - golden["eval"]).abs().max().item()
    print(f"{name}: largest difference {distance:.1e}")
    assert distance < 1e-5

for column in ([0.0, 1, 2, 3, 5, 8, 13, 100], [0.0, 0, 0, 0, 0, 0, 1, 4], [3.0] * 8):
    x = torch.tensor(column).unsqueeze(1)
    for factory in (MedianCenterFactory(), RobustScaleFactory()):
        ds = DictDataset({"x_cont": x}, {"x_cont": TensorInfo(feat_shape=[1])}, device="cpu")
        x = factory._fit(ds).forward_cont(x)
    print(column, [round(value, 6) for value in smooth_clip_func(x)[:, 0].tolist()])

for schedule in ("coslog4", "flat_cos"):
    at = get_schedule(schedule)
    print(schedule, [round(float(at.call_time_(step / 20)), 7) for step in range(20)])
