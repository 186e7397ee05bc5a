"""The shipped recipes as shipped, through the command line: a local hub cache under the names that they pin."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs import cli
from jobs.core.recipe import load_recipe
from jobs.models.needs import Need, needs
from pipeline import schema as s
from pipeline.shards.read import open_manifest
from tests.helpers.caption_server import caption_server
from tests.helpers.clip_folders import VIT_LIKE, write_folder
from tests.helpers.hub_cache import put_in_cache
from tests.helpers.tiny_vlms import speaking_smolvlm

ROOT = Path(__file__).resolve().parents[3]
SERVED = "Qwen/Qwen3-VL-8B-Instruct"
pytestmark = pytest.mark.timeout(900)


def need(recipe: str, kind: str) -> Need:
    return next(each for each in needs(load_recipe(recipe)) if each.kind == kind)


def store(cache: Path, wanted: Need, folder: Path) -> None:
    assert wanted.revision and len(wanted.revision) == 40, "a recipe pins a commit"
    put_in_cache(cache, wanted.repository, folder, wanted.revision)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models of the recipes' classes, random and small, in the layout of the hub's cache."""
    folder = tmp_path_factory.mktemp("hub")
    clip = write_folder(folder / "clip", VIT_LIKE)
    store(folder / "cache", need("laptop", "clip"), clip)
    store(folder / "cache", need("cluster", "clip"), clip)
    speaking_smolvlm(folder / "smolvlm")
    store(folder / "cache", need("laptop", "captioner"), folder / "smolvlm")
    return folder / "cache"


