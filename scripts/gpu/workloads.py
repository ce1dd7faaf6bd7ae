"""Configs and synthetic data of scripts/check-gpu: a tiny network of each family, and larger ones for timing."""
import csv
import random

TARGET = '[[targets]]\nname = "y"\nkind = "category"\n'


def table(path, columns, rows, classes=10, in_turn=False):
    """A CSV of numbers in [0, 1) and a class, from a seed."""
    if not path.exists():
        draw = random.Random(7)
        with open(path, "w", newline="") as file:
            out = csv.writer(file)
            out.writerow([f"x{i}" for i in range(columns)] + ["y"])
            for row in range(rows):
                values = [round(draw.random(), 3) for _ in range(columns)]
                out.writerow(values + [f"c{row % classes if in_turn else int(sum(values[:4]) / 4 * classes)}"])
    return path


def text(path, words):
    """A CSV of one long text from a small vocabulary."""
    if not path.exists():
        draw = random.Random(7)
        known = ["".join(draw.choice("abcdefghij") for _ in range(draw.randint(2, 6))) for _ in range(200)]
        with open(path, "w") as file:
            file.write("text\n")
            for _ in range(words // 20):
                file.write(" ".join(draw.choice(known) for _ in range(20)) + "\n")
    return path


def config(name, source, model, inputs="", target=TARGET, batch=64, more=""):
    return (f'name = "{name}"\nseed = 1\n[data]\nsource = "{source}"\n[split]\nby = "random"\nvalid = 0.0\ntest = 0.1\n'
            f"{inputs}{target}[model]\n{model}\n[train]\nepochs = 1\nbatch_size = {batch}\n{more}")


def image(side):
    return f'[[inputs]]\nname = "p"\nkind = "image"\ncolumns = "x*"\nshape = [1, {side}, {side}]\n'


def colours(side):
    return f'[[inputs]]\nname = "p"\nkind = "image"\ncolumns = "x*"\nshape = [3, {side}, {side}]\n'


SERIES = '[[inputs]]\nname = "s"\nkind = "series"\ncolumns = "x*"\nsteps = [8, 8]\n'


def characters(length):
    inputs = f'[[inputs]]\nname = "text"\nkind = "text"\ntokens = {{ kind = "char", length = {length} }}\n'
    return inputs, '[[targets]]\nname = "text"\nkind = "next_token"\n'


def square(work):
    """An MLP whose sizes are all 64: SwiftShader computes products of some other sizes wrongly."""
    return config("square", table(work / "square.csv", 64, 1280, 64, in_turn=True), 'family = "mlp"\nhidden = [64]\ndropout = 0.0')


def tiny(work):
    """A small network of each family; dropout is off, because its masks differ between devices."""
    small = table(work / "small.csv", 64, 1600)
    words = text(work / "words.csv", 8000)
    inputs, target = characters(16)
    plain = {
        "mlp": ('family = "mlp"\nhidden = [64]\ndropout = 0.0', ""),
        "resnet_tabular": ('family = "resnet_tabular"\nblocks = 1\nwidth = 32\ndropout = 0.0', ""),
        "ft_transformer": ('family = "ft_transformer"\nblocks = 1\nwidth = 16\nheads = 2\ndropout = 0.0', ""),
        "tabm": ('family = "tabm"\nhidden = [32]\nmembers = 4\ndropout = 0.0', ""),
        "cnn": ('family = "cnn"\nchannels = [8, 16]\nhidden = 32\ndropout = 0.0', image(8)),
        "resnet": ('family = "resnet"\ndepth = 18\nwidth = 8\nstem = "small"', image(8)),
        "vit": ('family = "vit"\npatch = 2\nblocks = 1\nwidth = 16\nheads = 2\ndropout = 0.0', image(8)),
        "lstm": ('family = "lstm"\nwidth = 16\ndropout = 0.0', SERIES),
        "gru": ('family = "gru"\nwidth = 16\ndropout = 0.0', SERIES),
        "tcn": ('family = "tcn"\nchannels = [16, 16]\ndropout = 0.0', SERIES),
    }
    made = {name: config(name, small, model, given) for name, (model, given) in plain.items()}
    for name in ("gpt", "llama"):
        model = f'family = "{name}"\nblocks = 1\nwidth = 32\nheads = 2' + ("\ndropout = 0.0" if name == "gpt" else "")
        made[name] = config(name, words, model, inputs, target, 16)
    return made


def large(work, quick):
    """Networks of realistic sizes, with batch size and number of timed steps."""
    side, inputs_and_target = (8 if quick else 32), characters(16 if quick else 256)
    wide = table(work / "wide.csv", 16 if quick else 256, 300 if quick else 40000)
    photos = table(work / "photos.csv", 3 * side * side, 64 if quick else 3000)
    columns = table(work / "columns.csv", 8 if quick else 32, 300 if quick else 8000)
    words = text(work / "many-words.csv", 2000 if quick else 400000)
    size = lambda small, full: small if quick else full
    batch = lambda full: 16 if quick else full
    works = {
        "mlp": (wide, f'family = "mlp"\nhidden = {size([32], [1024, 1024, 1024])}', "", TARGET, batch(4096), 60),
        "resnet18": (photos, f'family = "resnet"\ndepth = 18\nwidth = {size(8, 64)}\nstem = "small"', colours(side), TARGET, batch(256), 30),
        "vit_s": (photos, f'family = "vit"\npatch = 4\nblocks = {size(1, 12)}\nwidth = {size(16, 384)}\nheads = {size(2, 6)}', colours(side), TARGET, batch(256), 30),
        "gpt": (words, f'family = "gpt"\nblocks = {size(1, 6)}\nwidth = {size(16, 384)}\nheads = {size(2, 6)}', *inputs_and_target, batch(64), 40),
        "ft_transformer": (columns, f'family = "ft_transformer"\nblocks = {size(1, 3)}\nwidth = {size(16, 192)}\nheads = {size(2, 8)}', "", TARGET, batch(1024), 40),
    }
    if quick:
        works = {"mlp": works["mlp"]}
    return {name: {"config": config(f"{name}_large", source, model, given, target, size_of_batch).replace("epochs = 1\n", "epochs = 100\n"),
                   "batch": size_of_batch, "steps": steps}
            for name, (source, model, given, target, size_of_batch, steps) in works.items()}


def language(work, quick):
    """Language model of SmolLM2's size with random weights, and a prompt."""
    inputs, target = characters(64 if quick else 512)
    size = lambda small, full: small if quick else full
    model = f'family = "llama"\nblocks = {size(1, 30)}\nwidth = {size(32, 576)}\nheads = {size(2, 9)}'
    return config("talk", text(work / "words.csv", 8000), model, inputs, target, 2), "abc def abc"
