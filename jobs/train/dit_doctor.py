"""``train-dit --dry-run``: a doctor's look at data and settings before anything is trained.

What an epoch holds and what it leaves out and why, whether the latents are those that the VAE and its statistics
promise, what the first loss must be, and how much memory a process will take.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.core.console import say, warn
from jobs.core.errors import UserError
from jobs.train.latent_health import (
    Moments,
    latent_moments,
    manifest_beside,
    round_trip_psnrs,
    spread,
    view_of,
)
from pipeline import schema as s

if TYPE_CHECKING:
    from dit.train.training_packs import TrainingPacks
    from jobs.train.dit_args import Args

NAMED = 3
"""Examples named of each trouble."""
ROUND_TRIPS = 16
"""Clips that the VAE's round trip is measured on."""
PROBED = 64
"""Clips that activations are probed with, at most."""
STATS_CLIPS = 2000
"""Clips that statistics are taken of, evenly spread."""
ODD_MEAN, ODD_STD = 0.5, 2.0
"""A channel whose normalised mean is beyond the one, or deviation beyond the factor, is called odd."""


def run(args: Args) -> None:
    """Print the findings; UserError when there is nothing to train on."""
    from jobs.train.dit_args import train_config
    from jobs.train.dit_setup import mix_line, open_data, preset_for

    data = open_data(args, 0, 1, note=False)
    config, model = train_config(args), preset_for(args, data)
    use = training_clips(data, args.train.tokens_per_pack)
    say(f"train-dit --dry-run: {data.store.root}")
    say_shapes(data, use)
    say_epoch(data, use, args)
    say_dropped(data, use, args.train.tokens_per_pack)
    say_texts(data, use)
    say(mix_line(data))
    moments = say_latents(data, use, model.patch)
    say_round_trip(data, args.vae)
    say_memory(data, use, model, config)
    say(first_loss(args, moments))


def first_loss(args: Args, moments: Moments) -> str:
    """What the first step will print: a new model predicts zero, and what that costs is known."""
    if args.distil_from:
        return "first loss: what one guided step of the teacher differs from one of its own without guidance"
    if args.model.path == "vp":
        expected, why = 1.0, "what zero costs where noise is to be predicted"
    else:
        expected = moments.first_loss
        why = f"zero costs 1 for the noise and {expected - 1:.3f} for the data"
    if args.init:
        return f"first loss: below {expected:.3f}, which a new model begins with ({why})"
    return f"first loss: expect {expected:.3f}: a new model predicts zero, and {why}"


def training_clips(data: TrainingPacks, budget: int) -> list[int]:
    """Clips that an epoch can hold; UserError when there are none."""
    fit = [i for i, length in enumerate(data.lengths) if length <= budget]
    use = [i for i in fit if not data.held[i]]
    if not use:
        longest = max(data.lengths)
        raise UserError(
            f"an epoch would be empty: of {len(data.lengths)} clips {len(data.lengths) - len(fit)} have more than the "
            f"{budget} tokens of a pack and {int(data.held.sum())} are held out; raise --tokens-per-pack (to {longest} "
            "for all)"
        )
    return use


def say_shapes(data: TrainingPacks, use: Sequence[int]) -> None:
    """Clips and tokens of every shape."""
    counts: Counter[tuple] = Counter()
    for i in use:
        row = row_of(data, i)
        counts[(row[s.N_FRAMES], row[s.WIDTH], row[s.HEIGHT], data.lengths[i])] += 1
    total = sum(data.lengths[i] for i in use)
    say(
        f"{'frames x size':>18} {'latent':>12} {'clips':>8} {'tokens each':>12} {'share of tokens':>16}"
    )
    ordered = sorted(counts.items(), key=lambda item: -item[1] * item[0][3])
    for (frames, width, height, tokens), clips in ordered:
        latent = next(
            row_of(data, i)[s.LATENT_SHAPE][1:]
            for i in use
            if data.lengths[i] == tokens
            and (row_of(data, i)[s.N_FRAMES], row_of(data, i)[s.WIDTH]) == (frames, width)
        )
        say(
            f"{f'{frames} x {width}x{height}':>18} {'x'.join(map(str, latent)):>12} {clips:>8} {tokens:>12} "
            f"{100 * clips * tokens / total:>15.1f}%"
        )


def row_of(data: TrainingPacks, index: int) -> dict[str, Any]:
    """What the store says of a clip."""
    return data.store.clip(index)


