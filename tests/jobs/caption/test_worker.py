"""The captioning worker by itself, without Ray: binding, second questions, repairs, and being killed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from captioner.ask.frames import clip_frames, for_server
from captioner.backends.base import Reply, Request, chat_messages, reply_to
from captioner.config import CaptionConfig
from jobs.caption.rows import KINDS, recover, work_clips
from jobs.caption.worker import CaptionWorker
from jobs.core.run import open_run
from pipeline import schema as s
from tests.helpers import caption_media as media
from tests.helpers.caption_here import counted
from tests.helpers.faulty_server import FaultyServer, pictures_hash
from tests.helpers.warm_python import python

ROOT = Path(__file__).resolve().parents[3]
CLIPS = 6
BROKEN = "clip003"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    media.make_run_folder(tmp_path / "run", clips=CLIPS, broken=(3,))
    (tmp_path / "run" / "captions").mkdir()
    return tmp_path / "run"


def settings(server: Any, mode: str, **changes: Any) -> CaptionConfig:
    prompts = {kind: f"{mode} {kind} {{frames}}" for kind in ("short", "dense", "structured")}
    base = {"concurrency": 3, "deadline_s": 30.0, "frames": 4, "prompts": prompts}
    return CaptionConfig(backend="openai", model="vlm", base_url=server.url, **(base | changes))


def work(folder: Path, kinds: str = "short,dense") -> dict[str, Any]:
    rows = open_run(folder).kept_clips().select(list(s.READ_COLUMNS)).to_pylist()
    columns = {name: np.array([row[name] for row in rows]) for name in s.READ_COLUMNS}
    return {**columns, KINDS: np.array([kinds] * len(rows))}


def stored(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    found = media.caption_rows(folder)
    rows = {(row[s.CLIP_ID], row[s.KIND]): row for row in found}
    assert len(rows) == len(found)
    return rows


def test_every_answer_lands_on_the_clip_whose_pixels_were_sent(folder: Path) -> None:
    with FaultyServer() as server:
        config = settings(server, "echo")
        counts = counted(CaptionWorker(config, str(folder), 2), work(folder))
        assert counts == {"rows": 12, "errors": 2, "tries": 12, "strays": 0}
    for row in open_run(folder).kept_clips().select(list(s.READ_COLUMNS)).to_pylist():
        if row[s.CLIP_ID] == BROKEN:
            continue
        frames = clip_frames(
            media.clip_bytes(int(row[s.CLIP_ID][4:])),
            n_frames=row[s.N_FRAMES],
            fps=row[s.FPS],
            width=row[s.WIDTH],
            height=row[s.HEIGHT],
            frames=4,
            side=384,
        )
        sent = Request(clip_id="", kind="", frames=for_server(frames), prompt="")
        shown = pictures_hash({"messages": chat_messages(sent)})
        for kind in ("short", "dense"):
            found = stored(folder)[row[s.CLIP_ID], kind]
            assert found[s.TEXT] == f"A dog chases {shown}."
            assert found[s.FRAMES_HASH][16:] == frames.hash[:16]
            assert found[s.MODEL] == "vlm" and found[s.SEED] == 0
            assert found[s.PROMPT_HASH] and found[s.SAMPLING_HASH]
    broken = stored(folder)[BROKEN, "short"]
    assert broken[s.OUTCOME] == "error" and broken[s.ERROR_MESSAGE] and broken[s.TEXT] is None
    assert not list((folder / "captions").glob(".*")), "its journal is left"


def test_a_backend_that_mixes_up_doubles_and_invents_replies_spoils_nothing(folder: Path) -> None:
    class Chaos:
        model_id, pulls = "chaos", 4

        def prepare(self, frames: Any) -> Any:
            return frames

        def caption(self, requests: Iterable[Request]) -> Iterator[Reply]:
            every = list(requests)
            for i, request in enumerate(reversed(every)):
                reply = reply_to(request, text=f"A dog of {request.frames.hash}.", finish="stop")
                yield reply
                if i % 2:
                    yield reply
                yield Reply(clip_id="nobody", kind="short", frames_hash="", text="lost")
            if every:
                yield reply_to(every[0], text="A late second answer.", finish="stop")

        def close(self) -> None:
            pass

    with FaultyServer() as server:
        worker = CaptionWorker(settings(server, "plain"), str(folder), 1)
    worker.backend = Chaos()
    counts = counted(worker, work(folder))
    assert (counts["rows"], counts["errors"], counts["strays"]) == (12, 2, 5 + 10 + 1)
    for row in stored(folder).values():
        if row[s.CLIP_ID] != BROKEN:
            assert row[s.TEXT].removeprefix("A dog of ")[:16] == row[s.FRAMES_HASH][16:]


def test_bad_answers_are_asked_again_once_and_say_so(folder: Path) -> None:
    with FaultyServer() as server:
        config = settings(server, "loop", kinds=("dense",))
        counts = counted(CaptionWorker(config, str(folder), 1), work(folder, "dense"))
        assert counts == {"rows": 6, "errors": 1, "tries": 1 + 2 * 5, "strays": 0}
        seeds = Counter((b["seed"], b["temperature"]) for b in server.bodies)
        assert seeds == {(0, 0.0): 5, (1, 0.7): 5}
    good = [row for key, row in stored(folder).items() if key[0] != BROKEN]
    assert {row[s.TEXT] for row in good} == {"A dog runs left."}
    assert all(row[s.REPAIRS] == ["asked_again"] and row[s.OUTCOME] == "ok" for row in good)


@pytest.mark.parametrize(
    ("mode", "outcome"),
    [
        ("refuse", "refused"),
        ("filter", "refused"),
        ("empty", "empty"),
        ("cut", "truncated"),
        ("intro", "ok"),
        ("think", "ok"),
    ],
)
def test_outcomes_are_typed_and_what_was_said_is_kept(
    folder: Path, mode: str, outcome: str
) -> None:
    with FaultyServer() as server:
        config = settings(server, mode, kinds=("short",))
        counted(CaptionWorker(config, str(folder), 1), work(folder, "short"))
        asked = len(server.bodies)
    row = stored(folder)["clip000", "short"]
    assert row[s.OUTCOME] == outcome
    if outcome == "ok":
        assert asked == 5 and row[s.TEXT].lower() == "a caption of 4."
        assert row[s.RAW_TEXT] != row[s.TEXT] and row[s.RAW_TEXT].endswith("a caption of 4.") == (
            mode == "intro"
        )
        assert row[s.REPAIRS] == [{"intro": "boilerplate", "think": "thinking"}[mode]]
    else:
        assert asked == 10 and row[s.REPAIRS] == ["asked_again"]


@pytest.mark.parametrize(
    ("mode", "outcome", "repairs"),
    [
        ("json", "ok", []),
        ("fenced", "ok", ["json"]),
        ("noschema", "ok", ["schema_refused"]),
        ("prose", "malformed", ["asked_again"]),
    ],
)
def test_structured_captions_are_asked_with_a_schema_and_checked(
    folder: Path, mode: str, outcome: str, repairs: list[str]
) -> None:
    from captioner.ask.structured import json_schema, parse

    with FaultyServer() as server:
        config = settings(server, mode, kinds=("structured",), concurrency=1)
        counted(CaptionWorker(config, str(folder), 1), work(folder, "structured"))
        schema = server.bodies[0]["response_format"]["json_schema"]
        assert schema["strict"] and schema["schema"] == json_schema()
        assert (
            sum("response_format" in body for body in server.bodies[1:])
            == {
                "json": 4,
                "fenced": 4,
                "noschema": 0,
                "prose": 9,
            }[mode]
        )
    row = stored(folder)["clip000", "structured"]
    assert (row[s.OUTCOME], row[s.REPAIRS]) == (outcome, repairs)
    if outcome == "ok":
        assert parse(row[s.TEXT]).subjects[0].name == "dog"


def test_killed_in_the_middle_and_started_again_asks_for_nothing_it_had_stored(
    folder: Path,
) -> None:
    script = (
        "import os, sys; print(os.getpid(), flush=True); sys.path.insert(0, '.'); "
        "from tests.jobs.caption.test_worker import *; "
        "config = CaptionConfig(**{!r}); folder = Path({!r}); "
        "list(CaptionWorker(config, str(folder), 1)(work(folder)))"
    )
    with FaultyServer() as server:
        # without the judge: while it loads, answers come that are not on disk yet
        config = settings(server, "slow", concurrency=2, judge=False)
        child = subprocess.Popen(
            [python(), "-c", script.format(dict(vars(config)), str(folder))],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        number = int(child.stdout.readline())

        def written() -> int:
            journals = (folder / "captions").glob(".answers-*.jsonl")
            return sum(one.read_bytes().count(b"\n") for one in journals)

        deadline = time.monotonic() + 300
        while (server.answered < 4 or written() < 2) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(number, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        (journal,) = (folder / "captions").glob(".answers-*.jsonl")
        answers = journal.read_bytes().count(b"\n")
        assert 2 <= answers < 10 and not stored(folder), "killed amid its work"
        before, asked = dict(server.pictures), len(server.bodies)

        counts = counted(CaptionWorker(config, str(folder), 1), work(folder))
        assert counts["rows"] == 12 and counts["tries"] == 12 - answers
        # An unreadable clip is not asked about, and neither is what the journal holds; in flight were at most two.
        sent = server.pictures
        assert len(server.bodies) - asked <= 10 - answers + (BROKEN in journal.name)
        assert sum(count > 1 for count in sent.values()) <= 2 and len(sent) == 10
        assert max(sent[key] for key in before) <= 2
    assert len(stored(folder)) == 12 and not journal.exists()


def test_a_run_that_was_killed_leaves_journals_that_become_parts(folder: Path) -> None:
    from jobs.caption.journal import Journal

    with FaultyServer() as server:
        counted(CaptionWorker(settings(server, "plain"), str(folder), 1), work(folder))
    rows = stored(folder)
    for part in (folder / "captions").glob("part-*"):
        part.unlink()
    journal = Journal(folder / "captions", [("x", "short")])
    for row in rows.values():
        journal.add(row)
    assert recover(folder / "captions") == 12 and recover(folder / "captions") == 0
    assert stored(folder) == rows and not journal.path.exists()


def test_a_reply_that_was_cut_is_asked_for_again_with_more_room_and_not_lost(folder: Path) -> None:
    """Dropped, long captions would be missing of just those clips in which most happens."""
    with FaultyServer() as server:
        config = settings(server, "room", kinds=("dense",), max_new_tokens=60)
        counted(CaptionWorker(config, str(folder), 2), work(folder, "dense"))
        asked = Counter((body["max_tokens"], body["temperature"]) for body in server.bodies)
    assert asked == {(60, 0.0): CLIPS - 1, (120, 0.0): CLIPS - 1}, "twice the room, and no dice"
    for (clip, _), row in stored(folder).items():
        if clip != BROKEN:
            assert row[s.OUTCOME] == "ok" and row[s.TEXT].endswith(".")
            assert row[s.REPAIRS] == ["asked_again"]


def test_hints_are_in_the_question_and_beside_the_caption(folder: Path) -> None:
    measured = {
        s.CAMERA: "pan",
        s.CAMERA_PAN: 0.2,
        s.CAMERA_TILT: 0.0,
        s.CAMERA_ZOOM: 0.0,
        s.LEGIBLE_TEXT: ["EXIT"],
        s.COLOURS: ["red"],
    }
    media.measure(folder, measured)
    camera = "The view pans fast to the right, by 0.25 of the frame's diagonal."
    text = 'The text "EXIT" can be read.'

    def caption(server: Any, *hints: str) -> dict[str, Any]:
        config = settings(server, "plain", kinds=("dense",), hints=hints)
        clips = work_clips(open_run(folder).kept_clips(), config)
        block = {name: np.array([clip[name] for clip in clips]) for name in clips[0]}
        block[KINDS] = np.array(["dense"] * len(clips))
        counted(CaptionWorker(config, str(folder), 2), block)
        (path,) = (folder / "captions").glob("part-*.parquet")
        (row, *_) = pq.read_table(path).to_pylist()
        path.unlink()
        return row

    with FaultyServer() as server:
        told = caption(server, "camera", "text")
        question = server.bodies[0]["messages"][0]["content"][-1]["text"]
        assert question.endswith(f"{camera} {text}") and "colour is" not in question
        plain = caption(server)
        assert camera not in server.bodies[-1]["messages"][0]["content"][-1]["text"]
    assert told[s.HINTS] == [camera, text]
    assert [fact[s.FACT_COLUMNS] for fact in told[s.FACTS]] == [
        [s.CAMERA, s.CAMERA_PAN, s.START_S, s.END_S],
        [s.LEGIBLE_TEXT],
    ]
    assert plain[s.HINTS] == [] and plain[s.FACTS] == []
    assert told[s.PROMPT_HASH] != plain[s.PROMPT_HASH], "another question, so it is asked again"
