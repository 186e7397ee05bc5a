"""Shape of the transformer and of its training run: two frozen dataclasses and the named sizes."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Annotated, Literal, Self

from dit.few_steps import USUAL_GUIDANCE, USUAL_STEPS, FewSteps
from dit.schedules import ScheduleName
from pipeline.bounds import (
    Count,
    Decay,
    NonNegative,
    PartShare,
    Positive,
    Rate,
    Share,
    Whole,
    check_bounds,
)
from pipeline.groups import (
    DATA,
    DEVICES,
    EVALUATION,
    GUIDANCE,
    MODEL,
    OBJECTIVE,
    OPTIMISATION,
    OUTPUT,
    SAMPLER,
    SCHEDULE,
    VIDEO,
)
from pipeline.training.config import BaseTrainConfig, OptimizerName

FORMAT = "filmstock-dit-1"
"""What a file of weights calls itself in its metadata."""
WEIGHTS_NAME = "dit.safetensors"
"""File of a trained model in the folder of its training."""
STATE_NAME = "state.pt"
"""File there that a stopped training goes on from."""

PRESETS: dict[str, dict[str, int]] = {
    "tiny": {"width": 192, "depth": 6, "heads": 4, "mlp_ratio": 3, "refiner_depth": 1},
    "S": {"width": 384, "depth": 12, "heads": 3, "mlp_ratio": 4, "refiner_depth": 2},
    "B": {"width": 768, "depth": 12, "heads": 6, "mlp_ratio": 4, "refiner_depth": 2},
    "L": {"width": 1024, "depth": 24, "heads": 8, "mlp_ratio": 4, "refiner_depth": 2},
    "XL": {"width": 1152, "depth": 28, "heads": 9, "mlp_ratio": 4, "refiner_depth": 2},
    "1.3B": {"width": 1536, "depth": 30, "heads": 12, "mlp_ratio": 6, "refiner_depth": 2},
    "5B": {"width": 3072, "depth": 30, "heads": 24, "mlp_ratio": 5, "refiner_depth": 2},
    "14B": {"width": 5120, "depth": 40, "heads": 40, "mlp_ratio": 3, "refiner_depth": 2},
}
"""Widths and depths of S to XL follow the DiT paper, those of 1.3B to 14B Wan's (arXiv 2503.20314, table 2), whose MLPs
are 5.8, 4.7 and 2.7 times as wide as the model; tiny is made for two CPU cores."""

LEARNING_RATES = {
    "tiny": 2e-3,
    "S": 1e-3,
    "B": 5e-4,
    "L": 3e-4,
    "XL": 3e-4,
    "1.3B": 2e-4,
    "5B": 1e-4,
    "14B": 1e-4,
}
"""Peak rates per preset; only tiny's has been tuned by measurement."""

RULE_NAMES = ("cfg", "cfg-zero", "apg")
"""Guidance rules of ``dit.guidance``; named here so that options are checked without torch."""
SOLVER_NAMES = ("euler", "heun", "dpm++2m", "unipc")
"""Solvers of ``dit.solvers``."""

REFERENCE_SCALE = 1.5
"""How strongly references are followed by default; 1 takes them as they are, and saves a third of the work."""
WeightFormat = Literal["float", "int8"]
"""How the matrices of a loaded DiT lie in memory."""

FINE_TUNING_SHARE = 0.1
"""Share of a size's usual rate that weights which are trained already go on with; adapters take all of it."""


@dataclass(frozen=True, kw_only=True)
class ModelKind:
    """What kind of transformer it is, whatever its size."""

    attention: Annotated[Literal["full", "factorised"], MODEL] = "full"
    """Over all tokens of a clip, or factorised: within each frame, then along time (ViViT)."""
    head_gate: Annotated[bool, MODEL] = False
    """Let every token scale the output of each self-attention head by a learned factor (adaptive attention)."""
    path: Annotated[Literal["flow", "vp"], MODEL] = "flow"
    """From data to noise: flow (rectified, predicts velocity) or vp (DDPM with linear betas, predicts noise)."""
    references: Annotated[bool, MODEL] = False
    """Take reference pictures and videos beside the caption; --init adds this to weights that lack it."""

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.references and self.attention == "factorised":
            raise ValueError(
                "references are read by full attention over a clip; leave them out, or use attention full"
            )


