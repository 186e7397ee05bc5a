"""Which other clip of its source a training clip is shown as its reference: a function of (seed, epoch, clip_id).

Clips of one source are other times of one video, so they show the same things in other places and other motion. A clip
alone in its source has no reference.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from torch import Tensor


class Mates:
    """The other clips of each clip's source, on the same side of the line between training and held out."""

    def __init__(self, sources: np.ndarray, held: np.ndarray) -> None:
        """``sources`` (clips,) int: source of each clip; ``held`` (clips,) bool."""
        codes = 2 * sources.astype(np.int64) + held
        self._order = np.argsort(codes, kind="stable")
        ordered = codes[self._order]
        self._first = np.searchsorted(ordered, codes, side="left")
        self._end = np.searchsorted(ordered, codes, side="right")
        self._place = np.argsort(self._order)

    @property
    def counts(self) -> np.ndarray:
        """(clips,) int: how many mates each clip has."""
        counts: np.ndarray = self._end - self._first - 1
        return counts

    def pick(self, clip: int, chance: float) -> int:
        """The mate at ``chance``, 0 to below 1, of those of a clip that has some."""
        first, count = int(self._first[clip]), int(self.counts[clip])
        place = first + int(chance * count)
        return int(self._order[place + (place >= self._place[clip])])


def draw_reference(
    mates: Mates, clip: int, key: Sequence[object], share: float, videos: float
) -> tuple[int, bool] | None:
    """(mate, whether it is shown whole) for one clip and epoch, or None; ``key`` names the draw."""
    if share <= 0 or not mates.counts[clip]:
        return None
    digest = hashlib.blake2b(repr(("reference", *key)).encode(), digest_size=12).digest()
    chance, which, whole = (
        int.from_bytes(digest[i : i + 4], "big") / 2**32 for i in range(0, 12, 4)
    )
    return (mates.pick(clip, which), whole < videos) if chance < share else None


def shown_part(latent: Tensor, whole: bool) -> Tensor:
    """Latents (C, T, H, W) as they are, or the first frame alone: the latent of a picture, for the VAE is causal."""
    return latent if whole else latent[:, :1]
