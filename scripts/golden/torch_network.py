"""The PyTorch twin of an architecture: the same layers under the same names."""
import torch
from torch import nn

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


class Residual(nn.Module):
    def __init__(self, layers, shortcut):
        super().__init__()
        self.layers, self.shortcut = layers, shortcut

    def forward(self, x):
        return self.shortcut(x) + self.layers(x)


class GlobalAvgPool(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


def layer(spec, shape):
    kind = spec["type"]
    if kind == "linear":
        return nn.Linear(shape[0], spec["out"], bias=spec.get("bias", True))
    if kind == "conv2d":
        return nn.Conv2d(shape[0], spec["out"], spec["kernel"], spec.get("stride", 1),
                         spec.get("padding", 0), bias=spec.get("bias", True))
    if kind == "batch_norm":
        return (nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d)(shape[0])
    if kind == "layer_norm":
        return nn.LayerNorm(shape[-1])
    if kind in ("max_pool", "avg_pool"):
        pool = nn.MaxPool2d if kind == "max_pool" else nn.AvgPool2d
        return pool(spec["kernel"], spec.get("stride") or spec["kernel"])
    if kind == "global_avg_pool":
        return GlobalAvgPool()
    if kind == "dropout":
        return nn.Dropout(spec["p"])
    if kind == "activation":
        return ACTIVATIONS[spec["function"]]()
    if kind == "flatten":
        return nn.Flatten()
    if kind == "residual":
        return Residual(sequence(spec["layers"], shape), sequence(spec.get("shortcut", []), shape))
    raise ValueError(kind)


def sequence(specs, shape):
    modules, x = [], torch.zeros(2, *shape)
    for spec in specs:
        modules.append(layer(spec, list(x.shape[1:])))
        x = modules[-1].eval()(x)
        modules[-1].train()
    return nn.Sequential(*modules)


class Network(nn.Module):
    """`config.json` of a package as a module whose state dict has the package's names."""

    def __init__(self, config):
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(n, d) for n, d in config["embeddings"])
        shape = list(config["input"])
        if len(shape) == 1:
            shape = [shape[0] + sum(d for _, d in config["embeddings"])]
        self.trunk = sequence(config["trunk"], shape)
        self.trunk.eval()
        width = self.trunk(torch.zeros(2, *shape)).shape[1]
        self.trunk.train()
        self.head = nn.Linear(width, config["output"])

    def forward(self, dense, indices=None):
        x = dense
        if len(self.embeddings):
            x = torch.cat([x] + [e(indices[:, i]) for i, e in enumerate(self.embeddings)], 1)
        return self.head(self.trunk(x))
