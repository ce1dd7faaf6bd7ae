"""Networks that scripts/bench-train trains: their configs for Cupola, their data, and the points of --growth.

The sizes of a workload become the `[model]` of the config and the arguments of its PyTorch network (train_networks.py,
train_transformers.py), so both sides are built from one place. Data is in the repository or drawn from a seed.
"""
import array
import copy
import json
import math
import pathlib
import random
import struct

ROOT = pathlib.Path(__file__).resolve().parents[2]
# An epoch of generated rows has this many batches; at its end Cupola writes a checkpoint, which no step includes.
BATCHES = 32
TRANSFORMER = {"blocks": 2, "width": 48, "heads": 4, "dropout": 0.1}


def work(data, batch, steps, family, sizes, **more):
    return {"data": data, "batch": batch, "steps": steps, "family": family, "sizes": sizes, **more}


# Steps are those of one turn: a few seconds each.
WORKLOADS = {
    "mlp": work("numbers", 256, 200, "mlp", {"hidden": [512, 512]}, columns=64),
    "cnn": work("image", 64, 60, "cnn", {"channels": [16, 32], "hidden": 128}, side=28),
    "resnet18": work("image", 64, 20, "resnet", {"depth": 18, "width": 16, "stem": "small"}, side=28),
    "gpt": work("characters", 12, 60, "gpt", {"blocks": 4, "width": 128, "heads": 4}, length=64),
    "bert": work("words", 16, 30, "bert", {"blocks": 2, "width": 128, "heads": 2, "hidden": 512, "dropout": 0.1},
                 length=128, vocabulary=30522),
    "tabm": work("numbers", 256, 60, "tabm", {"members": 16, "hidden": [256, 256], "dropout": 0.0}, columns=8, number=True),
    "ft_transformer": work("census", 128, 60, "ft_transformer",
                           {"blocks": 2, "width": 32, "heads": 4, "hidden": 42, "attention_dropout": 0.2, "dropout": 0.1}),
    "lstm": work("series", 64, 100, "lstm", {"width": 64}),
    "gru": work("series", 64, 100, "gru", {"width": 48, "bidirectional": True}),
    "tcn": work("series", 64, 60, "tcn", {"channels": [48, 48, 48], "kernel": 3, "dropout": 0.1}),
    "vit": work("digits", 64, 60, "vit", {"patch": 2, **TRANSFORMER}),
    "patchtst": work("traffic", 128, 60, "patchtst",
                     {"patch": 16, "stride": 8, "blocks": 2, "width": 64, "heads": 4, "dropout": 0.2}),
    "autoencoder": work("rebuilt", 64, 200, "autoencoder", {"hidden": [128, 64], "code": 16}),
}
# One thing grows at a time, by doubling or fourfold; the workload itself is the point that all of them share.
GROWTH = {
    "mlp": {"batch": [64, 1024], "width": [256, 1024], "depth": [1, 4, 8]},
    "cnn": {"batch": [16, 256], "width": [8, 32], "depth": [1, 3], "side": [14, 56]},
    "gpt": {"batch": [3, 48], "width": [64, 256], "depth": [2, 8], "length": [32, 128, 256]},
}


def grown(name):
    """The workload and its larger and smaller relatives, by (axis, value)."""
    points = {("", ""): WORKLOADS[name]}
    for axis, values in GROWTH[name].items():
        for value in values:
            point = points[axis, value] = copy.deepcopy(WORKLOADS[name])
            sizes = point["sizes"]
            if axis in point:
                point[axis] = value
            elif name == "mlp":
                sizes["hidden"] = [value] * 2 if axis == "width" else [512] * value
            elif name == "cnn":
                sizes["channels"] = [value, 2 * value] if axis == "width" else [16, 32, 64][:value]
            else:
                sizes["width" if axis == "width" else "blocks"] = value
    return points


def toml(table):
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())


def write(path, header, rows):
    with open(path, "w") as file:
        file.write(",".join(header) + "\n")
        for row in rows:
            file.write(",".join(map(str, row)) + "\n")
    return path


def input_of(name, kind, **keys):
    return "[[inputs]]\n" + toml({"name": name, "kind": kind}) + "".join(f"{k} = {v}\n" for k, v in keys.items())


def target_of(name, kind, **keys):
    return "[[targets]]\n" + toml({"name": name, "kind": kind, **keys})


