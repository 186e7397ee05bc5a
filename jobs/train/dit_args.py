"""What ``filmstock train-dit`` is told: its flags, what they default to, and which do not go together."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from dit.config import PRESETS, DiTConfig, ModelKind, TrainConfig
from dit.few_steps import USUAL_GUIDANCE, FewSteps
from jobs.core.args import Data, Device, one_of
from jobs.core.errors import UserError, user_errors
from jobs.core.named import check_dit
from jobs.core.recipe import folder_recipe, section_from
from pipeline.bounds import Bounded, Count, NonNegative
from pipeline.config import MixConfig
from pipeline.groups import DATA, DEVICES, EVALUATION, MODEL, OBJECTIVE, OUTPUT


@dataclass(frozen=True, kw_only=True)
class Args(Bounded):
    """Train the diffusion transformer from latents.

    The same command goes on with a run that was stopped: Ctrl-C saves the step in hand, a kill loses at most the steps
    since a checkpoint.
    """

    latents: tyro.conf.Positional[Data]
    """Run folder with latents/, or a folder of latents."""
    out: Annotated[Path, OUTPUT]
    """Folder for checkpoints, metrics, sample sheets and dit.safetensors."""
    mix: Annotated[dict[str, float], DATA] = dataclasses.field(default_factory=dict)
    """Weights of the kinds of captions, and the share of empty ones, for guidance:
    --mix dense 0.8 short 0.2 empty 0.1. Default: section [mix] of the recipe in the latents' run folder."""
    preset: Annotated[
        str, MODEL, tyro.conf.arg(help=f"Size of a new model: {one_of(PRESETS)}.")
    ] = "tiny"
    width: Annotated[Count | None, MODEL] = None
    """Channels of a new model in place of the preset's; heads then have 128 channels where that divides it, or 64."""
    depth: Annotated[Count | None, MODEL] = None
    """Blocks of a new model in place of the preset's."""
    heads: Annotated[Count | None, MODEL] = None
    """Attention heads of a new model in place of the preset's."""
    init: Annotated[str | None, MODEL] = None
    """Start from the weights of a DiT: embedded, a file, or a folder of train-dit."""
    new_vae: Annotated[bool, MODEL] = False
    """Let --init start from a DiT of another VAE, with as many latent channels: words and motion carry over."""
    model: tyro.conf.OmitArgPrefixes[ModelKind] = ModelKind()
    """Kind of a new model; --init keeps that of its weights."""
    train: tyro.conf.OmitArgPrefixes[TrainConfig] = TrainConfig()
    """The training run; with the data it determines every weight."""
    distil_from: Annotated[str | None, OBJECTIVE] = None
    """Train a model of few steps that follows this DiT, and begins with its weights: embedded, a file, or a folder."""
    distil_steps: Annotated[Count, OBJECTIVE] = 4
    """With --distil-from: sampling steps of the new model, one pass each."""
    distil_guidance: Annotated[NonNegative, OBJECTIVE] = USUAL_GUIDANCE
    """With --distil-from: guidance that the new model has in it, and is not sampled with."""
    distil_teacher_steps: Annotated[Count, OBJECTIVE] = 8
    """With --distil-from: guided steps that the new model goes along, a multiple of its own."""
    dry_run: Annotated[bool, EVALUATION] = False
    """Train nothing: say what an epoch holds and leaves out, if the latents are sound, first loss, memory."""
    resume: Annotated[bool, OUTPUT] = False
    """Refuse to start anew: OUT must hold a checkpoint to go on from, whose --init and --lr need not be given again."""
    device: Annotated[Device, DEVICES] = "auto"
    workers: Annotated[Count, DEVICES] = 1
    """Processes; more than one run through Ray Train."""
    threads: Annotated[Count | None, DEVICES] = None
    """CPU threads per process; None: all cores, shared by the workers."""
    tensorboard: Annotated[bool, OUTPUT] = False
    """Also write the metrics and sheets to OUT/tensorboard."""
    vae: Annotated[str, EVALUATION] = "embedded"
    """VAE that decodes the contact sheets; it must be the one that made the latents."""


UNKEYED = {
    *("out", "resume", "latents", "vae", "dry_run", "tensorboard", "workers", "threads", "device"),
}
"""Options that change nothing about the weights."""


def train_config(args: Args) -> TrainConfig:
    """The settings of the training with nothing left open."""
    return args.train.settled(model_config(args), started=bool(args.init))


def model_config(args: Args, **changes: Any) -> DiTConfig:
    """The new model that the options name."""
    with user_errors():
        return DiTConfig.preset(args.preset, **vars(args.model), **own_size(args), **changes)


def own_size(args: Args) -> dict[str, int]:
    """Width, depth and heads that differ from the preset's; ValueError where heads do not fit the width."""
    given = {name: n for name in ("width", "depth", "heads") if (n := getattr(args, name))}
    if "width" in given and "heads" not in given:
        width = given["width"]
        size = next((size for size in (128, 64) if width % size == 0), None)
        if size is None:
            raise ValueError(
                f"--width {width} is no multiple of 64, the size of a head; give --heads, too"
            )
        given["heads"] = width // size
    return given


def linear_tokens(args: Args) -> int:
    """``DiTConfig.linear_tokens`` of the model that is trained, by which packs are balanced."""
    from dit.files import read_config

    return (read_config(args.init) if args.init else model_config(args)).linear_tokens


