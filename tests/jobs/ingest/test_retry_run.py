"""What ``filmstock retry`` hands to ingest, counts and says, with ingest put aside: every failure, number and word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.core.errors import EXIT_OK, EXIT_PARTIAL, UserError
from jobs.core.recipe import load_recipe
from jobs.ingest import command as ingest
from jobs.ingest import retry
from jobs.ingest.ledger import Ledger
from tests.jobs.ingest.test_retry import record, run_with

RECIPE = "[ingest]\ndeadline_s = 70\nmin_clip_s = 1.25\n"


def left(folder: Path) -> Ledger:
    """A ledger with four failures of three ways, one of which two have, and one source that is done."""
    return run_with(
        folder,
        ("/raw/c", "cut", "timeout"),
        ("/raw/a", "decode", "timeout"),
        ("/raw/b", "decode", "timeout"),
        ("/raw/d", "decode", "invalid_data"),
        recipe=RECIPE,
    )


def given(monkeypatch: pytest.MonkeyPatch, end: Callable[[str], None]) -> list[Any]:
    """Everything that ingest is called with; ``end`` says what becomes of each source."""
    calls: list[Any] = []

    def run_files(config: Any, clip: Any, found: Any, out: Any, again: bool) -> None:
        sources = list(found)
        calls.append((config, clip, sources, out, again))
        for _, _, uri in sources:
            end(uri)

    monkeypatch.setattr(ingest, "run_files", run_files)
    return calls


def test_ingest_is_given_the_sources_in_order_and_the_run_s_own_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Other settings would cut the same films into other clips beside those that are there."""
    ledger = left(tmp_path)
    calls = given(monkeypatch, lambda uri: ledger.write(record(uri)))
    words = [str(tmp_path), "--only", "timeout", "--set", "ingest.memory_bytes=8589934592"]
    assert retry.main(words) == EXIT_OK
    ((config, clip, sources, out, again),) = calls
    assert [uri for _, _, uri in sources] == ["/raw/a", "/raw/b", "/raw/c"]
    assert [key for _, key, _ in sources] == [n.to_bytes(8, "big") for n in range(3)]
    assert {pool for pool, _, _ in sources} == {0} and (out, again) == (tmp_path, True)
    assert (config.deadline_s, config.min_clip_s, config.memory_bytes) == (70, 1.25, 8 << 30)
    assert clip == load_recipe(tmp_path / "recipe.toml", {}).openclip
    assert capsys.readouterr().out.splitlines() == [
        "retry: 3 sources back to ingest: 2 decode/timeout, 1 cut/timeout",
        "retry: 3 done now, 0 still quarantined",
    ]


def test_what_fails_again_is_counted_by_how_it_fails_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A source whose record is gone is neither: it was forgotten meanwhile."""
    ledger = left(tmp_path)

    def end(uri: str) -> None:
        if uri == "/raw/b":
            ledger.write(record(uri, "open", "unreadable"))
        elif uri == "/raw/c":
            ledger.write(record(uri))

    given(monkeypatch, end)
    (tmp_path / "selection.parquet").touch()
    assert retry.main([str(tmp_path), "--only", "timeout"]) == EXIT_PARTIAL
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == [
        "retry: 1 done now, 2 still quarantined: 1 decode/timeout, 1 open/unreadable",
        f"retry: filmstock select, caption and pack {tmp_path} take the new clips in",
    ]
    assert retry.main([str(tmp_path), "--only", "invalid_data", "--stage", "decode"]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "retry: 0 done now, 1 still quarantined: 1 decode/invalid_data"
    assert len(lines) == 2, "nothing new: there is nothing to take in"


@pytest.mark.parametrize(
    ("stage", "uris"),
    [(None, ["/raw/a", "/raw/b", "/raw/c"]), ("cut", ["/raw/c"]), ("decode", ["/raw/a", "/raw/b"])],
)
def test_a_stage_narrows_the_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str | None, uris: list[str]
) -> None:
    left(tmp_path)
    calls = given(monkeypatch, lambda uri: None)
    more = [] if stage is None else ["--stage", stage]
    assert retry.main([str(tmp_path), "--only", "timeout", *more]) == EXIT_PARTIAL
    assert [uri for _, _, uri in calls[0][2]] == uris


NONE = "no source is quarantined, so leave it"
THERE = "there are 2 decode/timeout, 1 cut/timeout, 1 decode/invalid_data"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], f"name a type of failure with --only; {THERE}"),
        (["--only", "timeuot"], f"--only: unknown type 'timeuot'; did you mean 'timeout'?; {THERE}"),
        (["--only", "timeout", "--stage", "open"], f"--stage: no source failed with open/timeout; {THERE}"),
        (
            ["--only", "timeout", "--set", "ingest.crf=3"],
            "--set ingest.crf: it would change the rows; a retry may set ingest.deadline_s and ingest.memory_bytes",
        ),
    ],
)  # fmt: skip
def test_what_is_refused_word_for_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], says: str
) -> None:
    left(tmp_path)
    calls = given(monkeypatch, lambda uri: None)
    with pytest.raises(UserError) as told:
        retry.main([str(tmp_path), *words])
    assert str(told.value) == says and calls == []


def test_what_is_no_ingest_is_refused_word_for_word(tmp_path: Path) -> None:
    with pytest.raises(UserError) as told:
        retry.failures(tmp_path)
    said = f"{tmp_path} holds no ingest; give a folder that filmstock ingest wrote"
    assert str(told.value) == said
    left(tmp_path)
    (tmp_path / "recipe.toml").unlink()
    with pytest.raises(UserError) as told:
        retry.recipe_of(tmp_path, ())
    said = f"{tmp_path} has no recipe.toml: let filmstock ingest come to its end first"
    assert str(told.value) == said
    (tmp_path / "imports.parquet").touch()
    with pytest.raises(UserError) as told:
        retry.failures(tmp_path)
    said = f"{tmp_path} was imported: run the same filmstock import again, with --retry TYPE"
    assert str(told.value) == said


def test_nothing_quarantined_is_said_and_no_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Ledger(tmp_path).write(record("/raw/good"))
    assert retry.main([str(tmp_path), "--list"]) == EXIT_OK
    assert capsys.readouterr().out == f"retry: no source of {tmp_path} is quarantined\n"
    for words in (["--only", "timeout"], []):
        with pytest.raises(UserError, match=f"; {NONE}$"):
            retry.main([str(tmp_path), *words])


def test_the_list_as_it_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left(tmp_path)
    assert retry.main([str(tmp_path), "--list"]) == EXIT_OK
    assert capsys.readouterr().out.splitlines() == [
        "sources  stage/type",
        "      2  decode/timeout",
        "      1  cut/timeout",
        "      1  decode/invalid_data",
    ]


def test_its_help_names_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """What is copied from there must be what can be typed."""
    with pytest.raises(SystemExit):
        retry.main(["--help"])
    assert "usage: filmstock retry [" in capsys.readouterr().out
