"""From prompts to videos: a DiT, the text encoder and the VAE it was trained with, composed.

The text encoder and the VAE come as objects (``pipeline.contracts``), so the DiT knows no implementation of either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import torch
from torch import Tensor

from dit.checkpoint import Loaded, load_dit
from dit.conditioning import Condition, given_frames, given_latents
from dit.config import REFERENCE_SCALE, SampleConfig, WeightFormat
from dit.latents import LatentSpec
from dit.packing import token_count
from dit.samplers import generate as generate_latents
from pipeline.loader.packs import plan_packs
from pipeline.training.compute import compute_dtype
from pipeline.training.device import pick_device

if TYPE_CHECKING:
    from pipeline.contracts import TextEncoder, Vae

TOKENS_PER_PACK = 4096
"""Latent tokens sampled together; more is faster up to the size of the caches."""
LEAST_GRAPH_STEPS = 8
"""On CUDA, samplings of at least so many steps replay the model from a graph: recording costs about four steps."""


def load(
    path: str | Path = "embedded", *, device: str = "cpu", weights: WeightFormat = "float"
) -> Loaded:
    """Load a DiT to sample with, in the number format that is fastest where it computes.

    Args:
        path: ``embedded``, a ``dit.safetensors``, or a folder of ``train-dit``.
        device: ``cpu``, ``cuda``, ``cuda:N``, or ``auto``: a GPU where there is one.
        weights: How the matrices of the blocks lie in memory: ``float``, or ``int8`` for a quarter of that.

    Raises:
        ValueError: there is no DiT of ours at ``path``, no such device, or no torchao for ``int8``.
    """
    loaded = load_dit(path)
    there = pick_device(device)
    loaded.model.to(there).set_compute(compute_dtype("auto", str(there)))
    if weights == "int8":
        from dit.int8 import int8_weights

        int8_weights(loaded.model)
    return loaded


class VideoOptions(TypedDict, total=False):
    """What ``generate`` takes beside prompts and models, for those that hand it on."""

    width: int
    height: int
    config: SampleConfig | None
    seed: int
    first_frame: np.ndarray | None
    references: Sequence[Sequence[np.ndarray]] | None
    reference_scale: float
    on_done: Callable[[int], object] | None


def generate(
    prompts: Sequence[str],
    *,
    dit: Loaded,
    vae: Vae,
    text_encoder: TextEncoder,
    width: int = 64,
    height: int = 64,
    config: SampleConfig | None = None,
    seed: int = 0,
    first_frame: np.ndarray | None = None,
    references: Sequence[Sequence[np.ndarray]] | None = None,
    reference_scale: float = REFERENCE_SCALE,
    on_done: Callable[[int], object] | None = None,
) -> list[np.ndarray]:
    """Generate one video per prompt.

    Args:
        prompts: Captions. Dense ones, like those of the training set, work best.
        dit: The transformer, see ``dit.load``.
        vae: The VAE that the DiT was trained with, see ``vae.load``.
        text_encoder: The text encoder that the DiT was trained with, see ``pipeline.load_text_encoder``.
        width, height: Size in pixels; multiples of the VAE's ``space_factor``.
        config: Length, frame rate, steps, guidance. Default: ``SampleConfig()``.
        seed: Seed of the first video's noise; the next ones count up. A video depends on its own seed only.
        first_frame: uint8 RGB (height, width, 3) that every video starts from (image-to-video).
        references: For each prompt pictures (H, W, 3) or videos (T, H, W, 3), uint8 RGB of any size, that show what the
            prompt leaves open: "this object, that motion". Only a DiT that was trained on references takes them.
        reference_scale: How strongly they are followed, beside ``config.guidance`` for the prompt.
        on_done: Called with the number of videos that were just finished.

    Returns:
        One uint8 RGB array (T, height, width, 3) per prompt.

    Raises:
        ValueError: a size does not fit the VAE, or the VAE or the text encoder is not the one of the DiT.
    """
    config = config or SampleConfig()
    if isinstance(prompts, str):
        raise ValueError(f"prompts must be a list of strings, got the string {prompts!r}")
    check_vae(dit.latents, vae)
    check_text_encoder(dit.latents, text_encoder)
    shape = vae.latent_shape(config.frames, height, width)[1:]
    condition = None
    if first_frame is not None:
        condition = first_frame_given(first_frame, vae, dit.latents, shape)
    return sample_videos(
        dit,
        vae,
        text_features(text_encoder, prompts),
        [shape] * len(prompts),
        seeds=[seed + i for i in range(len(prompts))],
        config=config,
        conditions=[condition] * len(prompts),
        references=None
        if references is None
        else [[reference_latents(shown, vae, dit) for shown in each] for each in references],
        reference_scale=reference_scale,
        on_done=on_done,
    )


def sample_videos(
    dit: Loaded,
    vae: Vae,
    texts: Sequence[Tensor | None],
    shapes: Sequence[tuple[int, int, int]],
    *,
    seeds: Sequence[int],
    config: SampleConfig,
    conditions: Sequence[Condition | None] | None = None,
    references: Sequence[Sequence[Tensor]] | None = None,
    reference_scale: float = REFERENCE_SCALE,
    on_done: Callable[[int], object] | None = None,
) -> list[np.ndarray]:
    """Generate one video per text, each of a size of its own, several to a pack.

    Args:
        dit, vae: The models.
        texts: Token features (L, text_dim) of each caption; None generates without a caption.
        shapes: (T, H, W) of the latents of each video.
        seeds: Seed of each video's noise.
        config: Solver, noise levels, guidance, frame rate; its ``frames`` is not used, ``shapes`` is.
        conditions: What is known of each video, see ``dit.conditioning``; None for nothing.
        references: Latents that each video is shown, see ``reference_latents``; None for none.
        reference_scale: How strongly they are followed.
        on_done: Called with the number of videos that were just finished.

    Returns:
        uint8 RGB (T, H, W, 3) of each video, in order.
    """
    videos: dict[int, np.ndarray] = {}
    asked = ToSample(
        texts=texts,
        shapes=shapes,
        seeds=seeds,
        conditions=conditions,
        references=references,
        reference_scale=reference_scale,
    )
    for latents in sample_latents(dit, asked, config):
        for i, latent in latents.items():
            videos[i] = vae.decode(dit.latents.denormalise(latent))
        if on_done:
            on_done(len(latents))
    return [videos[i] for i in range(len(texts))]


@dataclass(frozen=True, kw_only=True)
class ToSample:
    """Videos to sample: of each list an entry a video, which mean what they mean in ``sample_videos``."""

    texts: Sequence[Tensor | None]
    shapes: Sequence[tuple[int, int, int]]
    seeds: Sequence[int]
    conditions: Sequence[Condition | None] | None = None
    references: Sequence[Sequence[Tensor]] | None = None
    reference_scale: float = REFERENCE_SCALE
    """How strongly references are followed, in all of them."""

    def pick(self, numbers: Sequence[int]) -> ToSample:
        """Some of the videos, in that order."""
        conditions, references = self.conditions, self.references
        return ToSample(
            texts=[self.texts[i] for i in numbers],
            shapes=[self.shapes[i] for i in numbers],
            seeds=[self.seeds[i] for i in numbers],
            conditions=None if conditions is None else [conditions[i] for i in numbers],
            references=None if references is None else [references[i] for i in numbers],
            reference_scale=self.reference_scale,
        )


def sample_latents(
    dit: Loaded, asked: ToSample, config: SampleConfig
) -> Iterator[dict[int, Tensor]]:
    """Normalised latents (C, T, H, W) by number of the video, a pack at a time; ``config`` as in ``sample_videos``."""
    config = config.settled(dit.model.config.few_steps)
    on_cuda = next(dit.model.parameters()).is_cuda
    lengths = [token_count(shape, dit.model.config.patch) for shape in asked.shapes]
    text_lengths = [0 if text is None else len(text) for text in asked.texts]
    budget = max([TOKENS_PER_PACK, *lengths])
    # Videos of a pack share their noise levels, which hang on the number of tokens (``rectified_flow.shift_for``).
    alike: dict[int, list[int]] = {}
    for i, length in enumerate(lengths):
        alike.setdefault(max(length, config.shift_tokens), []).append(i)
    packs = [pack for own in alike.values() for pack in plan_packs(lengths, own, budget)]
    for pack in packs:
        pack = sorted(pack, key=lambda i: (lengths[i], text_lengths[i]))
        part = asked.pick(pack)
        latents = generate_latents(
            dit.model,
            part.shapes,
            part.texts,
            config,
            seeds=part.seeds,
            conditions=part.conditions,
            references=part.references,
            reference_scale=part.reference_scale,
            fps=config.fps,
            cuda_graph=on_cuda and config.step_count >= LEAST_GRAPH_STEPS,
        )
        yield dict(zip(pack, latents, strict=True))


def text_features(encoder: TextEncoder, texts: Sequence[str]) -> list[Tensor]:
    """Token features (L, text_dim) float32 of each text."""
    return [
        torch.from_numpy(np.asarray(rows, np.float32)) for rows in encoder.text_tokens(list(texts))
    ]


def first_frame_given(
    first_frame: np.ndarray, vae: Vae, spec: LatentSpec, shape: tuple[int, int, int]
) -> Condition:
    """Latents of ``shape`` (T, H, W) whose first frame is the picture, uint8 RGB of the video's size."""
    size = (shape[1] * vae.space_factor, shape[2] * vae.space_factor, 3)
    if first_frame.shape != size or first_frame.dtype != np.uint8:
        raise ValueError(
            f"the first frame is {first_frame.dtype} {first_frame.shape}; it must be uint8 {size}, "
            "the size of the video"
        )
    latent = spec.normalise(vae.encode(first_frame[None, None])[0][0])
    clean = torch.zeros(latent.shape[0], *shape)
    clean[:, :1] = latent
    return given_latents(clean, given_frames(shape[0], "first"))


