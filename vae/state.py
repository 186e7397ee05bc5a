"""What a training run consists of between two steps: weights, average, optimizer, counters; made, saved, resumed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pipeline.training.compute import compute_dtype
from pipeline.training.device import pick_device
from pipeline.training.ema import Ema
from pipeline.training.optim import Group, Optimizer
from pipeline.training.state import load_state, save_state
from vae.adversary import Adversary
from vae.config import TrainConfig, VAEConfig
from vae.conv import fold_space
from vae.data import to_frames
from vae.files import STATE_NAME
from vae.foreign import AnyConfig, AnyVAE, ForeignVAE
from vae.model import VideoVAE
from vae.refusals import check_start, refuse_other

LINEAR_RATE = 0.02
"""Share of the learning rate that the linear paths get: hundreds of inputs add up, and PCA is a good start."""


@dataclass(kw_only=True)
class RunState:
    """What changes while training."""

    vae: AnyVAE
    ema: Ema
    """Averaged weights: what is saved and evaluated is ``ema.model``."""
    optimizer: Optimizer
    compute: torch.dtype
    """Number format of the matrix products."""
    step: int = 0
    data: dict[str, Any] | None = None
    """Loader state after ``step``."""
    skipped: int = 0
    """Steps whose loss or gradient was not finite."""
    device: str = "cpu"
    """Where the weights are."""
    seconds: float = 0.0
    """Wall time spent so far, over all resumptions."""
    adversary: Adversary | None = None
    """The discriminator; None without an adversarial term."""
    started_from: str = ""
    """Id of the VAE that the run began with; empty for random weights."""
    sums: dict[str, float] = field(default_factory=dict)
    """Sums of the figures since the last line of metrics: a line may span a kill."""
    summed: int = 0
    """Steps that ``sums`` are of."""


def fresh_state(
    model: AnyConfig, config: TrainConfig, init: AnyVAE | None = None, device: str = "auto"
) -> RunState:
    """Seeded weights (or those of ``init`` where they fit) on a device, their average, and an optimizer."""
    torch.manual_seed(config.seed)
    device = str(pick_device(device))
    vae: AnyVAE
    if isinstance(init, ForeignVAE):
        if not config.decoder_only:
            raise ValueError(f"of a {init.config.name}, only the decoder can be trained")
        vae = init.to(device)
    else:
        vae = own_start(model, config, init).to(device)
    adversary = Adversary(lr=config.loss.gan_lr, device=device) if config.loss.gan else None
    return RunState(
        vae=vae,
        ema=Ema(vae, config.ema_decay),
        optimizer=Optimizer(parameter_groups(vae, config), optimizer=config.optimizer),
        compute=compute_of(vae, config.precision, device),
        device=device,
        adversary=adversary,
        started_from=init.id if init is not None else "",
    )


def compute_of(vae: AnyVAE, precision: str, device: str) -> torch.dtype:
    """The number format of a training. Layers of diffusers stay in float32 on a CPU, unless another is asked for: in
    bfloat16 their backward pass ended there in a corrupted heap (torch 2.13, AMX)."""
    if isinstance(vae, ForeignVAE) and precision == "auto" and device == "cpu":
        return torch.float32
    return compute_dtype(precision, device)


def own_start(model: AnyConfig, config: TrainConfig, init: VideoVAE | None) -> VideoVAE:
    """A VAE of ours: random weights, or those of ``init`` where they fit."""
    if not isinstance(model, VAEConfig):
        raise ValueError(f"a {model.name} needs a VAE to start from")
    vae = VideoVAE(model)
    if init is not None:
        check_start(model, init.config)
        load_from(vae, init)
    elif config.decoder_only:
        raise ValueError("training only the decoder needs a VAE to start from")
    vae.encoder.requires_grad_(not config.decoder_only)
    return vae


@torch.no_grad()
def load_from(vae: VideoVAE, init: VideoVAE) -> None:
    """Encoder and latent statistics of ``init``, exactly; its decoder too, or of it the linear path alone.

    A decoder of another size starts as the linear path of the old one, its network at zero.
    """
    vae.encoder.load_state_dict(init.encoder.state_dict())
    vae.latent_mean.copy_(init.latent_mean)
    vae.latent_std.copy_(init.latent_std)
    old, new = init.decoder.state_dict(), vae.decoder.state_dict()
    if all(name in old and old[name].shape == value.shape for name, value in new.items()):
        vae.decoder.load_state_dict(old)
    elif vae.decoder.linear is not None and init.decoder.linear is not None:
        vae.decoder.linear.load_state_dict(init.decoder.linear.state_dict())
        nn.init.zeros_(vae.decoder.head.weight)
        nn.init.zeros_(vae.decoder.head.bias)


def parameter_groups(vae: AnyVAE, config: TrainConfig) -> list[Group]:
    """Weights of hidden layers, of stems and heads, vectors, and the linear paths."""
    if isinstance(vae, ForeignVAE):
        return vae.groups(config.weight_decay)
    edges = ("stem", "head", "linear")
    named = [(name.split(".")[1], p) for name, p in vae.named_parameters() if p.requires_grad]
    decay = config.weight_decay
    return [
        Group(
            params=[p for part, p in named if part not in edges and p.ndim > 1],
            hidden=True,
            weight_decay=decay,
        ),
        Group(
            params=[p for part, p in named if part in edges[:2] and p.ndim > 1], weight_decay=decay
        ),
        Group(params=[p for part, p in named if part != "linear" and p.ndim <= 1]),
        Group(params=[p for part, p in named if part == "linear"], lr_scale=LINEAR_RATE),
    ]


@torch.no_grad()
def start_from_pca(vae: AnyVAE, clips: list[Any]) -> None:
    """Set the linear paths to PCA over the patches of uint8 clips (T,H,W,3); a first frame counts as still video."""
    if isinstance(vae, ForeignVAE) or (fold := vae.encoder.linear) is None:
        return
    size = fold.project.in_features
    device = vae.latent_mean.device
    count = 0
    total = torch.zeros(size, dtype=torch.float64, device=device)
    square = torch.zeros(size, size, dtype=torch.float64, device=device)
    for clip in clips:
        x = to_frames(clip[None]).to(device).permute(0, 2, 3, 4, 1)
        patches = fold_space(fold.fold_time(x), fold.s).flatten(0, 3).double()
        count, total = count + len(patches), total + patches.sum(0)
        square = square + patches.T @ patches
    mean = total / count
    values, vectors = torch.linalg.eigh(square / count - torch.outer(mean, mean))
    keep = list(range(len(values) - 1, len(values) - 1 - vae.config.latent_channels, -1))
    std = values[keep].clamp_min(1e-8).sqrt()
    vae.start_linear_path(mean.float(), vectors[:, keep].T.float(), std.float())


def save_run(state: RunState, config: TrainConfig, out: Path) -> None:
    """Everything needed to go on, in one atomic file."""
    save_state(
        out / STATE_NAME,
        {
            "model_config": state.vae.config.to_dict(),
            "train_config": asdict(config),
            "model": state.vae.state_dict(),
            "ema": {"weights": state.ema.model.state_dict(), "updates": state.ema.updates},
            "optimizer": state.optimizer.state_dict(),
            "adversary": state.adversary.state_dict() if state.adversary else None,
            "compute": str(state.compute)[6:],
            "step": state.step,
            "data": state.data,
            "skipped": state.skipped,
            "seconds": state.seconds,
            "started_from": state.started_from,
            "sums": dict(state.sums),
            "summed": state.summed,
        },
    )


def read_state(out: Path, model: AnyConfig, config: TrainConfig) -> dict[str, Any] | None:
    """The checkpoint in ``out``, None where there is none; ValueError when it is of another model or other settings."""
    path = out / STATE_NAME
    if not path.is_file():
        return None
    saved = load_state(path)
    refuse_other(saved, model, config, path=path)
    return saved


def resume_run(state: RunState, saved: dict[str, Any]) -> None:
    """Put a checkpoint of ``read_state`` into ``state``."""
    state.vae.load_state_dict(saved["model"])
    state.ema.model.load_state_dict(saved["ema"]["weights"])
    state.ema.updates = int(saved["ema"]["updates"])
    state.optimizer.load_state_dict(saved["optimizer"])
    if state.adversary:
        state.adversary.load_state_dict(saved["adversary"])
    state.compute = getattr(torch, saved["compute"])
    state.step, state.skipped, state.seconds = saved["step"], saved["skipped"], saved["seconds"]
    state.data, state.started_from = saved["data"], saved["started_from"]
    state.sums, state.summed = dict(saved["sums"]), saved["summed"]
