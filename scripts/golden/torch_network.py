"""PyTorch twin of an architecture: the same layers under the same names."""
import math

import torch
from torch import nn
from torch.nn import functional as F

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "gelu_tanh": lambda: nn.GELU(approximate="tanh"), "silu": nn.SiLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid,
               "selu": nn.SELU, "mish": nn.Mish}


def keep(mask, x):
    """Mask with 1 at tokens and 0 at padding, as [batch, time, 1]."""
    return torch.ones(x.shape[:2] + (1,)) if mask is None else (~mask).float().unsqueeze(2)


class Residual(nn.Module):
    def __init__(self, layers, shortcut):
        super().__init__()
        self.layers, self.shortcut = layers, shortcut

    def forward(self, x, mask):
        return self.shortcut(x, mask)[0] + self.layers(x, mask)[0]


class GlobalAvgPool(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


class Attention(nn.Module):
    def __init__(self, width, heads, kv_heads, causal, rope, bias):
        super().__init__()
        kv = width // heads * kv_heads
        self.q, self.k = nn.Linear(width, width, bias), nn.Linear(width, kv, bias)
        self.v, self.o = nn.Linear(width, kv, bias), nn.Linear(width, width, bias)
        self.heads, self.kv_heads, self.causal, self.rope = heads, kv_heads, causal, rope

    def forward(self, x, mask):
        b, t, width = x.shape
        d = width // self.heads
        q = self.q(x).view(b, t, self.heads, d).transpose(1, 2)
        k = self.k(x).view(b, t, self.kv_heads, d).transpose(1, 2)
        v = self.v(x).view(b, t, self.kv_heads, d).transpose(1, 2)
        if self.rope:
            angle = torch.arange(t)[:, None] * 10000.0 ** (-torch.arange(0, d, 2) / d)
            cos, sin = torch.cat([angle.cos()] * 2, 1), torch.cat([angle.sin()] * 2, 1)
            turn = lambda x: x * cos + torch.cat([-x[..., d // 2:], x[..., :d // 2]], -1) * sin
            q, k = turn(q), turn(k)
        k = k.repeat_interleave(self.heads // self.kv_heads, 1)
        v = v.repeat_interleave(self.heads // self.kv_heads, 1)
        allowed = torch.ones(t, t, dtype=torch.bool).tril() if self.causal else torch.ones(t, t, dtype=torch.bool)
        allowed = allowed.expand(b, 1, t, t)
        if mask is not None:
            allowed = allowed & ~mask[:, None, None, :]
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        return self.o(y.transpose(1, 2).reshape(b, t, width))


class Recurrent(nn.LSTM):
    def forward(self, x):
        return super().forward(x)[0]


class RecurrentGru(nn.GRU):
    def forward(self, x):
        return super().forward(x)[0]


class Conv1d(nn.Conv1d):
    def __init__(self, width, out, kernel, dilation, causal):
        super().__init__(width, out, kernel, dilation=dilation)
        reach = (kernel - 1) * dilation
        self.pad = (reach, 0) if causal else (reach // 2, reach // 2)

    def forward(self, x):
        return super().forward(F.pad(x.transpose(1, 2), self.pad)).transpose(1, 2)


class Patch(nn.Conv2d):
    def forward(self, x):
        return super().forward(x).flatten(2).transpose(1, 2)


class ClassToken(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.token = nn.Parameter(torch.randn(width))

    def forward(self, x, mask):
        x = torch.cat([self.token.expand(len(x), 1, -1), x], 1)
        return x, None if mask is None else F.pad(mask, (1, 0))


class Position(nn.Module):
    def __init__(self, time, width):
        super().__init__()
        self.position = nn.Parameter(torch.randn(time, width))

    def forward(self, x):
        return x + self.position


class FeatureTokens(nn.Module):
    def __init__(self, n, width):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(n, width)), nn.Parameter(torch.randn(n, width))

    def forward(self, x):
        return x.unsqueeze(2) * self.weight + self.bias


class Periodic(nn.Module):
    def __init__(self, n, frequencies, sigma):
        super().__init__()
        self.frequencies = nn.Parameter(sigma * torch.randn(n, frequencies))

    def forward(self, x):
        angle = 2 * math.pi * x.unsqueeze(2) * self.frequencies
        return torch.cat([angle.cos(), angle.sin()], 2)


class PeriodicDense(nn.Module):
    def __init__(self, n, frequencies, sigma, width):
        super().__init__()
        self.weight_1 = nn.Parameter(sigma * torch.randn(n, frequencies))
        self.bias_1 = nn.Parameter(math.pi * (2 * torch.rand(n, frequencies) - 1))
        self.weight_2 = nn.Parameter((2 * torch.rand(n, frequencies, width - 1) - 1) / frequencies ** 0.5)
        self.bias_2 = nn.Parameter((2 * torch.rand(n, width - 1) - 1) / frequencies ** 0.5)

    def forward(self, x):
        waves = (2 * math.pi * x.unsqueeze(2) * self.weight_1 + self.bias_1).cos()
        mapped = torch.einsum("bnf,nfw->bnw", waves, self.weight_2) + self.bias_2
        return torch.cat([mapped, x.unsqueeze(2)], 2)


class Scale(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * self.scale


class MixedActivation(nn.Module):
    def __init__(self, width, function):
        super().__init__()
        self.mix, self.function = nn.Parameter(torch.ones(width)), function

    def forward(self, x):
        return x + (self.function(x) - x) * self.mix


class Ensemble(nn.Module):
    def __init__(self, members):
        super().__init__()
        self.members = members

    def forward(self, x):
        return x.unsqueeze(1).expand(-1, self.members, -1)


class BatchEnsemble(nn.Module):
    def __init__(self, members, width, out):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out, width) / width ** 0.5)
        self.r, self.s = nn.Parameter(torch.randn(members, width)), nn.Parameter(torch.randn(members, out))
        self.bias = nn.Parameter(torch.randn(members, out))

    def forward(self, x):
        return ((x * self.r) @ self.weight.T) * self.s + self.bias


class Glu(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        a, b = x.chunk(2, -1)
        return a * self.function(b)


class Take(nn.Module):
    def __init__(self, at):
        super().__init__()
        self.at = at

    def forward(self, x, mask):
        if self.at == "first":
            return x[:, 0]
        kept = keep(mask, x)
        if self.at == "mean":
            return (x * kept).sum(1) / kept.sum(1).clamp(min=1)
        last = (kept.sum((1, 2)).long() - 1).clamp(min=0)
        return x[torch.arange(len(x)), last]


class Transpose(nn.Module):
    def forward(self, x):
        return x.transpose(1, 2)


class Decompose(nn.Module):
    """Reference of Zeng et al.: an AvgPool1d over the series, padded with its end values."""

    def __init__(self, kernel):
        super().__init__()
        self.side, self.average = kernel // 2, nn.AvgPool1d(kernel, stride=1)

    def forward(self, x):
        first, last = x[:, :1].repeat(1, self.side, 1), x[:, -1:].repeat(1, self.side, 1)
        trend = self.average(torch.cat([first, x, last], 1).transpose(1, 2)).transpose(1, 2)
        return torch.cat([trend, x - trend], 2)


class SeriesPatch(nn.Conv1d):
    """Linear map of each patch; the last patch ends at the last step."""

    def forward(self, x):
        x = x.transpose(1, 2)
        return super().forward(x[..., (x.shape[2] - self.kernel_size[0]) % self.stride[0]:]).transpose(1, 2)


class Normalize(nn.Module):
    def forward(self, x):
        return F.normalize(x, dim=1)


MASKED = (Attention, Residual, Take)


class Sequence(nn.ModuleList):
    """Layers in order; layers that need the padding mask get it."""

    def forward(self, x, mask=None):
        for module in self:
            if isinstance(module, ClassToken):
                x, mask = module(x, mask)
            elif isinstance(module, MASKED):
                x = module(x, mask)
            else:
                x = module(x)
        return x, mask


def layer(spec, shape):
    kind = spec["type"]
    if kind == "linear":
        return nn.Linear(shape[-1], spec["out"], bias=spec.get("bias", True))
    if kind == "conv2d":
        return nn.Conv2d(shape[0], spec["out"], spec["kernel"], spec.get("stride", 1),
                         spec.get("padding", 0), bias=spec.get("bias", True))
    if kind == "conv1d":
        return Conv1d(shape[1], spec["out"], spec["kernel"], spec.get("dilation", 1), spec.get("causal", False))
    if kind == "batch_norm":
        return (nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d)(shape[0])
    if kind == "layer_norm":
        return nn.LayerNorm(shape[-1], eps=spec.get("eps") or 1e-5)
    if kind == "rms_norm":
        return nn.RMSNorm(shape[-1], eps=1e-5)
    if kind == "max_pool":
        return nn.MaxPool2d(spec["kernel"], spec.get("stride") or spec["kernel"], spec.get("padding", 0))
    if kind == "avg_pool":
        return nn.AvgPool2d(spec["kernel"], spec.get("stride") or spec["kernel"])
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
    if kind == "attention":
        return Attention(shape[1], spec["heads"], spec.get("kv_heads") or spec["heads"],
                         spec.get("causal", False), spec.get("rope", False), spec.get("bias", True))
    if kind == "recurrent":
        cell = Recurrent if spec["cell"] == "lstm" else RecurrentGru
        return cell(shape[1], spec["width"], batch_first=True, bidirectional=spec.get("bidirectional", False))
    if kind == "patch":
        return Patch(shape[0], spec["width"], spec["size"], spec["size"])
    if kind == "class_token":
        return ClassToken(shape[1])
    if kind == "position":
        return Position(*shape)
    if kind == "feature_tokens":
        return FeatureTokens(shape[0], spec["width"])
    if kind == "periodic":
        return Periodic(shape[0], spec["frequencies"], spec["sigma"])
    if kind == "periodic_dense":
        return PeriodicDense(shape[0], spec["frequencies"], spec["sigma"], spec["width"])
    if kind == "scale":
        return Scale(shape[-1])
    if kind == "mixed_activation":
        return MixedActivation(shape[-1], ACTIVATIONS[spec["function"]]())
    if kind == "ensemble":
        return Ensemble(spec["members"])
    if kind == "batch_ensemble":
        return BatchEnsemble(*shape, spec["out"])
    if kind == "glu":
        return Glu(ACTIVATIONS[spec["function"]]())
    if kind == "take":
        return Take(spec["at"])
    if kind == "transpose":
        return Transpose()
    if kind == "decompose":
        return Decompose(spec["kernel"])
    if kind == "series_patch":
        return SeriesPatch(shape[1], spec["width"], spec["length"], spec["stride"])
    if kind == "normalize":
        return Normalize()
    raise ValueError(kind)


def sequence(specs, shape):
    modules, x, mask = Sequence(), torch.zeros(2, *shape), None
    for spec in specs:
        modules.append(layer(spec, list(x.shape[1:])))
        one = Sequence([modules[-1]]).eval()
        x, mask = one(x, mask)
        modules[-1].train()
    return modules


class Source(nn.Module):
    """Encoder of one input block of an example."""

    def __init__(self, source):
        super().__init__()
        self.block, self.stem = source["block"], source.get("stem", {"kind": "concat"})
        block, widths = self.block, source.get("widths", [])
        if block["kind"] == "table":
            self.embeddings = nn.ModuleList(nn.Embedding(n, d) for n, d in zip(block["indices"], widths))
            self.dense = block["numbers"] + block["encoded"]
            if self.stem["kind"] == "tokens" and self.dense:
                self.numbers = sequence([{"type": "feature_tokens", "width": self.stem["width"]}], [self.dense])
            if self.stem["kind"] == "periodic" and block["numbers"]:
                specs = [{"type": "periodic", "frequencies": self.stem["frequencies"], "sigma": self.stem["sigma"]},
                         {"type": "linear", "out": self.stem["width"]},
                         {"type": "activation", "function": "relu"}, {"type": "flatten"}]
                self.numbers = sequence(specs, [block["numbers"]])
            if self.stem["kind"] == "pbld" and block["numbers"]:
                specs = [{**self.stem, "type": "periodic_dense"}, {"type": "flatten"}]
                self.numbers = sequence(specs, [block["numbers"]])
        elif block["kind"] == "text":
            self.tokens = nn.Embedding(block["vocabulary"], widths[0])
        shape = list(self.enter(*self.blank())[0].shape[1:])
        self.layers = sequence(source.get("encoder", []), shape)

    def widths(self):
        block = self.block
        if block["kind"] == "table":
            return block["numbers"] + block["encoded"], len(block["indices"])
        if block["kind"] == "image":
            return math.prod(block["shape"]), 0
        if block["kind"] == "series":
            return block["steps"] * block["width"], 0
        return 0, block["length"]

    def blank(self):
        dense, index = self.widths()
        return torch.zeros(2, dense), torch.zeros(2, index, dtype=torch.long)

    def enter(self, dense, indices):
        block = self.block
        if block["kind"] == "image":
            return dense.view(-1, *block["shape"]), None
        if block["kind"] == "series":
            return dense.view(-1, block["steps"], block["width"]), None
        if block["kind"] == "text":
            return self.tokens(indices), indices == 0
        embedded = [e(indices[:, i]) for i, e in enumerate(self.embeddings)]
        if self.stem["kind"] == "tokens":
            tokens = [self.numbers(dense)[0]] if self.dense else []
            return torch.cat(tokens + [e.unsqueeze(1) for e in embedded], 1), None
        if self.stem["kind"] in ("periodic", "pbld") and block["numbers"]:
            n = block["numbers"]
            dense = torch.cat([self.numbers(dense[:, :n])[0], dense[:, n:]], 1)
        return torch.cat([dense] + embedded, 1), None

    def forward(self, dense, indices):
        return self.layers(*self.enter(dense, indices))


class Members(nn.Module):
    def __init__(self, members, width, output):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(members, width, output) / width ** 0.5)
        self.bias = nn.Parameter(torch.randn(members, output))

    def forward(self, x):
        return torch.einsum("bmi,mio->bmo", x, self.weight) + self.bias


def averaged(each, average):
    """Averages members [batch, members, width] to [batch, width]."""
    if average == "sigmoid" and each.shape[1] > 1:
        return each.sigmoid().mean(1).logit()
    if average == "softmax" and each.shape[1] > 1:
        return each.softmax(2).mean(1).log()
    return each.mean(1)


class Network(nn.Module):
    """Module for the `config.json` of a package."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        sources = [Source(source) for source in config["sources"]]
        self.single = len(sources) == 1
        if self.single:
            self.source = sources[0]
        else:
            self.encoders = nn.ModuleDict({s["name"]: m for s, m in zip(config["sources"], sources)})
        self.sources = lambda: [self.source] if self.single else list(self.encoders.values())
        self.eval()
        entry, mask = self.enter(*self.blank())
        self.trunk = sequence(config["trunk"], list(entry.shape[1:]))
        self.trunk.eval()
        last = self.trunk(entry, mask)[0]
        head = config.get("head", "vector")
        if head == "identity":
            self.head = nn.Identity()
        elif head == "members":
            self.head = Members(last.shape[1], last.shape[2], config["output"])
        else:
            self.head = nn.Linear(last.shape[-1], config["output"])
        self.train()

    def blank(self):
        parts = [source.blank() for source in self.sources()]
        return torch.cat([d for d, _ in parts], 1), torch.cat([i for _, i in parts], 1)

    def enter(self, dense, indices):
        flows, d, i = [], 0, 0
        for source in self.sources():
            wide, deep = source.widths()
            flows.append(source(dense[:, d:d + wide], indices[:, i:i + deep]))
            d, i = d + wide, i + deep
        if self.single:
            return flows[0]
        meet = torch.stack if self.config.get("stacked") else torch.cat
        return meet([x for x, _ in flows], 1), None

    def each(self, dense, indices=None):
        """Logits of every member or step: [batch * members, output]."""
        dense = dense.flatten(1)
        if indices is None:
            indices = torch.zeros(len(dense), 0, dtype=torch.long)
        x, mask = self.enter(dense, indices)
        level = self.config.get("level")
        if level is not None:
            mean, deviation = x.mean(1, keepdim=True), (x.var(1, keepdim=True, unbiased=False) + 1e-5).sqrt()
            x = (x - mean) / deviation
        logits = self.head(self.trunk(x, mask)[0])
        if level is not None:
            logits = logits * deviation[:, :, level] + mean[:, :, level]
        return logits.flatten(0, 1) if logits.dim() == 3 else logits

    def forward(self, dense, indices=None):
        """Logits [batch, output], averaged over members but not over steps."""
        if self.config.get("head") == "steps":
            return self.each(dense, indices)
        each = self.each(dense, indices).view(len(dense), -1, self.config["output"])
        whole = [{"width": self.config["output"], "average": self.config.get("average", "output")}]
        parts = self.config.get("parts", whole)
        of_parts = each.split([part["width"] for part in parts], 2)
        return torch.cat([averaged(x, part["average"]) for x, part in zip(of_parts, parts)], 1)

    def named(self):
        """Maps weight names of the package to names of the state dict."""
        names = {}
        for key in self.state_dict():
            if key.endswith("num_batches_tracked"):
                continue
            name = key.removeprefix("source.")
            place, _, part = name.rpartition(".")
            place = self.config.get("names", {}).get(place, place)
            names[f"{place}.{part}" if place else part] = key
        return names
