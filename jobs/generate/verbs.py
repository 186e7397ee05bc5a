"""``animate``, ``extend``, ``loop``, ``connect``, ``edit`` and ``inpaint``: from a picture or videos to a video.

Each is a function of ``dit`` over files: what it is given is read and checked before a model is loaded, and the MP4
comes with previews and a JSON file that says how it was made.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import tyro

from jobs.core.args import parse_args
from jobs.core.console import Progress, say
from jobs.core.errors import EXIT_OK, UserError
from jobs.core.steps import one_video, step_notes
from jobs.generate.inputs import (
    box_mask,
    check_memory,
    check_there,
    parse_box,
    parse_span,
    picture_mask,
    read_picture,
    read_video,
    span_mask,
)
from jobs.generate.limits import (
    check_between,
    check_frames,
    check_window,
    factors,
    few_steps_of,
)
from jobs.generate.result import VideoFile, checked, load_models
from jobs.generate.verb_args import VerbArgs
from pipeline.bounds import Count, Positive, Share

if TYPE_CHECKING:
    from dit.video_models import VideoModels

Video = Annotated[Path, tyro.conf.Positional]
MOST_SECONDS = 3600.0
"""Longest that one command adds to a video."""
CONTEXT = 2
"""Latent frames that are given of what came before."""


@dataclass(frozen=True, kw_only=True)
class VideoArgs(VerbArgs):
    """What the commands take that begin with one video."""

    video: Video
    """The video."""


@dataclass(frozen=True, kw_only=True)
class AnimateArgs(VerbArgs):
    """Bring a picture to life: a video that begins with it."""

    picture: Video
    """The picture."""
    frames: Count = 17
    """Frames; 1 + 4k for the embedded VAE."""


@dataclass(frozen=True, kw_only=True)
class ExtendArgs(VideoArgs):
    """Go on with a video, or make what came before it; its own frames stay."""

    seconds: Positive = 2.0
    """How much is added. Whatever its length, memory holds one window (forward)."""
    backward: bool = False
    """Make what came before."""
    context: Count = CONTEXT
    """Latent frames that each hop is given; a latent frame is 4 frames, the first of a window one."""
    frames: Count = 17
    """Frames of a window, those given included; 1 + 4k for the embedded VAE."""


@dataclass(frozen=True, kw_only=True)
class LoopArgs(VideoArgs):
    """Close a video to a loop: frames that lead from its end back to its start."""

    frames: Count = 7
    """New frames; 4k - 1 for the embedded VAE."""


@dataclass(frozen=True, kw_only=True)
class ConnectArgs(VerbArgs):
    """Lead from one video over to another; both keep their frames."""

    first: Video
    """The video that comes first."""
    second: Video
    """The video that comes last."""
    frames: Count = 7
    """New frames between them; 4k - 1 for the embedded VAE."""


@dataclass(frozen=True, kw_only=True)
class EditArgs(VideoArgs):
    """Make a video anew by another prompt, as far from itself as the strength says."""

    strength: Share = 0.8
    """0 changes nothing, 1 keeps nothing."""


@dataclass(frozen=True, kw_only=True)
class InpaintArgs(VideoArgs):
    """Make a region or a span of a video anew; everything else stays."""

    region: str | None = None
    """X,Y,WxH in pixels from the top left corner; default: whole frames."""
    span: str | None = None
    """START-END in seconds; default: the whole length."""
    mask: Path | None = None
    """Picture of the video's size, bright where it is to be made anew."""
    keep: Literal["clean", "noised"] = "clean"
    """How the model sees what is kept: clean, as in training, or noised to the level of each step."""


