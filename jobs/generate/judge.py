"""``filmstock judge``: how good are videos? Coherence, fluency, relevance to their prompts, and diversity of the set.

Any videos: the flow-based measures need no model, and relevance asks the CLIP of the recipe. Videos of prompts in the
world's wording are also held to the strict judge (``pipeline.world.strict``), which needs no model either.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from jobs.core.args import Device, parse_args
from jobs.core.console import Progress, say, warn
from jobs.core.errors import EXIT_OK, EXIT_PARTIAL, UserError, user_errors
from jobs.generate.judged_files import find_prompts, find_videos, real_windows
from jobs.generate.texts import check_prompt
from pipeline.store.atomic import write_bytes

if TYPE_CHECKING:
    import numpy as np

    from pipeline.openclip.model import OpenClipModel
    from pipeline.video.window import Window

CLIP_FRAMES = 8
"""Frames of a video that CLIP looks at, evenly spread."""
COLUMNS = ("overall", "coherence", "fluency", "relevance")


@dataclass(frozen=True, kw_only=True)
class Args:
    """Judge videos: coherence, fluency, relevance, creativity, and 0.4, 0.3, 0.2, 0.1 of them as one figure.

    Prompts come from --prompt, --prompts, or the prompts.json that `filmstock sample` writes.
    """

    paths: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="DIR|VIDEO ...")]
    """Folders of videos, or video files."""
    prompts: Path | None = None
    """Text file with one prompt a line, for the videos in order of their names; or a JSON file of name to prompt."""
    prompt: str = ""
    """One prompt that all the videos were made for."""
    clip_model: str = "embedded"
    """CLIP that relevance and creativity ask: embedded (knows the synthetic world), one as in a recipe, or none."""
    real: Path | None = None
    """Folder of real videos: also print the Frechet distance to them, on this CLIP's features."""
    attributes: bool = False
    """Also print what each video of the synthetic world shows, as the world's judge reads it."""
    vbench: Path | None = None
    """Write the folder and the prompt file that VBench's custom mode reads."""
    out: Path | None = None
    """JSON file for all figures."""
    json: bool = False
    """Print one JSON object a video instead of a table."""
    device: Annotated[
        Device, tyro.conf.arg(help="Where CLIP computes: auto, cpu, cuda or cuda:N.")
    ] = "auto"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One video's figures; None where something could not be measured."""

    path: Path
    prompt: str | None = None
    coherence: float | None = None
    fluency: float | None = None
    motion: float | None = None
    relevance: float | None = None
    failed: tuple[str, ...] = ()
    """Assertions of the prompt that the video does not bear out."""
    frames_right: float | None = None
    """Share of frames that the strict judge finds right; for prompts of the synthetic world."""
    wrong: tuple[str, ...] = ()
    """What the strict judge finds wrong."""
    embedding: Any = None
    """float32 (D,), of the whole video."""

    @property
    def overall(self) -> float | None:
        """Weighted mean of what was measured of this video alone."""
        from pipeline.quality.overall import overall

        return overall(
            {"coherence": self.coherence, "fluency": self.fluency, "relevance": self.relevance}
        )

    def row(self) -> dict[str, Any]:
        """JSON-ready."""
        values = {k: v for k, v in vars(self).items() if k != "embedding"}
        return {**values, "path": str(self.path), "overall": self.overall}


def main(argv: list[str]) -> int:
    """Command line of ``filmstock judge``."""
    return run(parse_args(Args, argv, "judge"))


