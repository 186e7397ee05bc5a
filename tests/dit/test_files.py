"""Where a DiT's file is and what its header says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dit.checkpoint import load_dit
from dit.files import EMBEDDED, read_config, weights_file


def test_a_name_is_a_file_a_folder_or_ours(tmp_path: Path) -> None:
    assert weights_file("embedded") == EMBEDDED
    (tmp_path / "dit.safetensors").write_bytes(EMBEDDED.read_bytes())
    assert weights_file(tmp_path) == tmp_path / "dit.safetensors"
    assert read_config(tmp_path) == load_dit("embedded").model.config
    with pytest.raises(ValueError, match="no DiT at .*nowhere/dit.safetensors|no DiT at .*nowhere"):
        weights_file(tmp_path / "nowhere")


def test_a_shape_and_a_trainings_clips_are_read_without_torch() -> None:
    code = (
        "import sys, dit.train.training_packs, vae.files; from dit.files import read_config; "
        "read_config(); print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout == "False\n"
