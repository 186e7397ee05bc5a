"""``filmstock caption``: every kept clip exactly once per kind, resumed by content, on Ray."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from captioner.config import CaptionConfig
from jobs.caption.command import main, run
from jobs.caption.journal import left_over, read_journal
from jobs.caption.rows import tidy, write_part
from jobs.core.errors import EXIT_PARTIAL, UserError
from jobs.core.run import open_run
from pipeline import schema as s
from pipeline.video.tags import WORLD
from tests.helpers import caption_media as media
from tests.helpers.caption_here import caption_here
from tests.helpers.faulty_server import FaultyServer

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "run"
    media.make_run_folder(folder, clips=7, broken=(3,), rejected=1)
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    import shutil

    shutil.copytree(template, tmp_path / "run")
    return tmp_path / "run"


KEPT = [f"clip{i:03d}" for i in range(6)]
GOOD = [i for i in KEPT if i != "clip003"]
PROMPTS = {"short": "plain short {frames}", "dense": "plain dense {frames}"}


def settings(server: Any, **changes: Any) -> CaptionConfig:
    base = {"batch_size": 2, "concurrency": 1, "prompts": PROMPTS, "deadline_s": 60.0}
    return CaptionConfig(backend="openai", model="vlm", base_url=server.url, **(base | changes))


def test_every_kept_clip_is_captioned_once_per_kind_and_a_broken_one_is_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FaultyServer() as server:
        result = run(settings(server), open_run(folder))
        sent = len(server.bodies)
        found = media.caption_rows(folder)
        assert [(r[s.CLIP_ID], r[s.KIND]) for r in found] == sorted(
            (c, k) for c in KEPT for k in ("short", "dense")
        )
        good = [r for r in found if r[s.CLIP_ID] in GOOD]
        assert all(r[s.OUTCOME] == "ok" and r[s.TEXT] == "A caption of 8." for r in good)
        broken = [r for r in found if r[s.CLIP_ID] == "clip003"]
        assert all(r[s.OUTCOME] == "error" and r[s.TEXT] is None for r in broken)
        assert all(r[s.ERROR_MESSAGE] for r in broken)
        assert (result.rows, result.ok, result.errors, sent) == (12, 10, 2, 10)
        assert len({r[s.FRAMES_HASH] for r in good}) == len(GOOD)

        # The broken clip is asked for again, the answered ones are not.
        again = run(settings(server), open_run(folder))
        assert (
            len(server.bodies) == sent and again.asked == 2 and media.caption_rows(folder) == found
        )
    assert "run the same command to ask again" in capsys.readouterr().err


def test_a_finished_run_does_nothing_and_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    caption_here(monkeypatch)
    media.write_selection(folder, KEPT, GOOD)
    with FaultyServer() as server:
        config = settings(server)
        first = run(config, open_run(folder))
        parts = {p.name: p.stat().st_mtime_ns for p in (folder / "captions").iterdir()}
        sent = len(server.bodies)
        capsys.readouterr()
        second = run(config, open_run(folder))
        assert "nothing to do" in capsys.readouterr().out
        assert second == first and len(server.bodies) == sent
    assert {p.name: p.stat().st_mtime_ns for p in (folder / "captions").iterdir()} == parts


def test_a_change_captions_again_exactly_what_it_touches(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caption_here(monkeypatch)
    media.write_selection(folder, KEPT, GOOD)
    with FaultyServer() as server:

        def asked(**changes: Any) -> Counter[str]:
            before = len(server.bodies)
            run(settings(server, **changes), open_run(folder))
            keys = [(r[s.CLIP_ID], r[s.KIND]) for r in media.caption_rows(folder)]
            assert len(keys) == len(set(keys)) == 10
            return Counter(
                b["messages"][0]["content"][-1]["text"].split()[1] for b in server.bodies[before:]
            )

        assert asked() == {"short": 5, "dense": 5}
        reworded = {**PROMPTS, "dense": "plain dense better {frames}"}
        assert asked(prompts=reworded) == {"dense": 5}
        assert asked(prompts=reworded, batch_size=3, workers=2) == {}
        assert asked(prompts=reworded, frames=4) == {"short": 5, "dense": 5}
        assert asked(prompts=reworded, frames=4, max_new_tokens=99) == {"short": 5, "dense": 5}
        # One clip fewer and back again: nothing is asked for.
        media.write_selection(folder, KEPT, GOOD[1:])
        assert asked(prompts=reworded, frames=4, max_new_tokens=99) == {}
        media.write_selection(folder, KEPT, GOOD)
        assert asked(prompts=reworded, frames=4, max_new_tokens=99) == {}


def test_a_model_replaced_while_it_runs_is_an_error_and_not_silence(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import captioner.backends.base

    monkeypatch.setattr(captioner.backends.base, "model_id", lambda config: "another-model")
    with FaultyServer() as server, pytest.raises(UserError, match="were not made by another"):
        run(settings(server), open_run(folder))


@pytest.mark.slow
def test_killed_at_any_time_and_rerun_ends_in_the_rows_of_an_undisturbed_run(
    folder: Path, tmp_path: Path
) -> None:
    import shutil

    media.write_selection(folder, KEPT, GOOD)
    calm = tmp_path / "calm"
    shutil.copytree(folder, calm)
    slow = {"short": "slow short {frames}", "dense": "slow dense {frames}"}
    with FaultyServer() as server:
        config = settings(server, prompts=slow, batch_size=1)
        run(config, open_run(calm))
        sent = len(server.bodies)
        code = (
            "from captioner.config import CaptionConfig; from jobs.caption.command import run; "
            "from jobs.core.run import open_run; "
            f"run(CaptionConfig(**{dict(vars(config))!r}), open_run({str(folder)!r}))"
        )
        child = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 300
        while server.answered < sent + 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        for victim in processes_of(
            child
        ):  # Ray's workers too, or they would go on asking for a moment
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        child.wait()
        time.sleep(1)
        journals = left_over(folder / "captions")
        stored = len(media.caption_rows(folder)) + sum(
            len(list(read_journal(path))) for path in journals
        )
        assert 0 < stored < 10, "the kill came too early or too late to test anything"
        before = len(server.bodies)
        run(config, open_run(folder))
        assert len(server.bodies) - before == 10 - stored, (
            "an answered and stored row was asked again"
        )
    assert media.caption_rows(folder) == media.caption_rows(calm) and sent == 10


def processes_of(child: subprocess.Popen[bytes]) -> list[int]:
    """Every process of the session that the child leads."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.getsid(int(entry)) == child.pid:
                found.append(int(entry))
    return found


