"""Training of the VAE: plain PyTorch, one process or DDP, every step a pure function of (config, step).

Posterior noise is derived from (seed, step) and batches from the loader's (epoch, step), so the state to
resume from is weights, optimiser, average and two counters, and a resumed run is bitwise the run that
never stopped.
"""

from __future__ import annotations

import ctypes
import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vae.checkpoint import STATE_NAME, load_state, save_state
from vae.config import TrainConfig, VAEConfig
from vae.conv import fold_space
from vae.data import TrainData, sample_clips
from vae.losses import vae_loss
from vae.model import VideoVAE
from vae.optimiser import MuonAdamW

log = logging.getLogger(__name__)

FREE = frozenset({"steps", "save_every", "log_every", "sheet_every"})
"""Settings that may change between a checkpoint and its resumption."""

LINEAR_RATE = 0.02
"""Share of the learning rate that the linear paths get: hundreds of inputs add up, and PCA is a good start."""

PCA_CLIPS = 256
"""Clips whose patches the linear paths start from."""

Report = Callable[[dict[str, Any]], None]


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
    seconds: float = 0.0
    """Wall time spent so far, over all resumptions."""


class TrainForward(nn.Module):
    """Encode, draw, decode as one ``forward``, which is what DistributedDataParallel wraps.

    ``extra`` (B,1,1,1,1) is the deviation of the noise added on top of the posterior's own.
    """

    def __init__(self, vae: VideoVAE, *, learn_encoder: bool = True) -> None:
        super().__init__()
        self.vae, self.learn_encoder = vae, learn_encoder

    def forward(self, x: Tensor, noise: Tensor, extra: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with torch.set_grad_enabled(self.learn_encoder and torch.is_grad_enabled()):
            posterior = self.vae.encode(x)
        z = posterior.mean + noise * (posterior.logvar.exp() + extra.square()).sqrt()
        return self.vae.decode(z), posterior.mean, posterior.logvar


def to_frames(batch: Any) -> Tensor:
    """uint8 (B,T,H,W,3) to float (B,3,T,H,W) in [-1,1]; memory stays channels-last."""
    return torch.as_tensor(batch).float().div_(127.5).sub_(1).permute(0, 4, 1, 2, 3)


def learning_rate(step: int, config: TrainConfig) -> float:
    """Linear warm-up, the peak, and a linear fall over the last ``decay_share`` of the steps."""
    rise = (step + 1) / max(1, config.warmup)
    fall = (config.steps - step) / max(1.0, config.decay_share * config.steps)
    return config.lr * min(1.0, rise, fall)


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
    optimiser = MuonAdamW(
        parameter_groups(vae), lr=config.lr, betas=config.betas, weight_decay=config.weight_decay
    )
    return RunState(vae=vae, ema=ema, optimiser=optimiser)


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
    count, total, square = 0, 0.0, 0.0
    for clip in clips:
        x = to_frames(clip[None]).permute(0, 2, 3, 4, 1)
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
            "model": state.vae.config.to_dict(),
            "config": asdict(config),
            "vae": state.vae.state_dict(),
            "ema": state.ema.state_dict(),
            "optimiser": state.optimiser.state_dict(),
            "step": state.step,
            "data": state.data,
            "skipped": state.skipped,
            "seconds": state.seconds,
        },
    )


def resume_run(state: RunState, config: TrainConfig, out: Path) -> bool:
    """Load ``out/state.pt`` into ``state`` if it is there; drop metric lines written after it."""
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
    state.step, state.skipped, state.seconds = saved["step"], saved["skipped"], saved["seconds"]
    state.data = saved["data"]
    metrics = out / "metrics.jsonl"
    if metrics.is_file():
        lines = metrics.read_text().splitlines(keepends=True)
        kept = [
            line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= state.step
        ]
        metrics.write_text("".join(kept))
    return True


def step_noise(shape: tuple[int, ...], config: TrainConfig, step: int) -> tuple[Tensor, Tensor]:
    """Noise of ``shape`` (B, per clip, C,T,H,W) for one global step, and each clip's extra deviation."""
    generator = torch.Generator().manual_seed((config.seed * 1_000_003 + step) % (1 << 62))
    noise = torch.randn(shape, generator=generator)
    draw = torch.rand((*shape[:2], 1, 1, 1, 1), generator=generator)
    return noise, config.latent_noise * (2 * draw - 1).clamp_min(0)


@torch.no_grad()
def update_ema(ema: VideoVAE, vae: VideoVAE, decay: float, step: int) -> None:
    """ema <- d * ema + (1 - d) * vae over what is trained, with d ramping up over the first steps."""
    d = min(decay, (1 + step) / (10 + step))
    pairs = zip(ema.parameters(), vae.parameters(), strict=True)
    averaged, current = zip(*((a, p.detach()) for a, p in pairs if p.requires_grad), strict=True)
    torch._foreach_mul_(averaged, d)
    torch._foreach_add_(averaged, current, alpha=1 - d)


