"""The causal video VAE: frames to latents and back.

    vae_ = vae.load("embedded")
    mean, logvar = vae_.encode(videos)  # uint8 (B, T, H, W, 3) -> (B, C, T', H', W')
    frames = vae_.decode(mean[0])

Names are imported when they are first used, so ``import vae`` does not load torch.
"""

from typing import TYPE_CHECKING

from pipeline.exports import lazy_exports

if TYPE_CHECKING:
    from vae.config import VAEConfig as VAEConfig
    from vae.loaded import LoadedVae as LoadedVae
    from vae.loaded import load as load
    from vae.model import VideoVAE as VideoVAE
    from vae.tiling import Tiling as Tiling

__all__ = [
    "LoadedVae",
    "Tiling",
    "VAEConfig",
    "VideoVAE",
    "load",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "LoadedVae": "vae.loaded:LoadedVae",
        "Tiling": "vae.tiling:Tiling",
        "VAEConfig": "vae.config:VAEConfig",
        "VideoVAE": "vae.model:VideoVAE",
        "load": "vae.loaded:load",
    },
)
