"""What a training of the VAE begins with: a preset, a VAE of ours, or one of diffusers; and how that one is kept."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.core.errors import UserError
from jobs.core.named import check_vae, vae_header, weights_file
from jobs.train.vae_args import Args
from pipeline.autoencoder.names import DIFFUSERS, absolute_name, is_foreign
from vae.config import PRESETS, VAEConfig

if TYPE_CHECKING:
    from vae.foreign import AnyConfig, AnyVAE, ForeignVAE


def check_start(args: Args) -> Args:
    """The arguments with what they start from as an absolute path; UserError where it cannot be trained."""
    if args.preset not in PRESETS:
        raise UserError(f"no VAE preset {args.preset!r}; choose one of {', '.join(PRESETS)}")
    if args.train.decoder_only and not args.init:
        raise UserError("--decoder-only needs a VAE to start from; add --init embedded, or a path")
    if args.init and not is_foreign(args.init):
        check_vae(args.init)
    if args.init and is_foreign(args.init):
        if not args.train.decoder_only:
            raise UserError(
                f"of --init {args.init}, only the decoder can be trained: its latents are what others use; "
                "add --decoder-only"
            )
        return replace(args, init=absolute_name(args.init))
    return args


def own_start(args: Args) -> tuple[VAEConfig, str]:
    """The shape that is trained and the id of the VAE that it begins with, "" for none, from headers alone.

    ValueError where that VAE has another encoder. One of diffusers is asked when it is loaded.
    """
    from vae.files import stored_space_id
    from vae.refusals import check_start as check_encoder

    model = VAEConfig.preset(args.preset)
    if not args.init:
        return model, ""
    check_encoder(model, VAEConfig.from_dict(vae_header(args.init)))
    return model, stored_space_id(weights_file(args.init, "vae"))


def load_start(args: Args) -> tuple[AnyConfig, AnyVAE | None]:
    """The shape that is trained, and the weights that it begins with; ValueError where there are none."""
    from vae.checkpoint import load_vae

    if not args.init:
        return VAEConfig.preset(args.preset), None
    if is_foreign(args.init):
        vae = load_foreign(args.init)
        return vae.config, vae
    return VAEConfig.preset(args.preset), load_vae(args.init)


def load_foreign(name: str) -> ForeignVAE:
    """A VAE of diffusers, its decoder ready to be trained."""
    from pipeline.autoencoder.diffusers import DiffusersVae, load_diffusers_model
    from vae.foreign import ForeignConfig, ForeignVAE

    ready = DiffusersVae(load_diffusers_model(name.removeprefix(DIFFUSERS)))
    if type(ready.model).__name__ == "AutoencoderKLHunyuanVideo15":
        ready.model.use_slicing = (
            True  # its attention has a mask for one video only (diffusers 0.42)
        )
    if getattr(ready.model.config, "timestep_conditioning", False):
        raise ValueError(
            f"the decoder of this {type(ready.model).__name__} wants a noise level with every video, which train-vae "
            "does not have; only decoders without timestep_conditioning can be trained"
        )
    config = ForeignConfig(
        name=type(ready.model).__name__,
        id=ready.id,
        latent_channels=ready.channels,
        time_factor=ready.time_factor,
        space_factor=ready.space_factor,
        frame_step=ready.frame_step,
    )
    return ForeignVAE(ready.model, config, mean=ready.channel_mean, std=ready.channel_std)


def save_foreign(model: Any, out: Path) -> Path:
    """``OUT/vae`` as diffusers writes a VAE, whole or not at all; returns the file of its weights."""
    target, draft = out / "vae", out / ".vae.writing"
    shutil.rmtree(draft, ignore_errors=True)
    model.save_pretrained(draft)
    shutil.rmtree(target, ignore_errors=True)
    draft.replace(target)
    return next(target.glob("*.safetensors"))
