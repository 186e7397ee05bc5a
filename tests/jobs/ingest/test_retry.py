"""``filmstock retry``: one class of failures goes through ingest again, and nothing is lost when it is cut short."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from jobs import cli
from jobs.ingest import command as ingest
from jobs.ingest.ledger import STAMP, Ledger
from jobs.ingest.plan import name_contents, unsettled
from pipeline import schema as s
from tests.helpers.clip_folders import VIT_LIKE, write_folder
from tests.helpers.counter_media import write_counter

pytestmark = pytest.mark.timeout(600)


def record(uri: str, stage: str | None = None, type: str | None = None) -> dict[str, Any]:
    """What a ledger holds of a source that was quarantined at ``stage`` with ``type``, or is done."""
    outcome = s.SourceOutcome.DONE if stage is None else s.SourceOutcome.QUARANTINED
    return {
        s.SOURCE_URI: uri,
        s.SOURCE_ID: f"id-{uri}",
        s.OUTCOME: outcome,
        s.ERROR_STAGE: stage,
        s.ERROR_TYPE: type,
        s.N_CLIPS: 0,
        STAMP: "",
    }


def run_with(folder: Path, *failures: tuple[str, str, str], recipe: str = "") -> Ledger:
    """The ledger of a run with one source that is done, and such that failed: source, stage and type."""
    ledger = Ledger(folder)
    ledger.write(record("/raw/good"))
    for failure in failures:
        ledger.write(record(*failure))
    (folder / "recipe.toml").write_text(recipe)
    return ledger


@pytest.fixture
def failed(tmp_path: Path) -> Path:
    """A folder with one source that is done, and four that failed in three ways."""
    run_with(
        tmp_path,
        ("/raw/slow-1", "decode", "timeout"),
        ("/raw/slow-2", "decode", "timeout"),
        ("/raw/slow-3", "cut", "timeout"),
        ("/raw/text", "open", "invalid_data"),
    )
    return tmp_path


def retried(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *words: str
) -> tuple[int, list[str], Any]:
    """Exit code, the sources that a retry would ingest, and with which settings."""
    seen: dict[str, Any] = {"uris": []}

    def note(config: Any, clip: Any, found: Any, out: Path, again: bool) -> None:
        assert out == folder and again
        seen.update(uris=[uri for _, _, uri in sorted(found)], config=config)

    monkeypatch.setattr(ingest, "run_files", note)
    code = cli.main(["retry", str(folder), *words])
    return code, seen["uris"], seen.get("config")


def test_list_counts_by_type_and_changes_nothing(
    failed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, uris, _ = retried(monkeypatch, failed, "--list")
    assert (code, uris) == (0, [])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["sources", "stage/type"],
        ["2", "decode/timeout"],
        ["1", "cut/timeout"],
        ["1", "open/invalid_data"],
    ]
    for words, said in (
        (["--only", "timeout"], ["2 decode/timeout", "1 cut/timeout"]),
        (["--stage", "open"], ["1 open/invalid_data"]),
    ):
        assert retried(monkeypatch, failed, "--list", *words)[0] == 0
        lines = capsys.readouterr().out.splitlines()[1:]
        assert [" ".join(line.split()) for line in lines] == said


def test_one_type_goes_back_and_no_other(
    failed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, uris, config = retried(
        monkeypatch, failed, "--only", "timeout", "--set", "ingest.deadline_s=900"
    )
    assert uris == ["/raw/slow-1", "/raw/slow-2", "/raw/slow-3"] and config.deadline_s == 900
    assert code == 3, "the ingest of this test mends nothing"
    out = capsys.readouterr().out
    assert "retry: 3 sources back to ingest: 2 decode/timeout, 1 cut/timeout" in out
    assert "0 done now, 3 still quarantined: 2 decode/timeout, 1 cut/timeout" in out
    _, uris, _ = retried(monkeypatch, failed, "--only", "timeout", "--stage", "cut")
    assert uris == ["/raw/slow-3"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--only", "timeuot"], "did you mean 'timeout'"),
        (["--only", "hdr"], "2 decode/timeout, 1 cut/timeout, 1 open/invalid_data"),
        (["--only", "timeout", "--stage", "open"], "no source failed with open/timeout; there are"),
        ([], "--only; there are 2 decode/timeout"),
        (["--list", "--only", "hdr"], "unknown type 'hdr'"),
        (["--list", "--stage", "cutt"], "no source failed with stage 'cutt'; there are"),
        (["--only", "timeout", "--set", "ingest.crf=3"], "ingest.deadline_s"),
    ],
)
def test_a_mistake_is_one_line_that_lists_what_is_there(
    failed: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    says: str,
) -> None:
    code, uris, _ = retried(monkeypatch, failed, *words)
    error = capsys.readouterr().err
    assert (code, uris) == (2, [])
    assert says in error and error.count("\n") == 1


def test_a_folder_that_cannot_be_retried_is_named(
    failed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (failed / "recipe.toml").unlink()
    assert cli.main(["retry", str(failed), "--only", "timeout"]) == 2
    assert "has no recipe.toml" in capsys.readouterr().err
    assert cli.main(["retry", str(tmp_path / "none"), "--list"]) == 2
    assert "holds no ingest" in capsys.readouterr().err
    Ledger(tmp_path / "clean").write(record("/raw/good"))
    assert cli.main(["retry", str(tmp_path / "clean"), "--only", "x"]) == 2
    assert "no source failed with 'x'; no source is quarantined" in capsys.readouterr().err


def test_the_old_record_stands_until_the_new_one_is_written(failed: Path) -> None:
    """Passed over in an ordinary run, done again in a retry, and still there when that is killed."""
    ledger = Ledger(failed)
    ledger.index.name([(0, b"", "/raw/slow-1")])
    (again,), (passed,) = (
        [list(unsettled(ledger, each, lambda _: None))] for each in (True, False)
    )
    assert [source.uri for batch in again for source in batch] == ["/raw/slow-1"]
    assert passed == [[]]
    old = ledger.read("/raw/slow-1")
    assert old is not None and old == Ledger(failed).read("/raw/slow-1")


def test_sources_that_were_too_slow_go_through_with_a_longer_deadline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real ingest of what an earlier run left: two sound files, one that is gone by now, one that is no video."""
    raw, out = tmp_path / "raw", tmp_path / "out"
    raw.mkdir()
    paths = [write_counter(raw / name, 30) for name in ("a.mp4", "b.mkv", "gone.mp4")]
    paths.append(raw / "text.mp4")
    paths[-1].write_text("no video\n" * 50)
    ledger = Ledger(out)
    for path, (source, _) in zip(paths, name_contents(list(map(str, paths))), strict=True):
        ledger.write({**record(str(path), "probe", "timeout"), s.SOURCE_ID: source})
    ledger.write(record(str(raw / "finished.mp4")))
    (raw / "gone.mp4").unlink()
    clip = write_folder(tmp_path / "clip", VIT_LIKE)
    text = f'[ingest]\nmin_clip_s = 0.5\n[openclip]\nmodel = "{clip}"\nframes = 2\n'
    (out / "recipe.toml").write_text(text)
    assert cli.main(["retry", str(out), "--only", "timeout"]) == 3
    printed = capsys.readouterr().out
    assert "retry: 4 sources back to ingest: 4 probe/timeout" in printed
    assert "2 done now, 2 still quarantined: 1 open/" in printed
    rows = pq.read_table(out / "sources.parquet").to_pylist()
    told = {Path(row[s.SOURCE_URI]).name: (row[s.OUTCOME], row[s.ERROR_TYPE]) for row in rows}
    assert told == {
        "a.mp4": ("done", None),
        "b.mkv": ("done", None),
        "finished.mp4": ("done", None),
        "gone.mp4": ("quarantined", "unreadable"),
        "text.mp4": ("quarantined", "invalid_data"),
    }
    for table in ("clips", "manifest", "embeddings"):
        assert len(list((out / table).iterdir())) == 2
    assert (out / "recipe.toml").read_text() == text


def test_a_module_of_the_recipe_that_is_not_here_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = '[ingest]\nscorers = ["no_such_module_of_mine:Warm"]\n'
    run_with(tmp_path, ("/raw/text", "open", "invalid_data"), recipe=recipe)
    assert cli.main(["retry", str(tmp_path), "--only", "invalid_data"]) == 2
    caught = capsys.readouterr()
    assert "module 'no_such_module_of_mine' cannot be imported" in caught.err
    assert caught.err.count("\n") == 1 and caught.out == ""
