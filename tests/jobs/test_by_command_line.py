"""Commands as a user runs them, once each on a small set of real clips: what they leave is held to the tables."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import tomllib
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from jobs import cli
from jobs.core.recipe import load_recipe, to_toml
from jobs.core.run import open_run
from pipeline import schema as s
from pipeline.latents.store import LatentStore
from pipeline.shards.read import open_manifest, open_table
from pipeline.video.decode import decode_clip
from pipeline.video.encode import encode_mp4
from pipeline.world.captions import caption
from pipeline.world.render import render
from pipeline.world.scene import random_scene
from tests.helpers.json_lines import json_lines
from tests.helpers.run_folders import CODECS, KINDS, encode_run, make_run, train_run
from tests.helpers.warm_python import python

ROOT = Path(cli.__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """raw/, run/ with latents, dit/."""
    home = tmp_path_factory.mktemp("lines")
    run = make_run(home / "run", home / "raw", ("harbour-at-dawn", "quay"))
    encode_run(run)
    train_run(run, home / "dit", steps=3)
    return home


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command; what it prints."""

    def run(*words: object, code: int = 0) -> str:
        capsys.readouterr()
        assert cli.main([str(word) for word in words]) == code
        return capsys.readouterr().out

    return run


def ids(table: Any) -> list[str]:
    return sorted(set(table[s.CLIP_ID].to_pylist()))


def test_lineage_and_forget(home: Path, tmp_path: Path, told: Any) -> None:
    run = open_run(home / "run")
    clip, *others = ids(run.kept_clips())
    found = json.loads(told("lineage", clip, "--run", home / "run", "--json"))
    row = next(r for r in open_table(run.manifest).to_pylist() if r[s.CLIP_ID] == clip)
    assert found["clip"] == clip and found["decision"][s.DECISION] == "keep"
    for name in (s.SOURCE_ID, s.SOURCE_URI, s.START_PTS, s.END_PTS, s.VIDEO_XXH3, s.BYTE_OFFSET):
        assert found["manifest"][name] == row[name]
    captions = [r for r in open_table(run.captions).to_pylist() if r[s.CLIP_ID] == clip]
    assert sorted(c[s.TEXT] for c in found["captions"]) == sorted(c[s.TEXT] for c in captions)
    packed = next(r for r in open_manifest(run.shards).table.to_pylist() if r[s.CLIP_ID] == clip)
    (shard,) = found["shards"]
    assert shard == {name: packed[name] for name in shard} and s.BYTE_OFFSET in shard
    assert sorted(row[s.KIND] for row in found["latents"]) == sorted(KINDS)
    assert found["exports"] == [], "a training is no export"
    (training,) = found["trainings"]
    assert Path(training["folder"]).name == "dit" and training["steps_done"] == 3
    assert clip in {**training["seen"], **dict.fromkeys(training["held_out"])}

    copy = Path(shutil.copytree(home / "run", tmp_path / "run"))
    assert json.loads(told("forget", clip, "--run", copy, "--dry-run", "--json"))["dry_run"]
    assert ids(open_table(open_run(copy).manifest)) == [clip, *others], "nothing was changed"
    told("forget", clip, "--run", copy)
    after = open_run(copy)
    tables = [open_table(after.manifest), open_table(after.selection), open_table(after.captions)]
    tables += [open_table(copy / "embeddings"), open_manifest(after.shards).table]
    for table in tables:
        assert ids(table) == others
    assert sorted(LatentStore(str(copy / "latents")).clip_ids) == others
    changed = json.loads(told("diff", home / "run", copy, "--json"))
    assert clip in json.dumps(changed) and not any(name in json.dumps(changed) for name in others)
    same = json.loads(told("diff", home / "run", home / "run", "--json"))
    assert clip not in json.dumps(same)


def test_reports_count_what_the_tables_hold(home: Path, told: Any) -> None:
    run = open_run(home / "run")
    clips = ids(open_table(run.manifest))
    body = json.loads(told("status", home / "run", "--json"))
    states = {line["stage"]: line["state"] for line in body["stages"]}
    assert {states[stage] for stage in ("ingest", "select", "caption", "pack")} == {"done"}
    told("report", home / "run")
    page = (home / "run" / "report.html").read_text()
    for row in open_table(run.manifest, [s.CLIP_ID, s.SOURCE_ID]).to_pylist():
        assert row[s.CLIP_ID] in page, "every clip has its picture"
    assert "harbour-at-dawn" in page and "quay" in page
    told("captions-report", home / "run")
    (report,) = (home / "run").glob("captions*.html")
    assert str(len(KINDS) * len(clips)) in report.read_text()
    assert str(len(clips)) in told("inspect", home / "run")


