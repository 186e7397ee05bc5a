"""Share of training that waits for data, when each read of the store takes 20 ms; and packs balanced by what they cost.

    python -m benchmarks.data_wait --steps 30 --latency-ms 20

A folder of generated latents (clips of 17x64x64, the tiny DiT) is trained on as if it lay in a store: every byte range
takes the latency longer, any number at the same time, and each clip is three ranges (posterior, text features, text).
Both ways are run: steps made in their turn, and made ahead as ``train-dit`` makes them. Exit code 1 if the latter waits
for 2 % of the time or more.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dit.config import DiTConfig, TrainConfig
from dit.train.feed import Feed
from dit.train.loop import train_step
from dit.train.run import start_run
from dit.train.training_packs import TrainingPacks
from pipeline import schema as s
from pipeline.latents import index, parts
from pipeline.loader.packs import Balance, packing_waste, plan_packs, step_imbalance

CLIPS, TEXT_DIM, SHAPE = 512, 192, (8, 5, 8, 8)


def write_latents(folder: Path) -> Path:
    """Random latents of 17x64x64 clips with a caption of 40 tokens each."""
    rng = np.random.default_rng(0)
    clips, texts, captions = [], [], {}
    for i in range(CLIPS):
        name, key = f"clip{i:05d}", parts.cache_key(i)
        mean = rng.standard_normal(SHAPE).astype(np.float32)
        clips.append(
            {s.CLIP_ID: name, s.SOURCE_ID: name, s.CACHE_KEY: key, s.LATENT_MEAN: mean,
             s.LATENT_LOGVAR: mean * 0 - 4, s.N_FRAMES: 17, s.WIDTH: 64, s.HEIGHT: 64, s.FPS: 8.0}
        )  # fmt: skip
        features = rng.standard_normal((40, TEXT_DIM)).astype(np.float32)
        texts.append({s.TEXT_KEY: key, s.CAPTION: f"clip {i}", s.TEXT_FEATURES: features})
        captions[name] = {"dense": key}
    metadata = {
        "vae_id": "none", "text_encoder_id": "none", "text_dim": str(TEXT_DIM),
        "latent_mean": json.dumps([0.0] * 8), "latent_std": json.dumps([1.0] * 8),
    }  # fmt: skip
    for at in range(0, CLIPS, 128):
        parts.write_clips(folder, clips[at : at + 128], metadata)
        parts.write_texts(folder, texts[at : at + 128], metadata)
    index.commit(folder, metadata, captions)
    return folder


class FarPacks(TrainingPacks):
    """Packs whose byte ranges each take ``latency`` seconds longer, and are asked for together as those of a store."""

    def __init__(self, folder: Path, latency: float, **options: Any) -> None:
        super().__init__(folder, **options)
        for files in (self.store.files, self.store.text_files):
            files.read = _late(files.read, latency)  # type: ignore[method-assign]

    @property
    def remote(self) -> bool:
        return True


def _late(read: Callable[..., bytes], latency: float) -> Callable[..., bytes]:
    def later(*args: Any) -> bytes:
        time.sleep(latency)
        return read(*args)

    return later


def waiting(folder: Path, steps: int, latency: float, ahead: int) -> tuple[float, float]:
    """(share of the time that steps wait for data, seconds a step)."""
    config = TrainConfig(tokens_per_pack=2560, packs_per_step=1, precision="fp32", held_out_share=0)
    model = DiTConfig.preset("tiny", latent_channels=8, text_dim=TEXT_DIM)
    config = config.settled(model)
    data = FarPacks(folder, latency, token_budget=2560, held_out_share=0.0)
    run = start_run(model, config, data)
    feed = Feed(data, model, config, torch.device("cpu"), ahead=ahead)
    try:
        train_step(run, config, data, feed)  # the first has nothing made ahead of it
        began, waited = time.perf_counter(), 0.0
        for _ in range(steps):
            waited += train_step(run, config, data, feed)["waited"]
        took = time.perf_counter() - began
    finally:
        feed.close()
    return waited / took, took / steps


def balance() -> None:
    """How long processes wait for the costliest pack of a step, with packs of equal tokens and with balanced ones."""
    rng = np.random.default_rng(0)
    lengths = []
    for _ in range(8000):
        height, width = rng.choice([128, 192, 256, 320, 448], 2)
        frames = 1 if rng.random() < 0.3 else 1 + 4 * rng.integers(1, 13)
        lengths.append(int((1 + (frames - 1) // 4) * (height // 16) * (width // 16)))
    order = rng.permutation(len(lengths)).tolist()
    for preset in ("B", "1.3B"):
        for packs_per_step in (8, 64):
            linear = DiTConfig.preset(preset).linear_tokens
            judge = Balance(linear_tokens=linear, packs_per_step=packs_per_step)
            told = []
            for used in (None, judge):
                began = time.process_time()
                packs = plan_packs(lengths, order, 16_384, balance=used)
                took = (time.process_time() - began) / len(lengths)
                waste = packing_waste(lengths, packs, 16_384)
                told.append(
                    f"waits {100 * step_imbalance(lengths, packs, judge):.1f} %, waste {100 * waste:.2f} %, "
                    f"{1e6 * took:.0f} us a clip"
                )
            print(
                f"{preset} ({linear} tokens), {packs_per_step} packs a step: by tokens {told[0]}; balanced {told[1]}"
            )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--latency-ms", type=float, default=20)
    args = parser.parse_args()
    balance()
    share = 1.0
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_latents(Path(scratch) / "latents")
        for ahead, name in ((0, "in their turn"), (2, "ahead")):
            share, seconds = waiting(folder, args.steps, args.latency_ms / 1e3, ahead)
            print(
                f"{args.latency_ms:g} ms a read, steps made {name}: {1e3 * seconds:.0f} ms a step, "
                f"{100 * share:.2f} % of it waits for data"
            )
    return int(share >= 0.02)


if __name__ == "__main__":
    sys.exit(main())
