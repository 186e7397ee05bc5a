"""Train the shot detector's net on composites, and write ``pipeline/weights/shots``.

    FILMSTOCK_TESTDATA=... python -m benchmarks.fit_shots --scratch runs/shots

Composites of the training clips of ``labels/shot_clips.json`` and of the synthetic world are made at 128x72, encoded
at a random quality, and read back by the pass that the detector uses; their columns (0.7 MB each) stay in the scratch
folder. About ten minutes of processor time for the composites and eight for the training, on one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.shot_composites import compose, fixed_clips, write
from benchmarks.shot_views import Clip, load_clips, split_names
from pipeline.motion.analysis import HEIGHT, read_lowres
from pipeline.motion.analysis import WIDTH as PLANE_WIDTH
from pipeline.shots.net import DILATIONS, INPUTS, OUTPUTS, WEIGHTS, inputs, load_weights
from pipeline.shots.signatures import COLUMNS, HISTORY, compare, signatures

WIDTH = 64
"""Channels of the net."""
SEQUENCE, BATCH = 256, 24
"""Frames of one training example, and examples of one step."""
KIND = {
    "dissolve": "dissolve",
    "cross_blur": "dissolve",
    "wipe": "wipe",
    "iris": "wipe",
    "dots": "wipe",
    "slide": "wipe",
    "whip": "wipe",
    "luma": "wipe",
    "checker": "wipe",
    "grow": "wipe",
    "glitch": "wipe",
    "burn": "dissolve",
}
"""Kind of a composite's transition -> kind that is reported; the rest are fades."""


def training_clips() -> tuple[list[Clip], list[Clip]]:
    """Two lists: real clips of the training split with eight scenes of the world and 14 fixed cameras; and scenes and
    cameras with a few real clips."""
    from pipeline.world.render import render
    from pipeline.world.scene import random_scene

    folder = Path(os.environ["FILMSTOCK_TESTDATA"]) / "shots" / "clips"
    real = load_clips(folder, split_names("train"), (160, 90))
    world = []
    for seed in range(70):
        scene = random_scene(900 + seed, duration_s=3.0)
        frames = render(scene, width=160, height=96, fps=25, n_frames=70)[:, 3:93]
        world.append(Clip(name=f"world {seed}", frames=frames))
    cameras = fixed_clips([31], 40)
    return real + world[:8] + cameras[:14], real[::6] + world + cameras


def make_examples(folder: Path, count: int) -> None:
    """Write ``count`` composites as columns and truth, FOLDER/0000.npz and on; those that are there are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [index for index in range(count) if not (folder / f"{index:04d}.npz").exists()]
    mostly_real, mostly_world = training_clips() if missing else ([], [])
    for index in missing:
        rng = np.random.default_rng([4242, index])
        world = index % 8 == 7
        clips = mostly_world if world else mostly_real
        made = compose(
            rng,
            clips,
            (128, 72),
            2000,
            gradual_share=0.6 if world else float(rng.choice([0.2, 0.4])),
            disturbed=float(rng.choice([0.5, 0.8])),
        )
        planes = as_decoded(rng, made.frames, folder / "video.mp4")
        part = folder / "part.npz"
        np.savez(part, columns=columns_of(planes), truth=json.dumps(made.truth(25)))
        part.rename(folder / f"{index:04d}.npz")
        print("composite", index, len(planes), flush=True)


def as_decoded(rng: np.random.Generator, frames: list[np.ndarray], path: Path) -> np.ndarray:
    """Planes (n, 3, 36, 64) of an edit as the detector's pass gives them: one in three after x264, the others without,
    which takes a third of the time and leaves out what is hardly seen at this size."""
    if rng.random() < 1 / 3:
        options = {
            "crf": str(int(rng.integers(12, 31))),
            "preset": str(rng.choice(["ultrafast", "superfast", "veryfast"])),
            "g": str(int(rng.choice([25, 50, 125, 250]))),
        }
        write(path, frames, 25, options)
        planes = np.concatenate([part for _, _, part, _ in read_lowres(path)])
        path.unlink()
        return planes
    import av
    from av.video.reformatter import VideoReformatter

    scaler, out = VideoReformatter(), np.empty((len(frames), 3, HEIGHT, PLANE_WIDTH), np.uint8)
    for frame, planes in zip(frames, out, strict=True):
        small = scaler.reformat(
            av.VideoFrame.from_ndarray(frame, format="rgb24"),
            PLANE_WIDTH,
            HEIGHT,
            "yuv444p",
            interpolation="AREA",
            dst_color_range="MPEG",
            threads=1,
        )
        for plane, into in zip(small.planes, planes, strict=True):
            into[:] = np.frombuffer(plane, np.uint8).reshape(HEIGHT, -1)[:, :PLANE_WIDTH]
    return out


def columns_of(planes: np.ndarray) -> np.ndarray:
    """What ``analyse`` gives the net for these planes (n, 3, 36, 64)."""
    parts = []
    past = signatures(planes[:1]).frozen(HISTORY)
    for start in range(0, len(planes), 128):
        new = signatures(planes[start : start + 128])
        parts.append(compare(past, new))
        past = past.then(new).tail(HISTORY)
    return np.concatenate(parts)


def targets(truth: dict[str, Any], n: int) -> np.ndarray:
    """float32 (n, 3): starts a shot, is mixed, and the index of the kind of mix."""
    out = np.zeros((n, 3), np.float32)
    out[truth["cuts"], 0] = 1
    for first, last in truth["gradual"]:
        kind = KIND.get(truth["kinds"][str(first)], "fade")
        out[first : last + 1, 1] = 1
        out[first : last + 1, 2] = OUTPUTS.index(kind) - 2
    return out


def load(folder: Path, count: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Channels and targets of every composite."""
    xs, ys = [], []
    for index in range(count):
        with np.load(folder / f"{index:04d}.npz") as file:
            columns, truth = file["columns"], json.loads(str(file["truth"]))
        xs.append(inputs(columns))
        ys.append(targets(truth, len(columns)))
    return xs, ys


