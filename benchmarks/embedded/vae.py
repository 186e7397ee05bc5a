"""The VAE of the embedded models: trained on scenes that are rendered where it trains."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.embedded.render import render_all
from benchmarks.embedded.scenes import Bucket, Scenes, Stream, by_share
from vae.checkpoint import load_vae, save_vae
from vae.config import LossConfig, TrainConfig, VAEConfig
from vae.evaluate import set_statistics
from vae.files import WEIGHTS_NAME
from vae.model import VideoVAE
from vae.state import fresh_state, start_from_pca
from vae.train import TrainForward, train_step

BUCKETS = (
    (Bucket(width=128, height=80, frames=17), 0.28),
    (Bucket(width=80, height=128, frames=17), 0.14),
    (Bucket(width=128, height=128, frames=17), 0.06),
    (Bucket(width=96, height=96, frames=17), 0.12),
    (Bucket(width=64, height=64, frames=17), 0.18),
    (Bucket(width=80, height=48, frames=17), 0.07),
    (Bucket(width=48, height=80, frames=17), 0.07),
    (Bucket(width=128, height=80, frames=1), 0.04),
    (Bucket(width=64, height=64, frames=1), 0.04),
)
"""What the VAE sees, by shares of its steps."""


def order(seed: int) -> Iterator[Bucket]:
    """Endless buckets by their shares."""
    for number in by_share([share for _, share in BUCKETS], seed):
        yield BUCKETS[number][0]


def config_of(batch: int, channels: int, motion: float, lr: float) -> tuple[VAEConfig, TrainConfig]:
    """The tiny preset at ``channels``, and how it is trained."""
    model = replace(VAEConfig.preset("tiny"), latent_channels=channels)
    train = TrainConfig(
        steps=1_000_000,
        batch=batch,
        lr=lr,
        loss=LossConfig(motion=motion),
        ema_decay=0.998,
        seed=5,
        precision="fp32",
    )
    return model, train


def train_vae(
    out: Path,
    stream: Stream,
    *,
    seconds: float,
    device: str,
    batch: int = 64,
    channels: int = 16,
    motion: float = 2.0,
    lr: float = 4e-3,
    most_steps: int = 1_000_000,
) -> tuple[VideoVAE, dict[str, Any]]:
    """Train for ``seconds`` and write the averaged weights; returns them as they are read back, and figures."""
    if device != "cpu":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    model, config = config_of(batch, channels, motion, lr)
    state = fresh_state(model, config, None, device)
    chunks = stream.ahead(order(config.seed))
    fitted: list[np.ndarray] = []
    while len(fitted) < 192:
        fitted += [clip for clip in render_all(next(chunks), device).cpu().numpy()][:24]
    start_from_pca(state.vae, fitted)
    state.ema.model.load_state_dict(state.vae.state_dict())
    forward = TrainForward(state.vae)
    began = time.monotonic()
    steps, row = 0, {}
    for scenes in chunks:
        for frames in _shown(scenes, batch, device):
            spent = time.monotonic() - began
            # the schedule reads progress off step and steps: here time decides, so steps follow the rate so far
            progress = min(1.0, max(spent / seconds, steps / most_steps))
            config = replace(
                config,
                steps=max(state.step + 1, round(state.step / max(progress, 1e-3)))
                if state.step > 20
                else 1_000_000,
            )
            row = train_step(state, forward, frames, replace(config, batch=len(frames)))
            steps += 1
            if steps % 200 == 0 or steps == 20:
                print(
                    f"vae {steps} steps {spent:.0f} s loss {row['loss']:.4f} l1 {row['l1']:.4f} lr {row['lr']:.1e}",
                    flush=True,
                )
        if time.monotonic() - began >= seconds or steps >= most_steps:
            break
    vae = state.ema.model
    held = [clip for _ in range(8) for clip in render_all(next(chunks), device).cpu().numpy()]
    set_statistics(vae, held[:400])
    out.mkdir(parents=True, exist_ok=True)
    took = time.monotonic() - began
    info = {
        "trained": "benchmarks.embedded",
        "steps": steps,
        "batch": batch,
        "seconds": round(took),
        "skipped": state.skipped,
    }
    save_vae(vae, out / WEIGHTS_NAME, info=info)
    print(f"vae done: {steps} steps in {took:.0f} s, {state.skipped} skipped, {row}", flush=True)
    return load_vae(out / WEIGHTS_NAME), info


def _shown(scenes: Scenes, batch: int, device: str) -> Iterator[Tensor]:
    """Parts of ``batch`` clips as they are, then the same mirrored and backwards."""
    parts = render_all(scenes, device).split(batch)
    yield from parts
    for part in parts:
        yield part.flip(1, 3)
