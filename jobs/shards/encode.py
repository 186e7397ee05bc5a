"""``filmstock encode DIR``: shards to VAE latents and text features, only what is new or stale."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from jobs.core.args import Device, Folder, name_bound, parse_args
from jobs.core.console import Progress, say, warn
from jobs.core.errors import EXIT_OK, EXIT_PARTIAL, UserError, no_clips
from jobs.core.keys import config_key, files_key
from jobs.core.named import check_text, check_vae
from jobs.core.recipe import folder_recipe, parse_overrides
from jobs.core.run import run_of
from jobs.core.stage import Stage
from jobs.core.systemic import Failures
from jobs.core.writable import check_folder, check_own_folder
from jobs.edits.fresh import check_fresh
from jobs.shards.encode_chunk import RECIPE_VERSION, Chunk, Encoder, Task, encode_metadata
from jobs.shards.encode_settings import keep_settings, note_settings
from jobs.shards.encode_view import memory_lines, view_lines
from pipeline import schema as s
from pipeline.bounds import Bounded, Whole
from pipeline.config import EncodeConfig
from pipeline.loader.mix import rendering_name
from pipeline.shards.layout import MANIFEST_NAME
from pipeline.store.atomic import sweep
from pipeline.store.paths import Location, location
from pipeline.training.device import check_device

if TYPE_CHECKING:
    from pipeline.shards.read import Manifest

STAGE = "encode"
CHUNK_CLIPS = 256
"""Most clips of a chunk: the unit of work, of commit, and of one part file."""
CHUNK_TEXTS = 1024
"""Most captions of a chunk."""
CLIPS_PER_WORKER = 2000
"""Clips that are worth a Ray worker of their own when the number of workers is not given."""


@dataclass(frozen=True, kw_only=True)
class Args(Bounded):
    """Encode shards to latents and text features; rerunning encodes only what changed."""

    folder: tyro.conf.Positional[Folder]
    """Run folder with shards/, or a folder of shards."""
    out: Folder | None = None
    """Folder of the latents; default: latents/ beside the shards."""
    vae: str | None = None
    """Override [encode] vae: embedded, a checkpoint of train-vae, or diffusers:PATH of Wan, CogVideoX and others."""
    text: str | None = None
    """Override [encode] text_encoder: embedded, or what open_clip calls a model."""
    max_pixels: int | None = None
    """Override [encode] max_pixels: area that a frame is scaled down to, such as 36864 for 256x144."""
    max_frames: int | None = None
    """Override [encode] max_frames: frames taken of a clip, from its start; 1 + 4k."""
    fps: float | None = None
    """Override [encode] fps: frames a second that a clip is sampled at."""
    workers: Whole = 0
    """Ray workers; 1 encodes in this process; 0 decides by the number of clips."""
    device: Device = "auto"
    recipe: str | None = None
    """Recipe file or name; its [encode] section is used. Default: the folder's own recipe."""
    set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Override a setting: --set encode.max_pixels=16384; may be repeated."""


COUNTED_AT_ONCE = 512
"""Captions whose length is counted at once, between which there is progress to see."""


@dataclass(frozen=True, kw_only=True)
class EncodeResult:
    """What a run of encode did."""

    clips: int = 0
    """Clips in the latents folder at the end."""
    captions: int = 0
    """Captions of these clips, of all kinds."""
    encoded: int = 0
    """Clips that the VAE encoded now."""
    texts: int = 0
    """Captions that the text encoder encoded now; clips with the same caption share it."""
    reused: int = 0
    """Clips whose latents were up to date."""
    dropped: int = 0
    """Stale rows removed, of clips and captions."""
    failed: int = 0
    """Clips that could not be decoded."""
    cut: int = 0
    """Captions of those encoded now that are longer than the text encoder takes."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    args = parse_args(Args, argv, STAGE)
    if not args.folder.exists():
        raise UserError(f"{args.folder} does not exist; give a run folder or a folder of shards")
    overrides = parse_overrides(args.set)
    if args.vae is not None:
        overrides["encode.vae"] = args.vae
    if args.text is not None:
        overrides["encode.text_encoder"] = args.text
    for name in ("max_pixels", "max_frames", "fps"):
        if (value := getattr(args, name)) is not None:
            try:
                EncodeConfig(**{name: value})
            except ValueError as error:
                raise UserError(name_bound(str(error))) from None
            overrides[f"encode.{name}"] = value
    place = run_folder(args.folder)
    config = folder_recipe(place, args.recipe, overrides).encode
    if args.recipe is None:
        asked = [name.removeprefix("encode.") for name in overrides]
        config = keep_settings(config, asked, args.out or place / "latents")
    result = run(config, args.folder, out=args.out, workers=args.workers, device=args.device)
    return EXIT_PARTIAL if result.failed else EXIT_OK