def run(args: Args) -> int:
    """Judge every video and print a table; exit code 3 if some could not be read."""
    from pipeline.video.isolate import Sandbox
    from pipeline.video.probe import MediaError
    from pipeline.video.window import read_window

    check_prompt(args.prompt)
    videos = find_videos(args.paths)
    prompts = find_prompts(args.prompt, args.prompts, videos)
    check_targets(args, videos)
    of = "" if args.clip_model == "none" else f" by CLIP {args.clip_model}"
    say(f"judge: {len(videos)} video{'s'[: len(videos) > 1]}{of}")
    model: OpenClipModel | None = None
    judged: list[Judged] = []
    with Sandbox() as sandbox, Progress("judge", len(videos), "videos") as progress:
        if args.real is not None:
            next(real_windows(args.real, sandbox))  # refuses where there is none, before the work
        for path in videos:
            try:
                window = read_window(path, sandbox=sandbox)
            except MediaError as error:
                said = f"{error}" if str(path) in str(error) else f"{path}: {error}"
                if len(videos) == 1:
                    raise UserError(f"{said}; give a video that can be read") from None
                warn(said)
                progress.update()
                continue
            if not judged:  # what cannot be read at all is said before a model is loaded
                model = open_clip_for(args.clip_model, args.device)
            progress.update()
            judged.append(judge_video(path, window, prompts.get(path), model))
            if args.attributes:
                _say_attributes(path, window)
    if not judged:
        raise UserError(f"none of {len(videos)} videos could be read; give others")
    judged = with_relevance(judged, model)
    summary = summarise(judged)
    if args.real is not None and model is not None:
        summary["frechet_distance"] = distance_to(args.real, judged, model)
    if args.json:
        for each in judged:
            say(json.dumps(each.row()))
    else:
        say(table(judged))
    say(summary_line(summary))
    if args.out is not None:
        document = {"summary": summary, "videos": [each.row() for each in judged]}
        write_bytes(args.out, (json.dumps(document, indent=1) + "\n").encode())
    if args.vbench is not None:
        from jobs.generate.vbench import export_vbench

        export_vbench(args.vbench, {each.path: each.prompt for each in judged})
    return EXIT_OK if len(judged) == len(videos) else EXIT_PARTIAL


def check_targets(args: Args, videos: list[Path]) -> None:
    """Refuse a CLIP that is not here, real videos that are none, and places that cannot be written or are read."""
    from jobs.core.writable import check_file, check_folder, check_not_read
    from pipeline.openclip.find import find_openclip

    if args.out is not None:
        check_file(args.out, "--out")
        check_not_read(args.out, videos, "--out")
    if args.vbench is not None:
        check_folder(args.vbench, "--vbench")
    if args.real is not None:
        find_videos([args.real])
    if args.clip_model != "none":
        try:
            find_openclip(args.clip_model)
        except ValueError as error:
            raise UserError(f"--clip-model: {error}") from None


def open_clip_for(name: str, device: str) -> OpenClipModel | None:
    """The CLIP by name; None for ``none``."""
    from pipeline.openclip.model import load_openclip
    from pipeline.training.device import pick_device

    if name == "none":
        return None
    with user_errors():
        return load_openclip(name, device=str(pick_device(device)))


def judge_video(
    path: Path, window: Window, prompt: str | None, model: OpenClipModel | None
) -> Judged:
    """Everything that one video alone can tell; relevance comes later, when all prompts are known."""
    from pipeline.quality.motion import motion_quality

    frames = window.frames
    quality = motion_quality(frames)
    embedding = None if model is None else embed(frames, model)
    strict = strict_view(frames, window.fps, prompt) if prompt else None
    return Judged(
        path=path,
        prompt=prompt,
        coherence=quality.coherence if quality else None,
        fluency=quality.fluency if quality else None,
        motion=quality.motion if quality else None,
        frames_right=strict[0] if strict else None,
        wrong=strict[1] if strict else (),
        failed=strict[2] if strict else (),
        embedding=embedding,
    )


def embed(frames: np.ndarray, model: OpenClipModel) -> np.ndarray:
    """Unit embedding (D,) of a whole video, from evenly spread frames."""
    from pipeline.video.decode import sample_indices

    return model.embed_clip(frames[sample_indices(len(frames), CLIP_FRAMES)])


def strict_view(
    frames: np.ndarray, fps: float, prompt: str
) -> tuple[float, tuple[str, ...], tuple[str, ...]] | None:
    """By the strict judge: the share of frames right, what is wrong, and the prompt's sentences about wrong objects.

    None for a prompt of another world.
    """
    from captioner.truth.assertions import sentences
    from pipeline.world.claims import claims_of
    from pipeline.world.strict import judge_strictly
    from pipeline.world.vocabulary import is_far

    claims = claims_of(prompt)
    if is_far(prompt) or not claims.objects:
        return None
    verdict = judge_strictly(frames, fps, claims)
    off = [
        f"{claim.colour} {claim.shape}"
        for claim, found in zip(claims.objects, verdict.objects, strict=True)
        if not all(found.values())
    ]
    failed = [text for text in sentences(prompt) if any(name in text.lower() for name in off)]
    return float(verdict.right_frames.mean()), tuple(verdict.reasons()), tuple(failed)