def reference_latents(shown: np.ndarray, vae: Vae, dit: Loaded) -> Tensor:
    """Normalised latents (C, T, H, W) of a reference: uint8 RGB (H, W, 3) or (T, H, W, 3) of any size.

    Sides are cropped about the centre to what the VAE takes, and last frames of a video that fill no latent frame are
    left out. Raises ``ValueError`` for other arrays, for sides below the VAE's least, and for a DiT without references.
    """
    if not dit.model.config.references:
        raise ValueError("this DiT takes no references; train one with `train-dit --references`")
    video = shown[None] if shown.ndim == 3 else shown
    side = vae.space_factor
    if video.dtype != np.uint8 or video.ndim != 4 or video.shape[-1] != 3 or not len(video):
        raise ValueError(f"a reference must be uint8 RGB, got {shown.dtype} {shown.shape}")
    height, width = video.shape[1:3]
    if min(height, width) < side:
        raise ValueError(f"a reference is {width}x{height}; its sides must be at least {side}")
    top, left = height % side // 2, width % side // 2
    frames = 1 + (len(video) - 1) // vae.time_factor * vae.time_factor
    whole = video[:frames, top : top + height // side * side, left : left + width // side * side]
    return dit.latents.normalise(vae.encode(np.ascontiguousarray(whole)[None])[0][0])


def _as_value(name: str) -> str:
    """A name as the value of an option, empty for none."""
    return f" {name}" if name else ""


def check_vae(spec: LatentSpec, vae: Vae) -> None:
    """Raise ``ValueError`` unless the DiT makes latents of this VAE."""
    if vae.id != spec.vae_id:
        raise ValueError(
            f"the DiT makes latents of VAE {spec.vae_id}, this VAE is {vae.id}; "
            f"give the VAE it was trained with (--vae{_as_value(spec.vae)})"
        )


def check_text_encoder(spec: LatentSpec, encoder: TextEncoder) -> None:
    """Raise ``ValueError`` unless the DiT reads captions through this text encoder."""
    if encoder.id != spec.text_encoder_id:
        raise ValueError(
            f"the DiT reads captions of text encoder {spec.text_encoder_id}, this one is {encoder.id}; "
            f"give the encoder it was trained with (--text{_as_value(spec.text_encoder)})"
        )
