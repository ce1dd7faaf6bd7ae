#!/usr/bin/env python3
"""Writes crates/train/src/golden/training.json with PyTorch's numbers: losses with their gradients,
and a small matrix and a bias after five steps of each optimiser.

Needs: torch 2.15. Prints the path it wrote.
"""
import json
import pathlib

import torch
from torch.nn import functional as F

OUT = pathlib.Path(__file__).parents[2] / "crates/train/src/golden/training.json"
OUT.parent.mkdir(exist_ok=True)
torch.manual_seed(0)
rounded = lambda x: [float(v) for v in x.detach().flatten()]


def focal(logits, target, gamma, weight):
    ce = F.cross_entropy(logits, target, reduction="none")
    each = (1 - (-ce).exp()) ** gamma * ce * weight[target]
    return each.sum() / weight[target].sum()


def losses():
    logits, classes = torch.randn(6, 4), torch.randint(0, 4, (6,))
    one, binary, numbers = torch.randn(6, 1), torch.randint(0, 2, (6,)).float(), torch.randn(6)
    weight, pair = torch.tensor([0.5, 1.0, 2.0, 1.5]), torch.tensor([0.6, 3.0])
    ones = torch.ones(4)
    w = pair[binary.long()]
    p = lambda x: torch.where(binary == 1, x.sigmoid(), 1 - x.sigmoid())
    bce = lambda x, y: F.binary_cross_entropy_with_logits(x, y, reduction="none")
    pinball = lambda x, q: torch.maximum(q * (numbers - x), (q - 1) * (numbers - x)).mean()
    cases = [
        ({"loss": "cross_entropy", "label_smoothing": 0.1, "class_weights": rounded(weight)}, logits, classes,
         lambda x: F.cross_entropy(x, classes, weight=weight, label_smoothing=0.1)),
        ({"loss": {"focal": {"gamma": 2.0}}, "label_smoothing": 0.0, "class_weights": rounded(weight)}, logits, classes,
         lambda x: focal(x, classes, 2.0, weight)),
        ({"loss": {"focal": {"gamma": 1.5}}, "label_smoothing": 0.0, "class_weights": []}, logits, classes,
         lambda x: focal(x, classes, 1.5, ones)),
        ({"loss": "binary_cross_entropy", "label_smoothing": 0.2, "class_weights": rounded(pair)}, one, binary,
         lambda x: (bce(x[:, 0], binary * 0.8 + 0.1) * w).sum() / w.sum()),
        ({"loss": {"binary_focal": {"gamma": 2.0}}, "label_smoothing": 0.0, "class_weights": []}, one, binary,
         lambda x: (bce(x[:, 0], binary) * (1 - p(x[:, 0])) ** 2).mean()),
        ({"loss": {"huber": {"delta": 0.7}}, "label_smoothing": 0.0, "class_weights": []}, one, numbers,
         lambda x: F.huber_loss(x[:, 0], numbers, delta=0.7)),
        ({"loss": {"quantile": {"quantile": 0.9}}, "label_smoothing": 0.0, "class_weights": []}, one, numbers,
         lambda x: pinball(x[:, 0], 0.9)),
    ]
    out = []
    for objective, start, target, loss in cases:
        x = start.clone().requires_grad_()
        value = loss(x)
        value.backward()
        out.append({"objective": objective, "width": start.shape[1], "logits": rounded(start),
                    "target": rounded(target.float()), "loss": value.item(), "grad": rounded(x.grad)})
    return out


class Adafactor:
    """Shazeer and Stern 2018, algorithms 4 and 5, with a given learning rate, update clipping at 1 and decay
    exponent -0.8: transformers' Adafactor with relative_step and scale_parameter off."""

    def __init__(self, groups, lr):
        from transformers.optimization import Adafactor

        self.inner = Adafactor(groups, lr=lr, relative_step=False, scale_parameter=False, warmup_init=False)

    def step(self):
        self.inner.step()


class Lion:
    """Chen et al. 2023, algorithm 2."""

    def __init__(self, groups, lr, betas=(0.9, 0.99)):
        self.groups, self.lr, self.betas, self.m = groups, lr, betas, {}

    def step(self):
        for group in self.groups:
            for p in group["params"]:
                m = self.m.setdefault(p, torch.zeros_like(p))
                update = (self.betas[0] * m + (1 - self.betas[0]) * p.grad).sign()
                p.data -= self.lr * (update + group["weight_decay"] * p.data)
                self.m[p] = self.betas[1] * m + (1 - self.betas[1]) * p.grad


class Muon:
    """torch.optim.Muon for the matrix, with its Newton-Schulz steps in float32 instead of bfloat16;
    AdamW for the bias."""

    def __init__(self, groups, lr):
        self.matrix, self.decay, self.lr = groups[0]["params"][0], groups[0]["weight_decay"], lr
        self.buffer = torch.zeros_like(self.matrix)
        self.adamw = torch.optim.AdamW(groups[1]["params"], lr=lr, weight_decay=0.0)

    def step(self):
        grad = self.matrix.grad
        self.buffer.lerp_(grad, 0.05)
        x = grad.lerp(self.buffer, 0.95)
        tall = x.shape[0] > x.shape[1]
        x = x.T if tall else x
        x = x / x.norm().clamp(min=1e-7)
        for _ in range(5):
            gram = x @ x.T
            x = 3.4445 * x + (-4.775 * gram + 2.0315 * gram @ gram) @ x
        x = x.T if tall else x
        self.matrix.data *= 1 - self.lr * self.decay
        self.matrix.data -= self.lr * 0.2 * max(x.shape) ** 0.5 * x
        self.adamw.step()


def optimisers():
    """Weights of a trunk `linear 3 -> 4` and a head `4 -> 1` after five steps of each optimiser."""
    make = {
        "adamw": lambda g: torch.optim.AdamW(g, lr=0.05),
        "sgd": lambda g: torch.optim.SGD(g, lr=0.05, momentum=0.9, nesterov=True),
        "lion": lambda g: Lion(g, 0.05),
        "muon": lambda g: Muon(g, 0.05),
        "adafactor": lambda g: Adafactor(g, 0.05),
    }
    x, y = torch.randn(8, 3), torch.randn(8)
    start = {"trunk.0.weight": torch.randn(4, 3), "trunk.0.bias": torch.randn(4),
             "head.weight": torch.randn(1, 4), "head.bias": torch.randn(1)}
    out = {"x": rounded(x), "y": rounded(y), "start": {k: rounded(v) for k, v in start.items()}, "after": {}}
    for name, build in make.items():
        p = {k: v.clone().requires_grad_() for k, v in start.items()}
        decayed = [p["trunk.0.weight"], p["head.weight"]]
        plain = [p["trunk.0.bias"], p["head.bias"]]
        if name == "muon":
            # Muon updates the trunk; AdamW updates the head, with weight decay.
            head = torch.optim.AdamW([p["head.weight"]], lr=0.05, weight_decay=0.1)
            optimiser = build([{"params": decayed[:1], "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}])
        else:
            head = None
            optimiser = build([{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}])
        for _ in range(5):
            for q in p.values():
                q.grad = None
            hidden = x @ p["trunk.0.weight"].T + p["trunk.0.bias"]
            loss = F.mse_loss((hidden @ p["head.weight"].T + p["head.bias"])[:, 0], y)
            loss.backward()
            optimiser.step()
            if head:
                head.step()
        out["after"][name] = {k: rounded(v) for k, v in p.items()}
    return out


OUT.write_text(json.dumps({"losses": losses(), "optimisers": optimisers()}) + "\n")
print(f"wrote {OUT}")
