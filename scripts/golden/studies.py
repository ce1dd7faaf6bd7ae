#!/usr/bin/env python3
"""Writes a journal of Optuna and the decisions of its pruners, as golden files of crates/tune.

Needs: optuna 5.0.0. Prints the paths it wrote.
"""
import json
import math
import pathlib
import random
import tempfile

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.pruners import HyperbandPruner, MedianPruner, PatientPruner, PercentilePruner, SuccessiveHalvingPruner
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

optuna.logging.set_verbosity(optuna.logging.ERROR)
OUT = pathlib.Path(__file__).parents[2] / "crates/tune/src"


def journal(path: pathlib.Path) -> None:
    """One trial of each state, and a second study whose trials share the indices of the first one's."""
    storage = JournalStorage(JournalFileBackend(str(path)))
    study = optuna.create_study(
        storage=storage, study_name="golden", direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0)
    )
    study.set_user_attr("note", 'naïve "NaN"')
    study.enqueue_trial({"rate": 0.125, "layers": 3, "kind": "b"})
    trial = study.ask()
    suggest(trial)
    trial.report(0.5, 1)
    trial.report(0.75, 2)
    study.tell(trial, 0.75)
    pair = optuna.create_study(storage=storage, study_name="pair", directions=["minimize", "maximize"])
    pair.tell(pair.ask(), [1.0, 2.0])
    trial = study.ask()
    suggest(trial)
    trial.report(math.nan, 1)
    trial.report(0.25, 2)
    study.tell(trial, state=TrialState.PRUNED)
    trial = study.ask()
    trial.set_user_attr("error", "no memory")
    study.tell(trial, state=TrialState.FAIL)
    study.add_trial(
        create_trial(
            params={"rate": 0.5, "kind": "a"},
            distributions={
                "rate": FloatDistribution(0.001, 1.0, log=True),
                "kind": CategoricalDistribution(["a", "b", None, True, 1.5]),
            },
            value=math.inf,
            user_attrs={"from": "add_trial"},
            intermediate_values={3: 1.0, 4: -math.inf},
        )
    )
    study.enqueue_trial({"rate": 0.5})
    number = storage.create_new_trial(study._study_id)
    storage.set_trial_system_attr(number, "a:b", {"deep": [1, None]})


def suggest(trial: optuna.Trial) -> None:
    trial.suggest_float("rate", 0.001, 1.0, log=True)
    trial.suggest_int("layers", 1, 9, step=2)
    trial.suggest_categorical("kind", ["a", "b", None, True, 1.5])


def curves() -> list[list[float | None]]:
    """Learning curves that cross, some of them with an undefined value."""
    draw = random.Random(1)
    found = []
    for _ in range(60):
        end, speed = draw.uniform(0.5, 1.0), draw.uniform(0.1, 0.9)
        values = [end * (1 - math.exp(-speed * step)) + draw.gauss(0, 0.02) for step in range(1, 13)]
        if draw.random() < 0.1:
            values[draw.randrange(12)] = math.nan
        found.append([round(value, 6) if value == value else None for value in values])
    return found


def decisions(pruner: optuna.pruners.BasePruner, direction: str, values: list[list[float | None]]) -> list[int]:
    """Number of steps of each trial; negative if the pruner ended it."""
    study = optuna.create_study(
        study_name="golden", direction=direction, pruner=pruner, sampler=optuna.samplers.RandomSampler(seed=0)
    )
    steps = []
    for curve in values:
        trial = study.ask()
        for step, value in enumerate(curve, 1):
            trial.report(math.nan if value is None else value, step)
            if trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                steps.append(-step)
                break
        else:
            last = curve[-1]
            study.tell(trial, 0.0 if last is None else last)
            steps.append(len(curve))
    return steps


PRUNERS = {
    "median": lambda: MedianPruner(),
    "median_warm": lambda: MedianPruner(n_startup_trials=2, n_warmup_steps=3, interval_steps=4, n_min_trials=3),
    "percentile": lambda: PercentilePruner(25.0),
    "halving": lambda: SuccessiveHalvingPruner(),
    "halving_late": lambda: SuccessiveHalvingPruner(min_resource=2, reduction_factor=2, min_early_stopping_rate=1),
    "hyperband": lambda: HyperbandPruner(min_resource=1, max_resource=12, reduction_factor=3),
    "hyperband_auto": lambda: HyperbandPruner(),
    "patience": lambda: PatientPruner(None, patience=2, min_delta=0.01),
    "patience_median": lambda: PatientPruner(MedianPruner(), patience=0),
}

with tempfile.TemporaryDirectory() as folder:
    written = pathlib.Path(folder) / "journal.log"
    journal(written)
    path = OUT / "storage/golden/optuna.log"
    path.write_text(written.read_text())
    print(path)
found = {"optuna": optuna.__version__, "curves": curves(), "steps": {}}
for name, make in PRUNERS.items():
    for direction in ("minimize", "maximize"):
        found["steps"][f"{name} {direction}"] = decisions(make(), direction, found["curves"])
path = OUT / "pruners/golden/pruners.json"
path.write_text(json.dumps(found) + "\n")
print(path)
