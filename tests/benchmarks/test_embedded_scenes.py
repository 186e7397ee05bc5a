"""What the embedded models are trained on is what the world renders."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.embedded.dit import Packs, loss_and_gradients, start
from benchmarks.embedded.render import render_all
from benchmarks.embedded.scenes import FPS, Bucket, as_numbers, draw
from benchmarks.embedded.store import Part, Store, Words
from dit.config import DiTConfig, TrainConfig
from dit.levels import levels_of
from dit.packing import patchify
from pipeline.openclip.model import load_openclip
from pipeline.world.captions import caption
from pipeline.world.render import render
from pipeline.world.scene import random_scene
from vae.config import VAEConfig
from vae.model import VideoVAE


@pytest.mark.parametrize("size", [(64, 64), (80, 48), (48, 96)])
@pytest.mark.parametrize("frames", [1, 5])
def test_scenes_rendered_together_are_those_rendered_one_by_one(
    size: tuple[int, int], frames: int
) -> None:
    bucket = Bucket(width=size[0], height=size[1], frames=frames)
    scenes = [random_scene(seed, duration_s=2.0) for seed in range(60)]
    together = render_all(as_numbers(scenes, bucket), "cpu").numpy().astype(int)
    for scene, video in zip(scenes, together, strict=True):
        alone = render(scene, width=size[0], height=size[1], fps=FPS, n_frames=frames)
        off = np.abs(video - alone.astype(int))
        assert off.max() <= 1, scene
        assert (off > 0).mean() < 0.02


def test_draws_have_the_captions_of_their_scenes_and_never_repeat_one() -> None:
    bucket = Bucket(width=64, height=64, frames=1)
    first, second = draw(bucket, 0, 8, 7), draw(bucket, 8, 8, 7)
    assert not (first.x[:, 0] == second.x[:, 0]).all(1).any()
    assert (second.x == draw(bucket, 8, 8, 7).x).all()
    scene = random_scene(7 * 10_000_000 + 8, duration_s=17 / FPS)
    texts = [caption(scene, kind, still=True) for kind in ("dense", "short")]
    wanted = load_openclip("embedded")._token_ids(texts).numpy()
    assert (second.dense[0] == wanted[0]).all()
    assert (second.short[0] == wanted[1]).all()


def test_a_step_holds_what_the_trainer_would_make_of_the_same_clips() -> None:
    """Tokens, levels, captions and loss as ``dit.packing`` and ``dit.levels`` give them, padding or not."""
    torch.manual_seed(0)
    thin = {"latent_channels": 4, "widths": (8, 16), "decoder_widths": None}
    few = {"encoder_blocks": (1, 1), "decoder_blocks": (1, 1)}
    vae = VideoVAE(replace(VAEConfig.preset("tiny"), **thin, **few)).eval()
    clip = load_openclip("embedded")
    parts = [
        Part(bucket=Bucket(width=w, height=h, frames=t), count=n, kept=24)
        for w, h, t, n in ((32, 16, 5, 5), (16, 16, 1, 8))
    ]
    store = Store(parts, vae, Words(clip, "cpu"), "cpu")
    for number, part in enumerate(parts):
        store.add(number, draw(part.bucket, 0, 24, 3))
    model = DiTConfig(width=24, depth=2, heads=2, latent_channels=4, text_dim=clip.text_width)
    config = TrainConfig(condition_share=0.5, around_share=0.3, seed=2)
    net, _, _ = start(model, config.settled(model), "cpu", torch.float32)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    losses = []
    for padded in (False, True):
        packs = Packs(store, model, config, "cpu", padded=padded)
        torch.manual_seed(1)
        x_t, target, levels, given, layout = packs.draw()
        again = levels_of(levels.of_tokens(), packs.owner)
        used = len(again.value)
        assert torch.equal(levels.value[:used], again.value)
        assert torch.equal(levels.clip[:used], again.clip)
        assert torch.equal(levels.rows.index, again.rows.index)
        assert given.any()
        losses.append(loss_and_gradients(net, x_t, target, levels, given, layout).item())
        fresh = loss_and_gradients(net, x_t, target, again, given, layout).item()
        assert losses[-1] == pytest.approx(fresh, rel=1e-5)
    first = store.latents[0][0].float()
    tokens = first.view(1, 4, 2, 1, 1, 2, 2, 2).permute(0, 2, 4, 6, 1, 3, 5, 7).reshape(-1, 16)
    assert torch.equal(tokens, patchify(first, model.patch))
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)  # fillers change nothing
