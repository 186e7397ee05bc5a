"""Train the embedded VAE and DiT from nothing, on one GPU.

    python -m benchmarks.embedded --out runs/embedded --vae-seconds 270 --dit-seconds 1000

Scenes are drawn by ``--workers`` processes and rendered, encoded and captioned where the models train, so nothing is
read from disk and no clip is stored. With ``--budget-seconds`` a call ends in time and the next one goes on.
Needs torch, open_clip, transformers, safetensors, numpy and xxhash; neither ray, pyarrow nor av.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from benchmarks.embedded.scenes import Stream


def main() -> None:
    """Run the stages that are asked for and not done yet."""
    began = time.time()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--vae-seconds", type=float, default=270)
    parser.add_argument("--dit-seconds", type=float, default=1000)
    parser.add_argument("--budget-seconds", type=float, default=1e9, help="end this call by then")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 2))
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--vae-batch", type=int, default=64)
    parser.add_argument("--vae-lr", type=float, default=4e-3)
    parser.add_argument("--motion", type=float, default=2.0)
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--clips", type=int, default=512, help="clips of a step")
    parser.add_argument("--kept", type=int, default=40_000, help="clips whose latents are kept")
    parser.add_argument("--lr", type=float, default=2.5e-3)
    parser.add_argument("--no-graph", action="store_true")
    parser.add_argument("--most-steps", type=int, default=1_000_000)
    parser.add_argument("--judge", type=int, default=100, help="scenes that are judged; 0: none")
    parser.add_argument("--seed", type=int, default=91)
    args = parser.parse_args()
    stream = Stream(seed=args.seed, workers=args.workers)
    try:
        run(args, stream, began)
    finally:
        stream.close()


def run(args: argparse.Namespace, stream: Stream, began: float) -> None:
    """VAE, DiT, judge."""
    from benchmarks.embedded.dit import train_dit
    from benchmarks.embedded.judge import judge_dit, judge_vae, write
    from benchmarks.embedded.vae import train_vae
    from dit.files import WEIGHTS_NAME as DIT
    from pipeline.openclip.model import load_openclip
    from vae.checkpoint import load_vae
    from vae.files import WEIGHTS_NAME as VAE

    args.out.mkdir(parents=True, exist_ok=True)
    # scenes of one call never come again in the next
    calls = len(list(args.out.glob("call-*")))
    (args.out / f"call-{calls}").touch()
    stream.next = calls * 2_000_000
    sizes = [(64, 64), (128, 80)]
    if (args.out / VAE).is_file():
        vae = load_vae(args.out / VAE)
    else:
        vae, _ = train_vae(
            args.out,
            stream,
            seconds=args.vae_seconds,
            device=args.device,
            batch=args.vae_batch,
            channels=args.channels,
            motion=args.motion,
            lr=args.vae_lr,
            most_steps=args.most_steps,
        )
        vae.to(args.device)
        if args.judge:
            write(args.out, judge_vae(vae, stream, sizes, count=args.judge))
    vae.to(args.device)
    clip = load_openclip("embedded", device=args.device)
    if not (args.out / DIT).is_file() or (args.out / "state.pt").is_file():
        done = train_dit(
            args.out,
            vae,
            clip,
            stream,
            seconds=args.dit_seconds,
            until=began + args.budget_seconds,
            device=args.device,
            step_clips=args.clips,
            kept=args.kept,
            depth=args.depth,
            lr=args.lr,
            graph=not args.no_graph,
            most_steps=args.most_steps,
        )
        if not done:
            return
        (args.out / "state.pt").unlink(missing_ok=True)
    if args.judge:
        found = judge_dit(
            args.out,
            vae,
            clip,
            stream,
            sizes,
            count=args.judge,
            guidances=(4.0, 2.5),
            device=args.device,
        )
        write(args.out, found)


if __name__ == "__main__":
    main()
