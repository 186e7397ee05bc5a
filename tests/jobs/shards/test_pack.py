"""pack: keep x captioned, exact bytes, rerun does nothing, what is left out is said."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.core.errors import UserError
from jobs.core.run import open_run
from jobs.core.stage import Stage
from jobs.shards.pack import main, run, shared_name
from pipeline import schema as s
from pipeline.config import PackConfig
from pipeline.shards.read import open_manifest
from pipeline.shards.write import video_hash, write_video_table
from pipeline.store.members import ROOT
from pipeline.store.parquet import write_table
from pipeline.tables import captions_schema, clips_schema, manifest_schema, selection_schema
from tests.helpers.shard_media import flip_byte, make_rows

KEPT = (0, 1, 3, 4)


def caption(clip, kind, text, outcome="ok"):
    row = dict.fromkeys(captions_schema().names)
    return {**row, s.CLIP_ID: clip, s.KIND: kind, s.TEXT: text, s.OUTCOME: outcome}


def table(rows, schema):
    return pa.table({n: [row.get(n) for row in rows] for n in schema.names}, schema=schema)


@pytest.fixture
def folder(tmp_path):
    """A run folder of six clips: four kept, one of them without a usable caption."""
    rows = make_rows(6)
    clips = table(rows, clips_schema())
    ranges = write_video_table(tmp_path / "clips" / "part-00000.parquet", clips)
    for row, (offset, length) in zip(rows, ranges, strict=True):
        row.update({s.SHARD: "part-00000.parquet", s.BYTE_OFFSET: offset, s.BYTE_LENGTH: length})
        row.update({s.VIDEO_XXH3: video_hash(row[s.VIDEO]), s.MOTION_MEAN: 0.25})
        row.update({s.SOURCE_ID: "source", s.START_PTS: int(row[s.START_S]), "concept_text": 0.125})
    manifest = table(rows, manifest_schema(("text",)))
    write_table(tmp_path / "manifest" / "part-00000.parquet", manifest)
    ids = [row[s.CLIP_ID] for row in rows]
    decisions = ["keep" if i in KEPT else "reject" for i in range(6)]
    selection = [
        {s.CLIP_ID: c, s.DECISION: d, s.REASONS: []} for c, d in zip(ids, decisions, strict=True)
    ]
    write_table(tmp_path / "selection.parquet", table(selection, selection_schema()))
    captions = [caption(c, "dense", f"dense {i}") for i, c in enumerate(ids) if i != 4]
    captions += [caption(c, "short", f"short {i}") for i, c in enumerate(ids) if i != 4]
    captions += [
        caption(ids[4], "dense", "", "empty"),
        caption(ids[4], "short", "I cannot", "refused"),
    ]
    captions += [caption(ids[0], "original", "from the file"), caption(ids[0], "structured", "{}")]
    write_table(tmp_path / "captions" / "part-00000.parquet", table(captions, captions_schema()))
    return tmp_path


def test_kept_and_captioned_clips_arrive_with_their_bytes(folder):
    result = run(PackConfig(), open_run(folder))
    assert (result.packed, result.uncaptioned, result.unreadable) == (3, 1, 0)
    rows = make_rows(6)
    manifest = open_manifest(folder)
    found = {row[s.CLIP_ID]: (i, row) for i, row in enumerate(manifest.table.to_pylist())}
    assert set(found) == {rows[i][s.CLIP_ID] for i in (0, 1, 3)}
    for i in (0, 1, 3):
        place, row = found[rows[i][s.CLIP_ID]]
        assert manifest.read(place) == rows[i][s.VIDEO]
        assert row[s.CAPTION_DENSE] == f"dense {i}" and row[s.CAPTION_SHORT] == f"short {i}"
        assert row[s.CAPTION_ORIGINAL] == ("from the file" if i == 0 else None)
        assert row[s.CAPTION_STRUCTURED] == ("{}" if i == 0 else None)
        assert row[s.MOTION_MEAN] == 0.25 and row["concept_text"] == 0.125
        assert row[s.WIDTH] == rows[i][s.WIDTH] and row[s.SOURCE_ID] == "source"


def test_rerun_does_nothing_and_says_so(folder, capsys):
    run(PackConfig(), open_run(folder))
    files = {path: path.stat().st_mtime_ns for path in (folder / "shards").iterdir()}
    capsys.readouterr()
    assert run(PackConfig(), open_run(folder)).packed == 3
    assert "nothing to do" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (folder / "shards").iterdir()} == files
    assert run(PackConfig(kinds=("short",)), open_run(folder)).packed == 3
    manifest = open_manifest(folder)
    assert all(
        manifest.caption(i, kind) is None for i in range(3) for kind in ("dense", "original")
    )


def test_a_deleted_shard_is_packed_again(folder):
    run(PackConfig(), open_run(folder))
    next((folder / "shards").glob("part-*.parquet")).unlink()
    run(PackConfig(), open_run(folder))
    assert all(open_manifest(folder).read(i) for i in range(3))


class Folders:
    """A writer with folders of its own."""

    def __init__(self, folder, schema, **_):
        self.folder, self.n_bytes = folder, 0

    def __enter__(self):
        return self

    def add(self, row):
        place = self.folder / "videos" / row[s.CLIP_ID]
        place.mkdir(parents=True)
        (place / "clip.mp4").write_bytes(row[s.VIDEO])

    def __exit__(self, *_):
        (self.folder / "list.txt").write_text("")


def test_shards_of_another_writer_go_and_what_nobody_wrote_stays(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "writer_of_a_test", SimpleNamespace(Folders=Folders))
    shards = folder / "shards"

    def names():
        return sorted(path.name for path in shards.iterdir())

    run(PackConfig(), open_run(folder))
    other = PackConfig(writer="writer_of_a_test:Folders")
    run(other, open_run(folder))
    assert names() == ["list.txt", "videos"] and len(list(shards.rglob("*.mp4"))) == 3
    run(replace(other, kinds=("original",)), open_run(folder))
    assert names() == ["list.txt", "videos"] and len(list(shards.rglob("*.mp4"))) == 1
    (shards / "mine").write_text("")
    run(PackConfig(), open_run(folder))
    assert names() == ["mine", "part-00000.parquet"] and open_manifest(folder).read(2)


def test_a_kill_when_the_mark_is_cleared_leaves_nothing_of_another_writer(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "writer_of_a_test", SimpleNamespace(Folders=Folders))
    run(PackConfig(writer="writer_of_a_test:Folders"), open_run(folder))
    real = Stage.clear

    def killed(stage):
        real(stage)
        raise KeyboardInterrupt

    monkeypatch.setattr(Stage, "clear", killed)
    with pytest.raises(KeyboardInterrupt):
        run(PackConfig(), open_run(folder))
    monkeypatch.setattr(Stage, "clear", real)
    run(PackConfig(), open_run(folder))
    assert [path.name for path in (folder / "shards").iterdir()] == ["part-00000.parquet"]


def test_changed_captions_pack_again(folder):
    run(PackConfig(), open_run(folder))
    path = folder / "captions" / "part-00000.parquet"
    captions = pq.read_table(path).to_pylist()
    for row in captions:
        row[s.TEXT] = (row[s.TEXT] or "") + " again"
    write_table(path, table(captions, captions_schema()))
    run(PackConfig(), open_run(folder))
    assert all(open_manifest(folder).caption(i, "dense").endswith("again") for i in range(3))


def test_damaged_clip_is_left_out_and_reported(folder, capsys):
    clips = folder / "clips"
    row = pq.read_table(folder / "manifest" / "part-00000.parquet").to_pylist()[1]
    flip_byte(clips, row)
    assert main([str(folder)]) == 3
    assert "1 kept clips cannot be read back" in capsys.readouterr().err
    assert len(open_manifest(folder)) == 2
    assert main([str(folder)]) == 3 and "1 kept clips" in capsys.readouterr().err
    flip_byte(clips, row)  # flips it back: somebody mended it
    assert main([str(folder)]) == 0
    assert len(open_manifest(folder)) == 3


@pytest.mark.parametrize(
    ("missing", "command"),
    [("manifest", "ingest"), ("selection.parquet", "select"), ("captions", "caption")],
)
def test_missing_inputs_name_the_command(folder, missing, command):
    (folder / missing).rename(folder / "elsewhere")
    with pytest.raises(UserError, match=f"has no {missing}; run filmstock {command} .* first"):
        run(PackConfig(), open_run(folder))


def test_unknown_kind_and_folder_are_refused(folder):
    with pytest.raises(ValueError, match="kinds is 'long'; it must be one of short"):
        run(PackConfig(kinds=("long",)), open_run(folder))
    with pytest.raises(UserError, match="does not exist; filmstock ingest"):
        main([str(folder / "nope")])


def test_shards_name_no_folder_of_this_machine_and_say_shot_and_split(folder):
    for path in (folder / "manifest").iterdir():
        rows = pq.read_table(path)
        uris = [f"/home/me/raw/{i}.mp4" for i in range(3)] + [
            f"s3://raw/{i}.mp4" for i in (3, 4, 5)
        ]
        for name, values in ((s.SOURCE_URI, uris), (s.SHOT, [0, 0, 1, 1, 2, 2])):
            kind = rows.schema.field(name).type
            rows = rows.set_column(rows.column_names.index(name), name, pa.array(values, kind))
        write_table(path, rows)
    run(PackConfig(), open_run(folder))
    found = open_manifest(folder).table.to_pylist()
    assert {row[s.SOURCE_URI] for row in found} == {"0.mp4", "1.mp4", "s3://raw/3.mp4"}
    assert {row[s.SHOT_ID] for row in found} == {"source-00000", "source-00001"}
    assert {row[s.SPLIT] for row in found} == {"train"}
    run(PackConfig(validation_share=1.0), open_run(folder))
    assert {row[s.SPLIT] for row in open_manifest(folder).table.to_pylist()} == {"validation"}


def test_originals_that_are_not_usable_and_clips_of_one_source_stay_together(folder):
    """The manifest holds what came with the film; only what captions/ passed may be trained on."""
    path = folder / "manifest" / "part-00000.parquet"
    table = pq.read_table(path)
    at = table.column_names.index(s.CAPTION_ORIGINAL)
    came = pa.array([f"as it came {i}" for i in range(6)])
    pq.write_table(table.set_column(at, s.CAPTION_ORIGINAL, came), path)
    for share in (0.3, 0.5, 0.7):
        result = run(PackConfig(validation_share=share), open_run(folder))
        found = open_manifest(folder).table.to_pylist()
        assert {row[s.CAPTION_ORIGINAL] for row in found} == {None, "from the file"}
        assert len({row[s.SPLIT] for row in found}) == 1, "neighbours of a film look alike"
    seconds = sum(row[s.END_S] - row[s.START_S] for row in found)
    assert result.hours == pytest.approx(seconds / 3600)


@pytest.mark.parametrize(
    ("uri", "shared"),
    [
        ("/home/me/films/a.mp4", "a.mp4"),
        ("s3://raw/films/a.mp4", "s3://raw/films/a.mp4"),
        (f"{ROOT}//home/me/sets/films.tar/day/a.mp4", "films.tar/day/a.mp4"),
        (f"{ROOT}/s3://raw/films.tar/a.mp4", f"{ROOT}/s3://raw/films.tar/a.mp4"),
    ],
)
def test_a_name_that_others_see_holds_no_folder_of_this_machine(uri, shared):
    assert shared_name(uri) == shared


def test_a_source_keeps_its_split_and_the_share_is_kept():
    names = [f"{i:016x}" for i in range(4000)]
    drawn = [s.split_of(name, 0.05) for name in names]
    assert 140 < drawn.count("validation") < 260
    assert drawn == [s.split_of(name, 0.05) for name in names]
    assert {s.split_of(name, 0.0) for name in names} == {"train"}