def train_step(
    state: RunState,
    forward: nn.Module,
    frames: Tensor,
    config: TrainConfig,
    *,
    rank: int = 0,
    world: int = 1,
    bf16: bool = False,
) -> dict[str, float]:
    """One optimiser step on uint8 ``frames`` (B,T,H,W,3), this rank's share of the global step.

    A loss or gradient that is not finite changes neither weights nor optimiser nor average; the
    returned dict then has ``skipped`` 1.
    """
    x = to_frames(frames)
    cell = state.vae.latent_shape(*x.shape[2:])
    per_clip = len(x) * world // config.batch  # 1, or FRAMES_PER_CLIP on an image step
    draws = step_noise((config.batch, per_clip, *cell), config, state.step)
    noise, extra = (draw[rank::world].flatten(0, 1) for draw in draws)
    rate = learning_rate(state.step, config)
    for group in state.optimiser.param_groups:
        group["lr"] = rate * group["scale"]
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        recon, mean, logvar = forward(x, noise, extra)
    loss, parts = vae_loss(x, recon, mean, logvar, config.loss)
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(state.vae.parameters(), config.clip_norm)
    skipped = not bool(torch.isfinite(norm))
    if skipped:
        state.skipped += 1
        log.warning("step %d: gradient is not finite; step skipped", state.step)
    else:
        state.optimiser.step()
        update_ema(state.ema, state.vae, config.ema, state.step)
    state.step += 1
    row = {"loss": float(loss.detach()), **{k: float(v) for k, v in parts.items()}}
    return {**row, "grad_norm": float(norm), "lr": rate, "skipped": float(skipped)}


def train(
    model: VAEConfig,
    config: TrainConfig,
    data: TrainData,
    out: Path,
    *,
    init: VideoVAE | None = None,
    resume: bool = False,
    report: Report | None = None,
    on_sheet: Callable[[RunState], dict[str, Any]] | None = None,
    stop_at: int | None = None,
) -> RunState:
    """Train to ``config.steps`` (or ``stop_at``), leaving ``state.pt`` and ``metrics.jsonl`` in ``out``.

    With ``world`` > 1 a torch.distributed group must be up; rank 0 writes. ``on_sheet`` runs on rank 0
    every ``sheet_every`` steps and its result is logged. Weights start at ``init`` if it is given, else at PCA.
    """
    rank, world = data.rank, data.world
    keep_large_buffers()
    out.mkdir(parents=True, exist_ok=True)
    state = fresh_state(model, config, init)
    if resume and resume_run(state, config, out):
        data.seek(state.data or {})
    else:
        if init is None:
            clips = sample_clips(data.folder, data.view, PCA_CLIPS, seed=config.seed)
            start_from_pca(state.vae, clips)
        state.ema.load_state_dict(state.vae.state_dict())
        if rank == 0:
            (out / "metrics.jsonl").write_text("")
    forward: nn.Module = TrainForward(state.vae, learn_encoder=not config.decoder_only)
    if world > 1:
        forward = nn.parallel.DistributedDataParallel(forward)
    bf16 = config.bf16 if config.bf16 is not None else bf16_is_faster()
    sums: dict[str, float] = {}
    count, clips, mark = 0, 0, time.perf_counter()
    last = config.steps if stop_at is None else min(stop_at, config.steps)
    steps = iter(data)
    while state.step < last:
        batch = next(steps)
        row = train_step(state, forward, batch.frames, config, rank=rank, world=world, bf16=bf16)
        state.data = batch.data
        if row["skipped"]:
            write_metrics(
                out, rank, {"step": state.step, "skipped": True, "loss": repr(row["loss"])}
            )
        else:
            count += 1
            for key, value in row.items():
                sums[key] = sums.get(key, 0.0) + value
        clips += config.batch
        if state.step % config.log_every == 0 or state.step == last:
            now = time.perf_counter()
            state.seconds += now - mark
            line = {k: v / max(1, count) for k, v in sums.items() if k != "skipped"}
            line |= {
                "step": state.step,
                "clips_per_s": clips / (now - mark),
                "seconds": state.seconds,
            }
            write_metrics(out, rank, line)
            if report and rank == 0:
                report(line)
            sums, count, clips, mark = {}, 0, 0, now
        if rank == 0 and (state.step % config.save_every == 0 or state.step == last):
            save_run(state, config, out)
        if rank == 0 and on_sheet and state.step % config.sheet_every == 0 and state.step < last:
            write_metrics(out, rank, {"step": state.step, **on_sheet(state)})
    return state


def write_metrics(out: Path, rank: int, row: dict[str, Any]) -> None:
    """Append one line to ``metrics.jsonl`` (rank 0 only)."""
    if rank == 0:
        with open(out / "metrics.jsonl", "a") as file:
            file.write(json.dumps(row) + "\n")


def bf16_is_faster() -> bool:
    """Whether this CPU multiplies bfloat16 matrices clearly faster than float32; probed once."""

    def seconds(dtype: torch.dtype) -> float:
        a = torch.ones(512, 512, dtype=dtype)
        times = []
        for _ in range(6):
            start = time.perf_counter()
            a @ a
            times.append(time.perf_counter() - start)
        return min(times)

    return seconds(torch.bfloat16) < 0.7 * seconds(torch.float32)


def keep_large_buffers() -> None:
    """Ask glibc to reuse large buffers rather than return them to the kernel after every operation.

    Frame-sized tensors are above malloc's default mmap threshold, so each one is otherwise mapped, faulted
    in and unmapped again. Does nothing where there is no glibc.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD
    except (OSError, AttributeError):
        log.debug("no glibc mallopt here")
