"""Profiles: the rules of frame counts and sizes, and those that ship."""

from __future__ import annotations

import dataclasses

import pytest

from jobs.core.errors import UserError
from jobs.export.profiles import find_profile, shipped
from pipeline.export.profile import Profile

WAN = Profile(fps=16, frames=(17, 33, 81), sizes=((832, 480), (480, 832), (416, 240)))


@pytest.mark.parametrize(("have", "want"), [(16, None), (17, 17), (32, 17), (81, 81), (900, 81)])
def test_a_clip_goes_to_the_largest_count_that_it_fills(have, want):
    assert WAN.fitting(have) == want


@pytest.mark.parametrize(
    ("size", "want"),
    [
        ((1920, 1080), (832, 480)),
        ((1080, 1920), (480, 832)),
        ((640, 360), (416, 240)),  # the larger of the same aspect would need enlarging
        ((200, 115), (416, 240)),
        ((832, 480), (832, 480)),  # as large as it is needs no enlarging
        ((1000, 470), (416, 240)),
        ((830, 500), (416, 240)),
    ],
)
def test_a_clip_goes_to_the_size_of_its_aspect(size, want):
    assert WAN.size_for(*size) == want


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"frames": (17, 32)}, "frames = 32 is not 4n+1; near it are 29 and 33"),
        ({"frames": ()}, "name at least one"),
        ({"frames": (33, 17)}, "must rise"),
        ({"sizes": ((830, 480),)}, "sizes = 830x480: each side must be a multiple of 16"),
        ({"sizes": ((832, 488),)}, "sizes = 832x488: each side"),
        ({"sizes": ((832, 0),)}, "sizes = 832x0: each side"),
        ({"sizes": ((832,),)}, "sizes = 832: each side"),
        ({"sizes": ()}, "sizes is empty"),
        ({"frames": (17, 17)}, r"frames = \[17, 17\] must rise and name at least one count"),
        (
            {"frames": (0,), "frame_step": 8, "frame_offset": 0},
            "frames = 0 is not 8n; near it are 8",
        ),
        (
            {"frames": (3,), "frame_step": 17, "frame_offset": 5},
            "3 is not 17n+5; near it are 5 and 22",
        ),
        ({"frames": (0,), "frame_step": 1, "frame_offset": 0}, "frames = 0 is not any count"),
        ({"fps": 0.0}, "fps"),
        ({"frame_step": 17, "frame_offset": 5, "frames": (124, 191)}, "191 is not 17n+5"),
    ],
)
def test_a_rule_that_is_broken_is_named(change, said):
    with pytest.raises(ValueError, match=said.replace("+", r"\+")):
        dataclasses.replace(WAN, **change)


def test_any_count_is_one_and_the_smallest_is_the_offset():
    assert dataclasses.replace(WAN, frames=(1,)).fitting(1) == 1
    any_count = dataclasses.replace(WAN, frames=(1, 2, 3), frame_step=1)
    assert any_count.rule == "any count" and any_count.fitting(2) == 2
    assert dataclasses.replace(WAN, frames=(5, 22), frame_step=17, frame_offset=5).fitting(21) == 5


def test_of_sizes_of_nearly_one_aspect_the_largest_that_needs_no_enlarging_is_taken():
    """Sizes are multiples of 16, so no two have one aspect to the digit."""
    sizes = ((640, 368), (832, 480), (1280, 736), (416, 240), (480, 832))
    model = Profile(fps=16, frames=(17,), sizes=sizes)
    assert model.size_for(1280, 736) == (1280, 736) and model.size_for(1200, 690) == (640, 368)
    square = Profile(fps=16, frames=(17,), sizes=((512, 512), (256, 256), (1024, 1024)))
    assert square.size_for(800, 800) == (512, 512) and square.size_for(100, 100) == (256, 256)
    assert square.size_for(2000, 2000) == (1024, 1024)


def test_a_side_may_be_the_divisor_itself_and_one_frame_is_a_count():
    thumb = Profile(fps=16, frames=(1,), sizes=((16, 32),))
    assert thumb.size_for(100, 200) == (16, 32) and thumb.near(3) == [1, 5]
    assert thumb.near(0) == [1, 5]


def test_those_that_ship_keep_their_models_rules():
    rules = {name: find_profile(name) for name in shipped()}
    assert set(rules) == {"wan2.1-14b", "wan2.2-5b", "hunyuan-1.5", "ltx-2", "h3", "cogvideox"}
    assert {name: (p.rule, p.fps) for name, p in rules.items()} == {
        "wan2.1-14b": ("4n+1", 16),
        "wan2.2-5b": ("4n+1", 24),
        "hunyuan-1.5": ("4n+1", 24),
        "ltx-2": ("8n+1", 24),
        "h3": ("17n+5", 24),
        "cogvideox": ("4n+1", 8),
    }
    assert {name for name, p in rules.items() if p.audio} == {"ltx-2", "h3"}
    assert all(p.name == name for name, p in rules.items())


def test_bad_profiles_are_one_line(tmp_path):
    bad = tmp_path / "mine.toml"
    for text, said in (
        (
            "fps = 16\nframes = [17]\nsizes = [[64, 64]]\nspeed = 2",
            "profile mine.toml: unknown key 'speed'",
        ),
        ("fps = ", "not valid TOML"),
        ('fps = "fast"\nframes = [17]\nsizes = [[64, 64]]', "fps is 'fast'"),
        ('fps = 16\nframes = [17]\nsizes = [[64, 64]]\ndialect = "verse"', "unknown dialect"),
    ):
        bad.write_text(text)
        with pytest.raises(UserError, match=said):
            find_profile(str(bad))
    bad.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="mine.toml is not text in UTF-8; write it as TOML"):
        find_profile(str(bad))
    for path, said in (
        (tmp_path / "no.toml", "does not exist"),
        (tmp_path / "dir.toml", "is a folder"),
    ):
        (tmp_path / "dir.toml").mkdir(exist_ok=True)
        with pytest.raises(
            UserError, match=f"--model .*{path.name} {said}; give a .toml file, or one of cogvideox"
        ):
            find_profile(str(path))
    with pytest.raises(UserError, match="did you mean 'wan2.1-14b'"):
        find_profile("wan2.1-1b")
    with pytest.raises(UserError, match="--frames 18: frames = 18 is not 4n"):
        find_profile("wan2.1-14b", (18,))
    assert find_profile("wan2.1-14b", (33, 17)).frames == (17, 33)
