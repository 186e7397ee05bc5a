"""The folders that wrong inputs are tried on: a small run with latents and models, and odd files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.bad_input_cases import damage

ROOT = Path(__file__).resolve().parent.parent.parent
TEXTS = {
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
    "empty.csv": "",
    "list.json": "[1, 2]",
    "videos.csv": "path,caption\ngone.mp4,A circle.\n",
    "folded.csv": 'path,caption\n"gone.mp4,A circle.\n',
    "bad.j2": "{{ caption ",
    "near.toml": "[ingest]\nmin_clip = 2\n",
    "case.toml": "[Ingest]\ncrf = 20\n",
    "twice.toml": "[ingest]\ncrf = 20\ncrf = 21\n",
    "bool.toml": "[ingest]\ncrf = true\n",
    "huge.toml": "[ingest]\ncrf = 1e999\n",
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
"""Files that are not what a command wants, and what stands in them."""


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
        damage.runs(place)
        damage.models(place)
        damage.states(place)
    sealed(place)


def files(place: Path) -> None:
    """Files that are not what a command wants."""
    for name, text in TEXTS.items():
        (place / name).write_text(text)
    (place / "latin1.toml").write_bytes('[caption]\nmodel = "caf\xe9"\n'.encode("latin-1"))
    (place / "latin1.txt").write_bytes("un caf\xe9\n".encode("latin-1"))
    (place / "binary.safetensors").write_bytes(bytes(range(256)) * 8)
    (place / "latin1.csv").write_bytes("clip_id,text\n1,un caf\xe9\n".encode("latin-1"))
    pictures(place)
    (place / "bom.toml").write_bytes("[ingest]\ncrf = 20\n".encode("utf-16"))
    (place / "loop").symlink_to("loop")
    (place / "broken-link").symlink_to("nothing-there")
    os.mkfifo(place / "pipe.mp4")
    (place / "folder.mp4").mkdir()
    for name in ("empty", "texts", "broken-run", "broken-json", "sub"):
        (place / name).mkdir()
    (place / "texts" / "notes.md").write_text("no video here\n")
    (place / "sub" / "demo.toml").write_text("[ingest]\ncrf = 20\n")
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


def sealed(place: Path) -> None:
    """What a user without rights may not read or write."""
    (place / "sealed").mkdir()
    (place / "sealed").chmod(0o555)
    for name in ("secret.txt", "secret.toml", "secret.mp4"):
        (place / name).write_text("mine\n")
        (place / name).chmod(0)
    (place / "secret").mkdir()
    (place / "secret").chmod(0)
