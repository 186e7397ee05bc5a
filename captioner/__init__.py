"""Captions of videos from vision-language models, checked; and prompts expanded to captions.

    captioner.caption("clip.mp4", kinds=("short", "dense"))["dense"].text
    captioner.expand("a red circle moves right").text

Names are imported when they are first used, so ``import captioner`` loads neither torch nor transformers.
"""

from typing import TYPE_CHECKING

from pipeline.exports import lazy_exports

if TYPE_CHECKING:
    from captioner.backends.base import Backend as Backend
    from captioner.backends.open import open_backend as load
    from captioner.config import CaptionConfig as CaptionConfig
    from captioner.describe import caption as caption
    from captioner.expansion.expand import Expansion as Expansion
    from captioner.expansion.prompts import expand as expand
    from captioner.render import render_text as render_structured

__all__ = [
    "Backend",
    "CaptionConfig",
    "Expansion",
    "caption",
    "expand",
    "load",
    "render_structured",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "Backend": "captioner.backends.base:Backend",
        "CaptionConfig": "captioner.config:CaptionConfig",
        "Expansion": "captioner.expansion.expand:Expansion",
        "caption": "captioner.describe:caption",
        "expand": "captioner.expansion.prompts:expand",
        "load": "captioner.backends.open:open_backend",
        "render_structured": "captioner.render:render_text",
    },
)
