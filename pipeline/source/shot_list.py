"""The shots of one file as plain data, found in a child process that may crash or hang, see ``video.isolate``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.motion.analysis import Analysis, analyse
from pipeline.shots.boundaries import Shot, Transition, shots_between
from pipeline.video.isolate import Sandbox
from pipeline.video.probe import claimed_minutes, probe


@dataclass(frozen=True, kw_only=True)
class ShotList:
    """Every boundary of a file and the shots that they leave; frames count from 0 in order of presentation."""

    fps: float
    """Average frames a second by the headers."""
    n_frames: int
    """Frames that were decoded."""
    duration_s: float
    """Length of what was decoded, in seconds."""
    transitions: tuple[Transition, ...]
    """The boundaries, in order."""
    shots: tuple[Shot, ...]
    """The shots, in order, without the mixed frames between them."""

    @property
    def boundaries(self) -> list[int]:
        """First frame of every new shot; a gradual transition is one frame in its middle."""
        return [each.boundary for each in self.transitions]


def detect_shots(
    path: str | Path,
    *,
    detector: str = "embedded",
    deadline_s: float = 120.0,
    sandbox: Sandbox | None = None,
    on_progress: Callable[[float, float | None], object] | None = None,
) -> ShotList:
    """Find the shots of a video file: cuts, dissolves, wipes and fades. The file is decoded once, at 64x36 pixels.

    Args:
        path: Any video file that FFmpeg reads.
        detector: ``embedded``, or ``transnetv2`` of the optional package (wants a GPU).
        deadline_s: Seconds the file may take, per minute of video.
        sandbox: Child process to decode in, to serve many files with one; None starts one and ends it.
        on_progress: Called every now and then while the file is decoded, with the seconds that are done and the length
            that its headers claim, None where they claim none.

    Raises:
        MediaError: the file cannot be read; ``stage`` and ``type`` say where and how it failed.
    """
    if sandbox is None:
        with Sandbox() as own:
            return detect_shots(
                path,
                detector=detector,
                deadline_s=deadline_s,
                sandbox=own,
                on_progress=on_progress,
            )
    info = sandbox.run(probe, str(path), deadline_s=deadline_s, stage="probe")
    total_s = deadline_s * max(1.0, claimed_minutes(info))
    found: ShotList | None = None
    for item in sandbox.stream(
        list_shots, str(path), detector, silence_s=deadline_s, total_s=total_s
    ):
        if isinstance(item, ShotList):
            found = item
        elif on_progress:
            on_progress(item, info.duration_s)
    assert found is not None
    return found


def list_shots(path: str, detector: str = "embedded") -> Iterator[ShotList | float]:
    """Yield how many seconds of the file are done, and its ``ShotList`` last; raises ``MediaError``."""
    analysis: Analysis | None = None
    for item in analyse(path, scores=False, detector=detector):
        if isinstance(item, Analysis):
            analysis = item
        else:
            yield item
    assert analysis is not None
    n = len(analysis.pts)
    transitions = analysis.transitions()
    length = analysis.end_pts - int(analysis.pts[0])
    yield ShotList(
        fps=float(analysis.probe.fps),
        n_frames=n,
        duration_s=float(length * analysis.probe.time_base),
        transitions=tuple(transitions),
        shots=tuple(shots_between(transitions, n)),
    )
