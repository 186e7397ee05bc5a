"""Video VAEs of diffusers as ``pipeline.Vae``: Wan, LTX-2, HunyuanVideo 1.5 and CogVideoX, for inference.

Encoding and decoding are in float32, a few frames at a time, so that memory does not grow with the length of a video.
Wan and CogVideoX do that in diffusers; LTX-2 and HunyuanVideo take a video whole there, and go in pieces here, through
the same layers. A video of one piece is the model's own call for every class.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.autoencoder import hunyuan15, ltx2
from pipeline.autoencoder.names import CONFIG, SUBFOLDER
from pipeline.contracts import check_videos
from pipeline.store.weights import digest_tensors

if TYPE_CHECKING:
    import torch

    from pipeline.autoencoder.pieces import PiecePass
    from pipeline.contracts import Vae

INSTALL = "pip install 'filmstock[diffusers]'"
PIECE = 2
"""Latent frames that LTX-2 and HunyuanVideo are given at a time."""


@dataclass(frozen=True)
class Kind:
    """What one class of diffusers calls its numbers."""

    channels: str
    """Setting with the number of latent channels."""
    time_factor: Callable[[Any], int]
    """Frames per latent frame of a model."""
    space_factor: Callable[[Any], int]
    """Pixels per side of a latent cell of a model."""
    frame_step: int = 1
    """A video has 1 + k * time_factor * frame_step frames: what the decoder gives back as many of."""
    passes: tuple[Callable[[Any], PiecePass], Callable[[Any], PiecePass]] | None = None
    """Encoder and decoder in pieces, where diffusers takes a video whole."""
    in_pieces: Callable[[Any], bool] = lambda model: True
    """Whether a model's memory stays as it is when a video is longer."""


KINDS: dict[str, Kind] = {
    "AutoencoderKLWan": Kind(
        "z_dim", lambda m: m.config.scale_factor_temporal, lambda m: m.config.scale_factor_spatial
    ),
    "AutoencoderKLLTX2Video": Kind(
        "latent_channels",
        lambda m: m.config.patch_size_t * 2 ** halvings(m.config, "temporal"),
        lambda m: m.config.patch_size * 2 ** halvings(m.config, "spatial"),
        passes=(ltx2.Ltx2Encode, ltx2.Ltx2Decode),
        in_pieces=ltx2.goes_in_pieces,
    ),
    "AutoencoderKLHunyuanVideo15": Kind(
        "latent_channels",
        lambda m: m.temporal_compression_ratio,
        lambda m: m.spatial_compression_ratio,
        passes=(hunyuan15.HunyuanEncode, hunyuan15.HunyuanDecode),
    ),
    "AutoencoderKLCogVideoX": Kind(
        "latent_channels",
        lambda m: m.config.temporal_compression_ratio,
        lambda m: 2 ** (len(m.config.block_out_channels) - 1),
        frame_step=2,  # its decoder doubles an even number of latent frames from the first one on
    ),
}
"""Classes that are known, each tried with tiny random weights."""


def halvings(config: Any, axis: str) -> int:
    """How often the encoder of LTX-2 halves an axis, ``temporal`` or ``spatial``, behind its patches."""
    scaling = config.spatio_temporal_scaling
    kinds = config.downsample_type
    flags = [scaling] * len(kinds) if isinstance(scaling, bool) else scaling
    pairs = zip(flags, kinds, strict=True)
    return sum(bool(flag) and kind in (axis, "spatiotemporal") for flag, kind in pairs)


