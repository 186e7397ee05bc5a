"""Every command of the help that takes footage, in a process of its own, on real footage and on that of the world.

What each leaves is held to the tables, not to what it prints. ``test_every_command_of_models`` has the other commands.
"""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dit.checkpoint import load_dit
from jobs.commands import COMMANDS
from jobs.core.run import RunFolder, open_run
from pipeline import schema as s
from pipeline.latents.store import LatentStore
from pipeline.shards.read import open_manifest, open_table
from pipeline.video.decode import decode_clip
from tests.helpers.command_line import (
    commands_of,
    filmstock,
    real_footage,
    runs,
    serving,
    world_footage,
)
from tests.helpers.json_lines import json_lines

HERE = Path(__file__)
pytestmark = pytest.mark.timeout(1800)


class Made(NamedTuple):
    """A folder in which the stages ran one after the other: raw/, run/, dit/."""

    kind: str
    home: Path

    @property
    def run(self) -> RunFolder:
        return open_run(self.home / "run")

    @property
    def captions(self) -> set[str]:
        return {"facts"} if self.kind == "real" else {"short", "dense"}

    @property
    def kept(self) -> list[str]:
        return sorted(self.run.kept_clips()[s.CLIP_ID].to_pylist())


def test_every_command_of_the_help_has_a_test_of_its_own() -> None:
    there = commands_of(HERE) | commands_of(HERE.with_name("test_every_command_of_models.py"))
    assert there == set(COMMANDS)


