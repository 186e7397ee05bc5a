"""The embedded CLIP's training: the sliced text pass is exact, steps are reproducible, and a few steps learn."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.openclip.data import Pool, build_pool, tokenizer_corpus
from pipeline.openclip.model import load_openclip
from pipeline.openclip.tokenizer import train_bpe
from pipeline.openclip.train import (
    ClipTrainConfig,
    Trainer,
    build_model,
    save_model,
    text_forward,
    to_images,
)

SMALL = ClipTrainConfig(
    embed_dim=32,
    vision_width=8,
    text_width=32,
    text_layers=2,
    batch=16,
    prompts=24,
    warmup_steps=2,
    precision="fp32",
    seed=3,
    lr=3e-3,
)


@pytest.fixture(scope="module")
def pool() -> Pool:
    return build_pool(32, seed=0)


@pytest.fixture(scope="module")
def tokenizer(pool: Pool) -> object:
    return train_bpe(tokenizer_corpus(pool))


def test_text_on_short_rows_equals_text_padded_to_the_context() -> None:
    model = build_model(SMALL, 300).eval()
    ids = torch.tensor([[1, 9, 8, 2, 0, 0], [1, 5, 6, 7, 8, 2]])
    whole = torch.nn.functional.pad(ids, (0, model.context_length - 6))
    with torch.inference_mode():
        pooled, tokens = text_forward(model.text, ids)
        np.testing.assert_allclose(pooled, model.encode_text(whole), atol=1e-5)
    assert tokens.shape == (2, 6, 32)


def test_training_lowers_the_losses_and_is_reproducible(pool: Pool, tokenizer: object) -> None:
    one, two = (Trainer(SMALL, pool, tokenizer) for _ in range(2))
    history = [one.step(i, 0.0) for i in range(20)]
    first, last = history[0], history[-1]
    # The prompts loss starts near its floor, by its bias.
    for name in ("contrastive", "identity", "slots"):
        assert last[name] < 0.85 * first[name], (name, first, last)
    for i in range(3):
        again = two.step(i, 0.0)
        assert again == pytest.approx(history[i], rel=1e-4)


def test_a_resumed_run_goes_on_as_if_never_stopped(pool: Pool, tokenizer: object) -> None:
    straight, stopped, resumed = (Trainer(SMALL, pool, tokenizer) for _ in range(3))
    for i in range(4):
        expected = straight.step(i, i / 10)
    for i in range(2):
        stopped.step(i, i / 10)
    resumed.load(stopped.state())
    for i in range(2, 4):
        got = resumed.step(i, i / 10)
    assert got == pytest.approx(expected, rel=1e-3)


def test_the_saved_folder_is_the_trained_model(
    pool: Pool, tokenizer: object, tmp_path: Path
) -> None:
    trainer = Trainer(SMALL, pool, tokenizer)
    for i in range(3):
        trainer.step(i, 0.0)
    save_model(tmp_path, trainer.model, SMALL, tokenizer)
    loaded = load_openclip(tmp_path)
    assert loaded.warning is not None and loaded.text_width == 32
    frames = pool.frames[:6, 0]
    with torch.inference_mode():
        expected = trainer.model.eval().encode_image(to_images(frames, None), normalize=True)
    np.testing.assert_allclose(loaded.embed_images(frames), expected, atol=0.02)
