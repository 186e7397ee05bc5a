"""The options that every command of ``jobs.generate.verbs`` takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dit.config import SampleConfig, SamplerConfig
from pipeline.bounds import Positive, Seed


@dataclass(frozen=True, kw_only=True)
class VerbArgs(SamplerConfig):
    """What all of them take."""

    prompt: str = ""
    """Caption of the whole video; dense ones work best, an empty one is none."""
    size: str | None = None
    """WIDTHxHEIGHT in pixels to scale and crop to; default: the input's own size."""
    fps: Positive = 8.0
    """Frames per second; a video of another rate is read at this one."""
    seed: Seed = 0
    """Seed of the noise."""
    out: Path = Path("out.mp4")
    """MP4 to write; beside it previews (.png, .webp) and how it was made (.json)."""
    dit: str = "embedded"
    """embedded, a dit.safetensors, or a folder of train-dit."""
    vae: str = "embedded"
    """VAE the DiT was trained with."""
    text: str = "embedded"
    """Text encoder the DiT was trained with."""
    device: str = "auto"
    """Where to compute: auto (a GPU where there is one), cpu, cuda or cuda:N."""
    safety: bool = True
    """Refuse an unsafe prompt, and withhold an unsafe video; audit.jsonl has a line for each."""

    def pixels(self) -> tuple[int, int] | None:
        """(width, height) of ``size``."""
        from jobs.generate.sample import parse_size

        return None if self.size is None else parse_size(self.size)

    def sampling(self, frames: int) -> SampleConfig:
        """The sampler's settings, for a window of ``frames``."""
        names = SamplerConfig.__dataclass_fields__
        return SampleConfig(
            frames=frames, fps=self.fps, **{name: getattr(self, name) for name in names}
        )
