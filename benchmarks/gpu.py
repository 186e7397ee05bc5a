"""filmstock on a GPU: is it right, is it repeatable, how fast is it?

    python -m benchmarks.gpu                     # all parts, on CUDA
    python -m benchmarks.gpu --parts checks train --presets XL --tokens 32768
    python -m benchmarks.gpu --fake              # no GPU: every part on fake tensors, one line each

Needs torch, safetensors, numpy and xxhash; neither ray, pyarrow, av nor open_clip. With diffusers, its Wan
transformer runs beside ours at equal size. Parts: ``checks`` (parity with the CPU, the same bits twice, resume),
``attention``, ``train`` (tokens/s, MFU, memory), ``peer``, ``vae``, ``sample``. Exit code 1 when a check fails.
"""

from __future__ import annotations

import argparse
import sys
import warnings

import torch

PARTS = ("checks", "attention", "train", "peer", "vae", "sample")


def checks() -> bool:
    """Parity and repeatability; True when every row is within its bound."""
    from benchmarks.gpu_checks import parity, same_bits

    good = True
    for what, found, bound in parity("cuda"):
        good &= found <= bound
        print(
            f"  {'ok  ' if found <= bound else 'FAIL'} {what:<40} {found:.1e} (bound {bound:.0e})"
        )
    for fixed in (True, False):
        for what, same in same_bits("cuda", deterministic=fixed):
            good &= same or not fixed
            print(
                f"  {'same' if same else 'FAIL' if fixed else 'not '} {what}, deterministic {fixed}"
            )
    return good


def attention() -> None:
    """Backends of dense attention at the head sizes that the presets have."""
    from benchmarks.gpu_speed import attention_speed

    for heads, dim in ((16, 72), (16, 64), (9, 128)):
        for tokens in (8192, 32768):
            rates = attention_speed(heads, dim, tokens)
            words = ", ".join(f"{name} {rate:.0f}" for name, rate in rates.items())
            print(
                f"  {heads} heads of {dim}, {tokens} tokens, TFLOP/s forwards and backwards: {words}"
            )


def train(args: argparse.Namespace) -> None:
    """Steps of every preset at every length, as long as they fit."""
    from benchmarks.gpu_speed import describe, peak, size, train_speed

    top = peak()
    print(
        "  preset    tokens  options                    ms/step  tokens/s   TFLOP/s    MFU  memory GB"
    )
    for name in args.presets:
        for tokens in args.tokens:
            for options in options_of(args, tokens):
                label = " ".join(k if v is True else str(v) for k, v in options.items()) or "-"
                try:
                    found = train_speed(size(name), tokens, seconds=args.seconds, **options)
                except torch.OutOfMemoryError:
                    print(f"  {name:<8}{tokens:>8}  {label:<26} does not fit")
                    continue
                rate = found.flops / found.seconds
                print(
                    f"  {name:<8}{found.tokens:>8}  {label:<26}{1e3 * found.seconds:>8.1f}"
                    f"{found.tokens / found.seconds:>10.0f}{rate / 1e12:>10.0f}{100 * rate / top if top else 0:>6.1f}%"
                    f"{found.memory / 1e9:>10.1f}   {describe(tokens)}",
                    flush=True,
                )


def options_of(args: argparse.Namespace, tokens: int) -> list[dict]:
    """What is varied at a length."""
    plain: list[dict] = [{"recompute": True}] if tokens > args.recompute_above else [{}]
    if args.profile:
        plain[0]["profile"] = True
    if args.vary:
        plain += [{**plain[0], "deterministic": True}, {**plain[0], "optimizer": "muon"}]
    return plain


def peer(args: argparse.Namespace) -> None:
    """diffusers' Wan transformer and ours in turns."""
    from benchmarks.gpu_speed import peer_speed, size, train_speed

    try:
        import diffusers  # noqa: F401
    except ImportError:
        print("  diffusers is not installed: no peer")
        return
    for name, tokens in (("B", 8192), ("XL", 8192), ("XL", 32768), ("1.3B", 8192), ("1.3B", 32768)):
        recompute = tokens > args.recompute_above
        found = []
        for call in (train_speed, peer_speed):
            options = {"optimizer": "adamw"} if call is train_speed else {}
            try:
                got = call(size(name), tokens, recompute=recompute, seconds=args.seconds, **options)
                found.append((got.seconds, got.memory))
            except torch.OutOfMemoryError:
                found.append((float("nan"), 0))
        (ours, our_bytes), (theirs, their_bytes) = found
        print(
            f"  {name:<6}{tokens:>7} tokens{', recompute' if recompute else ''}: "
            f"ours {1e3 * ours:.1f} ms, {our_bytes / 1e9:.1f} GB; "
            f"diffusers {1e3 * theirs:.1f} ms, {their_bytes / 1e9:.1f} GB; ratio {ours / theirs:.2f}",
            flush=True,
        )


def vae() -> None:
    """Encode and decode speed of the VAE presets."""
    from benchmarks.gpu_speed import vae_speed

    for preset, shape in (
        ("tiny", (17, 256, 256)),
        ("4x8x8", (17, 480, 832)),
        ("4x16x16", (17, 480, 832)),
    ):
        for name, encode, decode, psnr in vae_speed(preset, shape):
            print(
                f"  {preset:<8} {name}: encode {encode:.1f}, decode {decode:.1f} megapixels/s, {psnr:.0f} dB from fp32",
                flush=True,
            )


def sample() -> None:
    """Sampling steps with and without a CUDA graph."""
    from benchmarks.gpu_speed import sample_speed

    for name, tokens in (("S", 2048), ("XL", 2048), ("XL", 32768)):
        found = sample_speed(name, tokens)
        print(
            f"  {name:<3} {tokens} tokens, guided: {1e3 * found['eager']:.1f} ms a step, "
            f"{1e3 * found['graph']:.1f} ms from a CUDA graph",
            flush=True,
        )


def main() -> int:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--fake", action="store_true")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--presets", nargs="+", default=["S", "B", "L", "XL"])
    parser.add_argument("--tokens", nargs="+", type=int, default=[2048, 8192, 32768, 100_000])
    parser.add_argument("--recompute-above", type=int, default=40_000)
    parser.add_argument("--profile", action="store_true", help="also the kernels of a step")
    parser.add_argument("--vary", action="store_true", help="also sums in a fixed order, and Muon")
    parser.add_argument("--seconds", type=float, default=3.0, help="of timing for each row")
    args = parser.parse_args()
    if args.fake:
        from benchmarks.gpu_fake import main as fake

        return fake()
    if not torch.cuda.is_available():
        print(
            "benchmarks.gpu: no CUDA GPU here; --fake runs every part on fake tensors",
            file=sys.stderr,
        )
        return 2
    warnings.filterwarnings("ignore", message=".*deterministic.*")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    calls = {
        "checks": checks,
        "attention": attention,
        "train": lambda: train(args),
        "peer": lambda: peer(args),
        "vae": vae,
        "sample": sample,
    }
    good = True
    for part in args.parts:
        print(part, flush=True)
        good &= calls[part]() is not False  # type: ignore[no-untyped-call,operator]
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
