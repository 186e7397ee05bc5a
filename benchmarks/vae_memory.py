"""Peak memory of encoding and decoding a stream, by its length: the aim is that it does not depend on it.

    python -m benchmarks.vae_memory --frames 65 1025

Each length runs in a process of its own, which makes frames as they are asked for and throws its results away.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator

SIDE, CHUNK = 128, 8


def stream(frames: int, vae_name: str) -> None:
    """Encode and decode ``frames`` frames of noise; prints the peak in MB, and that before the first frame."""
    import resource

    import torch

    from vae.checkpoint import load_vae

    torch.set_num_threads(1)
    vae = load_vae(vae_name)

    def chunks() -> Iterator[torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        for start in range(0, frames, CHUNK):
            shape = (1, 3, min(CHUNK, frames - start), SIDE, SIDE)
            yield torch.rand(shape, generator=generator) * 2 - 1

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with torch.inference_mode():
        latents = (posterior.mean for posterior in vae.encode_stream(chunks()))
        made = sum(piece.shape[2] for piece in vae.decode_stream(latents))
    assert made == frames
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, before)


def main() -> None:
    """Print a line per length and the ratio of the longest to the shortest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--frames", type=int, nargs="+", default=[65, 1025], help="1 + a multiple of 4"
    )
    parser.add_argument("--vae", default="embedded")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        return stream(args.one, args.vae)
    peaks = []
    for frames in args.frames:
        command = [
            sys.executable,
            "-m",
            "benchmarks.vae_memory",
            "--one",
            str(frames),
            "--vae",
            args.vae,
        ]
        peak, before = map(float, subprocess.check_output(command, text=True).split())
        print(
            f"{frames:6} frames of {SIDE}x{SIDE}: {peak:.0f} MB, {before:.0f} of them before the first frame"
        )
        peaks.append(peak)
    print(f"longest / shortest: {peaks[-1] / peaks[0]:.3f}")
    return None


if __name__ == "__main__":
    main()
