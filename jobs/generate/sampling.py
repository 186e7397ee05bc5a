"""What ``sample``, ``adherence`` and the trainer's contact sheets share: models and decoding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.core.errors import UserError

if TYPE_CHECKING:
    import torch

    from dit.checkpoint import LatentSpec, Loaded
    from vae.model import VideoVAE

TOKENS_PER_PACK = 4096
"""Latent tokens sampled together; more is faster up to the size of the caches."""


def load_vae_for(spec: LatentSpec, path: str) -> VideoVAE:
    """The VAE at ``path``, which must be the one the latents were made with."""
    from vae.checkpoint import load_vae

    try:
        vae = load_vae(path)
    except ValueError as error:
        raise UserError(str(error)) from None
    if vae.id != spec.vae_id:
        raise UserError(
            f"the DiT makes latents of VAE {spec.vae_id}, {path} is {vae.id}; "
            "give the VAE it was trained with (--vae)"
        )
    return vae


def load_text_for(spec: LatentSpec, name: str) -> Any:
    """The CLIP model ``name``, which must be the text encoder the DiT was trained with."""
    from pipeline.openclip.model import load_clip

    try:
        clip = load_clip(name)
    except ValueError as error:
        raise UserError(str(error)) from None
    if clip.id != spec.text_encoder_id:
        raise UserError(
            f"the DiT reads captions of text encoder {spec.text_encoder_id}, {name} is {clip.id}; "
            "give the encoder it was trained with (--text)"
        )
    return clip


def load_dit_at(path: str) -> Loaded:
    """The DiT at ``path``, with the fast number format of this machine."""
    from dit.checkpoint import load_dit
    from dit.compute import fastest_compute

    try:
        loaded = load_dit(path)
    except ValueError as error:
        raise UserError(str(error)) from None
    loaded.model.set_compute(fastest_compute())
    return loaded


def text_features(clip: Any, texts: Sequence[str]) -> list[torch.Tensor]:
    """Token features (L, text_dim) float32 of each text."""
    import torch

    return [
        torch.from_numpy(np.asarray(rows, np.float32)) for rows in clip.text_tokens(list(texts))
    ]


def decode_latents(vae: VideoVAE, latent: torch.Tensor) -> np.ndarray:
    """VAE latents (C, T, H, W) -> uint8 frames (frames, height, width, 3)."""
    import torch

    from vae.tiling import decode_tiled

    with torch.inference_mode():
        frames = decode_tiled(vae, latent[None])[0].permute(1, 2, 3, 0)
    return ((frames.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()


def generate_clips(
    loaded: Loaded,
    vae: VideoVAE,
    texts: Sequence[torch.Tensor | None],
    shapes: Sequence[tuple[int, int, int]],
    *,
    seeds: Sequence[int],
    clean: Sequence[torch.Tensor | None] | None = None,
    given: Sequence[torch.Tensor | None] | None = None,
    on_done: Any = None,
    **options: Any,
) -> list[np.ndarray]:
    """Videos for many captions, several to a pack. ``clean`` are normalised latents, ``given`` their frame masks."""
    from dit.packing import token_count
    from dit.samplers import generate
    from pipeline.loader.packs import plan_packs

    lengths = [token_count(shape, loaded.model.config.patch) for shape in shapes]
    text_lengths = [0 if text is None else len(text) for text in texts]
    budget = max(TOKENS_PER_PACK, max(lengths))
    videos: list[np.ndarray | None] = [None] * len(texts)
    for pack in plan_packs(lengths, list(range(len(texts))), budget):
        pack = sorted(pack, key=lambda i: (lengths[i], text_lengths[i]))
        latents = generate(
            loaded.model,
            [shapes[i] for i in pack],
            [texts[i] for i in pack],
            seeds=[seeds[i] for i in pack],
            clean=None if clean is None else [clean[i] for i in pack],
            given=None if given is None else [given[i] for i in pack],
            **options,
        )
        for i, latent in zip(pack, latents, strict=True):
            videos[i] = decode_latents(vae, loaded.latents.denormalise(latent))
        if on_done:
            on_done(len(pack))
    return [video for video in videos if video is not None]
