"""The networks of train_workloads.py without attention, as one writes them in PyTorch, with the sizes and parameters of Cupola's.

Each gets the block of inputs and the number of outputs, which a first run of Cupola has found in the data, and the sizes of the
workload.
"""
import math

import torch
from torch import nn
from torch.nn import functional as F


def drop(p):
    return [nn.Dropout(p)] if p > 0 else []


class Apply(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def perceptron(sizes):
    return [part for a, b in zip(sizes, sizes[1:]) for part in (nn.Linear(a, b), nn.ReLU())]


def mlp(block, output, hidden):
    return nn.Sequential(*perceptron([block["numbers"] + block["encoded"], *hidden]), nn.Linear(hidden[-1], output))


def autoencoder(block, output, hidden, code):
    encoder, decoder = perceptron([math.prod(block["shape"]), *hidden]), perceptron([code, *hidden[::-1]])
    return nn.Sequential(nn.Flatten(), *encoder, nn.Linear(hidden[-1], code), *decoder, nn.Linear(hidden[0], output))


def cnn(block, output, channels, hidden):
    layers, before, side = [], block["shape"][0], block["shape"][1]
    for out in channels:
        layers += [nn.Conv2d(before, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)]
        before, side = out, side // 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * side * side, hidden), nn.ReLU(), nn.Linear(hidden, output))


class Basic(nn.Module):
    """ResNet's basic block."""

    def __init__(self, before, out, stride):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(before, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(),
                                  nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out))
        same = stride == 1 and before == out
        self.short = nn.Identity() if same else nn.Sequential(nn.Conv2d(before, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        return F.relu(self.body(x) + self.short(x))


def resnet(block, output, depth, width, stem):
    assert depth == 18 and stem == "small"
    layers, before = [nn.Conv2d(block["shape"][0], width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()], width
    for out, stride in [(width << stage, 2 if stage and not index else 1) for stage in range(4) for index in range(2)]:
        layers.append(Basic(before, out, stride))
        before = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, output))


class Recurrent(nn.Module):
    def __init__(self, block, output, cell, width, bidirectional=False):
        super().__init__()
        self.cell = cell(block["width"], width, batch_first=True, bidirectional=bidirectional)
        self.head, self.both = nn.Linear(width * (2 if bidirectional else 1), output), bidirectional

    def forward(self, x):
        y, _ = self.cell(x)
        return self.head(y.mean(1) if self.both else y[:, -1])


class Causal(nn.Module):
    """TCN's block over `[batch, channels, time]`."""

    def __init__(self, before, out, kernel, dilation, dropout):
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv1d(c, out, kernel, dilation=dilation) for c in (before, out))
        self.short, self.pad, self.drop = nn.Conv1d(before, out, 1), (kernel - 1) * dilation, nn.Dropout(dropout)

    def forward(self, x):
        y = self.drop(F.relu(self.conv1(F.pad(x, (self.pad, 0)))))
        y = self.drop(F.relu(self.conv2(F.pad(y, (self.pad, 0)))))
        return F.relu(y + self.short(x))


def tcn(block, output, channels, kernel, dropout):
    before = [block["width"], *channels]
    layers = [Causal(a, b, kernel, 1 << i, dropout) for i, (a, b) in enumerate(zip(before, channels))]
    return nn.Sequential(Apply(lambda x: x.transpose(1, 2)), *layers, Apply(lambda x: x[:, :, -1]), nn.Linear(channels[-1], output))


class BatchEnsemble(nn.Module):
    def __init__(self, members, width, out):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out, width) / width ** 0.5)
        self.r, self.s = nn.Parameter(torch.randn(members, width).sign()), nn.Parameter(torch.ones(members, out))
        self.bias = nn.Parameter(torch.zeros(members, out))

    def forward(self, x):
        return F.linear(x * self.r, self.weight) * self.s + self.bias


class Heads(nn.Module):
    """One head for each member."""

    def __init__(self, members, width, output):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(members, width, output) / width ** 0.5)
        self.bias = nn.Parameter(torch.zeros(members, output))

    def forward(self, x):
        return torch.einsum("bmi,mio->bmo", x, self.weight) + self.bias


def tabm(block, output, members, hidden, dropout):
    sizes = [block["numbers"] + block["encoded"], *hidden]
    layers = [part for a, b in zip(sizes, sizes[1:]) for part in (BatchEnsemble(members, a, b), nn.ReLU(), *drop(dropout))]
    return nn.Sequential(Apply(lambda x: x[:, None].expand(-1, members, -1)), *layers, Heads(members, sizes[-1], output))


FAMILIES = {"mlp": mlp, "autoencoder": autoencoder, "cnn": cnn, "resnet": resnet, "tcn": tcn, "tabm": tabm,
            "lstm": lambda *at, **sizes: Recurrent(*at, nn.LSTM, **sizes),
            "gru": lambda *at, **sizes: Recurrent(*at, nn.GRU, **sizes)}
