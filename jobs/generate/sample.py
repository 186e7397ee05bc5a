"""``filmstock sample --prompt TEXT``: generate videos from captions (and, if given, from a first frame)."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from dit.config import REFERENCE_SCALE, SampleConfig
from jobs.core.args import Device, Folder, parse_args
from jobs.core.console import Progress, busy, clock, say, warn
from jobs.core.errors import EXIT_OK, Refused, UserError
from jobs.core.model_options import DitName, TextName, VaeName, Weights
from jobs.core.steps import step_notes
from jobs.generate.gate import AUDIT, Audit, OutputGate, gate_prompts
from jobs.generate.inputs import check_there
from jobs.generate.marks import Marks, marks_of, open_credentials
from jobs.generate.result import how_made, json_bytes
from jobs.generate.texts import check_prompt, warn_of_other_worlds
from pipeline.bounds import Count, NonNegative, Seed
from pipeline.groups import CHOICE, DEVICES, MODELS, OUTPUT, PROMPTS, SAFETY, VIDEO
from pipeline.store.atomic import write_bytes

if TYPE_CHECKING:
    from jobs.generate.shown import Prompted, Shown
    from jobs.search.retrieve import Answer


@dataclass(frozen=True, kw_only=True)
class Args(SampleConfig):
    """Generate a video per prompt: an MP4 and a contact sheet each, and one grid of all."""

    prompt: Annotated[tuple[str, ...], PROMPTS] = ()
    """One or more captions; dense ones work best."""
    prompts: Annotated[Path | None, PROMPTS] = None
    """Text file with one caption a line."""
    expand: Annotated[bool, PROMPTS] = False
    """Expand short prompts first, see `filmstock expand`; an unsafe one is refused (exit code 4)."""
    expand_url: Annotated[str | None, PROMPTS] = None
    """With --expand or --retrieve: OpenAI-compatible server, up to /v1, that expands; default: offline."""
    expand_model: Annotated[str, PROMPTS] = ""
    """Model that the server knows."""
    retrieve: Annotated[Folder | None, PROMPTS] = None
    """Run folder: prompts are expanded by its nearest captions, and a DiT with references is shown the nearest clip."""
    retrieved: Annotated[Count, PROMPTS] = 3
    """With --retrieve: how many clips are found for a prompt."""
    reference: Annotated[tuple[Path, ...], PROMPTS] = ()
    """Pictures or videos of any size that every video is shown: this object, in the motion that the prompt names."""
    reference_scale: Annotated[NonNegative, PROMPTS] = REFERENCE_SCALE
    """How strongly references are followed, beside --guidance for the prompt; 1 takes a third less time."""
    like: Annotated[Folder | None, PROMPTS] = None
    """With --expand: run folder or shards whose captions to be like. Default: the synthetic world's."""
    size: Annotated[str, VIDEO] = "64x64"
    """WIDTHxHEIGHT in pixels; multiples of 16, a token of the embedded DiT."""
    seed: Annotated[Seed, VIDEO] = 0
    """Seed of the first prompt; the next ones count up."""
    image: Annotated[Path | None, VIDEO] = None
    """Picture that every video starts from."""
    out: Annotated[Path, OUTPUT] = Path("samples")
    """Folder for the videos and pictures."""
    dit: Annotated[DitName, MODELS] = "embedded"
    weights: Annotated[Weights, MODELS] = "float"
    vae: Annotated[VaeName, MODELS] = "embedded"
    text: Annotated[TextName, MODELS] = "embedded"
    device: Annotated[Device, DEVICES] = "auto"
    best_of: Annotated[Count, CHOICE] = 1
    """Videos drawn for each prompt; the one that `filmstock judge` finds best is kept."""
    refine: Annotated[bool, CHOICE] = False
    """Try once more with the sentences first that the video does not bear out, and keep what is better."""
    judge_clip: Annotated[str, CHOICE] = "embedded"
    """CLIP that --best-of and --refine ask: embedded, one as in a recipe, or none."""
    c2pa_cert: Annotated[Path | None, SAFETY] = None
    """PEM of your certificate and its issuers: every MP4 gets a signed C2PA manifest."""
    c2pa_key: Annotated[Path | None, SAFETY] = None
    """PEM of the certificate's key (ES256)."""
    safety: Annotated[bool, SAFETY] = True
    """Refuse unsafe prompts, and withhold unsafe videos; audit.jsonl has a line for each."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    run(parse_args(Args, argv, "sample"))
    return EXIT_OK


def run(args: Args) -> list[Path]:
    """Generate every prompt; returns the MP4 paths in the order of the prompts."""
    from jobs.generate.inputs import read_picture
    from jobs.generate.limits import check, parse_size, settled
    from jobs.generate.videos import generate_videos, open_models

    prompts = read_prompts(args)
    args = settled(args, args.dit)
    check(args, *parse_size(args.size))
    read_named(args.out)
    prompts, prompted = prepare(args, prompts)
    credentials = open_credentials(args.c2pa_cert, args.c2pa_key)
    if args.dit == "embedded":
        warn_of_other_worlds(prompts)
    width, height = parse_size(args.size)
    picture = None if args.image is None else read_picture(args.image, (width, height))
    say(
        f"sample: {len(prompts)} videos of {args.frames} frames at {width}x{height}, {args.steps} steps each"
    )
    if picture is not None and args.frames == 1:
        warn("--image with one frame leaves nothing to generate")
    if credentials is not None and args.frames == 1:
        warn("--c2pa-cert signs MP4s; a picture is marked as synthetic by its metadata alone")
    inputs = [*([args.image] if args.image is not None else []), *args.reference]
    audit = Audit(folder=args.out)
    gate_prompts(prompts, audit, on=args.safety, ahead=True)
    start = time.monotonic()
    with busy("sample", "loading models"):
        models = open_models(args.dit, args.vae, args.text, args.device, args.weights)
    gate_prompts(prompts, audit, on=args.safety)
    total = len(prompts) * args.best_of * (2 if args.refine else 1)
    with Progress("sample", total, "videos") as progress, step_notes(progress):

        def draw(texts: Sequence[str], asked: Sequence[int], seed: int) -> list[np.ndarray]:
            return generate_videos(
                texts,
                models=models,
                width=width,
                height=height,
                config=args,
                seed=seed,
                first_frame=picture,
                references=prompted.references(asked),
                reference_scale=args.reference_scale,
                on_done=progress.update,
            )

        seeds, texts = [args.seed + i for i in range(len(prompts))], prompts
        if args.best_of > 1 or args.refine:
            from jobs.generate.choose import choose

            chosen = choose(
                prompts, draw, fps=args.fps, seed=args.seed, best_of=args.best_of, refine=args.refine,
                clip_model=args.judge_clip, device=args.device,
            )  # fmt: skip
            videos = [each.video for each in chosen]
            seeds, texts = [each.seed for each in chosen], [each.prompt for each in chosen]
        else:
            videos = draw(prompts, range(len(prompts)), args.seed)
    gate = OutputGate(audit, on=args.safety)
    made = [
        how_made(
            "sample", args, models, inputs, frames=len(video), prompt=text, seed=seed,
            **prompted.record(number),
        )
        for number, (video, text, seed) in enumerate(zip(videos, texts, seeds, strict=True))
    ]  # fmt: skip
    names = [prompted.names(number) for number in range(len(prompts))]
    marks = marks_of(models.dit, credentials)
    paths, grid = write_videos(args, prompts, videos, gate, marks, made, names)
    seconds = clock(time.monotonic() - start)
    say(f"sample: {len(prompts)} videos in {seconds}, all in {grid}")
    return paths


def prepare(args: Args, prompts: list[str]) -> tuple[list[str], Prompted]:
    """The texts to sample from, expanded where that is asked for, and what each is shown."""
    from jobs.generate.expand import expand_or_refuse
    from jobs.generate.limits import factors, parse_size, takes_references, token_side
    from jobs.generate.retrieved import look_up
    from jobs.generate.shown import Prompted, of_clip, read_files
    from jobs.search.retrieve import open_retrieval

    size = parse_size(args.size)
    side = token_side(args.dit) * factors(args.vae)[0]
    shown = read_files(args.reference, size, side, args.fps) if args.reference else None
    server = {"base_url": args.expand_url, "model": args.expand_model}
    answers: list[Answer] = []
    own: list[Shown] = []
    if args.retrieve is not None:
        gate_prompts(prompts, Audit(folder=args.out), on=args.safety, ahead=True)
        retrieval = open_retrieval(args.retrieve)
        try:
            answers = [look_up(retrieval, prompt, args.retrieved) for prompt in prompts]
            if shown is None and takes_references(args.dit):
                own = [of_clip(retrieval, each, size, side) for each in answers]
        finally:
            retrieval.close()
        texts = [
            expand_or_refuse([each.prompt], answers=[each], **server)[0]
            if each.library is not None
            else each.prompt
            for each in answers
        ]
    elif args.expand:
        texts = expand_or_refuse(prompts, like=args.like, **server)
    else:
        texts = prompts
    if args.expand or answers:
        for text in texts:
            say(f"sample: {text}")
    every = [shown] * len(texts) if shown else own
    for text, each in zip(texts, every, strict=False):
        say(f"sample: shown {', '.join(each.names)}: {text[:60]!r}")
    return texts, Prompted(shown=tuple(every), answers=tuple(answers))


def write_videos(
    args: Args,
    prompts: list[str],
    videos: list[np.ndarray],
    gate: OutputGate,
    marks: Marks,
    made: list[dict[str, Any]],
    names: list[tuple[str, ...]],
) -> tuple[list[Path], Path]:
    """An MP4 and a sheet, or a PNG of one frame, and how it was made, of all that the gate lets pass; a grid of them.

    prompts.json names the prompts of MP4s.
    Numbers go on behind those that the folder holds, so nothing is overwritten. Returns the MP4s and the grid.
    """
    from jobs.generate.judged_files import PROMPTS
    from pipeline.video.encode import encode_mp4
    from pipeline.video.sheets import contact_sheet, png_bytes, webp_bytes

    paths, named, shown = [], read_named(args.out), []
    first = next_number(args.out)
    for i, (prompt, video) in enumerate(zip(prompts, videos, strict=True), first):
        if not gate.lets_pass(video):
            continue
        shown.append((video, prompt))
        path = args.out / f"{i:03d}-{slug(prompt)}.mp4"
        tags = marks.tags(prompt, names[i - first])
        sheet = path.with_suffix(".png")
        if len(video) > 1:
            mp4 = encode_mp4(video, args.fps, tags=tags)
            write_bytes(path, marks.signed(mp4, prompt))
            write_bytes(path.with_suffix(".webp"), webp_bytes(video, args.fps))
            paths.append(path)
            named[path.name] = prompt
            write_bytes(sheet, png_bytes(contact_sheet([video], [prompt])))
        else:  # an image is itself, so that other commands can go on with it
            write_bytes(sheet, png_bytes(video[0], tags))
        write_bytes(path.with_suffix(".json"), json_bytes(made[i - first]))
    grid = args.out / ("grid.png" if not first else f"grid-{first:03d}.png")
    if shown:
        pictures = contact_sheet([video for video, _ in shown], [prompt for _, prompt in shown])
        write_bytes(grid, png_bytes(pictures))
    if named:
        write_bytes(args.out / PROMPTS, (json.dumps(named, indent=1) + "\n").encode())
    if withheld := len(videos) - len(shown):
        raise Refused(
            f"{withheld} of {len(videos)} videos are withheld by the output gate, see {args.out / AUDIT}; "
            "the others are written"
        )
    return paths, grid


def next_number(folder: Path) -> int:
    """The first number behind those that names of files in the folder begin with; 0 in a new one."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    numbers = [
        int(found[1]) for name in names if (found := re.match(r"(?:grid-)?(\d{3,9})[-.]", name))
    ]
    return 1 + max(numbers, default=-1)


