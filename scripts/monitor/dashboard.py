"""Reads a dashboard with the types of grafana-foundation-sdk and compares what they write with what was read."""

import json
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard


def missing(given, written, path=""):
    """Paths of values that the types do not know."""
    if isinstance(given, dict) and isinstance(written, dict):
        for key, value in given.items():
            if key not in written:
                yield f"{path}.{key}"
            else:
                yield from missing(value, written[key], f"{path}.{key}")
    elif isinstance(given, list) and isinstance(written, list) and len(given) == len(written):
        for index, (one, other) in enumerate(zip(given, written)):
            yield from missing(one, other, f"{path}[{index}]")
    elif given != written:
        yield f"{path}: {given!r} became {written!r}"


def main():
    given = json.load(open(sys.argv[1]))
    written = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(given)))
    problems = list(missing(given, written))
    if problems:
        sys.exit("\n".join(problems))
    panels = [panel for panel in given["panels"] if panel["type"] != "row"]
    print(f"{'grafana':<14} the types of its SDK read the dashboard of {len(panels)} panels and lose nothing")


main()
