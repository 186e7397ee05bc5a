"""``filmstock plan``: memory, speed, days, disk and money of a training, before anything is bought or encoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from dit.config import PRESETS, DiTConfig, TrainConfig
from jobs.core.args import one_of, parse_args
from jobs.core.console import say, warn
from jobs.core.errors import EXIT_OK, user_errors
from pipeline.bounds import Bounded, Count, Positive

if TYPE_CHECKING:
    from dit.costs import Memory, Speed

VAE_TIME, VAE_SPACE = 4, 8
"""The VAE's compression: 4x8x8."""
GPU_MEMORY = {"H100": 80e9, "H200": 141e9, "A100": 80e9, "L40S": 48e9}
"""Bytes of each GPU."""
USABLE = 0.92
"""Share of it that a training can fill: the runtime and the allocator's holes take the rest."""
LINKS = {"H100": 450e9, "H200": 450e9, "A100": 300e9, "L40S": 32e9}
"""Bytes a second that a GPU sends to the others of its machine, by the makers' data sheets: NVLink, of an L40S PCIe."""
LINK_SHARE = (0.3, 0.6, 0.9)
"""Share of it that exchanges of heads for tokens reach: low, likely, high. Not measured here."""
SCALING = (0.75, 0.9, 1.0)
"""Speed of a GPU among many, of that alone: low, likely, high. Not measured here; published runs lie between."""


