"""``train-vae --init diffusers:PATH --decoder-only``: the decoder learns, the latents stay."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from jobs.cli import main as cli
from jobs.core.errors import UserError
from jobs.train.vae import main
from pipeline.openclip.torchvision_compat import prepare_torchvision
from tests.helpers.tiny_autoencoders import write_tiny
from tests.vae.conftest import write_world

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


def test_the_loss_falls_and_only_the_decoder_moves(trained: Path, wan: Path) -> None:
    rows = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
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