def animate(argv: list[str]) -> int:
    """``filmstock animate PICTURE``."""
    import dit

    args = checked(parse_args(AnimateArgs, argv, "animate"))
    check_frames(args.frames, args.vae)
    if args.frames == 1:
        raise UserError(
            f"--frames 1 leaves nothing to make beside the picture; give {1 + factors(args.vae)[1]} or more"
        )
    picture = read_picture(args.picture, args.pixels())
    models = load_models(args, picture[None], least=1, what="animate it", frames=args.frames)
    video = one_video(
        "animate",
        lambda: dit.animate(picture, args.prompt, **sampled_by(args, models, args.frames)),
    )
    return finish("animate", args, models, video, [args.picture], kept=0)


def extend(argv: list[str]) -> int:
    """``filmstock extend VIDEO``."""
    args = checked(parse_args(ExtendArgs, argv, "extend"))
    check_window(args.frames, args.context, args.vae)
    frames = round(args.seconds * args.fps)
    if frames < 1:
        raise UserError(
            f"--seconds {args.seconds:g} is no frame at {args.fps:g} a second; give at least {1 / args.fps:g}"
        )
    if args.seconds > MOST_SECONDS:
        raise UserError(f"--seconds {args.seconds:g} is too long; give at most {MOST_SECONDS:g}")
    video = given("extend", args, args.video)
    least = 4 * args.context + (1 if args.backward else -3)
    models = load_models(args, video, least=least, what="extend it", frames=args.frames)
    from dit.extension import Extension

    extension = Extension(
        video=video,
        prompt=args.prompt,
        frames=frames,
        context=args.context,
        **sampled_by(args, models, args.frames),
    )
    hops = extension.backward() if args.backward else extension.forward()
    start = time.monotonic()
    file = video_file(args, models)
    with Progress("extend", frames, "frames") as progress, step_notes(progress):
        if args.backward:  # what is shown first is made last
            made = []
            for chunk in hops:
                made.append(chunk)
                progress.update(len(chunk))
            for chunk in reversed(made):
                file.add(chunk)
            file.add(video)
        else:
            file.add(video)
            for chunk in hops:
                file.add(chunk)
                progress.update(len(chunk))
        file.finish("extend", args, models, [args.video], kept=len(video))
    say(f"extend: {frames} frames added in {time.monotonic() - start:.0f} s: {args.out}")
    return EXIT_OK


def loop(argv: list[str]) -> int:
    """``filmstock loop VIDEO``."""
    import dit

    args = checked(parse_args(LoopArgs, argv, "loop"))
    check_between(args.frames, args.vae)
    video = given("loop", args, args.video)
    models = load_models(
        args, video, least=5, what="close it to a loop", frames=bridge_window(args)
    )
    closed = one_video(
        "loop",
        lambda: dit.loop(
            video,
            args.prompt,
            frames=args.frames,
            context=CONTEXT,
            **sampled_by(args, models, args.frames),
        ),
    )
    return finish("loop", args, models, closed, [args.video], kept=len(video))


def connect(argv: list[str]) -> int:
    """``filmstock connect FIRST SECOND``."""
    import dit

    args = checked(parse_args(ConnectArgs, argv, "connect"))
    check_between(args.frames, args.vae)
    check_there(args.first)
    check_there(args.second)
    first = given("connect", args, args.first)
    # the second is scaled to the first, so that any two can be connected
    second = read_video(args.second, (first.shape[2], first.shape[1]), args.fps)
    models = load_models(args, first, least=5, what="lead on from it", frames=bridge_window(args))
    video = one_video(
        "connect",
        lambda: dit.connect(
            first,
            second,
            args.prompt,
            frames=args.frames,
            context=CONTEXT,
            **sampled_by(args, models, args.frames),
        ),
    )
    kept = len(first) + len(second)
    return finish("connect", args, models, video, [args.first, args.second], kept=kept)


