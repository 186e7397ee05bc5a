"""Select against the same rules written out clip by clip, in plain Python, on random manifests with gaps and ties."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import BalanceConfig, BestConfig, SelectConfig
from pipeline.select.select import select_clips
from pipeline.tables import manifest_schema

LEVEL = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
SCORE = st.none() | LEVEL
CLIP = st.fixed_dictionaries(
    {
        "motion_mean": SCORE,
        "luma_mean": SCORE,
        "aesthetic": SCORE,
        "concept_text": SCORE,
        "concept_people": SCORE,
        "width": st.sampled_from([320, 640]),
        "video_xxh3": st.sampled_from(["x", "y", "z"]) | st.none(),
        "error": st.sampled_from([None, None, None, "decode: cut short"]),
    }
)
CONCEPTS = ("text", "people")
WHERE = {"static": ("motion_mean", 0.25), "dark": ("luma_mean", 0.5)}


def decide(clips: list[dict[str, Any]], share: float, cap: int, least: float) -> list[list[str]]:
    """Reasons of every clip in the order of the rules; clips are in the order of their ids."""
    reasons: list[list[str]] = [[] for _ in clips]
    failed = [clip["error"] is not None for clip in clips]
    error, gone = list(failed), [False] * len(clips)

    def reject(i: int, reason: str) -> None:
        reasons[i].append(reason)
        gone[i] = True

    def unmeasured(i: int, reason: str, values: list[Any]) -> bool:
        if failed[i] or None not in values:
            return False
        reasons[i].append("unmeasured:" + reason)
        error[i] = True
        return True

    for i in range(len(clips)):
        if failed[i]:
            reasons[i].append("failed:decode")
    for reason, (name, over) in WHERE.items():
        for i, clip in enumerate(clips):
            if not unmeasured(i, reason, [clip[name]]) and not failed[i] and clip[name] < over:
                reject(i, reason)
    for i, clip in enumerate(clips):
        unmeasured(i, "finest", [clip["aesthetic"]])
        unmeasured(i, "even", [clip[f"concept_{name}"] for name in CONCEPTS])

    there = [i for i in range(len(clips)) if not error[i] and not gone[i]]
    seen = set()
    for i in sorted(there, key=lambda i: (-clips[i]["width"], i)):
        video = clips[i]["video_xxh3"]
        if video in seen:
            reject(i, "duplicate_exact")
        elif video is not None:
            seen.add(video)

    there = sorted((i for i in there if not gone[i]), key=lambda i: (-clips[i]["aesthetic"], i))
    best = there[: math.ceil(share * len(there) - 1e-9)]
    cut = min((clips[i]["aesthetic"] for i in best), default=None)
    for i, clip in enumerate(clips):
        below = cut is not None and not error[i] and clip["aesthetic"] < cut
        if below or i in there[len(best) :]:
            reject(i, "finest")

    counts = [0, 0]
    for i in sorted(best, key=lambda i: (-clips[i]["motion_mean"], i)):
        scores = [clips[i][f"concept_{name}"] for name in CONCEPTS]
        group = scores.index(max(scores))
        if scores[group] >= least:
            counts[group] += 1
            if counts[group] > cap:
                reject(i, "even")
    return [
        ["error" if error[i] else "reject" if gone[i] else "keep", *reasons[i]]
        for i in range(len(clips))
    ]


@settings(max_examples=10, deadline=None)
@given(
    clips=st.lists(CLIP, min_size=10, max_size=40),
    share=st.sampled_from([0.1, 0.34, 0.5, 1.0]),
    cap=st.integers(1, 3),
    least=LEVEL,
    seed=st.randoms(use_true_random=False),
)
def test_every_decision_and_reason_is_that_of_the_rules_one_by_one(
    clips: list[dict[str, Any]], share: float, cap: int, least: float, seed: Any
) -> None:
    config = SelectConfig(
        where={reason: f"{name} >= {over}" for reason, (name, over) in WHERE.items()},
        dedup_phash=False,
        dedup_keep=("width",),
        best={"finest": BestConfig(by="aesthetic", keep=share)},
        balance={
            "even": BalanceConfig(concepts=CONCEPTS, cap=cap, least=least, prefer="motion_mean")
        },
    )
    kind = manifest_schema(CONCEPTS)
    rows = [
        dict.fromkeys(kind.names) | {"start_s": 0.0, "end_s": 1.0, "clip_id": f"c{i:02d}"} | clip
        for i, clip in enumerate(clips)
    ]
    expected = decide(clips, share, cap, least)
    seed.shuffle(rows)
    selection = select_clips(pa.Table.from_pylist(rows, schema=kind), config)
    found = selection.table.to_pylist()
    assert [[row["decision"], *row["reasons"]] for row in found] == expected
    assert selection.kept == sum(row[0] == "keep" for row in expected)
    for row in found:
        if row["duplicate_of"] is not None:
            keeper, mine = (clips[int(row[key][1:])] for key in ("duplicate_of", "clip_id"))
            assert keeper["video_xxh3"] == mine["video_xxh3"] and keeper["width"] >= mine["width"]
