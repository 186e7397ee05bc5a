"""Precision and recall of the defect detectors on templates that were not used to write them.

    python -m benchmarks.caption_checks [--split heldout|dev] [--lists] [--corpus FILE] [--rules]

Each template is filled with several subjects, actions and places. A detector is right when the defect is among a
reply's ``checks``; false alarms are counted on true captions, innocents that resemble defects and captions of the
synthetic world, and on replies with another defect. ``truncated`` is judged without a finish reason, from the text
alone. Below the table: what repair and refusal make of whole captions (``benchmarks.caption_corpus``).
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.caption_corpus import measure, read_corpus, report
from captioner.check.checks import judge_reply

LABELS = Path(__file__).with_name("labels")
DEFECTS = (
    "refused",
    "boilerplate",
    "looped",
    "off_language",
    "malformed",
    "truncated",
)
RELATED = {frozenset({"looped", "truncated"}), frozenset({"boilerplate", "malformed"})}
"""Pairs of which one reply may well have both: neither is a false alarm beside the other."""


def texts(entry: Any, words: dict[str, list[str]]) -> list[str]:
    """An entry's text with every filling, or once when it has no slot."""
    if isinstance(entry, list):
        before, repeated, times, after = entry
        entry = before + repeated * times + after
    if not any("{" + slot + "}" in entry for slot in "sap"):
        return [entry]
    filled = []
    for i in range(4):
        text = entry
        for step, slot in enumerate("sap"):
            text = text.replace("{" + slot + "}", words[slot][(i * (step + 1) + step) % 4])
        filled.append(text[:1].upper() + text[1:])
    return filled


def world_captions(count: int) -> list[str]:
    """True captions of the synthetic world."""
    from pipeline.world.captions import caption
    from pipeline.world.scene import random_scene

    return [
        caption(random_scene(seed), kind) for seed in range(count) for kind in ("short", "dense")
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--split", choices=("heldout", "dev"), default="heldout")
    parser.add_argument(
        "--lists", action="store_true", help="print what was missed or flagged wrongly"
    )
    parser.add_argument("--corpus", type=Path, default=LABELS / "vlm_captions.txt")
    parser.add_argument("--rules", action="store_true", help="the corpus without the learned judge")
    args = parser.parse_args()
    data = json.loads((LABELS / f"caption_defects_{args.split}.json").read_text())
    replies = [
        (defect, text)
        for defect in (*DEFECTS, "clean")
        for entry in data[defect]
        for text in texts(entry, data)
    ]
    world = world_captions(300)
    replies += [("clean", text) for text in world]
    hit, total, false, false_clean = Counter(), Counter(), Counter(), Counter()
    untouched = Counter()
    for truth, text in replies:
        # What servers say of a reply that ended by itself; only a cut one comes without a reason here.
        found = set(judge_reply(text, finish=None if truth == "truncated" else "stop").checks)
        total[truth] += 1
        hit[truth] += truth in found
        untouched[truth] += not found
        for other in found - {truth}:
            if frozenset({truth, other}) in RELATED:
                continue
            false[other] += 1
            false_clean[other] += truth == "clean"
            if args.lists:
                print(f"  wrongly {other} ({truth}): {text[:150]!r}")
        if args.lists and truth != "clean" and truth not in found:
            print(f"  missed {truth} (said {sorted(found)}): {text[:150]!r}")
    print(f"{args.split}: {len(replies) - len(world)} texts and {len(world)} world captions")
    print(f"{'defect':14} {'texts':>6} {'recall':>7} {'precision':>10} {'F1':>6} {'on clean':>9}")
    for defect in DEFECTS:
        recall = hit[defect] / total[defect]
        precision = hit[defect] / max(1, hit[defect] + false[defect])
        f1 = 2 * precision * recall / max(1e-9, precision + recall)
        print(
            f"{defect:14} {total[defect]:6} {recall:7.3f} {precision:10.3f} {f1:6.3f} {false_clean[defect]:9}"
        )
    flagged = total["clean"] - untouched["clean"]
    tricky = total["clean"] - len(world)
    print(
        f"clean: {flagged} of {total['clean']} flagged ({tricky} innocents that resemble defects)"
    )
    corpus = read_corpus(args.corpus)
    report(measure(corpus, judge=not args.rules), lists=args.lists)


if __name__ == "__main__":
    main()
