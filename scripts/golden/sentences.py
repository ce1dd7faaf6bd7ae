#!/usr/bin/env python3
"""Writes crates/import/src/golden/sentences.json: vectors of sentence-transformers' modules behind a small BERT.

    pip install torch==2.15.* transformers==5.* sentence-transformers==6.*
    scripts/golden/sentences.py

The BERT is bert_classes without its head. Each case has the modules with their configuration and weights, and the vector
of each text.
"""
import json
import pathlib

import torch
import transformers as hf
from safetensors.torch import load_file
from sentence_transformers.base.modules import Dense, Normalize
from sentence_transformers.sentence_transformer.modules import LayerNorm, Pooling

torch.manual_seed(0)
OUT = pathlib.Path(__file__).parents[2] / "crates/import/src/golden"
case = json.loads((OUT / "bert_classes.json").read_text())
model = hf.BertModel(hf.BertConfig(**{k: v for k, v in case["config"].items() if k != "model_type"}))
weights = {k.removeprefix("bert."): v for k, v in load_file(OUT / "bert_classes.safetensors").items() if k.startswith("bert.")}
assert not model.load_state_dict(weights, strict=False).missing_keys
model.eval()
texts = case["texts"]
longest = max(map(len, texts))
ids = torch.tensor([text + [0] * (longest - len(text)) for text in texts])
mask = torch.tensor([[1] * len(text) + [0] * (longest - len(text)) for text in texts])
with torch.no_grad():
    tokens = model(ids, attention_mask=mask).last_hidden_state

TANH, IDENTITY = torch.nn.Tanh(), torch.nn.Identity()
FLAGS = ["cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"]


def flags(*chosen):
    return {"word_embedding_dimension": 24, **{f"pooling_mode_{flag}": flag in chosen for flag in FLAGS}}


def scrambled(module):
    for parameter in module.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape)
    return module


CASES = {
    "mean": (flags("mean_tokens"), Pooling(24, "mean"), []),
    "max": (flags("max_tokens"), Pooling(24, "max"), [Normalize()]),
    "root": (flags("mean_sqrt_len_tokens"), Pooling(24, "mean_sqrt_len_tokens"), []),
    "weighted": (flags("weightedmean_tokens"), Pooling(24, "weightedmean"), []),
    "last": ({"embedding_dimension": 24, "pooling_mode": "lasttoken", "include_prompt": True}, Pooling(24, "lasttoken"), []),
    "chain": (flags("mean_tokens", "cls_token"), Pooling(24, ("cls", "mean")), [
        scrambled(Dense(48, 10, activation_function=TANH)), scrambled(LayerNorm(10)),
        scrambled(Dense(10, 5, bias=False, activation_function=IDENTITY)), Normalize()]),
}


def described(module):
    config = {"Dense": lambda: module.get_config_dict(), "LayerNorm": lambda: {"dimension": module.dimension}}
    return {
        "type": type(module).__name__,
        "config": config.get(type(module).__name__, dict)(),
        "weights": {k: {"shape": list(v.shape), "data": v.flatten().tolist()} for k, v in module.state_dict().items()},
    }


cases = []
for name, (pooling, first, rest) in CASES.items():
    with torch.no_grad():
        features = {"token_embeddings": tokens, "attention_mask": mask}
        for module in [first, *rest]:
            features = module(features)
    cases.append({"name": name, "pooling": pooling, "modules": [described(module) for module in rest],
                  "vectors": features["sentence_embedding"].tolist()})
(OUT / "sentences.json").write_text(json.dumps({"texts": texts, "cases": cases}) + "\n")
print(OUT / "sentences.json")
