"""Captions that come with sources: tags and sidecars, cleaned, limited, and silent where they say nothing."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import av
import pytest

from pipeline.source.listing import SIDECARS, same_sidecars, source_stamp
from pipeline.source.sidecars import (
    LONGEST,
    joined,
    original_caption,
    read_sidecars,
    says_something,
    sidecar_caption,
    tidy,
)
from pipeline.store.paths import ObjectPath
from pipeline.video.probe import probe
from pipeline.video.tags import container_tags
from tests.helpers.counter_media import write_counter
from tests.helpers.object_server import ObjectServer, no_faults, server_with


def with_tags(source: Path, target: Path, tags: dict[str, str]) -> Path:
    """The same packets in another container, with tags."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        new.metadata.update(tags)
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(old.streams.video[0]):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    return target


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".webm"])
def test_tags_of_containers(tmp_path: Path, suffix: str) -> None:
    codec = {"codec": "libvpx-vp9"} if suffix == ".webm" else {}
    plain = write_counter(tmp_path / f"plain{suffix}", 3, **codec)
    assert original_caption(str(plain), probe(plain).tags) is None, "a muxer's own tags say nothing"
    tags = {"title": "Numbers that count up", "comment": "Filmed <b>indoors</b> in May"}
    made = with_tags(plain, tmp_path / f"made{suffix}", tags)
    want = "Numbers that count up. Filmed indoors in May"
    assert original_caption(str(made), probe(made).tags) == want


def test_tags_in_any_case_and_no_others() -> None:
    found = container_tags(
        {"TITLE": "a", "Description": "b" * 10_000, "encoder": "Lavf", "artist": "x"}
    )
    assert list(found) == ["title", "description"] and len(found["description"]) == 8192


@pytest.mark.parametrize(
    "text",
    [
        "", "  ", "IMG_2034.MOV", "GOPR0123", "untitled", "https://example.com/watch?v=abc", "vid:v12044gd0000c3",
        "Made with Clipchamp", "Lavf60.3.100", "DJI 0001 final", "2024-01-02 12:33", "\x00\x01\u202e", "a.b.c@mail.org",
    ],
)  # fmt: skip
def test_what_says_nothing_is_no_caption(text: str) -> None:
    assert joined([text]) is None


@pytest.mark.parametrize(
    "text",
    ["Sunset", "My dog", "Shot in Rome", "Sunset over the bay", "北京的街道", "Test of courage"],
)
def test_what_says_something_is_kept_word_for_word(text: str) -> None:
    assert joined([text]) == text


def test_the_name_of_the_file_says_nothing() -> None:
    assert not says_something("My holiday 2", "my-holiday_2")
    assert says_something("My holiday in Rome", "my-holiday_2")


def test_text_is_tidied_and_limited() -> None:
    assert tidy("a\x00b\r\n\tc &amp; <p class='x'>d</p> e\u202e\ud800 \ufffd") == "a b c & d e"
    assert len(tidy("a" * 10**6 + "<!--" * 10**5)) < 10_000, "and in no time"
    assert tidy("See https://x.org/a?b=c now") == "See now"
    sentence = "A dog runs along the beach at sunset. "
    cut = joined([sentence * 40])
    assert cut is not None and len(cut) <= LONGEST and cut.endswith("sunset.")
    words = joined(["word " * 400])
    assert words is not None and len(words) <= LONGEST + 1 and words.endswith("word\u2026")
    assert (
        joined(["dogs at play", "Dogs at play in a park", "Dogs at play"])
        == "Dogs at play in a park"
    )


def test_sidecars_beside_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    video = tmp_path / "00001.mp4"
    assert read_sidecars(video) is None
    (tmp_path / "00001.info.json").write_text(
        '{"title": "From a site", "description": "A dog runs."}'
    )
    assert read_sidecars(video) == "From a site. A dog runs."
    (tmp_path / "00001.json").write_text(
        '{"caption": "", "captions": [null, "A red ball."], "url": "x"}'
    )
    assert read_sidecars(video) == "A red ball."
    (tmp_path / "00001.txt").write_bytes(b"\xef\xbb\xbfA man \x00cooks.\r\n")
    assert read_sidecars(video) == "A man cooks."
    assert original_caption(str(video), {"title": "Something else"}) == "A man cooks."
    assert (
        original_caption(str(video), {"title": "Something else"}, sidecars=False)
        == "Something else"
    )
    (tmp_path / "00001.txt").write_text("00001")
    for broken, why in (
        ('{"caption": ', "Expecting value"),
        ("[1]", "not an object"),
        ("[" * 10**5, "passed over"),
    ):
        (tmp_path / "00001.json").write_text(broken)
        with caplog.at_level(logging.WARNING):
            assert read_sidecars(video) == "From a site. A dog runs.", "the next one counts"
        assert why in caplog.text and "00001.json" in caplog.text
        caplog.clear()


