"""``train-vae --init diffusers:PATH --decoder-only``: the decoder learns, the latents stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from jobs.cli import main as cli
from jobs.core.errors import UserError
from jobs.train.vae import main
from jobs.train.vae_start import load_foreign
from pipeline.openclip.torchvision_compat import prepare_torchvision
from tests.helpers.json_lines import json_lines
from tests.helpers.tiny_autoencoders import make_tiny, write_tiny
from tests.vae.conftest import write_world
from vae.checkpoint import load_vae
from vae.state import compute_of

prepare_torchvision()
diffusers = pytest.importorskip("diffusers")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "shards"
    return write_world(folder, 4, seed=4, split="train", sizes=((16, 16),))


@pytest.fixture(scope="module")
def wan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("wan") / "vae", "AutoencoderKLWan").parent


def words(shards: Path, out: Path, wan: Path, *more: str) -> list[str]:
    settings = ["--steps", "8", "--batch", "2", "--checkpoint-every", "4", "--log-every", "2"]
    settings += ["--warmup-steps", "1", "--lr", "0.02", "--ema-decay", "0.5", "--image-share", "0"]
    return [str(shards), "--out", str(out), "--init", f"diffusers:{wan}", *settings, *more]


@pytest.fixture(scope="module")
def trained(shards: Path, wan: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "out"
    assert main(words(shards, out, wan, "--decoder-only")) == 0
    return out


def test_layers_of_diffusers_stay_in_float32_on_a_cpu(
    wan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.training.compute.bf16_is_faster", lambda device: True)
    foreign = load_foreign(f"diffusers:{wan}")
    assert compute_of(foreign, "auto", "cpu") is torch.float32
    assert compute_of(foreign, "auto", "cuda") is torch.bfloat16
    assert compute_of(foreign, "bf16", "cpu") is torch.bfloat16
    assert compute_of(load_vae("embedded"), "auto", "cpu") is torch.bfloat16


def test_the_loss_falls_and_only_the_decoder_moves(trained: Path, wan: Path) -> None:
    rows = json_lines(trained / "metrics.jsonl")
    losses = [row["loss"] for row in rows if "loss" in row]
    assert losses[-1] < 0.9 * losses[0]
    card = (trained / "CARD.md").read_text()
    assert "decoder of `AutoencoderKLWan`" in card and "before training" in card
    old = diffusers.AutoencoderKLWan.from_pretrained(wan / "vae").state_dict()
    new = diffusers.AutoencoderKLWan.from_pretrained(trained / "vae").state_dict()
    moved = {name for name in old if not torch.equal(old[name], new[name])}
    assert moved and all(name.startswith(("decoder.", "post_quant_conv.")) for name in moved)
    assert {name for name in old if name.startswith("decoder.")} - moved == set()


def test_the_result_is_a_vae_for_encode_and_sample(trained: Path, wan: Path) -> None:
    from jobs.core.models import open_vae

    old, new = open_vae(f"diffusers:{wan}"), open_vae(f"diffusers:{trained}")
    assert old.id == new.id, "latents that were encoded before stay good"
    video = np.random.default_rng(0).integers(0, 256, (1, 5, 16, 16, 3), dtype=np.uint8)
    mean, logvar = old.encode(video)
    again = new.encode(video)
    assert torch.equal(mean, again[0]) and torch.equal(logvar, again[1])
    assert not np.array_equal(old.decode(mean[0]), new.decode(mean[0]))


OTHERS = {
    "AutoencoderKLCogVideoX": 16,
    "AutoencoderKLLTX2Video": 64,  # its decoder mirrors the border, so it needs two cells
    "AutoencoderKLHunyuanVideo15": 16,
}
"""Other classes, and a side of frames that fits them."""


@pytest.mark.parametrize("name", list(OTHERS))
def test_decoders_of_the_other_classes_get_gradients_and_nothing_else_does(
    name: str, tmp_path: Path
) -> None:
    vae = load_foreign(f"diffusers:{write_tiny(tmp_path / 'vae', name)}")
    side = OTHERS[name]
    frames = torch.rand(2, 3, 9, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1
    back = vae.decode(vae.encode(frames).mean)
    assert back.shape == frames.shape
    (back - frames).square().mean().backward()
    told = {each: p.grad is not None for each, p in vae.model.named_parameters()}
    assert {each for each, has in told.items() if has} == {
        each for each in told if each.startswith(("decoder.", "post_quant_conv."))
    }


@pytest.mark.slow  # the whole command for each class; what is theirs is tested above
@pytest.mark.parametrize("name", list(OTHERS))
def test_decoders_of_the_other_classes_are_trained_by_the_command(
    name: str, shards: Path, tmp_path: Path
) -> None:
    side = OTHERS[name]
    write_tiny(tmp_path / "start" / "vae", name)
    if side != 16:
        size = ((side, side),)
        shards = write_world(tmp_path / "shards", 2, seed=4, split="train", sizes=size)
    out = tmp_path / "out"
    given = words(shards, out, tmp_path / "start", "--decoder-only", "--steps", "2")
    assert main([*given, "--checkpoint-every", "2"]) == 0
    kind = getattr(diffusers, name)
    old = kind.from_pretrained(tmp_path / "start" / "vae").state_dict()
    new = kind.from_pretrained(out / "vae").state_dict()
    moved = {each for each in old if not torch.equal(old[each], new[each])}
    assert moved and all(each.startswith(("decoder.", "post_quant_conv.")) for each in moved)


def test_a_decoder_that_wants_a_noise_level_is_refused(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tiny("AutoencoderKLLTX2Video", timestep_conditioning=True).save_pretrained(
        tmp_path / "vae"
    )
    assert cli(["train-vae", *words(shards, tmp_path / "out", tmp_path, "--decoder-only")]) == 2
    assert "wants a noise level with every video" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow  # a second training; resuming itself is tested in test_vae.py
def test_a_run_that_stops_goes_on_to_the_same_weights(
    trained: Path, shards: Path, wan: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert main(words(shards, out, wan, "--decoder-only", "--stop-at", "4")) == 0
    assert not (out / "vae").exists()
    assert main(words(shards, out, wan, "--decoder-only")) == 0
    (name,) = (path.name for path in (out / "vae").glob("*.safetensors"))
    assert (out / "vae" / name).read_bytes() == (trained / "vae" / name).read_bytes()


def test_its_encoder_is_not_trained_and_show_batch_reads_the_run(
    trained: Path, shards: Path, wan: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="only the decoder can be trained.*add --decoder-only"):
        main(words(shards, tmp_path / "out", wan))
    assert not (tmp_path / "out").exists()
    assert cli(["show-batch", str(trained), "--step", "2", "--out", str(tmp_path / "b.png")]) == 0
