"""The DiT in the repository does what its card says: it knows what a caption says of a scene it was not trained on."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from dit.checkpoint import load_dit
from dit.config import TrainConfig
from dit.rectified_flow import token_losses
from dit.train.data import generator_for, make_batch
from pipeline import schema as s

SCENES = 8
SHAPE = {"width": 64, "height": 64, "fps": 8.0, "n_frames": 17}


@pytest.fixture(scope="module")
def clips() -> list[dict[str, Any]]:
    """Held-out scenes as the loader hands them out: latents of the shipped VAE, features of the shipped encoder."""
    from pipeline.textencoder.open import load_text_encoder
    from pipeline.world.captions import caption
    from pipeline.world.render import render
    from pipeline.world.scene import random_scene
    from vae.checkpoint import load_vae
    from vae.data import to_frames

    vae = load_vae()
    scenes = [random_scene(77_000 + i, split="heldout") for i in range(SCENES)]
    texts = load_text_encoder().text_tokens([caption(scene, "dense") for scene in scenes])
    found = []
    for scene, text in zip(scenes, texts, strict=True):
        with torch.no_grad():
            posterior = vae.encode(to_frames(render(scene, **SHAPE)[None]))
        found.append(
            {
                s.LATENT_MEAN: posterior.mean[0],
                s.LATENT_LOGVAR: posterior.logvar[0],
                s.TEXT_FEATURES: torch.as_tensor(text).float(),
                s.FPS: 8.0,
            }
        )
    return found


def loss_at_half(clips: list[dict[str, Any]]) -> float:
    """Mean loss per number at noise level 0.5."""
    loaded = load_dit()
    config = TrainConfig(condition_share=0.0)
    batch = make_batch(
        clips,
        loaded.latents,
        loaded.model.config,
        config,
        generator_for(3),
        times=torch.full((len(clips),), 0.5),
    )
    with torch.no_grad():
        velocity = loaded.model(batch.x_t, batch.levels, batch.layout, batch.given)
    return float(token_losses(velocity, batch.target, batch.real).mean())


def test_a_true_caption_explains_the_scene_and_a_wrong_one_does_not(clips) -> None:
    """A DiT that has lost its weights, its text or its VAE's scale still makes videos; this number tells."""
    true = loss_at_half(clips)
    texts = [clip[s.TEXT_FEATURES] for clip in clips]
    wrong = [{**clip, s.TEXT_FEATURES: texts[(i + 1) % SCENES]} for i, clip in enumerate(clips)]
    assert true < 0.32
    assert loss_at_half(wrong) > 1.5
