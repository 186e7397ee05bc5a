"""The folders that wrong inputs are tried on: a small run with latents and models, and damaged copies of its parts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def filmstock(place: Path, line: str) -> None:
    """A command that must succeed, in a process of its own."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "jobs.cli", *line.split()],
        cwd=place,
        env=env,
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, 3):
        raise RuntimeError(f"filmstock {line} ended with {done.returncode}: {done.stderr}")


def build(place: Path, *, ray: bool = True) -> None:
    """Fill ``place``; without ``ray`` there is no run that was curated, and no model, only what takes seconds."""
    place.mkdir(parents=True, exist_ok=True)
    place.chmod(0o755)
    files(place)
    filmstock(place, "world made --clips 6 --sizes 32x32 --frames 9 --workers 1")
    filmstock(place, "film films --minutes 0.3 --files 1 --corrupt 0 --seed 3 --workers 1")
    if ray:
        filmstock(place, "curate films --out run --recipe demo")
        filmstock(place, "encode run --set encode.max_frames=5")
        small = "--steps 2 --tokens-per-pack 256 --sample-every 0 --precision fp32"
        filmstock(place, f"train-dit run --out dit {small}")
        filmstock(place, "train-vae run --out vae --steps 2 --batch 1 --precision fp32")
        copies(place)
    sealed(place)


def files(place: Path) -> None:
    """Files that are not what a command wants."""
    texts = {
        "text.mp4": "this is no video\n",
        "empty.mp4": "",
        "empty.txt": "",
        "comments.txt": "# nothing\n\n",
        "words.txt": "A red circle moves right.\n",
        "bad.toml": "[ingest\nfps = 8\n",
        "section.toml": "[ingets]\ncrf = 20\n",
        "key.toml": "[ingest]\ncfr = 20\n",
        "type.toml": '[ingest]\ncrf = "twenty"\n',
        "array.toml": "ingest = [1, 2]\n",
        "nan.toml": "[ingest]\nmin_clip_s = nan\n",
        "kind.toml": '[caption]\nkinds = ["poem"]\n',
        "captions.csv": "id,words\n1,a\n",
        "captions.jsonl": '["clip", 3]\n',
        "captions.parquet": "PAR1 not at all",
        "picture.png": "no picture",
    }
    for name, text in texts.items():
        (place / name).write_text(text)
    (place / "latin1.toml").write_bytes('[caption]\nmodel = "caf\xe9"\n'.encode("latin-1"))
    (place / "latin1.txt").write_bytes("un caf\xe9\n".encode("latin-1"))
    (place / "binary.safetensors").write_bytes(bytes(range(256)) * 8)
    (place / "latin1.csv").write_bytes("clip_id,text\n1,un caf\xe9\n".encode("latin-1"))
    (place / "empty.csv").write_text("")
    (place / "list.json").write_text("[1, 2]")
    (place / "videos.csv").write_text("path,caption\ngone.mp4,A circle.\n")
    (place / "bad.j2").write_text("{{ caption ")
    pictures(place)
    (place / "loop").symlink_to("loop")
    os.mkfifo(place / "pipe.mp4")
    (place / "folder.mp4").mkdir()
    for name in ("empty", "texts", "broken-run", "broken-json"):
        (place / name).mkdir()
    (place / "texts" / "notes.md").write_text("no video here\n")
    (place / "broken-run" / "manifest").mkdir()
    (place / "broken-run" / "manifest" / "part-00000.parquet").write_bytes(b"not parquet")
    (place / "broken-json" / "run.json").write_text('{"command": "train-dit", "settings": 3}')


def pictures(place: Path) -> None:
    """Pictures: sound, black, narrow, cut short, and one that claims 10 gigapixels."""
    import struct
    import zlib

    from PIL import Image

    Image.new("RGB", (64, 64), (200, 30, 30)).save(place / "still.png")
    Image.new("RGB", (32, 32)).save(place / "black.png")
    Image.new("RGB", (1, 64)).save(place / "tall.png")
    body = (place / "still.png").read_bytes()
    (place / "cut.png").write_bytes(body[: len(body) - 30])
    size = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    claimed = struct.pack(">I", 13) + size + struct.pack(">I", zlib.crc32(size))
    (place / "huge.png").write_bytes(body[:8] + claimed + body[33:])


def copies(place: Path) -> None:
    """Damaged copies of the run, its tables and its models."""
    for name in ("cut", "magic", "old", "mixed", "stale", "nolatents"):
        shutil.copytree(place / "run", place / f"run-{name}")
    for table in ("manifest", "captions", "embeddings", "latents"):
        for part in sorted((place / "run-cut" / table).glob("*.parquet")):
            cut(part)
        for part in sorted((place / "run-magic" / table).glob("*.parquet")):
            part.write_bytes(b"\x00" * 64 + part.read_bytes()[64:-8] + b"GARBAGE!")
    for name in ("selection.parquet", "shards.manifest.parquet", "sources.parquet"):
        for run, damage in (
            ("run-cut", cut),
            ("run-magic", lambda path: path.write_bytes(b"x" * 99)),
        ):
            if (place / run / name).exists():
                damage(place / run / name)
    for part in (place / "run-old").rglob("*.parquet"):
        restamp(part, "99")
    shutil.rmtree(place / "run-nolatents" / "latents")
    for kind in ("dit", "vae"):
        weights = f"{kind}.safetensors"
        for name in ("cut", "noise", "nan", "shape"):
            (place / f"{kind}-{name}").mkdir()
            shutil.copy(place / kind / weights, place / f"{kind}-{name}")
        cut(place / f"{kind}-cut" / weights)
        (place / f"{kind}-noise" / weights).write_bytes(os.urandom(4096))
        change_weights(place / f"{kind}-nan" / weights, nan=True)
        change_weights(place / f"{kind}-shape" / weights, nan=False)
    (place / "dit-cut" / "run.json").write_text('{"command": "train-dit"')
    (place / "dit-noise" / "run.json").write_text(json.dumps({"command": "paint", "settings": {}}))
    shutil.copy(place / "vae" / "vae.safetensors", place / "other.safetensors")
    selection = place / "run-stale" / "selection.parquet"
    rewrite(selection)


def cut(path: Path) -> None:
    """Leave the first two thirds of a file."""
    body = path.read_bytes()
    path.write_bytes(body[: len(body) * 2 // 3])


def restamp(path: Path, version: str) -> None:
    """Give a table another schema version."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    metadata = {**(table.schema.metadata or {}), b"filmstock.schema_version": version.encode()}
    pq.write_table(table.replace_schema_metadata(metadata), path)


def rewrite(path: Path) -> None:
    """The same table less its last row."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    pq.write_table(table.slice(0, max(1, len(table) - 1)), path)


def change_weights(path: Path, *, nan: bool) -> None:
    """Weights that are not finite, or a first tensor of another shape."""
    import torch
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    name = max(tensors, key=lambda name: tensors[name].numel())
    tensors[name] = torch.full_like(tensors[name], float("nan")) if nan else torch.zeros(3, 5)
    save_file(tensors, path, metadata)


def sealed(place: Path) -> None:
    """What a user without rights may not read or write."""
    (place / "sealed").mkdir()
    (place / "sealed").chmod(0o555)
    for name in ("secret.txt", "secret.toml", "secret.mp4"):
        (place / name).write_text("mine\n")
        (place / name).chmod(0)
    (place / "secret").mkdir()
    (place / "secret").chmod(0)
