"""Settings of latents are noted in them, and kept by the next encode except where it is told otherwise."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from jobs.core.errors import UserError
from jobs.shards.encode_settings import SETTINGS, keep_settings, noted_settings, settings_text
from pipeline.config import EncodeConfig
from pipeline.store.parquet import write_table


def note(folder: Path, config: EncodeConfig) -> None:
    table = pa.table({"a": [1]}).replace_schema_metadata({SETTINGS: settings_text(config)})
    write_table(folder / "part-0.parquet", table)


def test_what_was_noted_is_kept_and_what_is_asked_for_is_not(tmp_path: Path) -> None:
    vae = tmp_path / "vae.safetensors"
    vae.write_bytes(b"")
    note(tmp_path / "latents", EncodeConfig(vae=str(vae), fps=4.0, kinds=("short",)))
    kept = keep_settings(EncodeConfig(), ["fps"], tmp_path / "latents")
    assert kept == EncodeConfig(vae=str(vae), kinds=("short",))
    asked = keep_settings(EncodeConfig(), ["vae", "fps", "kinds"], tmp_path / "latents")
    assert asked == EncodeConfig()
    vae.unlink()
    with pytest.raises(UserError, match="vae.safetensors, which is gone; say .* --vae"):
        keep_settings(EncodeConfig(), [], tmp_path / "latents")


def test_models_are_noted_by_where_they_are_and_not_by_where_one_stood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From another folder a relative name is another model, or none."""
    for name in ("vae.safetensors", "text.safetensors"):
        (tmp_path / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    note(
        tmp_path / "latents",
        EncodeConfig(vae="vae.safetensors", text_encoder="text.safetensors"),
    )
    monkeypatch.chdir("/")
    kept = keep_settings(EncodeConfig(), [], tmp_path / "latents")
    assert kept.vae == str(tmp_path / "vae.safetensors")
    assert kept.text_encoder == str(tmp_path / "text.safetensors")


def test_a_folder_without_notes_keeps_nothing(tmp_path: Path) -> None:
    assert keep_settings(EncodeConfig(fps=4.0), [], tmp_path / "none") == EncodeConfig(fps=4.0)
    write_table(tmp_path / "part-0.parquet", pa.table({"a": [1]}))
    (tmp_path / "part-1.parquet").write_bytes(b"damaged")
    assert noted_settings(tmp_path) == {}
