#!/usr/bin/env python3
"""Writes crates/eval/src/golden/uncertainty.json with the numbers of MAPIE, crepes and scikit-learn.

Needs: MAPIE 1.6, crepes 0.9, scikit-learn 1.9. Prints the path it wrote.
"""
import json
import pathlib
import warnings

import numpy as np
from crepes import ConformalClassifier, ConformalRegressor
from mapie.conformity_scores.sets.aps import APSConformityScore
from mapie.conformity_scores.sets.raps import RAPSConformityScore
from mapie.regression import ConformalizedQuantileRegressor, CrossConformalRegressor, SplitConformalRegressor
from mapie.utils import _compute_classification_quantile
from scipy.optimize import minimize_scalar, root
from scipy.special import expit, log_softmax
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.calibration import _SigmoidCalibration, _TemperatureScaling
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression, QuantileRegressor
from sklearn.metrics import f1_score, fbeta_score
from sklearn.model_selection import KFold

warnings.simplefilter("ignore")
rng = np.random.default_rng(20)
OUT = pathlib.Path(__file__).parents[2] / "crates/eval/src/golden/uncertainty.json"
COVERAGES = [0.5, 0.8, 0.9, 0.93]


def floats(values) -> list:
    return np.asarray(values, dtype=float).tolist()


class Given(RegressorMixin, BaseEstimator):
    """Regressor whose predictions are its input."""

    def __init__(self, column=0):
        self.column = column

    def fit(self, x, y=None):
        self.fitted_ = True
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, x):
        return np.asarray(x)[:, self.column]


def split() -> dict:
    target = rng.normal(size=60)
    predicted = target + rng.normal(size=60) * 0.5
    new = rng.normal(size=5)
    bounds = []
    for coverage in COVERAGES:
        mapie = SplitConformalRegressor(Given().fit(None), confidence_level=coverage, prefit=True)
        mapie.conformalize(predicted[:, None], target)
        crepes = ConformalRegressor().fit(target - predicted).predict_int(new, confidence=coverage)
        own = mapie.predict_interval(new[:, None])[1][:, :, 0]
        assert np.abs(own - crepes).max() < 1e-12
        bounds.append(floats(own))
    return {"target": floats(target), "predicted": floats(predicted), "new": floats(new), "bounds": bounds}


def normalised_and_mondrian() -> dict:
    residuals = rng.normal(size=50)
    sigmas = rng.uniform(0.5, 2, size=50)
    # 28 and 22 rows: crepes rounds ranks that are whole numbers, such as 0.8 * 25, up for a lack of digits.
    bins = (np.arange(50) < 28).astype(int)
    new, new_sigmas, new_bins = rng.normal(size=5), rng.uniform(0.5, 2, size=5), np.array([0, 1, 0, 1, 1])
    normalised = ConformalRegressor().fit(residuals, sigmas=sigmas)
    mondrian = ConformalRegressor().fit(residuals, bins=bins)
    return {
        "residuals": floats(residuals), "sigmas": floats(sigmas), "bins": bins.tolist(),
        "new": floats(new), "new_sigmas": floats(new_sigmas), "new_bins": new_bins.tolist(),
        "normalised": [floats(normalised.predict_int(new, sigmas=new_sigmas, confidence=c)) for c in COVERAGES],
        "mondrian": [floats(mondrian.predict_int(new, bins=new_bins, confidence=c)) for c in COVERAGES],
    }


def quantile_regression() -> dict:
    x = rng.uniform(0, 3, size=(80, 1))
    y = x[:, 0] + rng.normal(size=80) * (0.2 + x[:, 0])
    out = {"bounds": []}
    new = rng.uniform(0, 3, size=(5, 1))
    for coverage in COVERAGES:
        alpha = 1 - coverage
        models = [QuantileRegressor(quantile=q, alpha=0).fit(x[:40], y[:40]) for q in (alpha / 2, 1 - alpha / 2, 0.5)]
        mapie = ConformalizedQuantileRegressor(models, confidence_level=coverage, prefit=True)
        mapie.conformalize(x[40:], y[40:])
        case = mapie.predict_interval(new, symmetric_correction=True)[1][:, :, 0]
        out["bounds"].append({
            "coverage": coverage, "target": floats(y[40:]),
            "low": floats(models[0].predict(x[40:])), "high": floats(models[1].predict(x[40:])),
            "new_low": floats(models[0].predict(new)), "new_high": floats(models[1].predict(new)),
            "expected": floats(case),
        })
    return out


def cross() -> dict:
    x = rng.normal(size=(60, 2))
    y = x @ [1.0, -0.5] + rng.normal(size=60) * 0.3
    new = rng.normal(size=(4, 2))
    folds = list(KFold(5).split(x))
    models = [LinearRegression().fit(x[a], y[a]) for a, _ in folds]
    residuals = [floats(np.abs(y[b] - m.predict(x[b]))) for m, (_, b) in zip(models, folds)]
    bounds = []
    for coverage in COVERAGES:
        mapie = CrossConformalRegressor(LinearRegression(), confidence_level=coverage, cv=KFold(5), method="plus")
        mapie.fit_conformalize(x, y)
        bounds.append(floats(mapie.predict_interval(new)[1][:, :, 0]))
    return {"residuals": residuals, "predicted": [floats(m.predict(new)) for m in models], "bounds": bounds}


