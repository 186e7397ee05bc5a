"""Shape of the transformer and of its training run: two frozen dataclasses and the named sizes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

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

ATTENTIONS = ("full", "factorised")
PATHS = ("flow", "vp")


@dataclass(frozen=True, kw_only=True)
class DiTConfig:
    """Everything that fixes the parameters of a ``DiT``."""

    width: int = 192
    """Channels of the residual stream."""
    depth: int = 6
    """Transformer blocks."""
    heads: int = 4
    """Attention heads; ``width / heads`` must be even."""
    mlp_ratio: int = 3
    """Hidden width of the MLPs over ``width``."""
    refiner_depth: int = 1
    """Blocks of the small transformer that text tokens pass through."""
    latent_channels: int = 8
    """Channels of the VAE's latents."""
    text_dim: int = 192
    """Channels of the text encoder's token features."""
    patch: tuple[int, int, int] = (1, 2, 2)
    """Latent frames, rows and columns of one token."""
    rope_theta: float = 100.0
    """Longest rotary wavelength over 2 pi, in tokens along an axis."""
    attention: str = "full"
    """``full`` attention over all tokens of a clip, or ``factorised``: within each frame, then along time."""
    head_gate: bool = False
    """Let every token scale the output of each self-attention head by a learned factor (adaptive attention)."""
    path: str = "flow"
    """From data to noise: ``flow`` (rectified, predicts velocity) or ``vp`` (DDPM, predicts noise)."""

    def __post_init__(self) -> None:
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ValueError(
                f"DiTConfig: width {self.width} over {self.heads} heads gives no even head size; "
                "choose heads so that width / heads is an even integer"
            )
        if self.head_dim < 6:
            raise ValueError(
                f"DiTConfig: head size {self.head_dim} is below 6, too small for 3D RoPE"
            )
        for name, value, known in (
            ("attention", self.attention, ATTENTIONS),
            ("path", self.path, PATHS),
        ):
            if value not in known:
                raise ValueError(
                    f"DiTConfig: {name} {value!r} is unknown; use one of {', '.join(known)}"
                )

    @property
    def head_dim(self) -> int:
        """Channels of one attention head."""
        return self.width // self.heads

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
        return cls(**{**data, "patch": tuple(data.get("patch", (1, 2, 2)))})


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run; together with the data it determines every weight."""

    steps: int = 2000
    """Optimiser steps; ignored when ``minutes`` is set."""
    minutes: float | None = None
    """Wall-clock budget, minutes; the rate decays over the last ``decay_share`` of it. Not bitwise repeatable."""
    tokens_per_pack: int = 2560
    """Latent tokens in one forward and backward pass."""
    packs_per_step: int = 1
    """Packs whose gradients are summed into one optimiser step, over all workers."""
    lr: float = 2e-3
    """Peak learning rate."""
    optimizer: str = "muon"
    """``muon`` (matrices by Muon, the rest by AdamW) or ``adamw``."""
    weight_decay: float = 0.01
    """Decoupled decay of matrices, per unit of learning rate."""
    warmup_steps: int = 100
    """Steps of linear warm-up."""
    decay_share: float = 0.4
    """Last share of the run over which the rate falls linearly to zero."""
    grad_clip: float = 1.0
    """Largest gradient norm of a step."""
    ema_decay: float = 0.999
    """Limit of the moving average's decay; it warms up as (1 + n) / (10 + n)."""
    shift: float = 1.5
    """Timestep shift alpha: logit t moves up by ln(alpha), towards noise."""
    condition_share: float = 0.1
    """Share of videos trained with some latent frames given clean (image-to-video, extension)."""
    loss_unit: str = "token"
    """What counts equally in the loss: every supervised ``token`` of a step, or every ``clip``."""
    local_share: float = 0.0
    """Share of a clip's loss that counts its first ``local_frames`` latent frames alone; 0.4 leaves 0.6 for all."""
    local_frames: int = 1
    """Latent frames that ``local_share`` counts."""
    precision: str = "auto"
    """Matrix products in ``fp32``, ``bf16``, or ``auto``: whichever a probe finds faster on this machine."""
    lora_rank: int = 0
    """Rank of low-rank adapters, which are trained in place of the weights; 0 trains the weights."""
    lora_alpha: int = 16
    """Adapters are scaled by this over their rank."""
    fsdp: bool = False
    """Spread weights, gradients and optimiser over the processes (FSDP2)."""
    compile: bool = False
    """Compile the blocks with torch.compile."""
    deterministic: bool = True
    """On a GPU use kernels whose sums are the same bits every time, so that a resumed run ends in the same weights;
    False is faster where attention takes most of the time (``benchmarks/gpu.py`` says by how much)."""
    recompute: bool = False
    """Gradient checkpointing: keep only what enters each block and compute the rest again in the backward pass."""
    seed: int = 0
    """Seed of initial weights, noise, timesteps, dropout and data order."""
    checkpoint_every: int = 500
    """Steps between checkpoints."""
    eval_every: int = 250
    """Steps between held-out losses."""
    sample_every: int = 1000
    """Steps between contact sheets of samples; 0 is never."""
    log_every: int = 10
    """Steps between lines of metrics."""


@dataclass(frozen=True, kw_only=True)
class SampleConfig:
    """How videos are sampled."""

    frames: int = 17
    """Frames; 1 + 4k for the embedded VAE. 1 makes an image."""
    fps: float = 8.0
    """Frames per second."""
    steps: int = 30
    """Sampling steps."""
    guidance: float = 4.0
    """How strongly the caption is followed; 1 is no guidance."""
    rule: str = "cfg"
    """Guidance rule: cfg, cfg-zero or apg."""
    solver: str = "euler"
    """Solver: euler, or heun (twice the work per step)."""
    shift: float = 2.0
    """Timestep shift; above 1 spends more steps on noisy levels."""