def build() -> Any:
    """The net of ``pipeline.shots.net`` in torch."""
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(INPUTS, WIDTH)
            self.convs = nn.ModuleList(
                nn.Conv1d(WIDTH, WIDTH, 3, padding=step, dilation=step) for step in DILATIONS
            )
            self.outer = nn.Linear(WIDTH, len(OUTPUTS))
            self.drop = nn.Dropout(0.1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = torch.relu(self.inner(x)).transpose(1, 2)
            for conv in self.convs:
                h = h + self.drop(torch.relu(conv(h)))
            return self.outer(h.transpose(1, 2))

    return Net()


def train(
    xs: list[np.ndarray],
    ys: list[np.ndarray],
    steps: int,
    seed: int,
    start_from: dict[str, np.ndarray] | None = None,
    peak: float = 4e-3,
) -> dict[str, np.ndarray]:
    """Weights by the names of ``shot_net.run_net``; the scale of the channels is folded in."""
    import torch
    from torch.nn import functional as F

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    everything = np.concatenate(xs)
    mean, scale = everything.mean(0), everything.std(0) + 0.02
    net = build()
    if start_from:
        _fill(net, start_from, mean, scale)
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=steps)
    start = time.time()
    for step in range(steps):
        batch = [_crop(rng, xs, ys) for _ in range(BATCH)]
        x = torch.from_numpy((np.stack([each for each, _ in batch]) - mean) / scale)
        y = torch.from_numpy(np.stack([each for _, each in batch]))
        out = net(x.float())
        cut = F.binary_cross_entropy_with_logits(
            out[..., 0], y[..., 0], pos_weight=torch.tensor(3.0), reduction="none"
        )
        mixed = F.binary_cross_entropy_with_logits(out[..., 1], y[..., 1], reduction="none")
        kinds = F.cross_entropy(
            out[..., 2:].flatten(0, 1), y[..., 2].flatten().long(), reduction="none"
        )
        kinds = (kinds * y[..., 1].flatten()).sum() / y[..., 1].sum().clamp(min=1)
        loss = 4 * cut.mean() + mixed.mean() + 0.05 * kinds
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 250 == 0 or step == steps - 1:
            print(
                f"step {step} cut {cut.mean():.5f} mixed {mixed.mean():.4f} kinds {kinds:.3f} "
                f"{time.time() - start:.0f} s",
                flush=True,
            )
    state = {name: value.detach().numpy() for name, value in net.state_dict().items()}
    first = state["inner.weight"] / scale
    weights = {
        "in.weight": first,
        "in.bias": state["inner.bias"] - first @ mean,
        "out.weight": state["outer.weight"],
        "out.bias": state["outer.bias"],
    }
    for k in range(len(DILATIONS)):
        weights |= {f"conv{k}.{part}": state[f"convs.{k}.{part}"] for part in ("weight", "bias")}
    return weights


def _fill(net: Any, weights: dict[str, np.ndarray], mean: np.ndarray, scale: np.ndarray) -> None:
    import torch

    state = {
        "inner.weight": weights["in.weight"] * scale,
        "inner.bias": weights["in.bias"] + weights["in.weight"] @ mean,
        "outer.weight": weights["out.weight"],
        "outer.bias": weights["out.bias"],
    }
    for k in range(len(DILATIONS)):
        state |= {f"convs.{k}.{part}": weights[f"conv{k}.{part}"] for part in ("weight", "bias")}
    net.load_state_dict({name: torch.from_numpy(np.array(each)) for name, each in state.items()})


def _crop(
    rng: np.random.Generator, xs: list[np.ndarray], ys: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    which = int(rng.integers(len(xs)))
    at = int(rng.integers(0, len(xs[which]) - SEQUENCE))
    return xs[which][at : at + SEQUENCE], ys[which][at : at + SEQUENCE]


def main() -> None:
    """Make what is missing, train, and write the weights."""
    from safetensors.numpy import save_file

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scratch", type=Path, required=True, help="folder for the composites")
    parser.add_argument("--composites", type=int, default=670)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    make_examples(args.scratch, args.composites)
    xs, ys = load(args.scratch, args.composites)
    print("frames", sum(map(len, xs)), "columns", COLUMNS, "channels", INPUTS, flush=True)
    start = load_weights(args.start) if args.start else None
    weights = train(xs, ys, args.steps, args.seed, start)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.astype(np.float16) for name, value in weights.items()}, args.out)
    print("wrote", args.out, args.out.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