def test_tidy_heals_doubles_and_drops_what_is_stale(tmp_path: Path) -> None:
    def row(clip: str, made: tuple[str, str, str, str, int], text: str | None) -> dict[str, Any]:
        model, prompt, frames, sampling, seed = made
        return {
            s.CLIP_ID: clip,
            s.KIND: "short",
            s.TEXT: text,
            s.OUTCOME: "error" if text is None else "ok",
            s.CHECKS: [],
            s.MODEL: model,
            s.PROMPT_HASH: prompt,
            s.FRAMES_HASH: frames + "f" * 16,
            s.SAMPLING_HASH: sampling,
            s.SEED: seed,
        }

    now, old = ("m", "p", "0" * 16, "s", 0), ("m", "old", "0" * 16, "s", 0)
    table = tmp_path / "captions"
    table.mkdir()
    write_part(
        table, [row("a", old, "stale"), row("b", now, "kept"), row("z", old, "not wanted now")]
    )
    write_part(table, [row("a", now, "fresh"), row("b", now, "kept"), row("c", now, None)])
    write_part(table, [row("c", now, "answered"), row("d", old, "stale, never answered")])
    wanted = {(clip, "short"): now for clip in "abcd"}
    assert tidy(table, wanted) == 4
    assert {r[s.CLIP_ID]: r[s.TEXT] for r in media.caption_rows(tmp_path)} == {
        "a": "fresh",
        "b": "kept",
        "c": "answered",
        "z": "not wanted now",
    }
    names = sorted(p.name for p in table.iterdir())
    assert len(names) == 1 and tidy(table, wanted) == 4
    assert sorted(p.name for p in table.iterdir()) == names


