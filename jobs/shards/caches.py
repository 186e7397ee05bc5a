"""``filmstock caches DIR --for TRAINER --out DIR2``: latents and text features as the caches of another trainer.

Latents of ``encode`` are keyed by content and were made resumably, on any number of workers; this only puts them in
another form. A kill leaves whole files, and the same command goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from jobs.core.args import Folder, parse_args
from jobs.core.console import Progress, say, warn
from jobs.core.errors import EXIT_OK, EXIT_PARTIAL, UserError, no_kind, user_errors
from jobs.core.keys import config_key
from jobs.core.lock import locked
from jobs.core.writable import check_own_folder
from jobs.edits.fresh import check_latents
from pipeline import schema as s
from pipeline.store.atomic import sweep, write_bytes
from pipeline.store.paths import Location

if TYPE_CHECKING:
    from pipeline.latents.store import LatentStore

STAGE = "caches"
MARK = ".filmstock.json"
"""File that says which latents a folder of caches is of."""
LTX_2_FOLDER = ".precomputed"
"""Where the trainer of LTX-2 looks below the folder of its dataset."""
PART_CLIPS = 64
"""Clips of a Parquet file of FastVideo."""
Trainer = Literal["musubi-tuner", "fastvideo", "ltx-2"]
CHANNELS: dict[str, int | None] = {"musubi-tuner": 16, "fastvideo": None, "ltx-2": 128}
"""Latent channels that a trainer's cache is for: musubi's Wan 2.1 and 2.2-14B have 16, LTX-2 has 128."""
MODELS = {"musubi-tuner": "Wan", "fastvideo": "Wan", "ltx-2": "LTX-2"}
"""Whose VAE must have made the latents."""


@dataclass(frozen=True, kw_only=True)
class Args:
    """Write latents and text features as the caches of another trainer, so that it encodes nothing itself."""

    folder: tyro.conf.Positional[Folder]
    """Run folder with latents/, or a folder of latents."""
    trainer: Annotated[Trainer, tyro.conf.arg(name="for")]
    """musubi-tuner (safetensors of Wan), fastvideo (Parquet of Wan) or ltx-2 (.precomputed of LTX-2)."""
    out: Folder
    """Folder for the caches; a rerun goes on where an earlier one stopped."""
    caption: str = "dense"
    """Kind of caption; a clip without it takes the first that it has."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    args = parse_args(Args, argv, STAGE)
    return EXIT_PARTIAL if run(args) else EXIT_OK


def run(args: Args) -> int:
    """Write what is missing; returns the number of clips without any caption, which are left out."""
    from pipeline.latents.store import LatentStore

    check_own_folder(args.out)
    with user_errors():
        check_latents(args.folder)
        store = LatentStore(str(args.folder))
    wanted = CHANNELS[args.trainer]
    channels = int(store.shapes[0][0]) if len(store.clip_ids) else 0
    if wanted and channels != wanted:
        raise UserError(
            f"{args.folder} holds latents of {channels} channels, and {args.trainer} reads {wanted}: encode with "
            f"--vae diffusers:PATH of the VAE of {MODELS[args.trainer]} first"
        )
    check_kind(args.folder, store, args.caption)
    with locked(args.out, STAGE):
        claim(args, store)
        sweep(args.out)
        return write_all(args, store)


def write_all(args: Args, store: LatentStore) -> int:
    """The same for a folder that is held."""
    pairs = [(clip, chosen(store, clip, args.caption)) for clip in range(len(store.clip_ids))]
    usable = [(clip, caption) for clip, caption in pairs if caption is not None]
    write = {"musubi-tuner": write_musubi, "fastvideo": write_fastvideo, "ltx-2": write_ltx_2}[
        args.trainer
    ]
    with Progress(STAGE, len(usable), "clips") as progress:
        for count in write(store, usable, args.out):
            progress.update(count)
    left = len(pairs) - len(usable)
    say(f"caches: {len(usable)} clips for {args.trainer} in {args.out}")
    others = sum(store.kind(caption) != args.caption for _, caption in usable)
    if others:
        warn(f"{others} clips have no caption of kind {args.caption!r} and took another kind")
    if left:
        warn(f"{left} clips have no caption and were left out")
    return left


def check_kind(folder: Location, store: LatentStore, kind: str) -> None:
    """Refuse a kind of caption that no clip has."""
    have = sorted(frozenset().union(*store.kind_sets()))
    if have and kind not in have:
        raise no_kind(kind, have, f" of {folder}")


def claim(args: Args, store: LatentStore) -> None:
    """Note which latents the folder is of; UserError when it is of others."""
    key = config_key(store.hash, args.trainer, args.caption)
    path = args.out / MARK
    if path.is_file():
        if json.loads(path.read_text()).get("key") != key:
            raise UserError(
                f"{args.out} holds caches of other latents, or of another caption; choose another --out"
            )
        return
    write_bytes(path, json.dumps({"key": key, "trainer": args.trainer}).encode())


def chosen(store: LatentStore, clip: int, kind: str) -> int | None:
    """Number of the caption of a clip that is taken."""
    there = {store.kind(caption): caption for caption in store.captions_of(clip)}
    return there.get(kind, next(iter(there.values()), None))


