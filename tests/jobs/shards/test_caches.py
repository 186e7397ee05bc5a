"""Latents as other trainers' caches: read as those trainers read them, resumed after a kill, never mixed."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors import safe_open

from jobs.core.errors import UserError
from jobs.shards import caches
from jobs.shards.caches import Args, run
from pipeline import schema as s
from pipeline.latents.store import LatentStore
from tests.helpers.latents import write_folder


@pytest.fixture(autouse=True)
def four_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(caches.CHANNELS, "musubi", 4)


@pytest.fixture(scope="module")
def latents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("run") / "latents", 6)


def test_musubi_finds_every_clip_and_its_text(latents: Path, tmp_path: Path) -> None:
    assert run(Args(folder=latents, trainer="musubi", out=tmp_path)) == 0
    store = LatentStore(latents)
    mean, std = store.channel_stats()
    files = sorted(tmp_path.glob("*_wan.safetensors"))
    assert len(files) == 6
    for clip, path in enumerate(files):
        # as its dataset takes a name apart: item, position and frames, size, architecture
        item, frames, size = path.stem.rsplit("_", 3)[:3]
        told = store.clip(clip)
        assert item == told[s.CLIP_ID] and int(frames.split("-")[1]) == told[s.N_FRAMES]
        assert tuple(map(int, size.split("x"))) == (told[s.WIDTH], told[s.HEIGHT])
        with safe_open(path, "pt") as file:
            (key,) = file.keys()
            latent, about = file.get_tensor(key), file.metadata()
        shape = re.fullmatch(r"latents_(\d+)x(\d+)x(\d+)_bfloat16", key)
        assert shape and tuple(map(int, shape.groups())) == tuple(latent.shape[1:])
        expected = (torch.from_numpy(store.posterior(clip)[0].copy()) - mean) / std
        assert torch.equal(latent, expected.bfloat16())
        assert about["architecture"] == "wan" and about["format_version"] == "1.0.1"
        with safe_open(tmp_path / f"{item}_wan_te.safetensors", "pt") as file:
            text = file.get_tensor("varlen_t5_bfloat16")
        dense = next(c for c in store.captions_of(clip) if store.kind(c) == "dense")
        assert torch.equal(text, torch.from_numpy(store.text(dense)).bfloat16())


def test_fastvideo_rows_give_back_the_tensors(
    latents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caches, "PART_CLIPS", 4)
    assert run(Args(folder=latents, trainer="fastvideo", out=tmp_path, caption="short")) == 0
    parts = sorted((tmp_path / "combined_parquet_dataset").glob("*.parquet"))
    rows = [row for part in parts for row in pq.ParquetFile(part).read().to_pylist()]
    assert len(parts) == 2 and len(rows) == 6
    store = LatentStore(latents)
    for clip, row in enumerate(rows):
        for name, numbers in (("vae_latent", store.posterior(clip)[0]), ("text_embedding", None)):
            dtype, shape = row[f"{name}_dtype"], row[f"{name}_shape"]
            found = np.frombuffer(row[f"{name}_bytes"], dtype).reshape(shape)
            if numbers is not None:
                assert np.array_equal(found, numbers)
        assert row["num_frames"] == row["vae_latent_shape"][1] and row["media_type"] == "video"
    assert rows[1]["caption"] == "caption 1 short", "and a clip without it takes what it has"
    assert rows[0]["caption"] == "caption 0 dense"


def test_a_rerun_writes_what_is_missing_and_other_latents_are_refused(
    latents: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(Args(folder=latents, trainer="musubi", out=out))
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    gone = next(out.glob("*_wan.safetensors"))
    gone.unlink()
    kept = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    run(Args(folder=latents, trainer="musubi", out=out))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert all((out / name).stat().st_mtime_ns == at for name, at in kept.items())
    with pytest.raises(UserError, match="other latents, or of another caption"):
        run(Args(folder=latents, trainer="musubi", out=out, caption="short"))


def test_latents_of_another_vae_are_refused(
    latents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(caches.CHANNELS, "musubi", 16)
    with pytest.raises(UserError, match="4 channels, and musubi reads 16: encode with"):
        run(Args(folder=latents, trainer="musubi", out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()
