"""``filmstock export DIR --for TRAINER --out DIR2``: shards become the folder and settings that a trainer reads."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import tyro

from jobs.core.args import Folder, parse_args
from jobs.core.console import Progress, say
from jobs.core.errors import EXIT_OK, EXIT_PARTIAL, UserError, no_clips, no_kind, unknown
from jobs.core.keys import config_key
from jobs.core.lock import LOCK
from jobs.core.run import run_of
from jobs.core.stage import MARKERS, Stage, done_info
from jobs.core.uses import RECORDS, note_use
from jobs.core.writable import check_folder
from jobs.edits.fresh import check_fresh
from jobs.export.captions import MIX, Wording
from jobs.export.plan import Planned, Settings, plan
from jobs.export.profiles import find_profile
from jobs.export.report import UNFORESEEN, say_plan, say_rows, why_none
from jobs.export.write import Linked, Row, Writer
from pipeline import schema as s
from pipeline.bounds import Bounded, Count, Limits, Seed, Whole
from pipeline.export.target import Clip, Export, Target
from pipeline.export.targets import find_target
from pipeline.shards.read import Manifest, open_manifest
from pipeline.store.atomic import sweep, write_bytes
from pipeline.store.paths import Location, ObjectPath, names_in

COMMAND = "export"
TABLE = "export.csv"
"""Table of what became of every clip, in the export."""
VERSION = 2
"""Of what is written; another one begins anew."""


@dataclass(frozen=True, kw_only=True)
class Args(Bounded):
    """Write shards in the form that another trainer reads; say of every clip that stays out why.

    Examples: ``filmstock export runs/a --for musubi-tuner --model wan2.1-14b --out sets/a``, or with ``--check``
    in place of ``--out`` to see what that trainer would drop.
    """

    folder: tyro.conf.Positional[Folder]
    """Run folder, or a folder of shards."""
    trainer: Annotated[str, tyro.conf.arg(name="for", metavar="TRAINER")]
    """Who is to read it, such as diffusion-pipe or musubi-tuner; or your own, module:object."""
    out: Folder | None = None
    """Folder or s3:// prefix to write to."""
    check: bool = False
    """Write nothing: say what would be dropped and why, or, where --out holds an export, decode and check its files."""
    model: str | None = None
    """Rules of a model: wan2.1-14b, wan2.2-5b, hunyuan-1.5, ltx-2, h3, cogvideox, or your .toml. Without one clips stay
    as they are."""
    frames: str = ""
    """Counts of frames in place of the model's, such as 17,33,49."""
    caption: Literal[s.CaptionKind, "mix"] = "dense"
    """Kind of caption; mix takes all of them where the trainer can, else one drawn by the clip's id."""
    dialect: str | None = None
    """Wording: prose, tags, ltx, h3, cosmos or booru. The model's own by default."""
    template: Path | None = None
    """A Jinja file that words captions in place of a dialect."""
    tokenizer: str | None = None
    """Folder of the tokenizer that counts captions; by default the model's, where this machine has it."""
    shorten: bool = False
    """Leave out the last sentences of captions that the text encoder would cut."""
    split: Literal["all", "train", "validation"] = "all"
    """Clips of one split only."""
    resize: bool = False
    """Scale and crop clips to their bucket; trainers do it by themselves, each time they read one."""
    repeat_frames: bool = False
    """Take clips whose rate is far below the model's, with frames shown twice."""
    batch: Count = 1
    """Clips of a batch: some trainers drop shapes that they have fewer clips of."""
    crf: Annotated[int, Limits(least=0, most=51)] = 18
    """H.264 quality of clips that are encoded again; lower is better."""
    root: str | None = None
    """Where the trainer will find the export, when it is not --out: settings name absolute paths."""
    link: Path | None = None
    """Another export: files that would be the same are linked, not written again."""
    seed: Seed = 0
    """Of the caption drawn with --caption mix."""
    workers: Whole = 0
    """Clips worked on at a time; 0 means one per CPU core."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    args = parse_args(Args, argv, COMMAND)
    if args.out is None and not args.check:
        raise UserError(
            "--out is missing; give the folder to write to, or --check to write nothing"
        )
    target = find_target(args.trainer)
    if target.check is not None:
        target.check()
    if args.check and args.out is not None and (args.out / TABLE).is_file():
        return check_there(args.out, target)
    asked = counts(args.frames)
    profile = find_profile(args.model, asked) if args.model else None
    if args.frames and profile is None:
        raise UserError(
            f"--frames {args.frames} changes a model's counts; name the model with --model"
        )
    if args.resize and profile is None:
        raise UserError("--resize needs the sizes of a model; name it with --model")
    settings = Settings(
        target=target,
        profile=profile,
        wording=wording(args, target, profile.text_encoder if profile else "", profile),
        split=args.split,
        resize=args.resize,
        repeat=args.repeat_frames,
        batch=args.batch,
        crf=args.crf,
    )
    manifest = open_manifest(args.folder)
    check_fresh(run_of(manifest.root), "shards")
    if not len(manifest):
        raise no_clips(manifest.root)
    check_kind(manifest, args.caption)
    key = settings_key(args, settings, manifest)
    if args.out is not None:
        check_out(args.out, key, target.name)
    planned = plan(manifest, settings)
    say_plan(planned, settings)
    kept = [clip for clip in planned if clip.refusal is None]
    if args.check:
        return EXIT_PARTIAL if len(kept) < len(planned) else EXIT_OK
    if not kept:
        raise UserError(f"no clip of {args.folder} would be in the export: {why_none(planned)}")
    assert args.out is not None
    return run(args, args.out, settings, manifest, planned, key)


def run(
    args: Args,
    out: Location,
    settings: Settings,
    manifest: Manifest,
    planned: list[Planned],
    key: str,
) -> int:
    """Write the export, unless it is there."""
    stage = Stage(out, COMMAND, key)
    target = settings.target
    if info := stage.info:
        say(f"export: nothing to do, {info['clips']} clips for {target.name} are in {out}")
        return EXIT_PARTIAL if info["unreadable"] else EXIT_OK
    link = open_link(args.link) if args.link else None
    note_use(run_of(args.folder).path, COMMAND, out)
    with stage.working(), Progress(COMMAND, len(planned), "clips") as progress:
        sweep(out)
        write_bytes(out / RECORDS / "key.json", (json.dumps({"key": key}) + "\n").encode())
        writer = Writer(out, manifest, settings, planned, workers=args.workers, link=link)
        rows = list(writer.rows(progress))
        kept = [row for row in rows if not row.refusal]
        bad = sum(row.refusal in UNFORESEEN for row in rows)
        if not kept:
            raise UserError(f"no clip could be read; {args.folder} may be damaged")
        clips = tuple(
            clip_of(row, c) for row, c in zip(rows, planned, strict=True) if not row.refusal
        )
        root = args.root or str(out if isinstance(out, ObjectPath) else out.absolute())
        export = Export(root=root, clips=clips, profile=settings.profile, batch=args.batch)
        if target.writer is not None:
            target.writer(out, export)
        for name, text in target.files(export):
            write_bytes(out / name, text.encode())
        write_bytes(out / TABLE, table(rows).encode())
        stage.finish({"for": target.name, "clips": len(kept), "refused": len(rows) - len(kept), "unreadable": bad,
                      "outputs": [TABLE]})  # fmt: skip
    if target.writer is not None and isinstance(out, Path):
        shutil.rmtree(out / PurePosixPath(target.media).parts[0], ignore_errors=True)
    say_rows(rows, target.name, out)
    return EXIT_PARTIAL if bad else EXIT_OK


def check_there(out: Location, target: Target) -> int:
    """Decode and check an export that is there; the settings that it was written with need not be given again."""
    from jobs.export.check import check_export

    made_for = (done_info(out, COMMAND) or {}).get("for", target.name)
    if made_for != target.name:
        raise UserError(
            f"{out} was written for {made_for}, not for {target.name}; give --for {made_for}"
        )
    return check_export(out, target)


def clip_of(row: Row, planned: Planned) -> Clip:
    """A row as a trainer's tables are made from it."""
    assert planned.fit is not None and planned.written is not None
    return Clip(
        name=row.name,
        media=row.media,
        captions=planned.written.texts,
        n_frames=row.n_frames,
        fps=row.fps,
        width=row.width,
        height=row.height,
        bucket=planned.fit.bucket,
        audio=row.audio,
        structured=planned.written.fields,
        split=row.split,
    )


