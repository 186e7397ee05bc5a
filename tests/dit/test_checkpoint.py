"""``dit.safetensors`` appears whole or not at all, and is on the disk before it takes its name."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dit.checkpoint import content_id, load_dit, metadata_of, save_dit
from dit.config import DiTConfig
from dit.files import EMBEDDED, open_dit, read_metadata
from dit.latents import LatentSpec
from dit.model import DiT
from pipeline.store.weights import stored_id

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


def test_matrices_are_stored_small_and_vectors_whole(tmp_path: Path) -> None:
    """Gains and biases in bfloat16 lose what little training moved them; the id must see every weight."""
    one = model(0)
    with torch.no_grad():
        for weight in one.parameters():
            weight.add_(1 / 1024)
    path = tmp_path / "dit.safetensors"
    name = save_dit(one, SPEC, path, info={"steps": 3})
    loaded = load_dit(tmp_path)
    assert loaded.id == name and loaded.info == {"steps": 3} and loaded.latents == SPEC
    assert open_dit(tmp_path).id == name, "read without torch it has the same id"
    assert not loaded.model.training
    assert not any(weight.requires_grad for weight in loaded.model.parameters())
    for (key, mine), theirs in zip(
        one.state_dict().items(), loaded.model.state_dict().values(), strict=True
    ):
        matrix = key.endswith("weight") and mine.ndim == 2
        assert torch.equal(theirs, mine.bfloat16().float() if matrix else mine), key
    with torch.no_grad():
        next(one.parameters()).view(-1)[0] += 1
    assert save_dit(one, SPEC, path) != name


def test_what_is_stored_whole_comes_back_to_the_bit_and_notes_in_any_order_are_the_same(
    tmp_path: Path,
) -> None:
    one, files = model(2), [tmp_path / name for name in ("a.safetensors", "b.safetensors")]
    notes = {"steps": 3, "clips": 4}
    save_dit(one, SPEC, files[0], info=notes, dtype=torch.float32)
    save_dit(one, SPEC, files[1], info=dict(reversed(notes.items())), dtype=torch.float32)
    assert read_metadata(files[0]) == read_metadata(files[1])
    back = load_dit(files[0]).model.state_dict()
    assert all(torch.equal(back[name], mine) for name, mine in one.state_dict().items())


def test_a_file_without_notes_is_read_and_one_of_another_shape_is_named(tmp_path: Path) -> None:
    path = tmp_path / "dit.safetensors"
    tensors = {name: weight.contiguous() for name, weight in model(0).state_dict().items()}
    told = metadata_of(SMALL, SPEC, None)
    told.pop("info")
    save_file(tensors, path, told)
    assert load_dit(path).info == {}
    save_file(tensors, path, metadata_of(dataclasses.replace(SMALL, depth=2), SPEC, None))
    with pytest.raises(ValueError, match=r"dit\.safetensors"):
        load_dit(path)


def test_without_a_path_the_model_that_ships_is_loaded() -> None:
    assert load_dit().id == stored_id(EMBEDDED)


def test_the_id_sees_names_shapes_and_number_formats() -> None:
    """Two models of one id would share the cache of everything that is made with them."""
    bits = torch.arange(6, dtype=torch.float32)
    ids = [
        content_id(each)
        for each in (
            {"a": bits.view(2, 3)},
            {"a": bits.view(3, 2)},
            {"b": bits.view(2, 3)},
            {"a": bits.view(2, 3).view(torch.int32)},
        )
    ]
    assert len(set(ids)) == 4
    two = {"a": bits, "b": bits + 1}
    assert content_id(two) == content_id(dict(reversed(two.items())))


def test_latents_are_brought_to_unit_scale_and_their_deviations_too() -> None:
    """Divided where it should be multiplied, noise of the posterior grows in the channels that hold least."""
    spec = LatentSpec(vae_id="v", text_encoder_id="t", mean=(1.0, -1.0), std=(2.0, 0.5))
    latent = torch.tensor([3.0, 0.0]).view(2, 1, 1, 1).expand(2, 1, 2, 3)
    assert spec.normalise(latent)[:, 0, 0, 0].tolist() == [1.0, 2.0]
    assert torch.equal(spec.denormalise(spec.normalise(latent)), latent)
    assert spec.scale(torch.ones(2, 1, 1, 1)).flatten().tolist() == [0.5, 2.0]
    assert LatentSpec.from_dict(spec.to_dict()) == spec
