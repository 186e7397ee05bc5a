"""What the judge of talk adds to the rules, on corpora of labelled captions that it was not trained on.

    python -m benchmarks.talk_judge --corpus FILE ... [--judge FOLDER] [--lists]

A reply is first repaired by the rules alone, then the judge reads what they leave. A caption counts as clean when no
piece of its talk is left. English captions only, for the judge reads no others.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from functools import partial
from pathlib import Path

from benchmarks.caption_corpus import Labelled, read_corpus, words_of
from captioner.backends.base import Reply
from captioner.check.judge import Scorer, scored, strip_learned
from captioner.check.judge_net import FOLDER, load_judge
from captioner.check.outcome import check_reply


def measure(name: str, corpus: list[Labelled], score: Scorer, *, lists: bool) -> None:
    """Print what is left, lost and changed by the rules alone, and with the judge."""
    counts: Counter[str] = Counter()
    spent = 0.0
    for one in corpus:
        if one.outcome != "ok" or one.language != "en":
            continue
        reply = Reply(clip_id="c", kind="dense", frames_hash="", text=one.text, finish="stop")
        ruled = check_reply(reply, language=one.language, judge=False)
        by_rules = ruled.text or ""
        judged, gone = by_rules, ()
        if ruled.outcome == "ok":
            started = time.perf_counter()
            judged, gone = strip_learned(by_rules, score)
            spent += time.perf_counter() - started
            judged = judged or by_rules
        counts["good"] += 1
        counts["talk"] += bool(one.talk)
        counts["pieces"] += len(one.talk)
        for text, whose in ((by_rules, "rules"), (judged, "judge")):
            lost = [said for said in one.kept if words_of(said) not in words_of(text)]
            left = [said for said in one.talk if said.lower() in text.lower()]
            changed = not one.talk and words_of(text) != words_of(one.text)
            counts[f"lost {whose}"] += bool(lost)
            counts[f"left {whose}"] += bool(left)
            counts[f"pieces left {whose}"] += len(left)
            counts[f"changed {whose}"] += changed
            if lists and whose == "judge" and (lost or left or changed):
                print(f"  lost {lost} left {left} gone {gone}: {text!r}")
    clean = counts["good"] - counts["talk"]
    print(f"{name}: {counts['good']} English captions, {clean} of them without talk")
    for whose in ("rules", "judge"):
        whole = counts["talk"] - counts[f"left {whose}"]
        pieces = counts["pieces"] - counts[f"pieces left {whose}"]
        print(
            f"  {'rules alone' if whose == 'rules' else 'with the judge'}: all talk found in {whole} of "
            f"{counts['talk']} ({whole / max(1, counts['talk']):.1%}), pieces {pieces} of {counts['pieces']} "
            f"({pieces / max(1, counts['pieces']):.1%}); lost {counts[f'lost {whose}']}, "
            f"changed without need {counts[f'changed {whose}']} of {clean}"
        )
    print(f"  {spent / max(1, counts['good']) * 1000:.0f} ms a caption for the judge")


def main() -> None:
    """Print the figures of each corpus."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, nargs="+", required=True)
    parser.add_argument("--judge", type=Path, default=FOLDER, help="folder of a trained judge")
    parser.add_argument("--lists", action="store_true", help="print what is behind the figures")
    args = parser.parse_args()
    score = partial(scored, judge=load_judge(args.judge))
    for path in args.corpus:
        measure(path.stem, read_corpus(path), score, lists=args.lists)


if __name__ == "__main__":
    main()
