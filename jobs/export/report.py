"""What an export says of itself: clips in and out, every reason with its count, and what to change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from jobs.core.console import say, warn
from pipeline.export.plan import FIXES, Note, Refusal
from pipeline.store.paths import Location

if TYPE_CHECKING:
    from jobs.export.plan import Planned, Settings
    from jobs.export.write import Row

UNFORESEEN = (str(Refusal.UNREADABLE), str(Refusal.FRAMES_DIFFER))
"""Reasons that only show when a clip is read."""
EXAMPLES = 3
"""Clips named with each reason."""


def say_plan(planned: list[Planned], settings: Settings) -> None:
    """What will be in the export, and what will not, before anything is written."""
    kept = [clip for clip in planned if clip.refusal is None]
    profile, counter = settings.profile, settings.wording.counter
    model = f" and {profile.name}" if profile else ""
    say(f"export: {len(kept)} of {len(planned)} clips fit {settings.target.name}{model}")
    if profile is not None:
        shapes = Counter(clip.bucket for clip in kept)
        for (width, height, frames), count in sorted(shapes.items(), key=lambda item: -item[1])[
            :12
        ]:
            say(f"  {width}x{height}, {frames} frames at {profile.fps:g} a second: {count} clips")
    if kept and settings.wording.most is not None:
        longest = max(clip.written.tokens for clip in kept if clip.written)
        say(f"  longest caption: {longest} of {settings.wording.most} {counter.unit}")
        if counter.unit == "words":
            warn(
                f"captions are counted in words: the tokenizer {counter.name or 'of the model'} is not on this "
                "machine, and a text has more tokens than words; --tokenizer names a folder with one"
            )
    _reasons((str(clip.refusal), clip.name) for clip in planned if clip.refusal)
    _notes(note for clip in kept for note in clip.notes)


def say_rows(rows: list[Row], target: str, out: Location) -> None:
    """What became of the clips."""
    kept = [row for row in rows if not row.refusal]
    seconds = sum(row.n_frames / row.fps for row in kept)
    say(
        f"export: {len(kept)} of {len(rows)} clips for {target}, {seconds / 3600:.3f} hours, in {out}"
    )
    lost = sum(row.lost_s for row in kept)
    if lost > 0:
        say(f"  {lost:.1f} s were left out at the ends of clips")
    found = [row for row in rows if row.refusal in UNFORESEEN]
    _reasons((row.refusal, row.name) for row in found)
    of_files = {str(Note.SOUND_LOST), str(Note.NO_SOUND), str(Note.AV1)}
    _notes(note for row in kept for note in row.notes.split() if note in of_files)
    if len(kept) < len(rows):
        say(f"  {out / 'export.csv'} says of every clip what became of it")


def why_none(planned: Iterable[Planned]) -> str:
    """Why no clip is left, the most frequent reason with its fix."""
    counts = Counter(str(clip.refusal) for clip in planned).most_common()
    reasons = ", ".join(f"{count} {reason}" for reason, count in counts)
    return f"{reasons}; {FIXES[counts[0][0]]}" if counts else "there are none"


def _reasons(found: Iterable[tuple[str, str]]) -> None:
    names: dict[str, list[str]] = {}
    for reason, name in found:
        names.setdefault(reason, []).append(name)
    for reason, clips in sorted(names.items(), key=lambda item: (-len(item[1]), item[0])):
        some = ", ".join(clips[:EXAMPLES]) + (", ..." if len(clips) > EXAMPLES else "")
        say(f"  left out, {reason}: {len(clips)} clips ({some}); {FIXES[reason]}")


def _notes(found: Iterable[str]) -> None:
    for note, count in sorted(Counter(found).items(), key=lambda item: (-item[1], item[0])):
        say(f"  {note}: {count} clips; {FIXES[note]}")