def test_wrong_input_is_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        main([str(tmp_path / "nowhere")])
    with pytest.raises(UserError, match="filmstock ingest"):
        (tmp_path / "empty").mkdir()
        run(CaptionConfig(), open_run(tmp_path / "empty"))
    with pytest.raises(ValueError, match="filmstock models get org/absent"):
        run(CaptionConfig(model="org/absent"), open_run(folder))
    with pytest.raises(ValueError, match="no captioning server answers"):
        dead = "http://127.0.0.1:9/v1"
        run(CaptionConfig(backend="openai", model="vlm", base_url=dead), open_run(folder))
    assert not (folder / "captions").exists()


@pytest.mark.timeout(600)
def test_footage_that_the_embedded_captioner_does_not_know_is_refused_and_never_packed(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    caption_here(monkeypatch)
    part = folder / "manifest" / "part-00000.parquet"
    table = pq.read_table(part)
    domains = [None if i in ("clip001", "clip002") else WORLD for i in table[s.CLIP_ID].to_pylist()]
    at = table.schema.get_field_index(s.DOMAIN)
    pq.write_table(
        table.set_column(at, table.schema.field(at), pa.array(domains, pa.string())), part
    )
    config = CaptionConfig(kinds=("dense",), max_new_tokens=40)
    opened = open_run(folder)
    result = run(config, opened)
    said = capsys.readouterr().err
    assert "2 clips are not of the synthetic world" in said and "models get --recipe laptop" in said
    ends = {row[s.CLIP_ID]: row for row in media.caption_rows(folder)}
    for clip in ("clip001", "clip002"):
        assert ends[clip][s.OUTCOME] == "out_of_domain" and ends[clip][s.TEXT] is None
        assert "synthetic world" in ends[clip][s.ERROR_MESSAGE]
    assert ends["clip000"][s.OUTCOME] != "out_of_domain"
    assert not {"clip001", "clip002"} & opened.usable_captions(("dense",)).keys()
    asked = run(replace(config, allow_out_of_domain=True), opened)
    assert (asked.rows, asked.asked) == (result.rows, 3)
    ends = {row[s.CLIP_ID]: row[s.OUTCOME] for row in media.caption_rows(folder)}
    assert len(ends) == len(KEPT) and "out_of_domain" not in ends.values()


def test_the_embedded_captioner_runs_from_the_command_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = 'caption.kinds=["short", "dense", "structured"]'
    code = main(
        [str(folder), "--recipe", "demo", "--set", "caption.max_new_tokens=100", "--set", kinds]
    )
    said = capsys.readouterr()
    assert code == EXIT_PARTIAL  # clip003 cannot be read
    assert "out_of_domain" not in said.out + said.err, "its clips are of the world it knows"
    found = [r for r in media.caption_rows(folder) if r[s.CLIP_ID] in GOOD]
    assert Counter(r[s.OUTCOME] for r in found)["ok"] >= 12, found
    assert all(r[s.MODEL].startswith("embedded@") for r in found)
    # Each model says what the frames of its own clip show: on world footage colours are right nearly always.
    from pipeline.world.captions import parse_caption
    from pipeline.world.scene import random_scene

    dense = [r for r in found if r[s.KIND] == "dense"]
    right = [
        {o[0] for o in parse_caption(r[s.TEXT]).objects}
        == {o.colour for o in random_scene(int(r[s.CLIP_ID][4:])).objects}
        for r in dense
    ]
    assert sum(right) >= len(right) - 1, dense
    # Its structured captions are its dense ones taken apart, and say so.
    from captioner.ask.structured import parse
    from captioner.render import plain

    said = {r[s.CLIP_ID]: r[s.TEXT] for r in dense}
    for row in (r for r in found if r[s.KIND] == "structured" and r[s.OUTCOME] == "ok"):
        assert "derived" in row[s.CHECKS]
        assert plain(parse(row[s.TEXT])) == said[row[s.CLIP_ID]]


def test_a_server_that_can_serve_nothing_stops_the_stage_and_says_why(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = ("short", "dense", "structured")
    dead = {kind: f"bad {kind} {{frames}}" for kind in kinds}
    with FaultyServer() as server:
        config = settings(server, kinds=kinds, prompts=dead, concurrency=4)
        with pytest.raises(UserError) as caught:
            run(config, open_run(folder))
        line = str(caught.value)
        assert "caption stopped: the first" in line and "HTTP 400: image is" in line
        fine = settings(server, kinds=kinds, prompts={k: f"json {k} {{frames}}" for k in kinds})
        assert run(fine, open_run(folder)).rows == 3 * len(KEPT), "the next run goes on"
