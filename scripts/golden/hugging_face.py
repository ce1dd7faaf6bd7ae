#!/usr/bin/env python3
"""Writes crates/import/src/golden/*: small random models of transformers with their logits.

    pip install torch==2.15.* transformers==5.*
    scripts/golden/hugging_face.py [NAME...]      # all without a name

NAME.json has the model's `config.json`, the token ids of several texts, and for each text the logits of the next token
or of the classes. NAME.safetensors has the weights. Prints the files it wrote.
"""
import json
import pathlib
import sys

import torch
import transformers as hf
from safetensors.torch import save_file

torch.manual_seed(0)
OUT = pathlib.Path(__file__).parents[2] / "crates/import/src/golden"
DECODER = dict(vocab_size=37, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
               num_key_value_heads=2, max_position_embeddings=48, initializer_range=0.3)
ENCODER = dict(vocab_size=37, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
               max_position_embeddings=48, initializer_range=0.3)
MODELS = {
    # Non-default rotary base and epsilon; the head is tied to the embeddings.
    "llama": hf.LlamaForCausalLM(hf.LlamaConfig(**DECODER, rms_norm_eps=1e-3, tie_word_embeddings=True,
                                                rope_parameters={"rope_type": "default", "rope_theta": 500.0})),
    "mistral": hf.MistralForCausalLM(hf.MistralConfig(**DECODER, sliding_window=None)),
    "qwen2": hf.Qwen2ForCausalLM(hf.Qwen2Config(**DECODER)),
    "bert_classes": hf.BertForSequenceClassification(hf.BertConfig(**ENCODER, num_labels=3)),
    "roberta_classes": hf.RobertaForSequenceClassification(
        hf.RobertaConfig(**{**ENCODER, "max_position_embeddings": 50}, num_labels=4, type_vocab_size=1)),
    "distilbert_classes": hf.DistilBertForSequenceClassification(
        hf.DistilBertConfig(vocab_size=37, dim=24, n_layers=2, n_heads=4, hidden_dim=40, max_position_embeddings=48,
                            initializer_range=0.3, num_labels=2)),
    "llama3": hf.LlamaForCausalLM(hf.LlamaConfig(**DECODER, tie_word_embeddings=True, rope_parameters={
        "rope_type": "llama3", "rope_theta": 100.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16})),
    "llama_linear": hf.LlamaForCausalLM(hf.LlamaConfig(**DECODER, rope_parameters={
        "rope_type": "linear", "rope_theta": 100.0, "factor": 3.0})),
    "gpt2": hf.GPT2LMHeadModel(hf.GPT2Config(vocab_size=37, n_embd=24, n_layer=2, n_head=4, n_positions=48, bos_token_id=1, eos_token_id=2,
                                             initializer_range=0.3, layer_norm_epsilon=1e-3)),
    # The second block is local, with a window of two tokens on each side.
    "modernbert_classes": hf.ModernBertForSequenceClassification(hf.ModernBertConfig(
        **ENCODER, num_labels=3, local_attention=4, global_attn_every_n_layers=2, pad_token_id=0, bos_token_id=1,
        eos_token_id=2, cls_token_id=1, sep_token_id=2, reference_compile=False)),
    "modernbert_biased": hf.ModernBertForSequenceClassification(hf.ModernBertConfig(
        **ENCODER, num_labels=2, local_attention=8, layer_types=["sliding_attention", "full_attention"],
        norm_bias=True, attention_bias=True, mlp_bias=True, classifier_bias=True, classifier_pooling="mean",
        hidden_activation="silu", classifier_activation="relu", pad_token_id=0, bos_token_id=1, eos_token_id=2,
        cls_token_id=1, sep_token_id=2, reference_compile=False)),
    "qwen3": hf.Qwen3ForCausalLM(hf.Qwen3Config(**DECODER, head_dim=8, use_sliding_window=True, sliding_window=7,
                                                max_window_layers=1, tie_word_embeddings=True)),
    "gemma": hf.GemmaForCausalLM(hf.GemmaConfig(**DECODER, head_dim=8)),
    "gemma2": hf.Gemma2ForCausalLM(hf.Gemma2Config(**DECODER, head_dim=8, sliding_window=5, query_pre_attn_scalar=16,
                                                   attn_logit_softcapping=2.0, final_logit_softcapping=3.0)),
    # The first block is local, the second one global with scaled positions.
    "gemma3": hf.Gemma3ForCausalLM(hf.Gemma3TextConfig(
        **DECODER, head_dim=8, sliding_window=5, query_pre_attn_scalar=16,
        layer_types=["sliding_attention", "full_attention"], rope_parameters={
            "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 100.0}})),
    "phi3": hf.Phi3ForCausalLM(hf.Phi3Config(
        **DECODER, sliding_window=9, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        rope_parameters={"rope_type": "default", "rope_theta": 100.0, "partial_rotary_factor": 0.7})),
    "phi3_long": hf.Phi3ForCausalLM(hf.Phi3Config(
        **{**DECODER, "max_position_embeddings": 96}, original_max_position_embeddings=48, pad_token_id=0,
        bos_token_id=1, eos_token_id=2, rope_parameters={
            "rope_type": "longrope", "rope_theta": 100.0, "short_factor": [1.0, 1.5, 2.5], "long_factor": [1.0, 3.0, 9.0]})),
    "mistral_window": hf.MistralForCausalLM(hf.MistralConfig(**DECODER, head_dim=8, sliding_window=6)),
    "llama_yarn": hf.LlamaForCausalLM(hf.LlamaConfig(**DECODER, attention_bias=True, mlp_bias=True, rope_parameters={
        "rope_type": "yarn", "rope_theta": 100.0, "factor": 4.0, "original_max_position_embeddings": 12,
        "beta_fast": 4.0, "beta_slow": 0.5})),
    "llama_dynamic": hf.LlamaForCausalLM(hf.LlamaConfig(**DECODER, rope_parameters={
        "rope_type": "dynamic", "rope_theta": 100.0, "factor": 3.0})),
    "gpt2_scaled": hf.GPT2LMHeadModel(hf.GPT2Config(
        vocab_size=37, n_embd=24, n_layer=2, n_head=4, n_positions=48, bos_token_id=1, eos_token_id=2,
        initializer_range=0.3, scale_attn_by_inverse_layer_idx=True, scale_attn_weights=False,
        activation_function="gelu_fast", tie_word_embeddings=False)),
}


def numbers(model, texts):
    with torch.no_grad():
        for text in texts:
            logits = model(torch.tensor([text])).logits[0]
            yield (logits[-1] if logits.dim() == 2 else logits).tolist()


for number, (name, model) in enumerate(MODELS.items()):
    if sys.argv[1:] and name not in sys.argv[1:]:
        continue
    generator = torch.Generator().manual_seed(number)
    for parameter in model.parameters():
        # Mixed-up biases or norms would go unnoticed if all were zero or one.
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)
    model.eval()
    long = torch.randint(3, 37, (40,), generator=generator).tolist()
    texts = [long[:count] for count in (1, 2, 3, 4, 9, 40)] + [long[5:12]]
    weights = {key: value.contiguous().clone() for key, value in model.state_dict().items()}
    if getattr(model.config, "tie_word_embeddings", False):
        weights.pop("lm_head.weight", None)
    save_file(weights, OUT / f"{name}.safetensors", {"format": "pt"})
    case = {"config": model.config.to_dict(), "texts": texts, "logits": list(numbers(model, texts))}
    (OUT / f"{name}.json").write_text(json.dumps(case) + "\n")
    print(OUT / f"{name}.json")