def run(
    config: EncodeConfig,
    folder: Location | str,
    *,
    out: Location | None = None,
    workers: int = 0,
    device: str = "auto",
) -> EncodeResult:
    """Bring ``latents/`` in line with the shards and the config; what is up to date is left alone."""
    from pipeline.latents.index import is_committed
    from pipeline.latents.layout import check_ours
    from pipeline.shards.read import open_manifest

    manifest = open_manifest(folder)
    check_fresh(run_of(manifest.root), "shards")
    if not len(manifest):
        raise no_clips(manifest.root)
    target = out or location(manifest.root).parent / "latents"
    check_folder(target) if out is None else check_own_folder(out)
    check_vae(config.vae)
    check_text(config.text_encoder)
    check_device(device)
    check_ours(target)
    key = config_key(RECIPE_VERSION, config, manifest.hash, files_key(model_files(config)))
    stage = Stage(target.parent, STAGE, key)
    if (info := stage.info) and is_committed(target):
        clips, captions = int(info.get("clips", 0)), int(info.get("captions", 0))
        say(
            f"encode: nothing to do, {clips} clips with {captions} captions in {target} are up to date"
        )
        return EncodeResult(clips=clips, captions=captions, reused=clips)
    most = f"at most {config.max_pixels} pixels and {config.max_frames} frames each"
    say(
        f"encode: {len(manifest)} clips of {manifest.root} by VAE {config.vae} and text encoder "
        f"{config.text_encoder}, {most}"
    )
    encoder = Encoder(config, device)
    domain = getattr(encoder.text, "domain", None)  # other text encoders have none
    if domain and not config.allow_out_of_domain:
        refuse_foreign(domain, manifest.table, config.text_encoder)
    tasks, uncaptioned = plan_tasks(encoder, manifest)
    if not tasks:
        raise UserError(
            f"no clip in {manifest.root} has a caption of kind {' or '.join(config.kinds)}"
        )
    for line in [*view_lines(tasks, config), *memory_lines(encoder.vae, tasks)]:
        say(f"encode: {line}")
    with stage.working():
        result, failed = bring_up(encoder, manifest, target, tasks, workers)
        report(result, target, failed, uncaptioned)
        stage.log(vars(result))
        if not failed:
            stage.finish({**vars(result), "outputs": [target.name]})
    return result


