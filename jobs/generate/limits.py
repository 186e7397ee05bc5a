"""Whether a video can be sampled at all, from headers of weights and arithmetic: asked before a model is loaded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from jobs.core.errors import UserError
from pipeline.store.machine import free_memory

if TYPE_CHECKING:
    from dit.config import SamplerConfig, WeightFormat
    from dit.few_steps import FewSteps

S = TypeVar("S", bound="SamplerConfig")
GB = 1e9


def check(args: Any, width: int, height: int) -> None:
    """Refuse options of ``sample`` that cannot be, before a prompt is expanded or a model loaded."""
    from jobs.core.writable import check_own_folder

    check_shown(args)
    if args.like is not None and not args.expand:
        raise UserError("--like says what --expand is to write like; add --expand, or leave it out")
    check_own_folder(args.out)
    if args.image is not None:
        from jobs.generate.inputs import read_picture

        read_picture(args.image, None)
    check_size(
        width, height, args.frames, dit=args.dit, vae=args.vae, guided=is_guided(args, args.dit)
    )
    check_generator(args)
    if args.best_of > 1 or args.refine:
        check_judge(args.judge_clip)


def check_generator(args: Any) -> None:
    """Refuse a sampler, a weight format or models that cannot be: what every command that generates asks first."""
    check_sampler(args, args.device)
    check_weights(args.weights)
    check_models(args.dit, args.vae, args.text)
    check_blocks(args.skip_blocks, args.dit)


def check_like(args: Any) -> None:
    """Refuse two ways to say what expanded prompts are to be like."""
    if args.retrieve is not None and args.like is not None:
        raise UserError("--retrieve and --like both say what to be like; give one of them")


def check_url(option: str, url: str) -> None:
    """Refuse a server's address that is none."""
    if not url.startswith(("http://", "https://")):
        raise UserError(
            f"{option} {url}: it must start with http:// or https://, such as http://127.0.0.1:8000/v1"
        )


def check_blocks(skipped: Sequence[int], dit: str) -> None:
    """Refuse blocks to leave out that the DiT does not have."""
    from jobs.core.named import dit_header

    depth = int(dit_header(dit).get("depth", 6)) if skipped else 0
    if unknown := [number for number in skipped if number >= depth]:
        raise UserError(
            f"--skip-blocks {unknown[0]}: the DiT {dit} has blocks 0 to {depth - 1}; give some of these"
        )


def check_judge(name: str) -> None:
    """Refuse a CLIP of --best-of and --refine that is not here."""
    from pipeline.openclip.find import find_openclip

    if name != "none":
        try:
            find_openclip(name)
        except ValueError as error:
            raise UserError(f"--judge-clip: {error}") from None


def check_models(dit: str, vae: str, text: str) -> None:
    """Refuse models that are missing, damaged or of another kind, as far as their files say."""
    from jobs.core.named import check_dit, check_pair, check_text, check_vae, dit_latents

    check_dit(dit)
    check_vae(vae)
    check_pair(dit_latents(dit), vae, f"the DiT {dit} makes latents")
    check_text(text)


def check_shown(args: Any) -> None:
    """Refuse references that the DiT does not take, and options of retrieval and expansion without their use."""
    from jobs.generate.shown import check_files

    if args.reference:
        check_files(args.reference)
        if not takes_references(args.dit):
            raise UserError(
                f"--reference: the DiT {args.dit} takes no references; give one that was trained with "
                "`filmstock train-dit --references` (--dit)"
            )
    check_like(args)
    if args.expand_url is not None:
        check_url("--expand-url", args.expand_url)
        if not args.expand_model:
            raise UserError("--expand-url needs --expand-model, a model that the server knows")
        if not args.expand and args.retrieve is None:
            raise UserError("--expand-url is the server of --expand; add it, or --retrieve")


def token_side(dit: str) -> int:
    """Latent cells along a side of one token of a DiT by name, from its header."""
    return _transformer(dit)[0]


def takes_references(dit: str) -> bool:
    """Whether a DiT by name was trained to take references, from its header; one of few steps follows none."""
    config = _transformer(dit)[1]
    return bool(config.get("references")) and not config.get("few_steps")


def check_sampler(config: SamplerConfig, device: str) -> None:
    """Refuse a rule, a solver or a device that is not there."""
    from dit.config import RULE_NAMES, SOLVER_NAMES
    from pipeline.extensions import check_name
    from pipeline.training.device import check_device

    check_name(RULE_NAMES, config.rule, "guidance rule")
    check_name(SOLVER_NAMES, config.solver, "solver")
    check_device(device)


def check_weights(weights: WeightFormat) -> None:
    """UserError where the package is missing that ``--weights`` needs."""
    from importlib.util import find_spec

    if weights == "int8" and find_spec("torchao") is None:
        raise UserError(
            "--weights int8 needs torchao; `pip install 'filmstock[quant]'`, or leave --weights out"
        )


