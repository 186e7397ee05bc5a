"""One algebra for every kind of conditioning: each token has its own noise level, and given tokens have level 0.

Text-to-video gives no token, image-to-video the first latent frame, extension forward the first few, backward
the last few, connecting two videos both ends. Given tokens are clean, stay clean while sampling, and carry no loss.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dit.packing import Layout

MODES = ("first", "prefix", "suffix", "ends")


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


def spread_frames(given: Sequence[Tensor], layout: Layout, patch_frames: int = 1) -> Tensor:
    """Latent-frame masks of each clip -> token mask (N,) bool."""
    ends = layout.segments.ends
    parts = []
    for i, mask in enumerate(given):
        rows = layout.coords[ends[i] : ends[i + 1], 0] * patch_frames
        parts.append(mask.to(rows.device)[rows])
    return torch.cat(parts)


def token_times(t: Tensor, layout: Layout, given: Tensor) -> Tensor:
    """Noise level of each clip (clips,) -> of each token (N,): 0 where given."""
    return torch.where(given, 0.0, t[layout.clip])


def hold(x: Tensor, clean: Tensor, given: Tensor) -> Tensor:
    """Tokens with the given ones put back to their clean values."""
    return torch.where(given[:, None], clean, x)
