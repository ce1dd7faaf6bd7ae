#!/usr/bin/env python3
"""Writes crates/nn/src/golden/*.safetensors with PyTorch's numbers for the architectures in *.json.

Each case has an architecture, weights, a batch, the logits in training and in evaluation mode, the loss, the gradients
and the running statistics after one forward pass. Weights and batch are drawn in single precision, everything else is computed in
double precision: fifty layers of one to eight channels lose four digits in single precision, in PyTorch too. The architectures of
the families are written by

    CUPOLA_WRITE_GOLDEN=1 cargo test --release --workspace the_golden_files

Needs: torch 2.15, safetensors 0.8. Arguments select cases by name. Prints the files it wrote.
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
BATCH = 7


def indices_of(config):
    """Random indices; texts of random lengths, padded with 0."""
    parts = []
    for source in config["sources"]:
        block = source["block"]
        if block["kind"] == "table":
            parts += [torch.randint(0, n, (BATCH, 1)) for n in block["indices"]]
        elif block["kind"] == "text":
            text = torch.randint(1, block["vocabulary"], (BATCH, block["length"]))
            lengths = torch.randint(1, block["length"] + 1, (BATCH, 1))
            parts.append(text * (torch.arange(block["length"]) < lengths))
    return torch.cat(parts, 1) if parts else torch.zeros(BATCH, 0, dtype=torch.long)


def target_of(name, output):
    """Random targets of a batch."""
    if name == "cross_entropy":
        return torch.randint(0, output, (BATCH,))
    if name == "binary_cross_entropy":
        return torch.randint(0, 2, (BATCH,)).float()
    return torch.randn(BATCH, output) if output > 1 else torch.randn(BATCH)


def loss_of(name, logits, target):
    """The loss of the logits [batch * members, output], which each member has for each target."""
    target = target.repeat_interleave(len(logits) // BATCH, 0)
    if name == "cross_entropy":
        return F.cross_entropy(logits, target)
    if name == "binary_cross_entropy":
        return F.binary_cross_entropy_with_logits(logits[:, 0], target.double())
    return F.mse_loss(logits if target.dim() > 1 else logits[:, 0], target.double())


for path in sorted(OUT.glob("*.json")):
    if sys.argv[1:] and path.stem not in sys.argv[1:]:
        continue
    case = json.loads(path.read_text())
    config = case["architecture"]
    torch.manual_seed(len(path.stem))
    net = Network(config)
    with torch.no_grad():
        for key, value in net.state_dict().items():
            if "running_var" in key:
                value.uniform_(0.5, 1.5)
            elif "running_mean" in key or value.dim() == 1 and "num_batches" not in key:
                value.normal_(0.3, 0.5)
    state = net.state_dict()
    width = sum(source.widths()[0] for source in net.sources())
    dense, indices = torch.randn(BATCH, width), indices_of(config)
    target = target_of(case["loss"], config["output"])
    torch.set_default_dtype(torch.float64)
    exact = Network(config)
    exact.load_state_dict(state)
    own = exact.named()
    tensors = {f"weight/{name}": state[key] for name, key in own.items()}
    exact.eval()
    tensors["eval"] = exact(dense.double(), indices).detach()
    exact.train()
    logits = exact.each(dense.double(), indices)
    loss = loss_of(case["loss"], logits, target)
    loss.backward()
    torch.set_default_dtype(torch.float32)
    tensors |= {"dense": dense, "indices": indices, "target": target, "train": logits.detach(), "loss": loss.detach().reshape(1)}
    grads = dict(exact.named_parameters())
    tensors |= {f"grad/{name}": grads[key].grad for name, key in own.items() if key in grads}
    state = exact.state_dict()
    tensors |= {f"after/{name}": state[key] for name, key in own.items() if "running" in name}
    save_file({k: v.float().contiguous() for k, v in tensors.items()}, path.with_suffix(".safetensors"))
    print(f"wrote {path.with_suffix('.safetensors')}")
