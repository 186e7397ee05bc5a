"""What the judge of talk adds to the rules: on a corpus, and on the third that it was trained without.

    python -m benchmarks.talk_judge [--corpus FILE ...] [--judge FILE] [--without 6] [--lists]

A corpus is first repaired by the rules alone, then the judge reads what they leave. ``--judge`` takes a judge of
``benchmarks.fit_talk_judge --without K``, and ``--without K`` measures it on the texts that it has not seen: corpus K
(which the rules of today are fitted to), every third labelled caption, and every third text of which all is seen.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from pathlib import Path

from benchmarks.caption_corpus import Labelled, parse_line, read_corpus, words_of
from benchmarks.talk_examples import (
    LABELS,
    THIRDS,
    WRITTEN,
    lines_of,
    marked_of,
    tagged,
    without_any,
)
from captioner.backends.base import Reply
from captioner.check.judge import Scorer, strip_learned
from captioner.check.judge_net import WEIGHTS, load_judge, scores
from captioner.check.outcome import check_reply


def measure(name: str, corpus: list[Labelled], score: Scorer, *, lists: bool) -> None:
    """Print what is overlooked, lost and changed by the rules alone, and with the judge."""
    counts: Counter[str] = Counter()
    for one in corpus:
        if one.outcome != "ok":
            continue
        reply = Reply(clip_id="c", kind="dense", frames_hash="", text=one.text, finish="stop")
        ruled = check_reply(reply, language=one.language, judge=False)
        by_rules = ruled.text or ""
        judged, gone = by_rules, ()
        if one.language == "en" and ruled.outcome == "ok":
            judged, gone = strip_learned(by_rules, score)
            judged = judged or by_rules
        counts["good"] += 1
        counts["talk"] += bool(one.talk)
        for text, whose in ((by_rules, "rules"), (judged, "judge")):
            lost = [said for said in one.kept if words_of(said) not in words_of(text)]
            left = [said for said in one.talk if said.lower() in text.lower()]
            changed = not one.talk and words_of(text) != words_of(one.text)
            counts[f"lost {whose}"] += bool(lost)
            counts[f"left {whose}"] += bool(left)
            counts[f"changed {whose}"] += changed
            if lists and whose == "judge" and (lost or left or changed):
                print(f"  lost {lost} left {left} gone {gone}: {text!r}")
    clean = counts["good"] - counts["talk"]
    print(
        f"{name}: {counts['good']} captions; talk left in {counts['left rules']} -> {counts['left judge']} of "
        f"{counts['talk']}; lost {counts['lost rules']} -> {counts['lost judge']}; "
        f"changed without need {counts['changed rules']} -> {counts['changed judge']} of {clean}"
    )


def main() -> None:
    """Print one line a corpus."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, nargs="*", default=[])
    parser.add_argument("--judge", type=Path, default=WEIGHTS)
    parser.add_argument("--without", choices=("6", "7", "8"))
    parser.add_argument("--lists", action="store_true", help="print what is behind the figures")
    args = parser.parse_args()
    judge = load_judge(args.judge)

    def score(sentences: list) -> list:
        return scores(judge, sentences)

    for path in args.corpus:
        measure(path.stem, read_corpus(path), score, lists=args.lists)
    if args.without is None:
        return
    third = ("6", "7", "8").index(args.without)
    name = f"vlm_captions_{args.without}"
    measure(name, read_corpus(LABELS / f"{name}.txt"), score, lists=args.lists)
    for letter in WRITTEN:
        captions = marked_of(LABELS / f"talk_captions_{letter}.txt")[third::THIRDS]
        corpus = [parse_line("ok", "en", marked) for marked in captions]
        measure(f"talk_captions_{letter}", corpus, score, lists=args.lists)
    seen = lines_of(LABELS / "seen_sentences.txt")[third::THIRDS]
    clauses = {
        tag: said[third::THIRDS] for tag, said in tagged(LABELS / "seen_clauses.txt").items()
    }
    seen += without_any(clauses, random.Random(0), times=1)
    cut = [(text, gone) for text in seen if (gone := strip_learned(text, score)[1])]
    print(f"all seen: {len(cut)} of {len(seen)} texts cut")
    for text, gone in cut if args.lists else ():
        print(f"  {gone}: {text!r}")


if __name__ == "__main__":
    main()
