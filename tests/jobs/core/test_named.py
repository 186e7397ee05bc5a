"""Models by name, looked at without torch."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from jobs.core.errors import UserError
from jobs.core.named import (
    check_dit,
    check_pair,
    check_text,
    check_vae,
    dit_latents,
    weights_file,
)
from pipeline.store.weights import METADATA, check_numbers, read_tensors, weights_header
from vae.checkpoint import save_vae
from vae.config import VAEConfig
from vae.model import VideoVAE


def test_a_vae_of_other_latents_is_refused(tmp_path: Path) -> None:
    told = save_vae(VideoVAE(VAEConfig(widths=(8, 8))), tmp_path / "vae.safetensors")
    spec = replace(dit_latents("embedded"), vae_id="abc", vae="")
    with pytest.raises(UserError, match=f"latents of VAE abc, --vae {tmp_path} is {told}"):
        check_pair(spec, str(tmp_path), "the DiT makes latents")
    with pytest.raises(UserError, match="give the VAE that made them: --vae runs/vae$"):
        check_pair(replace(spec, vae="runs/vae"), str(tmp_path), "the DiT makes latents")


@pytest.mark.parametrize("kind", ["dit", "vae"])
def test_weights_that_do_not_fit_their_config_are_refused(tmp_path: Path, kind: str) -> None:
    ours = weights_file("embedded", kind)
    metadata, tensors = weights_header(ours)[METADATA], read_tensors(ours)
    name = sorted(tensors)[3]
    check = {"dit": check_dit, "vae": check_vae}[kind]
    target = tmp_path / f"{kind}.safetensors"
    save_file(tensors, target, metadata)
    check(str(tmp_path))
    save_file({**tensors, name: torch.zeros(3, 5)}, target, metadata)
    with pytest.raises(UserError, match=rf"{name} has shape \(3, 5\), not \("):
        check(str(tmp_path))
    save_file({**tensors, "more": torch.zeros(3)}, target, metadata)
    with pytest.raises(UserError, match="more is none of the model's"):
        check(str(tmp_path))


@pytest.mark.parametrize(
    "config", ['{"width": "wide"}', '{"wdth": 192}', "{not json", "[1]"], ids=str
)
def test_a_config_of_a_stranger_is_refused(tmp_path: Path, config: str) -> None:
    widths = config.replace("width", "widths")
    for kind, check, told in (("dit", check_dit, config), ("vae", check_vae, widths)):
        metadata = {"format": f"filmstock-{kind}-1", "config": told, "latents": "{}"}
        save_file({"a": torch.zeros(3)}, tmp_path / f"{kind}.safetensors", metadata)
        with pytest.raises(UserError, match="holds a config that this filmstock cannot read"):
            check(str(tmp_path))


def test_our_models_fit() -> None:
    check_dit("embedded")
    check_vae("embedded")
    check_text("embedded")
    check_pair(dit_latents("embedded"), "embedded", "the DiT makes latents")


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite_are_found_in_every_format(
    tmp_path: Path, dtype: torch.dtype, bad: float
) -> None:
    file = tmp_path / "a.safetensors"
    sound = torch.tensor(
        [0.0, -1.5, float(torch.finfo(dtype).max), float(torch.finfo(dtype).tiny)], dtype=dtype
    )
    save_file({"first": sound, "whole": torch.tensor([2**31 - 1])}, file)
    check_numbers(file)
    save_file({"first": sound, "second": torch.tensor([1.0, bad], dtype=dtype)}, file)
    with pytest.raises(ValueError, match="numbers in second that are not finite"):
        check_numbers(file)
    check_numbers(file, most_bytes=8)


def test_what_is_damaged_or_another_models_is_refused(tmp_path: Path) -> None:
    ours = weights_file("embedded", "vae")
    cut = tmp_path / "vae.safetensors"
    cut.write_bytes(ours.read_bytes()[:-100])
    with pytest.raises(UserError, match="not a readable safetensors file"):
        check_vae(str(tmp_path))
    with pytest.raises(UserError, match="was not written by filmstock's DiT"):
        check_dit(str(ours))
    with pytest.raises(UserError, match="no VAE at nowhere; train one"):
        check_vae("nowhere")
    with pytest.raises(UserError, match="nowhere_at_all"):
        check_vae("nowhere_at_all:Vae")
    with pytest.raises(UserError, match="no VAE of diffusers at nowhere"):
        check_vae("diffusers:nowhere")
    with pytest.raises(UserError, match="VAE diffusers: names no folder"):
        check_vae("diffusers:")
    with pytest.raises(UserError, match="no config.json that names the class of a VAE"):
        check_vae(f"diffusers:{tmp_path}")
    (tmp_path / "config.json").write_text('{"_class_name": "AutoencoderKLWan"}')
    check_vae(f"diffusers:{tmp_path}")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "t5"}))
    check_text(f"transformers:{tmp_path}")
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(UserError, match="names a model_type"):
        check_text(f"transformers:{tmp_path}?layer=-3")
