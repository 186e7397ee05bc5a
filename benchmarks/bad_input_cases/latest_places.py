"""What the newest wrong inputs are tried on: recipes of wrong shape, checkpoints of others, tables that are folders."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

RECIPES = {
    "deep.toml": '[select.best.x]\nby = "blur"\nkeeep = 0.5\n',
    "nested.toml": "[ingest.crf]\nx = 3\n",
    "list-section.toml": "[[ingest]]\ncrf = 20\n",
    "dup-section.toml": "[ingest]\ncrf = 20\n[ingest]\nheight = 480\n",
    "null.toml": "[ingest]\ncrf = 20\x00\n",
    "date.toml": "[ingest]\ncrf = 2024-01-01\n",
    "top.toml": "crf = 20\n",
    "empty-list.toml": "[caption]\nkinds = []\n",
    "mixed-list.toml": '[caption]\nkinds = ["dense", 3]\n',
    "nan-deep.toml": '[select.best.x]\nby = "blur"\nkeep = nan\n',
    "negative-zero.toml": "[ingest]\nmin_clip_s = -0.0\n",
    "int-for-text.toml": "[ingest]\ncodec = 264\n",
    "emoji.toml": '[ingest]\n"\U0001f600" = 1\n',
    "profile-key.toml": "fps = 16\nframes = [17]\nsizes = [[64, 64]]\nframez = 3\n",
    "profile-type.toml": 'fps = "fast"\nframes = [17]\nsizes = [[64, 64]]\n',
}


def latecomers(place: Path) -> None:
    """Add them to the folders of ``places.build``."""
    for name, text in RECIPES.items():
        (place / name).write_text(text)
    (place / "bom.toml").write_bytes("[ingest]\ncrf = 20\n".encode("utf-16"))
    (place / "sub").mkdir()
    (place / "sub" / "demo.toml").write_text("[ingest]\ncrf = 20\n")
    (place / "folded.csv").write_text('path,caption\n"gone.mp4,A circle.\n')
    (place / "broken-link").symlink_to("nothing-there")
    states(place)
    foreign_vae(place)
    shutil.copytree(place / "run", place / "run-folders")
    for part in sorted((place / "run-folders").rglob("*.parquet")):
        part.unlink()
        part.mkdir()
    shutil.copytree(place / "run", place / "run-sealed")
    for part in (place / "run-sealed").rglob("*.parquet"):
        part.chmod(0)


def states(place: Path) -> None:
    """Folders with a ``state.pt`` that is noise, or of something else."""
    import torch

    for name in ("noise", "other"):
        (place / f"state-{name}").mkdir()
    (place / "state-noise" / "state.pt").write_bytes(os.urandom(4096))
    torch.save({"epoch": 3, "weights": torch.zeros(3)}, place / "state-other" / "state.pt")


def foreign_vae(place: Path) -> None:
    """Sound weights of a VAE whose header names a width that is no number."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(place / "vae" / "vae.safetensors", "pt") as file:
        metadata = dict(file.metadata())
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    config = json.loads(metadata["config"])
    metadata["config"] = json.dumps({**config, "widths": ["wide", 8]})
    (place / "vae-config").mkdir()
    save_file(tensors, place / "vae-config" / "vae.safetensors", metadata)