def each_once(embed: Callable[[Sequence[str]], Any]) -> Callable[[Sequence[str]], Any]:
    """``embed`` that looks at a text once, however often it comes: videos share nearly all their distractors."""
    import numpy as np

    known: dict[str, Any] = {}

    def embed_new(texts: Sequence[str]) -> Any:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known.update(zip(new, embed(new), strict=True))
        return np.stack([known[text] for text in texts])

    return embed_new


def with_relevance(judged: Sequence[Judged], model: OpenClipModel | None) -> list[Judged]:
    """The same with relevance and the assertions that fail, of those that have a prompt."""
    from captioner.truth.grounding import scored_assertions
    from jobs.generate.distractors import distractors
    from pipeline.quality.relevance import relevance

    if model is None:
        return list(judged)
    if model.warning and any(each.prompt and each.frames_right is None for each in judged):
        warn(f"relevance and creativity: {model.warning}")
    embed = each_once(model.embed_texts)
    out = []
    for each in judged:
        said = scored_assertions(each.prompt) if each.prompt else []
        if not said:
            out.append(each)
            continue
        others = [o.prompt for o in judged if o.prompt and o.prompt != each.prompt]
        texts = distractors(said, others, world=model.domain is not None)
        found = relevance(embed(said), each.embedding[None], embed(texts))
        failed = tuple(t for t, share in zip(said, found.shares, strict=True) if share < 0.5)
        merged = tuple(dict.fromkeys([*each.failed, *failed]))
        out.append(replace(each, relevance=found.score, failed=merged))
    return out


def summarise(judged: Sequence[Judged]) -> dict[str, Any]:
    """Means over the videos, the set's creativity, and the overall figure."""
    import numpy as np

    from pipeline.quality.overall import overall
    from pipeline.quality.sets import creativity

    def mean(name: str) -> float | None:
        values = [v for each in judged if (v := getattr(each, name)) is not None]
        return float(np.mean(values)) if values else None

    names = ("coherence", "fluency", "relevance", "motion", "frames_right")
    summary: dict[str, Any] = {"videos": len(judged), **{name: mean(name) for name in names}}
    rows = [each.embedding for each in judged if each.embedding is not None]
    summary["creativity"] = creativity(np.stack(rows)) if rows else None
    summary["overall"] = overall(summary)
    return summary


def distance_to(folder: Path, judged: Sequence[Judged], model: OpenClipModel) -> float:
    """Frechet distance of the judged videos to those of a folder, on CLIP's features of whole videos."""
    import numpy as np

    from pipeline.quality.sets import frechet_distance
    from pipeline.video.isolate import Sandbox

    with Sandbox() as sandbox:
        real = [embed(window.frames, model) for window in real_windows(folder, sandbox)]
    return frechet_distance(np.stack([each.embedding for each in judged]), np.stack(real))


def table(judged: Sequence[Judged]) -> str:
    """One line a video, the best first."""
    ranked = sorted(judged, key=lambda each: -(each.overall or 0))
    wide = max(len(each.path.name) for each in ranked)
    strict = any(each.frames_right is not None for each in ranked)
    head = f"{'video':<{wide}} " + "".join(f"{name:>11}" for name in COLUMNS)
    lines = [head + (f"{'frames right':>14}  wrong" if strict else "")]
    for each in ranked:
        cells = "".join(_cell(getattr(each, name), 11) for name in COLUMNS)
        tail = f"{_cell(each.frames_right, 14)}  {', '.join(each.wrong)}" if strict else ""
        lines.append(f"{each.path.name:<{wide}} {cells}{tail}".rstrip())
    return "\n".join(lines)


def _cell(value: float | None, width: int) -> str:
    return f"{'-' if value is None else f'{value:.3f}':>{width}}"


def summary_line(summary: dict[str, Any]) -> str:
    """All figures of the set in one line."""
    names = (*COLUMNS, "creativity", "frames_right", "frechet_distance")
    said = [
        f"{name.replace('_', ' ')} {summary[name]:.3f}"
        for name in names
        if summary.get(name) is not None
    ]
    return f"judge: {summary['videos']} videos: {', '.join(said)}"


def _say_attributes(path: Path, window: Window) -> None:
    from jobs.world.judge import sentence
    from pipeline.world.judge import judge

    say(f"{path.name}: {sentence(judge(window.frames, window.fps))}")
