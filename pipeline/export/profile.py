"""What a video model is trained on: its frame rate, its frame counts, its sizes, the length of its text.

A profile is a TOML file; those that ship are in ``recipes/profiles/``. Frame counts are ``frame_offset`` plus a
multiple of ``frame_step``: 4n+1 for Wan and HunyuanVideo, 8n+1 for LTX, 17n+5 for MiniMax-H3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.bounds import Count, Positive, Whole, check_bounds


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Shape and text rules of one model."""

    name: str = "none"
    """What it is called in reports."""
    fps: Positive
    """Frames a second that the model was trained at."""
    frames: tuple[int, ...]
    """Frame counts that clips are cut to: a clip goes to the largest that it fills."""
    frame_step: Count = 4
    """A count of frames is ``frame_offset`` plus a multiple of this."""
    frame_offset: Whole = 1
    """Frames of the shortest clip in latents, before the first step."""
    sizes: tuple[tuple[int, int], ...]
    """(width, height) in pixels that clips are trained at: a clip goes to the one of the nearest aspect."""
    divisor: Count = 16
    """Every side is a multiple of this, pixels."""
    text_tokens: int | None = None
    """Tokens that the text encoder reads; what follows is cut off. None: no limit is known."""
    text_encoder: str = ""
    """Repository or folder of the tokenizer that counts them."""
    dialect: str = "prose"
    """How its captions are written."""
    audio: bool = False
    """Whether the model is trained on sound, too."""

    def __post_init__(self) -> None:
        check_bounds(self)
        if not self.frames or list(self.frames) != sorted(set(self.frames)):
            raise ValueError(f"frames = {list(self.frames)} must rise and name at least one count")
        for count in self.frames:
            if count < 1 or (count - self.frame_offset) % self.frame_step:
                raise ValueError(
                    f"frames = {count} is not {self.rule}; near it are {' and '.join(map(str, self.near(count)))}"
                )
        if not self.sizes:
            raise ValueError("sizes is empty; name at least one [width, height]")
        for size in self.sizes:
            if len(size) != 2 or any(side < self.divisor or side % self.divisor for side in size):
                sides = "x".join(map(str, size))
                raise ValueError(f"sizes = {sides}: each side must be a multiple of {self.divisor}")

    @property
    def rule(self) -> str:
        """The rule of frame counts as people write it: ``4n+1``."""
        if self.frame_step == 1:
            return "any count"
        return f"{self.frame_step}n" + (f"+{self.frame_offset}" if self.frame_offset else "")

    def near(self, count: int) -> list[int]:
        """The allowed counts of frames just below and above ``count``."""
        steps = max(0, (count - self.frame_offset) // self.frame_step)
        below = self.frame_offset + steps * self.frame_step
        return [n for n in (below, below + self.frame_step) if n > 0]

    def fitting(self, available: int) -> int | None:
        """The largest of ``frames`` that a clip of ``available`` frames fills; None when it fills none."""
        return max((count for count in self.frames if count <= available), default=None)

    def size_for(self, width: int, height: int) -> tuple[int, int]:
        """The size whose aspect is nearest; of several such, the largest that needs no enlarging, else the smallest."""
        aspect = math.log(width / height)

        def distance(size: tuple[int, int]) -> tuple[float, int, int]:
            grows = size[0] > width or size[1] > height
            area = size[0] * size[1]
            return (
                round(abs(math.log(size[0] / size[1]) - aspect), 3),
                grows,
                area if grows else -area,
            )

        return min(self.sizes, key=distance)
