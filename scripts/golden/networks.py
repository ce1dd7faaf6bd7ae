#!/usr/bin/env python3
"""Writes crates/nn/src/golden/*.safetensors with PyTorch's numbers for the architectures in *.json.

Each case has an architecture, weights, a batch, the logits in training and in evaluation mode, the loss, the gradients
and the running statistics after one forward pass. The architectures of the families are written by

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


def loss_of(name, logits, output):
    """A random target, and the loss of the logits [batch * members, output]."""
    members = len(logits) // BATCH
    if name == "cross_entropy":
        target = torch.randint(0, output, (BATCH,))
        return target, F.cross_entropy(logits, target.repeat_interleave(members))
    if name == "binary_cross_entropy":
        target = torch.randint(0, 2, (BATCH,)).float()
        return target, F.binary_cross_entropy_with_logits(logits[:, 0], target.repeat_interleave(members))
    if output > 1:
        target = torch.randn(BATCH, output)
        return target, F.mse_loss(logits, target.repeat_interleave(members, 0))
    target = torch.randn(BATCH)
    return target, F.mse_loss(logits[:, 0], target.repeat_interleave(members))


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
    own = net.named()
    state = net.state_dict()
    tensors = {f"weight/{name}": state[key].clone() for name, key in own.items()}
    width = sum(source.widths()[0] for source in net.sources())
    dense, indices = torch.randn(BATCH, width), indices_of(config)
    net.eval()
    tensors["eval"] = net(dense, indices).detach()
    net.train()
    logits = net.each(dense, indices)
    target, loss = loss_of(case["loss"], logits, config["output"])
    loss.backward()
    tensors |= {"dense": dense, "indices": indices.float(), "target": target.float(), "train": logits.detach(),
                "loss": loss.detach().reshape(1)}
    grads = dict(net.named_parameters())
    tensors |= {f"grad/{name}": grads[key].grad for name, key in own.items() if key in grads}
    state = net.state_dict()
    tensors |= {f"after/{name}": state[key].clone() for name, key in own.items() if "running" in name}
    save_file({k: v.contiguous() for k, v in tensors.items()}, path.with_suffix(".safetensors"))
    print(f"wrote {path.with_suffix('.safetensors')}")
