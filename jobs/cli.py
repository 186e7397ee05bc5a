"""The ``filmstock`` command: a table of commands in the order of the data flow, each imported when it is run.

Exit codes: 0 done, 2 wrong usage or input (one line says what and how to fix it), 3 done in part (some inputs
quarantined or failed; the tables say which), 4 a prompt was refused as unsafe, 1 a bug of ours (with its traceback).
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
from pathlib import Path
from typing import NamedTuple

from jobs.core.errors import (
    EXIT_CRASH,
    EXIT_OK,
    EXIT_REFUSED,
    EXIT_USAGE,
    Refused,
    UserError,
    unknown,
)
from pipeline.store.disk import disk_trouble


class Command(NamedTuple):
    """One line of the table: where the command lives and what it does."""

    target: str
    """``module:function``; the function takes the arguments after the command and returns an exit code."""
    usage: str
    """Its arguments, as shown in the help."""
    about: str
    """What it does, in a few words."""


GROUPS: dict[str, dict[str, Command]] = {
    "make footage to try it on": {
        "film": Command(
            "jobs.world.film:main",
            "OUT",
            "shoot raw videos of the synthetic world, with exact truth",
        ),
        "world": Command(
            "jobs.world.shards:main", "OUT", "render training shards of the synthetic world"
        ),
    },
    "raw footage -> shards": {
        "models": Command(
            "jobs.models.command:main",
            "list|get|check",
            "published models of a recipe: fetch them, try them out",
        ),
        "recipe": Command(
            "jobs.report.recipe:main",
            "[NAME|FILE|DIR] [--keys]",
            "a recipe in full, or what every key means",
        ),
        "curate": Command(
            "jobs.curation:main", "SRC... --out DIR", "ingest, select, caption and pack in one go"
        ),
        "ingest": Command(
            "jobs.ingest.command:main", "SRC... --out DIR", "split into clips, score them"
        ),
        "import": Command(
            "jobs.imports.command:main",
            "SRC --out DIR",
            "somebody's dataset of clips: folder, table, trainer's",
        ),
        "audit": Command(
            "jobs.imports.audit:main",
            "FOLDER",
            "faults of a training set and their fixes; changes nothing",
        ),
        "retry": Command(
            "jobs.ingest.retry:main",
            "DIR --only TYPE",
            "ingest one class of quarantined sources again",
        ),
        "select": Command(
            "jobs.select.command:main", "DIR", "keep or reject clips by their scores; no decoding"
        ),
        "caption": Command("jobs.caption.command:main", "DIR", "describe the kept clips"),
        "pack": Command("jobs.shards.pack:main", "DIR", "write training shards"),
        "export": Command(
            "jobs.export.command:main",
            "DIR --for TRAINER --out OUT",
            "shards as another trainer reads them; --check: what it drops",
        ),
        "push": Command(
            "jobs.publish.push:main",
            "DIR --repo NAME --licence L",
            "publish shards as a dataset on the Hugging Face hub",
        ),
        "train-captioner": Command(
            "jobs.train.captioner:main",
            "DIR --kind KIND",
            "fine-tune a captioner on captions of one kind",
        ),
    },
    "shards -> generated video": {
        "train-vae": Command("jobs.train.vae:main", "SHARDS --out DIR", "train the video VAE"),
        "encode": Command(
            "jobs.shards.encode:main", "DIR", "encode shards to latents and text features"
        ),
        "train-dit": Command(
            "jobs.train.dit:main", "LATENTS --out DIR", "train the diffusion transformer"
        ),
        "plan": Command(
            "jobs.train.plan:main",
            "--preset P --clips N --gpus N",
            "memory, speed, days, disk and money of a training",
        ),
        "expand": Command(
            "jobs.generate.expand:main",
            "PROMPT...",
            "short prompts to captions like those trained on",
        ),
        "sample": Command("jobs.generate.sample:main", "--prompt TEXT", "generate videos"),
        "animate": Command("jobs.generate.verbs:animate", "PICTURE", "a video that begins with it"),
        "extend": Command(
            "jobs.generate.verbs:extend",
            "VIDEO",
            "go on with a video, or --backward: begin earlier",
        ),
        "loop": Command("jobs.generate.verbs:loop", "VIDEO", "lead its end back to its start"),
        "connect": Command(
            "jobs.generate.verbs:connect", "VIDEO VIDEO", "lead from one video over to another"
        ),
        "edit": Command(
            "jobs.generate.verbs:edit", "VIDEO --strength S", "make it anew by another prompt"
        ),
        "inpaint": Command(
            "jobs.generate.verbs:inpaint",
            "VIDEO --region X,Y,WxH",
            "make a region or a span of it anew",
        ),
        "serve": Command(
            "jobs.serve.command:main",
            "CKPT",
            "sample in the browser or by HTTP: queue, progress, gallery",
        ),
    },
    "look at results": {
        "inspect": Command(
            "jobs.report.inspect:main",
            "DIR|FILE",
            "rows, hours, scores, captions; --html for pictures",
        ),
        "view": Command(
            "jobs.view.command:main",
            "DIR",
            "clips in the browser: filter, search, what-if, correct",
        ),
        "edits": Command(
            "jobs.edits.command:main", "DIR", "what people decided by hand; merge another person's"
        ),
        "status": Command(
            "jobs.report.status:main", "DIR", "what is done, stale or missing, and what to run next"
        ),
        "report": Command(
            "jobs.report.page:main", "DIR", "report.html of a run: funnel, scores, cuts, failures"
        ),
        "captions-report": Command(
            "jobs.report.captions:main",
            "DIR",
            "audit of captions: lengths, openings, worst grounded",
        ),
        "shots": Command(
            "jobs.ingest.shots:main",
            "VIDEO... --json OUT",
            "where shots start; cuts nothing, needs no run",
        ),
        "show-batch": Command(
            "jobs.train.show_batch:main",
            "RUN --step N",
            "what a training step saw, as a contact sheet",
        ),
        "verify-resume": Command(
            "jobs.train.verify_resume:main",
            "DIR",
            "prints the order hash for several world sizes and resumes",
        ),
        "diff": Command(
            "jobs.report.diff:main",
            "A B",
            "two runs, recipes, captioners: what entered, left, changed",
        ),
        "lineage": Command(
            "jobs.trace.lineage:main",
            "CLIP --run DIR",
            "where a clip came from, and where it went",
        ),
        "forget": Command(
            "jobs.trace.forget:main",
            "SOURCE|CLIP... --run DIR",
            "take a work and all that came of it out, for good",
        ),
        "judge": Command(
            "jobs.generate.judge:main",
            "DIR|VIDEO...",
            "coherence, fluency, relevance and diversity of any videos",
        ),
        "adherence": Command(
            "jobs.generate.adherence:main",
            "",
            "generate unseen scenes and judge them against their captions",
        ),
        "demo": Command(
            "jobs.demo:main", "", "all of the above on a few minutes of synthetic footage"
        ),
    },
    "rebuild the embedded models": {
        "train-clip": Command(
            "jobs.train.clip:main", "", "train the small CLIP on the synthetic world"
        ),
        "pretrain-captioner": Command(
            "jobs.train.pretrain_captioner:main",
            "",
            "train the small captioner on the synthetic world",
        ),
    },
}
"""Every command, grouped and ordered as the data flows."""

COMMANDS: dict[str, Command] = {
    name: command for group in GROUPS.values() for name, command in group.items()
}

WITHOUT_PANDAS = frozenset({"select"})
"""Commands that nothing but pyarrow would import pandas for."""


class NoPandas:
    """A finder of modules that finds no pandas: pyarrow imports it for the first array it makes, half a second long."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Refuse pandas, leave every other module to the finders that follow."""
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not used by this command", name=name)


