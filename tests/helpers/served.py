"""A server of a tiny untrained DiT with models that need no weights: every path of it is the real one."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from tests.helpers.tiny_codecs import ByteEncoder, MeanVae

FAST = {"verb": "sample", "width": 16, "height": 16, "frames": 5, "steps": 2, "guidance": 1}
"""A request that takes some milliseconds."""


@cache
def tiny_models() -> Any:
    """``VideoModels`` of random weights, always the same."""
    import torch

    from dit.checkpoint import Loaded
    from dit.config import DiTConfig
    from dit.latents import LatentSpec
    from dit.model import DiT
    from dit.video_models import VideoModels

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = DiT(DiTConfig(width=24, depth=1, heads=2, latent_channels=3, text_dim=16))
        for parameter in model.parameters():  # a fresh DiT predicts zero
            torch.nn.init.normal_(parameter, std=0.2)
    spec = LatentSpec(
        vae_id=MeanVae.id, text_encoder_id=ByteEncoder.id, mean=(0.0,) * 3, std=(0.5,) * 3
    )
    loaded = Loaded(model=model.eval(), latents=spec, id="tiny", info={})
    return VideoModels(dit=loaded, vae=MeanVae(), text_encoder=ByteEncoder())


def open_api(
    folder: Path, *, queue: int = 64, token: str | None = None, credentials: Any = None
) -> Any:
    """``jobs.serve.app.Api`` over a folder."""
    from jobs.serve.app import Api
    from jobs.serve.inputs import Inputs
    from jobs.serve.store import Store
    from jobs.serve.worker import Worker
    from jobs.web.guard import Access

    folder.mkdir(parents=True, exist_ok=True)
    store = Store(folder, queue)
    worker = Worker(store, tiny_models(), Inputs(folder), credentials)
    return Api(store, worker, Access(token=token), "tiny")


def expected_video(seed: int, prompt: str, **settings: Any) -> bytes:
    """The MP4 that the server must give for ``FAST`` with these settings."""
    from jobs.serve.forms import config_of, verbs
    from pipeline.video.encode import encode_mp4
    from pipeline.video.tags import synthetic_tags

    verb = verbs()["sample"]
    full = verb.settings({**FAST, "prompt": prompt, "seed": seed, **settings})
    video = verb.function(
        prompt,
        models=tiny_models(),
        width=full["width"],
        height=full["height"],
        config=config_of(full),
        seed=seed,
    )
    tags = synthetic_tags(tiny_models().dit.id, prompt)
    return encode_mp4(video, full["fps"], tags=tags)
