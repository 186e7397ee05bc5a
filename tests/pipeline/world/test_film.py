"""Films: planned purely, and true to the frame once encoded and decoded."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipeline.video.probe import probe
from pipeline.video.tags import WORLD
from pipeline.world.film import (
    TRUTH_NAME,
    film_truth,
    shoot,
    shoot_film,
    shot_frames,
)
from pipeline.world.film_plan import plan_films
from pipeline.world.junk import JUNK_KINDS
from pipeline.world.render import render
from pipeline.world.scene import Scene

SMALL = ((96, 64, Fraction(12)), (64, 96, Fraction(15)))
PLAN = {"minutes": 0.8, "files": 3, "seed": 3, "formats": SMALL}


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("footage")
    shoot(folder, **PLAN)
    return folder


def decode(path: Path) -> np.ndarray:
    import av

    with av.open(str(path)) as container:
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])


def gap(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.mean((a.astype(np.float32) - b) ** 2)))


def test_plan_is_pure_and_depends_on_the_seed() -> None:
    assert plan_films(**PLAN) == plan_films(**PLAN)
    assert plan_films(**PLAN) != plan_films(**{**PLAN, "seed": 4})


def test_same_plan_same_bytes(footage: Path, tmp_path: Path) -> None:
    film = plan_films(**PLAN)[0]
    assert shoot_film(film, tmp_path).read_bytes() == (footage / film.name).read_bytes()


def test_intervals_tile_the_file() -> None:
    for film in plan_films(minutes=3, files=4, seed=11):
        at = 0
        assert len(film.transitions) == len(film.shots) - 1
        for i, shot in enumerate(film.shots):
            assert shot.clean_start == at
            assert shot.start <= shot.clean_start < shot.clean_end <= shot.end
            if i < len(film.transitions):
                joint = film.transitions[i]
                assert joint.start == shot.clean_end
                assert (joint.kind == "cut") == (joint.start == joint.end)
                assert film.shots[i + 1].clean_start == joint.end
                at = joint.end
        assert film.shots[-1].clean_end == film.n_frames


def test_truth_holds_for_every_decoded_frame(footage: Path) -> None:
    films = [film for film in plan_films(**PLAN) if not film.corrupt]
    kinds = set()
    for film in films:
        frames = decode(footage / film.name)
        assert len(frames) == film_truth(film)["n_frames"]
        assert frames.shape[1:3] == (film.height, film.width)
        shots = [shot_frames(film, i) for i in range(len(film.shots))]
        for shot, planned in zip(film.shots, shots, strict=True):
            assert len(planned) == shot.end - shot.start
            clean = slice(shot.clean_start, shot.clean_end)
            own = planned[shot.clean_start - shot.start : shot.clean_end - shot.start]
            assert max(gap(a, b) for a, b in zip(frames[clean], own, strict=True)) < 10
        for joint, before, after, left, right in zip(
            film.transitions, film.shots, film.shots[1:], shots, shots[1:], strict=False
        ):
            kinds.add(joint.kind)
            if joint.kind == "cut":
                last, first = frames[joint.start - 1], frames[joint.start]
                assert gap(last, left[-1]) < gap(last, right[0])
                assert gap(first, right[0]) < gap(first, left[-1])
            else:
                middle = (joint.start + joint.end) // 2
                alone = [
                    s[middle - b.start]
                    for s, b in ((left, before), (right, after))
                    if b.start <= middle < b.end
                ]
                assert min(gap(frames[middle], picture) for picture in alone) > 10
    assert len(kinds) >= 3


def test_scenes_in_the_truth_render_the_shots(footage: Path) -> None:
    import json

    entry = json.loads((footage / TRUTH_NAME).read_text())["files"][0]
    shot = next(s for s in entry["shots"] if s["junk"] is None and s["flash"] is None)
    form = {"width": entry["width"], "height": entry["height"]}
    form |= {"fps": entry["fps_num"] / entry["fps_den"], "n_frames": shot["end"] - shot["start"]}
    again = render(Scene.from_dict(shot["scene"]), **form)
    planned = shot_frames(plan_films(**PLAN)[0], shot["index"])
    assert np.array_equal(again, planned)
    assert shot["caption_dense"].startswith("A ")


def test_second_file_has_every_junk_kind_and_it_shows() -> None:
    film = plan_films(**PLAN)[1]
    found = {shot.junk: i for i, shot in enumerate(film.shots) if shot.junk}
    assert set(found) == set(JUNK_KINDS)
    pictures = {kind: shot_frames(film, i).astype(np.float32) for kind, i in found.items()}
    assert pictures["black"].max() < 8
    assert np.ptp(pictures["static"], axis=0).max() == 0
    assert pictures["letterbox"][:, :8].max() == 0
    shot = film.shots[found["text"]]
    form = {"width": film.width, "height": film.height, "fps": float(film.fps)}
    bare = render(shot.scene, n_frames=shot.end - shot.start, **form)
    changed = np.abs(pictures["text"] - bare).max(axis=-1) > 40
    assert 0.15 < changed.mean() < 0.9
    original = film.shots[found["duplicate"]].duplicate_of
    assert original is not None
    assert film.shots[original].scene == film.shots[found["duplicate"]].scene


def test_flash_lies_inside_a_clean_shot() -> None:
    films = plan_films(minutes=6, files=2, seed=5, corrupt=0, formats=SMALL)
    lit = [(f, i) for f in films for i, s in enumerate(f.shots) if s.flash]
    assert lit
    film, index = lit[0]
    shot = film.shots[index]
    assert shot.flash is not None
    assert shot.clean_start < shot.flash[0] < shot.flash[1] < shot.clean_end
    frames = shot_frames(film, index)
    assert frames[shot.flash[0] - shot.start].min() > 200 > frames[0].min()


def test_corrupt_file_cannot_be_opened(footage: Path) -> None:
    import av

    film = plan_films(**PLAN)[-1]
    assert film.corrupt
    with pytest.raises(av.FFmpegError):
        decode(footage / film.name)


@pytest.mark.parametrize("bad", [{"minutes": 0}, {"files": 0}, {"files": 2, "corrupt": 2}])
def test_impossible_plans_are_refused(bad: dict) -> None:
    with pytest.raises(ValueError, match="cannot film"):
        plan_films(**{"minutes": 1, "files": 2, "seed": 0, **bad})


def remux(path: Path, to: Path, *, encode: bool) -> Path:
    """A copy in another container, as an editor makes it: metadata kept, pictures copied or encoded anew."""
    import av

    with av.open(str(path)) as source, av.open(str(to), "w") as target:
        stream = source.streams.video[0]
        if encode:
            out = target.add_stream("libx264", rate=stream.average_rate)
            out.width, out.height, out.pix_fmt = stream.width, stream.height, "yuv420p"
        else:
            out = target.add_stream_from_template(stream)
        target.metadata.update(source.metadata)
        for packet in source.demux(stream):
            if encode:
                for frame in packet.decode():
                    frame.pts = None
                    target.mux(out.encode(frame))
            elif packet.dts is not None:
                packet.stream = out
                target.mux(packet)
        if encode:
            target.mux(out.encode())
    return to


@pytest.mark.parametrize(
    ("name", "encode"), [("c.mkv", False), ("c.mov", False), ("c.mp4", True), ("c.mkv", True)]
)
def test_the_mark_of_the_world_survives(
    footage: Path, tmp_path: Path, name: str, encode: bool
) -> None:
    film = footage / plan_films(**PLAN)[0].name
    assert probe(film).domain == WORLD
    copy = remux(film, tmp_path / name, encode=encode)
    assert probe(copy).domain == WORLD
    assert not probe(copy).tags, "the mark is no caption"


def test_other_footage_has_no_mark(tmp_path: Path) -> None:
    from tests.helpers.counter_media import write_counter

    assert probe(write_counter(tmp_path / "a.mp4", 5)).domain is None
