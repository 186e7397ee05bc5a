"""``dit.safetensors`` appears whole or not at all, and is on the disk before it takes its name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from dit.checkpoint import LatentSpec, load_dit, save_dit
from dit.config import DiTConfig
from dit.model import DiT

SPEC = LatentSpec(vae_id="v", text_encoder_id="t", mean=(0.0,) * 4, std=(1.0,) * 4)
SMALL = DiTConfig(width=24, depth=1, heads=2, latent_channels=4, text_dim=8)


def model(seed: int) -> DiT:
    torch.manual_seed(seed)
    return DiT(SMALL)


def test_weights_are_written_beside_flushed_and_then_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written in place, a power cut in the middle leaves half a file under the name of a good one."""
    path = tmp_path / "dit.safetensors"
    first = save_dit(model(0), SPEC, path)
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def flushed(descriptor: int) -> None:
        calls.append("fsync")
        fsync(descriptor)

    def renamed(source: str | Path, target: str | Path) -> None:
        assert load_dit(path).id == first  # the old file stands until this moment
        assert Path(source).stat().st_size == path.stat().st_size
        calls.append(f"rename onto {Path(target).name}")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", renamed)
    second = save_dit(model(1), SPEC, path)
    assert calls[:2] == ["fsync", "rename onto dit.safetensors"]
    assert load_dit(path).id == second != first


def test_a_write_that_fails_leaves_the_old_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "dit.safetensors"
    first = save_dit(model(0), SPEC, path)

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError):
        save_dit(model(1), SPEC, path)
    monkeypatch.undo()
    assert load_dit(path).id == first
