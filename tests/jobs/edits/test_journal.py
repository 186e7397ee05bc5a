"""The journal: durable lines, damage, merging, and a kill in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from jobs.core.errors import UserError
from jobs.edits import journal as journal_module
from jobs.edits.command import main
from jobs.edits.journal import Action, Journal, file_stem
from pipeline.store.paths import location
from tests.helpers.object_server import no_faults, object_server

WRITER = """
import sys
from jobs.edits.journal import Journal
journal = Journal(sys.argv[1])
for n in range(100000):
    journal.append("ann", "tag", {"tag": f"t{n}"}, clip_id="c")
    print(n, flush=True)
"""


def test_an_edit_is_read_back_with_all_that_it_says(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    made = journal.append(
        "Ann Böhm", Action.CAPTION, {"kind": "dense", "text": "A “red” dog.\n"},
        clip_id="c1", source_id="s", start_s=1.5, end_s=3.0, why="it is red",
    )  # fmt: skip
    assert Journal(tmp_path).read() == [made]
    assert made.when.endswith("Z") and made.who == "Ann Böhm" and len(made.id) == 16


def test_edits_follow_each_other_in_time_whoever_made_them(tmp_path: Path) -> None:
    """By name first, the later word would count only of the person whose name comes last."""
    first = Journal(tmp_path / "b").append("bob", "tag", {"tag": "x"}, clip_id="c")
    second = Journal(tmp_path / "a").append("ann", "tag", {"tag": "y"}, clip_id="c")
    assert first.when <= second.when
    journal = Journal(tmp_path / "a")
    assert journal.merge(Journal(tmp_path / "b")) == 1
    assert [edit.who for edit in journal.read()] == (
        ["bob", "ann"] if first.when < second.when else ["ann", "bob"]
    )


def test_edits_of_the_same_moment_are_each_taken_over(tmp_path: Path) -> None:
    body = {
        "when": "2026-11-26T10:00:00.000000Z", "action": "tag", "clip_id": "c", "source_id": None,
        "start_s": None, "end_s": None, "value": {"tag": "x"}, "why": "",
    }  # fmt: skip
    for who in ("ann", "bob", "cy"):
        path = tmp_path / who / "edits" / f"{who}.jsonl"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({**body, "who": who}) + "\n")
    journal = Journal(tmp_path / "ann")
    assert [journal.merge(Journal(tmp_path / who)) for who in ("bob", "cy")] == [1, 1]
    assert [edit.who for edit in journal.read()] == ["ann", "bob", "cy"]


def test_an_edit_is_on_the_disk_and_the_name_of_a_new_journal_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a page answered is kept through a power cut, not only through a kill."""
    synced: list[str] = []
    locks: list[int] = []
    fsync, flock = os.fsync, journal_module.fcntl.flock

    def note(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").resolve().name)
        fsync(descriptor)

    def take(handle: Any, how: int) -> None:
        locks.append(how)
        flock(handle, how)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(journal_module.fcntl, "flock", take)
    for _ in range(2):
        Journal(tmp_path).append("ann", "tag", {"tag": "a"}, clip_id="c")
    assert synced == ["ann.jsonl", "edits", "ann.jsonl"]
    assert locks == [journal_module.fcntl.LOCK_EX] * 2, "alone, whoever else appends"


def test_an_edit_that_the_disk_does_not_take_leaves_no_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)
    first = journal.append("ann", "tag", {"tag": "a"}, clip_id="c")
    before = (tmp_path / "edits" / "ann.jsonl").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(os, "fsync", full)
        journal.append("ann", "tag", {"tag": "b"}, clip_id="c")
    assert (tmp_path / "edits" / "ann.jsonl").read_bytes() == before
    assert journal.read() == [first]


@pytest.mark.parametrize("decision", ["keep", "reject", None])
def test_a_decision_can_be_made_and_taken_back(tmp_path: Path, decision: str | None) -> None:
    made = Journal(tmp_path).append("ann", "decision", {"decision": decision}, clip_id="c")
    assert Journal(tmp_path).read() == [made]


