"""A picture animated; a video edited by a prompt, inpainted, or given frames between its frames."""

from __future__ import annotations

import numpy as np
import torch

from dit.conditioning import Condition, Keep, edited_latents, given_frames, given_latents
from dit.config import SampleConfig
from dit.video_models import VideoModels, empty_like, padded


def animate(
    picture: np.ndarray,
    prompt: str,
    *,
    models: VideoModels,
    config: SampleConfig | None = None,
    seed: int = 0,
) -> np.ndarray:
    """A video of ``config.frames`` frames that begins with the picture.

    Args:
        picture: uint8 RGB (H, W, 3).
        prompt: What happens; an empty one is no caption.
        models: The models.
        config: Length, frame rate, solver, noise levels, guidance.
        seed: Seed of the noise.

    Returns:
        uint8 RGB (T, H, W, 3); its first frame is the picture through the VAE.

    Raises:
        ValueError: the VAE does not take the size or the length, or nothing is left to make.
    """
    config = config or SampleConfig()
    models.check_video(picture[None], 1, "animate it")
    frames = models.latent_frames(config.frames)
    if frames < 2:
        raise ValueError(
            f"a video of {config.frames} frame leaves nothing to make beside the picture; "
            f"use at least {1 + models.step}"
        )
    latents = models.encode(picture[None])
    clean = empty_like(latents, frames)
    clean[:, :1] = latents
    given = given_latents(clean, given_frames(frames, "first"))
    return models.decode(models.sample(prompt, given, config, seed))


def edit(
    video: np.ndarray,
    prompt: str,
    *,
    models: VideoModels,
    strength: float,
    config: SampleConfig | None = None,
    seed: int = 0,
) -> np.ndarray:
    """The video made anew from the noise level ``strength`` on, by another prompt (SDEdit, arXiv 2108.01073).

    What the VAE loses is given back in proportion to 1 - strength, so strength 0 is the video itself, bit for bit.

    Args:
        video: uint8 RGB (T, H, W, 3).
        prompt: What it is to show; an empty one is no caption.
        models: The models.
        strength: 0 changes nothing, 1 keeps nothing.
        config: Solver, noise levels, guidance, frame rate. Its ``frames`` is not used.
        seed: Seed of the noise.

    Returns:
        uint8 RGB (T, H, W, 3).

    Raises:
        ValueError: strength is out of range, or the VAE does not take the size.
    """
    models.check_video(video, 1, "edit it")
    latents = models.encode(padded(video, models.step))
    made = models.sample(prompt, edited_latents(latents, strength), config or SampleConfig(), seed)
    lost = video.astype(np.float32) - models.decode(latents)[: len(video)]
    out = models.decode(made)[: len(video)] + (1 - strength) * lost
    return out.round().clip(0, 255).astype(np.uint8)


def inpaint(
    video: np.ndarray,
    prompt: str,
    mask: np.ndarray,
    *,
    models: VideoModels,
    config: SampleConfig | None = None,
    seed: int = 0,
    keep: Keep = "clean",
) -> np.ndarray:
    """The video with what ``mask`` covers made anew; everything else stays as it is, bit for bit.

    Args:
        video: uint8 RGB (T, H, W, 3).
        prompt: What the whole is to show; an empty one is no caption.
        mask: bool (T, H, W), or (H, W) for all frames; True is made anew.
        models: The models.
        config: Solver, noise levels, guidance, frame rate. Its ``frames`` is not used.
        seed: Seed of the noise.
        keep: How the model sees what is kept, see ``dit.conditioning.Condition``.

    Returns:
        uint8 RGB (T, H, W, 3).

    Raises:
        ValueError: the mask is of another size or covers nothing, or the VAE does not take the size.
    """
    models.check_video(video, 1, "inpaint it")
    mask = checked_mask(mask, video)
    filled = padded(fill(video, mask), models.step)
    latents = models.encode(filled)
    start = cells(padded(mask, models.step), models.step, models.vae.space_factor)
    condition = Condition(clean=latents, start=torch.from_numpy(start).float(), keep=keep)
    made = models.sample(prompt, condition, config or SampleConfig(), seed)
    return np.where(mask[..., None], models.decode(made)[: len(video)], video)


