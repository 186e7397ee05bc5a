"""``filmstock sample --prompt TEXT``: generate videos from captions (and, if given, from a first frame)."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

from dit.config import SampleConfig
from jobs.core.args import Device, Folder, parse_args
from jobs.core.console import Progress, clock, say, warn
from jobs.core.errors import EXIT_OK, UserError
from pipeline.bounds import Seed
from pipeline.store.atomic import write_bytes


@dataclass(frozen=True, kw_only=True)
class Args(SampleConfig):
    """Generate a video per prompt: an MP4 and a contact sheet each, and one grid of all."""

    prompt: tuple[str, ...] = ()
    """One or more captions; dense ones work best."""
    prompts: Path | None = None
    """Text file with one caption a line."""
    expand: bool = False
    """Expand short prompts first, see `filmstock expand`; an unsafe one is refused (exit code 4)."""
    like: Folder | None = None
    """With --expand: run folder or shards whose captions to be like. Default: the synthetic world's."""
    size: str = "64x64"
    """WIDTHxHEIGHT in pixels; multiples of the VAE's patch (8)."""
    seed: Seed = 0
    """Seed of the first prompt; the next ones count up."""
    image: Path | None = None
    """Picture that every video starts from."""
    out: Path = Path("samples")
    """Folder for the videos and pictures."""
    dit: str = "embedded"
    """embedded, a dit.safetensors, or a folder of train-dit."""
    vae: str = "embedded"
    """VAE the DiT was trained with."""
    text: str = "embedded"
    """Text encoder the DiT was trained with."""
    device: Device = "auto"
    """Where to compute: auto (a GPU where there is one), cpu, cuda or cuda:N."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    run(parse_args(Args, argv, "sample"))
    return EXIT_OK


def run(args: Args) -> list[Path]:
    """Generate every prompt; returns the MP4 paths in the order of the prompts."""
    from jobs.generate.inputs import read_picture
    from jobs.generate.limits import check
    from jobs.generate.videos import generate_videos
    from pipeline.video.encode import encode_mp4
    from pipeline.video.sheets import contact_sheet, png_bytes, webp_bytes

    check(args, *parse_size(args.size))
    prompts = read_prompts(args)
    if args.expand:
        from jobs.generate.expand import expand_or_refuse

        prompts = expand_or_refuse(prompts, like=args.like)
        for prompt in prompts:
            say(f"sample: {prompt}")
    if args.dit == "embedded":
        warn_of_other_worlds(prompts)
    width, height = parse_size(args.size)
    picture = None if args.image is None else read_picture(args.image, (width, height))
    say(
        f"sample: {len(prompts)} videos of {args.frames} frames at {width}x{height}, {args.steps} steps each"
    )
    if picture is not None and args.frames == 1:
        warn("--image with one frame leaves nothing to generate")
    start = time.monotonic()
    with Progress("sample", len(prompts), "videos") as progress:
        videos = generate_videos(
            prompts,
            dit=args.dit,
            vae=args.vae,
            text=args.text,
            device=args.device,
            width=width,
            height=height,
            config=args,
            seed=args.seed,
            first_frame=picture,
            on_done=progress.update,
        )
    paths = []
    for i, (prompt, video) in enumerate(zip(prompts, videos, strict=True)):
        path = args.out / f"{i:03d}-{slug(prompt)}.mp4"
        if len(video) > 1:
            write_bytes(path, encode_mp4(video, args.fps))
            write_bytes(path.with_suffix(".webp"), webp_bytes(video, args.fps))
            paths.append(path)
        sheet = contact_sheet([video], [prompt])
        write_bytes(path.with_suffix(".png"), png_bytes(sheet))
    write_bytes(args.out / "grid.png", png_bytes(contact_sheet(videos, prompts)))
    say(
        f"sample: {len(prompts)} videos in {clock(time.monotonic() - start)}, all in {args.out / 'grid.png'}"
    )
    return paths


def warn_of_other_worlds(prompts: list[str]) -> None:
    """Say which prompts the embedded DiT cannot follow: it has seen coloured shapes and nothing else."""
    from pipeline.world.vocabulary import is_far, strange_words

    for prompt in filter(is_far, prompts):
        words = ", ".join(strange_words(prompt)[:5])
        warn(
            f"the embedded DiT knows the synthetic world only, coloured shapes that move, and not {words} of "
            f"{prompt[:60]!r}: it will draw something else; train one on footage of such things (train-dit)"
        )


def read_prompts(args: Args) -> list[str]:
    """Prompts of the command line, then those of the file."""
    prompts = [text.strip() for text in args.prompt if text.strip()]
    if args.prompts is not None:
        try:
            lines = args.prompts.read_text().splitlines()
        except UnicodeDecodeError:
            raise UserError(
                f"--prompts {args.prompts} is not UTF-8 text; save it as UTF-8"
            ) from None
        except OSError as error:
            raise UserError(
                f"--prompts {args.prompts} cannot be read: {error.strerror}; give a text file with one caption a line"
            ) from None
        prompts += [line.strip() for line in lines if line.strip()]
    if not prompts and args.prompts is not None:
        raise UserError(f"--prompts {args.prompts} holds no caption; write one a line")
    if not prompts:
        raise UserError(
            'nothing to sample; give --prompt "A red circle moves right." or --prompts FILE'
        )
    return prompts


def parse_size(text: str) -> tuple[int, int]:
    """``"64x48"`` -> (64, 48): width, height."""
    match = re.fullmatch(r"(\d+)x(\d+)", text.strip().lower())
    if not match:
        raise UserError(f"--size {text!r} is no size; write WIDTHxHEIGHT, such as 64x64")
    return int(match[1]), int(match[2])


def slug(text: str, limit: int = 48) -> str:
    """A file name from a prompt."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:limit].strip("-") or "video"
