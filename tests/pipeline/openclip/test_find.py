"""Which CLIP model is meant, and one line with the fix when it is not there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.openclip import find as clip_find
from pipeline.openclip.find import OF_RECIPES, clip_repository, find_openclip
from pipeline.openclip.package import architectures, open_clip_module
from pipeline.store.hub import offline
from tests.helpers.clip_folders import VIT_LIKE, write_folder
from tests.helpers.hub_cache import put_in_cache


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))


def _one_line(model: str) -> str:
    with pytest.raises(ValueError) as caught:
        find_openclip(model)
    text = str(caught.value)
    assert "\n" not in text and repr(model) in text
    return text


@pytest.mark.parametrize(
    "model",
    [
        "ViT-B-32/laion2b_s34b_b79k",
        "ViT-B-32/laion2b_s34b_b79k@1a25a446712ba5ee05982a381eed697ef9b435cf",
        "ViT-L-16-SigLIP2-256/webli",
        "hf-hub:laion/some-clip",
    ],
)
def test_a_model_that_is_not_cached_names_the_fix(model: str) -> None:
    text = _one_line(model)
    assert "not in the local cache" in text and "recipe demo" in text
    assert f"filmstock models get {model}" in text


LAION = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"


def test_a_cached_model_is_found_by_its_revision(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "clip", VIT_LIKE)
    for revision in ("aaa", "bbb"):
        put_in_cache(tmp_path / "cache", LAION, folder, revision)
    snapshots = tmp_path / "cache" / "models--laion--CLIP-ViT-B-32-laion2B-s34B-b79K" / "snapshots"
    assert find_openclip("ViT-B-32/laion2b_s34b_b79k").folder == snapshots / "bbb", "main"
    found = find_openclip("ViT-B-32/laion2b_s34b_b79k@aaa")
    assert (found.folder, found.spec) == (snapshots / "aaa", f"local-dir:{snapshots / 'aaa'}")
    assert find_openclip(f"hf-hub:{LAION}@aaa").folder == found.folder
    text = _one_line("ViT-B-32/laion2b_s34b_b79k@ccc")
    assert "revision aaa, bbb is, ccc is asked for" in text


def test_weights_that_came_in_part_are_none(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "clip", VIT_LIKE)
    snapshot = put_in_cache(tmp_path / "cache", LAION, folder, "aaa")
    (snapshot / "open_clip_model.safetensors").unlink()
    assert "not in the local cache" in _one_line("ViT-B-32/laion2b_s34b_b79k")


def test_none_is_no_model() -> None:
    with pytest.raises(ValueError, match="no CLIP model"):
        find_openclip("none")


def test_unknown_names_and_tags() -> None:
    assert "did you mean 'ViT-B-32'" in _one_line("ViT-B-33/openai")
    assert "laion2b_s34b_b79k" in _one_line("ViT-B-32")
    assert "laion2b_s34b_b79k" in _one_line("ViT-B-32/laion")


def test_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        find_openclip(str(tmp_path / "none"))
    with pytest.raises(ValueError, match="has no open_clip_config.json"):
        find_openclip(str(tmp_path))
    config = tmp_path / "open_clip_config.json"
    config.write_text("{")
    with pytest.raises(ValueError, match="not valid JSON"):
        find_openclip(str(tmp_path))
    config.write_text(json.dumps({"model_cfg": {}, "filmstock": {"domain": "here"}}))
    assert find_openclip(f"local-dir:{tmp_path}") == find_openclip(str(tmp_path))
    assert find_openclip(str(tmp_path)).domain == "here"
    monkeypatch.setattr(clip_find, "EMBEDDED", tmp_path / "gone")
    with pytest.raises(ValueError, match="rebuild it with: filmstock train-clip"):
        find_openclip("embedded")


def test_offline_is_undone_even_after_an_error() -> None:
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    with pytest.raises(RuntimeError), offline():
        assert constants.HF_HUB_OFFLINE is True
        raise RuntimeError
    assert constants.HF_HUB_OFFLINE is before


@pytest.mark.parametrize("model", OF_RECIPES)
def test_repositories_of_our_recipes_are_those_that_open_clip_knows(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = clip_repository(model)
    monkeypatch.setattr(clip_find, "OF_RECIPES", {})
    assert clip_repository(model) == told


def test_a_repository_is_told_from_an_architecture_without_importing_open_clip() -> None:
    assert set(architectures()) == set(open_clip_module().list_models())
    code = "from jobs.models.needs import need_of; import sys\n"
    code += "print(need_of('some-org/some-captioner').kind, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["captioner", "False"]