def interpolate(
    video: np.ndarray,
    prompt: str,
    *,
    models: VideoModels,
    strength: float = 0.6,
    config: SampleConfig | None = None,
    seed: int = 0,
) -> np.ndarray:
    """``step`` - 1 new frames after each frame but the last; the video's own frames stay as they are.

    A cross-fade is made anew from the noise level ``strength`` on. Arguments as in ``edit``; ``config.fps`` is the
    rate of the result. Returns uint8 RGB (1 + (T - 1) step, H, W, 3).
    """
    models.check_video(video, 2, "interpolate its frames")
    step = models.step
    faded = cross_faded(video, step)
    latents = models.encode(faded)
    condition = edited_latents(latents, strength)
    condition.start[0] = 0.0
    made = models.sample(prompt, condition, config or SampleConfig(), seed)
    out = models.decode(made)
    out[::step] = video
    return out


def cross_faded(video: np.ndarray, step: int) -> np.ndarray:
    """``step`` - 1 mixes of each two neighbouring frames between them: uint8 (1 + (T - 1) step, H, W, 3)."""
    place = np.arange(1 + (len(video) - 1) * step) / step
    low = np.minimum(place.astype(int), len(video) - 2)
    weight = (place - low)[:, None, None, None]
    mixed = (1 - weight) * video[low] + weight * video[low + 1]
    return mixed.round().astype(np.uint8)


def checked_mask(mask: np.ndarray, video: np.ndarray) -> np.ndarray:
    """The mask as bool (T, H, W) of the video; ``ValueError`` for another size or one that covers nothing."""
    mask = np.asarray(mask)
    if mask.shape not in (video.shape[:3], video.shape[1:3]):
        raise ValueError(
            f"the mask is {' x '.join(map(str, mask.shape))}, the video "
            f"{' x '.join(map(str, video.shape[:3]))} (frames x rows x columns); they must be of one size"
        )
    mask = np.broadcast_to(mask.astype(bool), video.shape[:3])
    if not mask.any():
        raise ValueError("the mask covers nothing, so there is nothing to inpaint")
    return mask


def fill(video: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The video with its masked pixels guessed, so that what they showed does not reach the latents beside them.

    From the same pixel in the nearest frames before and after where it is not masked, mixed by how near they are; a
    pixel that is masked in all frames gets the mean colour of its frame's other pixels, or grey.
    """
    out, frames = video.astype(np.float32), len(video)
    count = (~mask).sum((1, 2))[:, None]
    means = (video * ~mask[..., None]).sum((1, 2)) / np.maximum(count, 1)
    means = np.where(count > 0, means, 127.5)
    out[mask] = np.broadcast_to(means[:, None, None], out.shape)[mask]
    known = ~mask
    index = np.arange(frames)[:, None, None]
    before = np.maximum.accumulate(np.where(known, index, -1), axis=0)
    after = np.minimum.accumulate(np.where(known, index, frames)[::-1], axis=0)[::-1]
    some = mask & ((before >= 0) | (after < frames))
    before, after = np.where(before < 0, after, before), np.where(after >= frames, before, after)
    t, y, x = np.nonzero(some)
    low, high = before[some], after[some]
    weight = np.where(high > low, (t - low) / np.maximum(high - low, 1), 0.0)[:, None]
    out[some] = (1 - weight) * video[low, y, x] + weight * video[high, y, x]
    return out.round().astype(np.uint8)


def cells(mask: np.ndarray, step: int, side: int) -> np.ndarray:
    """Latent cells (T', H', W') bool that a mask (T, H, W) of 1 + k ``step`` frames touches."""
    frames, height, width = mask.shape
    space = mask.reshape(frames, height // side, side, width // side, side).any((2, 4))
    later = space[1:].reshape(-1, step, *space.shape[1:]).any(1)
    return np.concatenate([space[:1], later])