def test_the_order_of_training_is_the_same_for_every_world(home: Path, told: Any) -> None:
    printed = told("verify-resume", home / "dit", "--workers", "0")
    rows = [line.split() for line in printed.splitlines() if line.strip()[:1].isdigit()]
    assert rows and len({tuple(row[2:]) for row in rows}) == 1
    assert all(row[2] == row[3] for row in rows), "one order, before and after a resume"
    other = told("verify-resume", home / "run" / "latents", "--workers", "0", "--seed", "7")
    assert rows[0][2] not in other, "another seed is another order"


def test_recipes_and_their_keys(told: Any) -> None:
    for name in ("laptop", "demo"):
        assert tomllib.loads(told("recipe", name)) == tomllib.loads(to_toml(load_recipe(name)))
    keys = [json.loads(line) for line in told("recipe", "--keys", "--json").splitlines()]
    there = {(key["section"], key["key"]) for key in keys}
    for section, settings in tomllib.loads(told("recipe", "laptop")).items():
        for key, value in settings.items():
            assert isinstance(value, dict) or (section, key) in there
    assert all(key["meaning"] for key in keys)


def test_prompts_are_expanded_or_refused(told: Any) -> None:
    line = told("expand", "a large red circle moves right", "--json")
    found = json.loads(line)
    assert found["prompt"] == "a large red circle moves right" and found["category"] is None
    assert "red circle" in found["text"] and not found["lost"]
    refused = json.loads(told("expand", "a naked child", "--json", code=4))
    assert (refused["method"], refused["category"]) == ("refused", "sexual_minors")


def test_a_plan_follows_the_clips_and_the_gpus(told: Any) -> None:
    def days(*words: str) -> float:
        printed = told("plan", "--preset", "1.3B", "--size", "480x320", "--frames", "33", *words)
        (line,) = (line for line in printed.splitlines() if line.startswith("days:"))
        return float(line.split()[1].replace(",", ""))

    one = days("--clips", "1000000000", "--gpus", "8")
    assert days("--clips", "3000000000", "--gpus", "16") == pytest.approx(1.5 * one, rel=0.02)


