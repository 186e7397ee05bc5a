"""What an export will hold, worked out without a video: whose rows, which buckets, which groups, which sound."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from captioner.dialects.tokens import Counter
from jobs.export import plan as planning
from jobs.export.captions import Wording
from jobs.export.plan import Settings, audio_note, groups, keeps_audio, media_key, plan
from pipeline import schema as s
from pipeline.export.plan import Note
from pipeline.export.profile import Profile
from pipeline.export.target import Target
from pipeline.shards.read import Manifest

WORDS = Wording(
    kind="dense",
    dialect="prose",
    template=None,
    many=False,
    counter=Counter(count=lambda text: len(text.split()), unit="words", name="words"),
    most=None,
    shorten=False,
    seed=0,
    structured=False,
)
MODEL = Profile(fps=16, frames=(17,), sizes=((160, 96), (96, 160)))
TRAINER = Target(name="trainer", reads="a trainer")


def manifest(*rows: dict[str, Any]) -> Manifest:
    usual = {
        s.N_FRAMES: 24,
        s.FPS: 16.0,
        s.WIDTH: 320,
        s.HEIGHT: 192,
        s.SPLIT: "train",
        s.BYTE_LENGTH: 10,
        s.caption_column("dense"): "A dog runs.",
    }
    table = pa.Table.from_pylist([{s.CLIP_ID: f"c{i}", **usual, **r} for i, r in enumerate(rows)])
    return Manifest(root="", table=table, hash="")


def settings(**what: Any) -> Settings:
    return Settings(**{"target": TRAINER, "profile": MODEL, "wording": WORDS, **what})


def test_a_split_keeps_the_rows_of_its_clips() -> None:
    """The number of a row is what its video is read by: one off, and every caption lies beside another's video."""
    held = {s.SPLIT: "validation"}
    shards = manifest(held, {}, held, {}, {s.SPLIT: None})
    found = {
        split: [(clip.name, clip.index, clip.split) for clip in plan(shards, settings(split=split))]
        for split in ("train", "validation", "all")
    }
    assert found["validation"] == [("c0", 0, "validation"), ("c2", 2, "validation")]
    assert found["train"] == [("c1", 1, "train"), ("c3", 3, "train"), ("c4", 4, "train")]
    assert len(found["all"]) == 5


def test_wide_clips_go_to_wide_buckets_and_a_bucket_of_a_batch_is_kept() -> None:
    tall = {s.WIDTH: 192, s.HEIGHT: 320}
    shards = manifest({}, tall, {}, tall, {}, {s.N_FRAMES: 5})
    dropping = settings(target=replace(TRAINER, drops_small_buckets=True), batch=3)
    found = plan(shards, dropping)
    assert [clip.bucket for clip in found[:2]] == [(160, 96, 17), (96, 160, 17)]
    refusals = [clip.refusal and str(clip.refusal) for clip in found]
    small = "small_bucket"
    assert refusals == [None, small, None, small, None, "too_short"]
    for other in (replace(dropping, batch=1), settings(batch=3)):
        assert sum(clip.refusal is None for clip in plan(shards, other)) == 5


def test_frames_are_shown_twice_only_where_asked() -> None:
    shards = manifest({s.FPS: 8.0})
    (kept,), (refused,) = plan(shards, settings(repeat=True)), plan(shards, settings())
    assert kept.fit and kept.fit.n_frames == 17 and Note.REPEATS in kept.notes
    assert refused.refusal == "low_fps" and refused.fit is None and refused.written is None


def test_a_trainer_of_videos_gets_no_still() -> None:
    shards = manifest({s.N_FRAMES: 1}, {s.N_FRAMES: 2})
    videos = settings(target=replace(TRAINER, images=False), profile=None)
    assert [clip.refusal for clip in plan(shards, videos)] == ["still", None]
    assert [clip.refusal for clip in plan(shards, settings(profile=None))] == [None, None]


def test_tar_files_hold_what_fits_and_files_go_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "TAR_BYTES", 25)
    monkeypatch.setattr(planning, "GROUP_CLIPS", 4)
    short = {s.N_FRAMES: 5, s.BYTE_LENGTH: 1000}  # refused: takes no room
    shards = manifest({}, {}, short, {}, {s.BYTE_LENGTH: 99}, {}, {s.BYTE_LENGTH: 15})
    found = plan(shards, settings())
    tars = groups(found, shards, replace(TRAINER, tar="{group}.tar"))
    assert [[clip.index for clip in one] for one in tars] == [[0, 1, 2], [3], [4], [5, 6]]
    assert [len(one) for one in groups(found, shards, TRAINER)] == [4, 3]


def test_a_file_is_made_anew_when_anything_that_it_depends_on_changes() -> None:
    """A key that leaves one out keeps old files: the new setting is in the report and not in the videos."""
    (clip,) = plan(manifest({}), settings())
    sound = replace(MODEL, audio=True)
    hears = replace(TRAINER, audio=True)
    assert clip.fit is not None
    keys = [
        media_key(clip, settings(), "a"),
        media_key(clip, settings(), "b"),
        media_key(clip, settings(crf=23), "a"),
        media_key(clip, settings(resize=True), "a"),
        media_key(clip, settings(profile=sound, target=hears), "a"),
        media_key(replace(clip, fit=replace(clip.fit, n_frames=13)), settings(), "a"),
        media_key(replace(clip, fit=replace(clip.fit, fps=24)), settings(), "a"),
    ]
    assert len(set(keys)) == len(keys)
    assert media_key(clip, settings(profile=sound), "a") == keys[0], "the trainer reads no sound"
    assert media_key(clip, settings(profile=None, crf=23), "a") == "a", "the bytes as they are"


@pytest.mark.parametrize(
    ("target", "profile", "keeps", "notes"),
    [
        (False, None, False, ["sound_lost", "", ""]),
        (True, None, True, ["", "", ""]),
        (True, False, False, ["sound_lost", "", ""]),
        (True, True, True, ["", "no_sound", "no_sound"]),
        (False, True, False, ["sound_lost", "no_sound", "no_sound"]),
    ],
)
def test_what_becomes_of_sound_is_said(
    target: bool, profile: bool | None, keeps: bool, notes: list[str]
) -> None:
    model = None if profile is None else replace(MODEL, audio=profile)
    said = settings(target=replace(TRAINER, audio=target), profile=model)
    assert keeps_audio(said) == keeps
    cases = ((keeps, True), (False, False), (False, False))
    assert [" ".join(audio_note(said, *case)) for case in cases] == notes
