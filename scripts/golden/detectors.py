#!/usr/bin/env python3
"""Writes crates/monitor/src/golden/detectors.json: streams, and the alarms that river's detectors raise on them.

Needs: river 0.26. Prints the path it wrote.
"""
import json
import pathlib
import random

from river import drift

OUT = pathlib.Path(__file__).parents[2] / "crates/monitor/src/golden/detectors.json"
rng = random.Random(20)


def bits(*parts: tuple[int, float]) -> list[int]:
    return [int(rng.random() < share) for count, share in parts for _ in range(count)]


def numbers(*parts: tuple[int, float, float]) -> list[float]:
    return [round(rng.gauss(mean, spread), 2) for count, mean, spread in parts for _ in range(count)]


STREAMS = {
    "bits_abrupt": bits((700, 0.1), (500, 0.5), (400, 0.05), (300, 0.6)),
    "bits_gradual": bits(*[(100, 0.05 + 0.04 * step) for step in range(15)]),
    "bits_stable": bits((900, 0.2)),
    "numbers_abrupt": numbers((500, 0, 1), (300, 4, 1), (400, -2, 2)),
    "numbers_gradual": numbers(*[(60, 0.3 * step, 1) for step in range(14)]),
    "numbers_spread": numbers((400, 1, 0.5), (400, 1, 4)),
}
DETECTORS = {
    "adwin": lambda: drift.ADWIN(),
    "ddm": lambda: drift.binary.DDM(),
    "eddm": lambda: drift.binary.EDDM(),
    "hddm_a": lambda: drift.binary.HDDMA(),
    "hddm_a_two_sided": lambda: drift.binary.HDDMA(two_sided_test=True),
    "hddm_w": lambda: drift.binary.HDDMW(),
    "hddm_w_two_sided": lambda: drift.binary.HDDMW(two_sided_test=True),
    "kswin": lambda: drift.KSWIN(seed=0),
    "page_hinkley": lambda: drift.PageHinkley(),
}
BITS_ONLY = ("ddm", "eddm", "hddm")

alarms = {}
for name, create in DETECTORS.items():
    for stream, values in STREAMS.items():
        if name.startswith(BITS_ONLY) and not stream.startswith("bits"):
            continue
        detector, drifts, warnings = create(), [], []
        for index, value in enumerate(values):
            detector.update(value)
            if detector.drift_detected:
                drifts.append(index)
            elif getattr(detector, "warning_detected", False):
                warnings.append(index)
        alarms.setdefault(name, {})[stream] = {"drifts": drifts, "warnings": warnings}

streams = {
    name: "".join(map(str, values)) if name.startswith("bits") else values for name, values in STREAMS.items()
}
OUT.write_text(json.dumps({"streams": streams, "alarms": alarms}, separators=(",", ":")) + "\n")
print(OUT)