SAID = frozenset({"ValueError", "UserError"})
"""Kinds of errors whose text says it all."""
LOST = frozenset(
    {
        "ActorDiedError",
        "ActorUnschedulableError",
        "NodeDiedError",
        "OwnerDiedError",
        "RaySystemError",
        "TaskUnschedulableError",  # it was bound to a node that is gone
        "WorkerCrashedError",
    }
)
"""Ray's words for a process of its own that is gone; by name, for Ray is not imported here."""


def help_text() -> str:
    """The top-level help, built from the table alone: nothing is imported for it."""
    left = max(len(f"{name} {command.usage}") for name, command in COMMANDS.items())
    lines = [
        "filmstock: raw footage to a trained video generator",
        "",
        "usage: filmstock COMMAND ...",
        "",
    ]
    for title, group in GROUPS.items():
        lines.append(f"{title}")
        for name, command in group.items():
            lines.append(f"  {f'{name} {command.usage}':<{left}}  {command.about}")
        lines.append("")
    lines += [
        "filmstock COMMAND --help   the options of a command",
        "filmstock --version        version",
        "exit codes: 0 done, 2 wrong usage or input, 3 done in part, 4 prompt refused as unsafe, 1 bug",
    ]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run ``filmstock`` with ``argv`` (default: the process's arguments) and return its exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    if args[:1] == ["help"] and len(args) > 1:
        args = [args[1], "--help"]
    if not args or args[0] in ("-h", "--help", "help"):
        print(help_text())
        return EXIT_OK if args else _fail("no command; give one of those above")
    if args[0] in ("-V", "--version", "version"):
        print(f"filmstock {version()}")
        return EXIT_OK
    name = args[0]
    if argv is None and name in WITHOUT_PANDAS:
        # only in a process of the command's own, since pyarrow asks but once
        sys.meta_path.insert(0, NoPandas())
    command = COMMANDS.get(name)
    if command is None:
        return _fail(f"{unknown('command', name, COMMANDS)} (filmstock --help lists them)")
    return _run(command, args[1:])


def version() -> str:
    """Version of the installed distribution."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("filmstock")
    except PackageNotFoundError:
        return "(not installed; run from a checkout)"


def _run(command: Command, args: list[str]) -> int:
    module, _, function = command.target.partition(":")
    try:
        code = getattr(importlib.import_module(module), function)(args)
        return EXIT_OK if code is None else int(code)
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `filmstock inspect DIR | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except Exception as error:  # noqa: BLE001 - the last boundary: one line for the user's errors, a traceback for ours
        line = user_message(error)
        if line is None or os.environ.get("FILMSTOCK_TRACEBACK"):
            traceback.print_exc()
            return EXIT_CRASH if line is None else EXIT_USAGE
        return EXIT_REFUSED if isinstance(error, Refused) and _fail(line) else _fail(line)


def user_message(error: BaseException) -> str | None:
    """One line for an error that the user can fix, None for a bug.

    Fixable: UserError; a ValueError that our own code raised (its text says what, where and how); a file that is
    missing or unreadable; a disk that is full or read-only. A ValueError out of a dependency is a bug of ours, and
    keeps its traceback.
    """
    cause = getattr(error, "cause", None)  # Ray wraps what a worker raised
    if isinstance(cause, Exception) and (line := user_message(cause)) is not None:
        return line
    if isinstance(error, UserError):
        return _one_line(error)
    if (line := start_failure(error)) is not None:
        return line
    if type(error).__module__ == "ray.exceptions" and type(error).__name__ in LOST:
        return (
            f"Ray lost one of its processes ({type(error).__name__}: killed, or out of memory); "
            "run the same command again, it goes on from what is finished"
        )
    if isinstance(error, OSError) and (line := disk_trouble(error)) is not None:
        return line
    if isinstance(
        error,
        FileNotFoundError
        | FileExistsError
        | PermissionError
        | IsADirectoryError
        | NotADirectoryError
        | ConnectionError,
    ):
        name = error.filename if isinstance(error.filename, str) else None
        return f"{name}: {error.strerror}" if name else _one_line(error)
    if isinstance(error, ValueError) and _raised_by_us(error):
        return _one_line(error)
    return None


def start_failure(error: BaseException) -> str | None:
    """What a Ray worker raised when it started, such as a model that its node does not have; None for anything else."""
    text = str(error)
    if type(error).__module__ != "ray.exceptions" or "creation task" not in text:
        return None
    raised = re.findall(r"^(?:\w+\.)*(\w*(?:Error|Exception)): (.+)$", text, re.MULTILINE)
    if not raised:
        return None
    node = re.search(r"\bip=([\d.]+)", text)
    where = f" on node {node[1]}" if node else ""
    kind, said = raised[-1]
    return f"a worker{where} cannot start: {said if kind in SAID else f'{kind}: {said}'}"


def _raised_by_us(error: BaseException) -> bool:
    frames = traceback.extract_tb(error.__traceback__)
    root = Path(__file__).resolve().parent.parent
    ours = [root / name for name in ("pipeline", "captioner", "vae", "dit", "jobs")]
    return bool(frames) and any(folder in Path(frames[-1].filename).parents for folder in ours)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _fail(message: str) -> int:
    print(f"filmstock: {message}", file=sys.stderr)
    return EXIT_USAGE


if __name__ == "__main__":
    sys.exit(main())
