"""``filmstock caption DIR --show CLIP``: what the model is truly sent of one clip, before any is asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jobs.caption.rows import hinted, work_clips
from jobs.core.console import say
from jobs.core.errors import UserError
from jobs.core.run import RunFolder
from pipeline import schema as s

if TYPE_CHECKING:
    from captioner.config import CaptionConfig


def show_clip(config: CaptionConfig, folder: RunFolder, clip_id: str, out: Path) -> Path:
    """Write the frames of a kept clip, and the text around them for each kind, into ``out``; asks nothing.

    ``clip_id`` may be the opening of one. Returns the folder.
    """
    from PIL import Image

    from captioner.ask.frames import clip_frames
    from captioner.backends.show import show
    from captioner.describe import request_for

    if not config.asked:
        raise UserError("the recipe asks no model (caption.kinds has only facts): nothing is sent")
    found = [
        clip
        for clip in work_clips(folder.kept_clips(), config)
        if clip[s.CLIP_ID].startswith(clip_id)
    ]
    if len(found) != 1:
        which = "several kept clips begin so" if found else "no kept clip of this folder begins so"
        raise UserError(f"--show {clip_id!r}: {which}; give an id that filmstock inspect lists")
    (clip,) = found
    frames = clip_frames(
        folder.read_clip(clip),
        n_frames=clip[s.N_FRAMES],
        fps=clip[s.FPS],
        width=clip[s.WIDTH],
        height=clip[s.HEIGHT],
        frames=config.frames,
        side=config.frame_side,
    )
    out.mkdir(parents=True, exist_ok=True)
    hints = [told[s.FACT_CLAUSE] for told in hinted(clip)]
    for kind in config.asked:
        shown = show(config, request_for(config, clip[s.CLIP_ID], kind, frames, hints=hints))
        for number, image in enumerate(shown.frames):
            Image.fromarray(image).save(out / f"frame-{number:02d}.png")
        (out / f"{kind}.txt").write_text(shown.text + "\n")
        height, width = shown.frames.shape[1:3]
        tokens = "counted by the server" if shown.tokens is None else f"{shown.tokens} tokens"
        say(
            f"caption: {kind} of clip {clip[s.CLIP_ID]} by {config.backend} {config.model}: "
            f"{len(shown.frames)} frames of {width} x {height} as {shown.form}, {tokens}, "
            f"up to {config.max_new_tokens} in reply"
        )
        say(shown.text)
    times = ", ".join(f"{time:.2f}" for time in frames.times_s)
    say(f"caption: frames at {times} s of {frames.seconds:.2f} s are in {out}")
    return out
