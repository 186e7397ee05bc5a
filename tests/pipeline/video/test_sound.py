"""Sound stays with its pictures: a click that is heard with a flash in the source is heard with it in every clip."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.video.cut import Clip
from pipeline.video.decode import decode_clip
from pipeline.video.probe import MediaError
from pipeline.video.sound import SoundReader
from tests.helpers.counter_media import write_counter
from tests.helpers.cuts import clips_between, timeline

SECONDS = 6
FPS = Fraction(30000, 1001)
FLASHES = [15, 40, 77, 101, 130, 168]
"""Frames that are white, and with which a click is heard."""


def clapper(
    path: Path,
    codec: str,
    rate: int,
    *,
    channels: int = 1,
    late_s: Fraction = Fraction(0),
    pieces: list[tuple[int, int]] | None = None,
) -> Path:
    """A black film of 29.97 fps with white frames, and a click of 1 ms at the start of each; all ``late_s`` late.

    ``pieces``: first sample and end of each packet of the sound; those of another may be in it again.
    """
    n = int(SECONDS * FPS)
    sound = np.zeros((channels, SECONDS * rate), np.float32)
    for flash in FLASHES:
        at = round(flash / FPS * rate)
        sound[:, at : at + rate // 1000] = 0.8
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.options = {"bf": "2", "g": "30"}
        track = container.add_stream(codec, rate=rate, layout="mono" if channels == 1 else "stereo")
        first = round(late_s * FPS)
        for number in range(n):
            level = 255 if number in FLASHES else 0
            frame = av.VideoFrame.from_ndarray(
                np.full((48, 64, 3), level, np.uint8), format="rgb24"
            )
            frame.pts, frame.time_base = first + number, 1 / FPS
            container.mux(video.encode(frame))
        container.mux(video.encode())
        layout = "mono" if channels == 1 else "stereo"
        for at, stop in pieces or [(at, at + 1024) for at in range(0, sound.shape[1], 1024)]:
            part = np.ascontiguousarray(sound[:, at:stop])
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = at + round(first / FPS * rate)
            if track.codec_context.format.name != "fltp":
                resampler = av.AudioResampler(format=track.codec_context.format.name)
                frames = resampler.resample(frame)
            else:
                frames = [frame]
            for each in frames:
                container.mux(track.encode(each))
        container.mux(track.encode())
    return path


def clips_of(path: Path, edges: list[int], *, audio: bool = True) -> list[Clip]:
    marks, _ = timeline(path)
    return clips_between(path, marks, edges, audio=audio)


def events(mp4: bytes) -> tuple[list[float], list[float], float]:
    """Seconds at which flashes and clicks start, and how long the sound lasts."""
    flashes, heard = [], []
    with av.open(io.BytesIO(mp4)) as container:
        for frame in container.decode(video=0):
            if frame.to_ndarray(format="gray").mean() > 120:
                flashes.append(float(frame.pts * frame.time_base))
    with av.open(io.BytesIO(mp4)) as container:
        first = 0.0
        for index, frame in enumerate(container.decode(audio=0)):
            if index == 0:
                first = float(frame.pts * frame.time_base)
            heard.append(frame.to_ndarray()[0])
            rate = frame.sample_rate
    wave = np.abs(np.concatenate(heard))
    loud = np.flatnonzero(wave > 0.4)
    starts = loud[np.diff(loud, prepend=-rate) > rate // 10]
    return flashes, (starts / rate + first).tolist(), len(wave) / rate


SOURCES = {
    "pcm 48k mkv": ("a.mkv", "pcm_s16le", 48000, 1, 0),
    "pcm 44.1k stereo mov, late": ("a.mov", "pcm_s16le", 44100, 2, 20),
    "aac 48k mp4": ("a.mp4", "aac", 48000, 1, 0),
    "aac 44.1k stereo mp4, late": ("a.mp4", "aac", 44100, 2, 20),
    "flac 32k mkv, late": ("a.mkv", "flac", 32000, 1, 20),
    "pcm 18.9k mkv": ("a.mkv", "pcm_s16le", 18900, 1, 0),
    "aac 48k stereo ts": ("a.ts", "aac", 48000, 2, 0),
}


@pytest.mark.parametrize("name", SOURCES)
def test_clicks_stay_with_their_flashes(tmp_path: Path, name: str) -> None:
    file, codec, rate, channels, late_s = SOURCES[name]
    path = clapper(tmp_path / file, codec, rate, channels=channels, late_s=Fraction(late_s))
    errors = []
    for clip in clips_of(path, [3, 31, 90, 179]):
        assert clip.audio == "kept"
        flashes, clicks, length = events(clip.video)
        assert len(flashes) == len(clicks) > 0
        errors += (np.array(clicks) - np.array(flashes)).tolist()
        assert abs(length - clip.n_frames / float(FPS)) < 1025 / min(rate, 44100)
    assert len(errors) == len(FLASHES)
    # Matroska counts in milliseconds
    limit_s = 0.001 if file == "a.mkv" else 0.0003
    assert np.abs(errors).max() < limit_s, f"errors in s: {errors}"


def test_what_is_there_twice_is_heard_once(tmp_path: Path) -> None:
    """A packet that begins before the last one has ended, as after a join: played whole, all that follows is late."""
    rate = 48000
    pieces = [(at, at + rate // 10) for at in range(0, 2 * rate, rate // 10)]
    pieces += [(2 * rate, 2 * rate + rate // 2)]
    pieces += [(at, at + rate // 10) for at in range(2 * rate + rate // 4, 6 * rate, rate // 10)]
    path = clapper(tmp_path / "a.mkv", "pcm_s16le", rate, pieces=pieces)
    (clip,) = clips_of(path, [3, 179])
    flashes, clicks, _ = events(clip.video)
    assert len(flashes) == len(FLASHES)
    np.testing.assert_allclose(clicks, flashes, atol=0.002)


def test_sound_does_not_touch_the_pictures(tmp_path: Path) -> None:
    path = clapper(tmp_path / "a.mp4", "aac", 48000)
    (loud,), (mute,) = clips_of(path, [10, 60]), clips_of(path, [10, 60], audio=False)
    assert mute.audio is None
    with av.open(io.BytesIO(mute.video)) as a, av.open(io.BytesIO(loud.video)) as b:
        assert not a.streams.audio and len(b.streams.audio) == 1 and b.streams[0].type == "video"
        assert [bytes(p) for p in a.demux(video=0)] == [bytes(p) for p in b.demux(video=0)]
    np.testing.assert_array_equal(decode_clip(mute.video)[0], decode_clip(loud.video)[0])
    assert loud.video.find(b"moov") < loud.video.find(b"mdat")
    assert clips_of(path, [10, 60])[0].video == loud.video, "same input, same bytes"


def test_other_readers_see_the_pictures_only(tmp_path: Path) -> None:
    import decord

    (clip,) = clips_of(clapper(tmp_path / "a.mp4", "aac", 48000), [0, 45])
    assert len(decord.VideoReader(io.BytesIO(clip.video), num_threads=1)) == 45


def test_a_source_without_sound_stays_without(tmp_path: Path) -> None:
    path = write_counter(tmp_path / "a.mp4", 12)
    (clip,), (mute,) = clips_of(path, [0, 12]), clips_of(path, [0, 12], audio=False)
    assert clip.audio == "none" and clip.video == mute.video


def test_sound_that_starts_late_and_ends_early_is_silence_around(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        track = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        wave = np.full((1, 8000), 8000, np.int16)
        frame = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 8000, 16000, Fraction(1, 8000)
        container.mux(track.encode(frame))
        container.mux(track.encode())
    with SoundReader(path) as reader:
        assert reader.read(Fraction(0), Fraction(1)) is None
        sound = reader.read(Fraction(3, 2), Fraction(5, 2))
        assert sound is not None and sound.samples.shape == (1, 8000)
        assert (sound.samples[0, :4000] == 0).all() and (sound.samples[0, 4000:] > 0.2).all()
        last = reader.read(Fraction(5, 2), Fraction(7, 2))
        assert last is not None
        assert (last.samples[0, :4000] > 0.2).all() and (last.samples[0, 4000:] == 0).all()
        assert reader.read(Fraction(7, 2), Fraction(4)) is None


def test_damaged_sound_costs_the_sound_and_not_the_clip(tmp_path: Path) -> None:
    path = clapper(tmp_path / "a.mkv", "flac", 48000)
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(audio=0) if p.size]
        hurt = bytes(packets[len(packets) // 2])
    data = path.read_bytes()
    at = data.find(hurt)
    assert at > 0
    path.write_bytes(data[:at] + b"\x00" * len(hurt) + data[at + len(hurt) :])
    clips = clips_of(path, [0, 60, 120, 179])
    assert [clip.n_frames for clip in clips] == [60, 60, 59]
    assert [clip.audio.split(":")[0] for clip in clips if clip.audio] == ["kept", "broken", "kept"]
    with av.open(io.BytesIO(clips[1].video)) as container:
        assert not container.streams.audio


def test_sound_whose_time_falls_back_is_broken_from_there(tmp_path: Path) -> None:
    first = clapper(tmp_path / "a.ts", "aac", 48000)
    path = tmp_path / "b.ts"
    path.write_bytes(first.read_bytes() * 2)
    clips = clips_of(path, [0, 90, 178, 300])
    assert [clip.audio.split(":")[0] for clip in clips if clip.audio] == ["kept", "kept", "broken"]
    with SoundReader(path) as reader, pytest.raises(MediaError, match="fall back after"):
        reader.read(Fraction(10), Fraction(11))