def sets() -> dict:
    k, n = 5, 60
    truth = rng.integers(0, k, n)
    logits = rng.normal(size=(n, k)) + 1.2 * np.eye(k)[truth]
    p = np.exp(log_softmax(logits, axis=1))
    new = np.exp(log_softmax(rng.normal(size=(6, k)) * 1.5, axis=1))
    cumulated, rank = APSConformityScore.get_true_label_cumsum_proba(truth, p, np.arange(k))
    order = np.argsort(-new, axis=1)
    sums = np.cumsum(np.take_along_axis(new, order, axis=1), axis=1)
    cases = []
    for coverage in COVERAGES:
        # LAC is crepes' hinge score, without smoothing.
        hinge = 1 - p[np.arange(n), truth]
        classifier = ConformalClassifier().fit(hinge)
        lac = classifier.predict_set(1 - new, confidence=coverage, smoothing=False)
        own = {"coverage": coverage, "lac": np.asarray(lac).tolist(), "raps": []}
        for penalty, free in [(0.0, 0), (0.05, 2)]:
            scores = RAPSConformityScore._regularize_conformity_score(
                np.array([free]), penalty, cumulated.copy(), rank)[:, 0, 0]
            q = _compute_classification_quantile(scores[:, None], np.array([1 - coverage]))[0]
            ranked = sums + penalty * np.maximum(np.arange(1, k + 1) - free, 0) <= q
            included = np.zeros_like(ranked)
            np.put_along_axis(included, order, ranked, axis=1)
            own["raps"].append({"penalty": penalty, "free": free, "scores": floats(scores),
                                "sets": included.astype(int).tolist()})
        cases.append(own)
    return {"truth": truth.tolist(), "probabilities": floats(p), "new": floats(new), "cases": cases}


def newton(f, start):
    found = root(f, start, tol=1e-15)
    return found.x


def calibration() -> dict:
    n = 70
    truth = (rng.random(n) < 0.4).astype(int)
    scores = np.round(rng.normal(size=n) * 2 + 2.0 * truth - 1, 1)
    grid = np.linspace(-9, 9, 25)
    sigmoid = _SigmoidCalibration().fit(scores, truth)
    ones, zeros = truth.sum(), n - truth.sum()
    moved = np.where(truth == 1, (ones + 1) / (ones + 2), 1 / (zeros + 2))

    def gradient(ab):
        p = expit(-(ab[0] * scores + ab[1]))
        return [((moved - p) * scores).sum(), (moved - p).sum()]

    # scikit-learn stops at a gradient of 1e-6; the root of the gradient is its limit.
    exact = newton(gradient, [sigmoid.a_, sigmoid.b_])
    assert np.abs(exact - [sigmoid.a_, sigmoid.b_]).max() < 1e-4
    isotonic = IsotonicRegression(out_of_bounds="clip").fit(scores, truth)
    k = 4
    classes = rng.integers(0, k, n)
    logits = rng.normal(size=(n, k)) * 3 + 2 * np.eye(k)[classes]

    def loss(log_beta, z=logits, y=classes):
        return -log_softmax(z * np.exp(log_beta), axis=1)[np.arange(n), y].sum()

    def slope(log_beta, z=logits, y=classes):
        q = np.exp(log_softmax(z * np.exp(log_beta[0]), axis=1))
        return [((q * z).sum(1) - z[np.arange(n), y]).sum()]

    beta = float(np.exp(newton(slope, [minimize_scalar(loss, bounds=(-5, 5), method="bounded").x])[0]))
    assert abs(beta - _TemperatureScaling().fit(logits, classes).beta_) < 1e-4
    two = np.stack([np.zeros(n), scores], axis=1)
    binary = float(np.exp(newton(lambda b: slope(b, two, truth), [0.0])[0]))
    assert abs(binary - 2 * _TemperatureScaling().fit(scores, truth).beta_) < 1e-4
    return {
        "truth": truth.tolist(), "scores": floats(scores), "grid": floats(grid),
        "platt": {"slope": float(exact[0]), "intercept": float(exact[1]),
                  "probabilities": floats(expit(-(exact[0] * grid + exact[1])))},
        "isotonic": {"scores": floats(isotonic.X_thresholds_), "probabilities": floats(isotonic.y_thresholds_),
                     "grid": floats(isotonic.predict(grid))},
        "classes": classes.tolist(), "logits": floats(logits), "temperature": 1 / beta,
        "binary_temperature": 1 / binary,
    }


def thresholds() -> dict:
    n = 80
    truth = (rng.random(n) < 0.3).astype(int)
    p = np.round(expit(rng.normal(size=n) + 1.5 * truth - 1), 2)
    cuts = np.unique(p)
    f = {beta: max(fbeta_score(truth, p >= cut, beta=beta) for cut in cuts) for beta in (0.5, 1.0, 2.0)}
    assert f[1.0] == max(f1_score(truth, p >= cut) for cut in cuts)
    at = [((p >= cut).astype(int), cut) for cut in np.append(cuts, 2.0)]
    hits = [((own & truth).sum(), own.sum()) for own, _ in at]
    precise = max(h / truth.sum() for h, flagged in hits if flagged and h / flagged >= 0.75)
    recalled = max(h / flagged for h, flagged in hits if flagged and h / truth.sum() >= 0.9)
    cost = min((flagged - h) * 1 + (truth.sum() - h) * 5 for h, flagged in hits) / n
    return {"truth": truth.tolist(), "probabilities": floats(p), "f_beta": [[b, float(v)] for b, v in f.items()],
            "precision": float(precise), "recall": float(recalled), "cost": float(cost)}


OUT.write_text(json.dumps({
    "coverages": COVERAGES,
    "split": split(),
    "crepes": normalised_and_mondrian(),
    "quantile_regression": quantile_regression(),
    "cross": cross(),
    "sets": sets(),
    "calibration": calibration(),
    "thresholds": thresholds(),
}) + "\n")
print(f"wrote {OUT}")
