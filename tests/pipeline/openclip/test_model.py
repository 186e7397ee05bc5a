"""open_clip models through ``load_openclip``: stock classes, shapes, token features, and ids that follow content."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.openclip.find import EMBEDDED
from pipeline.openclip.model import OpenClipModel, load_openclip, real_length
from pipeline.openclip.package import open_clip_module
from tests.helpers.clip_folders import SIGLIP_LIKE, VIT_LIKE, write_folder

TEXTS = ["a red circle moves left", "a", "a blue ring and a red circle"]


@pytest.fixture(scope="module")
def vit_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("vit"), VIT_LIKE)


@pytest.fixture(scope="module")
def siglip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(
        tmp_path_factory.mktemp("siglip"), SIGLIP_LIKE, filmstock={"domain": "two sentences"}
    )


@pytest.fixture(scope="module", params=["vit", "siglip", "embedded"])
def model(request: pytest.FixtureRequest, vit_folder: Path, siglip_folder: Path) -> OpenClipModel:
    return load_openclip(
        {"vit": vit_folder, "siglip": siglip_folder}.get(request.param, "embedded")
    )


def frames(n: int, height: int = 40, width: int = 72, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, height, width, 3), dtype=np.uint8)


def test_image_embeddings_are_unit_rows_for_any_size(model: OpenClipModel) -> None:
    mixed = [frames(1)[0], frames(1, 20, 20)[0], frames(1, 200, 31)[0]]
    rows = model.embed_images(mixed)
    assert rows.shape == (3, model.dim) and rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(rows[1], model.embed_images(mixed[1:2])[0], atol=1e-4)
    assert model.embed_images([]).shape == (0, model.dim)


def test_a_clip_is_the_normalised_mean_of_its_frames(model: OpenClipModel) -> None:
    shot = frames(5)
    mean = model.embed_images(shot).mean(axis=0)
    np.testing.assert_allclose(model.embed_clip(shot), mean / np.linalg.norm(mean), atol=1e-5)
    np.testing.assert_allclose(model.embed_clip(shot), model.embed_clip(shot[::-1]), atol=1e-4)


def test_text_embeddings_are_open_clips_own(model: OpenClipModel) -> None:
    rows = model.embed_texts(TEXTS)
    with torch.inference_mode():
        expected = model.model.encode_text(model.tokenizer(TEXTS), normalize=True).numpy()
    np.testing.assert_allclose(rows, expected, atol=1e-5)
    assert model.embed_texts([]).shape == (0, model.dim)


def test_token_features_have_one_row_per_real_token(model: OpenClipModel) -> None:
    tokens = model.text_tokens(TEXTS)
    ids = model.tokenizer(TEXTS)
    for row, feature in zip(ids.tolist(), tokens, strict=True):
        assert feature.dtype == np.float16
        assert feature.shape == (len([i for i in row if i != 0]), model.text_width)
    assert len(tokens[1]) < len(tokens[0]) < len(tokens[2])
    alone = model.text_tokens(TEXTS[2:])[0]
    np.testing.assert_allclose(tokens[2], alone, atol=2e-3)


def test_token_features_are_the_states_that_are_pooled(vit_folder: Path) -> None:
    model = load_openclip(vit_folder)
    feature = model.text_tokens(["a red circle"])[0]
    with torch.inference_mode():
        pooled = torch.from_numpy(feature[-1:].astype(np.float32)) @ model.model.text_projection
    pooled = torch.nn.functional.normalize(pooled, dim=-1).numpy()
    np.testing.assert_allclose(pooled, model.embed_texts(["a red circle"]), atol=5e-3)


def test_the_id_follows_content_not_place(siglip_folder: Path, tmp_path: Path) -> None:
    here = load_openclip(siglip_folder)
    copy = Path(shutil.copytree(siglip_folder, tmp_path / "copy"))
    assert load_openclip(copy).id == here.id == load_openclip(f"local-dir:{copy}").id
    from safetensors.torch import load_file, save_file

    state = load_file(str(copy / "open_clip_model.safetensors"))
    state["text.positional_embedding"][0, 0] += 1e-3
    save_file(state, str(copy / "open_clip_model.safetensors"))
    assert load_openclip(copy).id != here.id


def test_the_tokenizer_is_the_one_that_open_clip_gives(
    vit_folder: Path, siglip_folder: Path, tmp_path: Path
) -> None:
    """CLIP's own is one for all models, but each model has its own length."""
    short = {**VIT_LIKE, "text_cfg": {**VIT_LIKE["text_cfg"], "context_length": 9}}
    loaded = {}
    for folder in (vit_folder, siglip_folder, write_folder(tmp_path / "short", short)):
        loaded[folder.name] = ours = load_openclip(folder).tokenizer
        theirs = open_clip_module().get_tokenizer(f"local-dir:{folder}")
        assert type(ours) is type(theirs) and ours.context_length == theirs.context_length
        assert torch.equal(ours(TEXTS), theirs(TEXTS))
    assert load_openclip(vit_folder).tokenizer is loaded[vit_folder.name]


def test_a_folder_can_say_that_its_domain_is_narrow(vit_folder: Path, siglip_folder: Path) -> None:
    assert load_openclip(vit_folder).warning is None
    warning = load_openclip(siglip_folder).warning
    assert warning is not None and "two sentences only" in warning and "\n" not in warning


def test_text_beyond_the_context_is_cut_and_logged(
    vit_folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_openclip(vit_folder)
    monkeypatch.setattr(
        logging.getLogger("pipeline"), "propagate", True
    )  # a command may have changed it
    with caplog.at_level(logging.WARNING):
        tokens = model.text_tokens(["ring " * 50, "ring"])
    assert len(tokens[0]) == model.context_length == 20
    assert "1 texts fill the 20 tokens" in caplog.text


def test_what_is_cut_is_counted_without_running_the_model(model: OpenClipModel) -> None:
    words = "a red circle moves left and then "
    many = model.max_tokens // 3
    texts = ["a dog", words, words * many]
    none, some, more = model.cut_tokens(texts)
    assert none == 0 < more and some <= more
    (rows,) = model.text_tokens(texts[2:])
    assert len(rows) == model.max_tokens
    twice = model.cut_tokens([words * 2 * many])[0]
    assert twice == pytest.approx(2 * more + model.max_tokens, abs=3)


def test_wrong_input_is_refused(vit_folder: Path) -> None:
    model = load_openclip(vit_folder)
    with pytest.raises(ValueError, match="uint8"):
        model.embed_images(frames(1).astype(np.float32))
    with pytest.raises(ValueError, match="no frames"):
        model.embed_clip([])
    with pytest.raises(ValueError, match="list of strings"):
        model.embed_texts("a red circle")


def test_weights_that_do_not_fit_are_one_line(vit_folder: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(vit_folder, tmp_path / "broken"))
    (broken / "open_clip_model.safetensors").write_bytes(b"xx")
    with pytest.raises(ValueError, match="does not load") as caught:
        load_openclip(broken)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("ids", "length"), [([1, 5, 2, 0, 0], 3), ([1, 5, 7, 9, 2], 5), ([0, 0, 0], 1), ([5, 2, 0], 2)]
)
def test_real_length(ids: list[int], length: int) -> None:
    assert real_length(ids, 0) == length


def test_the_embedded_model_is_small_and_reads_long_captions() -> None:
    size = sum(f.stat().st_size for f in EMBEDDED.rglob("*") if f.is_file())
    assert size < 8 << 20
    model = load_openclip("embedded")
    assert model.context_length == 128 and model.text_width == 128 and model.warning is not None
