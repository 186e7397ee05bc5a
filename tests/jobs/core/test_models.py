"""The models that a DiT was trained with: found by the names that its checkpoint keeps, refused by name otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from dit.latents import LatentSpec
from jobs.core.errors import UserError
from jobs.core.models import load_text_for, load_vae_for
from pipeline.latents.store import LatentStore
from pipeline.textencoder.open import load_text_encoder

OWN = "tests.jobs.core.test_models:own_encoder"


def own_encoder() -> object:
    """The embedded encoder under another id."""
    encoder = load_text_encoder("embedded")
    encoder.id = "own"  # type: ignore[misc]
    return encoder


def spec(**more: str) -> LatentSpec:
    return LatentSpec(
        **{"vae_id": "v", "text_encoder_id": "own", "mean": (0.0,), "std": (1.0,), **more}
    )


def test_embedded_gives_way_to_the_encoder_that_the_dit_names() -> None:
    assert load_text_for(spec(text_encoder=OWN), "embedded").id == "own"


def test_what_does_not_fit_is_refused_with_the_name_of_what_would() -> None:
    with pytest.raises(UserError, match=r"--text\)"):
        load_text_for(spec(), "embedded")
    with pytest.raises(UserError, match=r"--vae runs/vae\)"):
        load_vae_for(spec(vae="runs/vae"), "embedded")


def test_names_outlive_a_checkpoint_and_old_ones_have_none() -> None:
    named = spec(vae="runs/vae", text_encoder=OWN)
    assert LatentSpec.from_dict(named.to_dict()) == named
    old = {
        key: value for key, value in named.to_dict().items() if key not in ("vae", "text_encoder")
    }
    assert LatentSpec.from_dict(old) == spec()


def test_a_folder_of_latents_says_what_made_it(tmp_path: Path) -> None:
    store = LatentStore.__new__(LatentStore)
    store.root = tmp_path
    assert store.made_with("vae") == ""
    (tmp_path / "settings.json").write_text('{"vae": "runs/vae"}')
    assert store.made_with("vae") == "runs/vae" and store.made_with("text_encoder") == ""