@pytest.fixture
def here(cache: Path, own_ray: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process and the workers that it starts use that cache."""
    from huggingface_hub import constants

    from jobs.core.ray_runtime import stop_ray

    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    yield
    stop_ray()


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shots of no world that any model knows."""
    from pipeline.video.encode import encode_mp4
    from tests.helpers.moving_scenes import scene, to_uint8

    folder = tmp_path_factory.mktemp("raw")
    for seed in (1, 4):
        frames = to_uint8(scene(seed, 30, speed=2))
        (folder / f"{seed}.mp4").write_bytes(encode_mp4(frames, 12.0))
    return folder


def captions(out: Path) -> list[dict]:
    return [
        row for part in sorted((out / "captions").glob("*.parquet"))
        for row in pq.read_table(part).to_pylist()
    ]  # fmt: skip


def train_and_sample(out: Path, tmp_path: Path, *, text: str | None) -> None:
    """Latents of a set, two steps of a small DiT on them, and a video out of it."""
    dit, samples = tmp_path / "dit", tmp_path / "samples"
    assert cli.main(["encode", str(out)]) == 0
    train = ["train-dit", str(out), "--out", str(dit), "--steps", "2", "--preset", "tiny"]
    assert cli.main(train) == 0
    sample = ["sample", "--prompt", "A dog runs.", "--dit", str(dit)]
    sample += ["--text", text] if text else []
    sample += ["--size", "32x32", "--frames", "5", "--steps", "2", "--out", str(samples)]
    assert cli.main(sample) == 0
    assert list(samples.glob("*.mp4"))


@pytest.mark.slow
def test_laptop_from_footage_to_a_sample(raw: Path, here: None, tmp_path: Path) -> None:
    out = tmp_path / "set"
    assert cli.main(["curate", str(raw), "--out", str(out)]) == 0, "no recipe: laptop, it is here"
    rows = captions(out)
    assert {row[s.KIND] for row in rows} == {"short", "dense"}
    assert {row[s.OUTCOME] for row in rows} == {"ok"}, rows
    pinned = need("laptop", "captioner")
    assert {row[s.MODEL] for row in rows} == {f"{pinned.repository}@{pinned.revision}"}
    manifest = pq.read_table(out / "manifest")
    assert manifest["concept_text"].null_count == 0 and set(manifest[s.DOMAIN].to_pylist()) == {
        None
    }
    shards = open_manifest(out).table
    assert shards.num_rows >= 1 and shards[s.CAPTION_DENSE].null_count == 0

    train_and_sample(out, tmp_path, text=None)  # the DiT names its encoder


@pytest.mark.slow
def test_cluster_with_a_server(here: None, tmp_path: Path) -> None:
    """The server's model knows the synthetic world, so it is shown films of it."""
    from pipeline.world.film import shoot

    out, raw = tmp_path / "set", tmp_path / "films"
    shoot(raw, minutes=0.3, files=2, seed=3, formats=((96, 64, Fraction(12)),), corrupt=1)
    (raw / "film-01.mp4").unlink()  # a broken recording by design
    with caption_server(SERVED) as url:
        words = ["curate", str(raw), "--out", str(out), "--recipe", "cluster"]
        words += ["--set", f"caption.base_url={url}"]
        assert cli.main(words) == 0
    rows = captions(out)
    assert {row[s.MODEL] for row in rows} == {SERVED}
    assert {row[s.KIND] for row in rows} == {"short", "dense"}
    assert any(row[s.OUTCOME] == "ok" and row[s.TEXT] for row in rows)
    train_and_sample(out, tmp_path, text=need("cluster", "clip").model)


def test_a_server_with_another_model_is_one_line_before_anything_is_touched(
    here: None, raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with caption_server("some/other-model") as url:
        words = ["curate", str(raw), "--out", str(tmp_path / "set"), "--recipe", "cluster"]
        assert cli.main([*words, "--set", f"caption.base_url={url}"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "has 'some/other-model' and not 'Qwen/Qwen3-VL-8B-Instruct'" in said
    assert not (tmp_path / "set").exists()


def test_without_its_models_a_recipe_names_the_command_and_claims_nothing(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "empty"))
    words = ["curate", str(raw), "--out", str(tmp_path / "set"), "--recipe"]
    for recipe in ("laptop", "cluster"):
        assert cli.main([*words, recipe]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"filmstock models get --recipe {recipe}" in line
        assert not (tmp_path / "set").exists()


def test_without_a_recipe_and_without_models_captions_are_facts_and_come_later(
    raw: Path, cache: Path, own_ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "empty"))
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))  # the workers find them, this process decides
    out = tmp_path / "set"
    words = ["curate", str(raw), "--out", str(out)]
    assert cli.main(words) == 0
    assert "filmstock models get --recipe laptop" in capsys.readouterr().out
    rows = captions(out)
    assert {(row[s.KIND], row[s.OUTCOME]) for row in rows} == {("facts", "ok")}
    assert pq.read_table(out / "manifest")["concept_text"].null_count == len(rows)
    shards = open_manifest(out).table
    assert shards.num_rows == len(rows) and shards[s.CAPTION_DENSE].null_count == len(rows)

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    assert cli.main(words) == 0, "the models are here by now"
    assert "ingest: nothing to do" in capsys.readouterr().out
    assert {row[s.KIND] for row in captions(out)} == {"facts", "short", "dense"}


@pytest.mark.slow
def test_laptop_at_the_true_size_of_its_clip_model(raw: Path, cache: Path, tmp_path: Path) -> None:
    """As a user runs it, in a process of its own, with ViT-B-32 as it is (random weights)."""
    import json
    import shutil

    from pipeline.openclip.package import open_clip_module

    clip = tmp_path / "clip"
    clip.mkdir()
    open_clip = open_clip_module()
    from safetensors.torch import save_file

    config = open_clip.get_model_config("ViT-B-32")
    model = open_clip.model.CLIP(**config)
    save_file(
        {k: v.contiguous() for k, v in model.state_dict().items()},
        clip / "open_clip_model.safetensors",
    )
    preprocess = open_clip.get_pretrained_cfg("ViT-B-32", "laion2b_s34b_b79k")
    told = {k: preprocess[k] for k in ("mean", "std", "interpolation", "resize_mode")}
    body = {"model_cfg": config, "preprocess_cfg": told}
    (clip / "open_clip_config.json").write_text(json.dumps(body))
    home = tmp_path / "cache"
    shutil.copytree(cache, home, symlinks=True)
    wanted = need("laptop", "clip")
    shutil.rmtree(home / f"models--{wanted.repository.replace('/', '--')}")
    store(home, wanted, clip)
    done = subprocess.run(
        [sys.executable, "-m", "jobs.cli", "curate", str(raw), "--out", str(tmp_path / "set")]
        + ["--recipe", "laptop"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_CACHE": str(home)},
        capture_output=True, text=True, timeout=850,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    vectors = pq.read_table(tmp_path / "set" / "embeddings")[s.CLIP_EMBEDDING]
    assert len(vectors[0].as_py()) == 512
