"""Every part that runs on a GPU, on a fake one: no operation mixes devices, and the host waits for no number."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from benchmarks.fake_gpu import fake_gpu, on_fake_gpu, there
from benchmarks.gpu_checks import GRIDS, packs
from dit.conditioning import given_frames, given_latents
from dit.config import DiTConfig, SamplerConfig, TrainConfig
from dit.guided import GUIDANCES, guided_velocity, plan_pack
from dit.model import DiT
from dit.samplers import solve
from dit.solvers import SOLVERS
from dit.train.feed import make_ready
from dit.train.heldout import held_out_losses
from dit.train.loop import gradients
from dit.train.optim import make_optimizer
from dit.train.run import start_run

FEW = GRIDS[:4]
"""Clips of a pack: three sizes, one of them twice, and one clip without a caption."""
TINY = DiTConfig(width=48, depth=1, heads=2, refiner_depth=1, latent_channels=4, text_dim=16)
"""One block: a fake operation takes a millisecond or more, and every block does the same."""


def step(
    config: DiTConfig = TINY, *, precision: str = "fp32", recompute: bool = False, lora: int = 0
) -> None:
    """A training step: packs, loss, backward pass, clipped gradients, optimizer, average."""
    settings = TrainConfig(
        precision=precision,
        recompute=recompute,
        condition_share=0.5,
        lora_rank=lora,
        optimizer="adamw",
    )
    data: Any = packs(config, 1, FEW)
    run = start_run(config, settings, data)
    run.model.checkpoint_blocks = recompute
    ready = make_ready(data, config, settings, run.cursor, 0)
    total = sum(batch.total for batch in ready.batches)
    with fake_gpu() as device:
        for model in (run.model, run.ema.model):
            on_fake_gpu(model)
        run.device = device
        run.optimizer = make_optimizer(run.model, settings)
        ready = replace(ready, batches=[there(batch, device) for batch in ready.batches])
        numbers = gradients(run, settings, ready, total)
        assert numbers.device.type == device.type
        run.optimizer.step(1e-3)
        run.ema.update(run.model)


def held_out() -> None:
    """Losses of held-out clips, up to where they are read."""
    settings = TrainConfig()
    data: Any = packs(TINY, 1, FEW)
    run = start_run(TINY, settings, data)
    (batch,) = make_ready(data, TINY, settings, run.cursor, 0).batches
    with fake_gpu() as device:
        on_fake_gpu(run.ema.model)
        assert held_out_losses(run.ema.model, there(batch, device)).device.type == device.type


def sampling(rule: str, solver: str, config: DiTConfig = TINY) -> None:
    """Guided sampling of clips of two sizes, one from a given frame, one without a caption."""
    model = DiT(config)
    plan = plan_pack(
        config,
        [(3, 4, 6), (1, 8, 8)],
        [torch.randn(7, config.text_dim), None],
        conditions=[given_latents(torch.randn(4, 3, 4, 6), given_frames(3, "first")), None],
    )
    with fake_gpu() as device, torch.no_grad():
        on_fake_gpu(model)
        plan = there(plan, device)
        out = solve(
            guided_velocity(model, plan, SamplerConfig(rule=rule)), plan, [1.0, 0.6, 0.0], solver
        )
        assert out.device.type == device.type


def vae(preset: str) -> None:
    """Encode and decode, whole, in tiles and as a stream."""
    from vae.config import VAEConfig
    from vae.model import VideoVAE
    from vae.tiling import Tiling, decode_tiled, encode_tiled

    model, tiles = VideoVAE(VAEConfig.preset(preset)), Tiling(tile=64, overlap=16)
    with fake_gpu() as device, torch.no_grad():
        on_fake_gpu(model)
        z = model.encode(torch.empty(1, 3, 5, 64, 64, device=device)).mean
        large = encode_tiled(
            model, torch.empty(1, 3, 5, 64, 112, device=device), tiles
        ).mean  # one above, two side by side
        outs = [model.decode(z), decode_tiled(model, large, tiles), *model.decode_stream([z])]
        assert {out.device.type for out in outs} == {device.type}


def vae_step() -> None:
    """A training step of the VAE, up to where its numbers are read."""
    from vae.config import LossConfig, VAEConfig
    from vae.losses import vae_loss
    from vae.model import VideoVAE
    from vae.train import TrainForward

    model = VideoVAE(VAEConfig.preset("tiny"))
    with fake_gpu() as device:
        on_fake_gpu(model)
        x = torch.empty(2, 3, 5, 32, 32, device=device)
        noise = torch.empty(2, *model.latent_shape(5, 32, 32), device=device)
        recon, mean, logvar = TrainForward(model)(
            x, noise, torch.empty(2, 1, 1, 1, 1, device=device)
        )
        vae_loss(x, recon, mean, logvar, LossConfig())[0].backward()


def noticed() -> None:
    """What should be noticed is: operations on two devices, and reads by the host."""
    with fake_gpu() as device:
        x = torch.empty(3, 4, device=device)
        reads: list[Callable[[], Any]] = [
            lambda: x + torch.empty(3, 4),
            lambda: float(x.sum()),
            lambda: x.tolist(),
            lambda: x[x > 0],
            lambda: x.nonzero(),
        ]
        for number, read in enumerate(reads):
            try:
                read()
            except Exception:  # noqa: BLE001 - torch raises a kind of its own for each
                continue
            raise AssertionError(f"read {number} passed unnoticed")


def clip_embedding() -> None:
    """The embedded CLIP's images and texts."""
    from pipeline.openclip.model import load_openclip

    clip = load_openclip("embedded")
    images = torch.stack([clip.preprocess(_picture()) for _ in range(2)])
    ids = clip.tokenizer(["a red circle moves left."], context_length=clip.context_length)
    with fake_gpu() as device, torch.no_grad():
        on_fake_gpu(clip.model)
        outs = [
            clip.model.encode_image(there(images, device), normalize=True),
            clip.model.encode_text(there(ids, device), normalize=True),
        ]
        assert {out.device.type for out in outs} == {device.type}


