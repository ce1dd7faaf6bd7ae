"""Times the workloads of benches/workload.rs in PyTorch and prints the same JSON lines.

Needs torch. Uses one thread per core. Run by scripts/bench.
"""
import json
import os
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(os.cpu_count())
QUICK = "--test" in sys.argv


def mlp():
    return nn.Sequential(nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))


def cnn(side):
    flat = 32 * (side // 4) ** 2
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(flat, 128), nn.ReLU(), nn.Dropout(0.25), nn.Linear(128, 10))


WORKLOADS = [
    ("mlp_64_512_512_10", mlp, (64,), 256, 200),
    ("cnn_small_8x8", lambda: cnn(8), (1, 8, 8), 64, 300),
    ("cnn_small_28x28", lambda: cnn(28), (1, 28, 28), 64, 60),
]


def report(stage, workload, seconds):
    seconds.sort()
    at = lambda share: seconds[int((len(seconds) - 1) * share)] * 1e6
    print(json.dumps({"stage": stage, "workload": workload, "by": f"torch {torch.__version__}",
                      "median_us": at(0.5), "p90_us": at(0.9), "n": len(seconds)}), flush=True)


for name, build, shape, batch, steps in WORKLOADS:
    torch.manual_seed(0)
    net, data = build(), torch.rand(8 * batch, *shape)
    target = torch.arange(8 * batch) % 10
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    seconds = []
    for step in range(2 if QUICK else steps):
        started = time.perf_counter()
        rows = torch.randint(0, len(data), (batch,))
        loss = F.cross_entropy(net(data[rows]), target[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
        if step >= steps // 5 or QUICK:
            seconds.append(time.perf_counter() - started)
    report("train step", name, seconds)

    net.eval()
    row, seconds, n = data[:1], [], 3 if QUICK else 2000
    with torch.inference_mode():
        for step in range(n + n // 5):
            started = time.perf_counter()
            net(row).numpy()
            if step >= n // 5:
                seconds.append(time.perf_counter() - started)
    report("forward, one row", name, seconds)
