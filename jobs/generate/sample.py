"""``filmstock sample --prompt TEXT``: generate videos from captions (and, if given, from a first frame)."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.core.args import Folder, parse_args
from jobs.core.console import Progress, clock, say, warn
from jobs.core.errors import EXIT_OK, UserError
from pipeline.store.atomic import write_bytes

if TYPE_CHECKING:
    import torch

    from vae.model import VideoVAE


@dataclass(frozen=True, kw_only=True)
class Args:
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
    frames: int = 17
    """Frames; 1 + 4k. 1 makes an image."""
    fps: float = 8.0
    """Frames per second."""
    steps: int = 30
    """Sampling steps."""
    guidance: float = 4.0
    """How strongly the caption is followed; 1 is no guidance."""
    rule: str = "cfg"
    """Guidance rule: cfg, cfg-zero or apg."""
    solver: str = "euler"
    """euler or heun (twice the work per step)."""
    shift: float = 2.0
    """Timestep shift: above 1 spends more steps on noisy levels."""
    seed: int = 0
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


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    run(parse_args(Args, argv, "sample"))
    return EXIT_OK


def run(args: Args) -> list[Path]:
    """Generate every prompt; returns the MP4 paths in the order of the prompts."""
    from jobs.generate.sampling import (
        generate_clips,
        load_dit_at,
        load_text_for,
        load_vae_for,
        text_features,
    )
    from pipeline.video.encode import encode_mp4
    from pipeline.video.sheets import contact_sheet, png_bytes

    prompts = read_prompts(args)
    if args.expand:
        from jobs.generate.expand import expand_or_refuse

        prompts = expand_or_refuse(prompts, like=args.like)
        for prompt in prompts:
            say(f"sample: {prompt}")
    width, height = parse_size(args.size)
    loaded = load_dit_at(args.dit)
    vae = load_vae_for(loaded.latents, args.vae)
    clip = load_text_for(loaded.latents, args.text)
    shape = latent_shape(vae, args.frames, height, width)
    start = time.monotonic()
    clean, given = first_frame(args.image, vae, loaded.latents, shape, (width, height))
    copies = len(prompts)
    try:
        with Progress("sample", copies, "videos") as progress:
            videos = generate_clips(
                loaded,
                vae,
                text_features(clip, prompts),
                [shape] * copies,
                seeds=[args.seed + i for i in range(copies)],
                clean=[clean] * copies,
                given=[given] * copies,
                steps=args.steps,
                guidance=args.guidance,
                rule=args.rule,
                solver=args.solver,
                shift=args.shift,
                fps=args.fps,
                on_done=progress.update,
            )
    except ValueError as error:
        raise UserError(str(error)) from error
    paths = []
    for i, (prompt, video) in enumerate(zip(prompts, videos, strict=True)):
        path = args.out / f"{i:03d}-{slug(prompt)}.mp4"
        if len(video) > 1:
            write_bytes(path, encode_mp4(video, args.fps))
            paths.append(path)
        sheet = contact_sheet([video], [prompt])
        write_bytes(path.with_suffix(".png"), png_bytes(sheet))
    write_bytes(args.out / "grid.png", png_bytes(contact_sheet(videos, prompts)))
    say(
        f"sample: {copies} videos in {clock(time.monotonic() - start)}, all in {args.out / 'grid.png'}"
    )
    return paths


def read_prompts(args: Args) -> list[str]:
    """Prompts of the command line, then those of the file."""
    prompts = [text.strip() for text in args.prompt if text.strip()]
    if args.prompts is not None:
        try:
            lines = args.prompts.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read {args.prompts}: {error}") from None
        prompts += [line.strip() for line in lines if line.strip()]
    if not prompts:
        raise UserError(
            'nothing to sample; give --prompt "A red circle moves right." or --prompts FILE'
        )
    return prompts


def parse_size(text: str) -> tuple[int, int]:
    """``"64x48"`` -> (64, 48): width, height."""
    match = re.fullmatch(r"(\d+)x(\d+)", text.strip().lower())
    if not match:
        raise UserError(f"--size {text!r} is not WIDTHxHEIGHT, such as 64x64")
    return int(match[1]), int(match[2])


def latent_shape(vae: VideoVAE, frames: int, height: int, width: int) -> tuple[int, int, int]:
    """(T, H, W) of the latents of a video of exactly this size."""
    time_step, patch = vae.config.time_factor, vae.config.space_factor
    if frames < 1 or (frames - 1) % time_step:
        raise UserError(
            f"--frames {frames} is not 1 + {time_step}k; use e.g. 1, {1 + 4 * time_step}"
        )
    if min(width, height) < patch or width % patch or height % patch:
        raise UserError(f"--size {width}x{height} needs sides that are multiples of {patch}")
    shape = vae.latent_shape(frames, height, width)
    return int(shape[-3]), int(shape[-2]), int(shape[-1])


def first_frame(
    image: Path | None, vae: VideoVAE, spec: Any, shape: tuple[int, int, int], size: tuple[int, int]
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Normalised latents (C, T, H, W) whose first frame is the picture, and the mask (T,) that says so."""
    if image is None:
        return None, None
    import torch
    from PIL import Image

    from dit.conditioning import given_frames

    try:
        picture = Image.open(image).convert("RGB")
    except OSError as error:
        raise UserError(f"cannot read --image {image}: {error}") from None
    pixels = np.asarray(fit_picture(picture, size), np.float32) / 127.5 - 1
    frame = torch.from_numpy(pixels).permute(2, 0, 1)[None, :, None]
    with torch.inference_mode():
        latent = spec.normalise(vae.encode(frame).mean[0])
    clean = torch.zeros(latent.shape[0], *shape)
    clean[:, :1] = latent
    if shape[0] < 2:
        warn("--image with one frame leaves nothing to generate")
    return clean, given_frames(shape[0], "first")


def fit_picture(picture: Any, size: tuple[int, int]) -> Any:
    """Scale a picture to cover ``size`` and crop its centre."""
    from PIL import ImageOps

    return ImageOps.fit(picture, size)


def slug(text: str, limit: int = 48) -> str:
    """A file name from a prompt."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:limit].strip("-") or "video"
