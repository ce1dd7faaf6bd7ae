"""Times the training steps of one network of train_networks.py or train_transformers.py and prints one line of JSON.

Gets the job as JSON: family, sizes, block, output, loss, batch, rows, steps, mode (`eager` or `compile`), clip, threads.
A step takes a batch of shuffled rows from tensors in memory, computes loss and gradients, updates the weights with AdamW
and reads the loss back, as a step of Cupola does. `compile` compiles the network with its loss. Run by train_bench.py.
"""
import json
import math
import sys
import time

import torch
from torch.nn import functional as F

import train_networks
import train_transformers


def peak_mb():
    """Largest resident memory so far."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))


def rows_of(job):
    """Inputs and targets of all rows: random, of the shapes that Cupola's data has."""
    block, rows, output, loss = job["block"], job["rows"], job["output"], job["loss"]
    kind = block["kind"]
    if kind == "image":
        inputs = [torch.rand(rows, *block["shape"])]
    elif kind == "series":
        inputs = [torch.randn(rows, block["steps"], block["width"])]
    elif kind == "text":
        longer = 1 if loss == "next_token" else 0
        inputs = [torch.randint(1, block["vocabulary"], (rows, block["length"] + longer))]
    else:
        inputs = [torch.randn(rows, block["numbers"] + block["encoded"])]
        if block["indices"]:
            inputs.append(torch.stack([torch.randint(0, n, (rows,)) for n in block["indices"]], 1))
    if loss in ("next_token", "rebuilt"):
        return inputs, None
    if loss == "cross_entropy":
        return inputs, torch.arange(rows) % output
    return inputs, (torch.arange(rows) % 2).float() if loss == "bce" else torch.randn(rows, output)


def loss_of(net, loss):
    """The loss of a batch as a function of its inputs and targets."""
    def compute(*batch):
        if loss == "next_token":
            return F.cross_entropy(net(batch[0][:, :-1]).flatten(0, 1), batch[0][:, 1:].flatten())
        if loss == "rebuilt":
            return F.mse_loss(net(batch[0]), batch[0].flatten(1))
        *inputs, target = batch
        logits = net(*inputs)
        if loss == "cross_entropy":
            return F.cross_entropy(logits, target)
        if loss == "bce":
            return F.binary_cross_entropy_with_logits(logits[:, 0], target)
        # Each member of an ensemble has its own loss.
        return F.mse_loss(logits, target[:, None].expand_as(logits) if logits.dim() == 3 else target)
    return compute


def main(job):
    torch.set_num_threads(job["threads"])
    torch.manual_seed(0)
    base = peak_mb()
    family = (train_networks.FAMILIES | train_transformers.FAMILIES)[job["family"]]
    net = family(job["block"], job["output"], **job["sizes"])
    inputs, target = rows_of(job)
    data = inputs if target is None else [*inputs, target]
    # Weights of matrices and kernels decay, biases, norms and tokens do not.
    decays = lambda name, p: p.dim() > 1 and name.rpartition(".")[2] == "weight"
    groups = [{"params": [p for n, p in net.named_parameters() if decays(n, p) == decay], "weight_decay": 1e-2 * decay}
              for decay in (True, False)]
    adamw = torch.optim.AdamW(groups, lr=1e-3, fused=job["fused"])
    compute = loss_of(net, job["loss"])
    if job["mode"] == "compile":
        compute = torch.compile(compute, dynamic=False)
    seconds, loss, step = [], math.nan, 0
    net.train()
    while step < job["steps"]:
        for rows in torch.randperm(job["rows"]).split(job["batch"]):
            if len(rows) < job["batch"] or step == job["steps"]:
                break
            started = time.perf_counter()
            found = compute(*[part[rows] for part in data])
            adamw.zero_grad()
            found.backward()
            if job["clip"]:
                torch.nn.utils.clip_grad_norm_(net.parameters(), job["clip"])
            adamw.step()
            loss = found.item()
            seconds.append(time.perf_counter() - started)
            step += 1
    print(json.dumps({"seconds": seconds, "loss": loss, "peak_mb": peak_mb(), "base_mb": base,
                      "parameters": sum(p.numel() for p in net.parameters()), "torch": torch.__version__}))


main(json.loads(sys.argv[1]))