def read_named(folder: Path) -> dict[str, str]:
    """The prompts.json of an earlier run in the folder; UserError where it is something else."""
    from jobs.generate.judged_files import PROMPTS

    file = folder / PROMPTS
    if not file.exists():
        return {}
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise UserError(f"{file} names no prompts of videos; move it away, or give another --out")
    return found


def read_prompts(args: Args) -> list[str]:
    """Prompts of the command line, then those of the file."""
    prompts = [text.strip() for text in args.prompt if text.strip()]
    if args.prompts is not None:
        check_there(args.prompts)
        try:
            lines = args.prompts.read_text().splitlines()
        except UnicodeDecodeError:
            raise UserError(
                f"--prompts {args.prompts} is not UTF-8 text; save it as UTF-8"
            ) from None
        except OSError as error:
            raise UserError(
                f"--prompts {args.prompts} cannot be read: {error.strerror}; give a text file with one caption a line"
            ) from None
        prompts += [line.strip() for line in lines if line.strip()]
    for prompt in prompts:
        check_prompt(prompt)
    if not prompts and args.prompts is not None:
        raise UserError(f"--prompts {args.prompts} holds no caption; write one a line")
    if not prompts:
        raise UserError(
            'nothing to sample; give --prompt "A red circle moves right." or --prompts FILE'
        )
    return prompts


def slug(text: str, limit: int = 48) -> str:
    """A file name from a prompt."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:limit].strip("-") or "video"
