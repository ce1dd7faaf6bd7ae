#!/usr/bin/env python3
"""Writes crates/tune/src/golden/samplers.json with numbers of Optuna and SciPy, and the direction numbers of Sobol's
sequence in crates/tune/src/samplers/sobol/directions.txt.

Needs: optuna 5.0, SciPy 1.17, scikit-learn 1.9. Prints the paths it wrote.
"""
import importlib.resources
import json
import pathlib

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import FanovaImportanceEvaluator
from optuna.samplers._tpe import _truncnorm
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator, _ParzenEstimatorParameters
from optuna.samplers._tpe.sampler import default_weights
from scipy.stats import qmc

# Optuna's order of equal observations depends on the processor; a stable sort makes it the order of the trials.
argsort = np.argsort
np.argsort = lambda values, **_: argsort(values, kind="stable")
rng = np.random.default_rng(0)
ROOT = pathlib.Path(__file__).parents[2] / "crates/tune/src"
PARAMETERS = _ParzenEstimatorParameters(
    prior_weight=1.0,
    consider_magic_clip=True,
    consider_endpoints=False,
    weights=default_weights,
    multivariate=True,
)
SPACE = {
    "x": FloatDistribution(-5, 10),
    "rate": FloatDistribution(1e-5, 1, log=True),
    "drop": FloatDistribution(0, 0.5, step=0.1),
    "n": IntDistribution(1, 20, step=3),
    "width": IntDistribution(8, 512, log=True),
    "kind": CategoricalDistribution(["a", "b", "c"]),
}


def draw(count: int) -> dict[str, list[float]]:
    return {
        "x": rng.uniform(-5, 10, count).tolist(),
        "rate": (10 ** rng.uniform(-5, 0, count)).tolist(),
        "drop": (rng.integers(0, 6, count) * 0.1).tolist(),
        "n": (1.0 + 3 * rng.integers(0, 7, count)).tolist(),
        "width": np.round(2 ** rng.uniform(3, 9, count)).tolist(),
        "kind": rng.integers(0, 3, count).astype(float).tolist(),
    }


cases = []
for count in (0, 1, 2, 10, 40):
    observations, points = draw(count), draw(6)
    arrays = {name: np.asarray(values) for name, values in observations.items()}
    estimator = _ParzenEstimator(arrays, SPACE, PARAMETERS)
    densities = estimator.log_pdf({name: np.asarray(values) for name, values in points.items()})
    cases.append(
        {
            "observations": list(observations.values()),
            "points": list(points.values()),
            "densities": densities.tolist(),
        }
    )

quantiles = []
for unit, low, high in [(0.3, -1, 2), (0.5, 5, 9), (0.9, -30, -20), (0.01, -2, 40), (0.999, -0.5, 0.1), (1e-6, 0, 3)]:
    value = _truncnorm.ppf(np.array([unit]), np.array([float(low)]), np.array([float(high)]))
    quantiles.append([unit, low, high, value.item()])

sobol = qmc.Sobol(40, scramble=False).random(32)
# A study with interactions, and the shares of fANOVA as means over seeds of the forest.
optuna.logging.set_verbosity(optuna.logging.ERROR)
space = {name: FloatDistribution(0, 1) for name in "abcd"} | {"n": IntDistribution(1, 8)}
points = np.round(rng.uniform(0, 1, (120, 4)), 4)
widths = rng.integers(1, 9, 120)
values = np.round(
    np.sin(6 * points[:, 0]) + points[:, 1] ** 2 + 2 * (points[:, 0] - 0.5) * points[:, 2] + 0.15 * widths, 6
)
study = optuna.create_study()
for point, width, value in zip(points, widths, values):
    params = dict(zip("abcd", point.tolist())) | {"n": int(width)}
    study.add_trial(optuna.trial.create_trial(params=params, distributions=space, value=value))
shares = [FanovaImportanceEvaluator(seed=seed).evaluate(study) for seed in range(10)]
importance = {
    "points": np.column_stack([points, widths]).tolist(),
    "values": values[:, None].tolist(),
    "shares": {name: float(np.mean([share[name] for share in shares])) for name in space},
}

path = ROOT / "golden/samplers.json"
path.write_text(
    json.dumps(
        {
            "parzen": cases,
            "quantiles": quantiles,
            "sobol": (sobol * 2**32).astype(int).tolist(),
            "importance": importance,
        }
    )
    + "\n"
)
print(path)

with importlib.resources.files("scipy.stats").joinpath("_sobol_direction_numbers.npz").open("rb") as file:
    numbers = np.load(file)
    polynomials, starts = numbers["poly"], numbers["vinit"]
path = ROOT / "samplers/sobol/directions.txt"
path.parent.mkdir(exist_ok=True)
with path.open("w") as out:
    for polynomial, start in zip(polynomials[1:40], starts[1:40]):
        degree = int(polynomial).bit_length() - 1
        print(int(polynomial), *(int(v) for v in start[:degree]), file=out)
print(path)
