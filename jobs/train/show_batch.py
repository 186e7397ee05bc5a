"""``filmstock show-batch RUN --step N``: what a training step saw, as a contact sheet.

From a loss spike to the guilty clip: everything a step draws is a function of its number, so nothing was recorded and
nothing has to be: clips, captions, noise levels and given frames are drawn again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from jobs.core.args import Data, parse_args
from jobs.core.console import held_warnings, say
from jobs.core.errors import EXIT_OK, UserError
from jobs.core.writable import check_file
from jobs.train.batch_sheet import ALARM, FAINT, INK, Cell, Strip, draw_cells
from jobs.train.run_json import open_steps, open_vae_data, read_run
from pipeline import schema as s
from pipeline.bounds import Bounded, Count
from pipeline.store.atomic import write_bytes

if TYPE_CHECKING:
    import numpy as np

    from dit.train.data import Batch
    from dit.train.training_packs import TrainingPacks
    from jobs.train.dit_args import Args
    from jobs.train.vae_args import Args as VaeArgs
    from pipeline.contracts import Vae
    from pipeline.loader.steps import Batches, Step


@dataclass(frozen=True, kw_only=True)
class ShowArgs(Bounded):
    """Draw the clips of a training step as it saw them: frames, captions as drawn, noise levels."""

    run: tyro.conf.Positional[Path]
    """Folder of train-dit or train-vae."""
    step: Count
    """Step as metrics.jsonl counts them: 1 is the first."""
    out: Path | None = None
    """PNG to write; default: RUN/batches/step-N.png."""
    data: Data | None = None
    """Latents or shards, if they are no longer where the run found them."""
    clips: Count = 32
    """Most clips drawn; all are listed."""
    vae: str | None = None
    """VAE that decodes latents; default: the run's own --vae."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    run(parse_args(ShowArgs, argv, "show-batch"))
    return EXIT_OK


def run(args: ShowArgs) -> Path:
    """Draw the sheet; returns its path."""
    from jobs.train.dit_args import Args
    from pipeline.video.sheets import png_bytes

    out = args.out or args.run / "batches" / f"step-{args.step:06d}.png"
    if args.out is not None:
        check_file(args.out, "--out")
    of = read_run(args.run, args.data)
    timed = getattr(of.train, "minutes", None) is not None
    if not timed and args.step > of.train.steps:
        raise UserError(
            f"--step {args.step}: {args.run} has {of.train.steps} steps; give one of 1 to {of.train.steps}"
        )
    with held_warnings():
        if isinstance(of, Args):
            title, cells = dit_cells(of, args.step, args.vae or of.vae, args.clips)
        else:
            title, cells = vae_cells(of, args.step)
    drawn = [cell for cell in cells if cell.strips][: args.clips]
    left = f"; {len(drawn)} of {len(cells)} clips drawn" if len(drawn) < len(cells) else ""
    write_bytes(out, png_bytes(draw_cells(title + left, drawn)))
    say(title)
    for cell in cells:
        say("  " + "  ".join(text for text, _ in cell.lines))
    say(f"show-batch: {out}")
    return out


def step_at(loader: Batches, number: int) -> Step:
    """The ``number``-th step of a run, 1 the first, over all ranks."""
    return loader.at(loader.steps.advance(loader.state, number - 1))


def dit_cells(run: Args, number: int, vae_path: str, most: int) -> tuple[str, list[Cell]]:
    """Title and one cell per clip of a DiT step; only the first ``most`` have pictures."""
    from jobs.core.models import load_vae_for
    from jobs.core.named import check_pair, check_vae
    from jobs.train.dit_args import train_config
    from jobs.train.dit_setup import preset_for

    check_vae(vae_path)
    data: Any = open_steps(run)
    check_pair(data.spec(), vae_path, "the latents are")
    # from here on torch is needed
    from dit.train.data import generator_for, make_batch

    config, model = train_config(run), preset_for(run, data)
    step = step_at(data, number)
    vae = load_vae_for(data.spec(), vae_path)
    cells: list[Cell] = []
    for index, pack in enumerate(step.units):
        batch = make_batch(
            pack, data.spec(), model, config, generator_for(config.seed, number - 1, index)
        )
        cells += pack_cells(pack, batch, data, vae, model.patch, index, most - len(cells))
    title = (
        f"train-dit step {number} (epoch {step.epoch}, step {step.step + 1} of it): "
        f"{len(cells)} clips, {step.n_tokens} tokens in {len(step.units)} packs"
    )
    return title, cells


