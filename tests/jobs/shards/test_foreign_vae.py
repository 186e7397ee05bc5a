"""Latents of others' VAEs: encode, train-dit and sample with ``diffusers:PATH``, by the commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jobs.cli import main as cli
from pipeline import schema as s
from pipeline.latents.store import LatentStore
from pipeline.shards.read import open_manifest
from pipeline.video.decode import decode_clip
from tests.helpers.shard_media import make_rows, make_shards
from tests.helpers.tiny_autoencoders import write_tiny
from tests.helpers.tiny_models import tiny_clip

pytestmark = pytest.mark.usefixtures("one_block")

pytest.importorskip("diffusers")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_clip(tmp_path_factory.mktemp("text") / "clip"))


@pytest.mark.parametrize(
    ("name", "frames"), [("AutoencoderKLWan", {1, 5, 9}), ("AutoencoderKLCogVideoX", {1, 9})]
)
def test_latents_train_a_dit_that_samples(
    name: str, frames: set[int], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path / "model", name)
    make_shards(tmp_path / "shards", make_rows(8))
    vae = "diffusers:model"
    encode = ["encode", ".", "--vae", vae, "--text", text, "--workers", "1", "--device", "cpu"]
    assert cli([*encode, "--set", "encode.max_pixels=1536"]) == 0
    store = LatentStore(tmp_path)
    assert store.metadata["vae_id"].startswith("diffusers-")
    assert {store.clip(n)[s.N_FRAMES] for n in range(8)} == frames
    assert open_manifest(tmp_path).table.num_rows == 8
    monkeypatch.chdir(tmp_path.parent)  # the settings that are kept name the model by its place
    assert cli(["encode", str(tmp_path), "--workers", "1", "--device", "cpu"]) == 0
    vae = f"diffusers:{tmp_path / 'model'}"
    train = ["train-dit", str(tmp_path), "--out", str(tmp_path / "dit"), "--preset", "tiny"]
    train += ["--steps", "2", "--tokens-per-pack", "60", "--vae", vae, "--device", "cpu"]
    assert cli([*train, "--sample-every", "2", "--held-out-share", "0.15"]) == 0
    sample = ["sample", "--prompt", "a clip", "--dit", str(tmp_path / "dit"), "--vae", vae]
    sample += ["--text", text, "--out", str(tmp_path / "out"), "--size", "32x32", "--steps", "2"]
    assert cli([*sample, "--frames", "9", "--device", "cpu"]) == 0
    (video,) = (tmp_path / "out").glob("*.mp4")
    found, _ = decode_clip(video.read_bytes())
    assert found.shape == (9, 32, 32, 3) and found.dtype == np.uint8


def test_a_vae_that_is_not_there_is_one_line(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make_shards(tmp_path / "shards", make_rows(2))
    assert cli(["encode", str(tmp_path), "--vae", "diffusers:nowhere", "--text", text]) == 2
    error = capsys.readouterr().err
    assert "no VAE of diffusers at nowhere" in error and "Traceback" not in error
    assert not (tmp_path / "latents").exists()