def with_mix(args: Args) -> Args:
    """The same with the weights of captions settled: those of the command line, else of the run folder's recipe."""
    from pipeline.latents.layout import latents_root

    if args.mix:
        mix = section_from(MixConfig, args.mix, "--mix")
    else:
        mix = folder_recipe(latents_root(args.latents).parent, None).mix
    given = {kind: w for kind, w in dataclasses.asdict(mix).items() if w is not None}
    return dataclasses.replace(args, mix=given)


def check_context(args: Args) -> None:
    """UserError where ``--context-parallel`` does not go with the workers, or with the heads of the model."""
    from dit.files import read_config
    from dit.parallel.context import check_heads

    size = args.train.context_parallel
    if args.workers % size:
        raise UserError(
            f"--context-parallel {size}: workers share packs in groups of {size}, and --workers {args.workers} is no "
            f"multiple of that; give --workers {size * max(1, args.workers // size)}"
        )
    if size > 1:
        try:
            check_heads((read_config(args.init) if args.init else model_config(args)).heads, size)
        except ValueError as error:
            raise UserError(str(error).replace("context_parallel", "--context-parallel")) from None


def check_references(args: Args) -> None:
    """UserError for references that no model of this run reads, or none that it is shown."""
    from dit.files import read_config

    with user_errors():
        model = read_config(args.init) if args.init else None
    takes = args.model.references or (model is not None and model.references)
    if args.train.reference_share and not takes:
        raise UserError(
            f"--reference-share {args.train.reference_share:g} shows references to a model that takes none; "
            "add --references"
        )
    if args.model.references and not args.train.reference_share:
        raise UserError(
            "--references without any shown teaches nothing; add --reference-share, such as 0.8"
        )
    if takes and args.train.context_parallel > 1:
        raise UserError("--references and --context-parallel do not go together; leave one out")


def few_steps(args: Args, teacher: str = "") -> FewSteps | None:
    """What ``--distil-from`` bakes into the new model, ``teacher`` being the id of that DiT."""
    if args.distil_from is None:
        for name in ("distil_steps", "distil_guidance", "distil_teacher_steps"):
            if getattr(args, name) != Args.__dataclass_fields__[name].default:
                flag = f"--{name.replace('_', '-')}"
                raise UserError(
                    f"{flag} is about a model of few steps; give --distil-from, or leave {flag} out"
                )
        return None
    for flag, given in (
        ("--fsdp", args.train.fsdp),
        ("--context-parallel", args.train.context_parallel > 1),
    ):
        if given:
            raise UserError(
                f"--distil-from holds the DiT that it follows whole in every process; leave {flag} out"
            )
    if args.train.reference_share or args.model.references:
        raise UserError("--distil-from follows captions alone; leave references out")
    try:
        return FewSteps(
            steps=args.distil_steps,
            guidance=args.distil_guidance,
            teacher_steps=args.distil_teacher_steps,
            teacher=teacher,
        )
    except ValueError as error:
        raise UserError(f"--distil-teacher-steps: {error}") from None


def settled(args: Args) -> Args:
    """The options with what a resumed run takes from its checkpoint; UserError where they do not go together."""
    from dit.train.saved import latest_state, state_facts

    few_steps(args)
    if args.distil_from and not args.init:
        args = dataclasses.replace(args, init=args.distil_from)
    train, state = args.train, None
    model_config(args)  # refuses a wrong preset before anything is read
    if args.init:
        check_dit(args.init)
    if train.fsdp and args.workers < 2:
        raise UserError("--fsdp spreads the weights over several workers; add --workers N")
    if args.resume and not args.init:
        with user_errors():
            found = latest_state(args.out)
            state = state_facts(found) if found else None
    if state is not None and "train_config" in state and "init" in state:
        trained = state["train_config"]
        if train.lr is None:  # its default hung on --init, which a resume may leave out
            train = dataclasses.replace(train, lr=trained["lr"])
        if trained["lora_rank"] and not train.lora_rank:
            train = dataclasses.replace(train, lora_rank=trained["lora_rank"])
        args = dataclasses.replace(args, train=train, init=state["init"] or None)
    if train.fsdp and train.lora_rank:
        raise UserError("--fsdp spreads what is trained, and adapters are small; leave it out")
    if train.fsdp and train.compile:
        raise UserError(
            "--fsdp gathers weights in the middle of what --compile would put together; leave one of them out"
        )
    check_context(args)
    rows = args.workers // train.context_parallel
    if train.packs_per_step < rows:
        raise UserError(
            f"--packs-per-step {train.packs_per_step} feeds {train.packs_per_step} of {rows} workers that have packs "
            f"of their own; give at least {rows}"
        )
    if train.fsdp and train.packs_per_step % rows:
        groups = "--workers" if train.context_parallel == 1 else "--workers / --context-parallel"
        raise UserError(
            f"--fsdp: every worker needs as many packs as the others; --packs-per-step {train.packs_per_step} is no "
            f"multiple of {groups} {rows}"
        )
    check_references(args)
    if args.init and (given := own_size(args)):
        raise UserError(
            f"--init keeps the size of its weights; leave --{' and --'.join(given)} out, or train from scratch"
        )
    if train.lora_rank and not args.init:
        raise UserError("--lora-rank adapts a model that is there; name it with --init")
    if args.new_vae and (train.lora_rank or not args.init):
        raise UserError(
            "--new-vae lets --init take a DiT of another VAE, all of its weights: give --init, leave --lora-rank out"
        )
    # workers and resumed runs may stand elsewhere
    return dataclasses.replace(
        args, init=resolved(args.init), distil_from=resolved(args.distil_from)
    )


def resolved(name: str | None) -> str | None:
    """A file or folder by its whole path; any other name as it is."""
    return str(Path(name).resolve()) if name and Path(name).exists() else name
