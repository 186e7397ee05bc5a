"""``filmstock view DIR``: look at clips, move thresholds, correct captions, in the browser."""

from __future__ import annotations

from dataclasses import dataclass

import tyro

from jobs.core.args import Folder, parse_args
from jobs.core.console import say
from jobs.core.errors import EXIT_OK, UserError, user_errors
from jobs.web.server import WebArgs, access_of, bind, link, serve


@dataclass(frozen=True, kw_only=True)
class Args(WebArgs):
    """Look at a run folder or shards in the browser: play, filter, search, move thresholds, correct, judge.

    Clips are played out of their shards by byte range; nothing is extracted. What you change by hand goes to
    DIR/edits/, a journal that select, pack and train-captioner read; tables change only when you apply rules.
    Example: filmstock view runs/set, then open the link that it prints. Ctrl-C stops it.
    """

    folder: tyro.conf.Positional[Folder]
    """Run folder, or a folder of shards; also s3://bucket/prefix."""
    who: str | None = None
    """Your name in the journal of edits. Default: the user of this machine; each browser may give its own."""
    open: bool = False
    """Open the page in the browser of this machine."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    args = parse_args(Args, argv, "view")
    run(args)
    return EXIT_OK


def run(args: Args) -> None:
    """Serve until Ctrl-C."""
    if args.who is not None and not args.who.strip():
        raise UserError(f"--who {args.who!r} is no name; give one, or leave it out")
    say(f"view: opening {args.folder}")
    from jobs.edits.journal import file_stem
    from jobs.view.app import UPLOADS, make_viewer_app
    from jobs.view.viewer import Viewer, default_name
    from jobs.web.memory import keep_little

    who = args.who or default_name()
    file_stem(who)  # refuses what is no name
    with user_errors():
        access = access_of(args, uploads=UPLOADS)
    keep_little()
    listener = bind(args.host, args.port)
    try:
        viewer = Viewer(args.folder, who)
    except BaseException:
        listener.close()
        raise
    data = viewer.now.data
    hours = float(data.seconds.sum(dtype=float)) / 3600
    address = link(listener, access)
    say(f"view: {len(data):,} clips, {hours:,.2f} hours of {data.run}")
    say(f"open {address}   (Ctrl-C stops)")
    if args.open:
        import webbrowser

        webbrowser.open(address)
    serve(make_viewer_app(viewer, access), listener)
