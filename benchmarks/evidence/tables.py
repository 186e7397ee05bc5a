"""Tables and plots of arms with several seeds: means, 95 % intervals, paired differences, a dot for every seed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from pipeline.store.atomic import write_bytes

T95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}
"""Student's t for a two-sided 95 % interval, by degrees of freedom."""
WORDS = {
    "colour": "colour",
    "shape": "shape",
    "every_frame": "object right",
    "right": "all right",
    "ground_right": "ground",
    "cut_off": "cut off",
    "held_out": "held-out loss",
    "motion": "motion",
    "frames_right": "frames right",
}
COLOURS = ("#1565c0", "#c62828", "#2e7d32", "#6a1b9a", "#ef6c00")
Found = Mapping[str, float]
Arms = Mapping[str, Sequence[Found]]
"""Name of an arm -> what each seed found."""


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half the width of its 95 % interval (Student's t over the seeds); NaN for a single seed."""
    n = len(values)
    if n < 2:
        return float(np.mean(values)), float("nan")
    return float(np.mean(values)), T95[min(n - 1, 9)] * float(np.std(values, ddof=1)) / n**0.5


def cell(key: str, values: Sequence[float]) -> str:
    """Mean and interval: losses as they are, all else in per cent."""
    mean, half = interval(values)
    loss = key == "held_out"
    text = f"{mean:.3f}" if loss else f"{100 * mean:.1f}"
    return (
        text if np.isnan(half) else f"{text} ± {half:.3f}" if loss else f"{text} ± {100 * half:.1f}"
    )


def table(arms: Arms, keys: Sequence[str]) -> str:
    """A line for each arm, a column for each figure."""
    wide = max(map(len, arms)) + 2
    lines = [" " * wide + "".join(f"{WORDS[key]:>18}" for key in keys)]
    for name, found in arms.items():
        cells = [
            cell(key, [each[key] for each in found]) if all(key in e for e in found) else "-"
            for key in keys
        ]
        lines.append(f"{name:<{wide}}" + "".join(f"{each:>18}" for each in cells))
    return "\n".join(lines)


def difference(arms: Arms, one: str, other: str, key: str) -> str:
    """A sentence: by how much ``one`` is above ``other``, seed by seed, and whether chance alone could do it."""
    pairs = zip(arms[one], arms[other], strict=True)
    apart = [100 * (a[key] - b[key]) for a, b in pairs]
    mean, half = interval(apart)
    sure = "one seed, no interval" if np.isnan(half) else (
        "clear of chance" if abs(mean) > half else "within chance"
    )  # fmt: skip
    return f"{one} over {other}, {WORDS[key]}: {mean:+.1f} ± {half:.1f} points ({sure})"


def dots(title: str, arms: Arms, keys: Sequence[str]) -> str:
    """SVG: a row for each arm, a colour for each figure, a dot for every seed, a bar at the mean; axis 0 to 100 %."""
    left, right, step, top = 210, 620, 34, 54
    height = top + step * len(arms) + 34
    low = top + step * len(arms)

    def x(share: float) -> float:
        return left + share * (right - left)

    parts = head(title, right + 30, height)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(f'<path d="M{x(share):.0f} {top - 8} V{low}" stroke="#eceff1"/>')
        parts.append(text(x(share), low + 18, f"{share:.0%}", anchor="middle", fill="#607d8b"))
    for i, key in enumerate(keys):
        parts.append(text(left + 110 * i, 40, f"● {WORDS[key]}", fill=COLOURS[i]))
    for row, (name, found) in enumerate(arms.items()):
        y = top + step * row + step / 2
        parts.append(text(left - 12, y + 4, name, anchor="end"))
        for i, key in enumerate(keys):
            values = [each[key] for each in found if key in each]
            at = y + 8 * (i - (len(keys) - 1) / 2)
            for value in values:
                parts.append(
                    f'<circle cx="{x(value):.1f}" cy="{at:.1f}" r="3.5" fill="{COLOURS[i]}" opacity=".55"/>'
                )
            if values:
                mean = x(float(np.mean(values)))
                parts.append(
                    f'<path d="M{mean:.1f} {at - 5:.1f} v10" stroke="{COLOURS[i]}" stroke-width="2"/>'
                )
    return "\n".join([*parts, "</svg>"]) + "\n"


def falling(title: str, losses: Mapping[int, Sequence[float]], law: Sequence[float]) -> str:
    """SVG: held-out loss by steps, both on log axes, a dot for every seed, and the power law's line, dashed."""
    left, right, top, low = 70, 520, 50, 260
    steps = sorted(losses)
    every = [value for values in losses.values() for value in values]
    a, b, floor = law
    span = np.log(steps[0]), np.log(steps[-1])
    bounds = np.log(min(every) * 0.93), np.log(max(every) * 1.07)

    def at(step: float, loss: float) -> tuple[float, float]:
        x = left + (np.log(step) - span[0]) / (span[1] - span[0]) * (right - left)
        y = low - (np.log(loss) - bounds[0]) / (bounds[1] - bounds[0]) * (low - top)
        return float(x), float(y)

    parts = head(title, right + 40, low + 50)
    for step in steps:
        x = at(step, every[0])[0]
        parts.append(f'<path d="M{x:.0f} {top} V{low}" stroke="#eceff1"/>')
        parts.append(text(x, low + 18, str(step), anchor="middle", fill="#607d8b"))
    parts.append(text((left + right) / 2, low + 38, "steps", anchor="middle"))
    for loss in np.round(np.geomspace(min(every), max(every), 4), 2):
        parts.append(
            text(left - 10, at(steps[0], loss)[1] + 4, f"{loss:g}", anchor="end", fill="#607d8b")
        )
    line = [at(step, floor + a * step**-b) for step in np.geomspace(steps[0], steps[-1], 40)]
    path = " L".join(f"{x:.1f} {y:.1f}" for x, y in line)
    parts.append(f'<path d="M{path}" fill="none" stroke="#607d8b" stroke-dasharray="5 4"/>')
    for step, values in losses.items():
        for value in values:
            x, y = at(step, value)
            parts.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{COLOURS[0]}" opacity=".6"/>'
            )
    return "\n".join([*parts, "</svg>"]) + "\n"


def head(title: str, width: float, height: float) -> list[str]:
    """The first lines of an SVG on white, with a title that screen readers read, too."""
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" font-family="Helvetica, Arial, sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width:.0f}" height="{height:.0f}" rx="8" fill="#ffffff"/>',
        text(16, 20, title),
    ]


def text(x: float, y: float, words: str, *, anchor: str = "start", fill: str = "#263238") -> str:
    """A line of text."""
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="{fill}">{escape(words)}</text>'
    )


def keep(
    scratch: Path, name: str, printed: str, svg: str, arms: Mapping[str, Sequence[Found]]
) -> None:
    """Print the table; write it, its figures and its plot into the scratch folder."""
    print(printed, flush=True)
    write_bytes(scratch / f"{name}.txt", (printed + "\n").encode())
    write_bytes(scratch / f"{name}.svg", svg.encode())
    write_bytes(
        scratch / f"{name}.json", (json.dumps(dict(arms), indent=1, default=list) + "\n").encode()
    )
    print(f"look at {scratch / name}.svg", flush=True)
