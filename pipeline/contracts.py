"""The contracts between filmstock and what extends it. Any object with these methods fits; nothing is registered.

A recipe or an option names an extension as ``module:object``, see ``pipeline.extensions``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    import numpy as np
    import torch


class TextEncoder(Protocol):
    """Turns captions into the token features that condition the DiT."""

    id: str
    """Identity of the weights and the tokenizer. Latents and checkpoints store it, and refuse another encoder's."""

    @property
    def text_width(self) -> int:
        """Numbers in the feature of one token."""
        ...

    def text_tokens(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Features of each text: float16 or float32 (L, text_width), one row per real token, without padding."""
        ...


def check_texts(texts: Sequence[str]) -> None:
    """``ValueError`` for a single text in place of many, whose letters would be taken for texts."""
    if isinstance(texts, str):
        raise ValueError(f"texts must be a list of strings, got the string {texts!r}")


class Vae(Protocol):
    """Turns frames into latents and back. One latent frame stands for ``time_factor`` frames, the first for one."""

    id: str
    """Identity of the latent space. Latents and checkpoints store it, and refuse another space's."""
    time_factor: int
    """Frames per latent frame; a video has 1 + k * time_factor frames."""
    space_factor: int
    """Pixels per side of a latent cell; sides of frames are multiples of it."""
    channel_mean: tuple[float, ...]
    """Mean of each latent channel over the data that the VAE was trained on."""
    channel_std: tuple[float, ...]
    """Standard deviation of each latent channel over the same data."""

    def latent_shape(self, n_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """Shape (C, T, H, W) of the latents of one video. Raises ``ValueError`` for a size that does not fit."""
        ...

    def encode(self, videos: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log-variance of the posterior, each float32 (B, C, T, H, W) on the CPU.

        ``videos`` are uint8 RGB (B, T, H, W, 3), all of one shape.
        """
        ...

    def decode(self, latent: torch.Tensor) -> np.ndarray:
        """Frames uint8 RGB (T, H, W, 3) of one video's latents (C, T, H, W), which are not normalised."""
        ...


def check_videos(videos: np.ndarray) -> None:
    """``ValueError`` for what ``Vae.encode`` does not take."""
    if str(videos.dtype) != "uint8" or videos.ndim != 5 or videos.shape[-1] != 3:
        raise ValueError(
            f"videos must be uint8 (B, T, H, W, 3) RGB, got {videos.dtype} {videos.shape}"
        )


class ShotDetector(Protocol):
    """Finds shots in one file, whose frames it is shown in order; made anew for each file.

    Per frame it gives five logits (``shots.net.OUTPUTS``): the frame starts a shot; the frame is a mix of two shots;
    the mix is a dissolve, a wipe, a fade. A detector that also has ``look(frame, time_s)`` is shown every decoded frame
    (``av.VideoFrame``) at its full size first.
    """

    def add(self, columns: np.ndarray) -> Iterator[np.ndarray]:
        """Take comparisons of the next n frames with those before, float32 (n, ``shots.signatures.COLUMNS``).

        Yields float32 (k, 5), the logits of frames that are now certain, in order; nothing is fine, too.
        """
        ...

    def finish(self) -> np.ndarray:
        """Logits (k, 5) of the frames that are left at the end of the file."""
        ...


class ShardWriter(Protocol):
    """Writes the training set of ``filmstock pack``; a context manager that leaves nothing behind on an error.

    Constructed with the folder and the Arrow schema of a row, and the keywords ``shard_bytes``, ``row_group_bytes``,
    ``metadata`` and ``overwrite``.
    """

    n_bytes: int
    """Bytes of video that were added."""

    def add(self, row: Mapping[str, Any]) -> None:
        """Take one clip: its id, MP4 bytes, captions, scores and provenance (``schema.shards_schema``)."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


class Reward(Protocol):
    """Says how good videos are for their prompts, for fine-tuning by reward; constructed with nothing."""

    def __call__(
        self, videos: Sequence[np.ndarray], prompts: Sequence[str], fps: float, /
    ) -> Sequence[float] | np.ndarray:
        """One number in [0, 1] for each video, 1 is best; only differences between videos of one prompt count.

        ``videos`` are uint8 RGB (T, H, W, 3) each, at ``fps`` frames a second; ``prompts`` has one for each.
        """
        ...
