"""Every command of the help that trains, generates or only tells, in a process of its own.

Those that take a video take one of real footage and one of the world. ``test_every_command`` has the other commands.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import av
import httpx
import numpy as np
import pytest
from PIL import Image

from dit.checkpoint import load_dit
from jobs import demo
from jobs.core.recipe import load_recipe, to_toml
from jobs.core.run import open_run
from pipeline import schema as s
from pipeline.latents.store import LatentStore
from pipeline.shards.read import open_manifest, open_table
from pipeline.video.decode import decode_clip
from pipeline.video.encode import encode_mp4
from pipeline.world.render import render
from pipeline.world.scene import random_scene
from tests.helpers.command_line import filmstock, real_footage, runs, serving
from tests.helpers.json_lines import json_lines

pytestmark = pytest.mark.timeout(1800)
WIDTH, HEIGHT, FRAMES, FPS = 64, 48, 9, 8.0
FAST = ("--steps", "2", "--guidance", "1")


class Shown(NamedTuple):
    """Two short videos of one size, and what is in them."""

    folder: Path
    videos: tuple[Path, Path]
    frames: tuple[np.ndarray, np.ndarray]


def of_real(path: Path, start: int) -> np.ndarray:
    with av.open(str(path)) as container:
        pictures = [frame.to_image().resize((WIDTH, HEIGHT)) for frame in container.decode(video=0)]
    return np.stack([np.asarray(each) for each in pictures[start : start + FRAMES]])


@pytest.fixture(scope="module", params=["real", "world"])
def shown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "real":
        film = real_footage(folder / "raw") / "nasa_13013.mp4"
        given = [of_real(film, 20), of_real(film, 60)]
    else:
        scenes = [random_scene(seed, split="heldout", max_objects=1) for seed in (3, 8)]
        given = [
            render(scene, width=WIDTH, height=HEIGHT, fps=FPS, n_frames=FRAMES) for scene in scenes
        ]
    videos, frames = [], []
    for number, each in enumerate(given):
        videos.append(folder / f"{number}.mp4")
        videos[-1].write_bytes(encode_mp4(each, FPS, crf=8))
        frames.append(decode_clip(videos[-1].read_bytes())[0])
    return Shown(folder, (videos[0], videos[1]), (frames[0], frames[1]))


def made(path: Path) -> np.ndarray:
    """The frames of a video that a command wrote, at the rate that it was asked for."""
    frames, pts = decode_clip(path.read_bytes())
    assert frames.shape[1:] == (HEIGHT, WIDTH, 3)
    assert np.diff(np.asarray(pts, float)) == pytest.approx(1 / FPS, abs=0.002)
    told = json.loads(path.with_suffix(".json").read_text())
    assert told["settings"]["steps"] == 2 if "settings" in told else told
    return frames


def apart(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(int) - b).mean())


@runs("animate")
def test_a_picture_is_the_first_frame(shown: Shown, tmp_path: Path) -> None:
    Image.fromarray(shown.frames[0][0]).save(tmp_path / "a.png")
    words = ("--prompt", "A shape.", "--frames", FRAMES, *FAST, "--out", tmp_path / "out.mp4")
    filmstock("animate", tmp_path / "a.png", *words)
    frames = made(tmp_path / "out.mp4")
    assert len(frames) == FRAMES and apart(frames[0], shown.frames[0][0]) < 30


@runs("extend")
@pytest.mark.parametrize("backward", [False, True])
def test_what_was_given_stays_and_new_frames_come(
    shown: Shown, tmp_path: Path, backward: bool
) -> None:
    way = ("--backward",) if backward else ()
    words = ("--prompt", "A shape.", "--seconds", "0.5", "--frames", "13", *FAST, *way)
    filmstock("extend", shown.videos[0], *words, "--out", tmp_path / "out.mp4")
    frames = made(tmp_path / "out.mp4")
    assert len(frames) == FRAMES + 4
    kept = frames[4:] if backward else frames[:FRAMES]
    assert apart(kept, shown.frames[0]) < 6


@runs("loop", "connect")
def test_what_lies_between_leads_from_one_to_the_other(shown: Shown, tmp_path: Path) -> None:
    words = ("--prompt", "A shape.", *FAST)
    filmstock("loop", shown.videos[0], *words, "--out", tmp_path / "loop.mp4")
    frames = made(tmp_path / "loop.mp4")
    assert len(frames) == FRAMES + 7 and apart(frames[:FRAMES], shown.frames[0]) < 6
    filmstock("connect", *shown.videos, *words, "--out", tmp_path / "connect.mp4")
    frames = made(tmp_path / "connect.mp4")
    assert len(frames) == 2 * FRAMES + 7
    assert apart(frames[:FRAMES], shown.frames[0]) < 6
    assert apart(frames[-FRAMES:], shown.frames[1]) < 6


@runs("edit", "inpaint")
def test_only_what_is_asked_for_is_made_anew(shown: Shown, tmp_path: Path) -> None:
    words = ("--prompt", "A shape.", *FAST)
    filmstock(
        "inpaint", shown.videos[0], "--region", "8,8,24x16", *words, "--out", tmp_path / "i.mp4"
    )
    frames = made(tmp_path / "i.mp4")
    outside = np.ones((HEIGHT, WIDTH), bool)
    outside[8:24, 8:32] = False
    assert len(frames) == FRAMES
    assert apart(frames[:, outside], shown.frames[0][:, outside]) < 6
    found = []
    for strength in ("0.1", "0.9"):
        out = tmp_path / f"{strength}.mp4"
        filmstock("edit", shown.videos[0], "--strength", strength, *words, "--out", out)
        found.append(apart(made(out), shown.frames[0]))
    assert found[0] < found[1]


@runs("film", "world")
def test_the_world_is_shot_and_rendered_as_its_truth_says(tmp_path: Path) -> None:
    filmstock("film", tmp_path / "raw", "--minutes", "0.2", "--files", "2", "--seed", "3")
    truth = json.loads((tmp_path / "raw" / "truth.json").read_text())
    files = sorted(p.name for p in (tmp_path / "raw").glob("*.mp4"))
    assert len(files) == 2 and all(name in json.dumps(truth) for name in files)
    filmstock("world", tmp_path / "set", "--clips", "6", "--seed", "4")
    manifest = open_manifest(tmp_path / "set" / "shards")
    assert len(manifest) == 6
    for index, row in enumerate(manifest.table.to_pylist()):
        frames, _ = decode_clip(manifest.read(index))
        assert len(frames) == row[s.N_FRAMES] and row[s.CAPTION_DENSE]


@runs("recipe", "models")
def test_recipes_and_their_models_are_told(tmp_path: Path) -> None:
    for name in ("demo", "laptop", "cluster"):
        assert tomllib.loads(filmstock("recipe", name)) == tomllib.loads(to_toml(load_recipe(name)))
    printed = filmstock("models", "list")
    for name in ("laptop", "cluster"):
        assert load_recipe(name).caption.model.partition("@")[0] in printed
    none = {"HF_HUB_CACHE": str(tmp_path / "none")}
    assert filmstock("models", "check", "--recipe", "demo", **none)
    filmstock("models", "check", "--recipe", "laptop", code=3, **none)


@runs("plan", "expand")
def test_a_plan_and_a_prompt(tmp_path: Path) -> None:
    words = ("--preset", "1.3B", "--size", "480x320", "--frames", "33", "--gpus", "8")

    def days(clips: int) -> float:
        lines = filmstock("plan", *words, "--clips", clips).splitlines()
        return float(
            next(line for line in lines if line.startswith("days:")).split()[1].replace(",", "")
        )

    assert days(4 * 10**8) == pytest.approx(2 * days(2 * 10**8), rel=0.02)
    found = json.loads(filmstock("expand", "a large red circle moves right", "--json"))
    assert "red circle" in found["text"] and not found["lost"]
    refused = json.loads(filmstock("expand", "a naked child", "--json", code=4))
    assert refused["category"] == "sexual_minors"


@runs("sample", "adherence")
def test_samples_are_files_and_are_held_to_their_captions(tmp_path: Path) -> None:
    words = ("--frames", "5", "--size", f"{WIDTH}x{HEIGHT}", "--steps", "2", "--seed", "9")
    prompts = ("A large red circle stays still.", "A small blue square moves left.")
    (tmp_path / "p.txt").write_text("\n".join(prompts))
    filmstock("sample", "--prompts", tmp_path / "p.txt", *words, "--out", tmp_path / "a")
    videos = sorted((tmp_path / "a").glob("*.mp4"))
    assert len(videos) == 2 and [len(made(video)) for video in videos] == [5, 5]
    filmstock("sample", "--prompts", tmp_path / "p.txt", *words, "--out", tmp_path / "b")
    again = [decode_clip(p.read_bytes())[0] for p in sorted((tmp_path / "b").glob("*.mp4"))]
    for video, other in zip(videos, again, strict=True):
        np.testing.assert_array_equal(decode_clip(video.read_bytes())[0], other)
    few = ("--prompts", "2", "--steps", "1", "--frames", "5", "--guidance", "1", "--size", "64x64")
    filmstock("adherence", *few, "--max-objects", "1", "--out", tmp_path / "adherence")
    found = json.loads((tmp_path / "adherence" / "adherence.json").read_text())
    assert found["rendered"]["frames_right"] == 1.0


@runs("serve")
def test_a_server_samples_what_is_asked_for(tmp_path: Path) -> None:
    words = ("serve", "embedded", "--out", tmp_path / "served", "--device", "cpu")
    asked = {"verb": "sample", "prompt": "A red circle.", "width": WIDTH, "height": HEIGHT}
    asked |= {"frames": 5, "steps": 2, "seed": 3}
    with serving(*words) as address, httpx.Client(base_url=address, timeout=300) as web:
        key = web.post("/api/jobs", json=asked).raise_for_status().json()["id"]
        while (job := web.get(f"/api/jobs/{key}").json())["state"] not in ("done", "failed"):
            pass
        video = web.get(f"/api/jobs/{key}/video").content
    assert job["state"] == "done" and decode_clip(video)[0].shape == (5, HEIGHT, WIDTH, 3)
    assert (tmp_path / "served" / "results" / key / "video.mp4").read_bytes() == video


@runs("reward-dit", "train-clip", "train-captioner", "pretrain-captioner")
@pytest.mark.parametrize(
    "name", ["reward-dit", "train-clip", "train-captioner", "pretrain-captioner"]
)
def test_models_are_trained_some_steps(name: str, tmp_path: Path) -> None:
    TRAININGS[name](tmp_path)


def lines_of(out: Path) -> list[dict[str, Any]]:
    return json_lines(out / "metrics.jsonl")


def reward_dit(folder: Path) -> None:
    small = "--size 32x32 --frames 1 --max-objects 1 --prompts-per-step 2 --group 2 --updates 1"
    words = (*small.split(), "--draw-steps", "1", "--steps", "2", "--out", folder / "out")
    filmstock("reward-dit", *words)
    assert lines_of(folder / "out")[-1]["step"] == 2
    first, last = load_dit("embedded"), load_dit(folder / "out")
    assert last.id != first.id and last.info["started_from"] == first.id


SMALL_GALLERY = """
import pipeline.openclip.evaluate as evaluate
whole = evaluate.retrieval
evaluate.retrieval = lambda model, **given: whole(model, **{**given, "galleries": 1, "size": 8})
"""
"""Its measuring on 500 scenes takes minutes."""


def train_clip(folder: Path) -> None:
    from pipeline.openclip.model import load_openclip

    few = ("--scenes", "24", "--batch", "8", "--steps", "2", "--warmup-steps", "1")
    filmstock("train-clip", *few, "--out", folder / "out", before=SMALL_GALLERY)
    assert lines_of(folder / "out")[-1]["steps"] == 2
    model = load_openclip(folder / "out" / "model")
    vectors = model.embed_texts(["a red circle", "a blue square"])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-2)


def train_captioner(folder: Path) -> None:
    from pipeline.openclip.torchvision_compat import prepare_torchvision
    from tests.helpers.run_folders import make_run
    from tests.helpers.tiny_vlms import fast_vlm

    prepare_torchvision()
    run = make_run(folder / "run", folder / "raw", ("harbour-at-dawn", "quay"))
    few = ("--steps", "2", "--batch", "2", "--frames", "2")
    base = fast_vlm(folder / "base")
    words = ("--out", folder / "out", "--kind", "dense", "--model", base, *few)
    filmstock("train-captioner", run.path, *words)
    last = lines_of(folder / "out")[-1]
    assert last["steps"] == 2 and last["clips"] == len(open_table(run.manifest))
    assert list((folder / "out" / "weights").glob("*.safetensors"))


def pretrain_captioner(folder: Path) -> None:
    few = ("--pool", "16", "--steps", "2", "--batch", "2", "--see-batch", "2")
    filmstock("pretrain-captioner", "--out", folder / "out", *few)
    assert lines_of(folder / "out")[-1]["steps"] == 2
    assert list((folder / "out" / "weights").glob("*.safetensors"))


TRAININGS: dict[str, Callable[[Path], None]] = {
    "reward-dit": reward_dit,
    "train-clip": train_clip,
    "train-captioner": train_captioner,
    "pretrain-captioner": pretrain_captioner,
}


@runs("demo")
def test_the_demo_itself(tmp_path: Path) -> None:
    """From nothing to samples, as its words say; a second run does nothing again."""
    out = tmp_path / "demo"
    words = ("demo", "--out", out, "--minutes", "0.5", "--train-minutes", "0.05")
    printed = filmstock(*words)
    run = open_run(out / "set")
    decided = open_table(run.selection)[s.DECISION].to_pylist()
    outcomes = open_table(run / "sources.parquet")[s.OUTCOME].to_pylist()
    assert outcomes.count("quarantined") == 1, "one film is broken on purpose"
    packed = [row[s.CLIP_ID] for row in open_manifest(run.shards).table.to_pylist()]
    assert 0 < len(packed) <= decided.count("keep") < len(decided)
    assert sorted(LatentStore(str(out / "set" / "latents")).clip_ids) == sorted(packed)
    assert load_dit(out / "dit").info["started_from"] == load_dit("embedded").id
    samples = sorted((out / "samples").glob("*.mp4"))
    assert len(samples) == len(demo.PROMPTS)
    lengths = [len(decode_clip(path.read_bytes())[0]) for path in samples]
    verbs = {p.stem: len(decode_clip(p.read_bytes())[0]) for p in (out / "verbs").glob("*.mp4")}
    assert set(verbs) == {"extend", "edit", "loop"}
    assert (verbs["extend"], verbs["edit"]) == (lengths[0] + 16, lengths[1])
    assert verbs["loop"] > lengths[2]
    assert f"{decided.count('keep'):>5}" in printed and "where to look" in printed
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*.mp4")}
    filmstock(*words)
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*.mp4")} == before
