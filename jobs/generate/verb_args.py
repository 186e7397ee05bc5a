"""The options that every command of ``jobs.generate.verbs`` takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from dit.config import SampleConfig, SamplerConfig
from jobs.core.args import Device
from jobs.core.model_options import DitName, TextName, VaeName, Weights
from jobs.generate.marks import Marks, marks_of, open_credentials
from pipeline.bounds import Rate, Seed
from pipeline.groups import DEVICES, MODELS, OUTPUT, PROMPTS, SAFETY, VIDEO

if TYPE_CHECKING:
    from dit.checkpoint import Loaded
    from pipeline.video.provenance import Credentials


@dataclass(frozen=True, kw_only=True)
class VerbArgs(SamplerConfig):
    """What all of them take."""

    prompt: Annotated[str, PROMPTS] = ""
    """Caption of the whole video; dense ones work best, an empty one is none."""
    size: Annotated[str | None, VIDEO] = None
    """WIDTHxHEIGHT in pixels to scale and crop to; default: the input's own size."""
    fps: Annotated[Rate, VIDEO] = 8.0
    """Frames per second; a video of another rate is read at this one."""
    seed: Annotated[Seed, VIDEO] = 0
    """Seed of the noise."""
    out: Annotated[Path, OUTPUT] = Path("out.mp4")
    """MP4 to write; beside it previews (.png, .webp) and how it was made (.json)."""
    dit: Annotated[DitName, MODELS] = "embedded"
    weights: Annotated[Weights, MODELS] = "float"
    vae: Annotated[VaeName, MODELS] = "embedded"
    text: Annotated[TextName, MODELS] = "embedded"
    device: Annotated[Device, DEVICES] = "auto"
    c2pa_cert: Annotated[Path | None, SAFETY] = None
    """PEM of your certificate and its issuers: the MP4 gets a signed C2PA manifest."""
    c2pa_key: Annotated[Path | None, SAFETY] = None
    """PEM of the certificate's key (ES256)."""
    safety: Annotated[bool, SAFETY] = True
    """Refuse an unsafe prompt, and withhold an unsafe video; audit.jsonl has a line for each."""

    def pixels(self) -> tuple[int, int] | None:
        """(width, height) of ``size``."""
        from jobs.generate.limits import parse_size

        return None if self.size is None else parse_size(self.size)

    def credentials(self) -> Credentials | None:
        """What manifests are signed with, None for no manifest."""
        return open_credentials(self.c2pa_cert, self.c2pa_key)

    def marks(self, dit: Loaded) -> Marks:
        """What marks the video as made by this DiT."""
        return marks_of(dit, self.credentials())

    def sampling(self, frames: int) -> SampleConfig:
        """The sampler's settings, for a window of ``frames``."""
        names = SamplerConfig.__dataclass_fields__
        return SampleConfig(
            frames=frames, fps=self.fps, **{name: getattr(self, name) for name in names}
        )
