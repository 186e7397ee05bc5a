"""Models by name, looked at before torch is imported: whether they are there, whole, finite, and of the right kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.core.errors import UserError, user_errors

if TYPE_CHECKING:
    from dit.latents import LatentSpec


def weights_file(name: str, kind: str) -> Path:
    """The file that ``embedded``, a file or a folder of a trainer stands for, of a ``dit`` or a ``vae``.

    UserError where there is none.
    """
    from dit import files as dit_files
    from vae import files as vae_files

    if not name:
        raise UserError(f"'' names no {kind.upper()}; give embedded, a file or a folder")
    with user_errors():
        return {"dit": dit_files, "vae": vae_files}[kind].weights_file(name)


def vae_header(name: str) -> dict[str, Any]:
    """Config of a VAE of ours, from its header; UserError for a file that is none."""
    from vae.config import FORMAT, VAEConfig

    file = weights_file(name, "vae")
    return _config(file, FORMAT, "train-vae", "VAE", VAEConfig.from_dict)


def dit_header(name: str) -> dict[str, Any]:
    """Config of a DiT, from its header; UserError for a file that is none."""
    from dit.config import FORMAT, DiTConfig

    file = weights_file(name, "dit")
    return _config(file, FORMAT, "train-dit", "DiT", DiTConfig.from_dict)


def check_vae(name: str) -> None:
    """UserError for a VAE that is missing, damaged or another's; one of diffusers is asked when it is loaded."""
    from pipeline.autoencoder.names import check_foreign, is_foreign
    from pipeline.extensions import is_extension, load_extension
    from vae.config import VAEConfig
    from vae.shapes import weight_shapes

    with user_errors():
        if is_foreign(name):
            check_foreign(name)
        elif is_extension(name):
            load_extension(name, "VAE")
        else:
            shapes = weight_shapes(VAEConfig.from_dict(vae_header(name)))
            _check_weights(weights_file(name, "vae"), name, shapes)


def check_dit(name: str) -> None:
    """UserError for a DiT that is missing, damaged or another's."""
    from dit.config import DiTConfig
    from dit.shapes import weight_shapes

    shapes = weight_shapes(DiTConfig.from_dict(dit_header(name)))
    _check_weights(weights_file(name, "dit"), name, shapes)


def check_pair(spec: LatentSpec, vae: str, of: str) -> None:
    """UserError for a VAE of ours whose latents are others than those of a DiT or of a folder (``of``)."""
    from pipeline.autoencoder.names import is_foreign
    from pipeline.extensions import is_extension
    from vae.files import stored_space_id

    if is_foreign(vae) or is_extension(vae):
        return
    with user_errors():
        found = stored_space_id(weights_file(vae, "vae"))
    if found != spec.vae_id:
        named = f": --vae {spec.vae}" if spec.vae else ""
        raise UserError(
            f"{of} of VAE {spec.vae_id}, --vae {vae} is {found}; give the VAE that made them{named}"
        )


def dit_latents(name: str) -> LatentSpec:
    """Which latents a DiT makes, from its header; UserError where it does not say."""
    from dit.files import read_latents

    file = weights_file(name, "dit")
    try:
        return read_latents(file)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{file} does not say which latents it makes ({error}); give what `filmstock train-dit` writes"
        ) from None


def check_text(name: str) -> None:
    """UserError for a text encoder that is not here, as far as its files say."""
    from pipeline.extensions import is_extension, load_extension
    from pipeline.textencoder.open import TRANSFORMERS, text_encoder_file

    if name == "embedded":
        return
    if not name:
        raise UserError("--text '' names no text encoder; give embedded, or one as in a recipe")
    try:
        if name.startswith(TRANSFORMERS):
            folder = text_encoder_file(name)
            if folder.is_dir():
                _check_transformers(folder)
            elif not _in_cache(name.removeprefix(TRANSFORMERS).partition("?")[0]):
                raise ValueError(
                    "it is no folder, and no repository in the local cache; give a folder that save_pretrained wrote"
                )
        elif is_extension(name):
            load_extension(name, "text encoder")
        else:
            from pipeline.openclip.find import find_openclip

            find_openclip(name)
    except ValueError as error:
        raise UserError(f"--text {name}: {error}") from None


def _in_cache(repository: str) -> bool:
    """Whether a repository of the hub, ``ORG/NAME``, is in the local cache."""
    from pipeline.store.hub import is_repository, snapshot_folder

    return is_repository(repository) and snapshot_folder(repository) is not None


def _check_transformers(folder: Path) -> None:
    try:
        kind = json.loads((folder / "config.json").read_text()).get("model_type")
    except (OSError, ValueError, AttributeError):
        kind = None
    if not kind:
        raise ValueError(
            f"{folder} has no config.json that names a model_type; give a folder that save_pretrained wrote"
        )


def _check_weights(file: Path, name: str, shapes: dict[str, tuple[int, ...]]) -> None:
    """UserError for weights that are not finite or not of these shapes; those of this package are not looked at."""
    from pipeline.store.weights import check_numbers, check_shapes, stored_shapes

    if name == "embedded":
        return
    with user_errors():
        check_shapes(shapes, stored_shapes(file), file)
        check_numbers(file)


def _config(
    file: Path, kind: str, made_by: str, what: str, read: Callable[[dict[str, Any]], object]
) -> dict[str, Any]:
    """Config in a header, which ``read`` takes."""
    from pipeline.store.weights import weights_metadata

    try:
        text = weights_metadata(file, kind, made_by, what)["config"]
    except KeyError:
        raise UserError(f"{file} names no config; give what `filmstock {made_by}` writes") from None
    except ValueError as error:
        raise UserError(str(error)) from None
    try:
        found: dict[str, Any] = json.loads(text)
        read(found)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise UserError(
            f"{file} holds a config that this filmstock cannot read ({error}); give what `filmstock {made_by}` writes"
        ) from None
    return found
