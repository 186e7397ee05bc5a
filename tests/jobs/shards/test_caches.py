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
from jobs.core.lock import LOCK
from jobs.shards import caches
from jobs.shards.caches import Args, run
from pipeline import schema as s
from pipeline.latents.store import LatentStore
from pipeline.store.atomic import AtomicFile
from tests.helpers.latents import write_folder


@pytest.fixture(autouse=True)
def four_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(caches.CHANNELS, "musubi-tuner", 4)
    monkeypatch.setitem(caches.CHANNELS, "ltx-2", 4)


@pytest.fixture(scope="module")
def latents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("run") / "latents", 6)


def test_musubi_finds_every_clip_and_its_text(latents: Path, tmp_path: Path) -> None:
    assert run(Args(folder=latents, trainer="musubi-tuner", out=tmp_path)) == 0
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


def test_a_kind_that_no_clip_has_is_refused_before_anything_is_made(
    latents: Path, tmp_path: Path
) -> None:
    args = Args(folder=latents, trainer="fastvideo", out=tmp_path / "new", caption="poem")
    with pytest.raises(UserError, match="of kind 'poem': there are dense, short"):
        run(args)
    assert not args.out.exists()


def test_clips_that_took_another_kind_are_counted(
    latents: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = LatentStore(latents)
    have = [{store.kind(c) for c in store.captions_of(clip)} for clip in range(6)]
    without = sum("short" not in kinds for kinds in have)
    assert 0 < without < 6
    run(Args(folder=latents, trainer="fastvideo", out=tmp_path, caption="short"))
    said = capsys.readouterr().err
    assert f"{without} clips have no caption of kind 'short' and took another kind" in said


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


def test_ltx_2_pairs_latents_with_their_text(latents: Path, tmp_path: Path) -> None:
    assert run(Args(folder=latents, trainer="ltx-2", out=tmp_path)) == 0
    store = LatentStore(latents)
    mean, std = store.channel_stats()
    root = tmp_path / ".precomputed"
    files = sorted((root / "latents").glob("**/*.pt"))  # what its dataset looks for, then its text
    assert len(files) == 6
    longest = 0
    for clip, path in enumerate(files):
        told = store.clip(clip)
        found = torch.load(path, weights_only=True)
        expected = (torch.from_numpy(store.posterior(clip)[0].copy()) - mean) / std
        assert path.stem == told[s.CLIP_ID] and torch.equal(found["latents"], expected.bfloat16())
        shape = tuple(found[name] for name in ("num_frames", "height", "width"))
        assert shape == tuple(found["latents"].shape[1:]) and found["fps"] == told[s.FPS]
        text = torch.load(root / "conditions" / path.name, weights_only=True)
        dense = next(c for c in store.captions_of(clip) if store.kind(c) == "dense")
        real = text["video_prompt_embeds"][text["prompt_attention_mask"]]
        assert torch.equal(real, torch.from_numpy(store.text(dense)).bfloat16())
        assert torch.equal(text["audio_prompt_embeds"], text["video_prompt_embeds"])
        longest = max(longest, len(real))
        assert not text["prompt_attention_mask"].diff().int().lt(0).any(), "padded on the left"
    lengths = {
        len(torch.load(path, weights_only=True)["prompt_attention_mask"])
        for path in (root / "conditions").iterdir()
    }
    assert lengths == {longest}, "texts of one batch are stacked"


@pytest.mark.parametrize("trainer", ["musubi-tuner", "ltx-2"])
def test_a_kill_at_any_write_is_made_good(
    latents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trainer: caches.Trainer
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    run(Args(folder=latents, trainer=trainer, out=whole))
    write, left = caches.write_bytes, [0]

    def dies(path: Path, data: bytes) -> None:
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        write(path, data)

    monkeypatch.setattr(caches, "write_bytes", dies)
    for writes in range(14):
        left[0] = 1 if writes else 0
        try:
            run(Args(folder=latents, trainer=trainer, out=out))
            break
        except KeyboardInterrupt:
            AtomicFile(out / "deep" / "a.safetensors").tmp.write_bytes(
                b"half"
            )  # as kill -9 leaves it
            continue
    (out / "deep").rmdir()
    assert contents(out) == contents(whole)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.name != LOCK
    }


def test_a_rerun_writes_what_is_missing_and_other_latents_are_refused(
    latents: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(Args(folder=latents, trainer="musubi-tuner", out=out))
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    gone = next(out.glob("*_wan.safetensors"))
    gone.unlink()
    kept = {path.name: path.stat().st_mtime_ns for path in out.iterdir() if path.name != LOCK}
    run(Args(folder=latents, trainer="musubi-tuner", out=out))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert all((out / name).stat().st_mtime_ns == at for name, at in kept.items())
    with pytest.raises(UserError, match="other latents, or of another caption"):
        run(Args(folder=latents, trainer="musubi-tuner", out=out, caption="short"))


def test_latents_of_another_vae_are_refused(
    latents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(caches.CHANNELS, "musubi-tuner", 16)
    with pytest.raises(UserError, match="4 channels, and musubi-tuner reads 16: encode with"):
        run(Args(folder=latents, trainer="musubi-tuner", out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()
