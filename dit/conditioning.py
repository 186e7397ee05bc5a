"""One algebra for every kind of conditioning: what is known of a clip, and at which noise level each token starts.

A token that starts at level 0 is given: it is clean, stays so while sampling, and carries no loss. At level 1 it is
generated, in between it is edited. Text-to-video gives no token, image-to-video the first latent frame, extension
forward the first few, backward the last few, connecting two videos both ends, inpainting all but a region or a span;
editing with strength s starts every token at s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from dit.packing import Layout, Patch, patchify

MODES = ("first", "prefix", "suffix", "ends")
Keep = Literal["clean", "noised"]


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What is known of a clip before it is sampled."""

    clean: Tensor
    """(C, T, H, W) normalised latents; any values where ``start`` is 1."""
    start: Tensor
    """(T, H, W) float32: noise level, 0 to 1, from which each latent cell is sampled; 0 is given."""
    keep: Keep = "clean"
    """How the model sees given tokens: ``clean``, as it was trained, or ``noised`` to the level of the others at each
    step (RePaint, arXiv 2201.09865, section 4.1), for masks that training never showed."""

    def __post_init__(self) -> None:
        if self.start.shape != self.clean.shape[1:]:
            raise ValueError(
                f"the mask is {tuple(self.start.shape)}, the latents are {tuple(self.clean.shape[1:])}; "
                "they must have the same frames, rows and columns"
            )
        low, high = float(self.start.min()), float(self.start.max())
        if not 0 <= low <= high <= 1:
            raise ValueError(f"noise levels from {low:g} to {high:g}; they must lie in 0 to 1")


def given_latents(clean: Tensor, given: Tensor, *, keep: Keep = "clean") -> Condition:
    """Latents (C, T, H, W) of which the cells or frames in ``given`` (T, H, W) or (T,) bool are kept as they are."""
    start = (~given).float()
    if start.ndim == 1:
        start = start[:, None, None]
    return Condition(clean=clean, start=start.expand(clean.shape[1:]).clone(), keep=keep)


def edited_latents(clean: Tensor, strength: float) -> Condition:
    """Latents (C, T, H, W) that are sampled anew from the level ``strength`` (SDEdit, arXiv 2108.01073, section 3)."""
    if not 0 <= strength <= 1:
        raise ValueError(
            f"strength {strength:g} is out of range; it goes from 0 (nothing) to 1 (everything)"
        )
    return Condition(clean=clean, start=torch.full(clean.shape[1:], float(strength)))


def given_frames(frames: int, mode: str | None, count: int = 1) -> Tensor:
    """(frames,) bool: which latent frames are given. At least one frame is always left to generate.

    ``first`` gives frame 0, ``prefix`` the first ``count``, ``suffix`` the last ``count``, ``ends`` the first and last.
    """
    given = torch.zeros(frames, dtype=torch.bool)
    if mode is None or frames < 2:
        return given
    count = max(1, min(count, frames - 1))
    if mode == "first":
        given[0] = True
    elif mode == "prefix":
        given[:count] = True
    elif mode == "suffix":
        given[frames - count :] = True
    elif mode == "ends":
        given[0] = True
        given[-1] = frames > 2
    else:
        raise ValueError(f"conditioning mode {mode!r} is unknown; use one of {', '.join(MODES)}")
    return given


def draw_given(frames: int, share: float, generator: torch.Generator) -> Tensor:
    """(frames,) bool for one training clip: with probability ``share`` a random mode, half of the time ``first``."""
    chance, pick, many = torch.rand(3, generator=generator).tolist()
    if chance >= share:
        return given_frames(frames, None)
    mode = "first" if pick < 0.5 else MODES[1 + min(2, int((pick - 0.5) * 6))]
    return given_frames(frames, mode, 1 + int(many * (frames - 1)))


def draw_around(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """(T, H, W) bool for one training clip: all is given but a box, as inpainting, connecting and interpolating do.

    The box covers, with equal chances: a part of every frame, whole frames inside the clip, or a part of some frames.
    Each of its sides is uniform, between one cell and the whole.
    """
    t, h, w = (int(side) for side in shape)
    kind, *draws = torch.rand(7, generator=generator).tolist()
    given = torch.ones(t, h, w, dtype=torch.bool)
    boxes = []
    for side, size, place in zip((t, h, w), draws[:3], draws[3:], strict=True):
        length = 1 + int(size * side)
        first = int(place * (side - length + 1))
        boxes.append(slice(first, first + length))
    if kind < 1 / 3:
        boxes[0] = slice(0, t)
    elif kind < 2 / 3 and t > 1:
        boxes[1:] = [slice(0, h), slice(0, w)]
    given[tuple(boxes)] = False
    return given


def spread_masks(given: Sequence[Tensor], layout: Layout, patch: Patch = (1, 1, 1)) -> Tensor:
    """Masks of each clip, of latent frames (T,) or cells (T, H, W), -> token mask (N,) bool.

    A token of several cells is given where all of them are; a mask of frames asks the first frame of a token.
    """
    ends = layout.segments.ends
    parts = []
    for i, mask in enumerate(given):
        rows = layout.coords[ends[i] : ends[i + 1], 0] * patch[0]
        if mask.ndim == 1:
            parts.append(mask.to(rows.device)[rows])
        else:
            parts.append((token_starts((~mask).float(), patch) == 0).to(rows.device))
    return torch.cat(parts)


def token_starts(start: Tensor, patch: Patch) -> Tensor:
    """Levels of latent cells (T, H, W) -> of tokens (N,): the highest of its cells, so that none is given by halves."""
    return patchify(start[None].float(), patch).amax(1)


def token_times(t: Tensor, layout: Layout, given: Tensor) -> Tensor:
    """Noise level of each clip (clips,) -> of each token (N,): 0 where given."""
    return torch.where(given, 0.0, t[layout.clip])


def hold(x: Tensor, clean: Tensor, given: Tensor) -> Tensor:
    """Tokens with the given ones put back to their clean values."""
    return torch.where(given[:, None], clean, x)
