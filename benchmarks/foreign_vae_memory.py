"""Peak memory of encoding and decoding with VAEs of diffusers, by the length of the video: it should not depend on it.

    python -m benchmarks.foreign_vae_memory --frames 17 65 257

Tiny random instances in the true classes. Each length runs in a process of its own. What is printed is the peak
above what was held before, without the video, the latents and the decoded frames themselves, which grow by nature.
``--whole`` makes diffusers' own calls instead.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

CLASSES = (
    "AutoencoderKLWan",
    "AutoencoderKLCogVideoX",
    "AutoencoderKLLTX2Video",
    "AutoencoderKLHunyuanVideo15",
)
SIDE = 128


def one(name: str, frames: int, side: int, whole: bool) -> None:
    """Encode and decode ``frames`` frames of noise; prints the peak in MB of each, and the seconds of both."""
    import numpy as np
    import torch

    from pipeline.autoencoder.diffusers import DiffusersVae
    from tests.helpers.tiny_autoencoders import make_tiny

    torch.set_num_threads(1)
    vae = DiffusersVae(make_tiny(name))
    if whole:
        vae._passes = None
    small = np.zeros((1, 1 + vae.frame_step, side, side, 3), np.uint8)
    vae.decode(vae.encode(small)[0][0])  # what the libraries take at their first use
    video = np.random.default_rng(0).integers(0, 256, (1, frames, side, side, 3), dtype=np.uint8)
    start = time.perf_counter()
    before = reset_peak()
    latent = vae.encode(video)[0][0]
    encode = peak() - before - 2 * latent.nbytes / 1e6
    before = reset_peak()
    decoded = vae.decode(latent)
    decode = peak() - before - decoded.nbytes / 1e6
    print(encode, decode, time.perf_counter() - start)


def reset_peak() -> float:
    """Start a new peak of this process; returns what it holds now in MB."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return status("VmRSS")


def peak() -> float:
    """Peak of this process in MB since ``reset_peak``."""
    return status("VmHWM")


def status(name: str) -> float:
    """A number of the kernel's about this process, in MB."""
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith(name + ":"))
    return int(line.split()[1]) * 1024 / 1e6


def main() -> None:
    """Print a line per class and length."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, nargs="+", default=[17, 65, 257], help="1 + 8k")
    parser.add_argument("--classes", nargs="+", default=CLASSES, choices=CLASSES)
    parser.add_argument("--side", type=int, default=SIDE, help="pixels, a multiple of 64")
    parser.add_argument("--whole", action="store_true", help="diffusers' own calls")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        return one(args.classes[0], args.frames[0], args.side, args.whole)
    for name in args.classes:
        for frames in args.frames:
            command = [sys.executable, "-m", "benchmarks.foreign_vae_memory", "--one"]
            command += ["--classes", name, "--frames", str(frames)]
            command += ["--side", str(args.side)]
            command += ["--whole"] if args.whole else []
            out = subprocess.check_output(command, text=True)
            encode, decode, seconds = map(float, out.split())
            size = f"{frames:4} frames of {args.side}x{args.side}"
            print(
                f"{name:28} {size}: encode {encode:5.0f} MB, decode {decode:5.0f} MB, "
                f"{seconds:5.1f} s",
                flush=True,
            )
    return None


if __name__ == "__main__":
    main()
