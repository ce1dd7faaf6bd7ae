"""Times a training step of a network of workloads.large in PyTorch and prints milliseconds as one line of JSON.

    torch_peer.py NAME [--quick]

On a GPU: eager in 32 bits (TF32 off), with TF32, compiled, and in mixed precision; peak memory in MB. On a machine
without one: eager alone.
"""
import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

NAME, QUICK = sys.argv[1], "--quick" in sys.argv
GPU = torch.cuda.is_available()
DEVICE = "cuda" if GPU else "cpu"
STEPS = 3 if QUICK else 30


class Block(nn.Module):
    """A transformer block, norm first."""

    def __init__(self, width, heads, hidden, causal=False):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x):
        b, t, w = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, t, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.out(y.transpose(1, 2).reshape(b, t, w))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Transformer(nn.Module):
    """Token embedding, transformer blocks, and a head on the first token or on all of them."""

    def __init__(self, enter, blocks, width, heads, classes, tokens, causal=False):
        super().__init__()
        self.enter, self.each = enter, causal
        self.position = nn.Parameter(torch.randn(tokens, width) * 0.02)
        self.blocks = nn.Sequential(*[Block(width, heads, 4 * width, causal) for _ in range(blocks)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, x):
        x = self.norm(self.blocks(self.enter(x) + self.position))
        return self.head(x).flatten(0, 1) if self.each else self.head(x.mean(1))


class Patches(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 4, 4)

    def forward(self, x):
        return self.conv(x).flatten(2).transpose(1, 2)


class Columns(nn.Module):
    def __init__(self, columns, width):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(columns, width)), nn.Parameter(torch.randn(columns, width))

    def forward(self, x):
        return x[:, :, None] * self.weight + self.bias


class Basic(nn.Module):
    """ResNet's basic block."""

    def __init__(self, c, out, stride):
        super().__init__()
        self.a, self.b = nn.Conv2d(c, out, 3, stride, 1, bias=False), nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.n, self.m = nn.BatchNorm2d(out), nn.BatchNorm2d(out)
        same = c == out and stride == 1
        self.short = nn.Identity() if same else nn.Sequential(nn.Conv2d(c, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        return F.relu(self.m(self.b(F.relu(self.n(self.a(x))))) + self.short(x))


def resnet(width):
    layers, c = [nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()], width
    for stage in range(4):
        for block in range(2):
            out = width << stage
            layers.append(Basic(c, out, 2 if stage and not block else 1))
            c = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, 10))


def workload():
    """The network, a batch and its targets."""
    size = lambda small, full: small if QUICK else full
    batch = lambda full: 16 if QUICK else full
    side = size(8, 32)
    classes = lambda n: torch.randint(0, 10, (n,), device=DEVICE)
    if NAME == "mlp":
        hidden, width, n = size([32], [1024] * 3), size(16, 256), batch(4096)
        sizes = [width, *hidden]
        layers = [part for a, b in zip(sizes, sizes[1:]) for part in (nn.Linear(a, b), nn.ReLU())]
        return nn.Sequential(*layers, nn.Linear(sizes[-1], 10)), torch.rand(n, width, device=DEVICE), classes(n)
    if NAME in ("resnet18", "vit_s"):
        n = batch(256)
        x, width = torch.rand(n, 3, side, side, device=DEVICE), size(16, 384)
        net = resnet(size(8, 64)) if NAME == "resnet18" else Transformer(Patches(width), size(1, 12), width, size(2, 6), 10, (side // 4) ** 2)
        return net, x, classes(n)
    if NAME == "gpt":
        n, t, width = batch(64), size(16, 256), size(16, 384)
        tokens = torch.randint(0, 12, (n, t), device=DEVICE)
        return Transformer(nn.Embedding(12, width), size(1, 6), width, size(2, 6), 12, t, True), tokens, tokens.flatten()
    n, columns, width = batch(1024), size(8, 32), size(16, 192)
    return Transformer(Columns(columns, width), size(1, 3), width, size(2, 8), 10, columns), torch.rand(n, columns, device=DEVICE), classes(n)


def step_ms(compiled=False, mixed=False):
    torch.manual_seed(0)
    net, x, y = workload()
    net = net.to(DEVICE)
    call = torch.compile(net) if compiled else net
    adamw = torch.optim.AdamW(net.parameters(), lr=1e-3)
    times = []
    for step in range(STEPS):
        began = time.perf_counter()
        with torch.autocast(DEVICE, torch.bfloat16, enabled=mixed):
            loss = F.cross_entropy(call(x).float(), y)
        adamw.zero_grad()
        loss.backward()
        adamw.step()
        loss.item()
        times.append(time.perf_counter() - began)
    late = sorted(times[len(times) // 3:])
    return round(late[len(late) // 2] * 1e3, 3)


found = {"device": torch.cuda.get_device_name(0) if GPU else "cpu"}
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
found["eager"] = step_ms()
if GPU:
    found["peak_mb"] = round(torch.cuda.max_memory_allocated() / 2**20)
    found["mixed"] = step_ms(mixed=True)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    found["tf32"] = step_ms()
    print(json.dumps(found), flush=True)
    try:
        found["compiled"] = step_ms(compiled=True)
    except Exception as error:
        found["compiled"] = f"{type(error).__name__}"
print(json.dumps(found), flush=True)
