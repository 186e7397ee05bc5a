"""Time of a training step (forward, backward) beside diffusers' closest transformer: equal width, depth and tokens.

    python -m benchmarks.dit_step --rounds 5 [--preset S] [--device cuda --peak-tflops 989]

The peer is ``WanTransformer3DModel``: spacetime patches, 3D RoPE, normed queries and keys, cross-attention to text, one
shared network for the modulation. It takes batches of one shape, so both get the same clips of one shape: many short
ones, and one long one. Wan has no text refiner; ours runs without it, or with ``--refiner``. ``fp32`` is plain; in
``bf16`` Wan runs under autocast, as diffusers' training scripts do, and ours as it always does: float32 weights and
residual stream in both. Rounds in turn; processor time on CPUs, device time on CUDA; medians, of the ratios too. Exit
code 1 if a ratio is above 0.95.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dit.config import DiTConfig
from dit.model import DiT
from dit.packing import make_layout, patchify
from pipeline.openclip.torchvision_compat import prepare_torchvision

LIMIT = 0.95
TEXT = 32
"""Text tokens of a caption."""
CASES = {"32 clips of 80 tokens": ((5, 8, 8), 32), "1 clip of 2,560 tokens": ((10, 32, 32), 1)}


def wan(config: DiTConfig, **options: object) -> nn.Module:
    """The peer, of the same width, depth, heads and MLP; ``options`` are more of its own."""
    prepare_torchvision()
    from diffusers import WanTransformer3DModel

    return WanTransformer3DModel(
        patch_size=config.patch,
        num_attention_heads=config.heads,
        attention_head_dim=config.head_dim,
        in_channels=config.latent_channels,
        out_channels=config.latent_channels,
        text_dim=config.text_dim,
        ffn_dim=config.mlp_ratio * config.width,
        num_layers=config.depth,
        **options,
    )


def flops(config: DiTConfig, shape: tuple[int, int, int], clips: int) -> float:
    """Multiplications and additions of the matrix products of ``DiT``'s step: three times those of its forward pass."""
    tokens = shape[0] * shape[1] * shape[2] // 4
    w, m = config.width, config.mlp_ratio
    block = tokens * (4 + 2 * m + 2) * w * w + TEXT * 2 * w * w
    block += 2 * tokens * w * (tokens + TEXT)
    refiner = config.refiner_depth * (TEXT * 8 * w * w + 2 * TEXT * TEXT * w)
    ends = 2 * tokens * config.token_dim * w + TEXT * config.text_dim * w
    return 6.0 * clips * (config.depth * block + refiner + ends)


def steps(
    config: DiTConfig, shape: tuple[int, int, int], clips: int, dtype: torch.dtype, device: str
) -> dict[str, Callable[[], None]]:
    """One step of either model on the same clips."""
    torch.manual_seed(0)
    latents = torch.randn(clips, config.latent_channels, *shape, device=device)
    text = torch.randn(clips, TEXT, config.text_dim, device=device)
    t = torch.rand(clips, device=device)
    layout = make_layout(
        [shape] * clips, list(text.cpu()), patch=config.patch, text_dim=config.text_dim
    ).to(device)
    tokens = torch.cat([patchify(z, config.patch) for z in latents])
    levels = t[layout.clip]
    ours, peer = DiT(config).to(device).set_compute(dtype), wan(config).to(device)
    for (
        parameter
    ) in ours.parameters():  # at zero, gates would leave the gradients of the blocks at zero
        if not parameter.any():
            nn.init.normal_(parameter, std=0.02)

    def step_ours() -> None:
        ours(tokens, levels, layout).square().mean().backward()
        ours.zero_grad()

    def step_peer() -> None:
        cast = torch.autocast(device, dtype) if dtype != torch.float32 else contextlib.nullcontext()
        with cast:
            out = peer(latents, 1000 * t, text, return_dict=False)[0]
        out.float().square().mean().backward()
        peer.zero_grad()

    return {"filmstock": step_ours, "diffusers": step_peer}


def seconds(step: Callable[[], None], device: str) -> float:
    """Processor seconds of a step, or seconds of the device."""
    if device == "cuda":
        torch.cuda.synchronize()
        start = time.perf_counter()
        step()
        torch.cuda.synchronize()
        return time.perf_counter() - start
    start = time.process_time()
    step()
    return time.process_time() - start


def main() -> int:
    """Time both, print a table, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--refiner", action="store_true", help="time ours with its text refiner")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--formats", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--peak-tflops", type=float, help="of the device in bf16, for its MFU")
    options = parser.parse_args()
    if options.device == "cpu":
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    config = DiTConfig.preset(options.preset)
    if not options.refiner:
        config = dataclasses.replace(config, refiner_depth=0)
    worst = 0.0
    print(f"{'':>24} {'':>5} {'filmstock':>10} {'diffusers':>10} {'ratio':>6}")
    for case, (shape, clips) in CASES.items():
        for name in options.formats:
            dtype = torch.bfloat16 if name == "bf16" else torch.float32
            both = steps(config, shape, clips, dtype, options.device)
            for step in both.values():
                step()
            times: dict[str, list[float]] = {model: [] for model in both}
            for _ in range(options.rounds):
                for model, step in both.items():
                    times[model].append(seconds(step, options.device))
            ours, peer = (statistics.median(times[model]) for model in both)
            ratio = statistics.median(
                a / b for a, b in zip(times["filmstock"], times["diffusers"], strict=True)
            )
            worst = max(worst, ratio)
            line = f"{case:>24} {name:>5} {ours:>9.3f}s {peer:>9.3f}s {ratio:>6.2f}"
            if options.peak_tflops:
                rates = [
                    flops(config, shape, clips) / s / options.peak_tflops / 1e12
                    for s in (ours, peer)
                ]
                line += f"  MFU {rates[0]:.1%} and {rates[1]:.1%}"
            print(line, flush=True)
    print(f"worst ratio {worst:.2f} (limit {LIMIT})")
    return 0 if worst <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
