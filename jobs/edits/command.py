"""``filmstock edits DIR``: the journal of edits in the terminal; merge another person's, take one back."""

from __future__ import annotations

import json
from dataclasses import dataclass

import tyro

from jobs.core.args import Folder, parse_args
from jobs.core.console import say, warn
from jobs.core.errors import EXIT_OK, UserError
from jobs.core.run import run_of
from jobs.edits.journal import Action, Edit, Journal
from jobs.edits.replay import Replayed, replay
from pipeline import schema as s
from pipeline.shards.layout import MANIFEST_NAME
from pipeline.store.paths import location


@dataclass(frozen=True, kw_only=True)
class Args:
    """List the edits of a folder, made in `filmstock view`; merge those of another folder; undo one.

    Example: filmstock edits runs/set --merge /mnt/bob/set takes over what Bob decided on the same clips.
    """

    folder: tyro.conf.Positional[Folder]
    """Run folder or shards folder with edits/."""
    merge: Folder | None = None
    """Folder whose edits are taken over; those that are here already are left out."""
    undo: str | None = None
    """Id of an edit to take back, as the list shows it; the undo of an undo brings it back."""
    clip: str | None = None
    """Id of a clip whose ends are to be moved by --start and --end; the next ingest or curate cuts it so."""
    start: int = 0
    """Frames of the source by which the first frame of --clip moves; negative is earlier."""
    end: int = 0
    """Frames by which its end moves; negative is earlier."""
    why: str = ""
    """The reason, in your words."""
    who: str | None = None
    """Your name, for --undo and --clip. Default: the user of this machine."""
    json: bool = False
    """Print one JSON line an edit instead."""


HELD = ("manifest", "shards", MANIFEST_NAME, "edits")
"""What a folder of clips has one of."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    args = parse_args(Args, argv, "edits")
    folder = location(args.folder)
    if not folder.exists():
        raise UserError(f"{folder} does not exist; give a run folder or a shards folder")
    if not any((folder / name).exists() for name in HELD):
        raise UserError(f"{folder} holds no clips; give a run folder or a shards folder")
    run_of(folder).check_tables()
    journal = Journal(folder)
    if args.merge is not None:
        if not Journal(args.merge).files():
            raise UserError(
                f"{args.merge} has no edits/*.jsonl to merge; give a folder that was edited in filmstock view"
            )
        say(f"edits: {journal.merge(Journal(args.merge))} edits of {args.merge} taken over")
    if args.clip is not None:
        move_cut(journal, args)
    elif args.start or args.end:
        raise UserError("--start and --end move the ends of one clip; name it with --clip")
    if args.undo is not None:
        take_back(journal, args.undo, args.who)
    edits, damage = journal.read_with_damage()
    for line in damage:
        warn(line)
    show(edits, replay(edits), as_json=args.json)
    return EXIT_OK


def move_cut(journal: Journal, args: Args) -> None:
    """Note by how many frames the ends of a clip move; UserError where there is no such clip."""
    import getpass

    from pipeline.shards.read import open_table

    columns = [s.CLIP_ID, s.SOURCE_ID, s.START_S, s.END_S]
    manifest = run_of(args.folder).manifest
    if not manifest.exists():
        raise UserError(f"{args.folder} has no manifest/ of ingest; give a run folder")
    found = [
        row for row in open_table(manifest, columns).to_pylist() if row[s.CLIP_ID] == args.clip
    ]
    if not found:
        raise UserError(f"{args.folder} has no clip {args.clip}; its ids are in the page of view")
    value = {"start": args.start, "end": args.end}
    made = journal.append(
        args.who or getpass.getuser(), Action.CUT, value, why=args.why, **found[0]
    )
    say(f"edits: {made.id} moves the ends of {args.clip}; the next ingest or curate makes the cut")


def take_back(journal: Journal, wanted: str, who: str | None) -> None:
    """Undo the edit whose id starts with ``wanted``."""
    import getpass

    found = [edit for edit in journal.read() if edit.id.startswith(wanted)]
    if len(found) != 1:
        raise UserError(
            f"--undo {wanted!r}: {len(found)} edits have an id that starts with it; give one that exists, in full"
        )
    journal.append(who or getpass.getuser(), Action.UNDO, {"of": found[0].id})
    say(f"edits: {found[0].id} is taken back")


def show(edits: list[Edit], outcome: Replayed, *, as_json: bool) -> None:
    """Print every edit, and what they come to."""
    for edit in edits:
        if as_json:
            body = json.loads(edit.line())
            say(
                json.dumps(
                    {"id": edit.id, "undone": edit.id in outcome.undone, **body}, ensure_ascii=False
                )
            )
            continue
        mark = "  undone" if edit.id in outcome.undone else ""
        value = ", ".join(f"{name} {value}" for name, value in edit.value.items())
        why = f" ({edit.why})" if edit.why else ""
        say(
            f"{edit.id}  {edit.when[:19]}  {edit.who}  {edit.clip_id}  {edit.action}: {value}{why}{mark}"
        )
    if as_json:
        return
    say(
        f"{len(edits)} edits: {len(outcome.decisions())} clips decided by hand, "
        f"{len(outcome.captions())} with corrected captions, {len(outcome.undone)} edits undone"
    )
    if outcome.disputed:
        names = ", ".join(outcome.disputed[:5])
        warn(f"two people differ on {len(outcome.disputed)} clips, the later word counts: {names}")