def write_musubi(store: LatentStore, pairs: list[tuple[int, int]], out: Location) -> Iterator[int]:
    """Two safetensors files a clip, as musubi-tuner caches Wan: normalised latents, and token features."""
    import torch

    mean, std = store.channel_stats()
    for clip, caption in pairs:
        told = store.clip(clip)
        name, frames = told[s.CLIP_ID], told[s.N_FRAMES]
        width, height = told[s.WIDTH], told[s.HEIGHT]
        latents = out / f"{name}_00000-{frames:03d}_{width:04d}x{height:04d}_wan.safetensors"
        text = out / f"{name}_wan_te.safetensors"
        about = {"architecture": "wan", "format_version": "1.0.1"}
        if not text.is_file():
            features = torch.from_numpy(store.text(caption)).bfloat16()
            about_text = about | {"caption1": store.caption(caption)}
            write_bytes(text, tensors({"varlen_t5_bfloat16": features}, about_text))
        if not latents.is_file():
            numbers = (torch.from_numpy(store.posterior(clip)[0].copy()) - mean) / std
            _, t, h, w = numbers.shape
            about |= {"width": str(width), "height": str(height), "frame_count": str(frames)}
            body = {f"latents_{t}x{h}x{w}_bfloat16": numbers.bfloat16().contiguous()}
            write_bytes(latents, tensors(body, about))
        yield 1


def write_ltx_2(store: LatentStore, pairs: list[tuple[int, int]], out: Location) -> Iterator[int]:
    """``.precomputed/{latents,conditions}/ID.pt``: normalised latents, and text features padded on the left.

    Latents and text of one clip share a name; frames, height and width are those of the latents. What was there is
    left alone, so the text is written first: the trainer looks for latents, then for their text.
    """
    import torch

    mean, std = store.channel_stats()
    longest = max((len(store.text(caption)) for _, caption in pairs), default=0)
    for clip, caption in pairs:
        told = store.clip(clip)
        below = f"{told[s.CLIP_ID]}.pt"
        text = out / LTX_2_FOLDER / "conditions" / below
        latents = out / LTX_2_FOLDER / "latents" / below
        if not text.is_file():
            features = torch.from_numpy(store.text(caption)).bfloat16()
            lack = longest - len(features)
            mask = torch.arange(longest) >= lack
            padded = torch.nn.functional.pad(features, (0, 0, lack, 0))
            body = {"video_prompt_embeds": padded, "prompt_attention_mask": mask}
            write_bytes(text, pickled(body | {"audio_prompt_embeds": padded.clone()}))
        if not latents.is_file():
            numbers = (torch.from_numpy(store.posterior(clip)[0].copy()) - mean) / std
            _, t, h, w = numbers.shape
            shape = {"num_frames": t, "height": h, "width": w, "fps": float(told[s.FPS])}
            write_bytes(latents, pickled({"latents": numbers.bfloat16().contiguous()} | shape))
        yield 1


def pickled(body: dict[str, Any]) -> bytes:
    """A file of ``torch.save``, which ``torch.load(weights_only=True)`` reads; the same bytes each time."""
    import io

    import torch

    file = io.BytesIO()
    torch.save(body, file)
    return file.getvalue()


def tensors(body: dict[str, Any], about: dict[str, str]) -> bytes:
    """A safetensors file whose header is always in the same order: the library's own comes in any."""
    from safetensors.torch import save

    data = save(body, about)
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def write_fastvideo(
    store: LatentStore, pairs: list[tuple[int, int]], out: Location
) -> Iterator[int]:
    """Parquet files as FastVideo's preprocessing leaves them: latents as the VAE gives them, float32."""
    import pyarrow as pa

    from pipeline.store.parquet import write_table

    for start in range(0, len(pairs), PART_CLIPS):
        part = pairs[start : start + PART_CLIPS]
        path = out / "combined_parquet_dataset" / f"data_chunk_{start // PART_CLIPS:05d}.parquet"
        if not path.is_file():
            rows = [fastvideo_row(store, clip, caption) for clip, caption in part]
            write_table(path, pa.Table.from_pylist(rows))
        yield len(part)


def fastvideo_row(store: LatentStore, clip: int, caption: int) -> dict[str, Any]:
    """One clip."""
    told = store.clip(clip)
    latent, text = store.posterior(clip)[0], store.text(caption)
    seconds = told[s.N_FRAMES] / told[s.FPS] if told[s.FPS] else 0.0
    return {
        "id": told[s.CLIP_ID],
        "vae_latent_bytes": latent.tobytes(),
        "vae_latent_shape": list(latent.shape),
        "vae_latent_dtype": str(latent.dtype),
        "text_embedding_bytes": text.tobytes(),
        "text_embedding_shape": list(text.shape),
        "text_embedding_dtype": str(text.dtype),
        "file_name": told[s.CLIP_ID],
        "caption": store.caption(caption),
        "media_type": "video",
        "width": told[s.WIDTH],
        "height": told[s.HEIGHT],
        "num_frames": int(latent.shape[1]),
        "duration_sec": seconds,
        "fps": float(told[s.FPS]),
    }
