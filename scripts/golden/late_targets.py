#!/usr/bin/env python3
"""Writes crates/monitor/src/golden/late.json: forecasts joined with late values by pandas, measured by sktime.

Needs: pandas 2.3.3, sktime 1.2.0 (with its NumPy and scikit-learn). Prints the path it wrote.

The table of values has unordered, repeated, contradicting, missing and incomplete rows, values between two steps, a gap and
an end before the last forecasts. One series has no values, another is in the table alone. Some forecasts are made twice.
"""
import json
import pathlib
import sys
import warnings

# `statistics.py` beside this script would hide the module of that name.
sys.path.pop(0)

import numpy as np
import pandas as pd
from sktime.performance_metrics.forecasting import (
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_absolute_scaled_error,
    mean_squared_error,
)
from sktime.performance_metrics.forecasting.probabilistic import EmpiricalCoverage

warnings.filterwarnings("ignore")
OUT = pathlib.Path(__file__).parents[2] / "crates/monitor/src/golden/late.json"
HORIZON, SEASON, HOUR = 6, 24, 3600.0
rng = np.random.default_rng(7)
start = pd.Timestamp("2024-03-30 00:00")


def value(series: str, hour: int) -> float:
    level = {"north": 100.0, "south": 20.0, "west": 5.0, "east": 50.0}[series]
    noise = np.random.default_rng([hour + 1000, len(series), int(level)]).normal()
    return round(level * (1 + 0.3 * np.sin(2 * np.pi * hour / SEASON)) + noise, 6)


def seconds(hour: float) -> float:
    return start.timestamp() + hour * HOUR


# Forecasts: each series is forecast every two hours, `north` twice from one time.
forecasts = []
for series in ["north", "south", "west"]:
    for origin in range(0, 40, 2):
        predicted = [round(value(series, origin + step) + rng.normal() * (1 + 0.2 * step), 6) for step in range(1, HORIZON + 1)]
        width = [round(0.8 + 0.3 * step, 6) for step in range(1, HORIZON + 1)]
        forecasts.append(
            {
                "series": series,
                "origin": seconds(origin),
                "predicted": predicted,
                "low": [round(p - w, 6) for p, w in zip(predicted, width)],
                "high": [round(p + w, 6) for p, w in zip(predicted, width)],
                "made": int(seconds(origin + 0.5) * 1000),
            }
        )
again = dict(forecasts[3], predicted=[p + 1 for p in forecasts[3]["predicted"]], made=forecasts[3]["made"] + 1000)
forecasts.insert(0, again)

# Values, then what goes wrong with such tables.
rows = [(series, seconds(hour), value(series, hour)) for series in ["north", "south", "east"] for hour in range(0, 42)]
rows = [row for row in rows if not (row[0] == "south" and row[1] in (seconds(10), seconds(11)))]
rows = [rows[at] for at in rng.permutation(len(rows))]
repeated = [row for row in rows if row[0] == "north"][:3]
contradicting = [(s, t, v + 2.0) for s, t, v in [row for row in rows if row[0] == "south"][:2]]
between = [("north", seconds(5.25), 1.0), ("north", seconds(7.5), 1.0)]
incomplete = [("north", seconds(100), None), (None, seconds(3), 1.0), ("south", None, 1.0)]
rows += repeated + contradicting + between + incomplete

# The join by pandas: the last row of a series and time counts.
table = pd.DataFrame(rows, columns=["series", "time", "value"]).dropna()
table = table.drop_duplicates(["series", "time"], keep="last")
made = pd.DataFrame(forecasts).sort_values("made", kind="stable").drop_duplicates(["series", "origin"], keep="last")
steps = made.explode(["predicted", "low", "high"]).reset_index(drop=True)
steps["step"] = steps.groupby(["series", "origin"]).cumcount() + 1
steps["time"] = steps["origin"] + steps["step"] * HOUR
for column in ["predicted", "low", "high"]:
    steps[column] = steps[column].astype(float)
joined = steps.merge(table, on=["series", "time"], how="left")
last = table.groupby("series")["time"].max()
joined["pending"] = joined["value"].isna() & ~(joined["time"] <= joined["series"].map(last).fillna(-np.inf))

# The scale of MASE: sktime's seasonal naive error of a training series.
train = np.array([value("north", hour) for hour in range(-200, 0)])
naive = float(np.mean(np.abs(train[SEASON:] - train[:-SEASON])))


def measured(part: pd.DataFrame) -> dict:
    part = part.dropna(subset=["value"])
    if part.empty:
        return {}
    y, p = part["value"].to_numpy(), part["predicted"].to_numpy()
    index = pd.RangeIndex(len(part))
    bounds = pd.DataFrame(
        {("y", 0.9, "lower"): part["low"].to_numpy(), ("y", 0.9, "upper"): part["high"].to_numpy()}, index=index
    )
    bounds.columns = pd.MultiIndex.from_tuples(bounds.columns)
    coverage = EmpiricalCoverage()(y_true=pd.DataFrame({"y": y}, index=index), y_pred=bounds)
    return {
        "mae": mean_absolute_error(y, p),
        "rmse": mean_squared_error(y, p, square_root=True),
        "mse": mean_squared_error(y, p),
        "mase": mean_absolute_scaled_error(y, p, y_train=train, sp=SEASON),
        "mape": mean_absolute_percentage_error(y, p, symmetric=False),
        "smape": mean_absolute_percentage_error(y, p, symmetric=True),
        "bias": float(np.mean(p - y)),
        "coverage": float(coverage),
        "interval_width": float((part["high"] - part["low"]).mean()),
    }


def counted(part: pd.DataFrame) -> dict:
    return {
        "joined": int(part["value"].notna().sum()),
        "missing": int(part["value"].isna().sum()),
        "metrics": {name: float(own) for name, own in measured(part).items()},
    }


windows = joined.groupby(["origin", "series"], sort=True)
complete = {key: own for key, own in windows if not own["pending"].any() and own["value"].notna().any()}
document = {
    "naive": naive,
    "forecasts": [dict(own, times=[own["origin"] + step * HOUR for step in range(1, HORIZON + 1)]) for own in forecasts],
    "values": [{"series": s, "time": t, "value": v} for s, t, v in rows],
    "overall": counted(joined),
    "counts": {
        "forecasts": int(len(made)),
        "repeated_forecasts": int(len(forecasts) - len(made)),
        "steps": int(len(joined)),
        "joined": int(joined["value"].notna().sum()),
        "pending": int(joined["pending"].sum()),
        "gaps": int((joined["value"].isna() & ~joined["pending"]).sum()),
        "series": int(made["series"].nunique()),
        "series_without_values": int((~made["series"].drop_duplicates().isin(table["series"])).sum()),
        "values": int(len(pd.DataFrame(rows).dropna())),
        "incomplete": len(incomplete),
        "repeated": len(repeated),
        "contradicting": len(contradicting),
        "between_steps": len(between),
    },
    "steps": [counted(own) for _, own in joined.groupby("step")],
    "series": {key: counted(own) for key, own in joined.groupby("series")},
    "days": {
        str(day.date()): counted(own)
        for day, own in joined.groupby(pd.to_datetime(joined["origin"], unit="s").dt.floor("D"))
    },
    "errors": [
        {"origin": origin, "series": series, "error": float((own["predicted"] - own["value"]).abs().mean())}
        for (origin, series), own in complete.items()
    ],
}
OUT.write_text(json.dumps(document, separators=(",", ":")) + "\n")
print(OUT)