def say_epoch(data: TrainingPacks, use: Sequence[int], args: Args) -> None:
    """Packs, steps and waste of the first epoch."""
    from pipeline.loader.order import n_steps
    from pipeline.loader.packs import packing_waste, step_imbalance

    inside = set(use)
    order = [i for i in data.steps.order(0) if i in inside]
    packs = data.packed(order)
    steps = n_steps(len(packs), args.train.packs_per_step)
    waste = packing_waste(data.lengths, packs, args.train.tokens_per_pack)
    total = sum(data.lengths[i] for i in use)
    say(
        f"epoch: {len(use)} clips, {total} tokens, {len(packs)} packs of {args.train.tokens_per_pack} "
        f"({100 * waste:.1f}% waste), {steps} steps of {args.train.packs_per_step}; "
        f"{args.train.steps} steps are {args.train.steps / steps:.1f} epochs"
    )
    if data.balance and args.train.packs_per_step > 1:
        lost = step_imbalance(data.lengths, packs, data.balance)
        say(
            f"  packs balanced by the cost of attention: with a process for each pack of a step, {100 * lost:.1f} % of "
            "their time is spent waiting for the costliest"
        )
    left = packs[steps * args.train.packs_per_step :]
    if left:
        say(
            f"  {sum(map(len, left))} clips of the last {len(left)} packs fill no step; other ones each epoch"
        )
    if len(packs) < args.train.packs_per_step:
        warn(
            f"{len(packs)} packs are fewer than --packs-per-step {args.train.packs_per_step}: "
            "clips repeat inside every step; lower --packs-per-step or --tokens-per-pack"
        )


def say_dropped(data: TrainingPacks, use: Sequence[int], budget: int) -> None:
    """What an epoch leaves out, and what is cut off clips, with the reason."""
    held, measured = int(data.held.sum()), len(data.held_out)
    some = "" if held == measured else f", which is measured on {measured} of them"
    say(f"left out: {held} clips of whole sources held out for the held-out loss{some}")
    over = [i for i, length in enumerate(data.lengths) if length > budget]
    if over:
        named = ", ".join(f"{data.clip_ids[i]} ({data.lengths[i]})" for i in over[:NAMED])
        warn(
            f"{len(over)} clips have more than the {budget} tokens of a pack, and training refuses to start: {named}; "
            f"raise --tokens-per-pack to {max(data.lengths)}, or encode at fewer pixels or frames"
        )
    bad = unreadable(data, use)
    for name, reason in bad[:NAMED]:
        warn(f"clip {name} would be replaced by another of its length: {reason}")
    if len(bad) > NAMED:
        warn(f"{len(bad)} clips in all would be replaced; run `filmstock encode` again")
    say_not_encoded(data)


def say_not_encoded(data: TrainingPacks) -> None:
    """What encoding left out of the shards beside the latents, and cut off their clips."""
    found = manifest_beside(data)
    if found is None:
        say("  no shards beside the latents: what encoding left out is not known here")
        return
    encoded = set(data.clip_ids)
    ids = found.table[s.CLIP_ID].to_pylist()
    columns = [
        found.columns[s.caption_column(k)].to_pylist()
        for k in kinds_of(data)
        if s.caption_column(k) in found.columns
    ]
    captioned = {name for name, *texts in zip(ids, *columns, strict=True) if any(texts)}
    silent = [name for name in ids if name not in encoded and name not in captioned]
    failed = [name for name in ids if name not in encoded and name in captioned]
    for names, why in (
        (silent, "have no caption of the encoded kinds"),
        (failed, "could not be encoded; `filmstock encode` again says why"),
    ):
        if names:
            say(f"  {len(names)} clips of the shards {why}: {', '.join(names[:NAMED])}")
    whole = dict(zip(ids, found.columns[s.N_FRAMES].to_pylist(), strict=True))
    rate = dict(zip(ids, found.columns[s.FPS].to_pylist(), strict=True))
    spans = [
        (whole[name] / rate[name], row_of(data, i))
        for i, name in enumerate(data.clip_ids)
        if name in whole and rate[name]
    ]
    cut = [
        (span, row[s.N_FRAMES] / row[s.FPS])
        for span, row in spans
        if row[s.FPS] and span > (row[s.N_FRAMES] + 1) / row[s.FPS]
    ]
    if cut:
        lost = sum(span - kept for span, kept in cut)
        say(
            f"  {len(cut)} clips are longer than what was encoded of them: {lost:.0f} of "
            f"{sum(span for span, _ in spans):.0f} seconds are never seen (encode.max_frames)"
        )


