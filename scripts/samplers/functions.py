"""The functions of crates/tune/tests/support/functions.rs, for Optuna's trials."""

import math


def branin(trial):
    x, y = trial.suggest_float("x0", -5, 10), trial.suggest_float("x1", 0, 15)
    parabola = y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6
    return parabola**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


ALPHA = [1.0, 1.2, 3.0, 3.2]
A = [
    [10, 3, 17, 3.5, 1.7, 8],
    [0.05, 10, 17, 0.1, 8, 14],
    [3, 3.5, 1.7, 10, 17, 8],
    [17, 8, 0.05, 10, 0.1, 14],
]
P = [
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
]


def hartmann6(trial):
    x = [trial.suggest_float(f"x{i}", 0, 1) for i in range(6)]
    return -sum(
        alpha * math.exp(-sum(a * (v - p) ** 2 for a, v, p in zip(row, x, centre)))
        for alpha, row, centre in zip(ALPHA, A, P)
    )


def rosenbrock(width):
    def evaluate(trial):
        x = [trial.suggest_float(f"x{i}", -5, 10) for i in range(width)]
        return sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in zip(x, x[1:]))

    return evaluate


def mixed(trial):
    kind = "abcd".index(trial.suggest_categorical("kind", ["a", "b", "c", "d"]))
    x = trial.suggest_float("x", -5, 5) - (kind - 1.5)
    return (
        x * x
        + 0.1 * (trial.suggest_int("n", -10, 10) - 3) ** 2
        + (math.log10(trial.suggest_float("rate", 1e-5, 1, log=True)) + 2.5) ** 2
        + math.log2(trial.suggest_int("width", 8, 512, log=True) / 64) ** 2
        + 10 * (trial.suggest_float("drop", 0, 0.5, step=0.1) - 0.2) ** 2
        + [1, 0, 2, 0.5][kind]
    )


def conditional(trial):
    kind = trial.suggest_categorical("kind", ["forest", "svm", "linear"])
    shift = (trial.suggest_float("shift", 0, 1) - 0.3) ** 2
    if kind == "forest":
        depth, trees = trial.suggest_int("depth", 1, 32), trial.suggest_int("trees", 10, 500, log=True)
        return shift + 0.3 + 0.002 * (depth - 12) ** 2 + 0.2 * math.log(trees / 200) ** 2
    if kind == "svm":
        c = math.log10(trial.suggest_float("c", 1e-3, 1e3, log=True)) - 1
        gamma = math.log10(trial.suggest_float("gamma", 1e-4, 10, log=True)) + 2
        return shift + 0.3 * (c + gamma) ** 2 + 0.1 * (c - gamma) ** 2
    return shift + 0.6 + 0.05 * (math.log10(trial.suggest_float("l2", 1e-6, 1, log=True)) + 4) ** 2


def zdt1(trial):
    x = [trial.suggest_float(f"x{i}", 0, 1) for i in range(5)]
    g = 1 + 9 * sum(x[1:]) / 4
    return x[0], g * (1 - math.sqrt(x[0] / g))


FUNCTIONS = {
    "branin": branin,
    "hartmann6": hartmann6,
    "rosenbrock2": rosenbrock(2),
    "rosenbrock5": rosenbrock(5),
    "mixed": mixed,
    "conditional": conditional,
    "zdt1": zdt1,
}
