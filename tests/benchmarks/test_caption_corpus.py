"""The corpus of hand-labelled captions stays as the checks treat it: nothing lost, nothing good thrown away."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.caption_checks import LABELS
from benchmarks.caption_corpus import measure, parse_line, read_corpus

CORPORA = sorted(LABELS.glob("vlm_captions*.txt"))
OVERLOOKED = {"vlm_captions_8": 0.08} | {
    f"vlm_captions_{number}": share
    for number, share in ((9, 0.46), (10, 0.6), (11, 0.6), (12, 0.65))
}
"""Share of the talk that may be overlooked by the rules alone, where it is more than a twentieth. No rule was made for
what they overlook from the ninth corpus on."""
TOUCHED = dict.fromkeys(("vlm_captions_10", "vlm_captions_11", "vlm_captions_12"), 0.07)
"""Share of captions without talk that may lose words ("The shot is", the numbers of a list), where it is more."""


def test_there_are_as_many_captions_as_the_docs_say() -> None:
    good = [one for path in CORPORA for one in read_corpus(path) if one.outcome == "ok"]
    assert len(good) >= 1200
    assert sum(bool(one.talk) for one in good) >= 650


@pytest.mark.parametrize("path", CORPORA, ids=lambda path: path.stem)
def test_whole_captions_are_kept_and_talk_is_found(path: Path) -> None:
    corpus = read_corpus(path)
    tally = measure(corpus)
    assert {one.language for one in corpus} >= {"en", "de"}
    assert tally.lost == [], (
        "styles, shot sizes, cameras and subjects are what a video model learns"
    )
    assert len(tally.rejected) <= 0.01 * tally.good, tally.rejected
    assert len(tally.overlooked) <= OVERLOOKED.get(path.stem, 0.05) * tally.talk, tally.overlooked
    assert len(tally.touched) <= TOUCHED.get(path.stem, 0.02) * (tally.good - tally.talk), (
        tally.touched
    )
    assert len(tally.passed) <= 1, tally.passed


@pytest.mark.slow
@pytest.mark.parametrize("path", CORPORA, ids=lambda path: path.stem)
def test_the_judge_finds_what_the_rules_leave_and_loses_little(path: Path) -> None:
    tally = measure(read_corpus(path), judge=True)
    assert len(tally.overlooked) <= 0.12 * tally.talk, tally.overlooked
    assert len(tally.lost) <= 0.02 * tally.good, tally.lost
    assert len(tally.rejected) <= 0.01 * tally.good, tally.rejected
    assert len(tally.passed) <= 1, tally.passed


def test_marks_are_read() -> None:
    one = parse_line(
        "ok", "en", "[[The video shows]] {a man [[in the video]] with} a hat. {Wide shot}."
    )
    assert one.text == "The video shows a man in the video with a hat. Wide shot."
    assert one.kept == ("a man with", "Wide shot")
    assert one.talk == ("The video shows a man in th", "in the video with a hat.")


def test_faults_of_a_corpus_are_told_apart() -> None:
    """A measure that cannot see a loss would prove nothing."""
    lost = measure([parse_line("ok", "en", "[[The video shows]] {a blue} man. {Nothing of this}")])
    assert lost.lost == [] and lost.overlooked == []
    wrong = [
        parse_line("ok", "en", "I'm sorry, but I can't help with {that request}."),
        parse_line("ok", "en", "A man [[beside a house]] sits and {reads a book}."),
        parse_line("refused", "en", "A man reads a book."),
    ]
    tally = measure(wrong)
    assert (len(tally.rejected), len(tally.overlooked), len(tally.passed)) == (1, 1, 1)
    gone = measure([parse_line("ok", "en", "{The video shows} a man in a hat.")])
    assert len(gone.lost) == 1 and len(gone.touched) == 1


def test_a_line_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("# remark\nok en A dog.\nbroken\n")
    with pytest.raises(ValueError, match=r"c\.txt:3: needs an outcome"):
        read_corpus(tmp_path / "c.txt")
