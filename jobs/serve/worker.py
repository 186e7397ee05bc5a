"""The one thread that samples: takes jobs in their order, shows frames on the way, stops when it is told to."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dit.watch import Seen, watching
from jobs.core.console import say, warn
from jobs.core.errors import Refused
from jobs.generate.gate import Audit, OutputGate, gate_prompts
from jobs.generate.marks import Marks, marks_of
from jobs.serve.forms import config_of, verbs
from jobs.serve.inputs import Inputs
from jobs.serve.store import POSTER, VIDEO, Job, Store

if TYPE_CHECKING:
    from dit.video_models import VideoModels
    from pipeline.video.provenance import Credentials

PREVIEW_S = 0.7
"""Least time between two pictures of a running job, seconds."""
PREVIEW_FRAMES = 4
POSTER_HEIGHT = 256
"""Height that a small poster is scaled up to, pixels."""


class Cancelled(Exception):
    """The client took the job back."""


class Stopped(Exception):
    """The server ends; the job stays in the queue."""


class Worker(threading.Thread):
    """Samples one job after another."""

    def __init__(
        self,
        store: Store,
        models: VideoModels,
        inputs: Inputs,
        credentials: Credentials | None = None,
    ) -> None:
        super().__init__(name="sampler", daemon=True)
        self.store, self.models, self.inputs = store, models, inputs
        self.marks = marks_of(models.dit, credentials)
        self.ending = threading.Event()
        self.gate: OutputGate | None = None

    def run(self) -> None:
        """Until ``stop``."""
        while not self.ending.is_set():
            job = self.store.take(0.2)
            if job is not None:
                self.work(job)

    def stop(self) -> None:
        """End after the step in hand; a job that runs is left for the next start."""
        self.ending.set()
        self.join()

    def work(self, job: Job) -> None:
        """Bring one job to its end."""
        began = time.monotonic()
        audit = Audit(folder=self.store.folder)
        try:
            gate_prompts([job.caption], audit)
            with watching(Watch(self, job)):
                video = self.sample(job)
            self.gate = self.gate or OutputGate(audit)
            if not self.gate.lets_pass(video):
                raise Refused("the video is withheld by the output gate")
            job.seconds = round(time.monotonic() - began, 3)
            files, result = finished(video, job, self.marks)
            self.store.finish(job, files, result)
        except Cancelled:
            self.store.end_cancelled(job)
        except Stopped:
            self.store.put_back(job)
        except Exception as error:  # noqa: BLE001 - one job must not end the thread that samples all others
            if not isinstance(error, ValueError):
                warn(f"job {job.id} failed: {''.join(traceback.format_exception(error))}")
            self.store.fail(job, " ".join(str(error).split())[:500] or type(error).__name__)

    def sample(self, job: Job) -> np.ndarray:
        """The video of a job: uint8 RGB (T, H, W, 3)."""
        verb = verbs()[job.verb]
        given = {
            field.name: job.settings[field.name]
            for field in verb.fields
            if field.name in job.settings
        }
        config = config_of(given)
        call: dict[str, Any] = {"config": config, "seed": int(given.get("seed", 0))}
        shape: tuple[int, ...] | None = None
        for field in verb.fields:
            value = given.get(field.name)
            if field.kind in ("video", "picture"):
                side = self.models.vae.space_factor
                frames = self.inputs.frames(str(value), config.fps, side, like=shape)
                shape = frames.shape
                call[field.name] = frames[0] if field.kind == "picture" else frames
            elif field.kind == "region":
                assert shape is not None
                call["mask"] = self.inputs.mask(str(value), shape)
            elif field.name in config.__dataclass_fields__ or field.name in ("prompt", "seed"):
                continue
            elif value is not None:
                call["frames" if field.name == "new_frames" else field.name] = value
        return np.asarray(verb.function(prompt=job.caption, models=self.models, **call))


class Watch:
    """What the sampler tells of each step, as progress and pictures of a job."""

    def __init__(self, worker: Worker, job: Job) -> None:
        self.worker, self.job = worker, job
        self._shown = 0.0

    def __call__(self, seen: Seen) -> None:
        """One step begins."""
        job = self.job
        if job.cancelling:
            raise Cancelled
        if self.worker.ending.is_set():
            raise Stopped
        job.step, job.steps = seen.step, seen.steps
        job.done_share = seen.step / max(1, seen.steps)
        now = time.monotonic()
        if seen.step and now - self._shown > PREVIEW_S:
            job.preview = self.picture(seen)
            self._shown = time.monotonic()

    def picture(self, seen: Seen) -> bytes:
        """JPEG of a few frames side by side, as the model guesses them now."""
        frames = self.worker.models.decode(seen.guess()[0])
        picks = (
            np.linspace(0, len(frames) - 1, min(PREVIEW_FRAMES, len(frames))).round().astype(int)
        )
        return jpeg(np.concatenate(list(frames[picks]), axis=1))


def finished(
    video: np.ndarray, job: Job, marks: Marks
) -> tuple[Mapping[str, bytes], dict[str, Any]]:
    """Files and facts of a finished video, marked as synthetic and signed as ``sample`` signs."""
    from pipeline.video.encode import encode_mp4

    fps = float(job.settings.get("fps", 8.0))
    shown = video if len(video) > 1 else video.repeat(2, axis=0)  # players want two frames
    result: dict[str, Any] = {
        "frames": len(video),
        "width": video.shape[2],
        "height": video.shape[1],
        "fps": fps,
    }
    if scores := judged(video, fps, job.caption):
        result["judge"] = scores
    mp4 = encode_mp4(shown, fps, tags=marks.tags(job.caption))
    return {VIDEO: marks.signed(mp4, job.caption), POSTER: jpeg(video[len(video) // 2])}, result


def judged(video: np.ndarray, fps: float, caption: str) -> dict[str, Any]:
    """What the judge of the synthetic world says of the video; {} for a caption that is none of its captions."""
    from pipeline.world.claims import claims_of
    from pipeline.world.strict import judge_strictly

    try:
        verdict = judge_strictly(video, fps, claims_of(caption))
    except ValueError:
        return {}
    return {
        "right_frames": round(float(verdict.right_frames.mean()), 3),
        "marks": {name: bool(value) for name, value in verdict.marks.items()},
    }


def jpeg(picture: np.ndarray, quality: int = 85) -> bytes:
    """A picture as JPEG; small ones are scaled up, so that they can be seen."""
    import io

    from PIL import Image

    image = Image.fromarray(picture)
    times = max(
        1,
        POSTER_HEIGHT // picture.shape[0] // (2 if picture.shape[1] > 2 * picture.shape[0] else 1),
    )
    image = image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def announce(store: Store, folder: Any) -> None:
    """Say what an earlier server left."""
    if store.queue:
        say(f"serve: {len(store.queue)} jobs of an earlier start are in the queue of {folder}")
