"""Load a DiT and the two models it was trained with, by name; what does not fit together is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.core.errors import user_errors

if TYPE_CHECKING:
    from dit.checkpoint import Loaded
    from dit.config import WeightFormat
    from dit.latents import LatentSpec
    from pipeline.contracts import TextEncoder, Vae


def open_vae(name: str, device: str = "cpu") -> Vae:
    """The VAE that a recipe or an option names: one of ours, ``module:object``, or ``diffusers:PATH``.

    Raises:
        ValueError: there is no such VAE; the message says what would help.
    """
    from pipeline.autoencoder.names import DIFFUSERS, is_foreign

    if is_foreign(name):
        from pipeline.autoencoder.diffusers import load_diffusers_vae
        from pipeline.training.device import pick_device

        return load_diffusers_vae(name.removeprefix(DIFFUSERS), device=str(pick_device(device)))
    from vae.loaded import open_vae as open_ours

    return open_ours(name, device=device)


def load_vae_for(spec: LatentSpec, path: str, device: str = "cpu") -> Vae:
    """The VAE at ``path``, which must be the one the latents were made with."""
    from dit.generation import check_vae

    with user_errors():
        vae = open_vae(path, device=device)
        check_vae(spec, vae)
    return vae


def load_text_for(spec: LatentSpec, name: str, device: str = "cpu") -> TextEncoder:
    """The text encoder ``name``, which must be the one the DiT was trained with.

    "embedded", the default of ``--text``, gives way to the encoder that a checkpoint names.
    """
    from dit.generation import check_text_encoder
    from pipeline.textencoder.open import load_text_encoder

    with user_errors():
        wanted = spec.text_encoder if name == "embedded" and spec.text_encoder else name
        encoder = load_text_encoder(wanted, device=device)
        check_text_encoder(spec, encoder)
    return encoder


def load_dit_at(path: str, device: str = "cpu", weights: WeightFormat = "float") -> Loaded:
    """The DiT at ``path`` on ``device``, in the number format that is fast there."""
    from dit.generation import load

    with user_errors():
        return load(path, device=device, weights=weights)
