"""The transformers of train_workloads.py as one writes them in PyTorch, with the sizes and parameters of Cupola's.

Attention is `scaled_dot_product_attention` with one linear map for query, key and value. Arguments as in train_networks.py.
"""
import torch
from torch import nn
from torch.nn import functional as F

from train_networks import Apply, drop


class Attention(nn.Module):
    def __init__(self, width, heads, causal=False, dropout=0.0):
        super().__init__()
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.heads, self.causal, self.dropout = heads, causal, dropout

    def forward(self, x, keep=None):
        b, t, w = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=keep, is_causal=self.causal,
                                           dropout_p=self.dropout if self.training else 0.0)
        return self.out(y.transpose(1, 2).reshape(b, t, w))


class Block(nn.Module):
    """Transformer block, norm first or, as in BERT, last."""

    def __init__(self, width, heads, hidden, causal=False, dropout=0.0, first=True):
        super().__init__()
        self.attention = Attention(width, heads, causal, dropout)
        self.feed = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), *drop(dropout * first), nn.Linear(hidden, width),
                                  *drop(dropout))
        self.norm1, self.norm2, self.drop = nn.LayerNorm(width), nn.LayerNorm(width), nn.Dropout(dropout)
        self.first = first

    def forward(self, x, keep=None):
        if self.first:
            x = x + self.drop(self.attention(self.norm1(x), keep))
            return x + self.feed(self.norm2(x))
        x = self.norm1(x + self.drop(self.attention(x, keep)))
        return self.norm2(x + self.feed(x))


class Add(nn.Module):
    """Adds learned positions."""

    def __init__(self, time, width):
        super().__init__()
        self.position = nn.Parameter(0.02 * torch.randn(time, width))

    def forward(self, x):
        return x + self.position


class ClassToken(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.token = nn.Parameter(0.02 * torch.randn(width))

    def forward(self, x):
        return torch.cat([self.token.expand(len(x), 1, -1), x], 1)


def vit(block, output, patch, blocks, width, heads, dropout):
    channels, height, wide = block["shape"]
    tokens = (height // patch) * (wide // patch)
    return nn.Sequential(
        nn.Conv2d(channels, width, patch, patch), Apply(lambda x: x.flatten(2).transpose(1, 2)), ClassToken(width),
        Add(tokens + 1, width), *drop(dropout), *[Block(width, heads, 4 * width, False, dropout) for _ in range(blocks)],
        Apply(lambda x: x[:, 0]), nn.LayerNorm(width), nn.Linear(width, output))


class PatchTst(nn.Module):
    """Mean and deviation of each window are removed from the input and restored in the forecast."""

    def __init__(self, block, output, patch, stride, blocks, width, heads, dropout):
        super().__init__()
        tokens = (block["steps"] - patch) // stride + 1
        self.patches = nn.Conv1d(block["width"], width, patch, stride)
        self.trunk = nn.Sequential(Add(tokens, width), *drop(dropout),
                                   *[Block(width, heads, 4 * width, False, dropout) for _ in range(blocks)],
                                   nn.LayerNorm(width), nn.Flatten(), nn.Linear(tokens * width, output))

    def forward(self, x):
        mean, deviation = x.mean(1, keepdim=True), (x.var(1, keepdim=True, unbiased=False) + 1e-5).sqrt()
        x = ((x - mean) / deviation).transpose(1, 2)
        x = x[..., (x.shape[2] - self.patches.kernel_size[0]) % self.patches.stride[0]:]
        return self.trunk(self.patches(x).transpose(1, 2)) * deviation[:, :, 0] + mean[:, :, 0]


class FtTransformer(nn.Module):
    """A token for each number and for each category, and blocks with ReGLU."""

    def __init__(self, block, output, blocks, width, heads, hidden, attention_dropout, dropout):
        super().__init__()
        dense = block["numbers"] + block["encoded"]
        self.weight = nn.Parameter(0.1 * torch.randn(dense, width))
        self.bias = nn.Parameter(0.1 * torch.randn(dense, width))
        self.categories = nn.ModuleList(nn.Embedding(n, width) for n in block["indices"])
        self.token = ClassToken(width)
        self.attentions = nn.ModuleList(Attention(width, heads, dropout=attention_dropout) for _ in range(blocks))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(blocks - 1))
        self.ups = nn.ModuleList(nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * hidden)) for _ in range(blocks))
        self.downs = nn.ModuleList(nn.Sequential(*drop(dropout), nn.Linear(hidden, width)) for _ in range(blocks))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, output))

    def forward(self, dense, indices):
        tokens = [dense[:, :, None] * self.weight + self.bias]
        tokens += [category(indices[:, i:i + 1]) for i, category in enumerate(self.categories)]
        x = self.token(torch.cat(tokens, 1))
        for i, attention in enumerate(self.attentions):
            x = x + attention(self.norms[i - 1](x) if i else x)
            a, b = self.ups[i](x).chunk(2, -1)
            x = x + self.downs[i](a * F.relu(b))
        return self.head(x[:, 0])


class Text(nn.Module):
    """Decoder with a head on every token, or BERT with the mean of the tokens that are no padding."""

    def __init__(self, block, output, blocks, width, heads, hidden=None, dropout=0.0, causal=False):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(block["vocabulary"], width), Add(block["length"], width)
        self.blocks = nn.ModuleList(Block(width, heads, hidden or 4 * width, causal, dropout, causal) for _ in range(blocks))
        self.norm, self.head, self.causal = nn.LayerNorm(width), nn.Linear(width, output), causal
        self.drop = nn.Dropout(dropout)

    def forward(self, tokens):
        x, keep = self.positions(self.tokens(tokens)), None
        if not self.causal:
            x, keep = self.norm(x), (tokens != 0)[:, None, None]
        x = self.drop(x)
        for block in self.blocks:
            x = block(x, keep)
        if self.causal:
            return self.head(self.norm(x))
        kept = (tokens != 0)[..., None].float()
        return self.head((x * kept).sum(1) / kept.sum(1).clamp(min=1))


FAMILIES = {"vit": vit, "patchtst": PatchTst, "ft_transformer": FtTransformer, "bert": Text,
            "gpt": lambda *at, **sizes: Text(*at, causal=True, **sizes)}
