"""How fast is it on this GPU? Training steps by size and clip length, the peer at equal size, VAE, sampling."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from benchmarks.dit_step import wan
from benchmarks.gpu_data import MemoryPacks, clip, grid_of
from dit.config import DiTConfig, TrainConfig
from dit.costs import flops_of
from dit.model import DiT
from dit.samplers import generate
from dit.train.feed import make_ready
from dit.train.loop import gradients
from dit.train.run import start_run
from pipeline.training.device import same_bits

WORDS, TEXT_DIM, CHANNELS = 256, 4096, 16
"""Text tokens of a clip, their width, and channels of its latents: those of a large text encoder and a 4x8x8 VAE."""
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "4090": 165e12}
"""Dense bf16 products a second by the makers' data sheets."""


@dataclass(frozen=True, kw_only=True)
class Speed:
    """A training step, timed."""

    seconds: float
    """Of one step: forwards, backwards, optimiser, average."""
    tokens: int
    """Latent tokens of it."""
    flops: float
    """Arithmetic that the model needs (what is computed again in the backward pass does not count)."""
    memory: int
    """Most bytes allocated."""


def peak() -> float:
    """Dense bf16 FLOP/s of this GPU, or 0 when its data sheet is not known here."""
    name = torch.cuda.get_device_name()
    return next((value for key, value in PEAKS.items() if key in name), 0.0)


def free() -> None:
    """Give the GPU's memory back."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()


def seconds_of(function: Callable[[], Any], *, warm: int = 2, most: float = 6.0) -> float:
    """Median seconds of a call, by CUDA events; about ``most`` seconds of calls, three at least."""
    for _ in range(warm):
        function()
    torch.cuda.synchronize()
    times: list[float] = []
    began = time.monotonic()
    while len(times) < 3 or (time.monotonic() - began < most and len(times) < 20):
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        function()
        stop.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(stop) / 1e3)
    return statistics.median(times)


def size(name: str, **changes: Any) -> DiTConfig:
    """A preset at the channels and text width that large models have."""
    return DiTConfig.preset(name, latent_channels=CHANNELS, text_dim=TEXT_DIM, **changes)


def train_speed(
    config: DiTConfig,
    tokens: int,
    *,
    recompute: bool = False,
    deterministic: bool = False,
    optimizer: str = "adamw",
    seconds: float = 6.0,
    profile: bool = False,
) -> Speed:
    """A step on one clip of ``tokens`` tokens, its pack made before; raises torch's out-of-memory error."""
    free()
    settings = TrainConfig(
        precision="bf16", tokens_per_pack=tokens, recompute=recompute, optimizer=optimizer
    )
    data = MemoryPacks([[clip(0, grid_of(tokens), config, WORDS)]], config, tokens)
    device = torch.device("cuda")
    run = start_run(config, settings, data, device=device)  # type: ignore[arg-type]
    run.model.checkpoint_blocks = recompute
    ready = make_ready(data, config, settings, run.cursor, 0)  # type: ignore[arg-type]
    ready = replace(ready, batches=[batch.to(device) for batch in ready.batches])
    total = sum(batch.total for batch in ready.batches)
    count = len(ready.batches[0].x_t)

    def backward() -> None:
        gradients(run, settings, ready, total).tolist()

    def step() -> None:
        backward()
        run.optimizer.step(1e-4)
        run.ema.update(run.model)

    with same_bits(device, deterministic):
        if profile:
            say_profile(step)
            split = {
                "gradients": backward,
                "optimizer": lambda: (backward(), run.optimizer.step(1e-4)),
                "average": lambda: run.ema.update(run.model),
            }
            for name, part in split.items():
                print(f"    {name}: {1e3 * seconds_of(part, most=2):.1f} ms")
        took = seconds_of(step, most=seconds)
    return Speed(
        seconds=took,
        tokens=count,
        flops=flops_of(config, count, words=WORDS),
        memory=torch.cuda.max_memory_allocated(),
    )


def say_profile(step: Callable[[], None], rows: int = 22) -> None:
    """Print the kernels that take longest in a step, and how long host and GPU are at work."""
    from torch.profiler import ProfilerActivity, profile

    for _ in range(3):
        step()
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        began = time.monotonic()
        step()
        launched = time.monotonic() - began
        torch.cuda.synchronize()
    averages = seen.key_averages()
    device = [e for e in averages if e.device_type == torch.autograd.DeviceType.CUDA]
    busy = sum(e.self_device_time_total for e in device)
    count = sum(e.count for e in device)
    print(f"    host {1e3 * launched:.0f} ms, GPU busy {busy / 1e3:.0f} ms in {count} kernels")
    for e in sorted(device, key=lambda e: -e.self_device_time_total)[:rows]:
        print(f"    {e.self_device_time_total / 1e3:8.1f} ms {e.count:5d}  {e.key[:90]}")