def table(rows: list[Row]) -> str:
    """``export.csv``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in dataclasses.fields(Row)])
    writer.writerows(dataclasses.astuple(row) for row in rows)
    return text.getvalue()


def counts(text: str) -> tuple[int, ...]:
    """``"17,33"`` -> ``(17, 33)``."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not all(word.isdecimal() and int(word) for word in words):
        raise UserError(f"--frames {text!r} is no list of counts; write --frames 17,33,49")
    return tuple(map(int, words))


def wording(args: Args, target: Target, encoder: str, profile: Any) -> Wording:
    """How captions are written, from the options; UserError for a dialect or file that is not there."""
    from captioner.dialects.template import parse_template
    from captioner.dialects.tokens import open_counter
    from captioner.dialects.write import DIALECTS

    dialect = args.dialect or (profile.dialect if profile else "prose")
    if dialect not in DIALECTS:
        raise UserError(unknown("dialect", dialect, DIALECTS))
    template = None
    if args.template is not None:
        if args.dialect:
            raise UserError("--template takes the place of --dialect; give one of them")
        if not args.template.is_file():
            raise UserError(f"--template {args.template} is no file; give a Jinja file")
        template = parse_template(args.template.read_text(encoding="utf-8"), args.template.name)
    return Wording(
        kind=args.caption,
        dialect=dialect,
        template=template,
        many=target.many_captions and args.caption == MIX,
        counter=open_counter(args.tokenizer, encoder),
        most=profile.text_tokens if profile else None,
        shorten=args.shorten,
        seed=args.seed,
        structured=target.structured,
    )


