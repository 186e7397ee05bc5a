"""What a training run consists of between two steps: weights, average, optimiser, counters; made, saved, resumed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pipeline.training.state import load_state, save_state, sync_metrics
from vae.adversary import Adversary
from vae.checkpoint import STATE_NAME
from vae.config import TrainConfig, VAEConfig
from vae.conv import fold_space
from vae.data import to_frames
from vae.model import VideoVAE
from vae.optimiser import MuonAdamW

FREE = frozenset({"steps", "save_every", "log_every", "sheet_every"})
"""Settings that may change between a checkpoint and its resumption."""

LINEAR_RATE = 0.02
"""Share of the learning rate that the linear paths get: hundreds of inputs add up, and PCA is a good start."""


@dataclass(kw_only=True)
class RunState:
    """What changes while training."""

    vae: VideoVAE
    ema: VideoVAE
    optimiser: torch.optim.Optimizer
    step: int = 0
    data: dict[str, Any] | None = None
    """Loader state after ``step``."""
    skipped: int = 0
    """Steps whose loss or gradient was not finite."""
    device: str = "cpu"
    """Where the weights are: ``cuda`` if there is one."""
    seconds: float = 0.0
    """Wall time spent so far, over all resumptions."""
    adversary: Adversary | None = None
    """The discriminator; None without an adversarial term."""


def fresh_state(model: VAEConfig, config: TrainConfig, init: VideoVAE | None = None) -> RunState:
    """Seeded weights (or those of ``init`` where they fit), their average, and an optimiser."""
    torch.manual_seed(config.seed)
    vae, ema = VideoVAE(model), VideoVAE(model)
    if init is not None:
        load_from(vae, init)
    elif config.decoder_only:
        raise ValueError("training only the decoder needs a VAE to start from")
    vae.encoder.requires_grad_(not config.decoder_only)
    ema.load_state_dict(vae.state_dict())
    ema.requires_grad_(False)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    vae, ema = vae.to(device), ema.to(device)
    optimiser = MuonAdamW(
        parameter_groups(vae), lr=config.lr, betas=config.betas, weight_decay=config.weight_decay
    )
    adversary = Adversary(lr=config.gan_lr, device=device) if config.loss.gan else None
    return RunState(vae=vae, ema=ema, optimiser=optimiser, device=device, adversary=adversary)


@torch.no_grad()
def load_from(vae: VideoVAE, init: VideoVAE) -> None:
    """Encoder and latent statistics of ``init``, exactly; its decoder too, or of it the linear path alone.

    A decoder of another size starts as the linear path of the old one, its network at zero.
    """
    missing = {**vae.encoder.state_dict()}.keys() ^ init.encoder.state_dict().keys()
    if missing or vae.config.latent_channels != init.config.latent_channels:
        raise ValueError(
            "the VAE to start from has another encoder; use the preset it was trained with"
        )
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


def parameter_groups(vae: VideoVAE) -> list[dict[str, Any]]:
    """Weights of hidden layers (matrices), of stems and heads, vectors, and the linear paths."""
    edges = ("stem", "head", "linear")
    named = [(name, name.split(".")[1], p) for name, p in vae.named_parameters() if p.requires_grad]
    hidden = [p for _, part, p in named if part not in edges and p.ndim > 1]
    outer = [p for _, part, p in named if part in edges[:2] and p.ndim > 1]
    vectors = [p for _, part, p in named if part != "linear" and p.ndim <= 1]
    linear = [p for _, part, p in named if part == "linear"]
    groups = [
        {"params": hidden, "scale": 1.0, "matrix": True},
        {"params": outer, "scale": 1.0},
        {"params": vectors, "scale": 1.0, "weight_decay": 0.0},
        {"params": linear, "scale": LINEAR_RATE, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


@torch.no_grad()
def start_from_pca(vae: VideoVAE, clips: list[Any]) -> None:
    """Set the linear paths to PCA over the patches of uint8 clips (T,H,W,3); a first frame counts as still video."""
    fold = vae.encoder.linear
    if fold is None:
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
    sync_metrics(out)
    save_state(
        out / STATE_NAME,
        {
            "model": state.vae.config.to_dict(),
            "config": asdict(config),
            "vae": state.vae.state_dict(),
            "ema": state.ema.state_dict(),
            "optimiser": state.optimiser.state_dict(),
            "adversary": state.adversary.state_dict() if state.adversary else None,
            "step": state.step,
            "data": state.data,
            "skipped": state.skipped,
            "seconds": state.seconds,
        },
    )


def resume_run(state: RunState, config: TrainConfig, out: Path) -> bool:
    """Load ``out/state.pt`` into ``state`` if it is there."""
    path = out / STATE_NAME
    if not path.is_file():
        return False
    saved = load_state(path)
    if VAEConfig.from_dict(json.loads(json.dumps(saved["model"]))) != state.vae.config:
        raise ValueError(
            f"{path} is of another VAE preset; resume with its own or use another --out"
        )
    differ = sorted(
        k for k, v in asdict(config).items() if saved["config"].get(k, v) != v and k not in FREE
    )
    if differ:
        raise ValueError(
            f"{path} was trained with other settings of {', '.join(differ)}; resume with the same ones"
        )
    state.vae.load_state_dict(saved["vae"])
    state.ema.load_state_dict(saved["ema"])
    state.optimiser.load_state_dict(saved["optimiser"])
    if state.adversary:
        state.adversary.load_state_dict(saved["adversary"])
    state.step, state.skipped, state.seconds = saved["step"], saved["skipped"], saved["seconds"]
    state.data = saved["data"]
    return True