def peer_speed(
    config: DiTConfig, tokens: int, *, recompute: bool = False, seconds: float = 6.0
) -> Speed:
    """The same of diffusers' Wan transformer: as wide, as deep, as many heads; float32 weights under autocast."""
    free()
    torch.manual_seed(0)
    model = wan(config, freq_dim=256, cross_attn_norm=True, qk_norm="rms_norm_across_heads").cuda()
    if recompute:
        model.enable_gradient_checkpointing()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    grid = grid_of(tokens)
    shape = [g * p for g, p in zip(grid, config.patch, strict=True)]
    x = torch.randn(1, config.latent_channels, *shape, device="cuda")
    text = torch.randn(1, WORDS, config.text_dim, device="cuda")
    target, level = torch.randn_like(x), torch.tensor([500], device="cuda")

    def step() -> None:
        with torch.autocast("cuda", torch.bfloat16):
            out = model(x, level, text, return_dict=False)[0]
        (out.float() - target).square().mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    took = seconds_of(step, most=seconds)
    count = grid[0] * grid[1] * grid[2]
    return Speed(
        seconds=took,
        tokens=count,
        flops=flops_of(config, count, words=WORDS),
        memory=torch.cuda.max_memory_allocated(),
    )


def vae_speed(preset: str, pixels: tuple[int, int, int]) -> list[tuple[str, float, float, float]]:
    """(precision, megapixels/s encoding, decoding, worst difference from fp32 in dB PSNR) of frames (T, H, W)."""
    from vae.config import VAEConfig
    from vae.losses import psnr
    from vae.model import VideoVAE

    free()
    torch.manual_seed(0)
    vae = VideoVAE(VAEConfig.preset(preset)).cuda().eval().requires_grad_(False)
    t, h, w = pixels
    x = torch.rand(1, 3, t, h, w, device="cuda") * 2 - 1
    rows = []
    truth: torch.Tensor | None = None
    for name in ("fp32", "tf32", "bf16"):
        torch.set_float32_matmul_precision("highest" if name == "fp32" else "high")
        torch.backends.cudnn.allow_tf32 = name != "fp32"
        with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16, enabled=name == "bf16"):
            z = vae.encode(x).mean
            out = vae.decode(z)
            truth = out if truth is None else truth
            encode = seconds_of(lambda: vae.encode(x), most=2)
            decode = seconds_of(lambda z=z: vae.decode(z), most=2)
        mega = t * h * w / 1e6
        rows.append((name, mega / encode, mega / decode, float(psnr(truth, out).min())))
    torch.set_float32_matmul_precision("highest")
    return rows


def sample_speed(name: str, tokens: int, steps: int = 8) -> dict[str, float]:
    """Seconds a step of guided sampling: kernel by kernel, and replayed from a CUDA graph."""
    free()
    config = size(name)
    model = DiT(config).cuda().eval().requires_grad_(False).set_compute(torch.bfloat16)
    shape = [g * p for g, p in zip(grid_of(tokens), config.patch, strict=True)]
    text = torch.randn(WORDS, TEXT_DIM)
    found = {}
    for graph in (False, True):
        once, thrice = (
            _seconds(partial(generate, model, [shape], [text], steps=n * steps, cuda_graph=graph))
            for n in (1, 3)  # the difference leaves out what comes once
        )
        found["graph" if graph else "eager"] = (thrice - once) / (2 * steps)
    return found


def _seconds(function: Callable[[], Any]) -> float:
    """Wall seconds of a second call."""
    function()
    torch.cuda.synchronize()
    began = time.monotonic()
    function()
    torch.cuda.synchronize()
    return time.monotonic() - began


def _attend_and_back(q: Any, k: Any, v: Any, grad: Any, backend: Any) -> None:
    from torch.nn.attention import sdpa_kernel

    with sdpa_kernel([backend]):
        torch.nn.functional.scaled_dot_product_attention(q, k, v).backward(grad)


def attention_speed(heads: int, head_dim: int, tokens: int) -> dict[str, float]:
    """TFLOP/s of attention forwards and backwards by backend, one clip."""
    from torch.nn.attention import SDPBackend

    found = {}
    q, k, v = (
        torch.randn(
            1, heads, tokens, head_dim, device="cuda", dtype=torch.bfloat16, requires_grad=True
        )
        for _ in range(3)
    )
    grad = torch.randn_like(q)
    work = 12 * tokens * tokens * heads * head_dim
    for name, backend in (
        ("cudnn", SDPBackend.CUDNN_ATTENTION),
        ("flash", SDPBackend.FLASH_ATTENTION),
    ):
        for fixed in (False, True):
            step = partial(_attend_and_back, q, k, v, grad, backend)
            try:
                with same_bits(torch.device("cuda"), fixed):
                    took = seconds_of(step, most=1)
            except RuntimeError as problem:
                found[f"{name}{', fixed order' if fixed else ''}"] = float("nan")
                print(f"  {name}: {str(problem)[:120]}")
                continue
            found[f"{name}{', fixed order' if fixed else ''}"] = work / took / 1e12
    return found


def describe(tokens: int) -> str:
    """A clip in words."""
    t, h, w = grid_of(tokens)
    return f"{4 * (t - 1) + 1} frames of {16 * w}x{16 * h}"
