"""Small shards of the synthetic world and a very small VAE, shared by the VAE's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vae.config import VAEConfig


def write_world(
    folder: Path, clips: int, *, seed: int, split: str, sizes=((32, 32),), frames=5, images=0.0
) -> Path:
    """Shards of rendered clips, written in this process."""
    from pipeline.shards.write import ShardWriter
    from pipeline.tables import shards_schema
    from pipeline.world.clips import WorldConfig, world_rows

    config = WorldConfig(
        clips=clips, seed=seed, split=split, sizes=sizes, frames=frames, image_share=images
    )
    with ShardWriter(folder, shards_schema()) as writer:
        for row in world_rows(config, 0, clips):
            writer.add(row)
    return folder


@pytest.fixture(scope="session")
def shards(tmp_path_factory) -> Path:
    """24 clips of 5 frames in two sizes."""
    folder = tmp_path_factory.mktemp("world") / "shards"
    return write_world(folder, 24, seed=3, split="train", sizes=((32, 32), (40, 24)))


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Equal sums on every machine, and no fight over cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def small() -> VAEConfig:
    """A VAE of a few thousand weights with every kind of layer of the tiny preset."""
    return VAEConfig(
        latent_channels=4,
        widths=(16, 24),
        decoder_widths=(20, 24),
        reach=3,
        encoder_blocks=(1, 1),
        decoder_blocks=(1, 1),
    )
