"""Without a recipe: the world gets the demo's, other footage the laptop's or what can be measured without models."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from jobs.core.recipe import load_recipe, save_recipe
from jobs.models.default import all_of_the_world, choose, is_measured_only, measured_only
from pipeline.video.encode import encode_mp4
from tests.helpers.moving_scenes import scene, to_uint8


@pytest.fixture(autouse=True)
def no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    path = tmp_path / "holiday.mp4"
    path.write_bytes(encode_mp4(to_uint8(scene(1, 12)), 12.0))
    return path


def test_foreign_footage_is_described_by_no_model_that_does_not_know_it(
    foreign: Path, tmp_path: Path
) -> None:
    """The embedded captioner would call a beach a large yellow square, and it would be packed."""
    assert not all_of_the_world([str(foreign)])
    chosen = choose([str(foreign)], tmp_path / "out")
    assert chosen.named == "laptop" and is_measured_only(chosen.recipe)
    assert chosen.recipe.openclip.model == "none" and chosen.recipe.caption.kinds == ("facts",)
    assert chosen.recipe.select.dedup_cosine is None
    assert chosen.note is not None and "filmstock models get --recipe laptop" in chosen.note


def test_a_named_recipe_and_a_folders_own_go_first(foreign: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert choose([str(foreign)], out, "demo").named == "demo"
    save_recipe(out, load_recipe("demo"))
    own = choose([str(foreign)], out)
    assert dataclasses.replace(own.recipe, name="demo") == load_recipe("demo") and own.note is None
    assert choose([str(foreign)], out, overrides={"select.dedup_exact": False}).recipe != own.recipe


def test_a_folder_made_without_models_stays_so_until_they_are_here(
    foreign: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    save_recipe(out, measured_only(load_recipe("laptop")))
    again = choose([str(foreign)], out)
    assert is_measured_only(again.recipe) and again.note is not None


def test_no_readable_source_is_no_world(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("no video")
    assert not all_of_the_world([str(tmp_path / "notes.mp4")])
