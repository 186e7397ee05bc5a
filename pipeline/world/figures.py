"""Figures of many verdicts of the strict judge, and the table that sets them beside those of the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.world.claims import Claims
from pipeline.world.intervals import wilson
from pipeline.world.strict import FRAME_FAULTS, MARKS, Verdict

OBJECT_MARKS = ("colour", "shape", "motion")
WORDS = {
    "right": "videos right in all",
    "every_frame": "videos right in every frame",
    "every_frame_bouncing": "  of those with a bounce",
    "frames_right": "frames right",
    "missing": "frames: object missing",
    "shape_wrong": "frames: wrong shape",
    "size_wrong": "frames: size off",
    "intruder": "frames: intruder",
    "double": "frames: double",
    "ghost": "frames: ghost",
    "ground_frames": "frames: ground right",
    "identity_changes": "shape changes a video",
    "jumps": "jumps a video",
    "motion_right": "motion right",
    "speed_right": "speed right",
    "start_right": "start right",
    "size_right": "size right",
    "camera_right": "camera right",
    "ground_right": "ground right",
    "light_right": "light right",
    "steady_right": "no flicker",
}
"""Figure -> its words in the table; shares in per cent, but for those counted a video."""
PER_VIDEO = ("identity_changes", "jumps")
FAULT_KEYS = {"shape": "shape_wrong", "size": "size_wrong"}


def figures(verdicts: Sequence[Verdict], claims: Sequence[Claims]) -> dict[str, float]:
    """Shares in [0, 1] and counts a video, by the names of ``WORDS``; what no video claims is missing.

    ``colour``, ``shape`` and ``motion`` are shares of claimed objects that are right throughout their video.
    """
    frames = np.concatenate([verdict.right_frames for verdict in verdicts])
    bouncing = [
        verdict.every_frame
        for verdict, claim in zip(verdicts, claims, strict=True)
        if any((o.motion or "").startswith("bounce") for o in claim.objects)
    ]
    out: dict[str, float] = {
        "videos": len(verdicts),
        "right": float(np.mean([verdict.right for verdict in verdicts])),
        "every_frame": float(np.mean([verdict.every_frame for verdict in verdicts])),
        "frames_right": float(frames.mean()),
        "ground_frames": float(np.concatenate([v.ground_frames for v in verdicts]).mean()),
        "identity_changes": float(np.mean([verdict.identity_changes for verdict in verdicts])),
        "jumps": float(np.mean([verdict.jumps for verdict in verdicts])),
    }
    if bouncing:
        out["every_frame_bouncing"] = float(np.mean(bouncing))
    for fault in FRAME_FAULTS:
        share = np.concatenate([verdict.faults[fault] for verdict in verdicts]).mean()
        out[FAULT_KEYS.get(fault, fault)] = float(share)
    for mark in MARKS:
        if marked := [verdict.marks[mark] for verdict in verdicts if mark in verdict.marks]:
            out[f"{mark}_right"] = float(np.mean(marked))
    objects = [found for verdict in verdicts for found in verdict.objects]
    for mark in OBJECT_MARKS:
        if marked := [found[mark] for found in objects if mark in found]:
            out[mark] = float(np.mean(marked))
    return out


def table(columns: Mapping[str, Mapping[str, float]]) -> str:
    """One line for each figure, one column for each kind of video; the share of right videos with its 95 % interval."""
    lines = [f"{'%':<28}" + "".join(f"{name:>22}" for name in columns)]
    for key, words in WORDS.items():
        cells = [_cell(key, found) for found in columns.values()]
        if any(cell != "-" for cell in cells):
            lines.append(f"{words:<28}" + "".join(f"{cell:>22}" for cell in cells))
    return "\n".join(lines)


def _cell(key: str, found: Mapping[str, float]) -> str:
    if key not in found:
        return "-"
    if key in PER_VIDEO:
        return f"{found[key]:.2f}"
    if key in ("right", "every_frame"):
        low, high = wilson(found[key] * found["videos"], int(found["videos"]))
        return f"{100 * found[key]:.1f} ({100 * low:.0f} to {100 * high:.0f})"
    return f"{100 * found[key]:.1f}"
