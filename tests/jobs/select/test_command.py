"""``filmstock select`` on a run folder: writes the selection, does nothing twice, notices what changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs import cli
from jobs.core.errors import UserError
from jobs.core.run import open_run
from jobs.select.command import run
from pipeline.config import SelectConfig
from pipeline.tables import manifest_schema


def make_run(
    folder: Path, motions: list[float | None], parts: int = 2, hashes: list[str] | None = None
) -> Path:
    """A run folder with a manifest of ten-second clips in several parts, and no video at all."""
    kind = manifest_schema()
    empty: dict[str, Any] = dict.fromkeys(kind.names)
    rows = [
        {**empty, "clip_id": f"c{i}", "start_s": 0.0, "end_s": 10.0, "motion_mean": motion}
        for i, motion in enumerate(motions)
    ]
    for row, video_hash in zip(rows, hashes or [], strict=False):
        row["video_xxh3"] = video_hash
    (folder / "manifest").mkdir(parents=True)
    for part in range(parts):
        table = pa.Table.from_pylist(rows[part::parts], schema=kind)
        pq.write_table(table, folder / "manifest" / f"part-{part:05d}.parquet")
    return folder


def write_recipe(path: Path, least: float) -> Path:
    path.write_text(f'[select.where]\nstatic = "motion_mean > {least}"\n')
    return path


def test_select_writes_the_selection_and_prints_the_funnel(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = make_run(tmp_path / "run", [0.0, 0.5, 0.9])
    recipe = write_recipe(tmp_path / "r.toml", 0.1)
    assert cli.main(["select", str(folder), "--recipe", str(recipe)]) == 0
    rows = pq.read_table(folder / "selection.parquet").to_pylist()
    assert [row["decision"] for row in rows] == ["reject", "keep", "keep"]
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()] == [
        "step", "all", "error", "static", "duplicate_exact", "duplicate_phash", "kept",
    ]  # fmt: skip


def test_rerunning_does_nothing_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = make_run(tmp_path / "run", [0.0, 0.5])
    recipe = str(write_recipe(tmp_path / "r.toml", 0.1))
    cli.main(["select", str(folder), "--recipe", recipe])
    stamp = (folder / "selection.parquet").stat().st_mtime_ns
    capsys.readouterr()
    assert cli.main(["select", str(folder)]) == 0, "the folder remembers its recipe"
    assert "nothing to do" in capsys.readouterr().out
    assert (folder / "selection.parquet").stat().st_mtime_ns == stamp


def test_a_new_threshold_or_a_new_manifest_selects_again(tmp_path: Path):
    folder = make_run(tmp_path / "run", [0.0, 0.5, 0.9])
    assert run(SelectConfig(where={"static": "motion_mean > 0.1"}), open_run(folder)) == 2
    assert run(SelectConfig(where={"static": "motion_mean > 0.6"}), open_run(folder)) == 1
    make_run(tmp_path / "more", [0.7, 0.8], parts=1)
    extra = tmp_path / "more" / "manifest" / "part-00000.parquet"
    extra.rename(folder / "manifest" / "part-00002.parquet")
    assert run(SelectConfig(where={"static": "motion_mean > 0.6"}), open_run(folder)) == 3


def test_keeping_nothing_is_said_and_is_not_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = make_run(tmp_path / "run", [0.0])
    recipe = str(write_recipe(tmp_path / "r.toml", 0.1))
    assert cli.main(["select", str(folder), "--recipe", recipe]) == 3
    assert "no clip was kept" in capsys.readouterr().err


def test_missing_scores_are_pointed_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = make_run(tmp_path / "run", [None, 0.5])
    assert run(SelectConfig(where={"static": "motion_mean > 0.1"}), open_run(folder)) == 1
    assert "1 of 2 clips have no score for 'static'" in capsys.readouterr().err


def test_a_kill_while_writing_leaves_no_selection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = make_run(tmp_path / "run", [0.5])

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", killed)
        with pytest.raises(KeyboardInterrupt):
            run(SelectConfig(), open_run(folder))
    assert sorted(entry.name for entry in folder.iterdir()) == [".lock", "manifest"]
    assert run(SelectConfig(), open_run(folder)) == 1


def test_near_embeddings_are_found_from_the_embeddings_table(tmp_path: Path):
    folder = make_run(tmp_path / "run", [0.5, 0.5, 0.5])
    vectors = np.array([[1, 0], [0, 1], [1, 0]], np.float16)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 2)
    table = pa.table({"clip_id": ["c0", "c1", "c2"], "clip_embedding": column})
    (folder / "embeddings").mkdir()
    pq.write_table(table, folder / "embeddings" / "part-00000.parquet")
    assert run(SelectConfig(dedup_cosine=0.95), open_run(folder)) == 2


def test_a_folder_without_clips_says_what_to_do(tmp_path: Path):
    folder = make_run(tmp_path / "empty", [], parts=1)
    with pytest.raises(UserError, match=r"sources\.parquet"):
        run(SelectConfig(), open_run(folder))


def test_a_mistake_in_a_rule_is_named_before_any_clip_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = make_run(tmp_path / "run", [0.5])
    monkeypatch.setattr(pq.ParquetFile, "read", lambda *_: pytest.fail("rows were read"))
    with pytest.raises(ValueError, match=r"select\.where\.a.*did you mean 'motion_mean'"):
        run(SelectConfig(where={"a": "motion_meen > 0"}), open_run(folder))


def test_a_share_and_a_cap_come_from_the_recipe_and_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = make_run(tmp_path / "run", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        '[select.best.slow]\nby = "motion_mean"\nkeep = 0.5\n'
        '[select.balance.crowd]\ngroup = "motion_mean > 0.45"\ncap = 1\n'
    )
    assert cli.main(["select", str(folder), "--recipe", str(recipe)]) == 0
    out = capsys.readouterr().out
    assert "best slow: 3 of 6 clips, those with motion_mean >= 0.4" in out
    assert "balance crowd: 1 of 2 groups had more than 1 clips" in out
    rows = pq.read_table(folder / "selection.parquet").to_pylist()
    assert [row["reasons"] for row in rows] == [["slow"]] * 3 + [[], [], ["crowd"]]
    assert cli.main(["select", str(folder)]) == 0
    assert "nothing to do" in capsys.readouterr().out, "the folder remembers both"


def test_what_if_prints_the_change_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = make_run(tmp_path / "run", [0.0, 0.2, 0.5, 0.9])
    recipe = str(write_recipe(tmp_path / "r.toml", 0.1))
    cli.main(["select", str(folder), "--recipe", recipe])
    capsys.readouterr()

    def files() -> dict[Path, tuple[int, bytes]]:
        found = (path for path in folder.rglob("*") if path.is_file())
        return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in found}

    before = files()
    assert cli.main(["select", str(folder), "--what-if", "motion_mean > 0.3"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == [
        "what",
        "if",
        "static:",
        "motion_mean",
        ">",
        "0.3",
        "(now",
        "motion_mean",
        ">",
        "0.1)",
    ]
    assert lines[2:5] == [
        ["now", "3", "0.0083"],
        ["then", "2", "0.0056"],
        ["change", "-1", "-0.0028"],
    ]
    assert lines[-1] == ["static", "1", "2", "1", "2"]
    assert files() == before


def test_clips_of_an_earlier_run_are_kept_out_and_the_folder_remembers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    old = make_run(tmp_path / "old", [0.5, 0.5], hashes=["x", "y"])
    new = make_run(tmp_path / "new", [0.5, 0.5, 0.5], hashes=["y", "z", "x"])
    assert cli.main(["select", str(old), "--set", "select.where.a=clip_id = 'c0'"]) == 0
    assert cli.main(["select", str(new), "--dedup-against", str(old)]) == 0
    rows = pq.read_table(new / "selection.parquet").to_pylist()
    assert [row["duplicate_of"] for row in rows] == [None, None, "c0"], "old kept only its c0"
    assert [row["duplicate_in"] for row in rows] == [None, None, str(old)]
    capsys.readouterr()
    assert cli.main(["select", str(new)]) == 0
    assert "nothing to do, 2 clips" in capsys.readouterr().out
    assert cli.main(["select", str(old), "--set", "select.where.a=1 = 1"]) == 0
    assert cli.main(["select", str(new)]) == 0
    assert "nothing to do" not in capsys.readouterr().out, "the earlier run keeps other clips now"
    assert pq.read_table(new / "selection.parquet")["duplicate_of"].to_pylist() == [
        "c1",
        None,
        "c0",
    ]


def test_sources_that_forbid_training_are_rejected_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_run(tmp_path / "run", [0.0, 0.5, 0.9, 0.8], parts=1)
    part = folder / "manifest" / "part-00000.parquet"
    table = pq.read_table(part)
    at = table.schema.get_field_index("training_forbidden")
    said = pa.array([True, True, False, None], pa.bool_())
    pq.write_table(table.set_column(at, table.schema.field(at), said), part)
    recipe = write_recipe(tmp_path / "r.toml", 0.1)
    command = ["select", str(folder), "--recipe", str(recipe)]
    assert cli.main(command) == 0
    rows = pq.read_table(folder / "selection.parquet").to_pylist()
    assert [(row["decision"], row["reasons"]) for row in rows] == [
        ("reject", ["training_forbidden", "static"]),
        ("reject", ["training_forbidden"]),
        ("keep", []),
        ("keep", []),
    ]
    assert "training_forbidden" in capsys.readouterr().out
    assert cli.main([*command, "--set", "select.honour_no_training=false"]) == 0
    rows = pq.read_table(folder / "selection.parquet").to_pylist()
    assert [row["decision"] for row in rows] == ["reject", "keep", "keep", "keep"]