def kinds_of(data: TrainingPacks) -> list[str]:
    """Caption kinds that the latents hold."""
    return sorted(frozenset().union(*data.store.kind_sets()))


def unreadable(data: TrainingPacks, use: Sequence[int]) -> list[tuple[str, str]]:
    """(clip, reason) of clips whose rows are damaged, of those that statistics are taken of."""
    from pipeline.shards.ranges import ClipError

    found = []
    for i in spread(use, STATS_CLIPS):
        try:
            data.store.posterior(i)
            for number in data.store.captions_of(i):
                data.store.text(number)
        except ClipError as error:
            found.append((data.clip_ids[i], str(error)))
    return found


def say_texts(data: TrainingPacks, use: Sequence[int]) -> None:
    """Kinds of captions and their lengths."""
    lengths: dict[str, list[int]] = defaultdict(list)
    for i in use:
        for kind, number in data.clips[i].items():
            lengths[kind].append(data.store.text_len(number))
    parts = [
        f"{kind} {len(found)} clips, {np.median(found):.0f} tokens in the middle, {max(found)} at most"
        for kind, found in sorted(lengths.items())
    ]
    cuts = [data.store.text_cut(n) for i in use for n in data.store.captions_of(i)]
    if over := [cut for cut in cuts if cut]:
        warn(
            f"{len(over)} of {len(cuts)} captions are longer than their text encoder takes, and lost up to {max(over)} "
            "tokens at their end; encode with a longer one (--text transformers:PATH), or shorten the captions"
        )
    empty = sum(length == 0 for found in lengths.values() for length in found)
    say(f"captions: {'; '.join(parts)}")
    if empty:
        warn(f"{empty} captions have no text tokens: their clips train as if they had no caption")


def say_latents(data: TrainingPacks, use: Sequence[int], patch: tuple[int, int, int]) -> Moments:
    """Mean and deviation of the normalised latents; warns of channels that are not at unit scale."""
    moments = latent_moments(data, spread(use, STATS_CLIPS), patch)
    say(
        f"latents: {len(moments.mean)} channels, normalised mean {moments.mean.min():+.2f} to "
        f"{moments.mean.max():+.2f} (0 is right), deviation {moments.std.min():.2f} to "
        f"{moments.std.max():.2f} (1 is right)"
    )
    odd = (abs(moments.mean) > ODD_MEAN) | (moments.std > ODD_STD) | (moments.std < 1 / ODD_STD)
    if odd.any():
        warn(
            f"channels {np.flatnonzero(odd).tolist()} are far from unit scale: these clips are unlike those that the "
            "VAE's statistics come from; train-vae on them, or expect slow learning"
        )
    return moments


def say_round_trip(data: TrainingPacks, vae_path: str) -> None:
    """PSNR of clips of the shards against their cached latents, decoded."""
    from jobs.core.models import load_vae_for

    found = manifest_beside(data)
    if found is None or not view_of(data):
        say(
            "VAE round trip: not measured, the clips that the latents were encoded from are not beside them"
        )
        return
    try:
        vae = load_vae_for(data.spec(), vae_path)
    except UserError as error:
        say(f"VAE round trip: not measured: {error}")
        return
    values = round_trip_psnrs(data, found, vae, ROUND_TRIPS)
    worst = min(values, key=lambda name: values[name])
    say(
        f"VAE round trip on {len(values)} clips of this data: {np.mean(list(values.values())):.1f} dB, "
        f"worst {values[worst]:.1f} dB ({worst}); the DiT cannot draw better than this"
    )


def say_memory(data: TrainingPacks, use: Sequence[int], model: Any, config: Any) -> None:
    """What one process will take, before it does."""
    import torch._dynamo  # noqa: F401  80 MB that the optimiser will import: it is part of the program

    from dit.train.memory import estimate_memory

    base = resident_bytes()
    clips = [data._clip(i, 0) for i in itertools.islice(use, PROBED)]
    needs = estimate_memory(model, config, clips, data.spec())
    say(
        f"memory of a process: {_mb(base + needs.total)}: {_mb(base)} as it stands (program, latents), "
        f"{_mb(needs.weights)} weights and their average, {_mb(needs.gradients)} gradients, "
        f"{_mb(needs.optimizer)} optimiser, {_mb(needs.activations)} activations of {config.tokens_per_pack} tokens; "
        f"{needs.parameters / 1e6:.1f} M parameters"
    )


def resident_bytes() -> int:
    """Memory of this process now."""
    import os
    import resource

    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):  # no /proc: the most it ever was
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _mb(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e10 else f"{size / 1e6:.0f} MB"
