"""Captions of measurements: every clause is in the row, nothing is said that is not, and truth agrees with them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.facts import TOPICS, facts, facts_text
from captioner.truth.claims import read_claims, text_faults
from captioner.truth.grounding import camera_contradiction, manifest_camera
from pipeline import schema as s

ROW = {
    s.START_S: 2.0,
    s.END_S: 6.0,
    s.WIDTH: 1280,
    s.HEIGHT: 720,
    s.CAMERA: "pan",
    s.CAMERA_PAN: 0.1,
    s.CAMERA_TILT: 0.0,
    s.CAMERA_ZOOM: 0.0,
    s.LUMA_MEAN: 0.15,
    s.LUMA_STD: 0.31,
    s.COLOURS: ["black", "blue"],
    s.LEGIBLE_TEXT: ["OPEN", '24 "H"'],
}


def test_a_whole_caption() -> None:
    assert facts_text(facts(ROW)) == (
        "The view pans to the right, by 0.4 of the frame's diagonal. The picture is dark and high in contrast. "
        'The main colours are black and blue. The text "OPEN" and "24 \'H\'" can be read. '
        "The frame is landscape, 16:9, and the clip lasts 4.0 seconds."
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {s.CAMERA_PAN: -0.03},
            "The view pans slowly to the left, by 0.12 of the frame's diagonal.",
        ),
        ({s.CAMERA_PAN: -0.4}, "The view pans fast to the left, by 1.6 of the frame's diagonal."),
        (
            {s.CAMERA: "tilt", s.CAMERA_PAN: 0.0, s.CAMERA_TILT: 0.1},
            "The view tilts up, by 0.4 of the frame's diagonal.",
        ),
        (
            {s.CAMERA: "tilt", s.CAMERA_PAN: 0.0, s.CAMERA_TILT: -0.1},
            "The view tilts down, by 0.4 of the frame's diagonal.",
        ),
        (
            {s.CAMERA: "zoom", s.CAMERA_PAN: 0.0, s.CAMERA_ZOOM: 0.1},
            "The view pushes in: things grow by 49 %.",
        ),
        (
            {s.CAMERA: "zoom", s.CAMERA_PAN: 0.0, s.CAMERA_ZOOM: 0.3},
            "The view pushes in fast: things grow by a factor of 3.3.",
        ),
        (
            {s.CAMERA: "zoom", s.CAMERA_PAN: 0.0, s.CAMERA_ZOOM: -0.05},
            "The view pulls back slowly: things shrink by 18 %.",
        ),
        ({s.CAMERA: "static", s.CAMERA_PAN: 0.001}, "The camera is static."),
        ({s.CAMERA: "static", s.CAMERA_PAN: 0.0, s.MOTION_MEAN: 0.1}, ""),  # too much else moves
        ({s.CAMERA: "static", s.CAMERA_PAN: 0.0, s.CAMERA_ZOOM: 0.02}, ""),  # grows
        ({s.CAMERA: "handheld", s.CAMERA_PAN: 0.01}, ""),
        ({s.CAMERA_TILT: 0.08}, ""),  # which of both?
        ({s.CAMERA_PAN: 0.016}, ""),  # too little to be told
        ({s.CAMERA: "static", s.CAMERA_PAN: 0.014}, ""),  # creeps
        ({s.CAMERA: None, s.CAMERA_PAN: None}, ""),
    ],
)
def test_camera_clauses_are_what_the_truth_check_reads(changes: dict[str, Any], said: str) -> None:
    row = ROW | changes
    clauses = [clause for clause in facts(row) if clause.topic == "camera"]
    assert [clause.text for clause in clauses] == ([said] if said else [])
    if said:
        kind = row[s.CAMERA]
        (claim,) = read_claims(said).camera
        assert claim.startswith(kind) and text_faults(said) == []
        assert not camera_contradiction(said, manifest_camera(row))
        opposite = row | {s.CAMERA: "zoom" if kind != "zoom" else "pan"}
        assert camera_contradiction(said, manifest_camera(opposite))


def test_an_unsteady_camera_is_said_to_move_and_not_how() -> None:
    (clause,) = (
        c for c in facts(ROW | {s.CAMERA: "handheld", s.JITTER: 0.03}) if c.topic == "camera"
    )
    assert clause.text == "The camera moves unevenly." and read_claims(clause.text).camera == ()


def test_what_moves_is_told_only_under_a_standing_camera() -> None:
    stands = ROW | {s.CAMERA: "static", s.CAMERA_PAN: 0.0, s.STATIC_SHARE: 0.1, s.MOTION_MEAN: 0.05}
    told = {clause.topic: clause.text for clause in facts(stands)}
    assert told["movement"] == "Something moves nearly all the time."
    rests = stands | {s.STATIC_SHARE: 1.0, s.MOTION_MEAN: 0.0004}
    told = {clause.topic: clause.text for clause in facts(rests)}
    assert told["movement"] == "Hardly anything moves."
    assert "movement" not in {c.topic for c in facts(stands | {s.CAMERA: "pan"})}
    assert "movement" not in {c.topic for c in facts(stands | {s.STATIC_SHARE: 0.5})}


def test_shape_is_of_the_picture_inside_its_bars() -> None:
    row = ROW | {s.CROP_X: 0, s.CROP_Y: 90, s.CROP_W: 1280, s.CROP_H: 540}
    (clause,) = (clause for clause in facts(row) if clause.topic == "shape")
    assert (
        clause.text == "The frame is landscape, and the clip lasts 4.0 seconds."
    )  # 2.37: no name is near
    assert clause.columns == (s.CROP_W, s.CROP_H, s.START_S, s.END_S)
    portrait = ROW | {s.WIDTH: 720, s.HEIGHT: 1280}
    assert "portrait, 9:16" in facts_text(facts(portrait))
    assert "is square, and" in facts_text(facts(ROW | {s.WIDTH: 720}))


def test_nothing_is_said_of_what_was_not_measured() -> None:
    assert facts({}) == []
    assert facts(dict.fromkeys(ROW)) == []


values = st.one_of(st.none(), st.floats(-2, 2, allow_nan=False))


@given(
    st.fixed_dictionaries(
        dict.fromkeys(
            (s.CAMERA_PAN, s.CAMERA_TILT, s.CAMERA_ZOOM, s.LUMA_MEAN, s.LUMA_STD, s.MOTION_MEAN),
            values,
        )
        | {s.CAMERA: st.sampled_from([None, *s.CAMERAS]), s.STATIC_SHARE: values}
    )
)
def test_every_clause_is_from_measured_columns_of_its_row(measured: dict[str, Any]) -> None:
    row = ROW | measured
    clauses = facts(row)
    optional = (s.STATIC_SHARE, s.MOTION_MEAN, s.JITTER)
    assert [TOPICS.index(clause.topic) for clause in clauses] == sorted(
        TOPICS.index(clause.topic) for clause in clauses
    )
    for clause in clauses:
        assert clause.columns and set(clause.columns) <= set(s.MEASURED_COLUMNS)
        assert all(row[name] is not None for name in clause.columns if name not in optional)
        # Take away what a clause is from, and it is not said any more.
        without = facts({name: v for name, v in row.items() if name != clause.columns[0]})
        assert clause not in without
