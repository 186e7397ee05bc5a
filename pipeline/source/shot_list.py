"""The shots of one file as plain data. Runs in the decoding child, see ``video.isolate``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.motion.analysis import Analysis, analyse
from pipeline.shots.boundaries import Shot, Transition, find_transitions, shots_between


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


def list_shots(path: str, detector: str = "embedded") -> Iterator[ShotList | None]:
    """Yield None as a sign of life, and the file's ``ShotList`` last; raises ``MediaError``."""
    analysis: Analysis | None = None
    for analysis in analyse(path, scores=False, detector=detector):
        if analysis is None:
            yield None
    assert analysis is not None
    n = len(analysis.pts)
    transitions = find_transitions(analysis.shot_logits)
    length = analysis.end_pts - int(analysis.pts[0])
    yield ShotList(
        fps=float(analysis.probe.fps),
        n_frames=n,
        duration_s=float(length * analysis.probe.time_base),
        transitions=tuple(transitions),
        shots=tuple(shots_between(transitions, n)),
    )
