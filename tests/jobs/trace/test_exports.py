"""An export loses the media, sidecars, rows and archive members of a work, and nothing else."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

from jobs.core.run import open_run
from jobs.core.uses import note_use
from jobs.trace import forget
from pipeline import schema as s
from tests.helpers.json_lines import json_lines
from tests.helpers.run_folders import make_run


def test_media_tables_and_archives_of_an_export(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", tmp_path / "raw", ("quay", "harbour-at-dawn"), clips=2)
    rows = {row[s.CLIP_ID]: row for row in run.kept_clips().to_pylist()}
    gone, stays = (
        [name for name, row in rows.items() if word in row[s.SOURCE_URI]]
        for word in ("quay", "harbour")
    )
    out = tmp_path / "export"
    (out / "videos").mkdir(parents=True)
    table, captions = [], {}
    tar = tarfile.open(out / "all.tar", "w")  # noqa: SIM115 - it is filled below
    for number, clip in enumerate([*gone, *stays]):
        name = f"videos/{number:05d}.mp4"
        (out / name).write_bytes(run.read_clip(rows[clip]))
        (out / name).with_suffix(".txt").write_text(f"caption of {number}")
        table.append({"file": name, "clip_id": clip})
        captions[f"{clip}.mp4"] = ["a caption"]
        info = tarfile.TarInfo(f"{clip}.mp4")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"abcd"))
    tar.close()
    (out / "metadata.jsonl").write_text("\n".join(map(json.dumps, table)) + "\n")
    (out / "captions.json").write_text(json.dumps(captions))
    note_use(run.path, "export", out)
    assert forget.main(["quay.mp4", "--run", str(run)]) == 0
    left = sorted(path.name for path in (out / "videos").iterdir())
    assert left == ["00002.mp4", "00002.txt", "00003.mp4", "00003.txt"]
    kept = json_lines(out / "metadata.jsonl")
    assert [row["clip_id"] for row in kept] == stays
    assert json.loads((out / "captions.json").read_text()).keys() == {f"{c}.mp4" for c in stays}
    with tarfile.open(out / "all.tar") as archive:
        names = archive.getnames()
    assert names == [f"{clip}.mp4" for clip in stays]
    assert len(open_run(run.path).kept_clips()) == 2