@pytest.fixture(scope="module", params=["real", "world"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    home = tmp_path_factory.mktemp(request.param)
    found = Made(request.param, home)
    run, raw = home / "run", home / "raw"
    if found.kind == "real":
        real_footage(raw)
        asked = ("--set", 'caption.kinds=["facts"]')
        general = ("--set", "encode.allow_out_of_domain=true")
    else:
        world_footage(raw)
        asked = general = ()
    filmstock("ingest", raw, "--out", run, "--set", "ingest.max_clip_s=3", code=3)
    long = "select.where.long=end_s - start_s > 1.5"
    filmstock("select", run, "--set", long)
    filmstock("caption", run, *asked)
    filmstock("pack", run)
    filmstock("encode", run, *general)
    few = ("--steps", "2", "--preset", "tiny", "--sample-every", "0", "--held-out-share", "0.3")
    filmstock("train-dit", run, "--out", home / "dit", *few)
    return found


def rows_of(path: Path | str) -> list[dict[str, Any]]:
    return [dict(row) for row in open_table(path).to_pylist()]


@runs("ingest")
def test_clips_are_what_the_manifest_says(made: Made) -> None:
    run = made.run
    sources = {row[s.SOURCE_ID]: row for row in rows_of(run / "sources.parquet")}
    outcomes = sorted(row[s.OUTCOME] for row in sources.values())
    assert len(sources) == len(list((made.home / "raw").glob("*.mp4")))
    assert outcomes.count("quarantined") == 1
    spans = defaultdict(list)
    for row in rows_of(run.manifest):
        frames, pts = decode_clip(run.read_clip(row))
        assert frames.shape == (row[s.N_FRAMES], row[s.HEIGHT], row[s.WIDTH], 3)
        seconds = row[s.END_S] - row[s.START_S]
        assert row[s.N_FRAMES] / row[s.FPS] == pytest.approx(seconds, abs=1.5 / row[s.FPS])
        assert float(pts[-1] - pts[0]) == pytest.approx(seconds - 1 / row[s.FPS], abs=0.05)
        assert 1.0 - 0.05 <= seconds <= 3.0 + 0.05
        spans[row[s.SOURCE_ID]].append((row[s.START_S], row[s.END_S]))
    for source, found in spans.items():
        found.sort()
        assert sources[source][s.N_CLIPS] == len(found)
        assert found[-1][1] <= sources[source][s.DURATION_S] + 0.05
        assert all(a[1] <= b[0] + 1e-6 for a, b in zip(found, found[1:], strict=False))
    assert sum(map(len, spans.values())) == sum(row[s.N_CLIPS] for row in sources.values()) > 2


@runs("select")
def test_a_rule_keeps_what_satisfies_it(made: Made) -> None:
    clips = {row[s.CLIP_ID]: row for row in rows_of(made.run.manifest)}
    decided = {row[s.CLIP_ID]: row for row in rows_of(made.run.selection)}
    assert set(decided) == set(clips)
    for name, row in decided.items():
        long = clips[name][s.END_S] - clips[name][s.START_S] > 1.5
        assert ("long" not in row[s.REASONS]) == long
        assert (row[s.DECISION] == "keep") == (not row[s.REASONS])
    assert 0 < len(made.kept) < len(clips)


@runs("caption")
def test_kept_clips_have_one_caption_of_each_kind(made: Made) -> None:
    rows = rows_of(made.run.captions)
    pairs = [(row[s.CLIP_ID], row[s.KIND]) for row in rows]
    assert sorted(pairs) == sorted((clip, kind) for clip in made.kept for kind in made.captions)
    usable = [row for row in rows if row[s.OUTCOME] == "ok"]
    assert all(row[s.TEXT].strip() for row in usable) and len(usable) > len(rows) / 2


@runs("pack")
def test_shards_hold_the_same_bytes_as_the_clips(made: Made) -> None:
    run = made.run
    clips = {row[s.CLIP_ID]: row for row in rows_of(run.manifest)}
    usable = {row[s.CLIP_ID] for row in rows_of(run.captions) if row[s.OUTCOME] == "ok"}
    manifest = open_manifest(run.shards)
    rows = manifest.table.to_pylist()
    assert sorted(row[s.CLIP_ID] for row in rows) == sorted(usable)
    for index, row in enumerate(rows):
        video = run.read_clip(clips[row[s.CLIP_ID]])
        with (made.home / "run" / "shards" / row[s.SHARD]).open("rb") as shard:
            shard.seek(row[s.BYTE_OFFSET])
            assert shard.read(row[s.BYTE_LENGTH]) == video == manifest.read(index)
        assert "/" not in row[s.SOURCE_URI]
    assert set(s.CAPTION_KINDS) >= made.captions
    table = pq.read_table(made.home / "run" / "shards")
    for kind in made.captions:
        assert table[s.caption_column(kind)].null_count < len(rows)


@runs("encode")
def test_latents_are_of_the_packed_clips_and_captions(made: Made) -> None:
    store = LatentStore(str(made.home / "run" / "latents"))
    rows = open_manifest(made.run.shards).table.to_pylist()
    assert sorted(store.clip_ids) == sorted(row[s.CLIP_ID] for row in rows)
    for clip, name in enumerate(store.clip_ids):
        mean, _ = store.posterior(clip)
        assert np.isfinite(mean).all() and mean.std() > 0
        texts = {store.kind(c): store.caption(c) for c in store.captions_of(clip)}
        row = next(row for row in rows if row[s.CLIP_ID] == name)
        want = {k: row[s.caption_column(k)] for k in made.captions if row[s.caption_column(k)]}
        assert texts == want


@runs("train-dit", "show-batch", "verify-resume")
def test_a_training_sees_the_clips_in_one_order(made: Made) -> None:
    dit = made.home / "dit"
    lines = json_lines(dit / "metrics.jsonl")
    assert lines[-1]["step"] == 2 and np.isfinite(lines[-1]["loss"])
    assert load_dit(dit).info["steps"] == 2
    filmstock("show-batch", dit, "--step", "2")
    assert Image.open(dit / "batches" / "step-000002.png").size[0] > 64
    printed = filmstock("verify-resume", dit, "--workers", "0")
    rows = [line.split() for line in printed.splitlines() if line.strip()[:1].isdigit()]
    assert rows and len({tuple(row[2:]) for row in rows}) == 1 and rows[0][2] == rows[0][3]


@runs("train-vae")
def test_a_vae_is_trained_on_the_shards(made: Made, tmp_path: Path) -> None:
    from vae.checkpoint import load_vae

    words = ("--steps", "2", "--batch", "2", "--max-pixels", "4096", "--max-frames", "5")
    filmstock("train-vae", made.home / "run", "--out", tmp_path / "vae", *words)
    assert load_vae(tmp_path / "vae").config.latent_channels > 0
    lines = (tmp_path / "vae" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["step"] == 2


@runs("curate")
def test_all_in_one_goes_the_same_way(made: Made, tmp_path: Path) -> None:
    """The same clips, decisions and captions as stage by stage."""
    recipe = ("--recipe", made.home / "run" / "recipe.toml")
    filmstock("curate", made.home / "raw", "--out", tmp_path / "all", *recipe, code=3)
    whole, parts = open_run(tmp_path / "all"), made.run
    for table in ("manifest", "selection.parquet", "captions"):
        found = sorted(map(repr, rows_of(whole / table)))
        assert found == sorted(map(repr, rows_of(parts / table))), table
    packed = [open_manifest(run.shards).table for run in (whole, parts)]
    assert packed[0].drop_columns([s.SHARD]).equals(packed[1].drop_columns([s.SHARD]))


@runs("retry")
def test_what_failed_is_tried_again_and_nothing_else(made: Made, tmp_path: Path) -> None:
    run = Path(shutil.copytree(made.home / "run", tmp_path / "run"))
    before = sorted(map(repr, rows_of(run / "manifest")))
    (bad,) = (row for row in rows_of(run / "sources.parquet") if row[s.OUTCOME] == "quarantined")
    assert bad[s.ERROR_TYPE] in filmstock("retry", run, "--list")
    filmstock("retry", run, "--only", bad[s.ERROR_TYPE], code=3)
    assert sorted(map(repr, rows_of(run / "manifest"))) == before
    again = {row[s.SOURCE_ID]: row[s.OUTCOME] for row in rows_of(run / "sources.parquet")}
    assert again[bad[s.SOURCE_ID]] == "quarantined" and len(again) == len(
        rows_of(made.run / "sources.parquet")
    )


@runs("export", "import", "audit")
def test_an_export_comes_back_as_the_same_clips(made: Made, tmp_path: Path) -> None:
    out, caption = tmp_path / "out", sorted(made.captions)[0]
    words = ("--for", "videofolder", "--caption", caption, "--out", out)
    filmstock("export", made.home / "run", *words)
    packed = {row[s.CLIP_ID]: row for row in open_manifest(made.run.shards).table.to_pylist()}
    lines = (out / "train" / "metadata.jsonl").read_text().splitlines()
    told = {Path(row["file_name"]).stem: row for row in map(json.loads, lines)}
    column = s.caption_column(caption)
    assert {name: row["caption"] for name, row in told.items()} == {
        name: row[column] for name, row in packed.items() if row[column]
    }
    filmstock("import", out, "--out", tmp_path / "back")
    back = rows_of(tmp_path / "back" / "manifest")
    assert sorted(Path(row[s.SOURCE_URI]).stem for row in back) == sorted(told)
    for row in back:
        assert row[s.N_FRAMES] == packed[Path(row[s.SOURCE_URI]).stem][s.N_FRAMES]
        assert row[s.CAPTION_ORIGINAL] == told[Path(row[s.SOURCE_URI]).stem]["caption"]
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    filmstock("audit", out, "--json", tmp_path / "found.jsonl", code=3)
    found = json_lines(tmp_path / "found.jsonl")
    small = {Path(each["name"]).stem for each in found if each["problem"] == "small"}
    assert small == (set() if made.kind == "real" else set(told)), "the world is 192x128"
    assert {Path(each["name"]).stem for each in found} <= set(told)
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


@runs("push")
def test_what_would_be_published_counts_the_shards(made: Made, tmp_path: Path) -> None:
    run = Path(shutil.copytree(made.home / "run", tmp_path / "run"))
    words = ("--repo", "somebody/clips", "--licence", "cc-by-4.0", "--dry-run")
    filmstock("push", run, *words)
    card = (run / "publish" / "README.md").read_text()
    assert f"| clips | {len(open_manifest(made.run.shards))} |" in card
    assert str(made.home) not in card
    assert {p.name for p in (run / "publish").iterdir()} >= {"README.md", "croissant.json"}


@runs("caches")
def test_caches_hold_every_clip(made: Made, tmp_path: Path) -> None:
    kind = sorted(made.captions)[0]
    words = ("--for", "fastvideo", "--caption", kind, "--out", tmp_path / "caches")
    filmstock("caches", made.home / "run", *words)
    store = LatentStore(str(made.home / "run" / "latents"))
    found = [row for p in (tmp_path / "caches").rglob("*.parquet") for row in rows_of(p)]
    assert sorted(row["id"] for row in found) == sorted(store.clip_ids)


@runs("lineage", "forget", "diff")
def test_a_clip_is_traced_and_taken_out(made: Made, tmp_path: Path) -> None:
    clip, *others = sorted(
        row[s.CLIP_ID] for row in open_manifest(made.run.shards).table.to_pylist()
    )
    found = json.loads(filmstock("lineage", clip, "--run", made.home / "run", "--json"))
    row = next(row for row in rows_of(made.run.manifest) if row[s.CLIP_ID] == clip)
    assert found["manifest"][s.START_PTS] == row[s.START_PTS] and len(found["shards"]) == 1
    copy = Path(shutil.copytree(made.home / "run", tmp_path / "run"))
    filmstock("forget", clip, "--run", copy)
    after = open_run(copy)
    assert clip not in {row[s.CLIP_ID] for row in rows_of(after.manifest)}
    assert sorted(row[s.CLIP_ID] for row in open_manifest(after.shards).table.to_pylist()) == others
    assert sorted(LatentStore(str(copy / "latents")).clip_ids) == others
    assert clip in filmstock("diff", made.home / "run", copy, "--json")
    assert clip not in filmstock("diff", made.home / "run", made.home / "run", "--json")


@runs("inspect", "status", "report", "captions-report")
def test_reports_count_what_the_tables_hold(made: Made, tmp_path: Path) -> None:
    run = made.home / "run"
    clips = [row[s.CLIP_ID] for row in rows_of(made.run.manifest)]
    rows = filmstock("inspect", run, "--html", tmp_path / "clips.html").splitlines()
    counted = {line.split()[0]: line.split()[1] for line in rows if len(line.split()) > 2}
    assert counted["manifest"] == counted["selection"] == str(len(clips))
    assert (tmp_path / "clips.html").stat().st_size > 1000
    body = json.loads(filmstock("status", run, "--json"))
    states = {line["stage"]: line["state"] for line in body["stages"]}
    assert set(states.values()) == {"done"} and {"ingest", "pack", "encode"} <= set(states)
    filmstock("report", run)
    page = (run / "report.html").read_text()
    assert all(clip in page for clip in made.kept)
    filmstock("captions-report", run)
    captions = len(rows_of(made.run.captions))
    assert str(captions) in (run / "captions.html").read_text()


@runs("shots")
def test_no_clip_lies_across_a_cut(made: Made, tmp_path: Path) -> None:
    sources = {row[s.SOURCE_ID]: row for row in rows_of(made.run / "sources.parquet")}
    done = [row[s.SOURCE_URI] for row in sources.values() if row[s.OUTCOME] == "done"]
    filmstock("shots", *done, "--json", tmp_path / "shots.json")
    found = json.loads((tmp_path / "shots.json").read_text())
    assert sorted(found) == sorted(Path(uri).name for uri in done) and any(found.values())
    clips = rows_of(made.run.manifest)
    first = {
        source: min(row[s.START_S] for row in clips if row[s.SOURCE_ID] == source)
        for source in {row[s.SOURCE_ID] for row in clips}
    }
    for row in clips:
        frames = [
            round((row[end] - first[row[s.SOURCE_ID]]) * row[s.FPS]) for end in (s.START_S, s.END_S)
        ]
        cuts = found[Path(sources[row[s.SOURCE_ID]][s.SOURCE_URI]).name]
        assert not [at for at in cuts if frames[0] + 1 < at < frames[1] - 1], row[s.SOURCE_URI]


@runs("view", "edits")
def test_a_person_decides_in_the_browser_and_select_follows(made: Made, tmp_path: Path) -> None:
    run = Path(shutil.copytree(made.home / "run", tmp_path / "run"))
    clip, count = made.kept[0], len(rows_of(made.run.manifest))
    row = next(row for row in rows_of(made.run.manifest) if row[s.CLIP_ID] == clip)
    with (
        serving("view", run, "--who", "ann") as address,
        httpx.Client(base_url=address, timeout=300) as web,
    ):
        assert json.dumps(web.get("/api/info").json()).find(str(count)) >= 0
        part = web.get(f"/video/{clip}", headers={"Range": "bytes=0-99"})
        assert part.status_code == 206 and part.content == made.run.read_clip(row)[:100]
        body = {"clip": clip, "action": "decision", "value": {"decision": "reject"}, "why": "dull"}
        edit = web.post("/api/edit", json=body).raise_for_status().json()["id"]
    (line,) = filmstock("edits", run, "--json").splitlines()
    told = json.loads(line)
    assert (told["id"], told["who"], told[s.CLIP_ID]) == (edit, "ann", clip)
    filmstock("select", run)
    decided = {row[s.CLIP_ID]: row[s.DECISION] for row in rows_of(run / "selection.parquet")}
    assert decided[clip] == "reject"
    assert sorted(name for name, said in decided.items() if said == "keep") == made.kept[1:]


@runs("judge")
def test_clips_are_judged(made: Made, tmp_path: Path) -> None:
    names = {}
    for row in rows_of(made.run.manifest)[:2]:
        path = tmp_path / "videos" / f"{row[s.CLIP_ID]}.mp4"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(made.run.read_clip(row))
        names[path.name] = row
    words = ("--clip-model", "none", "--out", tmp_path / "judged.json")
    filmstock("judge", tmp_path / "videos", *words)
    found = json.loads((tmp_path / "judged.json").read_text())["videos"]
    assert {Path(each["path"]).name for each in found} == set(names)
    assert all(0 < each["coherence"] <= 1 and 0 < each["fluency"] <= 1 for each in found)
