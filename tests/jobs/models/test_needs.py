"""Which published models a recipe needs, what of them is here, and which files are fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.core.errors import EXIT_OK, UserError
from jobs.core.recipe import load_recipe
from jobs.models.command import main
from jobs.models.needs import CATALOGUE, caption_need, need_of, needs, openclip_need, require_models
from tests.helpers.hub_cache import put_in_cache

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_shipped_recipes_pin_what_the_catalogue_knows(cache: Path) -> None:
    """An unpinned model is another one tomorrow; one out of the catalogue has no licence that we know."""
    assert needs(load_recipe("demo")) == []
    for name in ("laptop", "cluster"):
        found = needs(load_recipe(name))
        assert [need.kind for need in found] == ["clip", "captioner"]
        assert found[0].roles == ("clip", "text encoder"), "one model, named once"
        for need in found:
            assert need.revision == CATALOGUE[need.repository].revision
            assert len(need.revision) == 40
    served = needs(load_recipe("cluster"))[1]
    assert served.server is not None and served.lacking == [], "a server's model need not be here"


@pytest.mark.parametrize(
    "model", ["embedded", "none", "local-dir:/x", "/models/clip", "./clip", "~/c"]
)
def test_what_is_part_of_filmstock_or_a_folder_is_not_fetched(model: str) -> None:
    assert openclip_need(model, "clip") is None
    assert model in ("none",) or caption_need(model) is None


def test_a_name_that_is_no_model_is_one_line() -> None:
    with pytest.raises(ValueError) as error:
        need_of("no-such-thing")
    assert "no-such-thing" in str(error.value)
    assert need_of("org/captioner@rev").revision == "rev"
    assert need_of("org/captioner").kind == "captioner"


def test_weights_are_fetched_in_one_format_and_whole() -> None:
    need = need_of("org/captioner")
    names = [
        "config.json",
        "README.md",
        "model.safetensors",
        "pytorch_model.bin",
        "onnx/m.onnx",
        "a.gif",
    ]
    assert need.files_of(names) == ["README.md", "config.json", "model.safetensors"]
    parts = [f"model-0000{k}-of-00002.safetensors" for k in (1, 2)]
    split = ["config.json", "model.safetensors.index.json", *parts, "pytorch_model.bin.index.json"]
    assert need.files_of(split) == sorted(["config.json", "model.safetensors.index.json", *parts])
    assert need.files_of(["config.json"]) == ["config.json"]


def test_what_lacks_is_named_and_a_whole_model_lacks_nothing(cache: Path, tmp_path: Path) -> None:
    need = need_of(f"org/captioner@{COMMIT}")
    assert need.folder is None and need.lacking[0] == need.wanted[0][0]
    files = tmp_path / "files"
    files.mkdir()
    for names in need.wanted:
        (files / names[0]).write_text("{}")
    left = files / need.wanted[-1][0]
    left.rename(tmp_path / "kept")
    put_in_cache(cache, "org/captioner", files, COMMIT)
    assert need.folder is not None and need.lacking == [need.wanted[-1][0]]
    (tmp_path / "kept").rename(left)
    put_in_cache(cache, "org/captioner", files, COMMIT)
    assert need.lacking == []
    assert need_of("org/captioner@other").lacking, "another revision is another model"


def test_a_recipe_without_its_models_is_refused_with_the_command_that_gets_them(
    cache: Path,
) -> None:
    with pytest.raises(UserError) as error:
        require_models(load_recipe("laptop"), "laptop")
    text = str(error.value)
    assert "clip ViT-B-32/laion2b_s34b_b79k and captioner HuggingFaceTB/SmolVLM2" in text
    assert "about 2.6 GB" in text and text.endswith("filmstock models get --recipe laptop")
    require_models(load_recipe("demo"), "demo")


def test_models_list_says_of_each_what_it_is_and_where(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list"]) == EXIT_OK
    printed = capsys.readouterr().out
    assert "recipe demo: nothing to fetch" in printed
    for repository, known in CATALOGUE.items():
        assert f"repository {repository}, revision {known.revision}" in printed
        assert f"about {known.size_gb:g} GB, {known.licence}" in printed
    assert "not on this machine; filmstock models get ViT-B-32/laion2b_s34b_b79k@" in printed
    with pytest.raises(UserError, match="give list, get or check"):
        main([])
    with pytest.raises(UserError, match="did you mean 'list'"):
        main(["lst"])
    with pytest.raises(UserError, match="give --recipe NAME, or models"):
        main(["get"])