def check_kind(manifest: Manifest, kind: str) -> None:
    """Refuse a kind of caption that no clip has."""
    have = [
        name
        for name in s.CAPTION_KINDS
        if (column := manifest.columns.get(s.caption_column(name))) is not None
        and column.null_count < len(column)
    ]
    if kind != MIX and kind not in have:
        raise no_kind(kind, have)


def settings_key(args: Args, settings: Settings, manifest: Manifest) -> str:
    """Hash of all that decides what is written."""
    word = settings.wording
    template = args.template.read_text(encoding="utf-8") if args.template else None
    parts = (VERSION, settings.target.name, settings.profile, settings.split, settings.resize, settings.repeat,
             settings.batch, settings.crf, word.kind, word.dialect, template, word.counter.name, word.counter.unit,
             word.most, word.shorten, word.seed, args.root, manifest.hash)  # fmt: skip
    return config_key(list(parts))


def check_out(out: Location, key: str, target: str) -> None:
    """Refuse a folder that holds something else; one of this export, whole or begun, is gone on with."""
    if isinstance(out, Path) and out.is_file():
        raise UserError(f"{out} is a file; give a folder to write to")
    check_folder(out)
    record = out / RECORDS / "key.json"
    if record.is_file():
        if json.loads(record.read_text())["key"] != key:
            raise UserError(
                f"{out} holds another export; choose another folder, or remove it to write this one for {target}"
            )
    elif any(True for name in names_in(out) if name not in (LOCK, MARKERS)):
        raise UserError(f"{out} is not empty and holds no export; choose another folder")


def open_link(folder: Path) -> Linked:
    """The files of another export."""
    path = folder / TABLE
    if not path.is_file():
        raise UserError(
            f"--link {folder} holds no finished export ({TABLE} is not there); give the --out of one"
        )
    with path.open(newline="", encoding="utf-8") as file:
        rows = {row["media_key"]: row for row in csv.DictReader(file) if row["media_key"]}
    if rows and not (folder / next(iter(rows.values()))["media"]).is_file():
        raise UserError(f"--link {folder} has no files of its own to link; name an export of files")
    return Linked(folder=folder, rows=rows)
