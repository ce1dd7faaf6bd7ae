#!/usr/bin/env python3
"""Writes crates/nn/src/golden/*.{json,safetensors} with PyTorch's numbers.

Each case is an architecture with weights, a batch, its logits in training and in evaluation, the
loss, the gradients and the running statistics after one forward pass.

Needs: torch 2.15, safetensors 0.8. Prints the files it wrote.
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from torch.nn import functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from torch_network import Network

OUT = pathlib.Path(__file__).parents[2] / "crates/nn/src/golden"
OUT.mkdir(exist_ok=True)


def act(name):
    return {"type": "activation", "function": name}


def linear(out, bias=True):
    return {"type": "linear", "out": out, "bias": bias}


def conv(out, kernel, **more):
    return {"type": "conv2d", "out": out, "kernel": kernel} | more


CASES = {
    "table": ("binary_cross_entropy", {
        "family": "layers", "input": [6], "embeddings": [[5, 3], [4, 2]], "output": 1,
        "trunk": [linear(8), act("gelu"), {"type": "layer_norm"}, linear(7, False),
                  {"type": "batch_norm"}, act("tanh"), {"type": "dropout", "p": 0.0}],
    }),
    "cnn": ("cross_entropy", {
        "family": "cnn", "input": [2, 8, 6], "embeddings": [], "output": 4,
        "trunk": [conv(5, 3, padding=1, bias=False), {"type": "batch_norm"}, act("relu"),
                  {"type": "max_pool", "kernel": 2}, conv(6, 3), act("sigmoid"),
                  {"type": "flatten"}, linear(9), act("silu")],
    }),
    "residual": ("mean_squared", {
        "family": "layers", "input": [1, 9, 9], "embeddings": [], "output": 1,
        "trunk": [conv(4, 3, padding=1), {"type": "residual", "layers": [
                      conv(6, 3, stride=2, padding=1), {"type": "batch_norm"}, act("gelu"), conv(6, 3, padding=1)],
                      "shortcut": [conv(6, 1, stride=2, bias=False)]},
                  act("relu"), {"type": "residual", "layers": [conv(6, 3, padding=1), act("tanh")]},
                  {"type": "avg_pool", "kernel": 2, "stride": 1}, {"type": "global_avg_pool"}, linear(5), act("relu")],
    }),
}

for seed, (name, (loss_name, config)) in enumerate(CASES.items()):
    torch.manual_seed(seed)
    net = Network(config)
    with torch.no_grad():
        for key, value in net.state_dict().items():
            if "running_var" in key:
                value.uniform_(0.5, 1.5)
            elif "running_mean" in key or value.dim() == 1:
                value.normal_(0.3, 0.5)
    tensors = {f"weight/{k}": v.clone() for k, v in net.state_dict().items() if "num_batches" not in k}
    batch = 7
    dense = torch.randn(batch, *config["input"])
    indices = torch.stack([torch.randint(0, n, (batch,)) for n, _ in config["embeddings"]], 1) \
        if config["embeddings"] else torch.zeros(batch, 0, dtype=torch.long)
    net.eval()
    tensors["eval"] = net(dense, indices).detach()
    net.train()
    logits = net(dense, indices)
    if loss_name == "cross_entropy":
        target = torch.randint(0, config["output"], (batch,))
        loss = F.cross_entropy(logits, target)
    elif loss_name == "binary_cross_entropy":
        target = torch.randint(0, 2, (batch,))
        loss = F.binary_cross_entropy_with_logits(logits[:, 0], target.float())
    else:
        target = torch.randn(batch)
        loss = F.mse_loss(logits[:, 0], target)
    loss.backward()
    tensors |= {"dense": dense, "indices": indices.float(), "target": target.float(), "train": logits.detach(),
                "loss": loss.detach().reshape(1)}
    tensors |= {f"grad/{k}": p.grad for k, p in net.named_parameters()}
    tensors |= {f"after/{k}": v.clone() for k, v in net.state_dict().items() if "running" in k}
    save_file({k: v.contiguous() for k, v in tensors.items()}, OUT / f"{name}.safetensors")
    (OUT / f"{name}.json").write_text(json.dumps({"loss": loss_name, "architecture": config}, indent=1) + "\n")
    print(f"wrote {OUT / name}.json and .safetensors")
