#!/usr/bin/env python3
"""Writes three GGUF files to crates/import/src/golden with llama.cpp's own writer.

llama.gguf is the small Llama of hugging_face.py. llama3.gguf has the rotary frequencies of Llama 3.1. pieces.gguf has a
SentencePiece tokenizer, whose token ids of several texts are in pieces.json.

    pip install torch==2.15.* transformers==5.* accelerate gguf sentencepiece
    scripts/golden/llama_gguf.py

Fails unless transformers reads the original weights from llama.gguf.
"""
import json
import pathlib
import sys
import tempfile

import gguf
import numpy as np
import sentencepiece
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

ROOT = pathlib.Path(__file__).parents[2]
GOLDEN = ROOT / "crates/import/src/golden"
FILE = GOLDEN / "llama.gguf"
config = json.loads((GOLDEN / "llama.json").read_text())["config"]
weights = load_file(GOLDEN / "llama.safetensors")
names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])


def paired(weight, heads):
    """Permutes rows so that rotary pairs are adjacent, as convert_hf_to_gguf.py of llama.cpp does."""
    rows, width = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, width).swapaxes(1, 2).reshape(rows, width)


def pairs(writer):
    """Writes a byte-level BPE tokenizer like SmolLM's, with few tokens."""
    tokens = ["<s>", "</s>", "a", "b", "1", "2", "Ġ", "ab", "Ġa"]
    tokens += [f"token{i}" for i in range(len(tokens), config["vocab_size"])]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_merges(["a b", "Ġ a"])
    writer.add_token_types([3 if i < 2 else 1 for i in range(len(tokens))])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)


def pieces(writer):
    """Writes a SentencePiece tokenizer like Llama 2's, trained on this project's README."""
    writer.add_tokenizer_model("llama")
    size = range(spm.get_piece_size())
    kind = lambda i: 2 if spm.is_unknown(i) else 3 if spm.is_control(i) else 6 if spm.is_byte(i) else 1
    writer.add_token_list([spm.id_to_piece(i) for i in size])
    writer.add_token_scores([spm.get_score(i) for i in size])
    writer.add_token_types([kind(i) for i in size])
    writer.add_unk_token_id(spm.unk_id())
    writer.add_bos_token_id(spm.bos_id())
    writer.add_eos_token_id(spm.eos_id())


def write(path, weights, theta, frequencies=None, tokenizer=pairs):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(theta)
    writer.add_vocab_size(config["vocab_size"])
    tokenizer(writer)
    writer.add_add_bos_token(True)
    writer.add_chat_template("{{ bos_token }}{{ messages[0].content }}")
    for name, weight in weights.items():
        if "q_proj" in name:
            weight = paired(weight, config["num_attention_heads"])
        if "k_proj" in name:
            weight = paired(weight, config["num_key_value_heads"])
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), weight.contiguous().numpy())

    if frequencies is not None:
        writer.add_tensor("rope_freqs.weight", frequencies)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def stretched(theta, width, factor, low=1.0, high=4.0, trained=8192):
    """Divisor of each rotary frequency, as convert_hf_to_gguf.py writes it for Llama 3.1."""
    turns = trained * theta ** (-np.arange(0, width, 2) / width) / (2 * np.pi)
    share = (turns - low) / (high - low)
    between = 1 / ((1 - share) / factor + share)
    return np.where(turns > high, 1, np.where(turns < low, factor, between)).astype(np.float32)


write(FILE, weights, config["rope_parameters"]["rope_theta"])
# The tests only read the rotary frequencies of this file.
few = {"model.embed_tokens.weight": weights["model.embed_tokens.weight"]}
write(GOLDEN / "llama3.gguf", few, 500000.0, stretched(500000.0, 64, 8.0))

with tempfile.TemporaryDirectory() as folder:
    sentencepiece.SentencePieceTrainer.train(
        input=str(ROOT / "README.md"), model_prefix=f"{folder}/spm", vocab_size=600, model_type="bpe",
        byte_fallback=True, split_digits=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        character_coverage=0.999, minloglevel=2)
    spm = sentencepiece.SentencePieceProcessor(model_file=f"{folder}/spm.model")
write(GOLDEN / "pieces.gguf", few, 10000.0, tokenizer=pieces)
texts = ["A furnace melts scrap into castings.", "train --config run.toml", " two  spaces", "é 漢 🦀", "x=12345\n\ty",
         "a", "registry registry"]
ids = [[spm.bos_id(), *spm.encode(text)] for text in texts]
(GOLDEN / "pieces.json").write_text(json.dumps({"texts": texts, "ids": ids}, ensure_ascii=False) + "\n")

read = AutoModelForCausalLM.from_pretrained(GOLDEN, gguf_file=FILE.name).state_dict()
wrong = [name for name, weight in weights.items() if not torch.equal(read[name].float(), weight)]
print(FILE, f"{FILE.stat().st_size} bytes")
sys.exit(f"transformers reads other weights: {wrong}" if wrong else 0)
