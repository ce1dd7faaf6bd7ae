"""Runs a sampler of Optuna on a test function and prints the best value of each seed as JSON.

usage: peer.py FUNCTION SAMPLER TRIALS SEEDS
"""

import json
import sys
import time
import warnings

import optuna
from functions import FUNCTIONS

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.simplefilter("ignore")

SAMPLERS = {
    "random": optuna.samplers.RandomSampler,
    "tpe": optuna.samplers.TPESampler,
    "cmaes": optuna.samplers.CmaEsSampler,
    "gp": optuna.samplers.GPSampler,
    "sobol": lambda seed: optuna.samplers.QMCSampler(seed=seed, scramble=True),
    "nsga2": optuna.samplers.NSGAIISampler,
}


def hypervolume(points, reference):
    height, area = reference[1], 0.0
    for x, y in sorted(p for p in points if p[0] < reference[0] and p[1] < reference[1]):
        if y < height:
            area += (reference[0] - x) * (height - y)
            height = y
    return area


function, sampler, trials, seeds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
best, start = [], time.perf_counter()
for seed in range(seeds):
    directions = ["minimize"] * (2 if function == "zdt1" else 1)
    study = optuna.create_study(directions=directions, sampler=SAMPLERS[sampler](seed=seed))
    study.optimize(FUNCTIONS[function], n_trials=trials)
    if len(directions) == 2:
        best.append(hypervolume([t.values for t in study.trials], (1.1, 1.1)))
    else:
        best.append(study.best_value)
seconds = (time.perf_counter() - start) / seeds
print(
    json.dumps(
        {"function": function, "sampler": sampler, "trials": trials, "best": best, "seconds": seconds}
    )
)