def test_a_page_that_says_not_found_is_no_caption() -> None:
    assert sidecar_caption(b"<!DOCTYPE html><title>Not found</title>", ".txt") is None
    assert (
        sidecar_caption(json.dumps({"caption": 3, "text": "A cat."}).encode(), ".json") == "A cat."
    )


server = server_with("originals")


def test_sidecars_in_a_store_and_behind_a_link(
    server: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with no_faults(server, monkeypatch):
        video = ObjectPath("s3://originals/raw/a film.mp4")
        assert read_sidecars(video) is None
        (video.parent / "a film.txt").write_bytes(b"A man walks.")
        assert read_sidecars(video) == "A man walks."
        asked: list[str] = []

        def ask(beside: Any, start: int, length: int) -> bytes:
            asked.append(str(beside))
            raise FileNotFoundError(str(beside))

        monkeypatch.setattr("pipeline.source.sidecars.read_range", ask)
        plain = ObjectPath("https://example.invalid/raw/x.mp4")
        assert read_sidecars(plain) is None and len(asked) == len(SIDECARS)
        asked.clear()
        signed = ObjectPath("https://example.invalid/raw/x.mp4?X-Amz-Signature=abc")
        assert read_sidecars(signed) is None
        assert not asked, (
            "its neighbours are not signed, and would be asked for with its own signature"
        )


def test_a_sidecar_of_a_store_that_came_changed_or_went_changes_the_stamp(
    server: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with no_faults(server, monkeypatch):
        video = ObjectPath("s3://originals/stamps/a.mp4")
        beside = video.parent / "a.txt"
        video.write_bytes(b"film")
        alone = source_stamp(str(video), sidecars=True)
        assert alone == source_stamp(str(video)) != ""
        stamps = [alone]
        for text in (b"A man walks.", b"A man sits.."):  # as many bytes
            beside.write_bytes(text)
            stamps.append(source_stamp(str(video), sidecars=True))
        assert len(set(stamps)) == 3
        assert same_sidecars(stamps[1], stamps[1]) and not same_sidecars(stamps[1], stamps[2])
        assert source_stamp(str(video)) == alone, "nor looked at where sidecars are off"
        beside.unlink()
        assert source_stamp(str(video), sidecars=True) == alone


def test_a_name_too_long_for_a_sidecar_has_none(tmp_path: Path) -> None:
    video = tmp_path / ("n" * 250 + ".mp4")
    video.write_bytes(b"film")
    assert source_stamp(str(video), sidecars=True) == source_stamp(str(video)) != ""


def test_a_sidecar_stays_inside_its_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, secret = tmp_path / "films", tmp_path / "secret.txt"
    folder.mkdir()
    secret.write_text("A secret that is no caption.")
    video = folder / "a.mp4"
    (folder / "a.txt").symlink_to(secret)
    assert read_sidecars(video) is None and "out of its folder" in caplog.text
    (folder / "a.txt").unlink()
    (folder / "a.txt").symlink_to("../secret.txt")
    assert read_sidecars(video) is None
    (folder / "a.txt").unlink()
    (folder / "out").symlink_to(tmp_path)
    (folder / "a.txt").symlink_to("out/secret.txt")
    assert read_sidecars(video) is None, "by way of a linked folder"
    (folder / "a.txt").unlink()
    (folder / "shared.txt").write_text("A dog runs.")
    (folder / "a.txt").symlink_to("shared.txt")
    assert read_sidecars(video) == "A dog runs.", "a link within the folder is followed"


def test_a_sidecar_of_a_linked_folder_is_read(tmp_path: Path) -> None:
    """The folder itself may be reached by a link: what matters is where the sidecar lies in it."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.txt").write_text("A dog runs.")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert read_sidecars(tmp_path / "link" / "a.mp4") == "A dog runs."


def test_a_pipe_is_not_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    os.mkfifo(tmp_path / "a.txt")
    (tmp_path / "a.json").symlink_to("loop.json")
    (tmp_path / "loop.json").symlink_to("a.json")
    (tmp_path / "a.info.json").mkdir()
    assert read_sidecars(tmp_path / "a.mp4") is None and "no regular file" in caplog.text