def few_steps_of(dit: str) -> FewSteps | None:
    """What a distilled DiT has baked in, from its header; None of any other."""
    from dit.few_steps import FewSteps

    few = _transformer(dit)[1].get("few_steps")
    return few and FewSteps.from_dict(few)


def settled(args: S, dit: str) -> S:
    """Options of a sampler with nothing left open; UserError where the DiT was distilled to other ones."""
    try:
        return args.settled(few_steps_of(dit))
    except ValueError as error:
        raise UserError(f"--dit {dit}: {error}") from None


def is_guided(args: SamplerConfig, dit: str) -> bool:
    """Whether a clip passes the DiT twice at each step."""
    return args.scale != 1 and few_steps_of(dit) is None


def parse_size(text: str) -> tuple[int, int]:
    """``"64x48"`` -> (64, 48): width, height."""
    match = re.fullmatch(r"(\d+)x(\d+)", text.strip().lower())
    if not match:
        raise UserError(f"--size {text!r} is no size; write WIDTHxHEIGHT, such as 64x64")
    return int(match[1]), int(match[2])


def check_frames(frames: int, vae: str) -> None:
    """UserError for a count of frames that the VAE does not divide."""
    _, time = factors(vae)
    if (frames - 1) % time:
        raise UserError(
            f"--frames {frames} does not fit the VAE; give 1 + a multiple of {time}, such as "
            f"{1 + time * max(1, round((frames - 1) / time))}"
        )


def check_between(frames: int, vae: str) -> None:
    """UserError for a count of frames between two others that the VAE does not divide."""
    _, time = factors(vae)
    if time > 1 and (frames + 1) % time:
        low = max(1, frames // time) * time - 1
        raise UserError(f"--frames {frames} does not fit the VAE; give {low} or {low + time}")


def check_window(frames: int, context: int, vae: str) -> None:
    """UserError for a window of ``extend`` that the VAE does not divide, or without room for new frames."""
    check_frames(frames, vae)
    _, time = factors(vae)
    if time > 1 and 1 + (frames - 1) // time < context + 1:
        raise UserError(
            f"--context {context} leaves no room for new frames in --frames {frames}; give --frames "
            f"{1 + time * context} or more, or less --context"
        )


def check_size(
    width: int,
    height: int,
    frames: int,
    *,
    dit: str,
    vae: str,
    videos: int = 1,
    guided: bool = True,
) -> None:
    """UserError for sides or frames that the VAE does not divide, and for a video that memory does not hold.

    A VAE or DiT of another kind (``module:object``) has no header to read, and is asked when it is loaded.
    """
    side, time = factors(vae)
    patch, config = _transformer(dit)
    multiple = side * patch
    if width < 1 or height < 1 or width % multiple or height % multiple:
        raise UserError(
            f"--size {width}x{height}: sides must be multiples of {multiple} above 0; give "
            f"{_nearest(width, multiple)}x{_nearest(height, multiple)}"
        )
    check_frames(frames, vae)
    needs = memory_needed(width, height, frames, side=side, time=time, config=config, guided=guided)
    free = free_memory()
    if free is not None and needs > free:
        raise UserError(
            f"--size {width}x{height} with {frames} frames needs about {needs / GB:.0f} GB of memory, and "
            f"{free / GB:.0f} GB are free here; give a smaller --size or fewer --frames"
        )


def memory_needed(
    width: int,
    height: int,
    frames: int,
    *,
    side: int,
    time: int,
    config: dict[str, Any],
    guided: bool,
) -> float:
    """Bytes that sampling one video takes beside the weights, from below.

    Tokens pass the transformer with and without the caption where guidance is on; the widest that a block holds are
    its stream, its queries, keys and values, and the hidden layer of its MLP. Frames are decoded as float32, of which
    three copies are alive at the end (decoded, scaled, rounded) beside the bytes.
    """
    patch = config.get("patch", [1, 2, 2])
    tokens = (1 + (frames - 1) // time) * (height // side) * (width // side)
    tokens //= patch[0] * patch[1] * patch[2]
    numbers = config.get("width", 192) * (8 + 2 * config.get("mlp_ratio", 3))
    return float(tokens * numbers * 4 * (2 if guided else 1) + frames * height * width * 3 * 13)


def factors(vae: str) -> tuple[int, int]:
    """(space, time) factors of a VAE by name, from its header; (1, 1) of one that has none."""
    from pipeline.extensions import is_extension

    if is_extension(vae) or vae.startswith("diffusers:"):
        return 1, 1
    from jobs.core.named import vae_header
    from vae.config import VAEConfig

    config = VAEConfig.from_dict(vae_header(vae))
    return config.space_factor, config.time_factor


def _transformer(dit: str) -> tuple[int, dict[str, Any]]:
    """(side of a patch, config) of a DiT by name, from its header."""
    from jobs.core.named import dit_header

    config = dit_header(dit)
    return int(config.get("patch", [1, 2, 2])[1]), config


def _nearest(side: int, multiple: int) -> int:
    return max(multiple, round(side / multiple) * multiple)