def edit(argv: list[str]) -> int:
    """``filmstock edit VIDEO``."""
    import dit

    args = checked(parse_args(EditArgs, argv, "edit"))
    if 0 < args.strength < 1 and few_steps_of(args.dit):
        raise UserError(
            f"--strength {args.strength:g}: a few-step model starts from noise alone; give 1, or another --dit"
        )
    video = given("edit", args, args.video)
    models = load_models(args, video, least=1, what="edit it")
    made = one_video(
        "edit",
        lambda: dit.edit(
            video, args.prompt, strength=args.strength, **sampled_by(args, models, len(video))
        ),
    )
    return finish("edit", args, models, made, [args.video], kept=0)


def inpaint(argv: list[str]) -> int:
    """``filmstock inpaint VIDEO``."""
    import dit

    args = checked(parse_args(InpaintArgs, argv, "inpaint"))
    check_asked(args)
    video = given("inpaint", args, args.video)
    mask = read_mask(args, video)
    models = load_models(args, video, least=1, what="inpaint it")
    made = one_video(
        "inpaint",
        lambda: dit.inpaint(
            video, args.prompt, mask, keep=args.keep, **sampled_by(args, models, len(video))
        ),
    )
    inputs = [args.video, *([args.mask] if args.mask else [])]
    kept = int((~mask.any((1, 2))).sum())
    return finish("inpaint", args, models, made, inputs, kept=kept)


def bridge_window(args: LoopArgs | ConnectArgs) -> int:
    """Frames that are sampled at once between two videos: those made, and the given ones on both sides."""
    _, time = factors(args.vae)
    return time * CONTEXT + args.frames + 2


def sampled_by(args: VerbArgs, models: VideoModels, frames: int) -> dict[str, Any]:
    """What every function of ``dit`` takes beside its input: the models, and how a window of ``frames`` is sampled."""
    return {"models": models, "config": args.sampling(frames), "seed": args.seed}


def given(verb: str, args: VerbArgs, path: Path) -> np.ndarray:
    """The video that a command begins with, uint8 RGB (T, H, W, 3); said first, for reading a long one takes time."""
    check_there(path)
    if (size := args.pixels()) is not None:
        check_memory(path, size, args.fps)
    say(f"{verb}: reading {path} at {args.fps:g} frames a second")
    return read_video(path, args.pixels(), args.fps)


def check_asked(args: InpaintArgs) -> None:
    """Refuse an ``inpaint`` that says of nothing what is to be made anew, before the video is read."""
    if args.region is None and args.mask is None and args.span is None:
        raise UserError(
            "nothing to inpaint; give --region X,Y,WxH, --span START-END or --mask FILE"
        )
    if args.region is not None:
        parse_box(args.region)
    if args.span is not None:
        parse_span(args.span)
    if args.mask is not None:
        check_there(args.mask)


def read_mask(args: InpaintArgs, video: np.ndarray) -> np.ndarray:
    """bool (T, H, W) of what ``--region``, ``--mask`` and ``--span`` cover together."""
    frames, height, width = video.shape[:3]
    mask = np.ones((frames, height, width), bool)
    if args.region is not None:
        mask &= box_mask(args.region, width, height)
    if args.mask is not None:
        mask &= picture_mask(args.mask, width, height)
    if args.span is not None:
        mask &= span_mask(args.span, frames, args.fps)[:, None, None]
    if not mask.any():
        raise UserError(
            "--region, --mask and --span have nothing in common; give ones that overlap, or fewer of them"
        )
    return mask


def video_file(args: VerbArgs, models: VideoModels) -> VideoFile:
    """The file that a command writes."""
    return VideoFile(args.out, args.fps, marks=args.marks(models.dit), prompt=args.prompt)


def finish(
    verb: str,
    args: VerbArgs,
    models: VideoModels,
    video: np.ndarray,
    inputs: list[Path],
    *,
    kept: int,
) -> int:
    """Write the video and what goes with it."""
    file = video_file(args, models)
    file.add(video)
    file.finish(verb, args, models, inputs, kept=kept)
    say(f"{verb}: {len(video)} frames of {video.shape[2]}x{video.shape[1]}: {args.out}")
    return EXIT_OK
