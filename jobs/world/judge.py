"""``filmstock judge VIDEO...``: the attributes of synthetic videos, read off their pixels."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro

from jobs.core.args import parse_args
from jobs.core.console import say, warn
from jobs.core.errors import EXIT_OK, EXIT_PARTIAL, UserError
from pipeline.world.captions import Attributes


@dataclass(frozen=True, kw_only=True)
class JudgeArgs:
    """Print what each VIDEO of the synthetic world shows: objects, motion, camera, background.

    The judge knows coloured shapes on muted grounds and nothing else: on other footage its answers mean nothing.
    """

    videos: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """MP4 files (any format PyAV opens)."""
    prompt: str = ""
    """A caption to hold each video against, e.g. "A red circle moves left."."""
    json: bool = False
    """One JSON object per video instead of a sentence."""
    max_frames: int = 600
    """Frames decoded at most."""


def read_video(path: Path, max_frames: int) -> tuple[list, float]:
    """Up to ``max_frames`` RGB frames of one size, and the frame rate; ``UserError`` if there are none."""
    import av

    frames = []
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            fps = float(stream.average_rate or stream.guessed_rate or 24)
            for frame in container.decode(stream):
                frames.append(frame.to_ndarray(format="rgb24", threads=1))
                if len(frames) >= max_frames:
                    break
    except (av.FFmpegError, IndexError, OSError) as error:
        if not frames:
            raise UserError(f"cannot read {path} as a video: {error}") from None
    if not frames:
        raise UserError(f"{path} has no frames to judge")
    return [frame for frame in frames if frame.shape == frames[0].shape], fps


def sentence(seen: Attributes) -> str:
    """Attributes as one readable line."""
    objects = ", ".join(
        f"{colour} {shape}" + (f" ({motion})" if motion else "")
        for colour, shape, motion in seen.objects
    )
    parts = [objects or "no object", f"camera {seen.camera}" if seen.camera else ""]
    parts.append(f"{seen.background} background" if seen.background else "")
    return "; ".join(part for part in parts if part)


def run(args: JudgeArgs) -> int:
    """Print one line per video; exit code 3 if some could not be read."""
    import numpy as np

    from pipeline.world.captions import parse_caption
    from pipeline.world.judge import judge, score_against

    wanted = parse_caption(args.prompt) if args.prompt else None
    if wanted is not None and not wanted.objects:
        raise UserError(f'prompt {args.prompt!r} names no object, such as "a red circle"')
    failed = 0
    for path in args.videos:
        try:
            frames, fps = read_video(path, args.max_frames)
        except UserError as error:
            if len(args.videos) == 1:
                raise
            warn(str(error))
            failed += 1
            continue
        seen = judge(np.stack(frames), fps)
        score = score_against(wanted, seen) if wanted else None
        if args.json:
            say(json.dumps({"video": str(path), **asdict(seen), "right": score}))
            continue
        say(f"{path}: {sentence(seen)}")
        if score is not None:
            say("  against the prompt: " + ", ".join(f"{k} {_word(v)}" for k, v in score.items()))
    return EXIT_PARTIAL if failed else EXIT_OK


def _word(right: bool) -> str:
    return "right" if right else "WRONG"


def main(argv: list[str]) -> int:
    """Command line of ``filmstock judge``."""
    return run(parse_args(JudgeArgs, argv, "judge"))
