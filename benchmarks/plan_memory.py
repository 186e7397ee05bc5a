"""Memory that ``filmstock plan`` and the dry run foresee, beside the peak of a training process on this CPU.

    python -m benchmarks.plan_memory --preset S --tokens 2048

Two steps are trained in a process of its own, on clips of 256 tokens in float32; its peak of resident memory less what
it had before the model was made is held against the estimate. A tiny model is trained first, so that what the program
loads at its first step counts as program. Exit code 1 if they are more than 8 % apart.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from pathlib import Path
from typing import Any

WORDS = 40


def settings(preset: str, tokens: int) -> tuple[Any, Any]:
    """Model and training."""
    from dit.config import DiTConfig, TrainConfig

    model = DiTConfig.preset(preset, latent_channels=8, text_dim=192)
    train = TrainConfig(tokens_per_pack=tokens, precision="fp32", optimizer="adamw")
    return model, train.settled(model)


def resident(name: str) -> int:
    """Bytes of ``VmRSS`` or ``VmHWM`` of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


def trained(preset: str, tokens: int, out: Any) -> None:
    """Bytes beyond the program and its data: of a model that is made, and the peaks of its first two steps."""
    import torch
    import torch._dynamo  # noqa: F401  what the optimiser will import is part of the program

    from benchmarks.gpu_data import MemoryPacks, clip
    from dit.train.loop import train_step
    from dit.train.run import start_run

    torch.set_num_threads(1)
    model, train = settings(preset, tokens)
    packs = [[clip(n, (4, 8, 8), model, WORDS) for n in range(tokens // 256)]]
    data: Any = MemoryPacks(packs, model, tokens)
    tiny, short = settings("tiny", 256)
    warm: Any = MemoryPacks([[clip(0, (4, 8, 8), tiny, WORDS)]], tiny, 256)
    for _ in range(2):
        train_step(start_run(tiny, short, warm), short, warm)
    before = resident("VmRSS")
    run = start_run(model, train, data)
    peaks = {"made": resident("VmRSS") - before}
    for step in range(2):
        train_step(run, train, data)
        peaks[f"step {step + 1}"] = resident("VmHWM") - before
    out.put(peaks)


def main() -> int:
    """Measure and print."""
    from dit.costs import memory_of

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="S")
    parser.add_argument("--tokens", type=int, default=2048)
    args = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    out = context.Queue()
    process = context.Process(target=trained, args=(args.preset, args.tokens, out))
    process.start()
    peaks = out.get()
    process.join()
    measured = max(peaks.values())
    model, train = settings(args.preset, args.tokens)
    found = memory_of(model, train, clip_tokens=256, words=WORDS, gpu=False)
    ratio = found.total / measured
    print(
        f"{args.preset}, {args.tokens} tokens, float32, AdamW: {found.total / 1e6:.0f} MB foreseen, "
        f"{measured / 1e6:.0f} MB at the peak of a run: {ratio:.3f}"
    )
    print("measured:", ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in peaks.items()))
    parts = {name: size for name, size in vars(found).items() if size}
    print("foreseen:", ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in parts.items()))
    return int(abs(ratio - 1) > 0.08)


if __name__ == "__main__":
    sys.exit(main())