def test_latents_become_the_caches_of_a_trainer(home: Path, tmp_path: Path, told: Any) -> None:
    told("caches", home / "run", "--for", "fastvideo", "--out", tmp_path / "caches")
    store = LatentStore(str(home / "run" / "latents"))
    rows = [
        row
        for path in sorted((tmp_path / "caches").rglob("*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]
    assert sorted(row["id"] for row in rows) == sorted(store.clip_ids)
    for row in rows:
        clip = store.clip_ids.index(row["id"])
        latent = np.frombuffer(row["vae_latent_bytes"], np.float32).reshape(row["vae_latent_shape"])
        np.testing.assert_array_equal(latent, store.posterior(clip)[0], "it normalises them itself")
        assert "a dense caption" in row["caption"]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Two rendered scenes, and their captions."""
    folder = tmp_path_factory.mktemp("shown")
    scenes = [random_scene(seed, split="heldout", max_objects=1, duration_s=2.0) for seed in (3, 8)]
    for number, scene in enumerate(scenes):
        frames = render(scene, width=96, height=64, fps=8.0, n_frames=16)
        (folder / f"{number}.mp4").write_bytes(encode_mp4(frames, 8.0, crf=8))
    return folder, [caption(scene, "dense") for scene in scenes]


def test_videos_are_judged_against_their_own_prompts(
    shown: tuple[Path, list[str]], tmp_path: Path, told: Any
) -> None:
    folder, prompts = shown
    for order, right in ((prompts, True), (prompts[::-1], False)):
        (tmp_path / "prompts.txt").write_text("\n".join(order))
        words = ("--prompts", tmp_path / "prompts.txt", "--clip-model", "none", "--json")
        told("judge", folder, *words, "--out", tmp_path / "judged.json")
        found = json.loads((tmp_path / "judged.json").read_text())
        assert [Path(row["path"]).name for row in found["videos"]] == ["0.mp4", "1.mp4"]
        assert [row["prompt"] for row in found["videos"]] == order
        for row in found["videos"]:
            assert (row["frames_right"] == 1.0 and not row["wrong"]) == right
            assert bool(row["failed"]) != right


def test_adherence_holds_samples_beside_what_judge_and_vae_can_reach(
    tmp_path: Path, told: Any
) -> None:
    words = (
        "--prompts",
        "2",
        "--steps",
        "1",
        "--frames",
        "5",
        "--guidance",
        "1",
        "--size",
        "64x64",
    )
    told("adherence", *words, "--max-objects", "1", "--out", tmp_path)
    found = json.loads((tmp_path / "adherence.json").read_text())
    assert found["rendered"]["frames_right"] == 1.0, "the truth is right"
    assert found["generated"]["frames_right"] <= found["vae"]["frames_right"] <= 1.0
    assert found["settings"]["steps"] == 1 and (tmp_path / "adherence.png").is_file()


def test_serve_samples_what_is_asked_for_and_keeps_it(home: Path, tmp_path: Path) -> None:
    """A process of its own on a port of its own: from the form to a video that plays, and an end by Ctrl-C."""
    models = ["--vae", f"{CODECS}:MeanVae", "--text", f"{CODECS}:ByteEncoder"]
    words = ["serve", str(home / "dit"), "--port", "0", "--out", str(tmp_path / "served"), *models]
    server = subprocess.Popen(
        [python(), "-m", "jobs.cli", *words, "--device", "cpu"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        line = next(line for line in server.stdout if line.startswith("serve: ") and "http" in line)
        url = next(word for word in line.split() if word.startswith("http")).rstrip("/")
        asked = {"verb": "sample", "prompt": "a red circle", "width": 16, "height": 16}
        asked |= {"frames": 5, "steps": 2, "seed": 3}

        def ask(path: str, body: dict[str, Any] | None = None) -> Any:
            data = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(
                url + path, data=data, headers={"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read())

        job = ask("/api/jobs", asked)
        while (now := ask(f"/api/jobs/{job['id']}"))["state"] not in ("done", "failed"):
            time.sleep(0.1)
        assert now["state"] == "done"
    finally:
        server.send_signal(signal.SIGINT)
        code = server.wait(60)
    assert code in (0, 130)
    folder = tmp_path / "served" / "results" / job["id"]
    frames, _ = decode_clip((folder / "video.mp4").read_bytes())
    assert frames.shape[1:] == (16, 16, 3) and len(frames) == 5
    meta = json.loads((folder / "meta.json").read_text())
    assert (meta["prompt"], meta["settings"]["seed"]) == ("a red circle", 3)
    events = [
        json.loads(line)["event"]
        for line in (tmp_path / "served" / "journal.jsonl").read_text().splitlines()
    ]
    assert events == ["submitted", "done"]


@pytest.mark.slow  # it builds a model of a captioner and trains it, or renders scenes: 20 s and more each
def test_captioners_are_trained_from_a_run_folder_and_from_nothing(
    home: Path, tmp_path: Path, told: Any
) -> None:
    from pipeline.openclip.torchvision_compat import prepare_torchvision
    from tests.helpers.tiny_vlms import fast_vlm

    prepare_torchvision()
    few = ("--steps", "2", "--batch", "2", "--frames", "2")
    base = fast_vlm(tmp_path / "base")
    words = ("--out", tmp_path / "tuned", "--kind", "dense", "--model", base, *few)
    told("train-captioner", home / "run", *words)
    last = json_lines(tmp_path / "tuned" / "metrics.jsonl")[-1]
    assert last["steps"] == 2 and last["clips"] == len(ids(open_table(home / "run" / "manifest")))
    assert list((tmp_path / "tuned" / "weights").glob("*.safetensors"))

    few = ("--pool", "16", "--steps", "2", "--batch", "2", "--see-batch", "2")
    told("pretrain-captioner", "--out", tmp_path / "own", *few)
    rows = (tmp_path / "own" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(rows[-1])["steps"] == 2
    assert list((tmp_path / "own" / "weights").glob("*.safetensors"))