class DiffusersVae:
    """A VAE of diffusers behind uint8 frames. It satisfies ``pipeline.Vae``."""

    def __init__(self, model: Any) -> None:
        kind = KINDS[type(model).__name__]
        self.model = model.eval().requires_grad_(False)
        self.time_factor, self.space_factor = (
            int(factor(model)) for factor in (kind.time_factor, kind.space_factor)
        )
        self.frame_step = self.time_factor * kind.frame_step
        """A video has 1 + k * frame_step frames."""
        self.in_pieces = kind.in_pieces(model)
        """Whether memory stays as it is when a video is longer."""
        self._passes = kind.passes if self.in_pieces else None
        self.channels = int(getattr(model.config, kind.channels))
        self.channel_mean, self.channel_std = latent_statistics(model, self.channels)
        self.id = latent_space_id(model, self.channel_mean, self.channel_std)

    def latent_shape(self, n_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """Shape (C, T, H, W) of the latents of one video; ``ValueError`` for a size that does not fit."""
        if n_frames < 1 or (n_frames - 1) % self.frame_step:
            raise ValueError(
                f"{n_frames} frames do not fit {type(self.model).__name__}; give 1 + a multiple of {self.frame_step}"
            )
        side = self.space_factor
        if height % side or width % side or not height or not width:
            raise ValueError(
                f"frames of {width}x{height} do not fit {type(self.model).__name__}; sides must be multiples of {side}"
            )
        frames = 1 + (n_frames - 1) // self.time_factor
        return self.channels, frames, height // side, width // side

    def encode(self, videos: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log-variance, each float32 (B, C, T, H, W) on the CPU, of uint8 videos (B, T, H, W, 3)."""
        import torch

        check_videos(videos)
        shape = self.latent_shape(*videos.shape[1:4])
        found = []
        with torch.inference_mode():
            for video in videos:  # one at a time: what a video needs does not depend on its batch
                found.append(self._encode_one(video))
        mean, logvar = (torch.cat(part) for part in zip(*found, strict=True))
        if tuple(mean.shape[1:]) != shape:
            raise ValueError(
                f"{type(self.model).__name__} made latents of {tuple(mean.shape[1:])} where its settings say {shape}"
            )
        return mean, logvar.expand_as(mean)

    def _encode_one(self, video: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log-variance (1, C, T, H, W) of one video."""
        import torch

        def pixels(frames: np.ndarray) -> torch.Tensor:
            moved = torch.from_numpy(frames).to(self.model.device).permute(3, 0, 1, 2)[None]
            return moved.float() / 127.5 - 1.0

        first, step = 1 + PIECE * self.time_factor, PIECE * self.time_factor
        if self._passes is None or len(video) <= first:
            posterior = self.model.encode(pixels(video)).latent_dist
            return posterior.mean.float().cpu(), posterior.logvar.float().cpu()
        encode = self._passes[0](self.model)
        moments = [
            encode(pixels(video[start:end]), last=end == len(video))
            for start, end in spans(len(video), first, step)
        ]
        whole = torch.cat([piece.float().cpu() for piece in moments if piece is not None], 2)
        mean, logvar = whole.chunk(2, dim=1)
        return mean, logvar.clamp(-30.0, 20.0)  # the bounds of diffusers' distribution

    def decode(self, latent: torch.Tensor) -> np.ndarray:
        """Frames uint8 (T, H, W, 3) of one video's latents (C, T, H, W), which are not normalised."""
        import torch

        if getattr(self.model.config, "timestep_conditioning", False):
            raise ValueError(
                f"the decoder of this {type(self.model).__name__} wants a noise level; only others can be decoded with"
            )
        with torch.inference_mode():
            return np.concatenate([as_pixels(piece) for piece in self._decode_pieces(latent)])

    def _decode_pieces(self, latent: torch.Tensor) -> Iterator[torch.Tensor]:
        """Frames (1, 3, T, H, W) in about -1..1 of one video's latents, in order."""
        count = latent.shape[1]
        if self._passes is None or count <= 1 + PIECE:
            yield self.model.decode(latent[None].float().to(self.model.device)).sample
            return
        decode = self._passes[1](self.model)
        for start, end in spans(count, 1 + PIECE, PIECE):
            piece = latent[None, :, start:end].float().to(self.model.device)
            found = decode(piece, last=end == count)
            if found is not None:
                yield found


def spans(count: int, first: int, step: int) -> Iterator[tuple[int, int]]:
    """Starts and ends of pieces of ``count`` frames: ``first`` of them, then ``step`` each."""
    start, end = 0, min(first, count)
    while start < count:
        yield start, end
        start, end = end, min(end + step, count)


def as_pixels(video: torch.Tensor) -> np.ndarray:
    """Frames uint8 (T, H, W, 3) of what a decoder gives, (1, 3, T, H, W) in about -1..1."""
    import torch

    pixels: torch.Tensor = ((video[0].permute(1, 2, 3, 0).clamp(-1, 1) + 1) * 127.5).round()
    return pixels.to(torch.uint8).cpu().numpy()


def latent_statistics(model: Any, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation per channel by which a model's own pipeline makes latents unit scale.

    They are ``latents_mean`` and ``latents_std`` (Wan by its settings, LTX-2 by its buffers), and a ``scaling_factor``
    that latents are multiplied by (CogVideoX, HunyuanVideo, LTX-2).
    """

    buffers = dict(model.named_buffers())

    def per_channel(name: str, usual: float) -> list[float]:
        value = getattr(model.config, name, None)
        if value is None:
            value = buffers.get(name)
        return [usual] * channels if value is None else [float(each) for each in value]

    scale = float(getattr(model.config, "scaling_factor", None) or 1.0)
    shift = float(getattr(model.config, "shift_factor", None) or 0.0)
    mean, std = per_channel("latents_mean", 0.0), per_channel("latents_std", 1.0)
    if len(mean) != channels or len(std) != channels:
        raise ValueError(
            f"{type(model).__name__} has {channels} latent channels and statistics of {len(mean)}"
        )
    return tuple(each + shift for each in mean), tuple(each / scale for each in std)


def latent_space_id(model: Any, mean: tuple[float, ...], std: tuple[float, ...]) -> str:
    """``diffusers-`` and 16 hex digits of class, encoder and statistics: a decoder trained further reads the same."""
    digest = hashlib.blake2b(f"{type(model).__name__} {mean} {std}\n".encode(), digest_size=8)
    decoder = ("decoder.", "post_quant_conv.")
    kept = {name: each for name, each in model.state_dict().items() if not name.startswith(decoder)}
    digest_tensors(digest, kept)
    return f"diffusers-{digest.hexdigest()}"


def load_diffusers_model(name: str) -> Any:
    """The model of a folder (of the VAE, or of a pipeline with one), or of a repository in the local cache, in float32.

    Raises:
        ValueError: diffusers is missing, there is no VAE, or it is of a class that is not known.
    """
    import torch

    from pipeline.openclip.torchvision_compat import prepare_torchvision

    prepare_torchvision()
    try:
        import diffusers
    except ModuleNotFoundError:
        raise ValueError(f"VAE diffusers:{name} needs diffusers: {INSTALL}") from None
    place, below = name, None
    if Path(name).expanduser().is_dir():
        path = Path(name).expanduser()
        place = str(path if (path / CONFIG).is_file() else path / SUBFOLDER)
    elif name.count("/") == 1:
        below = SUBFOLDER
    options = {"local_files_only": True, "subfolder": below}
    try:
        config = diffusers.AutoencoderKLWan.load_config(place, **options)
        found = str(config.get("_class_name"))
        if found not in KINDS:
            raise ValueError(f"it is of class {found}; known are {', '.join(KINDS)}")
        model = getattr(diffusers, found).from_pretrained(
            place, torch_dtype=torch.float32, **options
        )
    except (OSError, ValueError, KeyError, AttributeError) as error:
        first = (str(error).strip().splitlines() or [""])[0][:200]
        raise ValueError(
            f"VAE diffusers:{name} does not load: {first}; give a folder with its config.json and weights"
        ) from None
    return model


def load_diffusers_vae(name: str, *, device: str = "cpu") -> DiffusersVae:
    """``load_diffusers_model``, ready to encode and decode on a device."""
    return DiffusersVae(load_diffusers_model(name).to(device))


if TYPE_CHECKING:

    def _fits(vae: DiffusersVae) -> Vae:
        return vae