@dataclass(frozen=True, kw_only=True)
class DiTConfig(ModelKind):
    """Everything that fixes the parameters of a ``DiT``."""

    width: Count = 192
    """Channels of the residual stream."""
    depth: Count = 6
    """Transformer blocks."""
    heads: Count = 4
    """Attention heads; ``width / heads`` must be even."""
    mlp_ratio: Count = 3
    """Hidden width of the MLPs over ``width``."""
    refiner_depth: Whole = 1
    """Blocks of the small transformer that text tokens pass through."""
    latent_channels: Count = 8
    """Channels of the VAE's latents."""
    text_dim: Count = 192
    """Channels of the text encoder's token features."""
    patch: tuple[Count, Count, Count] = (1, 2, 2)
    """Latent frames, rows and columns of one token."""
    rope_theta: Positive = 100.0
    """Longest rotary wavelength over 2 pi, in tokens along an axis."""
    few_steps: FewSteps | None = None
    """Of a distilled model how it is sampled; None: any sampler."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ValueError(
                f"DiTConfig: width {self.width} over {self.heads} heads gives no even head size; "
                "choose heads so that width / heads is an even integer"
            )
        if self.head_dim < 6:
            raise ValueError(
                f"DiTConfig: head size {self.head_dim} is below 6, too small for 3D RoPE"
            )

    @property
    def head_dim(self) -> int:
        """Channels of one attention head."""
        return self.width // self.heads

    @property
    def linear_tokens(self) -> int:
        """Tokens of a clip at which attention over it costs as much as all that is linear in its tokens.

        A block takes ``4 L^2 width`` floating-point operations for attention, and ``2 width^2 (6 + 2 mlp_ratio)`` for
        each token: four projections of self-attention, two of cross-attention (queries, output), the MLP.
        """
        return self.width * (6 + 2 * self.mlp_ratio) // 2

    @property
    def token_dim(self) -> int:
        """Numbers in one token: channels times patch volume."""
        return self.latent_channels * self.patch[0] * self.patch[1] * self.patch[2]

    @classmethod
    def preset(cls, name: str, **changes: object) -> DiTConfig:
        """A named size (``tiny``, ``S``, ``B``, ``L``, ``XL``), with any field replaced."""
        if name not in PRESETS:
            raise ValueError(f"DiT preset {name!r} is unknown; use one of {', '.join(PRESETS)}")
        return replace(cls(**PRESETS[name]), **changes)  # type: ignore[arg-type]

    def to_dict(self) -> dict:
        """JSON-ready form; ``from_dict`` inverts it."""
        return {**asdict(self), "patch": list(self.patch)}

    @classmethod
    def from_dict(cls, data: dict) -> DiTConfig:
        """Inverse of ``to_dict``; an unknown field is an error that names it."""
        unknown = set(data) - set(cls.__dataclass_fields__)
        if unknown:
            raise ValueError(
                f"DiTConfig has no field {sorted(unknown)[0]!r}; the checkpoint is newer"
            )
        few = data.get("few_steps")
        patch = tuple(data.get("patch", (1, 2, 2)))
        return cls(**{**data, "patch": patch, "few_steps": few and FewSteps.from_dict(few)})


SHARDED_ONLY = ("fsdp_gather", "fsdp_reduce", "fsdp_reshard", "keep_checkpoints")
"""Settings of a training run that need ``fsdp``."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig(BaseTrainConfig):
    """One training run; together with the data it determines every weight."""

    minutes: Annotated[Positive | None, SCHEDULE] = None
    """Train for this many minutes instead of a number of steps. Not repeatable to the bit."""
    tokens_per_pack: Annotated[Count, DATA] = 2560
    """Latent tokens of one forward and backward pass; 2560 is 32 clips of 17x64x64."""
    packs_per_step: Annotated[Count, DATA] = 1
    """Packs whose gradients are summed into one optimizer step, over all workers."""
    lr: Annotated[Positive | None, OPTIMISATION] = None
    """Peak learning rate; None: the size's own, a tenth of it where trained weights go on (adapters: all of it)."""
    optimizer: Annotated[OptimizerName | None, OPTIMISATION] = None
    """muon (matrices of blocks by Muon, the rest by AdamW) or adamw; None: muon, for adapters adamw."""
    decay_share: Annotated[Share, SCHEDULE] = 0.4
    """Last share of the run over which the learning rate falls linearly to zero."""
    ema_decay: Annotated[Decay, OPTIMISATION] = 0.999
    """Limit of the decay of the averaged weights; it warms up as (1 + n) / (10 + n)."""
    shift: Annotated[Positive, OBJECTIVE] = 1.5
    """Timestep shift alpha: logit t moves up by ln(alpha); above 1 trains more on noisy levels."""
    shift_tokens: Annotated[Count, OBJECTIVE] = 1024
    """Tokens of a clip up to which alpha is ``shift``; above, it grows with their root (arXiv 2403.03206, 5.3.2)."""
    condition_share: Annotated[Share, OBJECTIVE] = 0.1
    """Share of videos trained with some latent frames given clean (image-to-video, extension)."""
    around_share: Annotated[Share, OBJECTIVE] = 0.0
    """Share of clips, images too, trained with all given clean but a box or a span (inpainting, connecting)."""
    reference_share: Annotated[Share, OBJECTIVE] = 0.0
    """With --references: share of clips shown another clip of their source; the others are trained without."""
    reference_videos: Annotated[Share, OBJECTIVE] = 0.25
    """Share of those references that are shown whole; the others are a picture, the first frame alone."""
    loss_unit: Annotated[Literal["token", "clip"], OBJECTIVE] = "token"
    """What counts equally in the loss: every supervised token of a step, or every clip."""
    local_share: Annotated[Share, OBJECTIVE] = 0.0
    """Share of a clip's loss that counts its first ``local_frames`` latent frames alone; 0.4 leaves 0.6 for all."""
    local_frames: Annotated[Count, OBJECTIVE] = 1
    """Latent frames that ``local_share`` counts."""
    held_out_share: Annotated[PartShare, EVALUATION] = 0.02
    """Share of the clips, at most 256, that are kept out of training for the held-out loss."""
    lora_rank: Annotated[Whole, MODEL] = 0
    """Rank of low-rank adapters (LoRA, by peft), which are trained in place of the weights; 0 trains the weights."""
    lora_alpha: Annotated[Count, MODEL] = 16
    """Adapters are scaled by this over their rank."""
    fsdp: Annotated[bool, DEVICES] = False
    """Spread weights, gradients and optimizer over the processes (FSDP2), for models that none could hold."""
    fsdp_gather: Annotated[Literal["compute", "fp32"], DEVICES] = "compute"
    """With --fsdp: send the matrices of a block as products take them (half the traffic in bf16), or in fp32."""
    fsdp_reduce: Annotated[Literal["fp32", "bf16"], DEVICES] = "fp32"
    """With --fsdp: add up gradients in fp32, or in bf16 for half the traffic and some of their digits."""
    fsdp_reshard: Annotated[bool, DEVICES] = True
    """With --fsdp: forget a block's weights between its forward and backward pass; less memory, more traffic."""
    keep_checkpoints: Annotated[Count, OUTPUT] = 2
    """With --fsdp: checkpoints that are kept, the newest."""
    context_parallel: Annotated[Count, DEVICES] = 1
    """Processes that share the tokens of every pack, for clips larger than one could hold; it divides the heads."""
    compile: Annotated[bool, DEVICES] = False
    """Compile the blocks with torch.compile."""
    deterministic: Annotated[bool, DEVICES] = True
    """On a GPU use kernels whose sums are the same bits every time, so that a resumed run ends in the same weights;
    False is faster where attention takes most of the time (``benchmarks/gpu.py`` says by how much)."""
    recompute: Annotated[bool, DEVICES] = False
    """Gradient checkpointing: keep only what enters each block; less memory, a third more work."""
    eval_every: Annotated[Count, EVALUATION] = 250
    """Steps between held-out losses."""
    eval_seconds: Annotated[Positive, EVALUATION] = 120.0
    """About how long a held-out loss may take; fewer packs are looked at where all would take longer."""
    sample_every: Annotated[Whole, EVALUATION] = 1000
    """Steps between contact sheets of samples; 0 is never."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in SHARDED_ONLY:
            value = getattr(self, name)
            if not self.fsdp and value != type(self).__dataclass_fields__[name].default:
                raise ValueError(
                    f"{name} {value} is about weights in shards; add fsdp, or leave {name} out"
                )

    def settled(self, model: DiTConfig, *, started: bool = False) -> TrainConfig:
        """The same with a number for ``lr`` and a name for ``optimizer``.

        Args:
            model: what is trained; its width decides the rate.
            started: whether the run begins with trained weights.
        """
        usual = usual_rate(model.width)
        if started and not self.lora_rank:
            usual *= FINE_TUNING_SHARE
        return replace(
            self,
            lr=usual if self.lr is None else self.lr,
            optimizer=self.optimizer or ("adamw" if self.lora_rank else "muon"),
        )

    @property
    def peak_lr(self) -> float:
        """``lr`` of a settled config."""
        if self.lr is None:
            raise ValueError("lr is open; use TrainConfig.settled, or give a number")
        return self.lr


def usual_rate(width: int) -> float:
    """Peak rate of the named size whose width is nearest, by ratio."""
    name = min(PRESETS, key=lambda size: abs(math.log(PRESETS[size]["width"] / width)))
    return LEARNING_RATES[name]


BAKED = ("steps", "guidance", "rule", "schedule", "shift", "shift_tokens")
"""Settings of a sampler that a few-step model fixes; all others are then as they are by default."""


@dataclass(frozen=True, kw_only=True)
class SamplerConfig:
    """How latents are sampled: the solver, its noise levels, and the guidance."""

    steps: Annotated[Count | None, SAMPLER] = None
    """Sampling steps. Default: 30, or as many as a few-step model was distilled to."""
    guidance: Annotated[NonNegative | None, GUIDANCE] = None
    """How strongly the caption is followed; 1 is no guidance. Default: 4, or what a few-step model has in it."""
    rule: Annotated[str, GUIDANCE] = "cfg"
    """Guidance rule: cfg, cfg-zero, apg, or module:function of your own."""
    solver: Annotated[str, SAMPLER] = "euler"
    """Solver: euler, heun (twice the work per step), dpm++2m, unipc, or module:function of your own."""
    schedule: Annotated[ScheduleName, SAMPLER] = "shifted"
    """Noise levels: shifted, uniform or linear-quadratic."""
    shift: Annotated[Positive, SAMPLER] = 2.0
    """Shift of the shifted schedule; above 1 spends more steps on noisy levels."""
    shift_tokens: Annotated[Count, SAMPLER] = 1024
    """Tokens of a video up to which the shift is ``shift``; it grows with the root of the tokens above."""
    zero_steps: Annotated[Whole, GUIDANCE] = 0
    """First steps that move nothing (the zero-init of CFG-Zero*)."""
    interval: Annotated[tuple[Share, Share], GUIDANCE] = (0.0, 1.0)
    """Noise levels, low and high, between which guidance is on; outside each step costs half."""
    rescale: Annotated[Share, GUIDANCE] = 0.0
    """How far the deviation of guided predictions is brought back to that of unguided ones."""
    skip_blocks: Annotated[tuple[Whole, ...], GUIDANCE] = ()
    """Blocks that the weak model of skip-layer guidance leaves out."""
    skip_scale: Annotated[NonNegative, GUIDANCE] = 0.0
    """Strength of skip-layer guidance; 0 is none."""
    reuse: Annotated[Count, SAMPLER] = 1
    """Run the inner blocks at every n-th step and repeat what they added in between; 1 is always."""

    def __post_init__(self) -> None:
        check_bounds(self)
        low, high = self.interval
        if low > high:
            raise ValueError(
                f"interval goes from {low:g} to {high:g}; give the lower level first, such as 0.2 0.8"
            )
        if self.steps is not None and self.zero_steps >= self.steps:
            raise ValueError(
                f"zero_steps is {self.zero_steps} of {self.steps} steps; at least one must be left"
            )
        if bool(self.skip_scale) != bool(self.skip_blocks):
            raise ValueError("skip_scale and skip_blocks come together; give both or neither")

    def settled(self, few: FewSteps | None = None) -> Self:
        """The same with numbers for ``steps`` and ``guidance``; settings of a few-step model are what it was made for.

        Raises ValueError where a setting is another than the one that the model has baked in.
        """
        if few is None:
            return replace(self, steps=self.step_count, guidance=self.scale)
        baked = {name: getattr(few, name) for name in BAKED}
        for each in fields(SamplerConfig):
            value, own = getattr(self, each.name), baked.get(each.name, each.default)
            if value not in (own, each.default):
                words = f"--{each.name.replace('_', '-')}"
                raise ValueError(
                    f"{words} {value}: this DiT was distilled to {few.steps} steps with guidance {few.guidance:g} in "
                    f"it, and takes no other; leave {words} out, or use the DiT that it was distilled from"
                )
        return replace(self, **baked)

    @property
    def step_count(self) -> int:
        """``steps``, or the default where they are open."""
        return USUAL_STEPS if self.steps is None else self.steps

    @property
    def scale(self) -> float:
        """``guidance``, or the default where it is open."""
        return USUAL_GUIDANCE if self.guidance is None else self.guidance

    @property
    def needs_unguided(self) -> bool:
        """Whether a guided pack is also run without guidance."""
        return bool(self.skip_scale) or self.interval != (0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class SampleConfig(SamplerConfig):
    """How videos are sampled."""

    frames: Annotated[Count, VIDEO] = 17
    """Frames; 1 + 4k for the embedded VAE. 1 makes an image."""
    fps: Annotated[Rate, VIDEO] = 8.0
    """Frames per second."""