def data_of(work, folder, draw):
    """Source, inputs, targets and loss of a workload; writes its rows into the folder unless they are shipped."""
    count, kind, made = BATCHES * work["batch"], work["data"], folder / "rows.csv"
    digits, pixels = ROOT / "data/digits.csv.gz", '"pixel_*"'
    digit = target_of("digit", "category")
    if kind == "numbers":
        label = (lambda i: f"{draw.random():.4f}") if work.get("number") else (lambda i: f"c{i % 10}")
        rows = ([f"{draw.random():.4f}" for _ in range(work["columns"])] + [label(i)] for i in range(count))
        write(made, [f"x{i}" for i in range(work["columns"])] + ["y"], rows)
        what, loss = ("number", "mse") if work.get("number") else ("category", "cross_entropy")
        return made, "", target_of("y", what), loss
    if kind == "image":
        side = work["side"]
        rows = ([*draw.randbytes(side * side), f"c{i % 10}"] for i in range(count))
        write(made, [f"x{i}" for i in range(side * side)] + ["y"], rows)
        inputs = input_of("p", "image", columns='"x*"', shape=[1, side, side])
        return made, inputs, target_of("y", "category"), "cross_entropy"
    if kind == "characters":
        letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ."
        rows = ([f"x{''.join(draw.choices(letters, k=work['length'] - 2))}x"] for _ in range(count))
        tokens = f'{{ kind = "char", length = {work["length"]} }}'
        inputs = input_of("text", "text", tokens=tokens)
        return write(made, ["text"], rows), inputs, target_of("text", "next_token"), "next_token"
    if kind == "words":
        words = [word(i) for i in range(5, work["vocabulary"])]
        rows = ([" ".join(draw.choices(words, k=work["length"])), "ab"[i % 2]] for i in range(count))
        inputs = input_of("text", "text", tokens=f'{{ length = {work["length"]} }}')
        return write(made, ["text", "y"], rows), inputs, target_of("y", "category"), "bce"
    if kind == "census":
        return ROOT / "data/census_nano.csv.gz", "", target_of("income", "category"), "bce"
    if kind == "traffic":
        inputs = input_of("traffic_volume", "series", window=168)
        targets = target_of("traffic_volume", "forecast", horizon=24, season=168)
        return ROOT / "data/traffic.csv.gz", inputs, targets, "mse"
    if kind == "series":
        return digits, input_of("pixels", "series", columns=pixels, steps=[8, 8]), digit, "cross_entropy"
    image = input_of("pixels", "image", columns=pixels, shape=[1, 8, 8])
    if kind == "rebuilt":
        return digits, image, target_of("anomaly", "reconstruct"), "rebuilt"
    return digits, image, digit, "cross_entropy"


def prepare(name, work, folder, clip):
    """Writes rows and config into a new folder. Returns the loss, and a folder to import first or `None`."""
    draw = random.Random(7)
    source, inputs, targets, loss = data_of(work, folder, draw)
    model, pretrained = toml({"family": work["family"], **work["sizes"]}), None
    if work["family"] == "bert":
        model, pretrained = 'package = "bert_start"\n', folder / "bert"
        pretrained.mkdir()
        write_bert(pretrained, work, draw)
    split = "" if work["data"] == "traffic" else 'by = "random"\n'
    (folder / "run.toml").write_text(
        toml({"name": name, "seed": 1}) + "[data]\n" + toml({"source": str(source), "null": ["", "?"]}) +
        f"[split]\n{split}valid = 0.0\ntest = 0.03\n{inputs}{targets}[model]\n{model}[train]\n"
        f"epochs = 10000\nbatch_size = {work['batch']}\nclip_norm = {float(clip)}\n"
        '[train.optimizer]\nkind = "adamw"\nlearning_rate = 1e-3\nweight_decay = 1e-2\n[train.schedule]\nkind = "constant"\n')
    return loss, pretrained


def word(index):
    """A word of letters only, so that no tokenizer divides it."""
    return "w" + "".join("abcdefghij"[int(digit)] for digit in f"{index:05}")


def write_bert(folder, work, draw):
    """A BERT with random weights in the files of Hugging Face."""
    sizes, vocabulary, length = work["sizes"], work["vocabulary"], work["length"]
    width, hidden = sizes["width"], sizes["hidden"]
    config = {"model_type": "bert", "architectures": ["BertModel"], "hidden_size": width, "vocab_size": vocabulary,
              "num_hidden_layers": sizes["blocks"], "num_attention_heads": sizes["heads"], "intermediate_size": hidden,
              "max_position_embeddings": length, "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
              "hidden_dropout_prob": sizes["dropout"], "attention_probs_dropout_prob": sizes["dropout"], "pad_token_id": 0}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True}))
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    (folder / "vocab.txt").write_text("\n".join(special + [word(i) for i in range(5, vocabulary)]) + "\n")
    shapes = {"embeddings.word_embeddings.weight": [vocabulary, width],
              "embeddings.position_embeddings.weight": [length, width],
              "embeddings.token_type_embeddings.weight": [2, width], "embeddings.LayerNorm.weight": [width]}
    for block in range(sizes["blocks"]):
        at = f"encoder.layer.{block}."
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            shapes[f"{at}attention.{part}.weight"] = [width, width]
        shapes |= {f"{at}attention.output.LayerNorm.weight": [width], f"{at}output.LayerNorm.weight": [width],
                   f"{at}intermediate.dense.weight": [hidden, width], f"{at}output.dense.weight": [width, hidden]}
    for name, shape in list(shapes.items()):
        if not name.endswith("_embeddings.weight"):
            shapes[name.replace(".weight", ".bias")] = shape[:1]
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    noise = array.array("f", (draw.gauss(0, 0.02) for _ in range(65536))).tobytes()
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in shapes.items():
            size, flat = 4 * math.prod(shape), struct.pack("<f", 1.0 if name.endswith("Norm.weight") else 0.0)
            file.write(flat * (size // 4) if len(shape) == 1 else (noise * (size // len(noise) + 1))[:size])
