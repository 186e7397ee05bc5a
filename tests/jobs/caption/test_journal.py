"""The journal of a block: whole lines survive, half ones do not, and it is found again by what it asks."""

from __future__ import annotations

from pathlib import Path

from jobs.caption.journal import Journal, left_over, read_journal

ASKED = [("a", "short"), ("b", "short,dense")]


def test_answers_are_there_at_once_and_for_the_next_worker_of_the_block(tmp_path: Path) -> None:
    journal = Journal(tmp_path, ASKED)
    journal.add({"clip_id": "a", "text": "line one\nline two \u00e9"})
    assert [row["clip_id"] for row in read_journal(journal.path)] == ["a"]
    with journal.path.open("ab") as file:
        file.write(b'{"clip_id": "b", "te')  # killed here
    again = Journal(tmp_path, reversed(ASKED))
    assert again.path == journal.path
    assert list(again.rows()) == [{"clip_id": "a", "text": "line one\nline two \u00e9"}]
    again.add({"clip_id": "b"})
    assert [row["clip_id"] for row in read_journal(again.path)] == ["a", "b"]
    assert left_over(tmp_path) == [again.path]
    assert Journal(tmp_path, ASKED[:1]).path != journal.path
    again.remove()
    assert again.path not in left_over(tmp_path)


def test_no_journal_and_an_empty_one_hold_nothing(tmp_path: Path) -> None:
    assert list(read_journal(tmp_path / "none.jsonl")) == []
    (tmp_path / "cut.jsonl").write_bytes(b'{"clip_id"')
    assert list(read_journal(tmp_path / "cut.jsonl")) == []