def bring_up(
    encoder: Encoder, manifest: Manifest, target: Location, tasks: list[Task], workers: int
) -> tuple[EncodeResult, list[str]]:
    """Remove stale rows, compute those that lack, commit; with a line for each clip that could not be decoded."""
    from pipeline.latents import index, parts
    from pipeline.latents.layout import SHARDS_HASH

    config = encoder.config
    target.mkdir(parents=True, exist_ok=True)
    sweep(target)
    note_settings(config, target)
    kept, dropped = parts.prune_clips(target, {task.clip_id: task.key for task in tasks})
    keys = {text: encoder.text_key(text) for task in tasks for text in task.captions.values()}
    known, unsaid = parts.prune_texts(target, keys.values())
    todo = [task for task in tasks if task.clip_id not in kept]
    texts = sorted(text for text, key in keys.items() if key not in known)
    cut = say_cut(encoder, texts)
    if todo or texts:
        (target / MANIFEST_NAME).unlink(missing_ok=True)
    workers = workers or min(os.cpu_count() or 1, 1 + len(todo) // CLIPS_PER_WORKER)
    chunks = make_chunks(todo, texts, workers)
    results = (
        _with_ray(config, manifest.root, target, chunks, workers, encoder.device)
        if workers > 1 and chunks
        else (encoder.encode(chunk, manifest.root, target) for chunk in chunks)
    )
    encoded, failed = 0, list[str]()
    failures = Failures(STAGE, "clips")
    with Progress(STAGE, len(todo) + len(texts), "clips and captions") as progress:
        for done in results:
            encoded += done.latents
            failed += done.failed
            failures.add(done.clips - len(done.failed), done.failed)
            progress.update(done.clips + done.texts)
    clips, captions = index.commit(
        target,
        {**encode_metadata(encoder), SHARDS_HASH: manifest.hash},
        {
            task.clip_id: {kind: keys[text] for kind, text in task.captions.items()}
            for task in tasks
        },
    )
    done_now = {"encoded": encoded, "texts": len(texts), "reused": len(kept), "cut": cut}
    counts = {**done_now, "dropped": dropped + unsaid, "failed": len(failed)}
    return EncodeResult(clips=clips, captions=captions, **counts), failed


def say_cut(encoder: Encoder, texts: list[str]) -> int:
    """Say how many captions are longer than the text encoder takes, before anything is encoded; returns the number."""
    over: list[int] = []
    with Progress("encode: tokens", len(texts), "captions") as progress:
        for start in range(0, len(texts), COUNTED_AT_ONCE):
            part = texts[start : start + COUNTED_AT_ONCE]
            over += [n for n in encoder.cuts(part) or () if n]
            progress.update(len(part))
    if over:
        most = getattr(encoder.text, "max_tokens", None)
        limit = f" the {most} tokens" if most else ""
        warn(
            f"{len(over)} of {len(texts)} captions are longer than{limit} that the text encoder takes, and lose up to "
            f"{max(over)} tokens at their end; a longer text encoder (transformers:PATH) keeps them"
        )
    return len(over)


def refuse_foreign(domain: str, clips: Any, name: str) -> None:
    """Raise one line when clips came from footage that the text encoder has no words for; clips that name no source
    were made by a program, which knows what it does."""
    columns = clips.column_names
    if s.SOURCE_ID not in columns or s.DOMAIN not in columns:
        return
    pairs = zip(clips[s.SOURCE_ID].to_pylist(), clips[s.DOMAIN].to_pylist(), strict=True)
    foreign = sum(source is not None and of != domain for source, of in pairs)
    if foreign:
        raise UserError(
            f"text encoder {name!r} knows {domain} only, and {foreign} clips are of other footage: name a general one "
            "with --text (recipe laptop has one), or set encode.allow_out_of_domain=true"
        )


def report(result: EncodeResult, target: Location, failed: list[str], uncaptioned: int) -> None:
    """What was encoded, reused and left out."""
    say(
        f"encode: {result.clips} clips with {result.captions} captions in {target}: {result.encoded} clips and "
        f"{result.texts} captions encoded, {result.reused} clips reused, {result.dropped} stale rows removed"
    )
    if uncaptioned:
        warn(f"{uncaptioned} clips have no caption of the wanted kinds and were left out")
    for line in failed[:5]:
        warn(line)
    if failed:
        warn(f"{len(failed)} clips could not be encoded; a rerun tries them again")


def run_folder(folder: Location) -> Location:
    """The run folder of a shards folder or of itself."""
    return folder if (folder / "shards").is_dir() else folder.parent


def model_files(config: EncodeConfig) -> list[Path]:
    """Local files of the two models, whose content decides whether latents are still good."""
    from pipeline.autoencoder.names import vae_path
    from pipeline.textencoder.open import text_encoder_file
    from vae.files import EMBEDDED as EMBEDDED_VAE

    vae = EMBEDDED_VAE if config.vae == "embedded" else vae_path(config.vae)
    return [vae, text_encoder_file(config.text_encoder)]


def plan_tasks(encoder: Encoder, manifest: Any) -> tuple[list[Task], int]:
    """One task per clip that has a wanted caption, and how many clips have none."""
    tasks, uncaptioned = [], 0
    for row in manifest.table.to_pylist():
        if captions := texts_of(row, encoder.config):
            tasks.append(encoder.task(row, captions))
        else:
            uncaptioned += 1
    return tasks, uncaptioned


def texts_of(row: Mapping[str, Any], config: EncodeConfig) -> dict[str, str]:
    """Name -> text of the captions of a shard's row that are encoded.

    A structured one becomes several, ``structured.0`` and so on, which differ in what is left out and in order; one
    that cannot be read counts as lacking.
    """
    from captioner.render import render_text

    found: dict[str, str] = {}
    for kind in config.kinds:
        text = row.get(s.caption_column(kind))
        if not text:
            continue
        if kind != "structured":
            found[kind] = text
            continue
        with suppress(ValueError):
            told = {
                render_text(text, seed=0, epoch=number, clip_id=row[s.CLIP_ID]): None
                for number in range(config.renderings)
            }
            found |= {rendering_name(kind, number): text for number, text in enumerate(told)}
    return found


def make_chunks(tasks: list[Task], texts: list[str], workers: int) -> list[Chunk]:
    """Chunks of captions, and of clips of like shape, small enough that every worker gets several."""
    tasks = sorted(tasks, key=lambda task: (task.shape, task.clip_id))

    def size(most: int, count: int) -> int:
        return most if workers <= 1 else max(1, min(most, count // (4 * workers)))

    words, clips = size(CHUNK_TEXTS, len(texts)), size(CHUNK_CLIPS, len(tasks))
    return [
        *(Chunk(texts=tuple(texts[at : at + words])) for at in range(0, len(texts), words)),
        *(Chunk(tasks=tuple(tasks[at : at + clips])) for at in range(0, len(tasks), clips)),
    ]


def _with_ray(
    config: EncodeConfig,
    root: str,
    target: Location,
    chunks: list[Chunk],
    workers: int,
    device: str,
) -> Iterator[Any]:
    """Encode chunks on a pool of Ray Data actors; each writes its own part and returns counts."""
    import msgspec
    import ray

    from jobs.core.ray_runtime import gpu_share, start_ray
    from jobs.shards.encode_chunk import ChunkResult, RayEncoder

    start_ray(shared=target)
    gpus = 0 if device == "cpu" else gpu_share(config.gpus)
    rows = [{"chunk": msgspec.msgpack.encode(chunk)} for chunk in chunks]
    data = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
        RayEncoder,
        fn_constructor_kwargs={
            "config": config,
            "root": os.path.abspath(root) if "://" not in root else root,
            "target": str(target.resolve()),
            "device": "cuda" if gpus else "cpu",
        },
        compute=ray.data.ActorPoolStrategy(size=min(workers, len(chunks))),
        num_cpus=1,
        num_gpus=gpus,
    )
    for row in data.iter_rows():
        yield msgspec.msgpack.decode(row["result"], type=ChunkResult)
