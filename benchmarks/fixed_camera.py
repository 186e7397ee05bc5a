"""Fixed cameras: clips that select takes for duplicates and are none, and boundaries where something crosses.

    FILMSTOCK_TESTDATA=... python -m benchmarks.fixed_camera --cameras 12

Cameras are drawn (``fixed_cameras``, seeds that nothing is trained on); each films ``--visits`` times another walk or
drive through the same picture, and twice nothing at all. Each of these clips also has a copy, encoded anew. Beside
them the road of ``FILMSTOCK_TESTDATA/videos/car-detection.mp4``, in pieces that count as clips of their own. Printed:
clips rejected as duplicates that are none, by the hash of the middle frame alone and by everything; events of which no
clip is left; copies found; and boundaries in films that have none.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.fixed_cameras import camera
from benchmarks.shot_composites import write

FPS, SECONDS, SIZE = 12.5, 4.0, (256, 144)
SEED = 5_000


@dataclass(frozen=True, kw_only=True)
class Take:
    """One clip of a fixed camera."""

    place: int
    """Which camera."""
    event: int
    """What happens, a number of its own for everything that happens; -1: nothing."""
    copy: bool
    """Whether it is another encoding of the clip before it."""
    frames: np.ndarray
    """uint8 RGB (n, h, w, 3)."""


def takes(cameras: int, visits: int, largest: float = 0.6) -> list[Take]:
    """Clips of drawn cameras: each visit, two of nothing, and a copy of every one; ``largest``: things' height."""
    found = []
    n = round(FPS * SECONDS)
    for place in range(cameras):
        rng = np.random.default_rng([SEED, place])
        here = camera(rng, SIZE)
        events = [place * 100 + visit for visit in range(visits)] + [-1, -1]
        for event in events:
            still = np.clip(here.ground, 0, 255)
            frames = here.shot(rng, n, 0 if event < 0 else int(rng.integers(1, 3)), largest=largest)
            apart = np.abs(frames[:: n // 12] - still).max(3) > 40
            while event >= 0 and (apart.mean((1, 2)) > 0.01).sum() < 3:  # it passed unseen
                frames = here.shot(rng, n, 2, largest=largest)
                apart = np.abs(frames[:: n // 12] - still).max(3) > 40
            found.append(Take(place=place, event=event, copy=False, frames=frames))
            found.append(Take(place=place, event=event, copy=True, frames=frames))
    return found


def road(path: Path, seconds: float) -> list[np.ndarray]:
    """The pieces of a real film of a fixed camera, ``seconds`` long each, at half size."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate or 25)
        frames = [f.reformat(384, 216, "rgb24").to_ndarray() for f in container.decode(stream)]
    n = round(rate * seconds)
    return [np.stack(frames[at : at + n]) for at in range(0, len(frames) - n + 1, n)]


def measure(frames: np.ndarray, crf: int) -> dict[str, object]:
    """Hash, look and activity of frames as ingest has them: encoded, decoded, eight samples."""
    from pipeline.config import OpenClipConfig
    from pipeline.scores.look import activity, clip_look, perceptual_hash
    from pipeline.shards.part import video_hash
    from pipeline.video.cut import sample_indices
    from pipeline.video.decode import decode_clip
    from pipeline.video.encode import encode_mp4

    video = encode_mp4(frames, FPS, crf=crf)
    seen, _ = decode_clip(video, indices=sample_indices(len(frames), OpenClipConfig().frames))
    return {
        "video": video_hash(video),
        "phash": perceptual_hash(seen),
        "look": clip_look(seen),
        "activity": activity(seen),
    }


def duplicates(
    found: list[Take], rows: list[dict[str, object]], bits: int, *, hash_only: bool = False
) -> dict[str, float]:
    """How many clips are rejected wrongly and rightly, and whether the livelier of two is kept.

    ``rows``: what ``measure`` says of each; ``hash_only``: by the hash of the middle frame alone.
    """
    import pyarrow as pa

    from pipeline.select.duplicates import Candidates, find_duplicates

    lively = np.array([row["activity"] for row in rows])
    clips = Candidates(
        worth=(-np.floor(np.log2(lively + 0.004)), np.arange(len(rows))),
        video_hash=pa.array([row["video"] for row in rows]),
        phash=np.array([row["phash"] for row in rows], np.uint64),
        has_phash=np.ones(len(rows), bool),
        looks=pa.array([rows[0]["look"] if hash_only else row["look"] for row in rows]),
    )
    keeper = find_duplicates(clips, phash_bits=bits).keeper
    gone = np.flatnonzero(keeper != np.arange(len(keeper)))
    wrong = worse = 0
    for row in gone.tolist():
        mine, other = found[row], found[int(keeper[row])]
        same = mine.place == other.place and mine.event == other.event
        wrong += not same
        worse += mine.event >= 0 and other.event < 0
    # a clip is lost when nothing of its event is kept; nothing happening is one event of its place
    kept = {
        (found[row].place, found[row].event) for row in set(range(len(found))) - set(gone.tolist())
    }
    every = {(take.place, take.event) for take in found}
    pairs = [at for at, take in enumerate(found) if take.copy]
    hit = sum(1 for at in pairs if keeper[at] != at or keeper[at - 1] != at - 1)
    return {
        "clips": len(found),
        "events": len(every),
        "events lost": len(every - kept),
        "wrongly rejected": int(wrong),
        "lively for still": int(worse),
        "copies found, %": round(100 * hit / max(1, len(pairs)), 1),
    }


def compare(name: str, found: list[Take], bits: list[int]) -> None:
    """Print the figures of a set, by the hash of the middle frame alone and by everything."""
    rows = [measure(take.frames, 30 if take.copy else 18) for take in found]
    for alone in (True, False):
        for most in bits:
            figures = duplicates(found, rows, most, hash_only=alone)
            told = {"set": name, "by": "hash alone" if alone else "look", "bits": most}
            print(json.dumps({**told, **figures}), flush=True)


def boundaries(films: dict[str, tuple[list[np.ndarray], float]]) -> dict[str, object]:
    """Boundaries in films that have none, and a minute."""
    from pipeline.source.shot_list import list_shots

    count, minutes, where = 0, 0.0, []
    with tempfile.TemporaryDirectory() as folder:
        for name, (frames, fps) in films.items():
            path = Path(folder) / "film.mp4"
            write(path, frames, round(fps), {"crf": "23", "preset": "veryfast", "g": "125"})
            *_, found = list_shots(str(path))
            assert found is not None
            count += len(found.transitions)
            minutes += len(frames) / fps / 60
            where += [f"{name}:{each.kind}@{each.boundary}" for each in found.transitions]
    return {"films": len(films), "minutes": round(minutes, 2), "false": count, "where": where}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cameras", type=int, default=12)
    parser.add_argument("--visits", type=int, default=6)
    parser.add_argument("--largest", type=float, default=0.6, help="height of what passes at most")
    parser.add_argument("--bits", type=int, nargs="+", default=[4, 8, 12])
    args = parser.parse_args()
    drawn = takes(args.cameras, args.visits, args.largest)
    compare("drawn", drawn, args.bits)
    films: dict[str, tuple[list[np.ndarray], float]] = {}
    for place in range(args.cameras):
        rng = np.random.default_rng([SEED + 1, place])
        film = camera(rng, SIZE).shot(rng, 750, 14, largest=1.2)
        films[f"camera {place}"] = (list(film), 25.0)
    data = os.environ.get("FILMSTOCK_TESTDATA")
    real = Path(data) / "videos" / "car-detection.mp4" if data else None
    if real is not None and real.exists():
        pieces = [
            Take(place=0, event=at, copy=copy, frames=frames)
            for at, frames in enumerate(road(real, SECONDS))
            for copy in (False, True)
        ]
        compare("road", pieces, args.bits)
    print(json.dumps({"set": "drawn", **boundaries(films)}), flush=True)
    if real is not None and real.exists():
        from pipeline.source.shot_list import list_shots

        *_, shots = list_shots(str(real))
        assert shots is not None
        kinds = [f"{each.kind}@{each.boundary}" for each in shots.transitions]
        print(json.dumps({"set": "road", "false": len(kinds), "where": kinds}), flush=True)


if __name__ == "__main__":
    main()
