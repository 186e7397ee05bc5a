"""Shots for other programs: CSV, an edit decision list, thumbnails."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from PIL import Image

from jobs.core.errors import UserError
from jobs.ingest.shot_files import csv_text, edl_text, thumbnail_name, timecode, write_thumbnails
from jobs.ingest.shots import main
from pipeline.shots.boundaries import Shot, Transition
from pipeline.source.shot_list import ShotList
from tests.helpers.counter_media import write_counter

FOUND = ShotList(
    fps=25.0,
    n_frames=60,
    duration_s=2.4,
    transitions=(Transition(kind="dissolve", first=20, stop=30),),
    shots=(
        Shot(first=0, stop=20, transition_in="start", transition_out="dissolve"),
        Shot(first=30, stop=60, transition_in="dissolve", transition_out="end"),
    ),
)


def test_timecodes_count_whole_frames() -> None:
    assert timecode(0, 25) == "00:00:00:00"
    assert timecode(25 * 3661 + 7, 25) == "01:01:01:07"
    assert timecode(30, 29.97) == "00:00:01:00"


def test_the_csv_has_a_line_a_shot() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text({"a, b.mp4": FOUND}, Path("out")))))
    assert [(row["file"], row["shot"], row["first_frame"], row["stop_frame"]) for row in rows] == [
        ("a, b.mp4", "1", "0", "20"),
        ("a, b.mp4", "2", "30", "60"),
    ]
    assert (rows[1]["start_s"], rows[1]["begins_with"]) == ("1.200", "dissolve")
    assert rows[1]["thumbnail"] == "out/a, b-002.jpg"


def test_the_edl_plays_the_shots_one_after_another() -> None:
    lines = edl_text("film.mp4", FOUND).splitlines()
    assert lines[0] == "TITLE: film"
    assert (
        lines[3] == "001  AX       V     C        00:00:00:00 00:00:00:20 00:00:00:00 00:00:00:20"
    )
    assert (
        lines[5] == "002  AX       V     C        00:00:01:05 00:00:02:10 00:00:00:20 00:00:02:00"
    )
    assert lines[6] == "* FROM CLIP NAME: film.mp4"


def test_thumbnails_are_small_pictures_of_the_middle(tmp_path: Path) -> None:
    path = write_counter(tmp_path / "film.mp4", 60)
    write_thumbnails(path, "film.mp4", FOUND, tmp_path / "out")
    names = [thumbnail_name("film.mp4", number) for number in (1, 2)]
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == names
    with Image.open(tmp_path / "out" / names[0]) as picture:
        assert picture.format == "JPEG" and picture.height <= 180


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("{file} --deadline-s nan", "--deadline-s nan: it must be finite and above 0"),
        ("{file} --csv {tmp}/none/x.csv", "its folder does not exist"),
        ("{file} --edl {tmp}", "is a folder; give the name of a file"),
        ("{file} --thumbnails {file}", "is a file; give a folder"),
        ("{file} {file}2 --edl {tmp}/x.edl", "takes one video, not 2"),
        ("{tmp}", "is a folder; name video files"),
        ("{tmp}/none.mp4", "does not exist; check the path"),
    ],
)
def test_wrong_places_are_refused_before_anything_is_decoded(
    words: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "a.mp4").touch()
    with pytest.raises(UserError) as caught:
        main(words.format(file=tmp_path / "a.mp4", tmp=tmp_path).split())
    assert said in str(caught.value)