@dataclass(frozen=True, kw_only=True)
class Args(Bounded):
    """What a training of the DiT takes: memory a GPU, tokens a second, days, disk and money, each with an interval.

    Speed comes from measured steps on an H100; what is assumed beyond them is said.
    """

    preset: Annotated[str, tyro.conf.arg(help=f"Size of the model: {one_of(PRESETS)}.")] = "1.3B"
    size: str = "832x480"
    """Width and height of the videos, pixels."""
    frames: Count = 81
    """Frames of a video; 1 + 4k."""
    clips: Count = 1_000_000
    """Clips of the training set."""
    epochs: Positive = 1.0
    """How often each is seen."""
    gpus: Count = 8
    """GPUs."""
    gpu: Literal["H100", "H200", "A100", "L40S"] = "H100"
    """Which; of others than the H100 speed is taken in proportion to their data sheets."""
    gpu_hour: tuple[Positive, Positive] = (2.0, 4.0)
    """Price of a GPU's hour, low and high, in whatever currency the money is to be."""
    context_parallel: Count = 1
    """GPUs that share the tokens of every clip (train-dit --context-parallel); they must stand in one machine."""
    tokens_per_pack: Count | None = None
    """Latent tokens of a forward and backward pass; None: one clip, or at least 32,768."""
    latent_channels: Count = 16
    """Channels of the VAE's latents."""
    text_tokens: Count = 512
    """Tokens of a caption."""
    text_dim: Count = 4096
    """Width of their features."""
    kinds: Count = 1
    """Kinds of captions that are encoded."""
    posterior: Literal["full", "mean"] = "full"
    """What is kept of a clip's latents, see [encode] posterior."""
    optimizer: Literal["muon", "adamw"] = "adamw"
    """Muon keeps one moment of a matrix, AdamW two; the measured speeds are AdamW's."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a training takes."""

    clip_tokens: int
    """Latent tokens of a clip."""
    parameters: int
    """Weights of the model."""
    memory: Memory
    """Of one GPU."""
    recompute: bool
    """Whether it fits only when activations are computed again."""
    shards: int
    """GPUs that the weights are spread over; 1 when each holds all."""
    fits: bool
    """Whether the GPU holds it."""
    would_fit: int | None
    """Fewest GPUs sharing each clip that could hold it, where these cannot; None: none could."""
    speed: Speed
    """TFLOP/s of one GPU alone."""
    tokens_per_s: tuple[float, float, float]
    """Of all GPUs: low, likely, high."""
    days: tuple[float, float, float]
    """Of training: low, likely, high."""
    encode_days: float
    """Of the VAE on the same GPUs."""
    money: tuple[float, float]
    """Training and encoding at the low price and the high one."""
    latents: float
    """Bytes of latents and text features."""
    checkpoint: float
    """Bytes of a checkpoint: weights, average, moments."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    run(parse_args(Args, argv, "plan"))
    return EXIT_OK


def run(args: Args) -> Plan:
    """Print the plan, and return it."""
    with user_errors():
        shape_of(args)
        say(
            f"plan: preset {args.preset}, {args.clips:,} clips of {args.frames} x {args.size}, {args.gpus} x {args.gpu}"
        )
        made = plan(args)
    tell(args, made)
    return made


Shape = tuple[DiTConfig, int, int, tuple[int, int, int], int, int]


def shape_of(args: Args) -> Shape:
    """(model, width, height, latent (T, H, W), tokens of a clip and of a pass); ``ValueError`` as ``plan``, at once."""
    from dit.parallel.context import check_heads

    config = DiTConfig.preset(
        args.preset, latent_channels=args.latent_channels, text_dim=args.text_dim
    )
    share = args.context_parallel
    check_heads(config.heads, share)
    if args.gpus % share:
        raise ValueError(
            f"--context-parallel {share}: clips are shared by groups of {share} GPUs, and --gpus {args.gpus} is no "
            "multiple of that"
        )
    wide, high = size_of(args.size)
    if (args.frames - 1) % VAE_TIME:
        near = 1 + VAE_TIME * max(1, round((args.frames - 1) / VAE_TIME))
        raise ValueError(
            f"--frames {args.frames}: give 1 + a multiple of {VAE_TIME}, such as {near}"
        )
    if args.gpu_hour[0] > args.gpu_hour[1]:
        raise ValueError(
            f"--gpu-hour {args.gpu_hour[0]:g} {args.gpu_hour[1]:g}: give the low price first"
        )
    latent = (1 + (args.frames - 1) // VAE_TIME, high // VAE_SPACE, wide // VAE_SPACE)
    grid = [-(-n // p) for n, p in zip(latent, config.patch, strict=True)]
    tokens = grid[0] * grid[1] * grid[2]
    pack = args.tokens_per_pack or tokens * max(1, 32_768 // tokens)
    if pack < tokens:
        raise ValueError(
            f"--tokens-per-pack {pack} is less than the {tokens} tokens of {args.frames} frames of {args.size}"
        )
    return config, wide, high, latent, tokens, pack


def plan(args: Args) -> Plan:
    """Work out what ``args`` ask for. Raises ``ValueError`` for a size, preset or GPU that does not exist."""
    config, wide, high, latent, tokens, pack = shape_of(args)
    share = args.context_parallel
    # from here on torch is needed
    from dit.costs import PEAKS, VAE_MEGAPIXELS, flops_of, parameters_of, speed_of

    memory, recompute, shards, fits = _fitted(args, config, tokens, pack, share)
    others = [] if fits else [n for n in range(share + 1, args.gpus + 1) if args.gpus % n == 0]
    would_fit = next(
        (n for n in others if config.heads % n == 0 and _fitted(args, config, tokens, pack, n)[-1]),
        None,
    )
    speed = speed_of(config, -(-pack // share), args.gpu)
    each = flops_of(config, tokens, words=args.text_tokens) / tokens
    extra = 4 / 3 if recompute else 1.0  # a third forward pass beside forwards and backwards
    many = SCALING if args.gpus > 1 else (1.0, 1.0, 1.0)
    sent = exchanged_bytes(config, share, recompute=recompute) / LINKS[args.gpu]
    rates = [
        of_many * args.gpus / (each * extra / (1e12 * tflops) + sent / link)
        for tflops, of_many, link in zip(
            (speed.low, speed.likely, speed.high), many, LINK_SHARE, strict=True
        )
    ]
    total = tokens * args.clips * args.epochs
    days = [total / rate / 86_400 for rate in reversed(rates)]
    pixels = args.frames * wide * high * args.clips / 1e6
    vae = VAE_MEGAPIXELS["H100"] * PEAKS[args.gpu] / PEAKS["H100"]
    encode_days = pixels / (vae * args.gpus) / 86_400
    hours = 24 * args.gpus
    numbers = args.latent_channels * latent[0] * latent[1] * latent[2]
    stored = 2 * numbers * (2 if args.posterior == "full" else 1)
    stored += 2 * args.text_tokens * args.text_dim * args.kinds
    count = parameters_of(config)
    return Plan(
        clip_tokens=tokens,
        parameters=count,
        memory=memory,
        recompute=recompute,
        shards=shards,
        fits=fits,
        would_fit=would_fit,
        speed=speed,
        tokens_per_s=(rates[0], rates[1], rates[2]),
        days=(days[0], days[1], days[2]),
        encode_days=encode_days,
        money=(
            hours * (days[0] + encode_days) * args.gpu_hour[0],
            hours * (days[2] + encode_days) * args.gpu_hour[1],
        ),
        latents=float(stored * args.clips),
        checkpoint=8 * count + memory.optimizer * shards,
    )


def _fitted(
    args: Args, config: DiTConfig, tokens: int, pack: int, share: int
) -> tuple[Memory, bool, int, bool]:
    """(memory of a GPU, whether blocks are computed again, GPUs that weights are spread over, whether it fits).

    The first way that fits. Of a pack that ``share`` GPUs work on, each keeps its part of the tokens.
    """
    from dit.costs import memory_of

    for recompute, shards in ((False, 1), (False, args.gpus), (True, 1), (True, args.gpus)):
        train = TrainConfig(
            tokens_per_pack=-(-pack // share),
            precision="bf16",
            optimizer=args.optimizer,
            recompute=recompute,
        )
        each = -(-tokens // share)
        memory = memory_of(config, train, clip_tokens=each, words=args.text_tokens, shards=shards)
        if memory.total <= USABLE * GPU_MEMORY[args.gpu]:
            return memory, recompute, shards, True
    return memory, recompute, shards, False


def exchanged_bytes(config: DiTConfig, share: int, *, recompute: bool) -> float:
    """Bytes that a GPU sends in a step for each token of its part, where ``share`` GPUs exchange heads for tokens.

    Queries, keys, values and what attention gives, 2 bytes a number, forwards and backwards, and forwards once more
    where blocks are computed again; ``1 / share`` of them stay.
    """
    passes = 3 if recompute else 2
    return passes * 4 * 2 * config.width * config.depth * (share - 1) / share


def size_of(size: str) -> tuple[int, int]:
    """``"832x480"`` -> (832, 480): width and height, multiples of 16."""
    wide, _, high = size.partition("x")
    sides = [int(side) if side.isdecimal() else 0 for side in (wide, high)]
    if not all(side and side % 16 == 0 for side in sides):
        raise ValueError(
            f"--size {size!r} is no size; give width and height in multiples of 16, such as 832x480"
        )
    return int(wide), int(high)


def tell(args: Args, made: Plan) -> None:
    """The plan in words."""
    memory = made.memory
    low, likely, high = made.tokens_per_s
    spread = "weights on each GPU" if made.shards == 1 else f"weights over {made.shards} GPUs"
    if args.context_parallel > 1:
        spread += f", tokens of a clip over {args.context_parallel}"
    again = ", activations computed again" if made.recompute else ""
    say(
        f"plan: {args.preset} with {_weights(made.parameters)} weights on {args.gpus} x {args.gpu}: "
        f"{args.clips:,} clips of {args.frames} x {args.size}, {made.clip_tokens:,} tokens each, seen {args.epochs:g} "
        "times"
    )
    say(
        f"memory a GPU: {_size(memory.total)} ({spread}{again}): {_size(memory.weights)} weights and average, "
        f"{_size(memory.gradients)} gradients, {_size(memory.optimizer)} optimizer, {_size(memory.gathered)} gathered "
        f"blocks, {_size(memory.activations)} activations"
    )
    if not made.fits:
        warn(
            f"no {args.gpu} holds this ({_size(GPU_MEMORY[args.gpu])}, of which {_size(USABLE * GPU_MEMORY[args.gpu])} "
            "can be used): "
            + (f"--context-parallel {n} fits, or " if (n := made.would_fit) else "")
            + "take more GPUs, smaller or shorter clips, or a smaller model"
        )
    say(f"speed: {likely:,.0f} tokens/s ({low:,.0f} to {high:,.0f}); {made.speed.known}")
    say(
        f"days: {made.days[1]:,.1f} of training ({made.days[0]:,.1f} to {made.days[2]:,.1f}), "
        f"{made.encode_days:,.2f} of encoding"
    )
    say(f"disk: {_size(made.latents)} of latents and text, {_size(made.checkpoint)} a checkpoint")
    say(
        f"money: {made.money[0]:,.0f} to {made.money[1]:,.0f} at {args.gpu_hour[0]:g} to {args.gpu_hour[1]:g} for an "
        "hour of a GPU"
    )
    if args.gpus > 1:
        say(
            f"assumed, not measured: many GPUs run at {SCALING[0]:g} to {SCALING[2]:g} of the speed of one alone"
        )
    if args.context_parallel > 1:
        say(
            f"assumed, not measured: GPUs that share a clip exchange its heads at {LINK_SHARE[0]:g} to "
            f"{LINK_SHARE[2]:g} of {LINKS[args.gpu] / 1e9:g} GB/s"
        )


def _weights(count: float) -> str:
    return f"{count / 1e9:.2f} B" if count >= 1e9 else f"{count / 1e6:.1f} M"


def _size(count: float) -> str:
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"