def pack_cells(
    pack: list[dict[str, Any]],
    batch: Batch,
    data: TrainingPacks,
    vae: Vae,
    patch: tuple[int, int, int],
    index: int,
    most: int,
) -> list[Cell]:
    """Cells of the clips of one pack, in the order in which they lie in it."""
    from dit.packing import split_pack
    from dit.train.data import in_layout_order

    layout, spec = batch.layout, data.spec()
    cells: list[Cell] = []
    levels = batch.levels.of_tokens()
    noised = split_pack(batch.x_t, layout, patch)
    for i, clip in enumerate(in_layout_order(pack)):
        tokens = slice(*layout.segments.ends[i : i + 2])
        given = batch.given[tokens]
        level = float(levels[tokens][~given].max())
        held = sorted(set((layout.coords[tokens][given][:, 0] * patch[0]).tolist()))
        shape = "x".join(str(clip[name]) for name in (s.N_FRAMES, s.WIDTH, s.HEIGHT))
        facts = f"pack {index}  {clip[s.CLIP_ID]}  {shape}  {len(given)} tokens  t {level:.3f}"
        if held:
            facts += f"  given latent frames {held}"
        kind = clip[s.KIND]
        words = (f"[{kind}] {clip[s.CAPTION]}", INK) if kind else ("no caption drawn", ALARM)
        strips = []
        if len(cells) < most:
            frames = vae.decode(clip[s.LATENT_MEAN])
            seen = vae.decode(spec.denormalise(noised[i]))
            marked = _given_frames(held, len(frames), vae.time_factor)
            strips = [
                Strip(label="latents, decoded", frames=frames),
                Strip(label="as noised for this step, decoded", frames=seen, marked=marked),
            ]
        cells.append(Cell(strips=strips, lines=[(facts, FAINT), words]))
    return cells


def _given_frames(held: list[int], frames: int, time_factor: int) -> list[bool]:
    """Which decoded frames belong to given latent frames."""
    return [-(-frame // time_factor) in held for frame in range(frames)]


def vae_cells(run: VaeArgs, number: int) -> tuple[str, list[Cell]]:
    """Title and one cell per clip of a VAE step."""
    from jobs.train.vae_start import load_start
    from vae.train import step_noise

    data = open_vae_data(run)
    step = step_at(data.clips, number)
    frames = data.frames_of(step).numpy()
    per_clip = len(frames) // len(step.units)
    cell = load_start(run)[0].latent_shape(*frames.shape[1:4])
    _, extra = step_noise((run.train.batch, per_clip, *cell), run.train, number - 1)
    cells = []
    for i, clip in enumerate(step.units):
        mine = frames[i * per_clip : (i + 1) * per_clip]
        images = per_clip > 1
        strip = Strip(
            label="single frames" if images else "frames",
            frames=mine[:, 0] if images else mine[0],
        )
        noise = ", ".join(f"{value:.3f}" for value in extra[i].flatten().tolist())
        facts = f"{clip[s.CLIP_ID]}  {_size(mine)}  latent noise {noise}"
        cells.append(Cell(strips=[strip], lines=[(facts, FAINT)]))
    kind = "images" if per_clip > 1 else "videos"
    title = (
        f"train-vae step {number} (epoch {step.epoch}, step {step.step + 1} of it): "
        f"{kind} of {len(cells)} clips"
    )
    return title, cells


def _size(frames: np.ndarray) -> str:
    count, _, high, wide, _ = frames.shape
    return f"{count} images {wide}x{high}" if count > 1 else f"{frames.shape[1]}x{wide}x{high}"