def _picture() -> Any:
    from PIL import Image

    return Image.fromarray(np.zeros((64, 64, 3), np.uint8))


def parts() -> Iterator[tuple[str, Callable[[], None]]]:
    """(name, what to run) of every part."""
    yield "mixed devices and reads are noticed", noticed
    yield "training step, fp32", step
    yield "training step, bf16", lambda: step(precision="bf16")
    yield "training step, bf16, recompute", lambda: step(precision="bf16", recompute=True)
    yield (
        "training step, factorised attention",
        lambda: step(
            replace(TINY, attention="factorised", depth=2)  # one block in space, one in time
        ),
    )
    yield "training step, gated heads", lambda: step(replace(TINY, head_gate=True))
    yield "training step, LoRA", lambda: step(lora=2)
    yield "held-out losses", held_out
    for rule, solver in turns(GUIDANCES, list(SOLVERS)):
        yield f"sampling, {rule}, {solver}", lambda r=rule, s=solver: sampling(r, s)
    for preset in ("tiny", "4x8x8", "4x16x16"):
        yield f"VAE {preset}: encode, decode, tiles", lambda p=preset: vae(p)
    yield "VAE training step", vae_step
    yield "CLIP images and texts", clip_embedding


def turns(ours: Sequence[str], theirs: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs in which each name of both is once at least: a rule knows nothing of the solver around it."""
    most = range(max(len(ours), len(theirs)))
    return [(ours[i % len(ours)], theirs[i % len(theirs)]) for i in most]


def main() -> int:
    """Run every part; one line each, exit code 1 when one mixes devices or waits."""
    bad = 0
    for name, run in parts():
        began = time.monotonic()
        try:
            run()
        except Exception as problem:  # noqa: BLE001 - each is a line, and the next part still runs
            bad += 1
            first = (str(problem).splitlines() or [""])[0]
            print(f"  FAIL {name}: {type(problem).__name__}: {first}")
            continue
        print(f"  ok   {name} ({time.monotonic() - began:.1f} s)")
    return 1 if bad else 0
