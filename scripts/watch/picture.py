"""Picture of a demonstration: what models were worth, period by period."""
import html
import math

STYLE = (
    "text{fill:#555}.grid{stroke:#8884;fill:none}polyline{fill:none;stroke-width:2}"
    ".first{stroke:#c33;stroke-dasharray:5 4}.production{stroke:#27b}.other{stroke:#777;stroke-dasharray:2 3}"
    ".ring{stroke:#27b;fill:#fff;stroke-width:1.5}.drift{stroke:#c80;stroke-width:2}"
    "@media (prefers-color-scheme:dark){text{fill:#bbb}.ring{fill:#222}}"
)


def picture(table: list, title: str, other: "tuple | None" = None, per_year: int = 1) -> str:
    """SVG of the first model and production by period; a ring marks a promotion, a tick a period in which drift was seen.

    `other` is key and name of a third line. Of every `per_year` periods at most one has its name below.
    """
    width, height, left, top = 720, 320, 64, 40
    kinds = {"first": "first", "production": "production", **({other[0]: "other"} if other else {})}
    values = [row[key] for row in table for key in kinds if row[key] is not None]
    step = next(step for power in range(-4, 9) for step in (10.0**power, 2 * 10.0**power, 5 * 10.0**power)
                if (max(values) - min(values)) / step < 6)
    low, high = min(values) // step * step, (max(values) // step + 1) * step
    x = lambda at: left + (width - left - 24) * at / (len(table) - 1)
    y = lambda value: top + (height - top - 64) * (high - value) / (high - low)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f"<style>{STYLE}</style>",
        f'<text x="{left}" y="18">{html.escape(title)}</text>',
    ]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    for at in range(round((high - low) / step) + 1):
        value = low + step * at
        out.append(f'<path class="grid" d="M{left} {y(value):.1f}H{width - 24}"/>')
        out.append(f'<text x="{left - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.{digits}f}</text>')
    every = -(-len(table) // (12 * per_year)) * per_year
    for at, row in enumerate(table):
        if at % every == 0:
            name = row["measured_on"].split(".")[0]
            out.append(f'<text x="{x(at):.1f}" y="{height - 30}" text-anchor="middle">{name}</text>')
        if row["drift"]:
            out.append(f'<path class="drift" d="M{x(at):.1f} {height - 58}v8"/>')
    for key, kind in kinds.items():
        points = " ".join(f"{x(at):.1f},{y(row[key]):.1f}" for at, row in enumerate(table) if row[key] is not None)
        out.append(f'<polyline class="{kind}" points="{points}"/>')
    for at, row in enumerate(table):
        if row["promoted"]:
            out.append(f'<circle class="ring" cx="{x(at):.1f}" cy="{y(row["production"]):.1f}" r="4">'
                       f'<title>version {row["version"]} promoted</title></circle>')
    third = f"dotted: {other[1]}; " if other else ""
    out.append(f'<text x="{left}" y="{height - 8}">dashed: the first model; solid: production; {third}ring: promoted; '
               "tick: drift seen</text>")
    return "\n".join([*out, "</svg>\n"])