def test_times_rise_even_when_the_clock_does_not(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    edits = [journal.append("ann", "tag", {"tag": str(n)}, clip_id="c") for n in range(200)]
    assert [e.when for e in edits] == sorted({e.when for e in edits})
    body = json.loads(edits[0].line()) | {"when": "2999-01-01T00:00:00.000000Z"}
    # the clock was set back since this line was written
    (tmp_path / "edits" / "ann.jsonl").write_text(json.dumps(body) + "\n")
    assert Journal(tmp_path).append("ann", "tag", {"tag": "x"}, clip_id="c").when > body["when"]


def test_half_a_line_of_a_kill_spoils_no_other(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    first = journal.append("ann", "tag", {"tag": "a"}, clip_id="c")
    with (tmp_path / "edits" / "ann.jsonl").open("ab") as file:
        file.write(first.line()[:40])
    second = Journal(tmp_path).append("ann", "tag", {"tag": "b"}, clip_id="c")
    edits, damage = Journal(tmp_path).read_with_damage()
    assert edits == [first, second] and len(damage) == 1 and "line 2" in damage[0]


@pytest.mark.parametrize(
    ("action", "value"),
    [
        ("caption", {"kind": "haiku", "text": "x"}),
        ("caption", {"kind": "dense", "text": " "}),
        ("caption", {"kind": "dense", "text": "x" * 20_001}),
        ("decision", {"decision": "maybe"}),
        ("cut", {"start": 1.5}),
        ("cut", {"start": True}),
        ("tag", {"tag": "<b>"}),
        ("tag", {"tag": ""}),
        ("verdict", {"kind": "dense", "right": "yes"}),
        ("undo", {}),
    ],
)
def test_what_makes_no_sense_is_refused_and_not_written(
    tmp_path: Path, action: str, value: dict[str, object]
) -> None:
    with pytest.raises(UserError):
        Journal(tmp_path).append("ann", action, value, clip_id="c")
    assert Journal(tmp_path).read() == []


def test_names_make_files_inside_the_folder_and_never_share_one() -> None:
    names = [
        "ann",
        "Ann",
        "../../etc/passwd",
        "a/b",
        "a b",
        "日本",
        "日本語",
        ".",
        "x" * 90,
        "x" * 91,
    ]
    stems = [file_stem(name) for name in names]
    assert len({stem.lower() for stem in stems}) == len(names)
    assert all("/" not in stem and not stem.startswith(".") for stem in stems)
    for bad in ("", "  ", "a\nb", "x" * 101):
        with pytest.raises(UserError, match="name"):
            file_stem(bad)


def test_two_peoples_journals_merge_once(tmp_path: Path) -> None:
    one, two = Journal(tmp_path / "one"), Journal(tmp_path / "two")
    a = one.append("ann", "decision", {"decision": "keep"}, clip_id="c")
    b = two.append("bob", "decision", {"decision": "reject"}, clip_id="c")
    assert one.merge(two) == 1 and one.merge(two) == 0
    assert two.merge(one) == 1 and one.read() == two.read() == [a, b]


def test_no_edit_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    said = -1
    for round_ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE
        )
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(0.05 * (round_ + 1))
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.communicate()[0]
        answered = [int(n) for n in (first + rest).splitlines() if n.isdigit()]
        tags = [edit.value["tag"] for edit in Journal(tmp_path).read()]
        said += len(answered)
        assert len(tags) >= said and tags.count("t0") == round_ + 1
    # every edit that was answered is there
    assert f"t{max(answered)}" in tags


def test_a_journal_in_an_object_store(monkeypatch: pytest.MonkeyPatch) -> None:
    with object_server("sets") as server, no_faults(server, monkeypatch):
        journal = Journal(location("s3://sets/journal"))
        edits = [journal.append("ann", "tag", {"tag": str(n)}, clip_id="c") for n in range(3)]
        assert Journal(location("s3://sets/journal")).read() == edits


def test_the_command_lists_merges_and_takes_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    made = Journal(one).append("ann", "decision", {"decision": "keep"}, clip_id="c", why="nice")
    Journal(two).append("bob", "decision", {"decision": "reject"}, clip_id="c")
    assert main([str(one), "--merge", str(two)]) == 0
    said = capsys.readouterr()
    assert (
        "1 edits of" in said.out
        and "decision keep (nice)" in said.out
        and "two people differ" in said.err
    )
    assert main([str(one), "--undo", made.id[:8], "--json"]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[1])
    assert first["undone"] and first["id"] == made.id
    with pytest.raises(UserError, match="0 edits have an id"):
        main([str(one), "--undo", "zzz"])
    with pytest.raises(UserError, match="no edits"):
        main([str(one), "--merge", str(tmp_path)])
