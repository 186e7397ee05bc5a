"""The models of a generating command, and the files that it writes: an MP4, previews, and how it was made."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from jobs.core.console import say
from jobs.core.errors import Refused, UserError, user_errors
from jobs.core.writable import check_file, check_folder
from jobs.generate.gate import AUDIT, Audit, OutputGate, gate_prompts
from jobs.generate.limits import (
    check_generator,
    check_size,
    factors,
    is_guided,
    settled,
)
from jobs.generate.marks import Marks
from jobs.generate.texts import check_prompt, warn_of_other_worlds
from jobs.generate.verb_args import VerbArgs
from pipeline.store.atomic import write_bytes
from pipeline.training.device import pick_device

if TYPE_CHECKING:
    from dit.config import SamplerConfig
    from dit.video_models import VideoModels
    from pipeline.video.encode import ClipEncoder

A = TypeVar("A", bound=VerbArgs)
WRITTEN = (".mp4", ".png", ".webp", ".json")
"""What a command leaves under the name of its result."""
SHEET_FRAMES = 8
"""Frames that a chunk leaves on the contact sheet."""
MOST_SHOWN = 320
"""Frames kept for the contact sheet and the output gate: of a longer video every second one of them goes, again and
again, so that memory does not grow with its length."""
PREVIEW_FRAMES = 160
"""A longer video has no animated preview: memory holds no more than these frames."""


def checked(args: A) -> A:
    """The options with nothing left open. Refuses what is wrong with them alone, before the input is read."""
    check_prompt(args.prompt)
    args = settled(args, args.dit)
    if (size := args.pixels()) is not None:
        check_size(*size, 1, dit=args.dit, vae=args.vae, guided=is_guided(args, args.dit))
    check_target(args.out)
    args.credentials()
    check_generator(args)
    gate_prompts([args.prompt], Audit(folder=args.out.parent), on=args.safety, ahead=True)
    return args


def load_models(
    args: VerbArgs, video: np.ndarray, *, least: int, what: str, frames: int | None = None
) -> VideoModels:
    """The three models of the options. The VAE comes first: it says whether ``video`` (T, H, W, 3) fits at all.

    ``frames``: of a window that is sampled at once; default: the video's.
    """
    count, height, width = video.shape[:3]
    _, time = factors(args.vae)
    window = frames or 1 + -(-(count - 1) // time) * time
    guided = is_guided(args, args.dit)
    check_size(width, height, window, dit=args.dit, vae=args.vae, guided=guided)
    say(
        f"given: {count} frame{'s'[: count > 1]} of {width}x{height} at {args.fps:g} a second, "
        f"{args.steps} steps"
    )
    from dit.video_models import VideoModels, check_video
    from jobs.core.models import load_dit_at, load_text_for
    from vae.loaded import open_vae

    pick_device(args.device)
    audit = Audit(folder=args.out.parent)
    if args.dit == "embedded" and args.prompt:
        warn_of_other_worlds([args.prompt])
    with user_errors():
        vae = open_vae(args.vae, device=args.device)
        check_video(video, vae, least, what)
        loaded = load_dit_at(args.dit, args.device, args.weights)
        text = load_text_for(loaded.latents, args.text, args.device)
    gate_prompts([args.prompt], audit, on=args.safety)
    return VideoModels(dit=loaded, vae=vae, text_encoder=text)


def check_target(path: Path) -> None:
    """Refuse a result that is no MP4, cannot be written, or would take the place of a file."""
    if path.suffix.lower() != ".mp4":
        raise UserError(f"--out {path} is no MP4; name a file such as {path.with_suffix('.mp4')}")
    if path.is_dir():
        raise UserError(f"--out {path} is a folder; name a file in it")
    check_folder(path.parent)
    if path.parent.is_dir():
        check_file(path, "--out")  # its rights, too
    for suffix in WRITTEN:
        if (there := path.with_suffix(suffix)).exists():
            raise UserError(
                f"--out {path}: {there} is there already; give another name, or remove it"
            )


class VideoFile:
    """An MP4 that grows by chunks of frames; what is not finished leaves no file."""

    def __init__(self, path: Path, fps: float, *, marks: Marks, prompt: str) -> None:
        self.path, self.fps, self.frames = path, fps, 0
        self.marks, self.prompt = marks, prompt
        self._encoder: ClipEncoder | None = None
        self.shown: list[np.ndarray] = []
        self._offered, self._every = 0, 1
        self.preview: list[np.ndarray] = []

    def add(self, video: np.ndarray) -> None:
        """Frames uint8 RGB (T, H, W, 3)."""
        import av

        from pipeline.video.encode import ClipEncoder, rational_fps

        height, width = video.shape[1:3]
        if self._encoder is None:
            self._encoder = ClipEncoder(
                width,
                height,
                rational_fps(self.fps),
                tags=self.marks.tags(self.prompt),
            )
        encoder = self._encoder
        for frame in video:
            pixels = np.ascontiguousarray(frame[: encoder.height, : encoder.width])
            encoder.add(
                av.VideoFrame.from_ndarray(pixels, format="rgb24"), pts=self.frames, duration=1
            )
            self.frames += 1
        for frame in video[:: max(1, len(video) // SHEET_FRAMES)]:
            self._show(frame)
        self.preview += list(video[: PREVIEW_FRAMES + 1 - len(self.preview)])

    def _show(self, frame: np.ndarray) -> None:
        """Keep a frame for the sheet and the gate, one of as many as leave no more than ``MOST_SHOWN``."""
        if self._offered % self._every == 0:
            self.shown.append(frame.copy())  # a view would keep its whole chunk
        self._offered += 1
        if len(self.shown) > MOST_SHOWN:
            self.shown, self._every = self.shown[::2], 2 * self._every

    def finish(
        self, verb: str, args: VerbArgs, models: VideoModels, inputs: list[Path], *, kept: int
    ) -> None:
        """Write the MP4, the contact sheet, the animated preview and the JSON file."""
        from pipeline.video.sheets import contact_sheet, png_bytes, webp_bytes

        assert self._encoder is not None
        gate = OutputGate(Audit(folder=self.path.parent), on=args.safety)
        if not gate.lets_pass(np.stack(self.shown)):
            raise Refused(
                f"the video is withheld by the output gate, see {self.path.parent / AUDIT}"
            )
        write_bytes(self.path, self.marks.signed(self._encoder.finish(), self.prompt))
        sheet = contact_sheet([np.stack(self.shown)], [args.prompt or verb])
        write_bytes(self.path.with_suffix(".png"), png_bytes(sheet))
        if len(self.preview) <= PREVIEW_FRAMES:
            preview = webp_bytes(np.stack(self.preview), self.fps)
            write_bytes(self.path.with_suffix(".webp"), preview)
        made = how_made(verb, args, models, inputs, frames=self.frames, frames_kept=kept)
        write_bytes(self.path.with_suffix(".json"), json_bytes(made))


def json_bytes(made: dict[str, Any]) -> bytes:
    """A sidecar file's content."""
    return (json.dumps(made, indent=2, default=str) + "\n").encode()


def how_made(
    verb: str, args: SamplerConfig, models: VideoModels, inputs: list[Path], **more: Any
) -> dict[str, Any]:
    """What the JSON file says: the command, its settings, the models, a hash of each input, and ``more``."""
    return {
        "made_by": f"filmstock {verb}",
        "synthetic": True,
        "settings": dict(vars(args)),
        **more,
        "models": {
            "dit": models.dit.id,
            "vae": models.vae.id,
            "text_encoder": models.text_encoder.id,
        },
        "inputs": [
            {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
            for path in inputs
        ],
    }
