#!/usr/bin/env python3
"""Writes crates/import/src/golden/tokenizers/*: small vocabularies without a tokenizer.json, and their tokens of texts.

    pip install transformers==5.* sentencepiece==0.2.*
    scripts/golden/vocabularies.py

SentencePiece itself is the oracle of its models, transformers of the others.
"""
import json
import pathlib
import tempfile

import sentencepiece as spm
import tokenizers
import transformers as hf

OUT = pathlib.Path(__file__).parents[2] / "crates/import/src/golden/tokenizers"
CORPUS = ["the furnace is hot and the iron runs", "the slag runs over the iron", "Hot iron, hot slag: 12 furnaces, 345 runs.",
          "a Café über the naïve furnace", "it's the furnace that we've seen; they'll run it again and again"] * 20
TEXTS = ["the iron runs hot", " the  slag   runs ", "Café NAÏVE über", "it's 2345 runs, 鐵 and ﬁre", "", "hot\nslag\t!", "ａｂ 12"]
work = pathlib.Path(tempfile.mkdtemp())
(work / "corpus.txt").write_text("\n".join(CORPUS))
# Full-width letters and a ligature, so that the file stays small.
rules = [("FF41", "61"), ("FF42", "62"), ("FB01", "66 69")]
(work / "rules.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in rules))
common = dict(input=str(work / "corpus.txt"), hard_vocab_limit=False, minloglevel=2)
spm.SentencePieceTrainer.train(model_prefix=str(work / "unigram"), model_type="unigram", vocab_size=90,
                               normalization_rule_tsv=str(work / "rules.tsv"), **common)
spm.SentencePieceTrainer.train(model_prefix=str(work / "bpe"), model_type="bpe", vocab_size=380, byte_fallback=True,
                               normalization_rule_name="identity", remove_extra_whitespaces=False, **common)
for name in ["unigram", "bpe"]:
    (OUT / f"{name}.model").write_bytes((work / f"{name}.model").read_bytes())
unigram, bpe = (spm.SentencePieceProcessor(str(OUT / f"{name}.model")) for name in ["unigram", "bpe"])


def xlm_roberta(text):
    # fairseq's ids: <s>, <pad>, </s>, <unk>, then the pieces from the fourth on.
    return [0, *(piece + 1 if piece else 3 for piece in unigram.encode(text)), 2]


bytes_bpe = tokenizers.ByteLevelBPETokenizer()
bytes_bpe.train_from_iterator(CORPUS, vocab_size=320, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>"], show_progress=False)
bytes_bpe.save_model(str(OUT))
words = tokenizers.BertWordPieceTokenizer(lowercase=False, strip_accents=False)
words.train_from_iterator([*CORPUS, *(text.lower() for text in CORPUS)], vocab_size=150, show_progress=False)
words.save_model(str(OUT))
names = ["vocab.json", "merges.txt", "vocab.txt"]


def ids(kind, model_type, **config):
    folder = pathlib.Path(tempfile.mkdtemp())
    for name in names:
        (folder / name).write_bytes((OUT / name).read_bytes())
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": kind.__name__, **config}))
    tokenizer = kind.from_pretrained(folder)
    return [tokenizer(text)["input_ids"] for text in TEXTS]


cases = {
    "texts": TEXTS,
    "llama": [[1, *bpe.encode(text)] for text in TEXTS],
    "llama_unigram": [[1, *unigram.encode(text)] for text in TEXTS],
    "xlm_roberta": [xlm_roberta(text) for text in TEXTS],
    "gpt2": ids(hf.GPT2Tokenizer, "gpt2"),
    "roberta": ids(hf.RobertaTokenizer, "roberta"),
    "qwen2": ids(hf.Qwen2Tokenizer, "qwen2"),
    "bert": ids(hf.BertTokenizer, "bert"),
    "bert_cased": ids(hf.BertTokenizer, "bert", do_lower_case=False, tokenize_chinese_chars=False),
}
(OUT / "cases.json").write_text(json.dumps(cases, ensure_ascii=False) + "\n")
print(OUT / "cases.json")
