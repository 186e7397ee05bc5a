"""The spacetime-patch diffusion transformer: train it on latents, sample videos from prompts.

    model = dit.load("embedded")
    videos = dit.generate(prompts, dit=model, vae=vae.load(), text_encoder=pipeline.load_text_encoder())

Names are imported when they are first used, so ``import dit`` does not load torch.
"""

from typing import TYPE_CHECKING

from pipeline.exports import lazy_exports

if TYPE_CHECKING:
    from dit.checkpoint import Loaded as Loaded
    from dit.config import DiTConfig as DiTConfig
    from dit.config import SampleConfig as SampleConfig
    from dit.editing import animate as animate
    from dit.editing import edit as edit
    from dit.editing import inpaint as inpaint
    from dit.editing import interpolate as interpolate
    from dit.extension import connect as connect
    from dit.extension import extend as extend
    from dit.extension import loop as loop
    from dit.generation import generate as generate
    from dit.generation import load as load
    from dit.generation import sample_videos as sample_videos
    from dit.guidance import Guidance as Guidance
    from dit.latents import LatentSpec as LatentSpec
    from dit.model import DiT as DiT
    from dit.solvers import Solver as Solver
    from dit.video_models import VideoModels as VideoModels

__all__ = [
    "DiT",
    "DiTConfig",
    "Guidance",
    "LatentSpec",
    "Loaded",
    "SampleConfig",
    "Solver",
    "VideoModels",
    "animate",
    "connect",
    "edit",
    "extend",
    "generate",
    "inpaint",
    "interpolate",
    "load",
    "loop",
    "sample_videos",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "DiT": "dit.model:DiT",
        "DiTConfig": "dit.config:DiTConfig",
        "Guidance": "dit.guidance:Guidance",
        "LatentSpec": "dit.latents:LatentSpec",
        "Loaded": "dit.checkpoint:Loaded",
        "SampleConfig": "dit.config:SampleConfig",
        "Solver": "dit.solvers:Solver",
        "VideoModels": "dit.video_models:VideoModels",
        "animate": "dit.editing:animate",
        "connect": "dit.extension:connect",
        "edit": "dit.editing:edit",
        "extend": "dit.extension:extend",
        "inpaint": "dit.editing:inpaint",
        "interpolate": "dit.editing:interpolate",
        "loop": "dit.extension:loop",
        "generate": "dit.generation:generate",
        "load": "dit.generation:load",
        "sample_videos": "dit.generation:sample_videos",
    },
)
