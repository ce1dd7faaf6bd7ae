#!/usr/bin/env python3
"""Trains the PyTorch twin of a language model on the same text, and prints both test losses.

    cupola train --config configs/gpt_moby.toml
    benches/peers/torch_gpt.py .cupola/models/gpt_moby/1 data/downloads/moby_dick_{train,test}.csv.gz

The twin has the package's architecture (scripts/golden/torch_network.py), newly initialised from the same
distributions, and the windows, number of steps, AdamW and schedule of configs/gpt_moby.toml.
Needs: torch 2.15. Takes some minutes. Prints:

    steps 2992
    twin    test loss 1.6...
    cupola  test loss 1.6...
"""
import csv
import gzip
import json
import math
import pathlib
import sys
import time

import torch
from torch.nn import functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "scripts/golden"))
from torch_network import Network

csv.field_size_limit(1 << 30)
BATCH, EPOCHS, PEAK, LOW, WARMUP = 12, 2, 1e-3, 1e-4, 100
folder, train_file, test_file = map(pathlib.Path, sys.argv[1:4])
config, plan = (json.loads((folder / name).read_text()) for name in ("config.json", "plan.json"))
vocabulary = plan["inputs"][0]["tokenizer"]["model"]["vocab"]
length = plan["inputs"][0]["length"]


def windows(path):
    """Token ids [windows, length + 1]; 0 is padding, so token i has the id i + 1."""
    with gzip.open(path, "rt", newline="") as file:
        text = "".join(row["text"] + "\n" for row in csv.DictReader(file))
    unknown = vocabulary.get("[UNK]", 0)
    stream = torch.tensor([vocabulary.get(c, unknown) + 1 for c in text])
    count = (len(stream) - 1) // length
    return torch.stack([stream[i * length:i * length + length + 1] for i in range(count)])


torch.manual_seed(0)
train, test = windows(train_file), windows(test_file)
net = Network(config)
with torch.no_grad():
    # Cupola initialises token and position embeddings differently from torch.nn.
    net.source.tokens.weight.normal_(0, 0.02)
    for name, p in net.named_parameters():
        if name.endswith("position"):
            p.normal_(0, 0.02)
decayed = [p for n, p in net.named_parameters() if p.dim() > 1 and not n.endswith("position")]
plain = [p for n, p in net.named_parameters() if p.dim() == 1 or n.endswith("position")]
adamw = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}],
                          lr=PEAK, betas=(0.9, 0.99))
steps = math.ceil(len(train) / BATCH) * EPOCHS


def rate(step):
    if step < WARMUP:
        return PEAK * (step + 1) / (WARMUP + 1)
    done = (step - WARMUP) / max(steps - WARMUP - 1, 1)
    return LOW + (PEAK - LOW) * 0.5 * (1 + math.cos(math.pi * done))


def loss_of(batch):
    flow, mask = net.enter(torch.zeros(len(batch), 0), batch[:, :-1])
    return F.cross_entropy(net.head(net.trunk(flow, mask)[0]).flatten(0, 1), batch[:, 1:].flatten())


print(f"steps {steps}", flush=True)
started, step = time.time(), 0
for _ in range(EPOCHS):
    for rows in torch.randperm(len(train)).split(BATCH):
        for group in adamw.param_groups:
            group["lr"] = rate(step)
        adamw.zero_grad()
        loss_of(train[rows]).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        adamw.step()
        step += 1
net.eval()
with torch.inference_mode():
    total = sum(float(loss_of(part)) * len(part) for part in test.split(64)) / len(test)
own = json.loads((folder / "metrics.json").read_text())["splits"]["test"]["values"]["loss"]
print(f"twin    test loss {total:.4f}  {(time.time() - started) / steps * 1e3:.1f} ms per step")
print(f"cupola  test loss {own:.4f}")
