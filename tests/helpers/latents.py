"""Latents folders for tests, in the format that ``filmstock encode`` writes."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline import schema as s
from pipeline.latents import index, parts

SHAPES = ((4, 3, 4, 4), (4, 1, 4, 6), (4, 3, 4, 4), (4, 2, 6, 4))
TEXT_DIM = 8


def write_folder(
    folder: Path,
    clips: int = 24,
    *,
    seed: int = 0,
    vae_id: str = "vae0",
    shapes: tuple[tuple[int, int, int, int], ...] = SHAPES,
    rates: tuple[float, ...] = (8.0,),
    logvars: tuple[float, ...] = (-4.0,),
    more: dict[str, str] | None = None,
    edit: Callable[[list[dict]], None] = lambda rows: None,
) -> Path:
    """``clips`` clips of several ``shapes`` with dense (and some short) captions; returns the folder.

    Clips take turns at ``rates``, frames per second; numbers of a latent take turns at ``logvars``. ``more`` is
    metadata beside the usual, ``edit`` changes the rows before they are written.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for i in range(clips):
        shape = shapes[i % len(shapes)]
        signs = np.array([1, -1, 1, -1]).reshape(4, 1, 1, 1)
        mean = (signs + 0.3 * rng.standard_normal(shape)).astype(np.float16)
        for kind in ("dense", "short")[: 1 + i % 2]:
            text = rng.standard_normal((3 + i % 5, TEXT_DIM)).astype(np.float16)
            rows.append(
                {
                    s.CLIP_ID: f"clip{i:04d}",
                    s.KIND: kind,
                    s.CAPTION: f"caption {i} {kind}",
                    s.CACHE_KEY: parts.cache_key(seed, i),
                    s.LATENT_MEAN: mean,
                    s.LATENT_LOGVAR: np.resize(np.float16(logvars), shape),
                    s.TEXT_FEATURES: text,
                    s.SOURCE_ID: f"source{i:04d}",
                    s.N_FRAMES: 1 + 4 * (shape[1] - 1),
                    s.WIDTH: 8 * shape[3],
                    s.HEIGHT: 8 * shape[2],
                    s.FPS: rates[i % len(rates)],
                }
            )
    metadata = {
        "vae_id": vae_id,
        "text_encoder_id": "text0",
        "text_dim": str(TEXT_DIM),
        "latent_mean": json.dumps([0.0, 0.1, 0.0, -0.1]),
        "latent_std": json.dumps([1.0, 1.0, 1.1, 0.9]),
        **(more or {}),
    }
    edit(rows)
    write_rows(folder, rows, metadata)
    commit_rows(folder, rows, metadata)
    return folder


def write_rows(folder: Path, rows: list[dict], metadata: dict[str, str]) -> None:
    """A part of clips and one of captions: a row a clip and kind, with arrays for latents and text features."""
    clips = {row[s.CLIP_ID]: row for row in reversed(rows)}
    parts.write_clips(folder, list(clips.values()), metadata)
    texts = {row[s.CAPTION]: {**row, s.TEXT_KEY: text_key(row)} for row in rows}
    parts.write_texts(folder, list(texts.values()), metadata)


def commit_rows(folder: Path, rows: list[dict], metadata: dict[str, str]) -> tuple[int, int]:
    """Finish a folder whose clips show the captions of ``rows``."""
    captions: dict[str, dict[str, str]] = {}
    for row in rows:
        captions.setdefault(row[s.CLIP_ID], {})[row[s.KIND]] = text_key(row)
    return index.commit(folder, metadata, captions)


def text_key(row: dict) -> str:
    """Key of a row's caption."""
    return parts.cache_key("text", row[s.CAPTION])
