"""Is training on this GPU right? Parity with the CPU, the same bits twice, a resume that ends in the same weights."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu_data import MemoryPacks, clip
from dit.conditioning import given_frames, given_latents
from dit.config import DiTConfig, SamplerConfig, TrainConfig
from dit.model import DiT
from dit.samplers import generate
from dit.train.feed import make_ready
from dit.train.loop import gradients, train, train_step
from dit.train.run import start_run
from pipeline.training.device import same_bits as fixed_order

SMALL = DiTConfig(
    width=192, depth=4, heads=4, refiner_depth=1, latent_channels=8, text_dim=64, head_gate=True
)
VARIANTS = {
    "full": SMALL,
    "factorised": DiTConfig(**{**vars(SMALL), "attention": "factorised"}),
    "vp path": DiTConfig(**{**vars(SMALL), "path": "vp"}),
}
GRIDS = [(5, 4, 6), (1, 8, 8), (3, 5, 7), (5, 4, 6), (2, 3, 3), (4, 6, 4), (3, 2, 9)]


def packs(
    config: DiTConfig, count: int = 4, grids: Sequence[tuple[int, int, int]] = GRIDS
) -> MemoryPacks:
    """Ragged packs: clips of several sizes, one without a caption."""
    made = [
        [
            clip(100 * n + i, grid, config, words=0 if i == 2 else 5 + 3 * i)
            for i, grid in enumerate(grids)
        ]
        for n in range(count)
    ]
    return MemoryPacks(made, config, budget=1024)


def awake(config: DiTConfig) -> DiT:
    """A model whose zero-initialised layers are random, so that every path matters."""
    torch.manual_seed(0)
    model = DiT(config)
    for parameter in model.parameters():
        if parameter.abs().max() == 0:
            torch.nn.init.normal_(parameter, std=0.2)
    return model


def error(ours: torch.Tensor, truth: torch.Tensor) -> float:
    """Norm of the difference over the norm of ``truth``."""
    ours, truth = ours.double().cpu(), truth.double().cpu()
    return float((ours - truth).norm() / truth.norm().clamp(min=1e-30))


def step_of(config: DiTConfig, device: str, dtype: str, optimizer: str = "muon") -> dict[str, Any]:
    """Loss, gradients and the weights after one training step."""
    settings = TrainConfig(precision=dtype, optimizer=optimizer, steps=4, condition_share=0.5)
    data = packs(config)
    run = start_run(
        config,
        settings,
        data,  # type: ignore[arg-type]
        initial=awake(config).state_dict(),
        device=torch.device(device),
    )
    ready = make_ready(data, config, settings, run.cursor, 0)  # type: ignore[arg-type]
    total = sum(batch.total for batch in ready.batches)
    there = gradients(run, settings, ready, total)
    grads = torch.cat([p.grad.flatten() for p in run.model.parameters()]).clone()
    run.optimizer.zero_grad()
    train_step(run, settings, data)  # type: ignore[arg-type]
    after = torch.cat([p.detach().flatten() for p in run.model.parameters()])
    return {
        "loss": there[:1].clone(),
        "norm": there[1:].clone(),
        "gradients": grads,
        "weights": after,
    }


def parity(device: str) -> list[tuple[str, float, float]]:
    """(what, error, bound) of a training step and of sampling, against the CPU in fp32."""
    rows = []
    for name, config in VARIANTS.items():
        truth = step_of(config, "cpu", "fp32")
        for dtype, bound in (("fp32", 2e-4), ("bf16", 6e-2)):
            ours = step_of(config, device, dtype)
            rows += [
                (f"{name}, {dtype}: {what}", error(ours[what], truth[what]), bound)
                for what in truth
            ]
    model = awake(SMALL).eval()
    texts = [torch.randn(9, SMALL.text_dim), None, torch.randn(4, SMALL.text_dim)]
    shapes = [(5, 8, 12), (1, 8, 8), (5, 8, 12)]
    given = given_latents(torch.randn(8, 5, 8, 12), given_frames(5, "first"))
    conditions = [given, None, None]
    for rule in ("cfg", "cfg-zero", "apg"):
        config = SamplerConfig(steps=6, rule=rule)
        truth = generate(model.cpu(), shapes, texts, config, conditions=conditions)
        there = copy.deepcopy(model).to(device)
        for graph in (False, True):
            ours = generate(there, shapes, texts, config, conditions=conditions, cuda_graph=graph)
            worst = max(error(a, b) for a, b in zip(ours, truth, strict=True))
            rows.append((f"sampling, {rule}{', CUDA graph' if graph else ''}", worst, 1e-3))
    return rows


def same_bits(device: str, *, deterministic: bool = True) -> list[tuple[str, bool]]:
    """Whether gradients come out the same twice, and a killed and resumed run like one that was not."""
    rows = []
    for dtype in ("fp32", "bf16"):
        for name, config in VARIANTS.items():
            with fixed_order(torch.device(device), deterministic):
                first, second = (step_of(config, device, dtype) for _ in range(2))
            same = all(torch.equal(first[what], second[what]) for what in first)
            rows.append((f"{name}, {dtype}: a step twice", same))
    with tempfile.TemporaryDirectory() as folder:
        for dtype in ("fp32", "bf16"):
            settings = TrainConfig(
                precision=dtype,
                steps=6,
                checkpoint_every=3,
                sample_every=0,
                log_every=2,
                condition_share=0.5,
                deterministic=deterministic,
            )
            outs = [Path(folder) / f"{dtype}-{name}" for name in ("whole", "cut")]
            there = {"device": torch.device(device)}
            train(SMALL, settings, packs(SMALL), outs[0], **there)  # type: ignore[arg-type]
            train(SMALL, settings, packs(SMALL), outs[1], stop_after=4, **there)  # type: ignore[arg-type]
            train(SMALL, settings, packs(SMALL), outs[1], resume=True, **there)  # type: ignore[arg-type]
            one, two = ((out / "dit.safetensors").read_bytes() for out in outs)
            # the files also note seconds: compare the weights behind the header
            rows.append((f"{dtype}: resumed run", weights_of(one) == weights_of(two)))
    return rows


def weights_of(file: bytes) -> bytes:
    """Bytes of the tensors of a safetensors file."""
    return file[8 + int.from_bytes(file[:8], "little") :]
